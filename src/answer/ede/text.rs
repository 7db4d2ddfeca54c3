//! Why an answer is what it is, as one short sentence: made of the typed cause, the asked name and
//! what the view has there.
//!
//! A sentence names what the asker has named, numbers, and ports of the Service that was asked for;
//! never a namespace, a Service or a pod that the name does not stand for, though an alias may lead
//! there. Names are written in presentation form (RFC 1035, section 5.1). Nothing is allocated.

use std::fmt::{Result, Write};

use super::super::cause::{Cause, Failure, KeptAs, NoTransfer};
use super::super::query::Asked;
use super::super::resolve::{Located, Node, locate, pod_address, protocol, reverse_address};
use super::super::write::rtype;
use crate::cluster::{Kind, KindSet, Protocol, Refusal, Refused};
use crate::name::write_label;
use crate::zone::record::{
    A_LEN, AAAA_LEN, EndpointsRef, FrontKind, PortRef, Record, Share, Unusable,
};
use crate::zone::{Choice, NamespaceFilter, Selectorless, View};

/// Writes why the answer to this question is what it is; nothing where there is nothing to say. The
/// view is the one that was answered from, if any was. An error is one of `out`.
pub fn write_cause(
    view: Option<&View>,
    asked: &Asked,
    qtype: u16,
    cause: Cause,
    out: &mut impl Write,
) -> Result {
    match view.and_then(|view| Some(Place { view, asked, located: locate(view, asked)? })) {
        Some(place) => place.write(qtype, cause, out),
        None => out.write_str(without_view(qtype, cause)),
    }
}

/// What can be said without a view: what upstreams and the configuration do, and where `rewrite` has had
/// another name looked up, only that, since the asker has not named it.
fn without_view(qtype: u16, cause: Cause) -> &'static str {
    match cause {
        Cause::NotOurs => "no zone here holds the name, and it is not forwarded",
        Cause::Upstream(Failure::Unreachable) => "no upstream answers",
        Cause::Upstream(Failure::Unusable) => "an upstream fails",
        Cause::Upstream(Failure::Nobody) => "there is no upstream to ask",
        Cause::Upstream(Failure::TooMany) => "too many queries wait for upstreams",
        Cause::Upstream(Failure::TooManyOfClient) => {
            "too many queries of this client wait for upstreams"
        }
        Cause::Kept(KeptAs::Stale) => "kept past its TTL",
        Cause::Kept(KeptAs::Fresh) => "an upstream failed a moment ago",
        Cause::Blocked => "'acl' blocks this",
        Cause::Filtered => "'acl' filters this",
        Cause::NotServed if is_query_only(qtype) => "the type is not served",
        Cause::NoTransfer(why) => no_transfer(why),
        Cause::NotServed => "only class IN is served",
        Cause::Malformed => "only the opcode QUERY is served",
        Cause::BareAlias => "externalName leads out of our zones, and nobody was asked",
        Cause::TargetMissing => "what externalName leads to does not exist",
        Cause::AliasLoop => "externalName leads back to itself",
        Cause::BadRewrite => "'rewrite' makes no name of this one",
        Cause::AliasChain => "more than 10 externalNames lead one to the next",
        Cause::NoData => "'rewrite' has another name looked up, which has no such record",
        Cause::NoSuchName
        | Cause::NoNamespace
        | Cause::NoService
        | Cause::NoEndpointLabel
        | Cause::NoPort
        | Cause::NoneReady { .. }
        | Cause::BelowAlias
        | Cause::UnusableAlias(_)
        | Cause::PodsDisabled
        | Cause::NoPod
        | Cause::NoAddress => "'rewrite' has another name looked up, which does not exist",
        _ => "",
    }
}

fn no_transfer(why: NoTransfer) -> &'static str {
    match why {
        NoTransfer::Unlisted => "no 'transfer' hands over this zone",
        NoTransfer::Stranger => "no 'transfer to' names your address",
        NoTransfer::NotAZone => "only whole forward zones are transferred, and this is none",
        NoTransfer::Datagram => "AXFR is answered over TCP alone",
        NoTransfer::NoSerial => "IXFR lacks the one SOA record that says the serial you have",
        NoTransfer::TooMany => "as many transfers as may be are under way; ask again",
    }
}

