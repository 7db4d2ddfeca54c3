//! Every fault: its exact place, the object, the value, the cure.

use std::fmt::Write;

use super::{Bench, read};

struct Case {
    text: &'static str,
    expected: &'static [&'static str],
}

const SERVICE: &str = "apiVersion: v1\nkind: Service\nmetadata: {name: db, namespace: shop}\n";
const SLICE: &str = "apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n\
                     metadata: {name: db-1, namespace: shop}\n";
const ENDPOINTS: &str = "apiVersion: v1\nkind: Endpoints\nmetadata: {name: db, namespace: shop}\n";

fn run(head: &str, cases: &[Case]) {
    for Case { text, expected } in cases {
        let (objects, faults) = read("a.yaml", &format!("{head}{text}"));
        assert_eq!(faults, *expected, "{head}{text}");
        assert!(objects.is_empty(), "{text}");
    }
}

#[test]
fn services() {
    run(
        SERVICE,
        &[
            Case {
                text: "spec:\n  ports:\n  - port: \"http\"\n",
                expected: &[
                    "a.yaml:6:11: Service shop/db: spec.ports[0].port 'http' is a string; \
                             write a number from 1 to 65535",
                ],
            },
            Case {
                text: "spec: {ports: [{port: \"80\"}]}\n",
                expected: &["a.yaml:4:23: Service shop/db: spec.ports[0].port '80' is a string; \
                             write the number without quotes"],
            },
            Case {
                text: "spec:\n  ports:\n  - port: 0\n  - port: 70000\n  - port: -1\n  - port: 80.5\n  - port: [1]\n  - name: x\n",
                expected: &[
                    "a.yaml:6:11: Service shop/db: spec.ports[0].port '0' is out of range; write 1 to 65535",
                    "a.yaml:7:11: Service shop/db: spec.ports[1].port '70000' is out of range; write 1 to 65535",
                    "a.yaml:8:11: Service shop/db: spec.ports[2].port '-1' is out of range; write 1 to 65535",
                    "a.yaml:9:11: Service shop/db: spec.ports[3].port '80.5' is not a whole number; write 1 to 65535",
                    "a.yaml:10:11: Service shop/db: spec.ports[4].port is a list; write a number from 1 to 65535",
                    "a.yaml:11:5: Service shop/db: spec.ports[5].port is missing; write a number from 1 to 65535",
                ],
            },
            Case {
                text: "spec: {ports: [{port: 99999999999999999999999}]}\n",
                expected: &["a.yaml:4:23: Service shop/db: spec.ports[0].port \
                             '99999999999999999999999' is out of range; write 1 to 65535"],
            },
            Case {
                text: "spec:\n  ports: [{port: 1, protocol: QUIC}]\n",
                expected: &["a.yaml:5:31: Service shop/db: spec.ports[0].protocol 'QUIC' is no \
                             protocol; write TCP, UDP or SCTP"],
            },
            Case {
                text: "spec: {ports: [{port: 1, name: My_Port}]}\n",
                expected: &["a.yaml:4:32: Service shop/db: spec.ports[0].name 'My_Port' is not a \
                             DNS label; use a-z, 0-9 and '-', with a letter or digit at both ends"],
            },
            Case {
                text: "spec: {type: Fancy}\n",
                expected: &[
                    "a.yaml:4:14: Service shop/db: spec.type 'Fancy' is no type of Service; \
                             write ClusterIP, NodePort, LoadBalancer or ExternalName",
                ],
            },
            Case {
                text: "spec:\n  clusterIP: 10.0.0.256\n  clusterIPs: [fd00::1/64, 10.0.0.1]\n",
                expected: &[
                    "a.yaml:5:14: Service shop/db: spec.clusterIP '10.0.0.256' is not an IP \
                     address; write one address, without mask, zone or port",
                    "a.yaml:6:16: Service shop/db: spec.clusterIPs[0] 'fd00::1/64' is not an IP \
                     address; write one address, without mask, zone or port",
                ],
            },
            Case {
                text: "spec: {clusterIPs: [None, 10.0.0.1]}\n",
                expected: &[
                    "a.yaml:4:21: Service shop/db: spec.clusterIPs[0] 'None' stands beside \
                             another address; write None alone, or addresses only",
                ],
            },
            Case {
                text: "spec: {ipFamilies: [IPv4, ipv6]}\n",
                expected: &["a.yaml:4:27: Service shop/db: spec.ipFamilies[1] 'ipv6' is no IP \
                             family; write IPv4 or IPv6"],
            },
            Case {
                text: "spec: {publishNotReadyAddresses: \"true\"}\n",
                expected: &[
                    "a.yaml:4:34: Service shop/db: spec.publishNotReadyAddresses 'true' is \
                             a string; write true or false",
                ],
            },
            Case {
                text: "spec: [1]\n",
                expected: &["a.yaml:4:7: Service shop/db: spec is a list; write a mapping"],
            },
            Case {
                text: "spec: {ports: {port: 80}}\n",
                expected: &["a.yaml:4:15: Service shop/db: spec.ports is a mapping; write a list"],
            },
            Case {
                text: "spec: {ports: [80], selector: app}\n",
                expected: &[
                    "a.yaml:4:16: Service shop/db: spec.ports[0] is a number; write a mapping",
                    "a.yaml:4:31: Service shop/db: spec.selector is a string; write a mapping",
                ],
            },
            Case {
                text: "spec:\n  type: ClusterIP\n  type: NodePort\n",
                expected: &["a.yaml:6:3: Service shop/db: spec.type is written twice; keep one"],
            },
        ],
    );
}

