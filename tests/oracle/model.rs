//! What schema.md, sections 2 to 4 and 6, says that names answer, computed the naive way: from the
//! objects to the answer, each time anew, with nothing of the crate's zone room in it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use fingerpost::cluster::{
    AddressFamily, ClusterIps, Endpoint, EndpointPort, ManagedBy, Object, Protocol, Service,
    SliceAddresses,
};
use fingerpost::zone::{Pods, Selectorless, Spec};

/// The zone that everything is in.
pub(crate) const ZONE: &str = "cluster.local";

pub(crate) const A: u16 = 1;
pub(crate) const CNAME: u16 = 5;
pub(crate) const PTR: u16 = 12;
pub(crate) const AAAA: u16 = 28;
pub(crate) const SRV: u16 = 33;

/// The data of a record, names as text without a trailing dot.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Data {
    A(Ipv4Addr),
    Aaaa(Ipv6Addr),
    Cname(String),
    Ptr(String),
    Srv { weight: u16, port: u16, target: String },
}

/// What a query is answered.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(crate) struct Expected {
    /// The response code: 0, 2, 3 or 5.
    pub(crate) rcode: u16,
    /// Owner and data of each record of the answer section.
    pub(crate) answers: BTreeSet<(String, Data)>,
    /// Whether our SOA stands in the authority section.
    pub(crate) soa: bool,
}

/// What stands at a name.
pub(crate) enum Truth {
    Outside,
    Missing,
    Alias(String),
    Records(BTreeSet<Data>),
}

/// The objects, and what the configuration says.
pub(crate) struct Model<'a> {
    pub(crate) spec: &'a Spec,
    pub(crate) objects: &'a [Object],
}

/// A port of an endpoint: number (none: all), protocol, name.
type Port = (Option<u16>, Protocol, String);

/// One ready address of one endpoint of one object.
#[derive(Clone)]
struct Row {
    address: IpAddr,
    label: String,
    ports: Vec<Port>,
    managed: bool,
}