/// Types of queries that no record has (RFC 1035, section 3.2.3).
fn is_query_only(qtype: u16) -> bool {
    matches!(qtype, rtype::MAILA | rtype::MAILB)
}

/// A name of ours.
struct Place<'a> {
    view: &'a View,
    asked: &'a Asked,
    located: Located<'a>,
}

impl Place<'_> {
    fn write(&self, qtype: u16, cause: Cause, out: &mut impl Write) -> Result {
        match cause {
            Cause::NoSuchName => self.no_such_name(out),
            Cause::NoNamespace => self.no_namespace(out),
            Cause::NoService => self.no_service(out),
            Cause::NoEndpointLabel => self.no_endpoint_label(out),
            Cause::NoPort => self.no_port(out),
            Cause::NoneReady { ready, total } => self.none_ready(ready, total, out),
            Cause::BelowAlias => {
                self.named("service", 3, out)?;
                out.write_str(" is an ExternalName; nothing stands below it")
            }
            Cause::UnusableAlias(why) => self.unusable(why, out),
            Cause::PodsDisabled => out.write_str("names of pods are off ('pods disabled')"),
            Cause::NoPod => self.no_pod(out),
            Cause::NoAddress => self.no_address(out),
            Cause::Chosen(choice) => self.chosen(choice, out),
            Cause::AnnotationIgnored => self.annotation_ignored(out),
            Cause::Waiting(kinds) => waiting(kinds, self.view.refused(), out),
            Cause::NoData => self.no_data(qtype, out),
            Cause::Plain if qtype == rtype::ANY => {
                out.write_str("ANY: one set of records (RFC 8482)")
            }
            other => out.write_str(without_view(qtype, other)),
        }
    }

    /// The label so many in front of the zone; nothing where the name is shorter.
    fn label(&self, in_front: usize) -> &[u8] {
        self.located.depth.checked_sub(in_front).map_or(&[], |index| self.asked.label(index))
    }

    /// `service db`, of the label so many in front of the zone.
    fn named(&self, what: &str, in_front: usize, out: &mut impl Write) -> Result {
        write!(out, "{what} ")?;
        write_label(out, self.label(in_front))
    }

    /// The record of `S.N.svc` and of all names below it.
    fn record(&self) -> Option<Record<'_>> {
        let depth = self.located.depth;
        self.view.service(self.asked.slice(depth.checked_sub(3)?, depth - 1))
    }

    fn no_such_name(&self, out: &mut impl Write) -> Result {
        match self.label(1) {
            b"svc" | b"endpoints" => {
                out.write_str("no such name below ")?;
                self.named("service", 3, out)
            }
            b"dns" => out.write_str("only ns stands below dns"),
            b"dns-version" => out.write_str("nothing stands below dns-version"),
            _ => {
                self.named("no", 1, out)?;
                out.write_str(" in this zone; names in it end with svc, pod or endpoints")
            }
        }
    }

    fn no_namespace(&self, out: &mut impl Write) -> Result {
        self.named("no namespace", 2, out)?;
        let all = self.view.spec().namespaces == NamespaceFilter::All;
        out.write_str(if all { "" } else { " among those exposed" })
    }

    fn no_service(&self, out: &mut impl Write) -> Result {
        self.named("no service", 3, out)?;
        self.named(" in namespace", 2, out)?;
        let all = self.view.spec().labels.is_none();
        out.write_str(if all { "" } else { " with the labels of 'labels'" })
    }

    fn no_endpoint_label(&self, out: &mut impl Write) -> Result {
        if self.record().is_some_and(|record| self.keeps_no_endpoints(record)) {
            return self.none_ready(0, 0, out);
        }
        self.named("no ready endpoint", 4, out)?;
        let (ready, total) = self.record().map_or((0, 0), Record::readiness);
        write!(out, "; {ready} of {total} endpoints ready")
    }

    /// Whether the configuration lets no endpoint of this Service be known.
    fn keeps_no_endpoints(&self, record: Record<'_>) -> bool {
        let spec = self.view.spec();
        let has_selector = !record.is_selectorless();
        let has_cluster_ip = matches!(record.kind(), FrontKind::Cluster | FrontKind::Ignored);
        spec.no_endpoints || spec.headless_endpoints_only && has_selector && has_cluster_ip
    }

    fn none_ready(&self, ready: u32, total: u32, out: &mut impl Write) -> Result {
        match self.record() {
            _ if self.view.spec().no_endpoints => out.write_str("'noendpoints' keeps no endpoints"),
            Some(record) if self.keeps_no_endpoints(record) => {
                out.write_str("'endpoints headless' keeps none of a service with a cluster IP")
            }
            record => {
                write!(out, "{ready} of {total} endpoints ready")?;
                match record.map(Record::kind) {
                    Some(FrontKind::Ignored) => out.write_str(", and 'ignore empty_service'"),
                    _ => Ok(()),
                }
            }
        }
    }

    fn unusable(&self, why: Unusable, out: &mut impl Write) -> Result {
        out.write_str("externalName ")?;
        let text = self.record().map_or(&[][..], Record::target);
        for (index, part) in text.split(|octet| *octet == b'.').enumerate() {
            out.write_str(if index == 0 { "" } else { "." })?;
            write_label(out, part)?;
        }
        out.write_str(match why {
            Unusable::Address => " is an address, not a name",
            Unusable::NotAName => " is no domain name",
        })
    }

    fn no_pod(&self, out: &mut impl Write) -> Result {
        if self.located.depth != 3 {
            return out.write_str("nothing stands below the name of a pod");
        }
        let Some(address) = pod_address(self.label(3)) else {
            write_label(out, self.label(3))?;
            return out.write_str(" is no address; pods are asked for as 10-0-0-1");
        };
        write!(out, "no pod with {address}")?;
        self.named(" in namespace", 2, out)
    }

    fn no_address(&self, out: &mut impl Write) -> Result {
        match reverse_address(self.asked) {
            Some(address) => write!(out, "no service or ready endpoint has {address}"),
            None => out.write_str("no known address stands here"),
        }
    }

    fn chosen(&self, choice: Choice, out: &mut impl Write) -> Result {
        let Some(record) = self.record() else { return Ok(()) };
        out.write_str("cluster IP: ")?;
        let spec = self.view.spec();
        match (choice, record.mismatch()) {
            (Choice::PortRemapped, Some((port, number))) => {
                out.write_str("port ")?;
                if port.name.is_empty() {
                    write!(out, "{} of the service is {number}", port.number)?;
                } else {
                    write_label(out, port.name)?;
                    write!(out, " is {} on the service, {number}", port.number)?;
                }
                out.write_str(" on its endpoints")?;
            }
            (Choice::PortMissing, Some((port, _))) => {
                out.write_str("its endpoints lack port ")?;
                write_port(port, out)?;
                if !port.name.is_empty() {
                    write!(out, ", {} on the service", port.number)?;
                }
            }
            (Choice::PortRemapped, None) => out.write_str("its endpoints have other ports")?,
            (Choice::PortMissing, None) => out.write_str("its endpoints lack a port")?,
            (Choice::Managed, _) => out.write_str("a controller wrote its endpoints")?,
            (Choice::Affinity, _) => out.write_str("sessionAffinity is set")?,
            (Choice::TrafficPolicy, _) => out.write_str("internalTrafficPolicy is not Cluster")?,
            (Choice::NoReadyEndpoint, _) => match record.readiness() {
                (0, total) => self.none_ready(0, total, out)?,
                _ => out.write_str("no ready endpoint has an address of its ipFamilies")?,
            },
            (Choice::Kubernetes, _) => out.write_str("always that of this service")?,
            (Choice::Setting, _) if spec.selectorless == Selectorless::ClusterIp => {
                out.write_str("'selectorless cluster-ip'")?;
            }
            (Choice::Setting, _) => out.write_str("its annotation says cluster-ip")?,
            (Choice::Direct, _) => {}
        }
        if record.ignores_annotation() {
            out.write_str("; ")?;
            self.annotation_ignored(out)?;
        }
        Ok(())
    }

    fn annotation_ignored(&self, out: &mut impl Write) -> Result {
        out.write_str("annotation fingerpost.dev/selectorless ignored: ")?;
        out.write_str(match self.record() {
            Some(record) if record.is_selectorless() => "not endpoints, cluster-ip or auto",
            _ => "the service has a selector",
        })
    }

    fn no_port(&self, out: &mut impl Write) -> Result {
        let [name, proto] = match self.located.depth {
            4 => [&[][..], self.label(4)],
            _ => [self.label(5), self.label(4)],
        };
        let Some(proto) = protocol(proto) else {
            if is_protocol(proto) {
                return out.write_str("names of ports have underscores, as in _http._tcp");
            }
            out.write_str("no such name below ")?;
            return self.named("service", 3, out);
        };
        match name.split_first() {
            None => write!(out, "no named port of {}", protocol_name(proto))?,
            Some((b'_', name)) => {
                out.write_str("no port ")?;
                write_label(out, name)?;
            }
            Some(_) => return out.write_str("names of ports have underscores, as in _http._tcp"),
        }
        let Some(record) = self.record() else { return Ok(()) };
        if record.kind() == FrontKind::Cluster {
            ports(record.ports(), out)
        } else {
            let named = record.endpoints().into_iter().flat_map(EndpointsRef::named);
            ports(named.map(|(port, _)| port), out)
        }
    }

    fn no_data(&self, qtype: u16, out: &mut impl Write) -> Result {
        let node = self.located.resolve(self.view, self.asked);
        match node {
            Node::Empty => return out.write_str("no records at this name, only below it"),
            Node::Alias(_) => {
                return out.write_str("no such record at the name that externalName leads to");
            }
            _ => {}
        }
        let asked = known_type(qtype).unwrap_or("such");
        write!(out, "no {asked} record")?;
        let mut separator = "; this name has ";
        let has = self.types(&node);
        for (_, name) in TYPES.iter().zip(has).filter(|(_, has)| *has).map(|(name, _)| name) {
            write!(out, "{separator}{name}")?;
            separator = ", ";
        }
        Ok(())
    }

    /// Which of [`TYPES`] a name has.
    fn types(&self, node: &Node<'_>) -> [bool; TYPES.len()] {
        let [a, aaaa, srv, txt, ptr, soa] = match node {
            Node::Front(record) => {
                let srv = match record.endpoints() {
                    Some(all) if record.kind() == FrontKind::Endpoints => all.has_ports(),
                    _ => record.ports().next().is_some(),
                };
                let [a, aaaa] = [record.front_a(), record.front_aaaa()].map(|set| !set.is_empty());
                [a, aaaa, srv, false, false, false]
            }
            Node::Port(record, protocol, share) => {
                let [a, aaaa] = self.port_families(*record, *protocol, *share);
                [a, aaaa, true, false, false, false]
            }
            Node::Endpoints(all) => {
                let [a, aaaa] = [all.a(), all.aaaa()].map(|set| !set.is_empty());
                [a, aaaa, all.has_ports(), false, false, false]
            }
            Node::Label(label) => {
                let srv = label.ports().any(|port| port.number != 0);
                [
                    label.a().next().is_some(),
                    label.aaaa().next().is_some(),
                    srv,
                    false,
                    false,
                    false,
                ]
            }
            Node::Pod(address) => {
                [address.is_ipv4(), address.is_ipv6(), false, false, false, false]
            }
            Node::NameServer => {
                let local = &self.view.spec().local_addresses;
                let has = |v4| local.iter().any(|address| address.is_ipv4() == v4);
                [has(true), has(false), false, false, false, false]
            }
            Node::Version => [false, false, false, true, false, false],
            Node::Address(_) => [false, false, false, false, true, false],
            Node::Apex => [false, false, false, false, false, true],
            Node::Missing(_) | Node::Empty | Node::Alias(_) | Node::Waiting(_) => [false; 6],
        };
        [a, aaaa, srv, txt, ptr, soa, soa]
    }

    /// Whether an IPv4 and an IPv6 address of the Service has the asked port.
    fn port_families(&self, record: Record<'_>, protocol: Protocol, share: Share) -> [bool; 2] {
        let fronts = [record.front_a(), record.front_aaaa()];
        let Some(all) = record.endpoints().filter(|_| share == Share::Some) else {
            return fronts.map(|set| !set.is_empty());
        };
        let name = self.label(5).strip_prefix(b"_").unwrap_or(&[]);
        let has = |v6: bool, count: usize| {
            (0..count).any(|at| all.ports_of(v6, at).any(|port| port.is(protocol, name)))
        };
        let [v4, v6] = fronts.map(|set| !set.is_empty());
        [v4 && has(false, all.a().len() / A_LEN), v6 && has(true, all.aaaa().len() / AAAA_LEN)]
    }
}

