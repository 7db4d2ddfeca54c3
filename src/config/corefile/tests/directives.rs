//! What each directive becomes, whether or not it acts already.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use crate::config::corefile::{Surroundings, block, parser};
use crate::config::error::Findings;
use crate::config::table::DIRECTIVES;
use crate::config::{
    Acl, AclAction, AclRule, AnswerRule, Balance, Cache, Carrier, Chaos, Cidr, Config, Consolidate,
    Errors, Forward, Half, Health, HealthCheck, Hosts, HostsEntry, LoadBalance, Log, LogClass,
    LogLevel, Monitor, NameChange, NameTest, Nsid, Pattern, Policy, Prefetch, Prometheus, Protocol,
    Ready, RecordTemplate, Reload, Rewrite, RewriteRule, Rewritten, ServeStale, ServerBlock,
    Template, Tls, Transfer, TransferTo, Upstream,
};
use crate::name::Name;
use crate::zone::Fallthrough;

/// Lines, and what they change.
type Case<'a, T> = (&'a str, &'a dyn Fn(&mut T));

/// What a block of `example.org` with these lines becomes, and the faults beside that something is
/// not built yet.
fn read(lines: &str) -> (ServerBlock, Vec<String>) {
    let mut findings = Findings::new("Corefile");
    let text = format!("example.org {{\n{lines}\n}}\n");
    let blocks = parser::parse(Path::new("Corefile"), &text, &|_| None, &mut findings);
    let around = Surroundings { env: &|_| None, interfaces: &Vec::new };
    let draft = block::read(&blocks[0], 53, &around, &mut Config::default(), &mut findings);
    let faults = findings.errors.iter().map(ToString::to_string);
    (draft.server, faults.filter(|fault| !fault.contains("is not built yet")).collect())
}

