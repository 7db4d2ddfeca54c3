//! Corefiles, right and wrong, and what each becomes.

mod directives;
mod imports;
mod kubeadm;
mod property;

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use super::*;
use crate::config::{ApiServer, ClientTls, Kubernetes, Listen, Source, Warning};
use crate::name::Name;
use crate::zone::{Fallthrough, NamespaceFilter, Pods, Selectorless, Spec, Zone};

fn read_text(text: &str) -> Result<Config, Vec<ConfigError>> {
    let env = |name: &str| (name == "ZONE").then(|| "cluster.local".to_owned());
    let interfaces = || {
        ["127.0.0.1", "192.0.2.1", "2001:db8::1", "fe80::1"]
            .into_iter()
            .zip(["lo", "eth0", "eth0", "eth0"])
            .map(|(address, name)| Interface {
                name: name.into(),
                address: address.parse().unwrap(),
            })
            .collect()
    };
    read_bytes(
        "Corefile",
        text.as_bytes(),
        53,
        &Surroundings { env: &env, interfaces: &interfaces },
    )
}

fn config(text: &str) -> Config {
    read_text(text).unwrap_or_else(|errors| panic!("{text}: {}", errors[0]))
}

fn faults(text: &str) -> Vec<String> {
    read_text(text).unwrap_err().iter().map(ToString::to_string).collect()
}

/// The `kubernetes` of a block with these lines in it.
fn kubernetes(options: &str) -> (Kubernetes, Vec<String>) {
    let found = config(&format!(
        ". {{\nforward . 192.0.2.53\nkubernetes cluster.local in-addr.arpa {{\n{options}\n}}\n}}"
    ));
    let warnings = found.warnings.iter().map(ToString::to_string).collect();
    (found.servers[0].kubernetes.clone().unwrap(), warnings)
}

fn name(text: &str) -> Name {
    Name::parse(text).unwrap()
}

fn zones(texts: &[&str]) -> Vec<Zone> {
    texts.iter().map(|text| Zone::new(name(text))).collect()
}

#[test]
fn findings_have_a_limit() {
    assert_eq!(faults(&format!(".\n{}", "x\n".repeat(1_000))).len(), 100);
}

#[test]
fn every_option_of_kubernetes() {
    for (text, change) in [
        ("", (|_| ()) as fn(&mut Kubernetes)),
        ("pods verified", |k| k.spec.pods = Pods::Verified),
        ("selectorless endpoints", |k| k.spec.selectorless = Selectorless::Endpoints),
        ("endpoint_pod_names", |k| k.spec.endpoint_pod_names = true),
        ("noendpoints", |k| k.spec.no_endpoints = true),
        ("endpoints headless", |k| k.spec.headless_endpoints_only = true),
        ("endpoints all", |_| ()),
        ("ttl 0", |k| k.spec.ttl = 0),
        ("ttl 3600", |k| k.spec.ttl = 3_600),
        ("ignore empty_service", |k| k.spec.ignore_empty_service = true),
        ("fallthrough", |k| k.spec.fallthrough = Fallthrough::Always),
        ("fallthrough 10.0.0.0/8 cluster.local", |k| {
            k.spec.fallthrough =
                Fallthrough::Within(vec![name("10.in-addr.arpa"), name("cluster.local")]);
        }),
        ("namespaces a b\nnamespaces c", |k| {
            k.spec.namespaces = NamespaceFilter::Named(vec!["a".into(), "b".into(), "c".into()]);
        }),
        ("namespace_labels env in (a, b)", |k| {
            k.spec.namespaces = NamespaceFilter::Selected(
                crate::cluster::LabelSelector::parse("env in (a,b)").unwrap(),
            );
        }),
        ("labels app=db , tier!=x", |k| {
            k.spec.labels = Some(crate::cluster::LabelSelector::parse("app=db,tier!=x").unwrap());
        }),
        ("manifests a b\nmanifests c", |k| {
            k.source = Source::Manifests(vec!["a".into(), "b".into(), "c".into()]);
        }),
        ("endpoint https://a:6443\ntls c k a", |k| {
            k.source = Source::Cluster(ApiServer {
                endpoint: Some("https://a:6443".into()),
                tls: Some(ClientTls {
                    certificate: "c".into(),
                    key: "k".into(),
                    authority: "a".into(),
                }),
                ..ApiServer::default()
            });
        }),
        ("kubeconfig /k ctx\nstartup_timeout 1m30s", |k| {
            k.source = Source::Cluster(ApiServer {
                kubeconfig: Some("/k".into()),
                context: Some("ctx".into()),
                startup_timeout: Some(Duration::from_secs(90)),
                ..ApiServer::default()
            });
        }),
        ("snapshot /s", |k| k.snapshot = Some("/s".into())),
        ("ede off", |k| k.ede = false),
        ("ede on", |_| ()),
    ] {
        let spec = Spec { zones: zones(&["cluster.local", "in-addr.arpa"]), ..Spec::default() };
        let mut expected = Kubernetes::new(spec, Source::Cluster(ApiServer::default()));
        expected.place = Some("Corefile:3:1".into());
        change(&mut expected);
        assert_eq!(kubernetes(text), (expected, vec![]), "{text}");
    }
}

