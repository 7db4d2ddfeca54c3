//! Manifests in few words: each function writes one YAML document.

/// A Service `N/S` with this `spec`, in YAML's flow style without its braces.
pub(crate) fn service(key: &str, spec: &str) -> String {
    service_with(key, "", spec)
}

/// The same with more of its metadata.
pub(crate) fn service_with(key: &str, metadata: &str, spec: &str) -> String {
    object("v1", "Service", key, metadata, &format!("spec: {{{spec}}}"))
}

/// An EndpointSlice `N/name` of a Service, with this `addressType`; `rest` says the fields.
pub(crate) fn slice(key: &str, service: &str, family: &str, rest: &str) -> String {
    slice_by(key, service, family, "", rest)
}

/// The same, written by somebody: the value of the label `managed-by`.
pub(crate) fn slice_by(key: &str, service: &str, family: &str, by: &str, rest: &str) -> String {
    let by = match by {
        "" => String::new(),
        by => format!(", endpointslice.kubernetes.io/managed-by: {by}"),
    };
    object(
        "discovery.k8s.io/v1",
        "EndpointSlice",
        key,
        &format!("labels: {{kubernetes.io/service-name: {service}{by}}}"),
        &format!("addressType: {family}, {rest}"),
    )
}

/// The label value of the EndpointSlice controller.
pub(crate) const CONTROLLER: &str = "endpointslice-controller.k8s.io";
/// The label value of the controller that mirrors Endpoints.
pub(crate) const MIRRORING: &str = "endpointslicemirroring-controller.k8s.io";

/// An Endpoints object `N/S` with these subsets.
pub(crate) fn endpoints(key: &str, subsets: &str) -> String {
    endpoints_with(key, "", subsets)
}

/// The same with more of its metadata.
pub(crate) fn endpoints_with(key: &str, metadata: &str, subsets: &str) -> String {
    object("v1", "Endpoints", key, metadata, &format!("subsets: [{subsets}]"))
}

/// A Namespace.
pub(crate) fn namespace(name: &str, metadata: &str) -> String {
    object("v1", "Namespace", name, metadata, "")
}

/// A Pod `N/name` with this status.
pub(crate) fn pod(key: &str, metadata: &str, status: &str) -> String {
    object("v1", "Pod", key, metadata, &format!("status: {{{status}}}"))
}

fn object(version: &str, kind: &str, key: &str, metadata: &str, rest: &str) -> String {
    let name = match key.split_once('/') {
        Some((namespace, name)) => format!("name: {name}, namespace: {namespace}"),
        None => format!("name: {key}"),
    };
    let metadata = join(&name, metadata);
    let start = format!("apiVersion: {version}, kind: {kind}, metadata: {{{metadata}}}");
    format!("{{{}}}", join(&start, rest))
}

fn join(one: &str, other: &str) -> String {
    if other.is_empty() { one.into() } else { format!("{one}, {other}") }
}
