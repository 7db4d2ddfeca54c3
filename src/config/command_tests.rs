//! Command lines, right and wrong, and what each becomes.

use std::net::SocketAddr;

use super::*;
use crate::config::{
    ApiServer, Chaos, Cidr, Errors, Forward, Kubernetes, Listen, LogFormat, LogLevel, Nsid,
    ServerBlock, Source, Upstream,
};
use crate::name::Name;
use crate::zone::{Fallthrough, Pods, Selectorless, Spec, Zone};

fn run(line: &str) -> Result<Command, Exit> {
    read(std::iter::once("fingerpost").chain(line.split_whitespace()).map(OsString::from))
}

fn fault(line: &str) -> String {
    match run(line) {
        Err(Exit::Fault(text)) => text,
        other => panic!("{line}: {other:?}"),
    }
}

fn config(line: &str) -> Config {
    match run(line) {
        Ok(Command::Serve(run)) => run.config,
        other => panic!("{line}: {other:?}"),
    }
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

/// Wrong command lines, and the line that each is answered with.
const FAULTS: &[(&str, &str)] = &[
    (
        "",
        "no command is given; write serve, explain, check, dump or diff ('fingerpost --help' says more)",
    ),
    (
        "explain a --server ::1 -c f",
        "explain: --server and another source cannot stand together; drop one",
    ),
    (
        "explain a --server ::1 --snapshot f",
        "explain: --server and another source cannot stand together; drop one",
    ),
    ("sevre", "unrecognized subcommand 'sevre'; tip: a similar subcommand exists: 'serve'"),
    (
        "serve --lsten 1.1.1.1:53",
        "unexpected argument '--lsten' found; tip: a similar argument exists: '--listen'",
    ),
    ("serve x", "unexpected argument 'x' found"),
    (
        "serve --listen :5353",
        "invalid value ':5353' for '--listen <ADDR:PORT>': an address is missing; write \
             0.0.0.0:5353 or [::]:5353",
    ),
    (
        "serve --listen 127.0.0.1",
        "invalid value '127.0.0.1' for '--listen <ADDR:PORT>': a port is missing; write \
             127.0.0.1:53",
    ),
    (
        "serve --listen ::1",
        "invalid value '::1' for '--listen <ADDR:PORT>': a port is missing; write [::1]:53",
    ),
    (
        "serve --listen localhost:53",
        "invalid value 'localhost:53' for '--listen <ADDR:PORT>': write ADDR:PORT, such as \
             127.0.0.1:53 or [::1]:53",
    ),
    (
        "serve --ttl 3601",
        "invalid value '3601' for '--ttl <SECONDS>': write whole seconds from 0 to 3600",
    ),
    (
        "serve --ttl x",
        "invalid value 'x' for '--ttl <SECONDS>': write whole seconds from 0 to 3600",
    ),
    ("serve --ttl", "a value is required for '--ttl <SECONDS>' but none was supplied"),
    ("serve --ttl 1 --ttl 2", "the argument '--ttl <SECONDS>' cannot be used multiple times"),
    (
        "serve --workers 0",
        "invalid value '0' for '--workers <N>': write a whole number from 1 to 1024",
    ),
    (
        "serve --workers 1025",
        "invalid value '1025' for '--workers <N>': write a whole number from 1 to 1024",
    ),
    (
        "serve --selectorless no",
        "invalid value 'no' for '--selectorless <MODE>': write auto, endpoints or cluster-ip",
    ),
    (
        "serve --pods yes",
        "invalid value 'yes' for '--pods <MODE>': write disabled, insecure or verified",
    ),
    (
        "serve --log-format xml",
        "invalid value 'xml' for '--log-format <FORMAT>' [possible values: text, json]",
    ),
    (
        "serve --log-level loud",
        "invalid value 'loud' for '--log-level <LEVEL>' [possible values: error, warn, info, \
             debug, trace]",
    ),
    (
        "serve --zone a..b",
        "invalid value 'a..b' for '--zone <NAME>': 'a..b' is not a zone: a label is empty",
    ),
    (
        "serve --zone 10.0.0.0/40",
        "invalid value '10.0.0.0/40' for '--zone <NAME>': '10.0.0.0/40' is not a network such \
             as 10.0.0.0/24 or fd00::/8",
    ),
    (
        "serve --manifests x --zone 10.0.0.0/8",
        "--zone names reverse zones only; add a forward zone, such as --zone cluster.local",
    ),
    (
        "serve --health 8080",
        "invalid value '8080' for '--health <ADDR:PORT|off>': '8080' is not an address such \
             as :8080 or 127.0.0.1:8080",
    ),
    (
        "serve --manifests x --upstream nowhere.example",
        "--upstream nowhere.example: 'nowhere.example' is neither an address nor a file that \
             can be read (No such file or directory (os error 2))",
    ),
    (
        "serve --manifests x --upstream quic://9.9.9.9",
        "--upstream quic://9.9.9.9: upstreams over quic:// are not built yet; write ADDR, \
             ADDR:PORT or tls://ADDR",
    ),
    (
        "serve --manifests x --kubeconfig k",
        "--manifests and --kubeconfig cannot stand together; objects come from one of them",
    ),
    (
        "serve -c Corefile --ttl 5",
        "-c/--conf and --ttl cannot stand together; drop --ttl and write it into Corefile",
    ),
    (
        "-conf Corefile --manifests x",
        "-c/--conf and --manifests cannot stand together; drop --manifests and write it into \
             Corefile",
    ),
    (
        "serve -c /nowhere/Corefile",
        "/nowhere/Corefile: cannot be read: No such file or directory (os error 2); mend its path or who may read it",
    ),
    (
        "-conf /nowhere/Corefile",
        "/nowhere/Corefile: cannot be read: No such file or directory (os error 2); mend its path or who may read it",
    ),
    ("-conf", "a value is required for '--conf <FILE>' but none was supplied"),
    (
        "-dns.port 1053",
        "there is no file 'Corefile' here; add -conf FILE, or write 'fingerpost serve' with \
             --listen ADDR:PORT",
    ),
    (
        "serve --dns-port 1053",
        "-dns.port is for a Corefile; add -c FILE, or write --listen ADDR:PORT",
    ),
    (
        "-quiet=maybe -conf x",
        "'maybe' is no value of -quiet; write -quiet, -quiet=true or -quiet=false",
    ),
    ("-conf x y", "unexpected argument 'y' found"),
    ("explain", "the following required arguments were not provided: <NAME>"),
    ("explain a..b", "invalid value 'a..b' for '<NAME>': a label is empty"),
    ("explain a AA", "invalid value 'AA' for '[TYPE]': write a record type such as A, AAAA or SRV"),
    (
        "explain a --from shop",
        "invalid value 'shop' for '--from <NAMESPACE/POD>': write NAMESPACE/POD, such as shop/web-0",
    ),
    (
        "explain a --server nowhere",
        "invalid value 'nowhere' for '--server <ADDR[:PORT]>': write an address such as 127.0.0.1:53",
    ),
    ("check", "check: nothing is named; add -c FILE for a Corefile or --manifests PATH"),
];

#[test]
fn each_wrong_command_line_has_one_line() {
    for (line, expected) in FAULTS {
        let found = fault(line);
        assert_eq!(&found, expected, "{line}");
        assert!(!found.contains('\n'), "{line}");
    }
}

#[test]
fn help_and_version_go_to_standard_output() {
    for line in ["--version", "-version", "-V"] {
        let exit = run(line).unwrap_err();
        assert_eq!(exit.code(), 0);
        assert_eq!(exit, Exit::Print(format!("fingerpost {}\n", env!("CARGO_PKG_VERSION"))));
    }
    for line in ["--help", "serve --help", "explain -h", "check --help", "dump --help"] {
        let exit = run(line).unwrap_err();
        assert!(matches!(&exit, Exit::Print(text) if text.contains("Usage:")), "{line}");
    }
    assert_eq!(run("").unwrap_err().code(), 2);
}

/// What every block of quick options says of itself.
fn told() -> ServerBlock {
    let version = concat!("fingerpost-", env!("CARGO_PKG_VERSION")).into();
    ServerBlock {
        chaos: Some(Chaos { version, authors: Vec::new() }),
        nsid: Some(Nsid { data: None }),
        ..ServerBlock::default()
    }
}

#[test]
fn quick_options_alone() {
    let expected = Config {
        servers: vec![ServerBlock {
            block: 0,
            zones: vec![Name::root()],
            listen: vec![
                Listen { address: "[::]:53".parse().unwrap(), implied: true },
                Listen { address: "0.0.0.0:53".parse().unwrap(), implied: true },
            ],
            kubernetes: Some(Kubernetes {
                spec: Spec::default(),
                source: Source::Manifests(vec!["a".into(), "b".into()]),
                snapshot: None,
                ede: true,
                explain: vec![Cidr::parse("127.0.0.0/8").unwrap(), Cidr::parse("::1/128").unwrap()],
                place: None,
            }),
            forward: Vec::new(),
            errors: Some(Errors::default()),
            ..told()
        }],
        warnings: vec![super::super::no_upstream("name one with --upstream ADDR")],
        ..Config::default()
    };
    assert_eq!(config("serve --manifests a --manifests b"), expected);
    assert_eq!(
        config("serve --manifests a --manifests b --health off --ready off --metrics off"),
        expected
    );
    assert_eq!(
        expected.warnings.first().unwrap().to_string(),
        "no upstream: a pod that has this server as its nameserver needs an upstream; ExternalName \
         targets outside answer a bare CNAME; name one with --upstream ADDR"
    );
}

#[test]
fn every_quick_option() {
    let found = config(
        "serve --manifests m --listen 127.0.0.1:0 --listen [::1]:5353 --zone Example.org \
         --zone 10.0.0.0/15 --zone example.org. --ttl 0 --selectorless cluster-ip --pods verified \
         --upstream 9.9.9.9 --upstream [2620:fe::fe]:54 --workers 3",
    );
    let zones = ["example.org", "0.10.in-addr.arpa", "1.10.in-addr.arpa"];
    let spec = Spec {
        zones: zones.iter().map(|zone| Zone::new(name(zone))).collect(),
        ttl: 0,
        selectorless: Selectorless::ClusterIp,
        pods: Pods::Verified,
        fallthrough: Fallthrough::Within(vec![
            name("0.10.in-addr.arpa"),
            name("1.10.in-addr.arpa"),
        ]),
        ..Spec::default()
    };
    let written = |address: &str| Listen::written(address.parse::<SocketAddr>().unwrap());
    let expected = Config {
        servers: vec![ServerBlock {
            block: 0,
            zones: vec![Name::root()],
            listen: vec![written("127.0.0.1:0"), written("[::1]:5353")],
            kubernetes: Some(Kubernetes::new(spec, Source::Manifests(vec!["m".into()]))),
            forward: vec![Forward::new(
                Name::root(),
                ["9.9.9.9:53", "[2620:fe::fe]:54"]
                    .map(|address| Upstream::plain(address.parse().unwrap()))
                    .to_vec(),
            )],
            errors: Some(Errors::default()),
            ..told()
        }],
        workers: Some(3),
        ..Config::default()
    };
    assert_eq!(found, expected);
}

#[test]
fn the_other_commands() {
    let Ok(Command::Explain(explain, told)) =
        run("explain DB.shop srv --log-format json --log-level trace --from shop/web-0 \
         --resolv-conf r --server ::1 --output json")
    else {
        panic!("explain is not read");
    };
    let expected = Explain {
        name: "db.shop".into(),
        record_type: Some("SRV".into()),
        from: Some(Pod { namespace: "shop".into(), name: "web-0".into() }),
        resolv_conf: Some("r".into()),
        server: Some("[::1]:53".parse().unwrap()),
        of_snapshot: false,
        output: Output::Json,
    };
    assert_eq!(explain, expected);
    for (line, of_snapshot) in [
        ("explain a --snapshot f", true),
        ("explain a --snapshot f --kubeconfig k", false),
        ("explain a --kubeconfig k", false),
    ] {
        let Ok(Command::Explain(explain, _)) = run(line) else { panic!("{line} is not read") };
        assert_eq!(explain.of_snapshot, of_snapshot, "{line}");
    }
    assert_eq!(
        told.log,
        LogOptions { format: LogFormat::Json, level: LogLevel::Trace, quiet: false }
    );
    assert!(matches!(run("dump --manifests m"), Ok(Command::Dump { from: None, .. })));
    assert_eq!(
        run("check -c Corefile --manifests m"),
        Ok(Command::Check { corefile: Some("Corefile".into()), manifests: vec!["m".into()] })
    );
}

#[test]
fn a_corefile_by_either_command_line() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Corefile");
    let file = path.to_str().unwrap();
    std::fs::write(&path, ".\nkubernetes cluster.local {\n manifests m\n}\n").unwrap();
    let ours = config(&format!("serve -c {file}"));
    for line in [format!("-conf {file}"), format!("-conf={file}"), format!("--conf={file}")] {
        assert_eq!(config(&line), ours, "{line}");
    }
    let port = |config: &Config| config.servers[0].listen[0].address.port();
    assert_eq!(port(&ours), 53);
    for line in [
        format!("-conf {file} -dns.port 1053"),
        format!("-dns.port=1053 -conf {file}"),
        format!("-p 1053 -conf {file} --log-level debug"),
    ] {
        assert_eq!(port(&config(&line)), 1053, "{line}");
    }

    std::fs::write(&path, ". {\n kubernets\n erors\n}\n").unwrap();
    assert_eq!(
        fault(&format!("serve -c {file}")),
        format!(
            "{file}:2:2: unknown directive 'kubernets'; did you mean 'kubernetes'? (and 1 more; \
             'fingerpost check -c {file}' lists them)"
        )
    );
    std::fs::write(&path, ". {\n kubernetes cluster.local {\n  kubeconfig k c\n }\n}\n").unwrap();
    let server =
        ApiServer { kubeconfig: Some("k".into()), context: Some("c".into()), ..Default::default() };
    assert_eq!(source(&format!("serve -c {file}")), Source::Cluster(server));
    std::fs::write(&path, ".\nkubernetes a {\n manifests m\n snapshot /s\n}\n").unwrap();
    let needless =
        format!("{file}:2:1: snapshot has no effect with manifests, which are on the disk already");
    assert!(
        config(&format!("serve -c {file}")).warnings.contains(&crate::config::Warning(needless))
    );
    let block = |zone: &str| format!("{zone} {{\n kubernetes {zone} {{\n  snapshot /s\n }}\n}}\n");
    std::fs::write(&path, block("a") + &block("b")).unwrap();
    assert_eq!(
        fault(&format!("serve -c {file}")),
        format!(
            "{file}:7:2: snapshot /s is another block's file already; name a file for each block"
        )
    );
}

fn source(line: &str) -> Source {
    config(line).servers.remove(0).kubernetes.unwrap().source
}

#[test]
fn without_manifests_objects_come_from_an_api_server() {
    assert_eq!(source("serve"), Source::Cluster(ApiServer::default()));
    let server = ApiServer { kubeconfig: Some("k".into()), ..Default::default() };
    assert_eq!(source("serve --kubeconfig k"), Source::Cluster(server));
    let server = ApiServer { context: Some("c".into()), ..Default::default() };
    assert_eq!(source("serve --context c"), Source::Cluster(server));
}
