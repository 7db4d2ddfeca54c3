//! The examples under `deploy/examples`, asked for with dig, as somebody would who reads about
//! them.

use std::process::Command;

use super::world::World;

/// The folder that ships with the crate.
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/examples");

/// Whether dig is there. Where a machine is to judge, it has to be.
fn has_dig() -> bool {
    let found = Command::new("dig").arg("-v").output().is_ok();
    if !found {
        assert!(
            std::env::var_os("CI").is_none(),
            "CI is set and dig is not installed; install bind-dnsutils (dnsutils, bind-utils)"
        );
        eprintln!("SKIPPED: dig is not installed, so the examples are not asked for with it");
    }
    found
}

/// What dig prints, its lines sorted.
fn dig(world: &World, arguments: &[&str]) -> Vec<String> {
    let server = world.server.as_ref().expect("a server");
    let at = if arguments.contains(&"+tcp") { server.v6 } else { server.v4 };
    let output = Command::new("dig")
        .args([&format!("@{}", at.ip()), "-p", &at.port().to_string(), "+tries=3", "+time=10"])
        .args(arguments)
        .output()
        .expect("dig runs");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    let text = String::from_utf8(output.stdout).expect("text");
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

#[test]
fn the_examples_answer_dig() {
    if !has_dig() {
        return;
    }
    let world = World::of_files(EXAMPLES);
    for (question, expected) in [
        // Straight to the outside database, by Endpoints and by an EndpointSlice.
        ("mysql.shop.svc.cluster.local A", &["192.0.2.10", "192.0.2.11"][..]),
        ("mysql.shop.svc.cluster.local AAAA", &[]),
        ("postgres.shop.svc.cluster.local A", &["192.0.2.20", "192.0.2.21"]),
        ("primary.postgres.shop.svc.cluster.local A", &["192.0.2.20"]),
        ("replica.postgres.shop.endpoints.cluster.local A", &["192.0.2.21"]),
        (
            "_postgres._tcp.postgres.shop.svc.cluster.local SRV",
            &[
                "0 50 5432 primary.postgres.shop.svc.cluster.local.",
                "0 50 5432 replica.postgres.shop.svc.cluster.local.",
            ],
        ),
        ("-x 192.0.2.20", &["primary.postgres.shop.svc.cluster.local."]),
        ("-x 10.96.12.34", &["mysql.shop.svc.cluster.local."]),
        // By a name of its own.
        ("warehouse.shop.svc.cluster.local A", &["warehouse.example.com."]),
        (
            "db.shop.svc.cluster.local A",
            &["192.0.2.20", "192.0.2.21", "postgres.shop.svc.cluster.local."],
        ),
        // Both families.
        ("web.shop.svc.cluster.local A", &["10.96.40.1"]),
        ("web.shop.svc.cluster.local AAAA", &["fd00:10:96::4001"]),
        ("WEB.Shop.SVC.cluster.LOCAL A", &["10.96.40.1"]),
        // The pods of a StatefulSet, the ready ones.
        ("kafka.shop.svc.cluster.local A", &["10.244.1.5", "10.244.2.7"]),
        ("kafka-1.kafka.shop.svc.cluster.local A", &["10.244.2.7"]),
        ("kafka-2.kafka.shop.svc.cluster.local A", &[]),
        (
            "_broker._tcp.kafka.shop.svc.cluster.local SRV",
            &[
                "0 50 9092 kafka-0.kafka.shop.svc.cluster.local.",
                "0 50 9092 kafka-1.kafka.shop.svc.cluster.local.",
            ],
        ),
        ("dns-version.cluster.local TXT", &["\"1.1.0\""]),
    ] {
        for transport in ["+notcp", "+tcp"] {
            let mut arguments: Vec<&str> = question.split(' ').collect();
            arguments.extend(["+short", transport]);
            assert_eq!(dig(&world, &arguments), expected, "{question} {transport}");
        }
    }
}

#[test]
fn dig_prints_why() {
    if !has_dig() {
        return;
    }
    let world = World::of_files(EXAMPLES);
    for (question, expected) in [
        ("web.yard.svc.cluster.local A", "0 (Other): (no namespace yard)"),
        ("nope.shop.svc.cluster.local A", "0 (Other): (no service nope in namespace shop)"),
        (
            "kafka-2.kafka.shop.svc.cluster.local A",
            "0 (Other): (no ready endpoint kafka-2; 2 of 3 endpoints ready)",
        ),
        (
            "_amqp._tcp.kafka.shop.svc.cluster.local SRV",
            "0 (Other): (no port amqp; ports: broker/TCP)",
        ),
        (
            "crm.shop.svc.cluster.local A",
            "0 (Other): (cluster IP: port https is 443 on the service, 8443 on its endpoints)",
        ),
        (
            "warehouse.shop.svc.cluster.local A",
            "0 (Other): (externalName leads out of our zones, and nobody was asked)",
        ),
        (
            "example.com A",
            "20 (Not Authoritative): (no zone here holds the name, and it is not forwarded)",
        ),
    ] {
        for transport in ["+notcp", "+tcp"] {
            let arguments: Vec<&str> = question.split(' ').chain([transport]).collect();
            let text = dig(&world, &arguments);
            let told: Vec<&str> =
                text.iter().filter_map(|line| line.strip_prefix("; EDE: ")).collect();
            assert_eq!(told, [expected], "{question} {transport}");
        }
    }
}

#[test]
fn dig_finds_nothing_to_warn_of() {
    if !has_dig() {
        return;
    }
    let world = World::of_files(EXAMPLES);
    for (question, status, flags) in [
        ("web.shop.svc.cluster.local A", "NOERROR", "qr aa rd"),
        ("nope.shop.svc.cluster.local A", "NXDOMAIN", "qr aa rd"),
        ("web.shop.svc.cluster.local HTTPS", "NOERROR", "qr aa rd"),
        ("example.com A", "REFUSED", "qr rd"),
    ] {
        let mut arguments: Vec<&str> = question.split(' ').collect();
        arguments.extend(["+dnssec", "+cdflag", "+nocookie"]);
        let text = dig(&world, &arguments).join("\n");
        assert!(text.contains(&format!("status: {status},")), "{text}");
        assert!(text.contains(&format!("flags: {flags} cd;")), "{text}");
        assert!(text.contains("; EDNS: version: 0, flags: do; udp: 1232"), "{text}");
        // That recursion is not available is so, and `.local` has another use as well.
        let warnings: Vec<&str> = text
            .lines()
            .filter(|line| line.contains("WARNING") || line.contains("Warning"))
            .filter(|line| !line.contains("recursion requested but not available"))
            .filter(|line| !line.contains(".local is reserved for Multicast DNS"))
            .collect();
        assert!(warnings.is_empty(), "{text}");
    }
}
