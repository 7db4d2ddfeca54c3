//! `/health` and `/ready` through the life of a process.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use crate::fake_api::{FakeApi, Knobs, until};
use crate::http::{PAGES, get, kubeconfig, pages};
use crate::objects::{cluster, namespace};
use crate::run::{Room, Served, manifest};

const WEB: &str = "web.shop.svc.cluster.local.";

fn fill(api: &FakeApi) {
    api.put(namespace("shop"));
    api.put(cluster("web", "10.0.0.1"));
}

/// Serves by a Corefile that waits no longer than this for the first lists.
fn serve(room: &Room, api: SocketAddr, wait: &str, more: &str) -> Served {
    let config = kubeconfig(room, api);
    let corefile = format!(
        ".:0 {{\n  bind 127.0.0.1\n  health 127.0.0.1:0 {{\n    lameduck 60s\n  }}\n  ready 127.0.0.1:0\n  \
         prometheus 127.0.0.1:0\n  kubernetes cluster.local {{\n    kubeconfig {config} fake\n    \
         startup_timeout {wait}\n    {more}\n  }}\n}}\n"
    );
    let file = room.write("Corefile", corefile).display().to_string();
    room.serve(&["-c", &file])
}

fn is_ready(at: SocketAddr) -> bool {
    let reply = get(at, "/ready");
    assert!([200, 503].contains(&reply.status), "{reply:?}");
    assert_eq!(reply.status == 200, reply.body == "OK", "{reply:?}");
    reply.status == 200
}

#[test]
fn readiness_waits_for_the_first_lists_and_outlives_the_api_server() {
    let room = Room::new();
    let knobs = Knobs { refused: vec![("services", 503), ("endpoints", 403)], ..Knobs::default() };
    let api = FakeApi::start(knobs);
    fill(&api);
    let served = serve(&room, api.address(), "100ms", "");
    let at = pages(&served);
    assert_eq!(get(at, "/health").body, "OK", "alive, if not ready");
    let mut body = String::new();
    until("all else is listed", || {
        body = get(at, "/ready").body;
        !body.contains("namespaces") && body.contains("403")
    });
    let mut lines = body.lines();
    assert_eq!(lines.next(), Some("kubernetes"), "what CoreDNS says");
    let line = lines.next().expect("more");
    assert!(line.contains("Corefile:8:3: names wait for "), "{line}");
    assert!(line.contains("services: ") && line.contains("503"), "{line}");
    assert!(line.contains("endpoints: the API server answers 403"), "{line}");

    api.set(|knobs| knobs.refused = vec![("endpoints", 403)]);
    until("the Services are listed", || !get(at, "/ready").body.contains("services: "));
    assert!(!is_ready(at), "a right is still missing");
    api.set(|knobs| knobs.refused.clear());
    until("ready", || is_ready(at));
    assert_eq!(served.a(WEB), Ok(vec!["10.0.0.1".into()]));

    api.up(false);
    until("the watches are lost", || api.watches() == 0);
    let page = crate::scrape::Page::of(at);
    assert!(is_ready(at), "sticky");
    let host = api.address().to_string();
    let requests = |code: &str| {
        let labels = [("code", code), ("method", "GET"), ("host", host.as_str())];
        page.value("coredns_kubernetes_rest_client_requests_total", &labels)
    };
    for code in ["200", "403", "503"] {
        assert!(requests(code) >= Some(1.0), "{code}: {}", page.text());
    }
    until("an attempt without an answer", || {
        let labels = [("code", "<error>")];
        let page = crate::scrape::Page::of(at);
        page.value("coredns_kubernetes_rest_client_requests_total", &labels) >= Some(1.0)
    });
    until("the loss is seen", || {
        let page = crate::scrape::Page::of(at);
        page.value("fingerpost_watch_open", &[]) == Some(0.0)
    });
    assert!(is_ready(at), "sticky");
    assert!(page.value("fingerpost_watch_restarts_total", &[("kind", "endpoints")]) > Some(0.0));
}

#[test]
fn pods_hold_up_nothing() {
    let room = Room::new();
    let api = FakeApi::start(Knobs { refused: vec![("pods", 403)], ..Knobs::default() });
    fill(&api);
    let served = serve(&room, api.address(), "5s", "pods verified");
    let at = pages(&served);
    until("ready", || is_ready(at));
    let page = crate::scrape::Page::of(at);
    assert_eq!(page.value("fingerpost_watch_forbidden", &[("kind", "pods")]), Some(1.0));
    assert_eq!(page.value("fingerpost_watch_forbidden", &[("kind", "services")]), Some(0.0));
}

