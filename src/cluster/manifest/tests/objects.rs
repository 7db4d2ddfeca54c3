//! Texts and the objects that they mean.

use smallvec::smallvec;

use super::{Bench, read};
use crate::cluster::{
    AddressFamily, ClusterIps, Endpoint, EndpointPort, Endpoints, Kind, ManagedBy, Meta, Object,
    Protocol, Service, ServicePort, SliceAddresses, Subset,
};

fn only(name: &str, text: &str) -> Object {
    let (mut objects, faults) = read(name, text);
    assert_eq!(faults, Vec::<String>::new(), "{text}");
    assert_eq!(objects.len(), 1, "{text}");
    objects.remove(0)
}

fn spec(spec: &str) -> Service {
    let text = format!("apiVersion: v1\nkind: Service\nmetadata: {{name: db}}\nspec: {spec}\n");
    let Object::Service(service) = only("a.yaml", &text) else { panic!("no Service") };
    service
}

#[test]
fn a_service_with_everything() {
    let text = "
apiVersion: v1
kind: Service
metadata:
  name: db
  namespace: shop
  resourceVersion: \"77\"
  uid: 0f9e8d7c-6b5a
  labels: {b: y, a: x, c: null}
  annotations: {fingerpost.dev/selectorless: endpoints, other: &x [1]}
  managedFields: [{a: {b: [c]}}]
spec:
  type: NodePort
  clusterIP: 10.0.0.1
  clusterIPs: [10.0.0.1, fd00::1]
  ipFamilies: [IPv4, IPv6]
  selector: {app: db}
  sessionAffinity: ClientIP
  internalTrafficPolicy: Local
  publishNotReadyAddresses: yes
  ports:
  - {name: sql, port: 5432, targetPort: sql, nodePort: 30000}
  - {name: dns, port: 0x35, protocol: UDP}
status: {loadBalancer: {}}
";
    let labels = [("a", "x"), ("b", "y"), ("c", "")];
    assert_eq!(
        only("a.yaml", text),
        Object::Service(Service {
            meta: Meta {
                resource_version: Some("77".into()),
                uid: Some("0f9e8d7c-6b5a".into()),
                labels: labels.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect(),
                ..Meta::new("shop", "db")
            },
            external_name: None,
            cluster_ips: ClusterIps::Addresses(smallvec![
                "10.0.0.1".parse().unwrap(),
                "fd00::1".parse().unwrap()
            ]),
            has_selector: true,
            ports: vec![
                ServicePort { name: "sql".into(), protocol: Protocol::Tcp, port: 5432 },
                ServicePort { name: "dns".into(), protocol: Protocol::Udp, port: 53 },
            ],
            ip_families: smallvec![AddressFamily::V4, AddressFamily::V6],
            session_affinity: true,
            local_traffic_only: true,
            publish_not_ready: true,
            selectorless: Some("endpoints".into()),
        })
    );
}

#[test]
fn cluster_ips_and_selectors() {
    let v4 = |text: &str| ClusterIps::Addresses(smallvec![text.parse().unwrap()]);
    for (text, expected) in [
        ("{}", ClusterIps::Absent),
        ("null", ClusterIps::Absent),
        ("{clusterIP: ''}", ClusterIps::Absent),
        ("{clusterIP: null, clusterIPs: null}", ClusterIps::Absent),
        ("{clusterIP: None}", ClusterIps::Headless),
        ("{clusterIPs: [None]}", ClusterIps::Headless),
        ("{clusterIP: None, clusterIPs: [None]}", ClusterIps::Headless),
        ("{clusterIP: 010.000.0.01}", v4("10.0.0.1")),
        ("{clusterIP: '::ffff:10.0.0.1'}", v4("10.0.0.1")),
        ("{clusterIP: 10.0.0.1, clusterIPs: ['::ffff:10.0.0.1']}", v4("10.0.0.1")),
    ] {
        assert_eq!(spec(text).cluster_ips, expected, "{text}");
    }
    for (text, expected) in [
        ("{}", false),
        ("{selector: null}", false),
        ("{selector: {}}", false),
        ("{selector: {kind: db}}", true),
        ("{selector: {unheard-of: db}}", true),
    ] {
        assert_eq!(spec(text).has_selector, expected, "{text}");
    }
}

