//! `explain` of an API server, of the last known good state that a server has written, and of a server
//! that runs, with objects at hand or without.

use serde_json::{Value, json};

use crate::fake_api::{FakeApi, Knobs, until};
use crate::objects::{namespace, service, slice};
use crate::run::{Ended, Room};
use crate::world::{kubeconfig, serve};

const DB: &str = "db.shop.svc.cluster.local";
const UIDS: [&str; 2] =
    ["0f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4f5", "1f9e8d7c-6b5a-4c3d-8e1f-a0b1c2d3e4f6"];

fn with_uid(mut object: Value, uid: &str) -> Value {
    object["metadata"]["uid"] = json!(uid);
    object
}

/// Runs `explain`, and gives back its JSON.
fn explain(room: &Room, code: i32, args: &[&str]) -> Value {
    let line = ["explain", "--output", "json", "--log-level", "error"];
    let Ended { code: found, out, err } = room.run(&[&line, args].concat());
    assert_eq!((found, err.as_str()), (code, ""), "{args:?}: {out}");
    serde_json::from_str::<Value>(&out).expect("JSON")["explanation"].take()
}

/// Of a headless Service with two endpoints.
fn check(told: &Value, versions: &[String; 2]) {
    let service = &told["service"];
    assert_eq!(
        (&service["uid"], &service["resourceVersion"]),
        (&json!(UIDS[0]), &json!(versions[0]))
    );
    assert_eq!(service["classed"], "headless, with a selector: its endpoints, 2 of 2 ready");
    let source = &told["sources"][0];
    assert_eq!(
        (&source["uid"], &source["resourceVersion"]),
        (&json!(UIDS[1]), &json!(versions[1]))
    );
    assert_eq!((&source["kind"], &source["ready"]), (&json!("EndpointSlice"), &json!(2)));
    assert_eq!(told["endpoints"][1]["address"], "10.1.0.2");
    assert_eq!(told["records"][1]["data"], "10.1.0.2");
}

#[test]
fn each_source_explains_the_same() {
    let room = Room::new();
    let api = FakeApi::start(Knobs::default());
    api.put(namespace("shop"));
    let headless = json!({"clusterIP": "None", "clusterIPs": ["None"], "selector": {"app": "db"}});
    let versions = [
        api.put(with_uid(service("db", &headless), UIDS[0])),
        api.put(with_uid(slice("db", &["10.1.0.1", "10.1.0.2"]), UIDS[1])),
    ];
    let versions = versions.map(|version| version.to_string());
    let config = kubeconfig(&room, api.address());
    let told = explain(&room, 0, &[DB, "--kubeconfig", &config]);
    check(&told, &versions);
    // What has just been read tells nothing of its age.
    assert_eq!(told["service"]["age"], Value::Null);
    assert_eq!(told["view"]["state"], "complete");
    explain(&room, 3, &["nowhere.shop.svc.cluster.local", "--kubeconfig", &config]);

    let file = room.path("state");
    let mut served = serve(&room, api.address(), Some(&file));
    let address = served.address.to_string();
    let told = explain(&room, 0, &[DB, "--server", &address]);
    check(&told, &versions);
    assert!(told["service"]["age"].as_u64().is_some_and(|age| age < 60), "{told}");
    assert!(told["view"]["age"].is_u64(), "{told}");
    let walked = explain(&room, 0, &["db", "--from", "shop/web-0", "--server", &address]);
    check(&walked, &versions);
    let missing = explain(&room, 3, &["bd.shop.svc.cluster.local", "--server", &address]);
    assert_eq!(missing["near"], json!([format!("{DB}.")]));
    until("a state on disk", || file.exists());
    served.signal("KILL");
    served.end();
    let api_address = api.address();
    drop(api);

    let written = std::fs::read(&file).expect("a state");
    let state = file.to_str().expect("UTF-8");
    let told = explain(&room, 0, &[DB, "--snapshot", state, "--zone", "cluster.local"]);
    check(&told, &versions);
    assert_eq!(told["view"]["state"], "doubtful");
    let note = told["view"]["note"].as_str().unwrap_or_default();
    assert!(note.starts_with("last known good state of "), "{told}");
    assert_eq!(std::fs::read(&file).expect("a state"), written, "it is left as it is");

    // A server that has restored it answers, and has no objects.
    let mut served = serve(&room, api_address, Some(&file));
    let told = explain(&room, 0, &[DB, "--server", &served.address.to_string()]);
    assert_eq!(told["records"][0]["data"], "10.1.0.1");
    assert_eq!((&told["service"], &told["view"]["state"]), (&Value::Null, &json!("doubtful")));
    assert!(told["why"].as_str().is_some_and(|why| why.contains("not at hand")), "{told}");
    served.signal("TERM");
    served.end();
}

#[test]
fn what_cannot_be_asked_is_said_in_one_line() {
    let room = Room::new();
    room.write("damaged", "no state");
    room.write("m.yaml", "kind: Namespace\napiVersion: v1\nmetadata: { name: shop }\n");
    room.write(
        "Corefile",
        ".:0 {\n bind 127.0.0.1\n kubernetes cluster.local {\n  manifests m.yaml\n  explain \
         192.0.2.0/24\n }\n}\n",
    );
    let served = room.serve(&["-c", "Corefile"]);
    let address = served.address.to_string();
    let long = ["a123456789b123456789c123456789"; 8].join(".");
    for (args, parts) in [
        (&["a", "--snapshot", "nowhere"][..], &["snapshot nowhere", "does not exist"][..]),
        (&["a", "--snapshot", "damaged"], &["snapshot damaged", "it is damaged"]),
        (&["a", "--server", "127.0.0.1:1"], &["--server 127.0.0.1:1 does not answer over TCP"]),
        (&[DB, "--server", &address], &[&address, "explains nothing to us", "'explain'"]),
        (&["db", "--from", "shop/x", "--server", &address], &["explains nothing to us"]),
        (&[&long, "--server", &address], &["too long", "_explain"]),
        (&["a", "--kubeconfig", "nowhere"], &["the kubeconfig nowhere"]),
    ] {
        let ended = room.run(&[&["explain"], args].concat());
        assert_eq!((ended.code, ended.out.as_str()), (2, ""), "{args:?}");
        let last = ended.err.lines().last().unwrap_or_default();
        assert!(last.starts_with("fingerpost: "), "{args:?}: {}", ended.err);
        assert!(parts.iter().all(|part| last.contains(part)), "{args:?}: {last}");
    }
}