impl Model<'_> {
    /// What a query for a name of the zones is answered.
    pub(crate) fn answer(&self, name: &str, qtype: u16) -> Expected {
        let mut answers = BTreeSet::new();
        let mut seen = vec![name.to_owned()];
        loop {
            let current = seen.last().expect("never empty").clone();
            match self.lookup(&current) {
                Truth::Outside if seen.len() == 1 => {
                    return Expected { rcode: 5, ..Expected::default() };
                }
                Truth::Outside => return Expected { answers, ..Expected::default() },
                Truth::Missing => return Expected { rcode: 3, answers, soa: true },
                Truth::Alias(target) => {
                    answers.insert((current, Data::Cname(target.clone())));
                    if qtype == CNAME {
                        return Expected { answers, ..Expected::default() };
                    }
                    if seen.contains(&target) || seen.len() > 10 {
                        return Expected { rcode: 2, ..Expected::default() };
                    }
                    seen.push(target);
                }
                Truth::Records(records) => {
                    let of_type: Vec<Data> =
                        records.into_iter().filter(|data| data.rtype() == qtype).collect();
                    let soa = of_type.is_empty();
                    answers.extend(of_type.into_iter().map(|data| (current.clone(), data)));
                    return Expected { rcode: 0, answers, soa };
                }
            }
        }
    }

    /// What stands at a name.
    pub(crate) fn lookup(&self, name: &str) -> Truth {
        for (suffix, most) in [("in-addr.arpa", 4), ("ip6.arpa", 32)] {
            if let Some(labels) = below(name, suffix) {
                return self.reverse(&labels, most);
            }
        }
        let Some(labels) = below(name, ZONE) else { return Truth::Outside };
        match labels.as_slice() {
            [] | ["dns" | "dns-version" | "svc" | "endpoints" | "pod"] => nothing(),
            ["ns", "dns"] => records(self.spec.local_addresses.iter().map(|ip| address(*ip))),
            [namespace, "svc" | "endpoints"] if self.has_namespace(namespace) => nothing(),
            [.., "pod"] => self.pod(&labels),
            [front @ .., service, namespace, side @ ("svc" | "endpoints")] => {
                let Some(service) = self.service(namespace, service) else {
                    return Truth::Missing;
                };
                if let Some(target) = &service.external_name {
                    let at_front = *side == "svc" && front.is_empty();
                    return alias(target).filter(|_| at_front).map_or(Truth::Missing, Truth::Alias);
                }
                if *side == "svc" {
                    self.at_service(service, front)
                } else {
                    self.at_endpoints(service, front)
                }
            }
            _ => Truth::Missing,
        }
    }

    /// `front.S.N.svc`.
    fn at_service(&self, service: &Service, front: &[&str]) -> Truth {
        let rows = self.rows(service);
        if let [_] = front
            && let found @ Truth::Records(_) =
                self.at_endpoints(service, front.strip_prefix(&["_endpoints"][..]).unwrap_or(front))
        {
            return found;
        }
        let Some(front_ips) = self.front(service, &rows) else { return Truth::Missing };
        let by_endpoints = self.is_by_endpoints(service, &rows);
        let own = full(&[&service.meta.key.name, &service.meta.key.namespace, "svc", ZONE]);
        // Where one family alone stands for the Service, an SRV record still needs no more than a
        // label that has an address of that family: its ports, and N, are those of both.
        let in_front: BTreeSet<&str> = rows
            .iter()
            .filter(|row| front_ips.contains(&row.address))
            .map(|row| row.label.as_str())
            .collect();
        let shown = |records: BTreeSet<Data>| {
            let is_shown = |data: &Data| match data {
                Data::Srv { target, .. } => {
                    target.split_once('.').is_some_and(|(label, _)| in_front.contains(label))
                }
                _ => true,
            };
            records.into_iter().filter(is_shown).collect::<BTreeSet<Data>>()
        };
        let named_protocol = |wanted: Protocol| {
            let of = |protocol: Protocol, name: &str| protocol == wanted && !name.is_empty();
            if by_endpoints {
                rows.iter().flat_map(|row| &row.ports).any(|port| of(port.1, &port.2))
            } else {
                service.ports.iter().any(|port| of(port.protocol, &port.name))
            }
        };
        // Of a Service that is answered directly, the families that it is answered in.
        let answered = |ip: IpAddr| front_ips.iter().any(|front| front.is_ipv4() == ip.is_ipv4());
        match front {
            [] => {
                let mut all: BTreeSet<Data> = front_ips.iter().map(|ip| address(*ip)).collect();
                all.extend(if by_endpoints {
                    shown(endpoint_srv(service, &rows, &answered, None))
                } else {
                    let numbers = service.ports.iter().map(|port| port.port).collect();
                    service_srv(numbers, front_ips.len(), &own)
                });
                Truth::Records(all)
            }
            [protocol] => match protocol_of(protocol) {
                Some(protocol) if named_protocol(protocol) => nothing(),
                _ => Truth::Missing,
            },
            [port, protocol] => {
                let (Some(name), Some(protocol)) = (port.strip_prefix('_'), protocol_of(protocol))
                else {
                    return Truth::Missing;
                };
                if name.is_empty() {
                    return Truth::Missing;
                }
                if by_endpoints {
                    let is = |port: &Port| port.1 == protocol && port.2 == name;
                    let with = |row: &&Row| row.ports.iter().any(is);
                    if !rows.iter().any(|row| with(&row)) {
                        return Truth::Missing;
                    }
                    let ips = rows.iter().filter(with).map(|row| row.address);
                    let mut all: BTreeSet<Data> =
                        ips.filter(|ip| front_ips.contains(ip)).map(address).collect();
                    all.extend(shown(endpoint_srv(service, &rows, &answered, Some(&is))));
                    return Truth::Records(all);
                }
                let numbers: Vec<u16> = service
                    .ports
                    .iter()
                    .filter(|port| port.protocol == protocol && &*port.name == name)
                    .map(|port| port.port)
                    .collect();
                if numbers.is_empty() {
                    return Truth::Missing;
                }
                let mut all: BTreeSet<Data> = front_ips.iter().map(|ip| address(*ip)).collect();
                all.extend(service_srv(numbers, front_ips.len(), &own));
                Truth::Records(all)
            }
            _ => Truth::Missing,
        }
    }

    /// `front.S.N.endpoints`, and what of it stands below `S.N.svc` too.
    fn at_endpoints(&self, service: &Service, front: &[&str]) -> Truth {
        let rows = self.rows(service);
        if self.front(service, &rows).is_none() {
            return Truth::Missing;
        }
        let behind: Vec<Row> = match front {
            [] => rows,
            [label] => rows.into_iter().filter(|row| row.label == *label).collect(),
            _ => return Truth::Missing,
        };
        if behind.is_empty() {
            return Truth::Missing;
        }
        let mut all: BTreeSet<Data> = behind.iter().map(|row| address(row.address)).collect();
        all.extend(endpoint_srv(service, &behind, &|_| true, None));
        Truth::Records(all)
    }

    /// The addresses of the Service's own name; none where it does not exist.
    fn front(&self, service: &Service, rows: &[Row]) -> Option<BTreeSet<IpAddr>> {
        let ready = || rows.iter().map(|row| row.address).collect::<BTreeSet<IpAddr>>();
        let ClusterIps::Addresses(ips) = &service.cluster_ips else {
            return Some(ready()).filter(|ips| !ips.is_empty());
        };
        if self.spec.ignore_empty_service && rows.is_empty() && self.knows_endpoints(service) {
            return None;
        }
        if self.is_by_endpoints(service, rows) {
            let families = families(service);
            let fits = |ip: &IpAddr| families.contains(&AddressFamily::of(*ip));
            return Some(ready().into_iter().filter(fits).collect());
        }
        Some(ips.iter().copied().collect())
    }

    /// Section 3.
    fn is_by_endpoints(&self, service: &Service, rows: &[Row]) -> bool {
        if !matches!(service.cluster_ips, ClusterIps::Addresses(_)) {
            return true;
        }
        let key = &service.meta.key;
        let families = families(service);
        let rows: Vec<&Row> =
            rows.iter().filter(|row| families.contains(&AddressFamily::of(row.address))).collect();
        if service.has_selector
            || rows.is_empty()
            || (&*key.namespace, &*key.name) == ("default", "kubernetes")
        {
            return false;
        }
        match service.selectorless.as_deref() {
            Some("endpoints") => return true,
            Some("cluster-ip") => return false,
            Some("auto") => {}
            _ => match self.spec.selectorless {
                Selectorless::Endpoints => return true,
                Selectorless::ClusterIp => return false,
                Selectorless::Auto => {}
            },
        }
        let controlled = self.slices(service).any(|slice| slice.by == ManagedBy::Controller);
        let mut ports: BTreeMap<IpAddr, Vec<Port>> = BTreeMap::new();
        for row in &rows {
            ports.entry(row.address).or_default().extend(row.ports.iter().cloned());
        }
        let same = service.ports.iter().all(|wanted| {
            ports.values().all(|ports| {
                let mut named = ports
                    .iter()
                    .filter(|port| port.1 == wanted.protocol && port.2 == *wanted.name)
                    .peekable();
                named.peek().is_some()
                    && named.all(|port| port.0.is_none_or(|number| number == wanted.port))
            })
        });
        same && !controlled
            && !rows.iter().any(|row| row.managed)
            && !service.session_affinity
            && !service.local_traffic_only
    }

    fn knows_endpoints(&self, service: &Service) -> bool {
        let by_cluster_ip = matches!(service.cluster_ips, ClusterIps::Addresses(_));
        let left_out = self.spec.headless_endpoints_only && service.has_selector && by_cluster_ip;
        !self.spec.no_endpoints && !left_out
    }

    /// The ready endpoint addresses of a Service.
    fn rows(&self, service: &Service) -> Vec<Row> {
        let mut rows = Vec::new();
        if !self.knows_endpoints(service) {
            return rows;
        }
        for slice in self.slices(service) {
            let hand_written = slice.by != ManagedBy::Controller;
            let all_ready = hand_written && service.publish_not_ready;
            self.take(slice.endpoints, slice.ports, all_ready, &mut rows);
        }
        if self.slices(service).next().is_none() {
            for subset in self.endpoints(service).into_iter().flat_map(|found| &found.subsets) {
                let all_ready = service.publish_not_ready;
                self.take(&subset.endpoints, &subset.ports, all_ready, &mut rows);
            }
        }
        rows
    }

    fn take(&self, from: &[Endpoint], ports: &[EndpointPort], all: bool, rows: &mut Vec<Row>) {
        for endpoint in from.iter().filter(|endpoint| endpoint.ready || all) {
            for address in endpoint.addresses.iter().filter(|address| is_published(**address)) {
                let pod = endpoint.target_name.as_deref().filter(|name| !name.contains('.'));
                let pod = pod.filter(|_| self.spec.endpoint_pod_names);
                let label = endpoint.hostname.as_deref().or(pod).map(str::to_ascii_lowercase);
                rows.push(Row {
                    address: *address,
                    label: label.unwrap_or_else(|| dashed(*address)),
                    ports: ports.iter().map(|p| (p.port, p.protocol, (*p.name).into())).collect(),
                    managed: endpoint.managed,
                });
            }
        }
    }

    /// The slices that count.
    fn slices(&self, service: &Service) -> impl Iterator<Item = Slice<'_>> {
        let key = service.meta.key.clone();
        let mirrored = self.endpoints(service).is_some();
        self.objects.iter().filter_map(move |object| {
            let Object::EndpointSlice(slice) = object else { return None };
            let own = slice.meta.key.namespace == key.namespace
                && slice.service.as_deref() == Some(&*key.name)
                && slice.address_type != SliceAddresses::Fqdn
                && !(mirrored && slice.managed_by == ManagedBy::Mirroring);
            let (endpoints, ports) = (&slice.endpoints[..], &slice.ports[..]);
            own.then_some(Slice { by: slice.managed_by, endpoints, ports })
        })
    }

    /// The Endpoints object that counts.
    fn endpoints(&self, service: &Service) -> Option<&fingerpost::cluster::Endpoints> {
        self.objects.iter().find_map(|object| match object {
            Object::Endpoints(found) if found.meta.key == service.meta.key => {
                Some(found).filter(|found| !found.not_for_services && !service.has_selector)
            }
            _ => None,
        })
    }

    fn has_namespace(&self, name: &str) -> bool {
        let is = |o: &Object| matches!(o, Object::Namespace(n) if &*n.meta.key.name == name);
        self.objects.iter().any(is)
    }

    fn service(&self, namespace: &str, name: &str) -> Option<&Service> {
        let found = self.services().find(|service| {
            &*service.meta.key.namespace == namespace && &*service.meta.key.name == name
        });
        found.filter(|_| self.has_namespace(namespace))
    }

    fn services(&self) -> impl Iterator<Item = &Service> {
        self.objects.iter().filter_map(|object| match object {
            Object::Service(service) => Some(service),
            _ => None,
        })
    }

    /// Section 6, pods.
    fn pod(&self, labels: &[&str]) -> Truth {
        let (label, namespace) = match labels {
            [namespace, _] => (None, namespace),
            [label, namespace, _] => (Some(label), namespace),
            _ => return Truth::Missing,
        };
        if self.spec.pods == Pods::Disabled || !self.has_namespace(namespace) {
            return Truth::Missing;
        }
        let Some(label) = label else { return nothing() };
        let v4 = label.replace('-', ".").parse().map(IpAddr::V4);
        let v6 = || label.replace('-', ":").parse::<Ipv6Addr>().ok();
        let v6 = || v6().filter(|ip| ip.to_ipv4_mapped().is_none()).map(IpAddr::V6);
        let Some(ip) = v4.ok().or_else(v6) else { return Truth::Missing };
        let lives = self.objects.iter().any(|object| {
            matches!(object, Object::Pod(pod)
                if pod.live && &*pod.meta.key.namespace == *namespace && pod.ips.contains(&ip))
        });
        if self.spec.pods == Pods::Verified && !lives {
            return Truth::Missing;
        }
        records([address(ip)].into_iter())
    }

    /// Section 6, reverse. `labels` stand in front of the zone, `most` make an address.
    fn reverse(&self, labels: &[&str], most: usize) -> Truth {
        let claims = self.claims();
        let suffix = if most == 4 { "in-addr.arpa" } else { "ip6.arpa" };
        let name = full(&[&labels.join("."), suffix]);
        let found = claims.iter().find(|(ip, _)| reverse_name(**ip) == name);
        if let Some((_, claims)) = found {
            let cluster = claims.iter().any(|claim| claim.0);
            let those = claims.iter().filter(|claim| claim.0 == cluster);
            return records(those.map(|claim| Data::Ptr(claim.1.clone())));
        }
        let below = format!(".{name}");
        if labels.is_empty() || claims.keys().any(|ip| reverse_name(*ip).ends_with(&below)) {
            nothing()
        } else {
            Truth::Missing
        }
    }

    /// Who claims each address: whether as a cluster IP, and under which name.
    fn claims(&self) -> BTreeMap<IpAddr, Vec<(bool, String)>> {
        let mut claims: BTreeMap<IpAddr, Vec<(bool, String)>> = BTreeMap::new();
        for service in self.services().filter(|service| service.external_name.is_none()) {
            let (name, namespace) = (&*service.meta.key.name, &*service.meta.key.namespace);
            let rows = self.rows(service);
            if !self.has_namespace(namespace) || self.front(service, &rows).is_none() {
                continue;
            }
            let own = full(&[name, namespace, "svc", ZONE]);
            let mut of_service: BTreeMap<IpAddr, (bool, String)> = BTreeMap::new();
            for row in &rows {
                let name = format!("{}.{own}", row.label);
                let claim = of_service.entry(row.address).or_insert((false, name.clone()));
                claim.1 = claim.1.clone().min(name);
            }
            if let ClusterIps::Addresses(ips) = &service.cluster_ips {
                of_service.extend(ips.iter().map(|ip| (*ip, (true, own.clone()))));
            }
            for (ip, claim) in of_service {
                claims.entry(ip).or_default().push(claim);
            }
        }
        claims
    }
}

