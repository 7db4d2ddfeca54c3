//! Wrong command lines and configurations: status 2, one line on standard error, nothing else.

use std::net::{TcpListener, UdpSocket};

use crate::run::{Room, manifest};

/// The one line of a run that could not start.
fn fault(room: &Room, args: &[&str]) -> String {
    let ended = room.run(args);
    assert_eq!(ended.code, 2, "{args:?}: {}", ended.err);
    assert_eq!(ended.out, "", "{args:?}");
    let line = ended.err.strip_suffix('\n').expect("a whole line");
    assert!(!line.contains('\n'), "{args:?}: one line: {line}");
    line.strip_prefix("fingerpost: ").expect("its name in front").to_owned()
}

/// Each line holds all of these parts: what is wrong, where, and the cure.
fn faults(room: &Room, cases: &[(&[&str], &[&str])]) {
    for (args, parts) in cases {
        let line = fault(room, args);
        for part in *parts {
            assert!(line.contains(part), "{args:?}: {line} does not say {part}");
        }
    }
}

#[test]
fn options() {
    let room = Room::new();
    room.write("m/db.yaml", manifest("192.0.2.1"));
    room.write("resolv.conf", "search example.com\n");
    let long = format!("{}.local", "a".repeat(64));
    let longer = ["a"; 128].join(".");
    faults(
        &room,
        &[
            (&[], &["no command", "serve, explain, check, dump or diff"]),
            (&["sevre"], &["sevre", "serve"]),
            (&["serve", "--lisen", "127.0.0.1:53"], &["--lisen", "--listen"]),
            (&["serve", "m"], &["'m'"]),
            (&["serve", "--manifests"], &["--manifests", "required"]),
            (&["serve", "--manifests", ""], &["--manifests", "required"]),
            (
                &["serve", "--manifests", "m", "--listen", "127.0.0.1"],
                &["--listen", "127.0.0.1:53"],
            ),
            (&["serve", "--manifests", "m", "--listen", ":53"], &["--listen", "0.0.0.0:53"]),
            (
                &["serve", "--manifests", "m", "--listen", "127.0.0.1:65536"],
                &["--listen", "ADDR:PORT"],
            ),
            (
                &["serve", "--manifests", "m", "--listen", "localhost:53"],
                &["--listen", "ADDR:PORT"],
            ),
            (
                &["serve", "--manifests", "m", "--listen", "300.0.0.1:53"],
                &["--listen", "ADDR:PORT"],
            ),
            (&["serve", "--manifests", "m", "--ttl", "3601"], &["--ttl", "0 to 3600"]),
            (&["serve", "--manifests", "m", "--ttl", "-1"], &["--ttl", "0 to 3600"]),
            (&["serve", "--manifests", "m", "--ttl", "5s"], &["--ttl", "0 to 3600"]),
            (
                &["dump", "--manifests", "m", "--ttl", "99999999999999999999"],
                &["--ttl", "0 to 3600"],
            ),
            (&["dump", "--manifests", "m", "--ttl", "1", "--ttl", "2"], &["--ttl", "multiple"]),
            (&["serve", "--manifests", "m", "--workers", "0"], &["--workers", "1 to 1024"]),
            (&["serve", "--manifests", "m", "--workers", "-1"], &["--workers", "1 to 1024"]),
            (
                &["serve", "--manifests", "m", "--workers", "99999999999999999999"],
                &["--workers", "1024"],
            ),
            (
                &["serve", "--manifests", "m", "--selectorless", "maybe"],
                &["--selectorless", "auto, endpoints or cluster-ip"],
            ),
            (
                &["serve", "--manifests", "m", "--pods", "all"],
                &["--pods", "disabled, insecure or verified"],
            ),
            (&["dump", "--manifests", "m", "--zone", &long], &["--zone", "63 octets"]),
            (&["dump", "--manifests", "m", "--zone", &longer], &["--zone", "255 octets"]),
            (&["dump", "--manifests", "m", "--zone", "a..b"], &["--zone", "a label is empty"]),
            (&["dump", "--manifests", "m", "--zone", "a b"], &["--zone", "' ' may not"]),
            (&["dump", "--manifests", "m", "--zone", "ä.local"], &["--zone", "'ä' may not"]),
            (&["dump", "--manifests", "m", "--zone", ""], &["--zone", "empty"]),
            (&["dump", "--manifests", "m", "--zone", "10.0.0.0/33"], &["--zone", "10.0.0.0/24"]),
            (&["dump", "--manifests", "m", "--zone", "in-addr.arpa"], &["--zone", "forward zone"]),
            (&["serve", "--manifests", "m", "--upstream", "nowhere"], &["--upstream nowhere"]),
            (
                &["serve", "--manifests", "m", "--upstream", "resolv.conf"],
                &["resolv.conf", "nameserver"],
            ),
            (
                &["serve", "--manifests", "m", "--log-format", "xml"],
                &["--log-format", "text, json"],
            ),
            (&["serve", "--manifests", "m", "--log-level", "loud"], &["--log-level", "info"]),
            (&["serve", "--manifests", "m", "--health", "8080"], &["--health"]),
            (&["serve", "--manifests", "m", "--kubeconfig", "k"], &["--manifests", "--kubeconfig"]),
            (&["explain"], &["NAME"]),
            (&["explain", &long], &["NAME", "63 octets"]),
            (&["check"], &["-c FILE", "--manifests PATH"]),
            (&["check", "--ttl", "5"], &["--ttl"]),
            (&["-conf"], &["--conf", "required"]),
        ],
    );
}

