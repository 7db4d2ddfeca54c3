//! A cluster in two states that share names and differ in every answer, and the binary on it.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::json;

use crate::ask::{Asker, Reply, Type};
use crate::fake_api::FakeApi;
use crate::objects::{cluster, namespace, service, slice};
use crate::run::{Room, Served};

/// A question and its answer's data in the old and the new state.
type Case = (&'static str, Type, [&'static [&'static str]; 2]);

pub(crate) const WEB: &str = "web.shop.svc.cluster.local.";
pub(crate) const DB: &str = "db.shop.svc.cluster.local.";
pub(crate) const NOWHERE: &str = "nowhere.shop.svc.cluster.local.";

pub(crate) const CASES: &[Case] = &[
    (WEB, Type::A, [&["10.0.0.1"], &["10.0.0.2"]]),
    (
        "_http._tcp.web.shop.svc.cluster.local.",
        Type::SRV,
        [&["0 100 80 web.shop.svc.cluster.local."], &["0 100 8080 web.shop.svc.cluster.local."]],
    ),
    (DB, Type::A, [&["10.1.0.1", "10.1.0.2"], &["10.1.0.3"]]),
    ("ext.shop.svc.cluster.local.", Type::CNAME, [&["old.example.com."], &["new.example.com."]]),
];

/// By their addresses, which change hands.
pub(crate) const REVERSE: [(&str, &str); 2] =
    [("1.0.0.10.in-addr.arpa.", WEB), ("2.0.0.10.in-addr.arpa.", WEB)];

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Age {
    Old = 0,
    New = 1,
}

/// Puts the cluster into a state, at once.
pub(crate) fn put(api: &FakeApi, age: Age) {
    let (ip, port, pods, alias): (_, _, &[&str], _) = match age {
        Age::Old => ("10.0.0.1", 80, &["10.1.0.1", "10.1.0.2"], "old.example.com"),
        Age::New => ("10.0.0.2", 8080, &["10.1.0.3"], "new.example.com"),
    };
    let ports = json!([{"name": "http", "port": port, "protocol": "TCP"}]);
    let objects = [
        namespace("shop"),
        service(
            "web",
            &json!({"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip],
                    "selector": {"app": "web"}, "ports": ports}),
        ),
        service(
            "db",
            &json!({"clusterIP": "None", "clusterIPs": ["None"],
                              "selector": {"app": "db"}, "ports": [{"port": 80}]}),
        ),
        slice("db", pods),
        service("ext", &json!({"type": "ExternalName", "externalName": alias})),
    ];
    api.edit(|store| objects.into_iter().for_each(|object| _ = store.put(object)));
}

/// A Service whose name is found nowhere else.
pub(crate) fn put_marker(api: &FakeApi, name: &str) {
    api.put(cluster(name, "10.0.7.7"));
}

/// Every question must have this state's answer; hands each reply on to `look`.
pub(crate) fn all(asker: &mut Asker, age: Age, mut look: impl FnMut(&str, &Reply)) {
    for (name, rtype, data) in CASES {
        let reply = asker.ask(name, *rtype);
        assert!(reply.is(data[age as usize]), "{name} {rtype}: {reply:?}, not {age:?}");
        look(name, &reply);
    }
    for (at, (name, target)) in REVERSE.iter().enumerate() {
        let reply = asker.ask(name, Type::PTR);
        let right = if at == age as usize { reply.is(&[target]) } else { reply.is_missing() };
        assert!(right, "{name} PTR: {reply:?}, not {age:?}");
        look(name, &reply);
    }
    let reply = asker.ask(NOWHERE, Type::A);
    assert!(reply.is_missing(), "{reply:?}");
    look(NOWHERE, &reply);
}

/// A kubeconfig that leads to this address.
pub(crate) fn kubeconfig(room: &Room, api: SocketAddr) -> String {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: fake\n\
         clusters:\n- name: fake\n  cluster: {{ server: \"http://{api}\" }}\n\
         users:\n- name: me\n  user: {{ token: secret }}\n\
         contexts:\n- name: fake\n  context: {{ cluster: fake, user: me }}\n"
    );
    room.write("kubeconfig", text).display().to_string()
}

/// Serves by quick options, with or without a snapshot.
pub(crate) fn serve(room: &Room, api: SocketAddr, snapshot: Option<&Path>) -> Served {
    let config = kubeconfig(room, api);
    let mut args = vec!["--kubeconfig", &config, "--listen", "127.0.0.1:0"];
    if let Some(file) = snapshot {
        args.extend(["--snapshot", file.to_str().expect("UTF-8")]);
    }
    room.serve(&args)
}

/// Serves these zones by a Corefile that does not wait long for the first lists.
pub(crate) fn serve_zones(room: &Room, api: SocketAddr, zones: &str) -> Served {
    let config = kubeconfig(room, api);
    let corefile = format!(
        ".:0 {{\n  bind 127.0.0.1\n  kubernetes {zones} {{\n    kubeconfig {config} fake\n    \
         startup_timeout 100ms\n    snapshot {}\n  }}\n}}\n",
        room.path("state").display()
    );
    let file = room.write("Corefile", corefile).display().to_string();
    room.serve(&["-c", &file])
}