struct Slice<'a> {
    by: ManagedBy,
    endpoints: &'a [Endpoint],
    ports: &'a [EndpointPort],
}

impl Data {
    pub(crate) fn rtype(&self) -> u16 {
        match self {
            Self::A(_) => A,
            Self::Aaaa(_) => AAAA,
            Self::Cname(_) => CNAME,
            Self::Ptr(_) => PTR,
            Self::Srv { .. } => SRV,
        }
    }
}

/// One SRV record for each endpoint label and port number, weighed by the pairs behind them.
fn endpoint_srv(
    service: &Service,
    rows: &[Row],
    answered: &dyn Fn(IpAddr) -> bool,
    wanted: Option<&dyn Fn(&Port) -> bool>,
) -> BTreeSet<Data> {
    let (name, namespace) = (&*service.meta.key.name, &*service.meta.key.namespace);
    let is = |port: &Port| wanted.is_none_or(|wanted| wanted(port));
    let pairs = |row: &Row| match row.ports.iter().filter(|port| is(port)).count() {
        // An address without a port is one pair all the same.
        0 if wanted.is_none() => 1,
        n => n,
    };
    let weight = weight(rows.iter().filter(|row| answered(row.address)).map(pairs).sum());
    let mut records = BTreeSet::new();
    for row in rows {
        let target = full(&[&row.label, name, namespace, "svc", ZONE]);
        for (number, protocol, name) in row.ports.iter().filter(|port| is(port)) {
            // All ports of a manual endpoint: the Service's own among them.
            let own = service.ports.iter().filter(|own| {
                number.is_none()
                    && !service.has_selector
                    && own.protocol == *protocol
                    && *own.name == **name
            });
            for port in own.map(|own| own.port).chain(*number) {
                records.insert(Data::Srv { weight, port, target: target.clone() });
            }
        }
    }
    records
}