#[test]
fn metadata() {
    run(
        "apiVersion: v1\n",
        &[
            Case {
                text: "kind: Service\nmetadata:\n  namespace: shop\n",
                expected: &[
                    "a.yaml:4:3: Service: metadata.name is missing; give the object a name",
                ],
            },
            Case {
                text: "kind: Service\n",
                expected: &[
                    "a.yaml:1:1: Service: metadata.name is missing; give the object a name",
                ],
            },
            Case {
                text: "kind: Service\nmetadata: {name: \"\"}\n",
                expected: &[
                    "a.yaml:3:11: Service: metadata.name is missing; give the object a name",
                ],
            },
            Case {
                text: "kind: Service\nmetadata: {name: 123}\n",
                expected: &["a.yaml:3:18: Service default/123: metadata.name '123' is a number, \
                             not a string; put it in double quotes"],
            },
            Case {
                text: "kind: Service\nmetadata: {name: db.one}\n",
                expected: &[
                    "a.yaml:3:18: Service default/db.one: metadata.name 'db.one' is not a \
                             DNS label; use a-z, 0-9 and '-', with a letter or digit at both ends",
                ],
            },
            Case {
                text: "kind: Namespace\nmetadata: {name: Shop}\n",
                expected: &["a.yaml:3:18: Namespace Shop: metadata.name 'Shop' is not a \
                             DNS label; use a-z, 0-9 and '-', with a letter or digit at both ends"],
            },
            Case {
                text: "kind: Pod\nmetadata: {name: a..b, namespace: -x}\n",
                expected: &[
                    "a.yaml:3:18: Pod -x/a..b: metadata.name 'a..b' is not a DNS subdomain; use \
                     a-z, 0-9, '-' and '.', with a letter or digit at the ends of each part",
                    "a.yaml:3:35: Pod -x/a..b: metadata.namespace '-x' is not a DNS label; use \
                     a-z, 0-9 and '-', with a letter or digit at both ends",
                ],
            },
            Case {
                text: "kind: Pod\nmetadata: {name: p, labels: {a: true}}\n",
                expected: &["a.yaml:3:33: Pod default/p: metadata.labels.a 'true' is a boolean, \
                             not a string; put it in double quotes"],
            },
            Case {
                text: "kind: Pod\nmetadata: {name: p}\nstatus: {podIP: x, podIPs: [{ip: y}]}\n",
                expected: &[
                    "a.yaml:4:17: Pod default/p: status.podIP 'x' is not an IP address; write one \
                     address, without mask, zone or port",
                    "a.yaml:4:34: Pod default/p: status.podIPs[0].ip 'y' is not an IP address; \
                     write one address, without mask, zone or port",
                ],
            },
        ],
    );
    let long = format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {}}}\n", "a".repeat(64));
    let (_, faults) = read("a.yaml", &long);
    let end = "' is longer than 63 characters; shorten it";
    assert!(faults.len() == 1 && faults[0].ends_with(end), "{faults:?}");
    let long = "a.".repeat(126) + "bc";
    let (_, faults) =
        read("a.yaml", &format!("apiVersion: v1\nkind: Pod\nmetadata: {{name: {long}}}\n"));
    let end = "…' is longer than 253 characters; shorten it";
    assert!(faults.len() == 1 && faults[0].ends_with(end), "{faults:?}");
}