/// Each of these lines makes this change to a block that says nothing.
fn become_what(cases: &[Case<'_, ServerBlock>]) {
    for (lines, change) in cases {
        let mut expected = ServerBlock::default();
        change(&mut expected);
        assert_eq!(read(lines), (expected, Vec::new()), "{lines}");
    }
}

fn names(texts: &[&str]) -> Vec<Name> {
    texts.iter().map(|text| Name::parse(text).unwrap()).collect()
}

fn own() -> Vec<Name> {
    names(&["example.org"])
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

fn pattern(text: &str) -> Pattern {
    Pattern(text.into())
}

#[test]
fn whatever_is_read_has_a_reader() {
    for known in DIRECTIVES.iter().filter(|known| known.fate.is_read()) {
        let (_, faults) = read(known.name);
        assert!(!faults.iter().any(|fault| fault.contains("has no reader")), "{faults:?}");
    }
}

#[test]
fn guards() {
    let net = |text: &str| Cidr::parse(text).unwrap();
    let acl = |zones, rules| move |block: &mut ServerBlock| block.acl = vec![Acl { zones, rules }];
    let rule = |action, types: &[u16], sources: &[&str]| AclRule {
        action,
        types: types.to_vec(),
        sources: sources.iter().map(|text| net(text)).collect(),
    };
    for (lines, zones, rules) in [
        ("acl {\nallow\n}", own(), vec![rule(AclAction::Allow, &[], &[])]),
        (
            "acl a b {\nblock type A AAAA net 10.0.0.0/8 192.0.2.1 ::1\nFILTER net *\n}",
            names(&["a", "b"]),
            vec![
                rule(AclAction::Block, &[1, 28], &["10.0.0.0/8", "192.0.2.1/32", "::1/128"]),
                rule(AclAction::Filter, &[], &[]),
            ],
        ),
        (
            "acl {\ndrop net fd00::/8 TYPE HTTPS TYPE65280\nallow type * net 10.0.0.1\n}",
            own(),
            vec![
                rule(AclAction::Drop, &[65, 65_280], &["fd00::/8"]),
                rule(AclAction::Allow, &[], &["10.0.0.1/32"]),
            ],
        ),
        // `*` wins wherever it stands.
        (
            "acl {\nblock type ANY\ndrop type A * AAAA\nfilter type * net ::1 type A net *\n}",
            own(),
            vec![
                rule(AclAction::Block, &[255], &[]),
                rule(AclAction::Drop, &[], &[]),
                rule(AclAction::Filter, &[], &[]),
            ],
        ),
    ] {
        become_what(&[(lines, &|block| acl(zones.clone(), rules.clone())(block))]);
    }
    let (block, faults) = read("acl a {\nallow\n}\nacl {\nblock\n}");
    assert_eq!((block.acl.len(), faults), (2, vec![]));
    let address = |text: &str| TransferTo::Address(text.parse().unwrap());
    become_what(&[
        ("transfer {\nto *\n}", &|block| {
            let to = vec![TransferTo::Anybody];
            block.transfer = vec![Transfer { zones: own(), to, source: None }];
        }),
        ("transfer a {\nto 192.0.2.1 [::1]:5300\nto ::1\nsource 192.0.2.9\n}", &|block| {
            block.transfer = vec![Transfer {
                zones: names(&["a"]),
                to: vec![address("192.0.2.1:53"), address("[::1]:5300"), address("[::1]:53")],
                source: Some("192.0.2.9".parse().unwrap()),
            }];
        }),
    ]);
}

#[test]
fn caches() {
    let half = |capacity, max_ttl, min_ttl, disabled: &[&str]| Half {
        capacity,
        max_ttl,
        min_ttl,
        disabled: names(disabled),
    };
    let plain = Cache {
        zones: own(),
        success: half(9_984, 3_600, 5, &[]),
        denial: half(9_984, 1_800, 5, &[]),
        prefetch: None,
        serve_stale: None,
        servfail: seconds(5),
        keep_ttl: false,
    };
    let stale = ServeStale {
        up_to: seconds(3_600),
        verify: None,
        ttl: 0,
        recheck: Duration::ZERO,
        prefer_positive: false,
    };
    let cases: &[Case<'_, Cache>] = &[
        ("cache", &|_| ()),
        ("cache 30 a b", &|cache| {
            cache.zones = names(&["a", "b"]);
            (cache.success.max_ttl, cache.denial.max_ttl) = (30, 30);
        }),
        ("cache a", &|cache| cache.zones = names(&["a"])),
        ("cache {\nsuccess 100\ndenial 200 60 0\n}", &|cache| {
            cache.success.capacity = 100;
            cache.denial = half(200, 60, 0, &[]);
        }),
        ("cache {\nprefetch 10\n}", &|cache| {
            cache.prefetch = Some(Prefetch { amount: 10, duration: seconds(60), percentage: 10 });
        }),
        ("cache {\nprefetch 1 10m 90%\n}", &|cache| {
            cache.prefetch = Some(Prefetch { amount: 1, duration: seconds(600), percentage: 90 });
        }),
        ("cache {\nserve_stale\n}", &|cache| cache.serve_stale = Some(stale.clone())),
        ("cache {\nserve_stale 2h immediate 10s 1m\n}", &|cache| {
            cache.serve_stale = Some(ServeStale {
                up_to: seconds(7_200),
                ttl: 10,
                recheck: seconds(60),
                ..stale.clone()
            });
        }),
        ("cache {\nserve_stale_policy prefer_positive\nserve_stale 1h verify 2s 1s\n}", &|cache| {
            cache.serve_stale = Some(ServeStale {
                verify: Some(seconds(2)),
                ttl: 1,
                prefer_positive: true,
                ..stale.clone()
            });
        }),
        ("cache {\nservfail 0\nkeepttl\n}", &|cache| {
            cache.servfail = Duration::ZERO;
            cache.keep_ttl = true;
        }),
        ("cache {\ndisable success a b\ndisable denial\n}", &|cache| {
            cache.success.disabled = names(&["a", "b"]);
            cache.denial.disabled = names(&["."]);
        }),
    ];
    for (lines, change) in cases {
        let mut cache = plain.clone();
        change(&mut cache);
        become_what(&[(lines, &|block| block.cache = Some(cache.clone()))]);
    }
}

#[test]
fn what_operators_see() {
    let everywhere = |port| SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port);
    let log = |zones: &[&str], format: &str, classes: &[LogClass]| Log {
        zones: names(zones),
        format: format.into(),
        classes: classes.to_vec(),
    };
    let common = Log::COMMON;
    become_what(&[
        ("errors", &|block| block.errors = Some(Errors::default())),
        ("errors stdout {\nstacktrace\n}", &|block| {
            block.errors = Some(Errors { consolidate: vec![], stacktrace: true });
        }),
        (
            "errors {\nconsolidate 5m \".* i/o timeout$\" warning show_first\n\
             consolidate 30s ^Failed\nconsolidate 1s x show_first\n}",
            &|block| {
                let one = |period, regex, level, show_first| Consolidate {
                    period: seconds(period),
                    pattern: pattern(regex),
                    level,
                    show_first,
                };
                let consolidate = vec![
                    one(300, ".* i/o timeout$", LogLevel::Warn, true),
                    one(30, "^Failed", LogLevel::Error, false),
                    one(1, "x", LogLevel::Error, true),
                ];
                block.errors = Some(Errors { consolidate, stacktrace: false });
            },
        ),
        ("log", &|block| block.log = vec![log(&["."], common, &[LogClass::All])]),
        ("log a\nlog b c {\nclass denial error\n}", &|block| {
            block.log = vec![
                log(&["a"], common, &[LogClass::All]),
                log(&["b", "c"], common, &[LogClass::Denial, LogClass::Error]),
            ];
        }),
        ("log . \"{combined} {duration}\" {\nclass all\nclass success\n}", &|block| {
            let format = format!("{common} \"{{>opcode}}\" {{duration}}");
            block.log = vec![log(&["."], &format, &[LogClass::All, LogClass::Success])];
        }),
        ("health", &|block| {
            block.health = Some(Health { listen: everywhere(8080), lameduck: Duration::ZERO });
        }),
        ("health 127.0.0.1:81 {\nlameduck 5s\n}", &|block| {
            let listen = "127.0.0.1:81".parse().unwrap();
            block.health = Some(Health { listen, lameduck: seconds(5) });
        }),
        ("ready :82 {\nmonitor continuously\n}", &|block| {
            let monitor = Monitor::Continuously;
            block.ready = Some(Ready { listen: everywhere(82), monitor });
        }),
        ("prometheus", &|block| {
            block.prometheus = Some(Prometheus { listen: "127.0.0.1:9153".parse().unwrap() });
        }),
        ("reload", &|block| {
            block.reload = Some(Reload { interval: seconds(30), jitter: seconds(15) });
        }),
        ("reload 10s", &|block| {
            block.reload = Some(Reload { interval: seconds(10), jitter: seconds(5) });
        }),
        ("reload 2s 0s", &|block| {
            block.reload = Some(Reload { interval: seconds(2), jitter: Duration::ZERO });
        }),
        ("debug\nminimal\nloop", &|block| {
            (block.debug, block.minimal, block.find_loops) = (true, true, true);
        }),
    ]);
}

#[test]
fn what_replies_look_like() {
    let own_version = format!("fingerpost-{}", env!("CARGO_PKG_VERSION"));
    let chaos = |version: &str, authors: &[&str]| {
        let authors = authors.iter().map(|&author| author.to_owned()).collect();
        Some(Chaos { version: version.into(), authors })
    };
    let weighted = |reload| Balance::Weighted { file: "w".into(), reload };
    become_what(&[
        ("chaos", &|block| block.chaos = chaos(&own_version, &[])),
        ("chaos v1", &|block| block.chaos = chaos("v1", &[])),
        ("chaos \"v 1\" b a b", &|block| block.chaos = chaos("v 1", &["a", "b"])),
        (&format!("chaos {}", "ü".repeat(200)), &|block| {
            block.chaos = chaos(&"ü".repeat(127), &[]);
        }),
        ("nsid", &|block| block.nsid = Some(Nsid { data: None })),
        ("nsid a b", &|block| block.nsid = Some(Nsid { data: Some("a b".into()) })),
        ("bufsize", &|_| ()),
        ("bufsize 512", &|block| block.bufsize = 512),
        ("loadbalance round_robin", &|block| block.load_balance = Some(LoadBalance::default())),
        ("loadbalance {\nprefer 10.0.0.0/8 fd00::/8\n}", &|block| {
            let prefer = ["10.0.0.0/8", "fd00::/8"].map(|net| Cidr::parse(net).unwrap()).to_vec();
            block.load_balance = Some(LoadBalance { balance: Balance::Shuffle, prefer });
        }),
        ("loadbalance weighted w", &|block| {
            let balance = weighted(seconds(30));
            block.load_balance = Some(LoadBalance { balance, prefer: vec![] });
        }),
        ("loadbalance weighted w {\nreload 0s\n}", &|block| {
            let balance = weighted(Duration::ZERO);
            block.load_balance = Some(LoadBalance { balance, prefer: vec![] });
        }),
    ]);
}

#[test]
fn written_records() {
    let hosts = Hosts {
        file: "/etc/hosts".into(),
        zones: own(),
        entries: vec![],
        ttl: 3_600,
        reverse: true,
        reload: seconds(5),
        fallthrough: Fallthrough::Never,
        fallthrough_unsupported: false,
    };
    let template = Template {
        class: 1,
        record_type: 1,
        zones: own(),
        matches: vec![],
        answer: vec![],
        additional: vec![],
        authority: vec![],
        rcode: 0,
        ede: None,
        fallthrough: Fallthrough::Never,
    };
    let record = |text: &str| RecordTemplate::parse(text).unwrap();
    let entry = |address: &str, texts: &[&str]| HostsEntry {
        address: address.parse().unwrap(),
        names: names(texts),
    };
    become_what(&[
        ("hosts", &|block| block.hosts = Some(hosts.clone())),
        ("hosts /x a {\n192.0.2.1 b c.d\n::1 e\nttl 60\nreload 0s\nno_reverse\n}", &|block| {
            block.hosts = Some(Hosts {
                file: "/x".into(),
                zones: names(&["a"]),
                entries: vec![entry("192.0.2.1", &["b", "c.d"]), entry("::1", &["e"])],
                ttl: 60,
                reverse: false,
                reload: Duration::ZERO,
                ..hosts.clone()
            });
        }),
        ("hosts {\nfallthrough a\nfallthrough_unsupported\n}", &|block| {
            block.hosts = Some(Hosts {
                fallthrough: Fallthrough::Within(names(&["a"])),
                fallthrough_unsupported: true,
                ..hosts.clone()
            });
        }),
        ("template IN A", &|block| block.template = vec![template.clone()]),
        (
            "template ANY ANY a {\nmatch ^x\\. \"y [a-z]+\"\nrcode nxdomain\nederror 21 \"no v6\"\n\
             answer \"{{ .Name }} 60 IN A 192.0.2.1\"\nauthority \"{{ .Zone }} 60 IN NS a.\"\n\
             additional \"a. 60 IN A 192.0.2.1\"\nfallthrough\n}",
            &|block| {
                block.template = vec![Template {
                    class: 255,
                    record_type: 255,
                    zones: names(&["a"]),
                    matches: vec![pattern("^x\\."), pattern("y [a-z]+")],
                    answer: vec![record("{{ .Name }} 60 IN A 192.0.2.1")],
                    additional: vec![record("a. 60 IN A 192.0.2.1")],
                    authority: vec![record("{{ .Zone }} 60 IN NS a.")],
                    rcode: 3,
                    ede: Some((21, "no v6".into())),
                    fallthrough: Fallthrough::Always,
                }];
            },
        ),
    ]);
}

#[test]
fn rewritten_names() {
    let rewrite = |names: NameTest, to: &str, goes_on, auto, answers| {
        let change = RewriteRule::Name(NameChange { names, to: to.into(), auto, answers });
        vec![Rewrite { change, goes_on }]
    };
    let answer =
        |part, from: &str, to: &str| AnswerRule { part, from: pattern(from), to: to.into() };
    let exact = NameTest::Exact("a.".into());
    let regex = NameTest::Regex(pattern("(.*)\\.x\\.(.*)"));
    become_what(&[
        ("rewrite name A b", &|block| {
            block.rewrite = rewrite(exact.clone(), "b.", false, true, vec![]);
        }),
        ("rewrite continue name exact a b.", &|block| {
            block.rewrite = rewrite(exact.clone(), "b.", true, true, vec![]);
        }),
        ("rewrite stop name prefix a b", &|block| {
            block.rewrite = rewrite(NameTest::Prefix("a.".into()), "b.", false, false, vec![]);
        }),
        ("rewrite name suffix .a .b answer auto", &|block| {
            block.rewrite = rewrite(NameTest::Suffix(".a.".into()), ".b.", false, true, vec![]);
        }),
        ("rewrite name substring a b", &|block| {
            block.rewrite = rewrite(NameTest::Substring("a.".into()), "b.", false, false, vec![]);
        }),
        (
            "rewrite stop {\nname regex (.*)\\.x\\.(.*) {1}.y.{2}\nanswer name (.*)y x{1}\n}",
            &|block| {
                let answers = vec![answer(Rewritten::Name, "(.*)y", "x{1}.")];
                block.rewrite = rewrite(regex.clone(), "{1}.y.{2}.", false, false, answers);
            },
        ),
        (
            "rewrite name regex (.*)\\.x\\.(.*) {1}.y.{2} answer auto answer value a b value c d",
            &|block| {
                let answers =
                    vec![answer(Rewritten::Value, "a", "b."), answer(Rewritten::Value, "c", "d.")];
                block.rewrite = rewrite(regex.clone(), "{1}.y.{2}.", false, true, answers);
            },
        ),
    ]);
}

#[test]
fn what_else_is_rewritten() {
    let rewrite = |change, goes_on| vec![Rewrite { change, goes_on }];
    let ttl = |names, least, most| RewriteRule::Ttl { names, least, most };
    let exact = |text: &str| NameTest::Exact(text.into());
    become_what(&[
        ("rewrite type A AAAA", &|block| {
            block.rewrite = rewrite(RewriteRule::Type { from: 1, to: 28 }, false);
        }),
        ("rewrite continue class IN CH", &|block| {
            block.rewrite = rewrite(RewriteRule::Class { from: 1, to: 3 }, true);
        }),
        ("rewrite ttl A 30", &|block| block.rewrite = rewrite(ttl(exact("a."), 30, 30), false)),
        ("rewrite ttl exact a 5-", &|block| {
            block.rewrite = rewrite(ttl(exact("a."), 5, 2_147_483_647), false);
        }),
        ("rewrite continue ttl suffix .a -60", &|block| {
            block.rewrite = rewrite(ttl(NameTest::Suffix(".a.".into()), 0, 60), true);
        }),
        ("rewrite ttl regex ^a 0-0", &|block| {
            block.rewrite = rewrite(ttl(NameTest::Regex(pattern("^a")), 0, 0), false);
        }),
        ("rewrite rcode a NXDOMAIN 0", &|block| {
            block.rewrite =
                rewrite(RewriteRule::Rcode { names: exact("a."), from: 3, to: 0 }, false);
        }),
        ("rewrite stop rcode prefix a badvers servfail", &|block| {
            let names = NameTest::Prefix("a.".into());
            block.rewrite = rewrite(RewriteRule::Rcode { names, from: 16, to: 2 }, false);
        }),
    ]);
}

#[test]
fn every_option_of_forward() {
    let plain = |address: &str| Upstream::plain(address.parse().unwrap());
    let cases: &[Case<'_, Forward>] = &[
        ("", &|_| ()),
        ("except a 10.0.0.0/8", &|it| it.except = names(&["a", "10.in-addr.arpa"])),
        ("policy round_robin", &|it| it.policy = Policy::RoundRobin),
        ("policy sequential", &|it| it.policy = Policy::Sequential),
        ("policy random", &|_| ()),
        ("prefer_udp", &|it| it.carrier = Carrier::PreferUdp),
        ("prefer_udp\nforce_tcp\nprefer_udp", &|it| it.carrier = Carrier::Tcp),
        ("expire 20s\nmax_age 1m", &|it| {
            (it.expire, it.max_age) = (seconds(20), Some(seconds(60)));
        }),
        ("max_age 0", &|_| ()),
        ("max_fails 0\nmax_idle_conns 5\nmax_connect_attempts 3", &|it| {
            (it.max_fails, it.max_idle_conns, it.max_connect_attempts) = (0, Some(5), Some(3));
        }),
        ("max_concurrent 1000\nread_timeout 1s", &|it| {
            (it.max_concurrent, it.read_timeout) = (Some(1_000), Some(seconds(1)));
        }),
        ("max_concurrent 0", &|_| ()),
        ("health_check 5s no_rec domain a", &|it| {
            let domain = names(&["a"]).remove(0);
            it.health_check = HealthCheck { interval: seconds(5), recursion: false, domain };
        }),
        ("next NXDOMAIN servfail\nnext_on_nodata\nfailover REFUSED", &|it| {
            (it.next, it.next_on_nodata, it.failover) = (vec![3, 2], true, vec![5]);
        }),
        ("failfast_all_unhealthy_upstreams", &|it| it.fail_fast = true),
        ("resolver 192.0.2.9 192.0.2.8:54\nsource_address 192.0.2.7", &|it| {
            let servers = ["192.0.2.9:53", "192.0.2.8:54"];
            it.resolver = servers.map(|address| address.parse().unwrap()).to_vec();
            it.source = Some("192.0.2.7".parse().unwrap());
        }),
        ("tls\ntls_servername a\ndoh_method GET", &|it| {
            it.tls.server_name = Some("a".into());
            it.doh_get = true;
        }),
        ("tls ca", &|it| it.tls.authority = Some("ca".into())),
        ("tls c k ca\ndoh_method POST", &|it| {
            let identity = Some(("c".into(), "k".into()));
            it.tls = Tls { identity, authority: Some("ca".into()), server_name: None };
        }),
    ];
    for (options, change) in cases {
        let mut forward = Forward::new(names(&["a"]).remove(0), vec![plain("192.0.2.1:53")]);
        change(&mut forward);
        let lines = format!("forward a 192.0.2.1 192.0.2.1:53 {{\n{options}\n}}");
        become_what(&[(&lines, &|block| block.forward = vec![forward.clone()])]);
    }
    let (mut block, faults) =
        read("forward . 192.0.2.1 tls://192.0.2.1%a.example https://192.0.2.2");
    let found = block.forward.remove(0);
    assert_eq!(faults, Vec::<String>::new());
    assert_eq!(
        found.to.iter().map(|upstream| upstream.protocol).collect::<Vec<_>>(),
        [Protocol::Dns, Protocol::Tls, Protocol::Https]
    );
    assert_eq!(found.to[1].server_name.as_deref(), Some("a.example"));
}