#[test]
fn a_last_known_good_state_is_ready_at_once() {
    let room = Room::new();
    let state = room.path("state");
    let snapshot = format!("snapshot {}", state.display());
    let api = FakeApi::start(Knobs::default());
    fill(&api);
    let mut served = serve(&room, api.address(), "5s", &snapshot);
    let at = pages(&served);
    until("written", || {
        crate::scrape::Page::of(at).value("fingerpost_snapshot_writes_total", &[]) >= Some(1.0)
    });
    let page = crate::scrape::Page::of(at);
    let octets = std::fs::metadata(&state).expect("a file").len();
    assert_eq!(
        page.value("fingerpost_snapshot_bytes", &[]).map(|n| n.to_string()),
        Some(octets.to_string())
    );
    assert_eq!(page.value("fingerpost_snapshot_write_failures_total", &[]), Some(0.0));
    assert_eq!(page.value("fingerpost_view_restored", &[]), Some(0.0));
    served.signal("KILL");
    served.end();
    let address = api.address();
    drop(api);

    let served = serve(&room, address, "5s", &snapshot);
    let at = pages(&served);
    until("ready", || is_ready(at));
    assert_eq!(served.a(WEB), Ok(vec!["10.0.0.1".into()]));
    let page = crate::scrape::Page::of(at);
    assert_eq!(page.value("fingerpost_view_restored", &[]), Some(1.0));
    assert!(page.value("fingerpost_view_age_seconds", &[]).is_some());
}

#[test]
fn sigterm_makes_unready_while_answers_and_health_go_on() {
    let room = Room::new();
    let api = FakeApi::start(Knobs::default());
    fill(&api);
    let mut served = serve(&room, api.address(), "5s", "");
    let at = pages(&served);
    until("ready", || is_ready(at));
    served.signal("TERM");
    until("unready", || !is_ready(at));
    assert_eq!(get(at, "/ready").body, "stopping\n");
    // Within the lame duck's time: the sockets are drained only after it.
    assert_eq!(served.times_told("sockets are drained"), 0);
    assert_eq!(served.a(WEB), Ok(vec!["10.0.0.1".into()]));
    assert_eq!(get(at, "/health").body, "OK");
    // Whoever asks twice does not wait.
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
}

#[test]
fn manifests_are_ready_once_they_are_read() {
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    let args = ["--manifests", "db.yaml", "--listen", "127.0.0.1:0"];
    let mut served = room.serve(&[&args[..], &PAGES].concat());
    let at = pages(&served);
    until("ready", || is_ready(at));
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
}

#[test]
fn each_page_is_served_where_it_is_asked_for_alone() {
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    let args = ["--manifests", "db.yaml", "--listen", "127.0.0.1:0", "--ready", "[::1]:0"];
    let served =
        room.serve(&[&args[..], &["--health", "off", "--metrics", "127.0.0.1:0"]].concat());
    let line = served.told("/ready can be asked for over HTTP");
    assert!(line.contains("at=[::1]:"), "{line}");
    let line = served.told("/metrics can be asked for over HTTP");
    let at = line.split("at=").nth(1).expect("an address").parse().expect("an address");
    assert_eq!(get(at, "/metrics?name=x").status, 200);
    assert_eq!(get(at, "/metrics/").status, 404);
    assert_eq!(get(at, "/ready").status, 404);
    assert_eq!(get(at, "/health").status, 404);
}

#[test]
fn a_port_alone_is_served_over_both_families() {
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    let served =
        room.serve(&["--manifests", "db.yaml", "--listen", "127.0.0.1:0", "--health", ":0"]);
    let at = pages(&served);
    for ip in [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()] {
        assert_eq!(get(SocketAddr::new(ip, at.port()), "/health").body, "OK", "{ip}");
    }
}

#[test]
fn a_port_in_use_is_an_error_that_names_who_wants_it() {
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    let held = std::net::TcpListener::bind("127.0.0.1:0").expect("bind");
    let address = held.local_addr().expect("an address").to_string();
    let ended = room.run(&[
        "serve",
        "--manifests",
        "db.yaml",
        "--listen",
        "127.0.0.1:0",
        "--ready",
        &address,
    ]);
    assert_eq!(ended.code, 2);
    let line = ended.err.lines().last().expect("a line");
    assert!(
        line.starts_with(&format!(
            "fingerpost: --ready: cannot listen on {address}: the port is in use; "
        )),
        "{line}"
    );
    let corefile = format!(
        ".:0 {{\n  bind 127.0.0.1\n  prometheus {address}\n  kubernetes cluster.local {{\n    \
         manifests db.yaml\n  }}\n}}\n"
    );
    room.write("Corefile", corefile);
    let ended = room.run(&["serve", "-c", "Corefile"]);
    assert_eq!(ended.code, 2);
    assert!(
        ended.err.contains("fingerpost: the directive 'prometheus': cannot listen on "),
        "{}",
        ended.err
    );
}

#[test]
fn health_feels_its_own_pulse() {
    let room = Room::new();
    room.write("db.yaml", manifest("192.0.2.1"));
    let args = ["--manifests", "db.yaml", "--listen", "127.0.0.1:0"];
    let served = room.serve(&[&args[..], &PAGES].concat());
    let at = pages(&served);
    until("two requests", || {
        let page = crate::scrape::Page::of(at);
        page.value("coredns_health_request_duration_seconds_count", &[]) >= Some(2.0)
    });
    let page = crate::scrape::Page::of(at);
    assert_eq!(page.value("coredns_health_request_failures_total", &[]), Some(0.0));
    let sum = page.value("coredns_health_request_duration_seconds_sum", &[]).expect("a sum");
    assert!(sum > 0.0 && Duration::from_secs_f64(sum) < crate::run::PATIENCE);
}