#[test]
fn slices() {
    run(
        SLICE,
        &[
            Case {
                text: "endpoints: []\n",
                expected: &["a.yaml:1:1: EndpointSlice shop/db-1: addressType is missing; write \
                             IPv4, IPv6 or FQDN"],
            },
            Case {
                text: "addressType: IPv5\n",
                expected: &[
                    "a.yaml:4:14: EndpointSlice shop/db-1: addressType 'IPv5' is unknown; \
                             write IPv4, IPv6 or FQDN",
                ],
            },
            Case {
                text: "addressType: IPv4\nendpoints:\n- addresses:\n  - 10.0.0.1\n  - fd00::1\n",
                expected: &["a.yaml:8:5: EndpointSlice shop/db-1: endpoints[0].addresses[1] \
                             'fd00::1' is an IPv6 address in a slice of addressType IPv4; move it \
                             to a slice of addressType IPv6"],
            },
            Case {
                text: "addressType: IPv6\nendpoints: [{addresses: [10.0.0.1]}]\n",
                expected: &["a.yaml:5:26: EndpointSlice shop/db-1: endpoints[0].addresses[0] \
                             '10.0.0.1' is an IPv4 address in a slice of addressType IPv6; move it \
                             to a slice of addressType IPv4"],
            },
            Case {
                text: "addressType: IPv4\nendpoints:\n- addresses: [db.example.com]\n- hostname: x\n",
                expected: &[
                    "a.yaml:6:15: EndpointSlice shop/db-1: endpoints[0].addresses[0] \
                     'db.example.com' is not an IP address; write one address, without mask, zone \
                     or port",
                    "a.yaml:7:3: EndpointSlice shop/db-1: endpoints[1].addresses is empty; list at \
                     least one IP address",
                ],
            },
            Case {
                text: "addressType: IPv4\nendpoints:\n- addresses: 10.0.0.1\n",
                expected: &["a.yaml:6:14: EndpointSlice shop/db-1: endpoints[0].addresses is a \
                             string; write a list"],
            },
            Case {
                text: "addressType: IPv4\nendpoints:\n- addresses: [10.0.0.1]\n  hostname: A.b\n  conditions: {ready: 1}\n",
                expected: &[
                    "a.yaml:7:13: EndpointSlice shop/db-1: endpoints[0].hostname 'A.b' is not a \
                     DNS label; use a-z, 0-9 and '-', with a letter or digit at both ends",
                    "a.yaml:8:23: EndpointSlice shop/db-1: endpoints[0].conditions.ready '1' is a \
                     number; write true or false",
                ],
            },
            Case {
                text: "addressType: IPv4\nports: [{port: 65536, protocol: tcp}]\n",
                expected: &[
                    "a.yaml:5:16: EndpointSlice shop/db-1: ports[0].port '65536' is out of range; \
                     write 1 to 65535",
                    "a.yaml:5:33: EndpointSlice shop/db-1: ports[0].protocol 'tcp' is no protocol; \
                     write TCP, UDP or SCTP",
                ],
            },
        ],
    );
}

