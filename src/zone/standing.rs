//! Which of the objects that hold endpoints count for a Service, and why the others do not:
//! schema.md, section 2.

use super::endpoints::Inputs;
use super::spec::Spec;
use crate::cluster::{
    ClusterIps, Endpoint, EndpointSlice, Endpoints, ManagedBy, Service, SliceAddresses,
};

/// What an object that holds endpoints means to a Service.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Standing {
    /// Its endpoints are the Service's.
    Counts,
    /// Nothing: the Service is an alias.
    OfAlias,
    /// Nothing: the configuration wants no endpoints of such a Service.
    NotWanted,
    /// Nothing: a slice of names has no meaning to DNS.
    Fqdn,
    /// Nothing: a mirrored slice gives way to the Endpoints object that it mirrors.
    Mirror,
    /// Nothing: there are slices beside this Endpoints object that are not its mirror.
    SlicesWin,
    /// Nothing: Endpoints of a Service with a selector, which has slices.
    HasSelector,
    /// Nothing: an Endpoints object that says that it is not meant for a Service.
    NotForServices,
}

impl Standing {
    /// Whether its endpoints are the Service's.
    pub fn counts(self) -> bool {
        self == Self::Counts
    }

    /// Why it does not count, in words; empty where it does.
    pub fn words(self) -> &'static str {
        match self {
            Self::Counts => "",
            Self::OfAlias => "endpoints of an ExternalName Service mean nothing",
            Self::NotWanted => "the configuration keeps no endpoints of this Service",
            Self::Fqdn => "addressType FQDN has no meaning to DNS",
            Self::Mirror => "gives way to the Endpoints object that it mirrors",
            Self::SlicesWin => "gives way to the EndpointSlices beside it",
            Self::HasSelector => "the Service has a selector, so its EndpointSlices count",
            Self::NotForServices => "says by label or annotation that it is not for a Service",
        }
    }
}

/// What decides how the objects of one Service stand to it.
#[derive(Clone, Copy, Debug)]
pub struct Standings {
    /// What is true of each of them whatever it holds.
    all: Standing,
    /// Endpoints count for nothing, since there are slices for a selector.
    only_slices: bool,
    /// An Endpoints object that may count is there.
    endpoints: bool,
    /// A slice that is nobody's mirror is there.
    others: bool,
}

impl Standings {
    /// Of the objects of this Service.
    pub fn new(inputs: &Inputs<'_>, spec: &Spec) -> Self {
        let service = inputs.service;
        let headless_only = spec.headless_endpoints_only
            && service.has_selector
            && matches!(service.cluster_ips, ClusterIps::Addresses(_));
        let all = match service.external_name {
            Some(_) => Standing::OfAlias,
            None if spec.no_endpoints || headless_only => Standing::NotWanted,
            None => Standing::Counts,
        };
        let only_slices = service.has_selector && inputs.slices_served;
        let mut standings = Self { all, only_slices, endpoints: false, others: false };
        standings.endpoints = inputs.endpoints.is_some_and(|found| standings.may_count(found));
        standings.others =
            inputs.slices.iter().any(|slice| standings.of_slice(slice).counts() && wins(slice));
        standings
    }

    fn may_count(&self, endpoints: &Endpoints) -> bool {
        !endpoints.not_for_services && !self.only_slices
    }

    /// How a slice stands to the Service that it names.
    pub fn of_slice(&self, slice: &EndpointSlice) -> Standing {
        match self.all {
            Standing::Counts if slice.address_type == SliceAddresses::Fqdn => Standing::Fqdn,
            Standing::Counts if self.endpoints && !wins(slice) => Standing::Mirror,
            all => all,
        }
    }

    /// How the Endpoints object stands to the Service of its name.
    pub fn of_endpoints(&self, endpoints: &Endpoints) -> Standing {
        match self.all {
            Standing::Counts if endpoints.not_for_services => Standing::NotForServices,
            Standing::Counts if !self.may_count(endpoints) => Standing::HasSelector,
            // A mirrored slice gives way to the object that it mirrors; any other wins over it.
            Standing::Counts if self.others => Standing::SlicesWin,
            all => all,
        }
    }
}

/// Whether a slice wins over an Endpoints object.
fn wins(slice: &EndpointSlice) -> bool {
    slice.managed_by != ManagedBy::Mirroring
}

/// Whether an endpoint counts as ready: of a slice that this one has written, or of Endpoints.
pub fn is_ready(service: &Service, endpoint: &Endpoint, writer: Option<ManagedBy>) -> bool {
    // A controller has taken it into account already.
    endpoint.ready || service.publish_not_ready && writer != Some(ManagedBy::Controller)
}