#[test]
fn what_is_called_like_an_option_is_none() {
    for line in [
        "rewrite name exact cname x",
        "rewrite name edns0 cname",
        "rewrite continue {\n name suffix cname edns0\n}",
        "template IN A var expr {\n rcode NXDOMAIN\n}",
        "acl zonal {\n block\n}",
    ] {
        config(&format!(".\n{line}"));
    }
    config("zonal\nkubernetes multicluster zonal");
}

#[test]
fn options_without_effect_are_warned_of() {
    for (text, expected) in [
        (
            "apiserver_qps 5",
            "4:1: 'apiserver_qps' of 'kubernetes' has no effect here: one watch for each kind of object needs no rate",
        ),
        (
            "apiserver_burst 5",
            "4:1: 'apiserver_burst' of 'kubernetes' has no effect here: one watch for each kind of object needs no rate",
        ),
        (
            "apiserver_max_inflight 5",
            "4:1: 'apiserver_max_inflight' of 'kubernetes' has no effect here: watches are one for each kind of object",
        ),
        ("endpoint a b", "4:12: only the first URL of 'endpoint' counts"),
        ("ignore", "4:1: 'ignore' alone has no effect; write 'ignore empty_service'"),
        ("namespaces Shop", "4:12: no namespace can have the name 'Shop'"),
        ("fallthrough ip6.arpa", "4:13: no zone of 'kubernetes' has anything to do with ip6.arpa."),
        (
            "manifests a\nkubeconfig k",
            "5:1: 'kubeconfig' has no effect beside 'manifests', which is where objects come from",
        ),
        (
            "namespaces {$NONE}x",
            "4:12: the environment variable 'NONE' is not set and counts as empty",
        ),
    ] {
        assert_eq!(kubernetes(text).1, [format!("Corefile:{expected}")], "{text}");
    }
}

