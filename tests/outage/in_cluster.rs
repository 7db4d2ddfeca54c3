//! In a pod: the address from the environment, the rest from the service account's folder. That has
//! one place only, so this runs in a mount namespace of its own, which has that place to itself.

use std::process::{Command, Stdio};

use crate::authority::Authority;
use crate::fake_api::{FakeApi, Knobs, until};
use crate::run::{Room, Served};
use crate::world::{Age, WEB, put};

/// Puts the folder `$1` where a pod has its service account, and runs the rest.
const POD: &str = "mount -t tmpfs none /var/run && \
    mkdir -p /var/run/secrets/kubernetes.io/serviceaccount && \
    mount --bind \"$1\" /var/run/secrets/kubernetes.io/serviceaccount && shift && exec \"$@\"";

/// A command in a pod of this service account; `None` where the kernel does not let us.
fn pod(room: &Room) -> Option<Command> {
    let pod = |args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", POD, "sh"]);
        command.arg(room.path("account")).args(args).stdin(Stdio::null());
        command
    };
    let tried = pod(&["true"]).output();
    if !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        eprintln!("SKIPPED: no mount namespace to be had: {tried:?}");
        return None;
    }
    Some(pod(&[env!("CARGO_BIN_EXE_fingerpost"), "serve", "--listen", "127.0.0.1:0"]))
}

#[test]
fn a_service_account_is_used_and_followed() {
    let room = Room::new();
    let servers = Authority::new();
    room.write("account/token", "first");
    room.write("account/namespace", "kube-system");
    room.write("account/ca.crt", servers.pem());
    let Some(mut command) = pod(&room) else { return };
    let api = FakeApi::start(Knobs { token: Some("first"), ..Knobs::default() });
    api.speak_tls(servers.server("127.0.0.1", None));
    put(&api, Age::Old);
    let address = api.address();
    let child = command
        .env("KUBERNETES_SERVICE_HOST", address.ip().to_string())
        .env("KUBERNETES_SERVICE_PORT", address.port().to_string())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut served = Served::new(child);
    served.until(WEB, "10.0.0.1");

    // Another authority and another token, as a control plane that is rebuilt gives them.
    let servers = Authority::new();
    api.set(|knobs| knobs.token = Some("second"));
    api.speak_tls(servers.server("127.0.0.1", None));
    api.up(false);
    until("no watch", || api.watches() == 0);
    put(&api, Age::New);
    room.write("account/token", "second");
    room.write("account/ca.crt", servers.pem());
    api.up(true);
    served.until(WEB, "10.0.0.2");
    served.signal("TERM");
    assert_eq!(served.end().code(), Some(0));
}