#[test]
fn external_names_are_kept_as_written() {
    let name = |text| spec(text).external_name.map(String::from);
    assert_eq!(name("{type: ExternalName, externalName: 10.0.0.1}"), Some("10.0.0.1".into()));
    assert_eq!(name("{type: ExternalName, externalName: a..b}"), Some("a..b".into()));
    assert_eq!(name("{type: ExternalName}"), Some(String::new()));
    assert_eq!(name("{externalName: db.example.com}"), None);
}

#[test]
fn a_slice_with_everything() {
    for version in ["v1", "v1beta1"] {
        let text = format!(
            "
apiVersion: discovery.k8s.io/{version}
kind: EndpointSlice
metadata:
  name: db.x-1
  labels:
    kubernetes.io/service-name: db
    endpointslice.kubernetes.io/managed-by: endpointslice-controller.k8s.io
addressType: IPv4
endpoints:
- addresses: [10.0.0.1, 010.0.0.2]
  conditions: {{ready: false, serving: null}}
  hostname: one
  targetRef: {{kind: Pod, name: db-0}}
- addresses: ['::ffff:10.0.0.3']
  conditions: null
  nodeName: n1
- addresses: [10.0.0.4]
  conditions: {{ready: null}}
  hostname: ''
  zone: z
ports:
- {{port: 5432, name: null, protocol: null}}
- {{name: all, port: null}}
"
        );
        let Object::EndpointSlice(slice) = only("a.yaml", &text) else { panic!("no slice") };
        assert_eq!(slice.meta.key.to_string(), "default/db.x-1");
        assert_eq!(slice.service.as_deref(), Some("db"));
        assert_eq!(slice.managed_by, ManagedBy::Controller);
        assert_eq!(slice.address_type, SliceAddresses::V4);
        let port =
            |name: &str, port| EndpointPort { name: name.into(), protocol: Protocol::Tcp, port };
        assert_eq!(slice.ports, [port("", Some(5432)), port("all", None)]);
        let endpoint = |addresses: &[&str], ready, managed| Endpoint {
            addresses: addresses.iter().map(|a| a.parse().unwrap()).collect(),
            ready,
            hostname: None,
            target_name: None,
            managed,
        };
        assert_eq!(
            slice.endpoints,
            [
                Endpoint {
                    hostname: Some("one".into()),
                    target_name: Some("db-0".into()),
                    ..endpoint(&["10.0.0.1", "10.0.0.2"], false, true)
                },
                endpoint(&["10.0.0.3"], true, true),
                endpoint(&["10.0.0.4"], true, false),
            ]
        );
    }
}

#[test]
fn a_slice_of_names_is_read_without_its_endpoints() {
    let text = "{apiVersion: discovery.k8s.io/v1, kind: EndpointSlice, metadata: {name: x}, \
                addressType: FQDN, endpoints: [{addresses: [db.example.com]}], ports: null}";
    let Object::EndpointSlice(slice) = only("a.yaml", text) else { panic!("no slice") };
    assert_eq!(slice.address_type, SliceAddresses::Fqdn);
    assert!(slice.endpoints.is_empty());
    assert_eq!(slice.service, None);
}