/// Corefiles, and the first fault of each.
const FAULTS: &[(&str, &str)] = &[
    ("", "Corefile: there is no server block; write one such as '.:53 { … }'"),
    ("# nothing\n", "Corefile: there is no server block; write one such as '.:53 { … }'"),
    (".\nkubernets", "Corefile:2:1: unknown directive 'kubernets'; did you mean 'kubernetes'?"),
    (
        ".\nfile db.example.org",
        "Corefile:2:1: 'file' is not supported; let another server serve the zone and name it with 'forward'",
    ),
    (
        ".\nk8s_external a",
        "Corefile:2:1: 'k8s_external' is not supported; let another server serve the zone and name it with 'forward'",
    ),
    (
        ".\nproxy . 192.0.2.1",
        "Corefile:2:1: 'proxy' is no directive any more: CoreDNS has dropped it in 1.5.0; write 'forward'",
    ),
    (
        ".\ntemplate IN A {\n rcode BADVERS\n}",
        "Corefile:3:8: 'BADVERS' needs EDNS, which not every client speaks; write another code",
    ),
    (
        ".\nrewrite continue {\n edns0 nsid set\n}",
        "Corefile:3:2: 'edns0' of 'rewrite' is not built yet, and upstreams would be told nothing of it; remove it",
    ),
    (
        ".\nrewrite cname a b",
        "Corefile:2:9: 'cname' of 'rewrite' is not built yet, and aliases would lead where they lead; remove it",
    ),
    (
        ".\nrewrite continue EDNS0 nsid set",
        "Corefile:2:18: 'EDNS0' of 'rewrite' is not built yet, and upstreams would be told nothing of it; remove it",
    ),
    (
        ".\nrewrite {\n stop cname a b\n}",
        "Corefile:3:7: 'cname' of 'rewrite' is not built yet, and aliases would lead where they lead; remove it",
    ),
    (
        ".\nloadbalance weighted w.conf",
        "Corefile:2:13: 'weighted' of 'loadbalance' is not built yet, and addresses would be turned evenly; remove it",
    ),
    (
        ".\nimport x.conf",
        "Corefile:2:8: 'x.conf' cannot be imported: No such file or directory (os error 2)",
    ),
    (
        "tls://. {\n}",
        "Corefile:1:1: 'tls://' server blocks are not built yet; only plain DNS over UDP and TCP is served",
    ),
    ("a b..c {\n}", "Corefile:1:3: 'b..c' is not a zone: a label is empty"),
    (
        ".\nerrors\nerrors",
        "Corefile:3:1: 'errors' stands twice in this server block, first at Corefile:2:1; keep one",
    ),
    (
        ".\nkubernetes a\n\nkubernetes b",
        "Corefile:4:1: 'kubernetes' stands twice in this server block, first at Corefile:2:1; keep one",
    ),
    (". {\n}\n. {\n}", "Corefile:3:1: the zone . on port 53 is served by Corefile:1:1 already"),
    ("a A. {\n}", "Corefile:1:3: the zone a. on port 53 is served by Corefile:1:1 already"),
    (
        ". {\n}\n. {\n bind 192.0.2.1\n}",
        "Corefile:3:1: the zone . on port 53 is served by Corefile:1:1 already, there or here on every address: give both a 'bind'",
    ),
    (
        ". {\n bind lo\n}\n. {\n bind eth0 127.0.0.1\n}",
        "Corefile:4:1: the zone . on port 53 is served by Corefile:1:1 already",
    ),
    (
        "in-addr.arpa\nkubernetes",
        "Corefile:2:1: 'kubernetes' has reverse zones only; name a forward zone too, such as cluster.local",
    ),
    (
        ".\nkubernetes 10.0.0.0/8",
        "Corefile:2:1: 'kubernetes' has reverse zones only; name a forward zone too, such as cluster.local",
    ),
    (".\nbind", "Corefile:2:1: 'bind' lacks an argument; write 'bind ADDRESS|INTERFACE…'"),
    (
        ".\nbind lo eth9",
        "Corefile:2:9: 'eth9' is neither an address nor an interface of this machine",
    ),
    (".\nbind lo {\n except lo\n}", "Corefile:2:1: no address is left to listen on"),
    (
        ".\nbind lo {\n exept lo\n}",
        "Corefile:3:2: unknown option 'exept' of 'bind'; did you mean 'except'?",
    ),
    (".\nbufsize 511", "Corefile:2:9: '511' is not a whole number from 512 to 4096"),
    (
        ".\nbufsize 512 1",
        "Corefile:2:13: '1' is one argument too many for 'bufsize'; write 'bufsize [OCTETS]'",
    ),
    (".\nworkers", "Corefile:2:1: 'workers' lacks an argument; write 'workers NUMBER'"),
    (".\nworkers 0", "Corefile:2:9: '0' is not a whole number from 1 to 1024"),
    (
        "a {\n workers 1\n}\nb {\n workers 2\n}",
        "Corefile:5:10: 'workers' is for the whole server, and another block says 1; keep one",
    ),
    (
        ".\nhealth {\n lamduck 5s\n}",
        "Corefile:3:2: unknown option 'lamduck' of 'health'; did you mean 'lameduck'?",
    ),
    (".\nhealth {\n lameduck 5\n}", "Corefile:3:11: '5' is not a time such as 5s, 1m30s or 250ms"),
    (".\nhealth 8080", "Corefile:2:8: '8080' is not an address such as :8080 or 127.0.0.1:8080"),
    (
        ".\nready {\n monitor never\n}",
        "Corefile:3:10: 'never' is not one of until-ready, continuously",
    ),
    (
        ".\nerrors {\n consolidate 5m\n}",
        "Corefile:3:2: 'consolidate' lacks an argument; write 'consolidate DURATION REGEX [warning|error|info|debug] [show_first]'",
    ),
    (".\nerrors stderr", "Corefile:2:8: 'stderr' is no log file; write 'errors'"),
    (
        ".\ncache {\n sucess 1\n}",
        "Corefile:3:2: unknown option 'sucess' of 'cache'; did you mean 'success'?",
    ),
    (".\nloop now", "Corefile:2:6: 'now' is one argument too many for 'loop'; write 'loop'"),
    (".\nreload {\n}", "Corefile:2:1: 'reload' takes no block"),
    (".\nforward", "Corefile:2:1: 'forward' lacks an argument; write 'forward FROM TO…'"),
    (".\nforward .", "Corefile:2:1: 'forward' lacks an argument; write 'forward FROM TO…'"),
    (
        ".\nforward . quic://192.0.2.1",
        "Corefile:2:11: 'quic://' of 'forward' is not built yet, and names would be asked in the clear; remove it",
    ),
    (
        ".\nforward . /nowhere",
        "Corefile:2:11: '/nowhere' is neither an address nor a file that can be read (No such file or directory (os error 2))",
    ),
    (
        ".\nforward . 192.0.2.1 {\n max_concurent 1\n}",
        "Corefile:3:2: unknown option 'max_concurent' of 'forward'; did you mean 'max_concurrent'?",
    ),
    (
        ".\nforward . 192.0.2.1 {\n max_concurrent -1\n}",
        "Corefile:3:17: '-1' is not a whole number from 0 to 4294967295",
    ),
    (
        ".\nforward . 192.0.2.1 {\n policy best\n}",
        "Corefile:3:9: 'best' is not one of random, round_robin, sequential",
    ),
    (
        ".\nforward . 192.0.2.1 {\n force_tcp on\n}",
        "Corefile:3:12: 'on' is one argument too many for 'force_tcp'; write 'force_tcp'",
    ),
    (
        ".\nforward . 192.0.2.1 {\n health_check 1s no_reg\n}",
        "Corefile:3:18: unknown option 'no_reg' of 'health_check'; did you mean 'no_rec'?",
    ),
    (
        ".\nforward . 192.0.2.1 {\n except\n}",
        "Corefile:3:2: 'except' lacks an argument; write 'except ZONE…'",
    ),
];