fn service_srv(numbers: Vec<u16>, ips: usize, target: &str) -> BTreeSet<Data> {
    let weight = weight(numbers.len() * ips);
    numbers.into_iter().map(|port| Data::Srv { weight, port, target: target.into() }).collect()
}

fn weight(pairs: usize) -> u16 {
    u16::try_from((100 / pairs.max(1)).max(1)).expect("at most 100")
}

fn families(service: &Service) -> Vec<AddressFamily> {
    match &service.cluster_ips {
        ClusterIps::Addresses(ips) if service.ip_families.is_empty() => {
            ips.iter().map(|ip| AddressFamily::of(*ip)).collect()
        }
        _ => service.ip_families.to_vec(),
    }
}

/// The target of an alias, if it can be one.
fn alias(text: &str) -> Option<String> {
    let text = text.strip_suffix('.').unwrap_or(text);
    let is_name = text.split('.').all(|label| !label.is_empty());
    (is_name && text.parse::<IpAddr>().is_err()).then(|| text.to_ascii_lowercase())
}

fn is_published(ip: IpAddr) -> bool {
    !["127.", "169.254.", "224.0.0.", "fe80:", "ff02:"]
        .iter()
        .any(|p| ip.to_string().starts_with(p))
        && !["0.0.0.0", "::", "::1"].contains(&ip.to_string().as_str())
}

