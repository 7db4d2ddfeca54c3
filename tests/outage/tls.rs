//! An API server over TLS: whom each side trusts, and credentials that change while it runs.

use crate::ask::{Asker, Reply, Type};
use crate::authority::{Authority, Identity};
use crate::fake_api::{FakeApi, Knobs, until};
use crate::run::{Room, Served};
use crate::world::{Age, WEB, all, put};

const HOST: &str = "127.0.0.1";

/// A kubeconfig, with what it says about the cluster and the user.
fn kubeconfig(room: &Room, api: &FakeApi, cluster: &str, user: &str) -> String {
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: fake\n\
         clusters:\n- name: fake\n  cluster: {{ server: \"https://{}\", {cluster} }}\n\
         users:\n- name: me\n  user: {{ {user} }}\n\
         contexts:\n- name: fake\n  context: {{ cluster: fake, user: me }}\n",
        api.address()
    );
    room.write("kubeconfig", text).display().to_string()
}

/// Data as a kubeconfig holds it.
fn base64(text: &str) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for part in text.as_bytes().chunks(3) {
        let octet = |at: usize| u32::from(part.get(at).copied().unwrap_or_default());
        let bits = octet(0) << 16 | octet(1) << 8 | octet(2);
        for at in 0..4 {
            let digit = DIGITS[(bits >> (18 - 6 * at) & 63) as usize];
            out.push(if at <= part.len() { char::from(digit) } else { '=' });
        }
    }
    out
}

fn serve(room: &Room, kubeconfig: &str) -> Served {
    let corefile = format!(
        ".:0 {{\n  bind 127.0.0.1\n  kubernetes cluster.local {{\n    \
         kubeconfig {kubeconfig}\n    startup_timeout 200ms\n  }}\n}}\n"
    );
    let file = room.write("Corefile", corefile).display().to_string();
    room.serve(&["-c", &file])
}

/// Cuts all connections.
fn cut(api: &FakeApi) {
    api.up(false);
    until("no watch", || api.watches() == 0);
    api.up(true);
}

/// Writes as those do who rotate: whole files, renamed into their place.
fn replace(room: &Room, name: &str, text: &str) {
    let new = room.write("new", text);
    std::fs::rename(new, room.path(name)).expect("renamed");
}

fn fresh(name: &str, reply: &Reply) {
    assert_eq!(reply.ede, None, "{name}");
}

#[test]
fn a_kubeconfig_holds_the_authority_and_a_client_certificate() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let api = FakeApi::start(Knobs::default());
    api.speak_tls(servers.server(HOST, Some(&clients)));
    put(&api, Age::Old);
    let room = Room::new();
    let Identity { certificate, key } = clients.client();
    let config = kubeconfig(
        &room,
        &api,
        &format!("certificate-authority-data: {}", base64(&servers.pem())),
        &format!(
            "client-certificate-data: {}, client-key-data: {}",
            base64(&certificate),
            base64(&key)
        ),
    );
    let served = serve(&room, &config);
    served.until(WEB, "10.0.0.1");
    put(&api, Age::New);
    served.until(WEB, "10.0.0.2");
    assert_eq!(api.distrusted(), 0);
}

#[test]
fn a_corefile_names_the_files_of_both_certificates() {
    let (servers, clients) = (Authority::new(), Authority::new());
    let api = FakeApi::start(Knobs::default());
    api.speak_tls(servers.server(HOST, Some(&clients)));
    put(&api, Age::Old);
    let room = Room::new();
    let client = clients.client();
    let files = [("client", &client.certificate), ("key", &client.key), ("ca", &servers.pem())];
    let files = files.map(|(name, text)| room.write(name, text).display().to_string());
    let corefile = format!(
        ".:0 {{\n  bind 127.0.0.1\n  kubernetes cluster.local in-addr.arpa {{\n    \
         endpoint https://{}\n    tls {}\n  }}\n}}\n",
        api.address(),
        files.join(" ")
    );
    let file = room.write("Corefile", corefile).display().to_string();
    let served = room.serve(&["-c", &file]);
    all(&mut Asker::new(served.address), Age::Old, fresh);
}