#[test]
fn endpoints() {
    run(
        ENDPOINTS,
        &[
            Case {
                text: "subsets:\n- addresses:\n  - ip: 10.0.0\n  - hostname: a\n  ports: [{name: a}]\n",
                expected: &[
                    "a.yaml:6:9: Endpoints shop/db: subsets[0].addresses[0].ip '10.0.0' is not an \
                     IP address; write one address, without mask, zone or port",
                    "a.yaml:7:5: Endpoints shop/db: subsets[0].addresses[1].ip is missing; write \
                     the endpoint's IP address",
                    "a.yaml:8:11: Endpoints shop/db: subsets[0].ports[0].port is missing; write a \
                     number from 1 to 65535",
                ],
            },
            Case {
                text: "subsets: [{notReadyAddresses: [{ip: 5, hostname: x_y}]}]\n",
                expected: &[
                    "a.yaml:4:37: Endpoints shop/db: subsets[0].notReadyAddresses[0].ip '5' is a \
                     number, not a string; put it in double quotes",
                    "a.yaml:4:50: Endpoints shop/db: subsets[0].notReadyAddresses[0].hostname \
                     'x_y' is not a DNS label; use a-z, 0-9 and '-', with a letter or digit at \
                     both ends",
                ],
            },
        ],
    );
}

#[test]
fn documents() {
    run(
        "",
        &[
            Case {
                text: "metadata: {name: x}\n",
                expected: &[
                    "a.yaml:1:1: a document names no kind; write `kind: Service`, or what \
                             else it is",
                ],
            },
            Case {
                text: "apiVersion: v1\nkind: ''\n",
                expected: &[
                    "a.yaml:1:1: a document names no kind; write `kind: Service`, or what \
                             else it is",
                ],
            },
            Case {
                text: "# words\njust some words\n",
                expected: &["a.yaml:2:1: a Kubernetes object was expected, not a string; write \
                             `apiVersion:`, `kind:` and `metadata:`"],
            },
            Case {
                text: "kind: EndpointSlice\nmetadata: {name: x}\n",
                expected: &["a.yaml:1:1: EndpointSlice names no apiVersion; write `apiVersion: \
                             discovery.k8s.io/v1`"],
            },
            Case {
                text: "apiVersion: v1\nkind: EndpointSlice\nmetadata: {name: x}\n",
                expected: &["a.yaml:1:13: EndpointSlice: apiVersion 'v1' has no such kind; write \
                             `apiVersion: discovery.k8s.io/v1`"],
            },
            Case {
                text: "apiVersion: v1\nkind: List\nitems:\n- kind: List\n  apiVersion: v1\n  items: []\n- 3\n- {metadata: {name: x}}\n",
                expected: &[
                    "a.yaml:4:3: a List inside a List is not read; write its items in the outer one",
                    "a.yaml:7:3: an item of a list is a number; write an object",
                    "a.yaml:8:3: a document names no kind; write `kind: Service`, or what else it is",
                ],
            },
            Case {
                text: "apiVersion: v1\nkind: List\nitems: 3\n",
                expected: &["a.yaml:3:8: items is a number; write a list of objects"],
            },
        ],
    );
}

#[test]
fn syntax() {
    run(
        "",
        &[
            Case {
                text: "apiVersion: v1\nkind: Service: x\n",
                expected: &["a.yaml:2:14: not YAML: mapping values are not allowed in this \
                             context; check indentation, quotes and brackets here and above"],
            },
            Case {
                text: "apiVersion: v1\r\nkind: @x\r\n",
                expected: &["a.yaml:2:7: not YAML: unexpected character: `@'; check indentation, \
                             quotes and brackets here and above"],
            },
            // Every broken document is told, and the faults of whole ones between them.
            Case {
                text: "a: b: c\n---\napiVersion: v1\nkind: Service\n---\na: [1\n---\nx: *y\n",
                expected: &[
                    "a.yaml:1:5: not YAML: mapping values are not allowed in this context; check \
                     indentation, quotes and brackets here and above",
                    "a.yaml:3:1: Service: metadata.name is missing; give the object a name",
                    "a.yaml:6:4: not YAML: unclosed bracket '['; check indentation, quotes and brackets here and above",
                    "a.yaml:8:4: not YAML: while parsing node, found unknown anchor; check \
                     indentation, quotes and brackets here and above",
                ],
            },
        ],
    );
}

