//! `check`: every fault with its place on standard output, and a status that scripts can go by.

use crate::run::{Room, examples, manifest};

/// The lines of `check` and its status.
fn check(room: &Room, args: &[&str]) -> (Vec<String>, i32) {
    let ended = room.run(&[&["check"], args].concat());
    assert_eq!(ended.err, "", "{args:?}");
    (ended.out.lines().map(str::to_owned).collect(), ended.code)
}

/// One document whose faults are at these places; each line holds a part beside it.
fn broken(text: &str, expected: &[(&str, &str)]) {
    let room = Room::new();
    room.write("a.yaml", text);
    let (lines, code) = check(&room, &["--manifests", "a.yaml"]);
    assert_eq!((lines.len(), code), (expected.len(), 1), "{text}: {lines:?}");
    for (line, (place, part)) in lines.iter().zip(expected) {
        let start = format!("error: a.yaml:{place}: ");
        assert!(line.starts_with(&start) && line.contains(part), "{line}, not {start}{part}");
    }
}

#[test]
fn what_is_well_is_passed_over_in_silence() {
    let room = Room::new();
    room.write("Corefile", format!(
        ".:53 {{\n  kubernetes cluster.local {{\n    manifests {}\n  }}\n  forward . 192.0.2.1\n}}\n",
        examples(),
    ));
    for args in [&["--manifests", &examples()][..], &["-c", "Corefile"]] {
        assert_eq!(check(&room, args), (Vec::new(), 0), "{args:?}");
    }
}

#[test]
fn every_fault_of_every_file_is_told() {
    let room = Room::new();
    room.write("m/good.yaml", manifest("192.0.2.1"));
    room.write("m/ip.yaml", manifest("192.0.2.256"));
    room.write("m/yaml.yaml", "kind: [\n");
    room.write("m/deep/json.json", "{\"kind\": \"Service\",}");
    room.write(
        "Corefile",
        ".:53 {\n  kubernetes cluster.local {\n    ttl x\n  }\n  forwar . 192.0.2.1\n}\n",
    );
    let (lines, code) =
        check(&room, &["-c", "Corefile", "--manifests", "m", "--manifests", "nowhere"]);
    assert_eq!(code, 1);
    for part in [
        "error: Corefile:3:9: ",
        "error: Corefile:5:3: ",
        "error: nowhere: does not exist",
        "error: m/ip.yaml:10:20: ",
        "error: m/yaml.yaml:1:",
        "error: m/deep/json.json:1:",
    ] {
        let count = lines.iter().filter(|line| line.starts_with(part)).count();
        assert_eq!(count, 1, "{part}: {lines:?}");
    }
    assert_eq!(lines.len(), 6, "{lines:?}");
    let (lines, code) = check(&room, &["-c", "nowhere"]);
    assert_eq!(code, 1);
    assert!(
        lines.len() == 1 && lines[0].starts_with("error: nowhere: cannot be read"),
        "{lines:?}"
    );
}

#[test]
fn an_object_that_is_defined_twice_is_a_warning() {
    let room = Room::new();
    room.write("m/a.yaml", manifest("192.0.2.1"));
    room.write("m/b.yaml", manifest("192.0.2.2"));
    let (lines, code) = check(&room, &["--manifests", "m"]);
    assert_eq!((lines.len(), code), (2, 0), "{lines:?}");
    assert!(lines.iter().all(|line| line.starts_with("warning: m/b.yaml:")), "{lines:?}");
}

/// One document that is read, and served otherwise than it says.
fn odd(text: &str, place: &str, part: &str) {
    let room = Room::new();
    room.write("a.yaml", text);
    let (lines, code) = check(&room, &["--manifests", "a.yaml"]);
    assert_eq!((lines.len(), code), (1, 1), "{text}: {lines:?}");
    let start = format!("warning: a.yaml:{place}: ");
    assert!(
        lines[0].starts_with(&start) && lines[0].contains(part),
        "{lines:?}, not {start}{part}"
    );
}

