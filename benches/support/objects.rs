//! Objects as an API server writes them, managed fields and all, as text.

use std::fmt::Write;

/// Namespaces that Services are spread over.
pub const NAMESPACES: usize = 100;

const TIME: &str = "2026-03-04T05:06:07Z";

/// Name, namespace, and whether a Service has no cluster IP: every fourth has none.
pub fn place(at: usize) -> (String, String, bool) {
    (format!("service-{at}"), format!("team-{}", at % NAMESPACES), at % 4 == 3)
}

/// The cluster IP of a Service after so many changes of it.
pub fn cluster_ip(at: usize, turn: usize) -> [u8; 4] {
    let [_, a, b, c] = u32::try_from(at).unwrap_or_default().to_be_bytes();
    let [.., turn] = turn.to_be_bytes();
    [16 + turn % 128, a, b, c]
}

fn uid(kind: u8, at: usize) -> String {
    format!("{kind:08x}-7c1d-4e2f-9a3b-{at:012x}")
}

pub fn namespace(at: usize, revision: u64) -> String {
    let (name, uid) = (format!("team-{at}"), uid(1, at));
    format!(
        r#"{{"kind":"Namespace","apiVersion":"v1","metadata":{{"name":"{name}","uid":"{uid}","resourceVersion":"{revision}","creationTimestamp":"{TIME}","labels":{{"kubernetes.io/metadata.name":"{name}","pod-security.kubernetes.io/enforce":"baseline"}},"managedFields":[{{"manager":"kubectl-create","operation":"Update","apiVersion":"v1","time":"{TIME}","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:labels":{{".":{{}},"f:kubernetes.io/metadata.name":{{}}}}}}}}}}]}},"spec":{{"finalizers":["kubernetes"]}},"status":{{"phase":"Active"}}}}"#
    )
}

pub fn service(at: usize, turn: usize, revision: u64) -> String {
    let (name, namespace, is_headless) = place(at);
    let uid = uid(2, at);
    let [a, b, c, d] = cluster_ip(at, turn);
    let ip = if is_headless { "None".to_owned() } else { format!("{a}.{b}.{c}.{d}") };
    let applied = format!(
        r#"{{\"apiVersion\":\"v1\",\"kind\":\"Service\",\"metadata\":{{\"annotations\":{{}},\"labels\":{{\"app.kubernetes.io/name\":\"{name}\"}},\"name\":\"{name}\",\"namespace\":\"{namespace}\"}},\"spec\":{{\"ports\":[{{\"name\":\"http\",\"port\":80,\"targetPort\":8080}}],\"selector\":{{\"app.kubernetes.io/name\":\"{name}\"}}}}}}\n"#
    );
    format!(
        r#"{{"kind":"Service","apiVersion":"v1","metadata":{{"name":"{name}","namespace":"{namespace}","uid":"{uid}","resourceVersion":"{revision}","creationTimestamp":"{TIME}","labels":{{"app.kubernetes.io/name":"{name}","app.kubernetes.io/instance":"{name}","app.kubernetes.io/managed-by":"Helm","helm.sh/chart":"{name}-1.2.3"}},"annotations":{{"kubectl.kubernetes.io/last-applied-configuration":"{applied}","prometheus.io/scrape":"true","prometheus.io/port":"9090"}},"managedFields":[{{"manager":"kubectl-client-side-apply","operation":"Update","apiVersion":"v1","time":"{TIME}","fieldsType":"FieldsV1","fieldsV1":{{"f:metadata":{{"f:annotations":{{".":{{}},"f:kubectl.kubernetes.io/last-applied-configuration":{{}},"f:prometheus.io/scrape":{{}}}},"f:labels":{{".":{{}},"f:app.kubernetes.io/name":{{}},"f:app.kubernetes.io/instance":{{}}}}}},"f:spec":{{"f:internalTrafficPolicy":{{}},"f:ports":{{".":{{}},"k:{{\"port\":80,\"protocol\":\"TCP\"}}":{{".":{{}},"f:name":{{}},"f:port":{{}},"f:protocol":{{}},"f:targetPort":{{}}}}}},"f:selector":{{}},"f:sessionAffinity":{{}},"f:type":{{}}}}}}}}]}},"spec":{{"ports":[{{"name":"http","protocol":"TCP","port":80,"targetPort":8080}}],"selector":{{"app.kubernetes.io/name":"{name}"}},"clusterIP":"{ip}","clusterIPs":["{ip}"],"type":"ClusterIP","sessionAffinity":"None","ipFamilies":["IPv4"],"ipFamilyPolicy":"SingleStack","internalTrafficPolicy":"Cluster"}},"status":{{"loadBalancer":{{}}}}}}"#
    )
}

