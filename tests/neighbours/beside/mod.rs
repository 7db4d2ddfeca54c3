//! Beside CoreDNS: kubeadm's Corefile, one cluster, upstreams that say the same, and every kind of
//! question. Whatever differs is a row of the README's table, or a fault of ours.

mod known;
mod questions;
mod told;

use std::net::SocketAddr;

use crate::behind::COREDNS;
use crate::cluster::cluster_objects;
use crate::fake_api::{FakeApi, Knobs};
use crate::resolver::Resolver;
use crate::run::Room;
use known::DIFFERENCES;

const KUBEADM: &str = include_str!("../../corefiles/kubeadm.Corefile");

/// kubeadm's Corefile, unchanged but for addresses and ports.
fn corefile(port: u16, api: SocketAddr, upstream: SocketAddr) -> String {
    let mut text = KUBEADM.to_owned();
    for (own, other) in [
        (".:53 {", format!(".:{port} {{\n    bind 127.0.0.1")),
        ("health {", "health 127.0.0.1:0 {".to_owned()),
        ("ready\n", "ready 127.0.0.1:0\n".to_owned()),
        ("pods insecure", format!("endpoint http://{api}\n       pods insecure")),
        ("prometheus :9153", "prometheus 127.0.0.1:0".to_owned()),
        ("/etc/resolv.conf", upstream.to_string()),
    ] {
        assert_eq!(text.matches(own).count(), 1, "{own}");
        text = text.replacen(own, &other, 1);
    }
    text
}

#[test]
fn all_that_differs_is_documented() {
    let api = FakeApi::start(Knobs { agent: "", ..Knobs::default() });
    api.edit(|store| cluster_objects().into_iter().for_each(|object| _ = store.put(object)));
    let upstreams = [(); 2].map(|()| Resolver::start());
    let theirs =
        COREDNS.run(|address| corefile(address.port(), api.address(), upstreams[0].address));
    let Some(theirs) = theirs else { return };
    let room = Room::new();
    room.write("Corefile", corefile(0, api.address(), upstreams[1].address));
    let ours = room.serve(&["-c", "Corefile"]);

    let (mut compared, mut same, mut unknown) = (0, 0, Vec::new());
    let mut seen = vec![0; DIFFERENCES.len()];
    questions::each(|question| {
        let mut told = question.ask(theirs.address);
        let own = question.ask(ours.address);
        let original = told.clone();
        told.forgive_a_second(&own);
        for ((_, apply), seen) in DIFFERENCES.iter().zip(&mut seen) {
            if told != own && apply(question, &mut told, &own) {
                *seen += 1;
            }
        }
        compared += 1;
        same += usize::from(original == own);
        if told != own {
            unknown.push(format!("{question:?}\n  theirs {original:?}\n  ours   {own:?}"));
        }
    });
    let shown = unknown.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    assert!(unknown.is_empty(), "{} of {compared} differ otherwise:\n{shown}", unknown.len());
    assert!(compared > 1_500 && same > compared / 5, "{same} of {compared}");
    for ((row, _), seen) in DIFFERENCES.iter().zip(seen) {
        assert!(seen > 0, "nothing differs in this any more: {row}");
    }
}

#[test]
fn the_readme_has_the_same_differences() {
    let readme = include_str!("../../../README.md");
    let (_, section) = readme.split_once("\n## Beside CoreDNS\n").expect("the section");
    let (section, _) = section.split_once("\n## ").expect("another one");
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    let rows: Vec<&str> = rows.map(|(first, _)| first).skip(1).collect();
    let own: Vec<&str> = DIFFERENCES.iter().map(|(row, _)| *row).collect();
    assert_eq!(rows, own);
}