/// The types that names have, each with its mnemonic.
const TYPES: [(u16, &str); 7] = [
    (rtype::A, "A"),
    (rtype::AAAA, "AAAA"),
    (rtype::SRV, "SRV"),
    (rtype::TXT, "TXT"),
    (rtype::PTR, "PTR"),
    (rtype::SOA, "SOA"),
    (rtype::NS, "NS"),
];

fn known_type(qtype: u16) -> Option<&'static str> {
    TYPES.into_iter().find(|known| known.0 == qtype).map(|known| known.1)
}

/// `; ports: sql/TCP, 8080/TCP`.
fn ports<'p>(ports: impl Iterator<Item = PortRef<'p>>, out: &mut impl Write) -> Result {
    let mut separator = "; ports: ";
    for port in ports {
        out.write_str(separator)?;
        separator = ", ";
        write_port(port, out)?;
    }
    Ok(())
}

/// `sql/TCP`; its number where it has no name.
fn write_port(port: PortRef<'_>, out: &mut impl Write) -> Result {
    if port.name.is_empty() {
        write!(out, "{}", port.number)?;
    } else {
        write_label(out, port.name)?;
    }
    write!(out, "/{}", protocol_name(port.protocol))
}

fn protocol_name(protocol: Protocol) -> &'static str {
    match protocol {
        Protocol::Tcp => "TCP",
        Protocol::Udp => "UDP",
        Protocol::Sctp => "SCTP",
    }
}

/// Whether somebody meant a protocol and left out its underscore.
fn is_protocol(label: &[u8]) -> bool {
    matches!(label, b"tcp" | b"udp" | b"sctp")
}

/// `waiting for namespaces, services; pods: forbidden`.
fn waiting(kinds: KindSet, refused: Refused, out: &mut impl Write) -> Result {
    let mut rest = kinds;
    let why = Refusal::ALL.map(|why| {
        let of = kinds.and(refused.by(why));
        rest = rest.without(of);
        (of, why.words())
    });
    let mut separator = "";
    if !rest.is_empty() {
        out.write_str("waiting for ")?;
        list(rest, out)?;
        separator = "; ";
    }
    for (kinds, words) in why.into_iter().filter(|(kinds, _)| !kinds.is_empty()) {
        out.write_str(separator)?;
        list(kinds, out)?;
        write!(out, ": {words}")?;
        separator = "; ";
    }
    Ok(())
}

fn list(kinds: KindSet, out: &mut impl Write) -> Result {
    let mut separator = "";
    kinds.iter().map(Kind::resource).try_for_each(|resource| {
        let part = write!(out, "{separator}{resource}");
        separator = ", ";
        part
    })
}