#[test]
fn what_dns_answers_otherwise_than_it_is_written_is_told_with_its_place() {
    let service = |metadata: &str, spec: &str| {
        format!(
            "# one\napiVersion: v1\nkind: Service\nmetadata: {{name: db, namespace: shop{metadata}}}\n\
             spec: {{{spec}}}\n"
        )
    };
    for name in ["10.0.0.1", "a..b", "", "https://db.example.com", "db.example.com:5432"] {
        let spec = format!("type: ExternalName, externalName: \"{name}\"");
        odd(&service("", &spec), "2:1", "Service shop/db: the externalName cannot be the target");
    }
    let annotation = |value| format!(", annotations: {{fingerpost.dev/selectorless: {value}}}");
    odd(&service(&annotation("endpoint"), "clusterIP: 10.0.0.1"), "2:1", "(it is 'endpoint')");
    odd(
        &service(&annotation("endpoints"), "clusterIP: 10.0.0.1, selector: {a: b}"),
        "2:1",
        "take it away",
    );
    let slice = |labels: &str, family: &str, addresses: &str| {
        format!(
            "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: {{name: db-1{labels}}}\n\
             addressType: {family}\nendpoints: [{{addresses: [{addresses}]}}]\n"
        )
    };
    let label = ", labels: {kubernetes.io/service-name: db}";
    odd(
        &slice("", "IPv4", "192.0.2.1"),
        "1:1",
        "EndpointSlice default/db-1: the slice has no label",
    );
    odd(&slice(label, "FQDN", "db.example.com"), "1:1", "use an ExternalName");
    for (address, why) in [
        ("127.0.0.1", "loopback"),
        ("0.0.0.0", "unspecified"),
        ("169.254.1.1", "link-local"),
        ("224.0.0.5", "link-local-multicast"),
    ] {
        let told =
            format!("the endpoint addresses {address} are not published, since they are {why};");
        odd(&slice(label, "IPv4", &format!("192.0.2.1, {address}")), "1:1", &told);
        let endpoints = manifest("192.0.2.1").replace("192.0.2.1", address);
        odd(&endpoints, "6:1", &told);
    }
}

#[test]
fn a_link_that_leads_nowhere_is_told() {
    let room = Room::new();
    room.write("m/a.yaml", manifest("192.0.2.1"));
    std::os::unix::fs::symlink("nowhere", room.path("m/b.yaml")).expect("a link");
    std::os::unix::fs::symlink("nowhere", room.path("m/README")).expect("a link");
    let (lines, code) = check(&room, &["--manifests", "m"]);
    assert_eq!(
        lines,
        ["warning: m/b.yaml: is a symbolic link that leads nowhere; mend or remove it"]
    );
    assert_eq!(code, 1);
}

#[test]
fn what_an_api_server_would_not_take() {
    let service = |spec: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{name: db}}\nspec: {{{spec}}}\n")
    };
    for spec in [
        "clusterIP: 10.0.0.1, clusterIPs: [10.0.0.2]",
        "clusterIP: 10.0.0.1, clusterIPs: [None]",
        "clusterIP: None, clusterIPs: [10.0.0.2]",
        "clusterIP: \"fd00::1\", clusterIPs: [10.0.0.1, \"fd00::1\"]",
    ] {
        broken(&service(spec), &[("4:19", "is another than the first of spec.clusterIPs")]);
    }
    broken(
        &service("ports: [{name: a, port: 1}, {name: a, port: 2}]"),
        &[("4:43", "'a' names another port of this protocol; rename one")],
    );
    let room = Room::new();
    for spec in [
        "clusterIP: \"fd00::0:1\", clusterIPs: [\"fd00::1\"]",
        "clusterIP: None, clusterIPs: [None]",
        "clusterIP: \"\", clusterIPs: [10.0.0.1]",
        "ports: [{name: a, port: 1}, {name: a, port: 1, protocol: UDP}, {port: 2}, {port: 3}]",
    ] {
        room.write("a.yaml", service(spec));
        assert_eq!(check(&room, &["--manifests", "a.yaml"]), (Vec::new(), 0), "{spec}");
    }
}

