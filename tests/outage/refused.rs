//! Kinds that may not be listed: named to whoever asks for what hangs on them, and to nobody else.

use crate::ask::{Asker, NOT_READY, Type};
use crate::fake_api::{FakeApi, Knobs, Order, until};
use crate::objects::pod;
use crate::run::{Room, Served};
use crate::world::{Age, DB, NOWHERE, WEB, kubeconfig, put};

const POD: &str = "10-1-0-1.shop.pod.cluster.local.";

/// Serves with verified pods, which need the right to list them.
fn serve(room: &Room, api: &FakeApi) -> Served {
    let config = kubeconfig(room, api.address());
    let corefile = format!(
        ".:0 {{\n  bind 127.0.0.1\n  kubernetes cluster.local in-addr.arpa {{\n    \
         kubeconfig {config} fake\n    pods verified\n  }}\n}}\n"
    );
    let file = room.write("Corefile", corefile).display().to_string();
    room.serve(&["-c", &file])
}

/// Waits until this name's refusal has this text.
fn told(asker: &mut Asker, name: &str, text: &str) {
    until(text, || {
        let reply = asker.ask(name, Type::A);
        assert!(reply.waits(), "{name}: {reply:?}");
        reply.ede == Some((NOT_READY, text.into()))
    });
}

#[test]
fn a_kind_that_is_forbidden_is_named_by_its_own_names_alone() {
    let api = FakeApi::start(Knobs { refused: vec![("pods", 403)], ..Knobs::default() });
    put(&api, Age::Old);
    api.put(pod("p", "10.1.0.1", "Running"));
    let room = Room::new();
    let served = serve(&room, &api);
    served.told(r#"add {apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"]}"#);
    let mut asker = Asker::new(served.address);
    let serial = asker.serial("cluster.local.");
    for text in ["pods: forbidden", "pods: unauthorized", "pods: not found", "waiting for pods"] {
        let code = match text {
            "pods: forbidden" => 403,
            "pods: unauthorized" => 401,
            "pods: not found" => 404,
            _ => 503,
        };
        api.set(|knobs| knobs.refused = vec![("pods", code)]);
        told(&mut asker, POD, text);
        for (name, data) in [(WEB, &["10.0.0.1"][..]), (DB, &["10.1.0.1", "10.1.0.2"])] {
            let reply = asker.ask(name, Type::A);
            assert!(reply.is(data) && reply.ede.is_none(), "{name}: {reply:?}");
        }
        let reply = asker.ask(NOWHERE, Type::A);
        assert!(reply.is_missing() && reply.ede.is_none(), "{reply:?}");
    }
    assert_eq!(asker.serial("cluster.local."), serial, "no record has changed");
    api.set(|knobs| knobs.refused.clear());
    until("the pod", || asker.ask(POD, Type::A).is(&["10.1.0.1"]));
    assert_eq!(asker.ask(POD, Type::A).ede, None);
}

#[test]
fn what_is_forbidden_and_what_is_waited_for_are_told_apart() {
    let refused = vec![("services", 503), ("endpointslices", 403), ("endpoints", 403)];
    let api = FakeApi::start(Knobs { refused, ..Knobs::default() });
    put(&api, Age::Old);
    let room = Room::new();
    let served = serve(&room, &api);
    let mut asker = Asker::new(served.address);
    let text = "waiting for services; endpointslices, endpoints: forbidden";
    told(&mut asker, "1.0.1.10.in-addr.arpa.", text);
    told(&mut asker, DB, "waiting for services");
    api.set(|knobs| knobs.refused.retain(|(kind, _)| *kind != "services"));
    told(&mut asker, DB, "endpointslices, endpoints: forbidden");
    // A cluster IP hangs on Services and Namespaces alone.
    let reply = asker.ask(WEB, Type::A);
    assert!(reply.is(&["10.0.0.1"]) && reply.ede.is_none(), "{reply:?}");
    api.set(|knobs| knobs.refused.clear());
    until("the endpoints", || asker.ask(DB, Type::A).is(&["10.1.0.1", "10.1.0.2"]));
    // Forbidden again, what was listed goes on answering, and is no longer waited for.
    api.set(|knobs| knobs.refused = vec![("endpointslices", 403)]);
    api.order(Order::End);
    until("the missing right", || {
        served.times_told(r#"add {apiGroups: ["discovery.k8s.io"]"#) == 2
    });
    let reply = asker.ask(DB, Type::A);
    assert!(reply.is(&["10.1.0.1", "10.1.0.2"]) && reply.ede.is_none(), "{reply:?}");
}
