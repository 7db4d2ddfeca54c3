//! The binary against a kubeconfig.

use std::process::{Command, Output};

use crate::fake_api::{FakeApi, Knobs};
use crate::objects::{cluster, endpoints, namespace, outside};

fn dump(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_fingerpost"))
        .arg("dump")
        .args(args)
        .env_remove("KUBERNETES_SERVICE_HOST")
        .env("KUBECONFIG", "/nonexistent/kubeconfig")
        .output()
        .unwrap()
}

fn kubeconfig(url: &str) -> String {
    format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: gone\n\
         clusters:\n- name: fake\n  cluster: {{ server: {url} }}\n\
         users:\n- name: me\n  user: {{ token: secret }}\n\
         contexts:\n- name: fake\n  context: {{ cluster: fake, user: me }}\n\
         - name: gone\n  context: {{ cluster: none, user: me }}\n"
    )
}

#[test]
fn dump_prints_the_zone_of_a_cluster() {
    let api = FakeApi::start(Knobs::default());
    api.put(namespace("shop"));
    api.put(cluster("web", "10.0.0.1"));
    api.put(outside("db", "10.0.0.2"));
    api.put(endpoints("db", &["192.0.2.1"]));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    std::fs::write(&file, kubeconfig(&api.url())).unwrap();
    let file = file.to_str().unwrap();
    let done = dump(&["--kubeconfig", file, "--context", "fake", "--zone", "cluster.local"]);
    let text = String::from_utf8(done.stdout).unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    for line in [
        "web.shop.svc.cluster.local. 5 IN A 10.0.0.1\n",
        "db.shop.svc.cluster.local. 5 IN A 192.0.2.1\n",
    ] {
        assert!(text.contains(line), "{line}{text}");
    }
}

fn fault(done: &Output) -> String {
    assert_eq!(done.status.code(), Some(2));
    assert!(done.stdout.is_empty());
    let text = String::from_utf8(done.stderr.clone()).unwrap();
    text.lines().last().unwrap_or_default().to_owned()
}

#[test]
fn what_is_wrong_with_the_way_to_a_server_is_said_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config");
    std::fs::write(&file, kubeconfig("http://127.0.0.1:1")).unwrap();
    let file = file.to_str().unwrap();
    let line = fault(&dump(&["--kubeconfig", "/nonexistent/k"]));
    assert!(line.starts_with("fingerpost: the kubeconfig /nonexistent/k: "), "{line}");
    let line = fault(&dump(&["--kubeconfig", file, "--context", "typo"]));
    assert!(line.contains("typo"), "{line}");
    let line = fault(&dump(&[]));
    assert!(line.contains("--manifests PATH"), "{line}");
    let corefile = folder.path().join("Corefile");
    let text = "cluster.local {\n kubernetes {\n  endpoint http://127.0.0.1:1\n  \
                startup_timeout 2s\n }\n}\n";
    std::fs::write(&corefile, text).unwrap();
    let line = fault(&dump(&["-c", corefile.to_str().unwrap()]));
    assert!(line.contains("not complete") && line.contains("cannot be reached"), "{line}");
}
