//! What a Corefile may say here it may say there: CoreDNS itself starts with it.

use std::fmt::Write;

use crate::behind::COREDNS;
use crate::run::Room;

/// Each directive with its options, as CoreDNS's own readers take them.
const LINES: &[&str] = &[
    "acl",
    "acl {\nallow\n}",
    "acl a b {\nblock type A AAAA net 10.0.0.0/8 192.0.2.1 ::1\nFILTER net *\n}",
    "acl {\ndrop net fd00::/8 TYPE HTTPS\nallow type * net 10.0.0.1\n}\nacl a {\nblock\n}",
    "bufsize\ndebug\nminimal\nchaos\nnsid\nreload",
    "bufsize 512\nchaos \"v 1\" b a b\nnsid a b\nreload 2s 0s",
    "cache",
    "cache 30 a b",
    "cache a",
    "cache {\nsuccess 100\ndenial 200 60 0\nprefetch 1 10m 90%\n}",
    "cache {\nserve_stale 2h immediate 10s 1m\n}",
    "cache {\nserve_stale_policy prefer_positive\nserve_stale 1h verify 2s 1s\n}",
    "cache {\nservfail 0\nkeepttl\ndisable success a b\ndisable denial\n}",
    "errors stdout {\nconsolidate 5m \".* timeout$\" warning show_first\nconsolidate 1s x show_first\n\
     stacktrace\n}",
    "log a\nlog b c {\nclass denial error\n}",
    "log . \"{combined} {duration}\" {\nclass all\nclass success\n}",
    "loadbalance round_robin {\nprefer 10.0.0.0/8 fd00::/8\n}",
    "hosts nowhere a {\n192.0.2.1 b c.d\n::1 e\nttl 60\nreload 0s\nno_reverse\n}",
    "hosts {\nfallthrough a\nfallthrough_unsupported\n}",
    "template IN A\ntemplate ANY ANY a {\nmatch ^x\\. \"y [a-z]+\"\nrcode NXDOMAIN\n\
     ederror 21 \"no v6\"\nanswer \"{{ .Name }} 60 IN A 192.0.2.1\"\nfallthrough\n}",
    "rewrite name A b\nrewrite continue name exact a b.\nrewrite stop name prefix a b",
    "rewrite name suffix .a .b answer auto\nrewrite name substring a b",
    "rewrite stop {\nname regex (.*)\\.x\\.(.*) {1}.y.{2}\nanswer name (.*)y x{1}\n}",
    "rewrite name regex (.*)\\.x\\.(.*) {1}.y.{2} answer auto answer value a b value c d",
    "transfer a {\nto 192.0.2.1 [::1]:5300\nto ::1 *\nsource 192.0.2.9\n}",
    "forward . 192.0.2.1 192.0.2.1 {\nexcept a 10.0.0.0/8\npolicy sequential\nforce_tcp\n\
     prefer_udp\nexpire 20s\nmax_age 1m\nmax_fails 0\nmax_idle_conns 5\nmax_concurrent 1000\n\
     max_connect_attempts 3\nread_timeout 1s\nhealth_check 5s no_rec domain a\n\
     next NXDOMAIN servfail\nnext_on_nodata\nfailover REFUSED\n\
     failfast_all_unhealthy_upstreams\nresolver 192.0.2.9 192.0.2.8:54\n\
     source_address 127.0.0.1\ndoh_method GET\n}",
    "forward . tls://192.0.2.1 {\ntls\ntls_servername a\n}",
    "forward . tls://192.0.2.1%a.example https://192.0.2.2",
];

#[test]
fn coredns_starts_with_all_that_is_read_here() {
    let corefile = |port: u16| {
        let mut text = String::new();
        for (number, lines) in LINES.iter().enumerate() {
            // Writing into a String cannot fail.
            let _ = write!(text, "z{number}:{port} {{\nbind 127.0.0.1\n{lines}\n}}\n");
        }
        text
    };
    let room = Room::new();
    room.write("Corefile", corefile(53));
    let ended = room.run(&["check", "-c", "Corefile"]);
    let wrong: Vec<&str> =
        ended.out.lines().filter(|line| !line.contains(" is not built yet")).collect();
    assert_eq!(wrong, Vec::<&str>::new());
    // It answers, if only with REFUSED: it has read the file to its end.
    let _ = COREDNS.run(|address| corefile(address.port()));
}
