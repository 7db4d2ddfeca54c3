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

/// What is said in all, which must be one line.
fn only_line(done: &Output) -> String {
    let line = fault(done);
    assert_eq!(String::from_utf8_lossy(&done.stderr).lines().count(), 1, "{done:?}");
    line
}

#[test]
fn a_kubeconfig_that_cannot_be_used_is_told_of_without_what_it_holds() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("kc.yaml");
    let file = path.to_str().unwrap();
    let good = kubeconfig("http://127.0.0.1:1");
    let with = |from: &str, to: &str| {
        assert!(good.contains(from), "{from}");
        good.replace(from, to)
    };
    let user = "user: { token: secret }";
    for (text, args, place, expected) in [
        // Broken YAML, and values of another kind, beside secrets.
        (with(user, "user: { token: secret"), &[][..], ":10:", "this is no kubeconfig"),
        (with(user, "user: [secret]"), &[], ":9:", "mend it until"),
        (with("users:", "users: secret\nx:"), &[], ":7:", "mend it until"),
        ("root:secret:0:0\ndaemon:x:1\n".into(), &[], ":", "this is no kubeconfig"),
        (String::new(), &[], ": ", "it has no context; name a file"),
        (
            good.clone(),
            &["--context", "typo"],
            ": ",
            "no context 'typo'; name one of 'fake', 'gone'",
        ),
        (
            with("current-context: gone\n", ""),
            &[],
            ": ",
            "no 'current-context'; name one of 'fake'",
        ),
        (
            good.clone(),
            &[],
            ": ",
            "'gone' names the cluster 'none', which it has not; name one of 'fake'",
        ),
        (
            kubeconfig("10.0.0.1:6443"),
            &["--context", "fake"],
            ": ",
            "the server '10.0.0.1:6443' of its cluster 'fake' is not a URL; write https://HOST:PORT",
        ),
        (
            with(user, "user: { client-certificate-data: sec-ret, client-key-data: secret }"),
            &["--context", "fake"],
            "",
            "client-certificate-data is not base64; write it anew",
        ),
    ] {
        std::fs::write(&path, &text).unwrap();
        let line = only_line(&dump(&[&["--kubeconfig", file], args].concat()));
        let start = line.find(file).map(|at| &line[at + file.len()..]).unwrap_or_default();
        assert!(start.starts_with(place) && line.contains(expected), "{text}{line}");
        assert!(!line.contains("secret") && !line.contains("sec-ret"), "{line}");
    }
}