#[test]
fn each_fault_has_its_place() {
    for (text, expected) in FAULTS {
        assert_eq!(faults(text).first().unwrap(), expected, "{text:?}");
    }
}

#[test]
fn each_fault_of_kubernetes_has_its_place() {
    for (option, expected) in [
        ("pod insecure", "3:2: unknown option 'pod' of 'kubernetes'; did you mean 'pods'?"),
        ("pods safe", "3:7: 'safe' is no value of 'pods'; write 'pods disabled|insecure|verified'"),
        ("pods", "3:2: 'pods' lacks an argument; write 'pods disabled|insecure|verified'"),
        (
            "selectorless x",
            "3:15: 'x' is no value of 'selectorless'; write 'selectorless auto|endpoints|cluster-ip'",
        ),
        (
            "endpoints none",
            "3:12: 'none' is no value of 'endpoints'; write 'endpoints all|headless'",
        ),
        ("ede maybe", "3:6: 'maybe' is no value of 'ede'; write 'ede on|off'"),
        (
            "ignore full_service",
            "3:9: 'full_service' is no value of 'ignore'; write 'ignore empty_service'",
        ),
        ("ttl 3601", "3:6: '3601' is not a whole number from 0 to 3600"),
        ("ttl -1", "3:6: '-1' is not a whole number from 0 to 3600"),
        ("tls a b", "3:2: 'tls' lacks an argument; write 'tls CERTIFICATE KEY AUTHORITY'"),
        ("kubeconfig", "3:2: 'kubeconfig' lacks an argument; write 'kubeconfig FILE [CONTEXT]'"),
        ("apiserver_qps x", "3:16: 'x' is not a whole number from 0 to 4294967295"),
        ("startup_timeout 5", "3:18: '5' is not a time such as 5s, 1m30s or 250ms"),
        (
            "labels a=b c",
            "3:9: 'a=b c' is not a label selector: found 'c' where ',' or the end belongs",
        ),
        (
            "namespaces a\nnamespace_labels b=c",
            "4:1: 'namespaces' and 'namespace_labels' cannot stand together; keep one",
        ),
        (
            "noendpoints x",
            "3:14: 'x' is one argument too many for 'noendpoints'; write 'noendpoints'",
        ),
        ("fallthrough a..b", "3:14: 'a..b' is not a zone: a label is empty"),
        ("manifests", "3:2: 'manifests' lacks an argument; write 'manifests PATH…'"),
        ("explain 10.0.0.1", "3:10: '10.0.0.1' is not a network such as 10.0.0.0/24 or fd00::/8"),
        (
            "multicluster cluster.local",
            "3:2: 'multicluster' of 'kubernetes' is not built yet, and the names of its zones would not exist; remove it",
        ),
        (
            "zonal",
            "3:2: 'zonal' of 'kubernetes' is not built yet, and zonal names would not exist; remove it",
        ),
        ("resyncperiod 5m", "3:2: 'resyncperiod' is gone since CoreDNS 1.7.0; remove the line"),
        (
            "upstream",
            "3:2: 'upstream' is gone since CoreDNS 1.7.0, since outside names are asked of this server itself; remove the line",
        ),
        (
            "transfer to *",
            "3:2: 'transfer' is no option of 'kubernetes' since CoreDNS 1.8.0; write it as a directive of the server block",
        ),
        ("ttl 5 {\n}", "3:2: 'ttl' takes no block"),
    ] {
        let text = format!(".\nkubernetes cluster.local {{\n {option}\n}}");
        assert_eq!(faults(&text), [format!("Corefile:{expected}")], "{option}");
    }
}