#[test]
fn endpoints_ready_and_not() {
    let text = "
apiVersion: v1
kind: Endpoints
metadata: {name: db, namespace: shop}
subsets:
- addresses: [{ip: 10.0.0.1, hostname: one}, {ip: 10.0.0.2, nodeName: n}]
  notReadyAddresses: [{ip: 'fd00::1', targetRef: {name: p}}]
  ports: [{port: 80, protocol: SCTP}]
- addresses: null
  notReadyAddresses: null
  ports: null
";
    let endpoint = |ip: &str, ready, managed| Endpoint {
        addresses: smallvec![ip.parse().unwrap()],
        ready,
        hostname: None,
        target_name: None,
        managed,
    };
    assert_eq!(
        only("a.yaml", text),
        Object::Endpoints(Endpoints {
            meta: Meta::new("shop", "db"),
            not_for_services: false,
            subsets: vec![
                Subset {
                    endpoints: vec![
                        Endpoint {
                            hostname: Some("one".into()),
                            ..endpoint("10.0.0.1", true, false)
                        },
                        endpoint("10.0.0.2", true, true),
                        Endpoint {
                            target_name: Some("p".into()),
                            ..endpoint("fd00::1", false, true)
                        },
                    ],
                    ports: vec![EndpointPort {
                        name: "".into(),
                        protocol: Protocol::Sctp,
                        port: Some(80)
                    }],
                },
                Subset { endpoints: vec![], ports: vec![] },
            ],
        })
    );
    for (metadata, expected) in [
        ("{name: x}", false),
        ("{name: x, labels: {endpointslice.kubernetes.io/skip-mirror: \"true\"}}", true),
        ("{name: x, labels: {endpointslice.kubernetes.io/skip-mirror: \"false\"}}", false),
        ("{name: x, annotations: {control-plane.alpha.kubernetes.io/leader: '{}'}}", true),
    ] {
        let text =
            format!("{{apiVersion: v1, kind: Endpoints, metadata: {metadata}, subsets: null}}");
        let Object::Endpoints(endpoints) = only("a.yaml", &text) else { panic!("no Endpoints") };
        assert_eq!(endpoints.not_for_services, expected, "{metadata}");
    }
}

#[test]
fn pods_live_and_ended() {
    for (metadata, status, ips, live) in [
        ("", "null", &[][..], true),
        ("", "{podIP: 10.0.0.1}", &["10.0.0.1"], true),
        (
            "",
            "{podIP: 10.0.0.1, podIPs: [{ip: 10.0.0.1}, {ip: 'fd00::1'}]}",
            &["10.0.0.1", "fd00::1"],
            true,
        ),
        ("", "{podIP: '', phase: Pending}", &[], true),
        ("", "{podIP: 10.0.0.1, phase: Succeeded}", &["10.0.0.1"], false),
        ("", "{podIP: 10.0.0.1, phase: Failed}", &["10.0.0.1"], false),
        (", deletionTimestamp: 2026-01-01T00:00:00Z", "{phase: Running}", &[], false),
        (", deletionTimestamp: null", "{phase: Running}", &[], true),
    ] {
        let text = format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: p{metadata}}}, status: {status}}}"
        );
        let Object::Pod(pod) = only("a.yaml", &text) else { panic!("no Pod") };
        let expected: Vec<std::net::IpAddr> = ips.iter().map(|ip| ip.parse().unwrap()).collect();
        assert_eq!((pod.ips.to_vec(), pod.live), (expected, live), "{text}");
    }
}

#[test]
fn what_holds_nothing_of_ours_is_passed_over() {
    for text in [
        "",
        "\u{feff}",
        "# only words\n",
        "---\n",
        "---\n---\n# x\n---\n...\n",
        "null\n",
        "~",
        "apiVersion: apps/v1\nkind: Deployment\nspec: {ports: http, items: [3]}\n",
        "apiVersion: serving.knative.dev/v1\nkind: Service\nspec: {ports: http}\n",
        "apiVersion: example.com/v1\nkind: Thing\nitems:\n- apiVersion: v1\n  kind: Service\n",
        "items:\n- apiVersion: v1\n  kind: Service\n- {a: b}\nkind: Thing\napiVersion: x/v1\n",
        "kind: ConfigMap\ndata:\n  a: |\n    kind: Service\n    ---x\n    b: c: d\n",
        "kind: Deep\ndata: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[x]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]\n",
        "apiVersion: v1\nkind: List\nitems: null\n",
        "apiVersion: v1\nkind: List\nitems: []\nmetadata: {resourceVersion: ''}\n",
        "apiVersion: v1\nkind: PodTemplateList\nitems: [{metadata: {name: X}}]\n",
    ] {
        let (objects, faults) = read("a.yaml", text);
        assert!(objects.is_empty() && faults.is_empty(), "{text}: {faults:?}");
    }
    for text in ["", " \n", "null", "{\"kind\":\"X\",\"spec\":1e999}", "[]"] {
        let (objects, faults) = read("a.json", text);
        assert!(objects.is_empty() && faults.is_empty(), "{text}: {faults:?}");
    }
}

