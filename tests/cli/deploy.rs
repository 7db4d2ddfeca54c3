//! What stands under `deploy/` for a cluster: configuration that is read without a fault, and rights
//! that are as wide as what the README asks for.

use std::path::Path;
use std::process::Command;

use crate::run::Room;

const FOLDERS: [&str; 2] = ["deploy/replacement", "deploy/forward-target"];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_corefile_is_read_without_a_fault() {
    for folder in FOLDERS {
        let room = Room::new();
        room.write("Corefile", read(&format!("{folder}/Corefile")));
        let ended = room.run(&["check", "-c", "Corefile"]);
        assert_eq!(ended.code, 0, "{folder}: {}", ended.out);
    }
}

#[test]
fn probes_ask_where_the_corefile_serves() {
    for folder in FOLDERS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join("Corefile");
        let config = fingerpost::config::read_corefile(&path, 53).expect("a Corefile");
        let deployment = read(&format!("{folder}/deployment.yaml"));
        let port = |address: Option<std::net::SocketAddr>| address.expect("served").port();
        for line in [
            format!("httpGet: {{ path: /health, port: {}, scheme: HTTP }}", port(config.health)),
            format!("httpGet: {{ path: /ready, port: {}, scheme: HTTP }}", port(config.ready)),
            format!("{{ name: metrics, containerPort: {}, protocol: TCP }}", port(config.metrics)),
        ] {
            assert!(deployment.contains(&line), "{folder}: {line}");
        }
        // Kubelet and Prometheus come from elsewhere.
        for address in [config.health, config.ready, config.metrics] {
            assert!(address.expect("served").ip().is_unspecified(), "{folder}: {address:?}");
        }
    }
}

/// The lines from `rules:` to the end of that document or block.
fn rules(text: &str) -> Vec<&str> {
    let lines = text.lines().skip_while(|line| *line != "rules:").skip(1);
    let lines = lines.take_while(|line| !matches!(*line, "---" | "```"));
    // Remarks aside.
    lines.map(|line| line.split(" #").next().unwrap_or("").trim_end()).collect()
}

#[test]
fn rights_are_those_that_the_readme_names() {
    let readme = read("README.md");
    assert_eq!(rules(&readme).len(), 6, "{:?}", rules(&readme));
    for folder in FOLDERS {
        let text = read(&format!("{folder}/rbac.yaml"));
        assert_eq!(rules(&text), rules(&readme), "{folder}");
    }
}

/// With kubectl, where it is there: nothing that this needs is installed for it.
#[test]
fn kustomize_renders_them() {
    if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
        eprintln!("SKIPPED: kubectl is not installed, so deploy/ is not rendered");
        return;
    }
    for folder in FOLDERS {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let output = Command::new("kubectl").arg("kustomize").arg(path).output().expect("kubectl");
        let text = String::from_utf8(output.stdout).expect("UTF-8");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{folder}: {told}");
        for part in
            ["kind: Deployment", "kind: ClusterRoleBinding", "kind: Service\n", "  Corefile: |"]
        {
            assert!(text.contains(part), "{folder} has no {part}: {text}");
        }
        // Every account that is given rights is there, in the namespace that it is named with.
        let accounts = text.matches("kind: ServiceAccount").count();
        assert_eq!(accounts, 2, "{folder}: one account and one binding to it");
    }
}
