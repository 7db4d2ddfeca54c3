//! A network and files of a test's own, as a pod has them: the test begins anew as a process in
//! namespaces in which it may have port 53, `/etc` and a service account's folder.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::authority::Authority;
use crate::cluster::cluster_objects;
use crate::fake_api::{FakeApi, Knobs};
use crate::program::{LIBCS, Libc};
use crate::resolver::Resolver;
use crate::run::{Room, Served};

/// Kept in the environment of the process within: the folder with the programs.
const WITHIN: &str = "FINGERPOST_TEST_POD";
/// Where the server listens, as a pod's `/etc/resolv.conf` has it, and where its upstream does.
const SERVER: &str = "127.0.0.1";
const UPSTREAM: &str = "127.0.0.2:53";
/// The Corefile of kubeadm.
const KUBEADM: &str = include_str!("../corefiles/kubeadm.Corefile");
/// What a pod of the namespace `default` has in its `/etc/resolv.conf`.
pub(crate) const SEARCH: &str =
    "search default.svc.cluster.local svc.cluster.local cluster.local\noptions ndots:5\n";

/// Runs this once for each libc that there is, in a pod of `test`'s own. `test` is the path of the
/// test that calls.
pub(crate) fn in_a_pod(test: &str, work: impl Fn(&Pod, &Libc)) {
    if let Some(folder) = std::env::var_os(WITHIN) {
        let pod = Pod::new(folder.into());
        let installed = LIBCS.iter().filter(|libc| pod.programs.join(libc.name).is_file());
        return installed.for_each(|libc| work(&pod, libc));
    }
    let room = Room::new();
    let built = LIBCS.iter().filter(|libc| libc.build(&room.path(libc.name))).count();
    let unshared = |program: &OsStr| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--net", "--mount"]).arg(program);
        command.stdin(Stdio::null());
        command
    };
    let tried = unshared("mount".as_ref()).args(["-t", "tmpfs", "none", "/etc"]).output();
    if built == 0 || !tried.as_ref().is_ok_and(|tried| tried.status.success()) {
        eprintln!("SKIPPED: no libc to be had, or no namespaces of network and mounts: {tried:?}");
        return;
    }
    let own = std::env::current_exe().expect("this program");
    let within = unshared(own.as_os_str())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(WITHIN, room.path(""))
        .output()
        .expect("unshare starts");
    let [out, err] = [&within.stdout, &within.stderr].map(|octets| String::from_utf8_lossy(octets));
    let ran = within.status.success() && out.contains("1 passed");
    assert!(ran, "{test} within ({}):\n{out}\n{err}", within.status);
}

/// What is within.
pub(crate) struct Pod {
    programs: PathBuf,
    room: Room,
}

/// The server with kubeadm's Corefile, its cluster, and its upstream.
pub(crate) struct Cluster {
    upstream: Resolver,
    _served: Served,
    _api: FakeApi,
}

impl Pod {
    fn new(programs: PathBuf) -> Self {
        let pod = Self { programs, room: Room::new() };
        let any = LIBCS.iter().map(|libc| pod.programs.join(libc.name)).find(|path| path.is_file());
        run(Command::new(any.expect("a program")).arg("up"));
        for place in ["/etc", "/var/run"] {
            run(Command::new("mount").args(["-t", "tmpfs", "none", place]));
        }
        for (file, text) in [
            ("/etc/nsswitch.conf", "hosts: files dns\n"),
            ("/etc/hosts", "127.0.0.1 localhost\n"),
            ("/etc/resolv.conf", ""),
        ] {
            std::fs::write(file, text).expect("a file of its own");
        }
        pod
    }

    /// Serves by kubeadm's Corefile, from within a cluster. It is as it is but for an address to listen
    /// on: the upstream has port 53 at another one of the same network.
    pub(crate) fn cluster(&self) -> Cluster {
        let (authority, api) = (Authority::new(), FakeApi::start(Knobs::default()));
        api.speak_tls(authority.server("127.0.0.1", None));
        api.edit(|store| cluster_objects().into_iter().for_each(|object| _ = store.put(object)));
        let account = PathBuf::from("/var/run/secrets/kubernetes.io/serviceaccount");
        std::fs::create_dir_all(&account).expect("a folder of its own");
        for (file, text) in
            [("token", "secret"), ("namespace", "kube-system"), ("ca.crt", &authority.pem())]
        {
            std::fs::write(account.join(file), text).expect("written");
        }
        let upstream = Resolver::start_at(UPSTREAM.parse().expect("an address"));
        // The server's pod has the node's resolv.conf (dnsPolicy: Default), its clients' pods have
        // the cluster's.
        let node = format!("nameserver {}\n", upstream.address.ip());
        let node = self.room.write("node.conf", node);
        let bound = KUBEADM.replacen(".:53 {", &format!(".:53 {{\n    bind {SERVER}"), 1);
        assert_ne!(bound, KUBEADM);
        let corefile = self.room.write("Corefile", bound);
        let address = api.address();
        let child = Command::new("unshare")
            .args(["--mount", "sh", "-c"])
            .arg("mount --bind \"$1\" /etc/resolv.conf && shift && exec \"$@\"")
            .args(["sh".as_ref(), node.as_os_str()])
            .args([env!("CARGO_BIN_EXE_fingerpost"), "-conf"])
            .arg(corefile)
            .env("KUBERNETES_SERVICE_HOST", address.ip().to_string())
            .env("KUBERNETES_SERVICE_PORT", address.port().to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it starts");
        Cluster { upstream, _served: Served::new(child), _api: api }
    }

    /// What a libc finds for each of the names, with these lines behind that of the server in
    /// `/etc/resolv.conf`: the addresses of each in order, or the code.
    pub(crate) fn find(
        &self,
        libc: &Libc,
        lines: &str,
        family: &str,
        names: &[&str],
    ) -> Vec<String> {
        let text = format!("nameserver {SERVER}\n{lines}");
        std::fs::write("/etc/resolv.conf", text).expect("written");
        let told = run(Command::new(self.programs.join(libc.name)).arg(family).args(names));
        let found: Vec<String> = told.lines().map(sorted).collect();
        assert_eq!(found.len(), names.len(), "{told}");
        found
    }
}

impl Cluster {
    /// What the upstream was asked for since this was last called.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = self.upstream.asked();
        // What `loop` asks to find itself is nobody's question.
        asked.retain(|line| !line.ends_with(" HINFO"));
        asked
    }
}

/// Addresses in one order: a libc sorts them by what it can reach.
pub(crate) fn sorted(line: &str) -> String {
    let mut words: Vec<&str> = line.split(' ').collect();
    words.sort_unstable();
    words.join(" ")
}

/// Runs a program to its end, and gives back what it wrote.
fn run(command: &mut Command) -> String {
    let ended = command.stdin(Stdio::null()).output().expect("it starts");
    assert!(ended.status.success(), "{command:?}: {ended:?}");
    String::from_utf8(ended.stdout).expect("UTF-8")
}
