//! The requests of one kind's watch: paths, selectors, parameters.

use std::fmt::Write;
use std::time::Duration;

use super::version::Version;
use crate::cluster::{Kind, ObjectKey};

/// Objects a page. Slices and Endpoints are large.
const PAGE: u32 = 500;
const PAGE_OF_ENDPOINTS: u32 = 250;

/// Pods that have ended have no names.
const LIVE_PODS: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// Since Kubernetes 1.33 the Endpoints controller marks what it writes. Older servers mark nothing,
/// so that the selector leaves nothing out there.
pub(super) const NOT_BY_CONTROLLER: &str =
    "endpoints.kubernetes.io/managed-by!=endpoint-controller";

/// What one watch asks for.
#[derive(Clone, Debug)]
pub(super) struct Target {
    kind: Kind,
    /// A label selector; empty for all.
    labels: String,
}

/// How fresh a list has to be.
#[derive(Clone, Copy, Debug)]
pub(super) enum Fresh<'a> {
    /// As fresh as can be had: read through the API server's store.
    Newest,
    /// At least this version, for a server that has fallen behind.
    Since(&'a Version),
}

impl Target {
    /// Objects of `kind` that match all of these label selectors.
    pub(super) fn new(kind: Kind, selectors: &[String]) -> Self {
        let filled: Vec<&str> =
            selectors.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        Self { kind, labels: filled.join(",") }
    }

    /// One page of a list.
    pub(super) fn page(&self, token: &str, fresh: Fresh<'_>) -> String {
        let mut query = self.query();
        let limit = match self.kind {
            Kind::EndpointSlice | Kind::Endpoints => PAGE_OF_ENDPOINTS,
            Kind::Namespace | Kind::Service | Kind::Pod => PAGE,
        };
        query.add("limit", &limit.to_string());
        match fresh {
            // A token names its version itself.
            _ if !token.is_empty() => query.add("continue", token),
            Fresh::Newest => {}
            Fresh::Since(version) => {
                query.add("resourceVersion", version.as_str());
                query.add("resourceVersionMatch", "NotOlderThan");
            }
        }
        query.0
    }

    /// A watch that goes on from `version`.
    pub(super) fn watch(&self, version: &Version, timeout: Duration) -> String {
        let mut query = self.watching(timeout);
        query.add("resourceVersion", version.as_str());
        query.0
    }

    /// A watch that begins with a full list.
    pub(super) fn streaming_list(&self, fresh: Fresh<'_>, timeout: Duration) -> String {
        let mut query = self.watching(timeout);
        query.add("sendInitialEvents", "true");
        query.add("resourceVersionMatch", "NotOlderThan");
        if let Fresh::Since(version) = fresh {
            query.add("resourceVersion", version.as_str());
        }
        query.0
    }

    /// A list of the one object `key`, which takes no other permission than the full list.
    pub(super) fn single(&self, key: &ObjectKey) -> String {
        let mut query =
            Query(format!("{}/namespaces/{}/{}", self.base(), key.namespace, self.kind.resource()));
        query.add("fieldSelector", &format!("metadata.name={}", key.name));
        query.0
    }

    fn watching(&self, timeout: Duration) -> Query {
        let mut query = self.query();
        query.add("watch", "true");
        query.add("allowWatchBookmarks", "true");
        query.add("timeoutSeconds", &timeout.as_secs().max(1).to_string());
        query
    }

    fn query(&self) -> Query {
        let mut query = Query(format!("{}/{}", self.base(), self.kind.resource()));
        if self.kind == Kind::Pod {
            query.add("fieldSelector", LIVE_PODS);
        }
        if !self.labels.is_empty() {
            query.add("labelSelector", &self.labels);
        }
        query
    }

    fn base(&self) -> &'static str {
        match self.kind {
            Kind::EndpointSlice => DISCOVERY,
            Kind::Namespace | Kind::Service | Kind::Endpoints | Kind::Pod => "/api/v1",
        }
    }
}

/// Where EndpointSlices are served.
pub(super) const DISCOVERY: &str = "/apis/discovery.k8s.io/v1";

/// The RBAC rule that lets a kind be listed and watched.
pub(super) fn rule(kind: Kind) -> String {
    let group = if kind == Kind::EndpointSlice { "discovery.k8s.io" } else { "" };
    format!(
        "{{apiGroups: [\"{group}\"], resources: [\"{}\"], verbs: [\"list\", \"watch\"]}}",
        kind.resource()
    )
}

/// A path and its parameters.
struct Query(String);

impl Query {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.contains('?') { '&' } else { '?' });
        self.0.push_str(name);
        self.0.push('=');
        for byte in value.bytes() {
            // RFC 3986, section 2.3: what may stand as it is.
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                self.0.push(char::from(byte));
            } else {
                // Writing to a string cannot fail.
                let _ = write!(self.0, "%{byte:02X}");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_are_as_an_api_server_wants_them() {
        let services = Target::new(Kind::Service, &["a=b,c in (d,e)".into(), String::new()]);
        let selector = "labelSelector=a%3Db%2Cc%20in%20%28d%2Ce%29";
        assert_eq!(
            services.page("", Fresh::Newest),
            format!("/api/v1/services?{selector}&limit=500")
        );
        assert_eq!(
            services.page("t/=", Fresh::Since(&Version::new("7"))),
            format!("/api/v1/services?{selector}&limit=500&continue=t%2F%3D")
        );
        let all = Target::new(Kind::EndpointSlice, &[]);
        let base = "/apis/discovery.k8s.io/v1/endpointslices?";
        assert_eq!(
            all.page("", Fresh::Since(&Version::new("7"))),
            format!("{base}limit=250&resourceVersion=7&resourceVersionMatch=NotOlderThan")
        );
        let watch = "watch=true&allowWatchBookmarks=true&timeoutSeconds=90";
        let timeout = Duration::from_secs(90);
        assert_eq!(
            all.watch(&Version::new("7"), timeout),
            format!("{base}{watch}&resourceVersion=7")
        );
        assert_eq!(
            all.streaming_list(Fresh::Newest, timeout),
            format!("{base}{watch}&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
        );
        let endpoints = Target::new(Kind::Endpoints, &[]);
        assert_eq!(
            endpoints.single(&ObjectKey::new("shop", "db")),
            "/api/v1/namespaces/shop/endpoints?fieldSelector=metadata.name%3Ddb"
        );
        let pods = Target::new(Kind::Pod, &[]);
        assert!(pods.page("", Fresh::Newest).starts_with(
            "/api/v1/pods?fieldSelector=status.phase%21%3DSucceeded%2Cstatus.phase%21%3DFailed&"
        ));
    }

    #[test]
    fn the_missing_rule_can_be_pasted_into_a_cluster_role() {
        assert_eq!(
            rule(Kind::Pod),
            r#"{apiGroups: [""], resources: ["pods"], verbs: ["list", "watch"]}"#
        );
        assert!(rule(Kind::EndpointSlice).contains(r#"["discovery.k8s.io"]"#));
    }
}
