//! Objects as the API server writes them.

use serde_json::{Value, json};

pub(crate) fn namespace(name: &str) -> Value {
    json!({"kind": "Namespace", "apiVersion": "v1", "metadata": {"name": name}})
}

pub(crate) fn service(name: &str, spec: &Value) -> Value {
    json!({"kind": "Service", "apiVersion": "v1",
           "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
           "spec": spec})
}

/// A Service with a selector and a cluster IP.
pub(crate) fn cluster(name: &str, ip: &str) -> Value {
    service(
        name,
        &json!({"type": "ClusterIP", "clusterIP": ip, "clusterIPs": [ip],
                "selector": {"app": name}, "ports": [{"port": 80, "protocol": "TCP"}]}),
    )
}

/// A headless Service with a selector.
pub(crate) fn headless(name: &str) -> Value {
    service(
        name,
        &json!({"clusterIP": "None", "clusterIPs": ["None"], "selector": {"app": name},
                "ports": [{"port": 80}]}),
    )
}

/// A Service without a selector that has a cluster IP.
pub(crate) fn outside(name: &str, ip: &str) -> Value {
    service(name, &json!({"clusterIP": ip, "clusterIPs": [ip], "ports": [{"port": 80}]}))
}

/// A slice of the Service `of`; its endpoints are the EndpointSlice controller's.
pub(crate) fn slice(of: &str, ips: &[&str]) -> Value {
    let endpoints: Vec<Value> = ips
        .iter()
        .map(|ip| {
            json!({"addresses": [ip], "conditions": {"ready": true}, "nodeName": "n1",
                   "targetRef": {"kind": "Pod", "name": "p", "namespace": "shop", "uid": "u"}})
        })
        .collect();
    let endpoints = if ips.is_empty() { Value::Null } else { json!(endpoints) };
    let labels = json!({"kubernetes.io/service-name": of,
                        "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io"});
    json!({"kind": "EndpointSlice", "apiVersion": "discovery.k8s.io/v1",
           "metadata": {"name": format!("{of}-x7k2p"), "namespace": "shop", "labels": labels},
           "addressType": "IPv4", "endpoints": endpoints, "ports": [{"port": 80, "name": ""}]})
}

/// Endpoints without a label, as somebody writes them by hand and an old controller does.
pub(crate) fn endpoints(name: &str, ips: &[&str]) -> Value {
    let addresses: Vec<Value> = ips.iter().map(|ip| json!({"ip": ip})).collect();
    json!({"kind": "Endpoints", "apiVersion": "v1",
           "metadata": {"name": name, "namespace": "shop"},
           "subsets": [{"addresses": addresses, "ports": [{"port": 80}]}]})
}

pub(crate) fn pod(name: &str, ip: &str, phase: &str) -> Value {
    json!({"kind": "Pod", "apiVersion": "v1", "metadata": {"name": name, "namespace": "shop"},
           "spec": {"containers": [{"name": "c", "image": "i"}]},
           "status": {"phase": phase, "podIP": ip, "podIPs": [{"ip": ip}]}})
}