/// The one slice of a Service; the endpoint numbered `unready` is not ready.
pub fn slice(at: usize, endpoints: usize, unready: usize, revision: u64) -> String {
    slice_of(at, "x7k2p", at * endpoints, endpoints, unready, revision)
}

/// The address of a pod.
pub fn pod_address(pod: usize) -> [u8; 4] {
    let [_, a, b, c] = u32::try_from(pod).unwrap_or_default().to_be_bytes();
    [11, a, b, c]
}

/// A slice of a Service, of whose name this is the end, with so many pods from the numbered one on;
/// the endpoint numbered `unready` is not ready.
pub fn slice_of(
    at: usize,
    end: &str,
    first: usize,
    endpoints: usize,
    unready: usize,
    revision: u64,
) -> String {
    let (name, namespace, is_headless) = place(at);
    let (uid, owner) = (uid(3, at), uid(2, at));
    let headless = if is_headless { r#""service.kubernetes.io/headless":"","# } else { "" };
    let mut list = String::new();
    for number in 0..endpoints {
        let pod = first + number;
        let [a, b, c, d] = pod_address(pod);
        let ready = number + 1 != unready;
        let comma = if number > 0 { "," } else { "" };
        // Writing to a String cannot fail.
        let _ = write!(
            list,
            r#"{comma}{{"addresses":["{a}.{b}.{c}.{d}"],"conditions":{{"ready":{ready},"serving":{ready},"terminating":false}},"targetRef":{{"kind":"Pod","namespace":"{namespace}","name":"{name}-6d4cf56db6-{pod:05x}","uid":"00000004-7c1d-4e2f-9a3b-{pod:012x}"}},"nodeName":"ip-10-0-{}-{}.eu-central-1.compute.internal","zone":"eu-central-1{}","hints":{{"forZones":[{{"name":"eu-central-1a"}}]}}}}"#,
            c % 32,
            d,
            ["a", "b", "c"][number % 3],
        );
    }
    format!(
        r#"{{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{{"name":"{name}-{end}","generateName":"{name}-","namespace":"{namespace}","uid":"{uid}","resourceVersion":"{revision}","generation":12,"creationTimestamp":"{TIME}","labels":{{"app.kubernetes.io/name":"{name}","endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io","kubernetes.io/service-name":"{name}",{headless}"helm.sh/chart":"{name}-1.2.3"}},"annotations":{{"endpoints.kubernetes.io/last-change-trigger-time":"{TIME}"}},"ownerReferences":[{{"apiVersion":"v1","kind":"Service","name":"{name}","uid":"{owner}","controller":true,"blockOwnerDeletion":true}}],"managedFields":[{{"manager":"kube-controller-manager","operation":"Update","apiVersion":"discovery.k8s.io/v1","time":"{TIME}","fieldsType":"FieldsV1","fieldsV1":{{"f:addressType":{{}},"f:endpoints":{{}},"f:metadata":{{"f:annotations":{{".":{{}},"f:endpoints.kubernetes.io/last-change-trigger-time":{{}}}},"f:generateName":{{}},"f:labels":{{".":{{}},"f:endpointslice.kubernetes.io/managed-by":{{}},"f:kubernetes.io/service-name":{{}}}},"f:ownerReferences":{{".":{{}},"k:{{\"uid\":\"{owner}\"}}":{{}}}}}},"f:ports":{{}}}}}}]}},"addressType":"IPv4","endpoints":[{list}],"ports":[{{"name":"http","protocol":"TCP","port":8080}}]}}"#
    )
}
