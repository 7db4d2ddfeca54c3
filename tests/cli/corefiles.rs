//! The Corefiles that distributions of Kubernetes come with, whole: each is understood, and what of
//! it is not in effect is told, line by line.
//!
//! GKE comes with kube-dns; its file is that of the CoreDNS project's own deployment, which is what
//! people put in its place. Paths below `/etc` are those of the test's own folder.

use crate::run::Room;

/// What `check` says of a Corefile; `warning: Corefile:` or `error: Corefile:` in front.
struct Distribution {
    name: &'static str,
    text: &'static str,
    /// Understood, but refused until it is built.
    errors: &'static [&'static str],
    /// Told only where there is no error.
    warnings: &'static [&'static str],
}

macro_rules! corefile {
    ($name:literal) => {
        include_str!(concat!("../corefiles/", $name, ".Corefile"))
    };
}

fn distributions() -> Vec<Distribution> {
    let of = |name, text, errors, warnings| Distribution { name, text, errors, warnings };
    vec![
        of("kubeadm", corefile!("kubeadm"), &[], &[]),
        of("kind", corefile!("kind"), &[], &[]),
        of("eks", corefile!("eks"), &[], &[]),
        of("gke", corefile!("gke"), &[], &[]),
        of("openshift", corefile!("openshift"), &[], &[]),
        of("minikube", corefile!("minikube"), &[], &[]),
        of(
            "k3s",
            corefile!("k3s"),
            &[],
            &[
                "20:12: no file fits 'etc/coredns/custom/*.override'",
                "22:8: no file fits 'etc/coredns/custom/*.server'",
            ],
        ),
        of(
            "aks",
            corefile!("aks"),
            &[],
            &["18:12: no file fits 'custom/*.override'", "28:8: no file fits 'custom/*.server'"],
        ),
    ]
}

fn in_full(line: &str, grade: &str) -> String {
    format!("{grade}: Corefile:{line}")
}

#[test]
fn each_is_understood() {
    for Distribution { name, text, errors, warnings } in distributions() {
        let room = Room::new();
        room.write("etc/resolv.conf", "nameserver 192.0.2.53\n");
        room.write("etc/coredns/NodeHosts", "192.0.2.1 node-1\n");
        room.write("Corefile", text.replace("/etc/", "etc/"));
        let ended = room.run(&["check", "-c", "Corefile"]);
        let expected: Vec<String> = errors
            .iter()
            .map(|line| in_full(line, "error"))
            .chain(warnings.iter().map(|line| in_full(line, "warning")))
            .collect();
        let lines: Vec<&str> = ended.out.lines().collect();
        assert_eq!(lines, expected, "{name}");
        assert_eq!(ended.code, i32::from(!errors.is_empty()), "{name}");
    }
}

/// What users of k3s and AKS hang into them is read, and has places of its own.
#[test]
fn what_is_hung_into_them_is_read() {
    for (text, folder) in [(corefile!("k3s"), "etc/coredns/custom"), (corefile!("aks"), "custom")] {
        let room = Room::new();
        room.write("etc/resolv.conf", "nameserver 192.0.2.53\n");
        room.write("etc/coredns/NodeHosts", "192.0.2.1 node-1\n");
        room.write("Corefile", text.replace("/etc/", "etc/"));
        room.write(&format!("{folder}/a.override"), "log\nbufsize 1\n");
        room.write(&format!("{folder}/b.server"), "corp.example {\n forward . 192.0.2.1\n x\n}\n");
        let ended = room.run(&["check", "-c", "Corefile"]);
        for expected in [
            format!("error: {folder}/a.override:2:9: '1' is not a whole number from 512 to 4096"),
            format!("error: {folder}/b.server:3:2: unknown directive 'x'"),
        ] {
            let count = ended.out.lines().filter(|line| line.starts_with(&expected)).count();
            assert_eq!(count, 1, "{expected}: {}", ended.out);
        }
    }
}