#[test]
fn all_faults_are_reported_in_order() {
    assert_eq!(
        faults(". {\n erors\n bufsize x\n kubernetes a {\n  pods x\n }\n foo..\n"),
        [
            "Corefile:1:3: this '{' is never closed; end the block with '}'",
            "Corefile:2:2: unknown directive 'erors'; did you mean 'errors'?",
            "Corefile:3:10: 'x' is not a whole number from 512 to 4096",
            "Corefile:5:8: 'x' is no value of 'pods'; write 'pods disabled|insecure|verified'",
            "Corefile:7:2: unknown directive 'foo..'; known are acl, bind, bufsize, cache, chaos, \
             debug, errors, forward, health, hosts, import, kubernetes, loadbalance, log, loop, \
             minimal, nsid, prometheus, ready, reload, rewrite, template, transfer, workers",
        ]
    );
}

#[test]
fn blocks_zones_and_ports() {
    let found = config(
        "(common) {\n errors\n bufsize\n}\n\
         {$ZONE}, 10.0.0.0/15 {\n import common\n kubernetes\n}\n\
         dns://example.org:1053 stub.example.:53 other.example:1053 {\n bufsize 4096\n \
         forward stub.example 192.0.2.1 {\n  except a.stub.example\n }\n}\n",
    );
    let [cluster, example, stub] = found.servers.as_slice() else { panic!("{found:?}") };
    assert_eq!(
        cluster.zones,
        [name("cluster.local"), name("0.10.in-addr.arpa"), name("1.10.in-addr.arpa")]
    );
    assert_eq!(
        cluster.kubernetes.as_ref().unwrap().spec.zones,
        zones(&["cluster.local", "0.10.in-addr.arpa", "1.10.in-addr.arpa"])
    );
    assert!(
        cluster.errors.is_some()
            && cluster.bufsize == 1_232
            && cluster.listen == Listen::everywhere(53)
    );
    assert_eq!(example.zones, [name("example.org"), name("other.example")]);
    assert_eq!(example.listen, Listen::everywhere(1053));
    assert_eq!(stub.zones, [name("stub.example")]);
    assert_eq!((cluster.block, example.block, stub.block), (0, 1, 1));
    assert!(stub.errors.is_none() && stub.bufsize == 4_096);
    let forward = &stub.forward[0];
    assert!(forward.covers(&name("b.stub.example")));
    assert!(!forward.covers(&name("x.a.stub.example")));
    assert!(!forward.covers(&name("example.org")));
    assert_eq!(found.warnings, []);
}