#[test]
fn a_rotated_token_is_read_from_its_file_again() {
    let servers = Authority::new();
    let api = FakeApi::start(Knobs { token: Some("first"), ..Knobs::default() });
    api.speak_tls(servers.server(HOST, None));
    put(&api, Age::Old);
    let room = Room::new();
    room.write("token", "first\n");
    let authority = format!("certificate-authority-data: {}", base64(&servers.pem()));
    // Beside the kubeconfig, which is where a relative name leads.
    let config = kubeconfig(&room, &api, &authority, "tokenFile: token");
    let served = serve(&room, &config);
    served.until(WEB, "10.0.0.1");
    let mut asker = Asker::new(served.address);

    // The old one has run out before there is a new one.
    api.set(|knobs| knobs.token = Some("second"));
    cut(&api);
    served.told("the credentials are not accepted, renew them");
    assert!(asker.ask(WEB, Type::A).is(&["10.0.0.1"]));
    put(&api, Age::New);
    replace(&room, "token", "second");
    served.until(WEB, "10.0.0.2");
}

#[test]
fn rotated_certificates_are_read_from_their_files_again() {
    let (mut servers, mut clients) = (Authority::new(), Authority::new());
    let api = FakeApi::start(Knobs::default());
    api.speak_tls(servers.server(HOST, Some(&clients)));
    put(&api, Age::Old);
    let room = Room::new();
    let write = |servers: &Authority, clients: &Authority| {
        let client = clients.client();
        replace(&room, "ca", &servers.pem());
        replace(&room, "client", &client.certificate);
        replace(&room, "key", &client.key);
    };
    write(&servers, &clients);
    let user = "client-certificate: client, client-key: key";
    let config = kubeconfig(&room, &api, "certificate-authority: ca", user);
    let served = serve(&room, &config);
    served.until(WEB, "10.0.0.1");

    (servers, clients) = (Authority::new(), Authority::new());
    api.speak_tls(servers.server(HOST, Some(&clients)));
    cut(&api);
    served.told("the TLS handshake with the API server fails: ");
    put(&api, Age::New);
    write(&servers, &clients);
    served.until(WEB, "10.0.0.2");

    // Only clients' certificates are signed by another.
    clients = Authority::new();
    api.speak_tls(servers.server(HOST, Some(&clients)));
    cut(&api);
    served.told("the server does not take the client certificate, renew it");
    put(&api, Age::Old);
    write(&servers, &clients);
    served.until(WEB, "10.0.0.1");
}

#[test]
fn a_wrong_authority_is_told_with_its_cure_and_mended_without_a_restart() {
    let (right, wrong) = (Authority::new(), Authority::new());
    let api = FakeApi::start(Knobs::default());
    api.speak_tls(right.server(HOST, None));
    put(&api, Age::Old);
    let room = Room::new();
    let data =
        |authority: &Authority| format!("certificate-authority-data: {}", base64(&authority.pem()));
    let config = kubeconfig(&room, &api, &data(&wrong), "token: secret");
    let served = serve(&room, &config);
    let line = served.told("certificate-authority in a kubeconfig");
    assert!(
        line.contains("invalid peer certificate: ") && line.contains("it is tried again"),
        "{line}"
    );
    let mut asker = Asker::new(served.address);
    assert!(asker.ask(WEB, Type::A).waits());
    let before = api.distrusted();
    until("another try", || api.distrusted() > before);

    // Another server is no other credential.
    let other = FakeApi::start(Knobs::default());
    kubeconfig(&room, &other, &data(&right), "token: secret");
    served.told(&format!("the configuration leads to https://{}/ now", other.address()));
    // Nor is what cannot be read.
    room.write("kubeconfig", "clusters: [");
    let before = api.distrusted();
    until("another try", || api.distrusted() > before);
    kubeconfig(&room, &api, &data(&right), "token: secret");
    served.until(WEB, "10.0.0.1");
    assert_eq!(other.requests(&[]), 0);
}

#[test]
fn a_server_of_another_name_is_told_with_its_cure() {
    let servers = Authority::new();
    let api = FakeApi::start(Knobs::default());
    api.speak_tls(servers.server("api.example.com", None));
    put(&api, Age::Old);
    let room = Room::new();
    let authority = format!("certificate-authority-data: {}", base64(&servers.pem()));
    let config = kubeconfig(&room, &api, &authority, "token: secret");
    let served = serve(&room, &config);
    served.told("set tls-server-name in the kubeconfig");
    let named = format!("{authority}, tls-server-name: api.example.com");
    kubeconfig(&room, &api, &named, "token: secret");
    served.until(WEB, "10.0.0.1");
}

#[test]
fn an_authority_that_cannot_be_read_is_named() {
    let api = FakeApi::start(Knobs::default());
    let room = Room::new();
    let config = kubeconfig(&room, &api, "certificate-authority: nowhere", "token: secret");
    let ended = room.run(&["serve", "--kubeconfig", &config, "--listen", "127.0.0.1:0"]);
    assert_eq!(ended.code, 2);
    assert!(ended.err.contains(&config) && ended.err.contains("nowhere"), "{}", ended.err);
}