#[test]
fn help_and_version_are_no_faults() {
    let room = Room::new();
    for args in [&["--help"][..], &["serve", "--help"], &["--version"], &["-version"]] {
        let ended = room.run(args);
        assert_eq!((ended.code, ended.err.as_str()), (0, ""), "{args:?}");
        assert!(!ended.out.is_empty(), "{args:?}");
    }
}

#[test]
fn corefiles() {
    let room = Room::new();
    room.write("m/db.yaml", manifest("192.0.2.1"));
    let kubernetes = |inner: &str| {
        format!(".:0 {{\n  bind 127.0.0.1\n  kubernetes cluster.local {{\n    {inner}\n  }}\n}}\n")
    };
    for (text, parts) in [
        (String::new(), &["Corefile: ", "no server block"][..]),
        (".:53 {\n  kubernets\n}\n".into(), &["Corefile:2:3:", "kubernets", "kubernetes"]),
        (".:53 {\n  errors\n".into(), &["Corefile:"]),
        (".:99999 {\n  errors\n}\n".into(), &["Corefile:1:", "99999"]),
        (format!("{}.:53 {{\n}}\n", "a".repeat(64)), &["Corefile:1:", "63 octets"]),
        (kubernetes("ttl 3601"), &["Corefile:4:9:", "3600"]),
        (kubernetes("ttl 99999999999999999999"), &["Corefile:4:9:", "3600"]),
        (kubernetes("pods some"), &["Corefile:4:10:", "verified"]),
        (kubernetes("selectorless some"), &["Corefile:4:18:", "cluster-ip"]),
        (kubernetes("manifest m"), &["Corefile:4:5:", "manifests"]),
        (kubernetes("manifests nowhere"), &["nowhere", "does not exist"]),
        (".:53 {\n  forward . quic://9.9.9.9\n}\n".into(), &["Corefile:2:", "quic://"]),
        (".:53 {\n  forward . 300.1.1.1\n}\n".into(), &["Corefile:2:13:", "300.1.1.1"]),
        (".:53 {\n  bufsize 100000\n}\n".into(), &["Corefile:2:11:", "4096"]),
        ("import nowhere.conf\n".into(), &["Corefile:1:", "nowhere.conf"]),
    ] {
        room.write("Corefile", &text);
        for args in [
            &["serve", "-c", "Corefile"][..],
            &["dump", "--conf", "Corefile"],
            &["-conf", "Corefile"],
        ] {
            let line = fault(&room, args);
            assert!(parts.iter().all(|part| line.contains(part)), "{args:?} {text}: {line}");
        }
    }
    room.write("Corefile", b".:53 {\n  errors \xff\n}\n");
    assert!(
        fault(&room, &["serve", "-c", "Corefile"]).contains("Corefile:2:10: the file is not UTF-8")
    );
    room.write("Corefile", kubernetes("manifests m"));
    faults(
        &room,
        &[
            (&["serve", "-c", "nowhere/Corefile"], &["nowhere/Corefile", "cannot be read"]),
            (&["serve", "-c", "m"], &["m: cannot be read"]),
            (&["serve", "-c", "Corefile", "--ttl", "5"], &["--ttl", "Corefile"]),
            (&["dump", "-c", "Corefile", "--manifests", "m"], &["--manifests", "Corefile"]),
        ],
    );
}

#[test]
fn addresses_that_hold_each_others_port_blame_nobody_else() {
    let room = Room::new();
    // Free but for a moment, which is all that is needed: the two are in each other's way.
    let free = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let port = free.local_addr().expect("an address").port();
    drop(free);
    let (one, every) = (format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}"));
    room.write("a.yaml", manifest("192.0.2.1"));
    for (first, second) in [(&one, &every), (&every, &one)] {
        let args = ["serve", "--manifests", "a.yaml", "--listen", first, "--listen", second];
        let line = fault(&room, &args);
        let told = format!("cannot listen on {every} and on {one} beside it");
        assert!(line.starts_with(&told) && line.contains("keep one of them"), "{line}");
    }
}

#[test]
fn paths_and_ports() {
    let room = Room::new();
    room.write("m/db.yaml", manifest("192.0.2.1"));
    std::os::unix::fs::symlink("loop.yaml", room.path("loop.yaml")).expect("a link");
    let udp = UdpSocket::bind("127.0.0.1:0").expect("bind");
    let tcp = TcpListener::bind("127.0.0.1:0").expect("bind");
    let [udp_port, tcp_port] =
        [udp.local_addr(), tcp.local_addr()].map(|address| address.expect("bound").to_string());
    faults(
        &room,
        &[
            (
                &["dump", "--manifests", "nowhere"],
                &["nowhere: does not exist", "name a file or folder"],
            ),
            (
                &["dump", "--manifests", "m", "--manifests", "gone.yaml"],
                &["gone.yaml: does not exist"],
            ),
            (&["dump", "--manifests", "/dev/null"], &["/dev/null", "regular file"]),
            (&["dump", "--manifests", "loop.yaml"], &["loop.yaml", "cannot be read"]),
            (
                &["serve", "--manifests", "m", "--listen", &udp_port],
                &[&udp_port, "(udp)", "in use", "--listen"],
            ),
            (
                &["serve", "--manifests", "m", "--listen", &tcp_port],
                &[&tcp_port, "(tcp)", "in use", "--listen"],
            ),
            (
                &["serve", "--manifests", "m", "--listen", "203.0.113.7:0"],
                &["203.0.113.7:0", "no such address", "--listen"],
            ),
        ],
    );
}