#[test]
fn json() {
    for (text, expected) in [
        (
            "{\"apiVersion\": \"v1\",\n \"kind\": \"Service\",\n \"metadata\": {\"name\": \"db\"},\n \
             \"spec\": {\"ports\": [{\"port\": \"http\"}, {\"port\": 0, \"name\": \"\\u00e9\"}]}}",
            vec![
                "a.json:4:30: Service default/db: spec.ports[0].port 'http' is a string; write a \
                 number from 1 to 65535",
                "a.json:4:48: Service default/db: spec.ports[1].port '0' is out of range; write 1 \
                 to 65535",
                "a.json:4:59: Service default/db: spec.ports[1].name 'é' is not a DNS label; use \
                 a-z, 0-9 and '-', with a letter or digit at both ends",
            ],
        ),
        (
            "{\"apiVersion\": \"v1\",\n \"kind\": }",
            vec![
                "a.json:2:10: not JSON: expected value; check commas, quotes and brackets here \
                 and before",
            ],
        ),
        (
            "{\"kind\": \"Ser\\ud800vice\"}",
            vec![
                "a.json:1:20: not JSON: unexpected end of hex escape; check commas, quotes and \
                 brackets here and before",
            ],
        ),
        (
            "{\"kind\": \"Service\"",
            vec![
                "a.json:1:18: not JSON: EOF while parsing an object; check commas, quotes and \
                 brackets here and before",
            ],
        ),
        (
            "[{\"apiVersion\": \"v1\", \"kind\": \"Pod\"}]\n17",
            vec![
                "a.json:1:2: Pod: metadata.name is missing; give the object a name",
                "a.json:2:1: a Kubernetes object was expected, not a number; write `apiVersion:`, \
                 `kind:` and `metadata:`",
            ],
        ),
    ] {
        let (objects, faults) = read("a.json", text);
        assert_eq!(faults, expected, "{text}");
        assert!(objects.is_empty());
    }
}

#[test]
fn text_that_is_not_utf_8() {
    let (bench, _) = Bench::new(&[]);
    std::fs::write(bench.path("a.yaml"), b"# one\nkind: \"\xffx\"\n").unwrap();
    assert_eq!(
        bench.told(&super::super::check(vec![bench.folder.path().into()], &|_| Vec::new())),
        ["a.yaml:2:8: the text is not UTF-8 from here on; save the file as UTF-8"]
    );
}

#[test]
fn what_could_grow_without_bound_is_bounded() {
    let deep = format!("apiVersion: v1\nkind: Pod\nspec: {}{}\n", "[".repeat(70), "]".repeat(70));
    let (_, faults) = read("a.yaml", &deep);
    assert_eq!(faults, ["a.yaml:3:71: nested deeper than 64 levels; write it flatter"]);
    let deep = format!("{{\"spec\":{}{}}}", "[".repeat(100), "]".repeat(100));
    let (_, faults) = read("a.json", &deep);
    assert_eq!(faults, ["a.json:1:73: nested deeper than 64 levels; write it flatter"]);

    let mut bomb = String::from("kind: X\na0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..9 {
        let names = vec![format!("*a{}", level - 1); 10].join(", ");
        writeln!(bomb, "a{level}: &a{level} [{names}]").unwrap();
    }
    let (_, faults) = read("a.yaml", &bomb);
    assert_eq!(
        faults,
        ["a.yaml:7:45: the aliases of this document stand for more than 1000000 values; write \
          them out"]
    );

    let (_, faults) = read("a.yaml", "kind: X\nspec: &a {spec: *a}\n");
    assert_eq!(
        faults,
        ["a.yaml:2:17: this alias stands inside the value that it refers to; write it out"]
    );
}

#[test]
fn an_object_defined_twice_is_told_with_both_places() {
    let db = |ip: &str| super::service("shop", "db", ip);
    let twice = format!("{}---\n{}", db("10.0.0.1"), db("10.0.0.2"));
    let (bench, loaded) = Bench::new(&[("a.yaml", &db("10.0.0.3")), ("b.yaml", &twice)]);
    let folder = bench.folder.path().display();
    assert_eq!(
        bench.told(&loaded.faults),
        [
            "b.yaml:6:1: Service shop/db is defined at b.yaml:1:1 too; this definition is used, \
             remove the other",
            "b.yaml:6:1: Service shop/db is defined at a.yaml:1:1 too; this definition is used, \
             remove the other",
        ],
        "{folder}"
    );
    let object = bench.world.get(crate::cluster::Kind::Service, "shop", "db").unwrap();
    assert!(format!("{object:?}").contains("10.0.0.2"));
}
