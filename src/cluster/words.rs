//! The labels and annotations that say what an object is to DNS, one list for all sources.

use super::ManagedBy;

/// The annotation that overrides the setting `selectorless` for one Service.
pub(super) const SELECTORLESS: &str = "fingerpost.dev/selectorless";
/// The label that names a slice's Service.
pub(super) const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// The label that names a slice's writer.
pub(super) const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// The label of slices that belong to a headless Service.
pub(super) const HEADLESS: &str = "service.kubernetes.io/headless";
/// The label that keeps an Endpoints object from being mirrored.
pub(super) const SKIP_MIRROR: &str = "endpointslice.kubernetes.io/skip-mirror";
/// The annotation of an Endpoints object that serves leader election only.
pub(super) const LEADER: &str = "control-plane.alpha.kubernetes.io/leader";

/// Who wrote a slice, by the value of its label [`MANAGED_BY`].
pub(super) fn managed_by(label: Option<&str>) -> ManagedBy {
    match label {
        Some("endpointslice-controller.k8s.io") => ManagedBy::Controller,
        Some("endpointslicemirroring-controller.k8s.io") => ManagedBy::Mirroring,
        _ => ManagedBy::Other,
    }
}