#[test]
fn wrong_types_and_values() {
    let service = |metadata: &str, spec: &str| {
        format!("apiVersion: v1\nkind: Service\nmetadata: {{{metadata}}}\nspec: {{{spec}}}\n")
    };
    let ok = "name: db, namespace: shop";
    broken(&service("name: 5", "clusterIP: None"), &[("3:18", "double quotes")]);
    broken(&service("namespace: shop", "clusterIP: None"), &[("3:11", "metadata.name")]);
    broken(&service("name: db, namespace: [shop]", ""), &[("3:33", "write a string")]);
    broken(&service("name: Db_1, namespace: shop", ""), &[("3:18", "a-z")]);
    broken(&service(ok, "ports: many"), &[("4:15", "write a list")]);
    broken(&service(ok, "selector: 7"), &[("4:18", "write a mapping")]);
    broken(&service(ok, "clusterIP: 10.0.0.300"), &[("4:19", "not an IP address")]);
    broken(&service(ok, "clusterIPs: [\"fd00::g\"]"), &[("4:21", "not an IP address")]);
    broken(&service(ok, "ports: [{port: 0}]"), &[("4:23", "1 to 65535")]);
    broken(&service(ok, "ports: [{port: 65536}]"), &[("4:23", "1 to 65535")]);
    broken(&service(ok, "ports: [{port: 99999999999999999999}]"), &[("4:23", "1 to 65535")]);
    broken(&service(ok, "ports: [{port: \"80\"}]"), &[("4:23", "without quotes")]);
    broken(&service(ok, "ports: [{port: -1}]"), &[("4:23", "1 to 65535")]);
    broken(&manifest("::1%lo"), &[("10:20", "not an IP address")]);
    broken("kind: Service: v1\n", &[("1:14", "not YAML")]);
    let slice = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
                 metadata: {name: s, namespace: shop, labels: {kubernetes.io/service-name: db}}\n";
    broken(
        &format!("{slice}addressType: IPv5\nendpoints: []\n"),
        &[("4:14", "IPv4, IPv6 or FQDN")],
    );
    broken(
        &format!("{slice}addressType: IPv4\nendpoints: [{{addresses: [\"fd00::1\"]}}]\n"),
        &[("5:26", "addressType IPv6")],
    );
}

#[test]
fn names_at_their_limits() {
    let service = |name: &str| {
        format!(
            "apiVersion: v1\nkind: Service\nmetadata:\n  name: {name}\n  namespace: shop\nspec:\n  clusterIP: 10.96.0.1\n"
        )
    };
    let room = Room::new();
    room.write("a.yaml", service(&"a".repeat(63)));
    assert_eq!(check(&room, &["--manifests", "a.yaml"]), (Vec::new(), 0));
    broken(&service(&"a".repeat(64)), &[("4:9", "longer than 63")]);
    let namespace =
        |len| format!("apiVersion: v1\nkind: Namespace\nmetadata: {{name: {}}}\n", "n".repeat(len));
    room.write("a.yaml", namespace(63));
    assert_eq!(check(&room, &["--manifests", "a.yaml"]), (Vec::new(), 0));
    broken(&namespace(64), &[("3:18", "longer than 63")]);
    // Endpoint hostnames, and port names, which stand behind a `_`.
    let with = |hostname: &str, port: &str| {
        manifest("192.0.2.1")
            .replace("{ip: 192.0.2.1}", &format!("{{ip: 192.0.2.1, hostname: {hostname}}}"))
            .replace("{port: 5432}", &format!("{{name: {port}, port: 5432}}"))
    };
    room.write("a.yaml", with(&"h".repeat(63), "sql"));
    assert_eq!(check(&room, &["--manifests", "a.yaml"]), (Vec::new(), 0));
    broken(&with(&"h".repeat(64), "sql"), &[("10:41", "63")]);
    broken(&with("h_1", "sql"), &[("10:41", "a-z")]);
}