#[test]
fn lists_of_every_shape_mean_the_same() {
    let yaml = [
        "kind: List\napiVersion: v1\nitems:\n- kind: Service\n  apiVersion: v1\n  metadata: {name: a}\n- kind: Service\n  apiVersion: v1\n  metadata: {name: b}\n",
        "apiVersion: v1\nitems:\n- {kind: Service, apiVersion: v1, metadata: {name: a}}\n- {kind: Service, apiVersion: v1, metadata: {name: b}}\nkind: List\n",
        "kind: ServiceList\napiVersion: v1\nitems: [{metadata: {name: a}}, {metadata: {name: b}}]\n",
        "items: [{metadata: {name: a}}, {metadata: {name: b}}]\nkind: ServiceList\napiVersion: v1\n",
        "- {kind: Service, apiVersion: v1, metadata: {name: a}}\n- {kind: Service, apiVersion: v1, metadata: {name: b}}\n",
        "kind: Service\napiVersion: v1\nmetadata: {name: a}\n--- # next\nkind: Service\napiVersion: v1\nmetadata: {name: b}\n...\n",
        "\u{feff}kind: Service\r\napiVersion: v1\r\nmetadata:\r\n  name: a\r\n---\r\nkind: Service\r\napiVersion: v1\r\nmetadata:\r\n  name: b\r\n",
        "%YAML 1.2\n---\nkind: List\napiVersion: v1\nitems: &i\n- &s {kind: Service, apiVersion: v1, metadata: {name: a}}\n- <<: *s\n  metadata: {name: b}\n",
    ];
    let json = [
        "{\"kind\":\"List\",\"apiVersion\":\"v1\",\"items\":[{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}},{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"b\"}}]}",
        "\u{feff} {\"apiVersion\":\"v1\",\"items\":[{\"metadata\":{\"name\":\"\\u0061\"}},{\"metadata\":{\"name\":\"b\"}}],\"kind\":\"ServiceList\"}",
        "{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"a\"}}\n{\"kind\":\"Service\",\"apiVersion\":\"v1\",\"metadata\":{\"name\":\"b\"}}",
    ];
    let (expected, _) = read("a.yaml", yaml[0]);
    assert_eq!(expected.len(), 2);
    for (name, text) in
        yaml.map(|text| ("a.yaml", text)).into_iter().chain(json.map(|text| ("a.json", text)))
    {
        let (objects, faults) = read(name, text);
        assert_eq!((&objects, faults), (&expected, vec![]), "{text}");
    }
}

#[test]
fn typed_lists_of_every_kind() {
    for (kind, api, rest) in [
        ("Service", "v1", ""),
        ("Endpoints", "v1", ""),
        ("Pod", "v1", ""),
        ("EndpointSlice", "discovery.k8s.io/v1beta1", ", addressType: IPv6"),
    ] {
        let text = format!(
            "{{kind: {kind}List, apiVersion: {api}, items: [{{metadata: {{name: x}}{rest}}}]}}"
        );
        let object = only("a.yaml", &text);
        assert_eq!(format!("{:?}", object.kind()), kind);
    }
    let text =
        "{kind: NamespaceList, apiVersion: v1, items: [{metadata: {name: x, namespace: q}}]}";
    let (bench, _) = Bench::new(&[("a.yaml", text)]);
    assert_eq!(bench.world.names(), ["Namespace x"]);
    assert!(bench.world.get(Kind::Namespace, "", "x").is_some());
}

#[test]
fn yaml_and_json_mean_the_same() {
    let yaml = "
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: x, namespace: n, labels: {kubernetes.io/service-name: db}}
addressType: IPv4
endpoints: [{addresses: [10.0.0.1], conditions: {ready: false}, hostname: h}]
ports: [{name: p, port: 80, protocol: UDP}]
";
    let json = r#"{"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata":
        {"name": "x", "namespace": "n", "labels": {"kubernetes.io\/service-name": "db"}},
        "addressType": "IPv4", "endpoints": [{"addresses": ["10.0.0.1"],
        "conditions": {"ready": false}, "hostname": "h", "zone": null}],
        "ports": [{"name": "p", "port": 80, "protocol": "UDP", "appProtocol": "x"}]}"#;
    let expected = only("a.yaml", yaml);
    assert_eq!(only("a.json", json), expected);
    // Nearly all JSON is YAML; a backslash before a slash is too, since YAML 1.2.
    assert_eq!(only("a.yaml", json), expected);
}