fn protocol_of(label: &str) -> Option<Protocol> {
    let known = [("_tcp", Protocol::Tcp), ("_udp", Protocol::Udp), ("_sctp", Protocol::Sctp)];
    known.into_iter().find(|(name, _)| *name == label).map(|known| known.1)
}

fn address(ip: IpAddr) -> Data {
    match ip {
        IpAddr::V4(v4) => Data::A(v4),
        IpAddr::V6(v6) => Data::Aaaa(v6),
    }
}

/// The label of an address.
pub(crate) fn dashed(ip: IpAddr) -> String {
    let label = ip.to_string().replace(['.', ':'], "-");
    if label.ends_with('-') { label + "0" } else { label }
}

/// The name that an address is asked for by.
pub(crate) fn reverse_name(ip: IpAddr) -> String {
    let mut parts: Vec<String> = match ip {
        IpAddr::V4(v4) => v4.octets().iter().map(u8::to_string).collect(),
        IpAddr::V6(v6) => format!("{:032x}", v6.to_bits()).chars().map(String::from).collect(),
    };
    parts.reverse();
    let suffix = if ip.is_ipv4() { "in-addr.arpa" } else { "ip6.arpa" };
    full(&[&parts.join("."), suffix])
}

/// The labels in front of a suffix.
fn below<'n>(name: &'n str, suffix: &str) -> Option<Vec<&'n str>> {
    if name == suffix {
        return Some(Vec::new());
    }
    Some(name.strip_suffix(suffix)?.strip_suffix('.')?.split('.').collect())
}

fn full(parts: &[&str]) -> String {
    parts.iter().filter(|part| !part.is_empty()).copied().collect::<Vec<_>>().join(".")
}

fn nothing() -> Truth {
    Truth::Records(BTreeSet::new())
}

fn records(all: impl Iterator<Item = Data>) -> Truth {
    Truth::Records(all.collect())
}
