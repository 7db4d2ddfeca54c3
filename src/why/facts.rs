//! What an explanation holds. Serialized it is the JSON of `explain --output json`.

use std::fmt;

use serde::Serialize;

use crate::cluster::Protocol;

/// What a name answers, and why.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Explanation {
    /// The name.
    pub name: String,
    /// What becomes of a query for it.
    pub status: Status,
    /// One word for why, that of the log and of the metrics; nothing where all is plain.
    pub cause: Option<String>,
    /// Who answers: the zone, or the upstreams; nothing where nobody does.
    pub by: Option<String>,
    /// The name that upstreams are asked for: this one, or where its alias leads.
    pub asks: Option<String>,
    /// Why, in a sentence.
    pub why: Option<String>,
    /// What is answered, type by type.
    pub records: Vec<RecordFacts>,
    /// Records that there are beside these.
    pub more_records: usize,
    /// The Service that the name belongs to.
    pub service: Option<ServiceFacts>,
    /// The objects that hold endpoints of it.
    pub sources: Vec<SourceFacts>,
    /// The addresses that those hold.
    pub endpoints: Vec<EndpointFacts>,
    /// Addresses that there are beside these.
    pub more_endpoints: usize,
    /// What looks wrong.
    pub findings: Vec<Finding>,
    /// Names that exist and may have been meant.
    pub near: Vec<String>,
    /// What was answered from.
    pub view: Option<ViewFacts>,
    /// Lines that did not fit into a response.
    pub more_lines: usize,
}

/// What becomes of a query.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub enum Status {
    /// The name exists.
    #[default]
    #[serde(rename = "NOERROR")]
    Exists,
    /// It does not.
    #[serde(rename = "NXDOMAIN")]
    Missing,
    /// It cannot be told.
    #[serde(rename = "SERVFAIL")]
    Unknown,
    /// Nobody here may tell.
    #[serde(rename = "REFUSED")]
    Refused,
    /// Upstreams are asked.
    #[serde(rename = "FORWARDED")]
    Forwarded,
}

impl Status {
    /// Every status.
    pub const ALL: [Self; 5] =
        [Self::Exists, Self::Missing, Self::Unknown, Self::Refused, Self::Forwarded];

    /// The word for it: the response code, where there is one.
    pub fn word(self) -> &'static str {
        match self {
            Self::Exists => "NOERROR",
            Self::Missing => "NXDOMAIN",
            Self::Unknown => "SERVFAIL",
            Self::Refused => "REFUSED",
            Self::Forwarded => "FORWARDED",
        }
    }
}

/// A record of the answer.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordFacts {
    /// Whose it is: the name's, or that of an alias's target.
    pub owner: String,
    /// In seconds.
    pub ttl: u32,
    /// Its type.
    #[serde(rename = "type")]
    pub rtype: String,
    /// Its data as text.
    pub data: String,
}

impl RecordFacts {
    /// Whether it belongs to an answer for this type: an alias stands in front of whatever is asked.
    pub fn is_told_for(&self, rtype: &str) -> bool {
        self.rtype == rtype || self.rtype == "CNAME"
    }
}

/// A Service.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceFacts {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.uid`.
    pub uid: Option<String>,
    /// `metadata.resourceVersion`.
    pub resource_version: Option<String>,
    /// For how many seconds it has been what it is, at least.
    pub age: Option<u64>,
    /// Whether it has a selector.
    pub selector: bool,
    /// Its cluster IPs; `None` alone for a headless one.
    #[serde(rename = "clusterIPs")]
    pub cluster_ips: Vec<String>,
    /// Where an alias leads, as it is written.
    pub external_name: Option<String>,
    /// Its ports.
    pub ports: Vec<PortFacts>,
    /// What it is to DNS, and why.
    pub classed: String,
}

/// A port, of a Service or of endpoints.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PortFacts {
    /// Its name; empty where it has none.
    pub name: String,
    /// Its protocol.
    pub protocol: String,
    /// Its number; nothing where endpoints listen on all.
    pub port: Option<u16>,
}

/// `name/protocol`, and how it is called where it has no name.
pub(super) fn port_name(name: &str, protocol: Protocol) -> String {
    let protocol = protocol_word(protocol);
    if name.is_empty() { format!("(unnamed)/{protocol}") } else { format!("{name}/{protocol}") }
}

/// A protocol as objects write it.
pub(super) fn protocol_word(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// An object that holds endpoints.
#[derive(Clone, Debug, Default, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SourceFacts {
    /// `EndpointSlice` or `Endpoints`.
    pub kind: String,
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// `metadata.uid`.
    pub uid: Option<String>,
    /// `metadata.resourceVersion`.
    pub resource_version: Option<String>,
    /// For how many seconds it has been what it is, at least.
    pub age: Option<u64>,
    /// Ready addresses.
    pub ready: usize,
    /// Addresses that are not ready.
    pub not_ready: usize,
    /// Addresses that are not published whether ready or not.
    pub dropped: usize,
    /// Why it does not count for the Service; nothing where it does.
    pub ignored: Option<String>,
}

/// An address that an object holds.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct EndpointFacts {
    /// The address.
    pub address: String,
    /// Whether it is published.
    pub state: EndpointState,
    /// The label in front of the Service's name under which it is found.
    pub label: String,
    /// The object: `EndpointSlice/NAME` or `Endpoints/NAME`, of the Service's namespace.
    pub object: String,
    /// Why it is not published whether ready or not.
    pub dropped: Option<String>,
    /// Its ports.
    pub ports: Vec<PortFacts>,
}

/// Whether an endpoint is published.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
pub enum EndpointState {
    /// It is.
    #[serde(rename = "ready")]
    Ready,
    /// It is not ready.
    #[serde(rename = "not ready")]
    NotReady,
    /// No endpoint may have such an address.
    #[serde(rename = "dropped")]
    Dropped,
    /// Its object does not count.
    #[serde(rename = "ignored")]
    Ignored,
}

impl EndpointState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Ready, Self::NotReady, Self::Dropped, Self::Ignored];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::NotReady => "not ready",
            Self::Dropped => "dropped",
            Self::Ignored => "ignored",
        }
    }
}

/// Something that looks wrong.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The object: `KIND/NAMESPACE/NAME`.
    pub object: String,
    /// What is wrong with it, and what to do.
    pub text: String,
}

/// What was answered from.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ViewFacts {
    /// The serial of its SOA records.
    pub serial: u32,
    /// How many seconds ago it was published.
    pub age: Option<u64>,
    /// What it is worth.
    pub state: ViewState,
    /// What is waited for, or why it may be out of date.
    pub note: Option<String>,
}

/// What a view is worth.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ViewState {
    /// Every list is complete.
    Complete,
    /// Some are not.
    Waiting,
    /// It may be out of date.
    Doubtful,
}

impl ViewState {
    /// Every state.
    pub const ALL: [Self; 3] = [Self::Complete, Self::Waiting, Self::Doubtful];

    /// The word for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::Waiting => "waiting",
            Self::Doubtful => "doubtful",
        }
    }
}

/// `name/protocol/number`, with `*` for all numbers.
impl fmt::Display for PortFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/", self.name, self.protocol)?;
        match self.port {
            Some(port) => write!(f, "{port}"),
            None => f.write_str("*"),
        }
    }
}
