//! The Corefile of kubeadm, and all that it becomes.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use super::{config, name, zones};
use crate::config::{
    ApiServer, Cache, Config, Errors, Forward, Half, Health, Kubernetes, Listen, LoadBalance,
    Monitor, Prometheus, Ready, Reload, ServerBlock, Source, Upstream, Warning,
};
use crate::name::Name;
use crate::zone::{Fallthrough, Pods, Spec};

const WARNINGS: &[&str] = &[];

const COREFILE: &str = include_str!("../../../../tests/corefiles/kubeadm.Corefile");

#[test]
fn the_corefile_of_kubeadm_loads() {
    let dir = tempfile::tempdir().unwrap();
    let resolv = dir.path().join("resolv.conf");
    std::fs::write(&resolv, "nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch a\n").unwrap();
    let text = COREFILE.replace("/etc/resolv.conf", &resolv.display().to_string());
    let spec = Spec {
        zones: zones(&["cluster.local", "in-addr.arpa", "ip6.arpa"]),
        pods: Pods::Insecure,
        fallthrough: Fallthrough::Within(vec![name("in-addr.arpa"), name("ip6.arpa")]),
        ttl: 30,
        ..Spec::default()
    };
    let mut kubernetes = Kubernetes::new(spec, Source::Cluster(ApiServer::default()));
    kubernetes.place = Some("Corefile:7:5".into());
    let to = ["192.0.2.53:53", "[2001:db8::53]:53"].map(|address| Upstream {
        file: Some(resolv.clone()),
        ..Upstream::plain(address.parse().unwrap())
    });
    let to = to.to_vec();
    let [health, ready, metrics] =
        [8080, 8181, 9153].map(|port| SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), port));
    let half =
        Half { capacity: 9_984, max_ttl: 30, min_ttl: 5, disabled: vec![name("cluster.local")] };
    let expected = Config {
        servers: vec![ServerBlock {
            block: 0,
            zones: vec![Name::root()],
            listen: vec![
                Listen { address: "[::]:53".parse().unwrap(), implied: true },
                Listen { address: "0.0.0.0:53".parse().unwrap(), implied: true },
            ],
            kubernetes: Some(kubernetes),
            forward: vec![Forward {
                max_concurrent: Some(1_000),
                ..Forward::new(Name::root(), to)
            }],
            errors: Some(Errors::default()),
            health: Some(Health { listen: health, lameduck: Duration::from_secs(5) }),
            ready: Some(Ready { listen: ready, monitor: Monitor::UntilReady }),
            prometheus: Some(Prometheus { listen: metrics }),
            cache: Some(Cache {
                zones: vec![Name::root()],
                success: half.clone(),
                denial: half,
                prefetch: None,
                serve_stale: None,
                servfail: Duration::from_secs(5),
                keep_ttl: false,
            }),
            find_loops: true,
            reload: Some(Reload {
                interval: Duration::from_secs(30),
                jitter: Duration::from_secs(15),
            }),
            load_balance: Some(LoadBalance::default()),
            ..ServerBlock::default()
        }],
        workers: None,
        lameduck: Duration::from_secs(5),
        health: Some(health),
        ready: Some(ready),
        metrics: Some(metrics),
        warnings: WARNINGS.iter().map(|text| Warning(format!("Corefile:{text}"))).collect(),
    };
    assert_eq!(config(&text), expected);
}