#[test]
fn bound_addresses() {
    for (text, expected) in [
        ("bind 127.0.0.1 ::1", "127.0.0.1 ::1"),
        ("bind 127.0.0.1\nbind ::1", "127.0.0.1 ::1"),
        ("bind lo 127.0.0.1 lo", "127.0.0.1"),
        ("bind eth0", "192.0.2.1 2001:db8::1"),
        ("bind lo eth0 {\n except 2001:db8::1\n}", "127.0.0.1 192.0.2.1"),
        ("bind lo eth0 {\n except eth0\n}", "127.0.0.1"),
    ] {
        let found = config(&format!(".:5300\n{text}"));
        let expected: Vec<Listen> = expected
            .split(' ')
            .map(|address| address.parse::<IpAddr>().unwrap())
            .map(|address| Listen::written(SocketAddr::new(address, 5300)))
            .collect();
        assert_eq!(found.servers[0].listen, expected, "{text}");
    }
    // Different addresses may have blocks for one zone.
    let found = config(". {\n bind lo\n}\n. {\n bind eth0\n}");
    assert_eq!(found.servers.len(), 2);
}

#[test]
fn forward_takes_one_zone() {
    let found = config(".\nforward 10.0.0.0/15 192.0.2.1");
    assert_eq!(
        found.warnings,
        [Warning(
            "Corefile:2:9: '10.0.0.0/15' stands for several reverse zones, of which 'forward' \
             takes only the first, 0.10.in-addr.arpa."
                .into()
        )]
    );
    let many: Vec<String> = (1..=16).map(|host| format!("192.0.2.{host}")).collect();
    let many = many.join(" ");
    assert_eq!(
        faults(&format!(".\nforward . {many}")),
        ["Corefile:2:1: 16 upstreams are more than the 15 allowed"]
    );
}

#[test]
fn a_missing_upstream_is_warned_of() {
    assert_eq!(
        config(".\nerrors").warnings,
        [no_upstream("add 'forward . ADDR' to a server block")]
    );
}

#[test]
fn files_that_are_no_text() {
    let around = Surroundings { env: &|_| None, interfaces: &Vec::new };
    let errors = read_bytes("Corefile", b".\n err\xff", 53, &around).unwrap_err();
    assert_eq!(errors[0].to_string(), "Corefile:2:5: the file is not UTF-8 text from here on");
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("Corefile");
    std::fs::write(&path, vec![b'#'; 1_048_577]).unwrap();
    assert_eq!(
        read(&path, 53).unwrap_err()[0].to_string(),
        format!("{}: is larger than 1048576 octets", path.display())
    );
    for unreadable in [dir.path().to_owned(), dir.path().join("nowhere")] {
        let fault = read(&unreadable, 53).unwrap_err()[0].to_string();
        assert!(fault.contains("cannot be read: "), "{fault}");
        assert!(fault.ends_with("; mend its path or who may read it"), "{fault}");
    }
}
