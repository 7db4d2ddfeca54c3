//! One object's values into the slim types, every fault of it told with its place and its cure.
//!
//! What is checked is what the API server would check of the fields that are looked at, so that a
//! manifest that is whole here is whole there.

use std::fmt;
use std::net::IpAddr;

use crate::cluster::{
    AddressFamily, Kind, Meta, Namespace, Object, ObjectKey, Protocol, parse_address,
};

use super::fault::{Bag, Shown};
use super::node::{Key, Node, Value, Word};
use super::{endpoints, service};

/// The longest DNS-1123 label, and the longest DNS-1123 subdomain, in octets, as Kubernetes has
/// them.
const MAX_LABEL: usize = 63;
const MAX_SUBDOMAIN: usize = 253;

/// The namespace of an object that names none.
const DEFAULT_NAMESPACE: &str = "default";

/// What `kind` says in an object of this kind.
pub(super) fn kind_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Namespace => "Namespace",
        Kind::Service => "Service",
        Kind::EndpointSlice => "EndpointSlice",
        Kind::Endpoints => "Endpoints",
        Kind::Pod => "Pod",
    }
}

/// Reads the mapping `node` as an object of this kind. Where something was added to `bag`, what
/// comes back is not to be used.
pub(super) fn object(kind: Kind, node: &Node<'_>, bag: &mut Bag) -> Option<Object> {
    let mut decoder = Decoder { bag, subject: subject(kind, node) };
    let root = Fields { node: Some(node), path: Path::Root };
    decoder.distinct(node, &Path::Root);
    let metadata = decoder.fields(&root, "metadata");
    let meta = decoder.meta(kind, node, &metadata);
    match kind {
        Kind::Namespace => meta.map(|meta| Object::Namespace(Namespace { meta })),
        Kind::Service => service::read(&mut decoder, meta, &root, &metadata).map(Object::Service),
        Kind::EndpointSlice => {
            endpoints::slice(&mut decoder, meta, &root).map(Object::EndpointSlice)
        }
        Kind::Endpoints => {
            endpoints::endpoints(&mut decoder, meta, &root, &metadata).map(Object::Endpoints)
        }
        Kind::Pod => service::pod(&mut decoder, meta, &root, &metadata).map(Object::Pod),
    }
}

/// What messages call an object: `EndpointSlice shop/db-1`.
fn subject(kind: Kind, node: &Node<'_>) -> String {
    let metadata = node.field("metadata");
    let of = |field| metadata.and_then(|node| node.field(field)).and_then(Node::as_written);
    let Some(name) = of("name").filter(|name| !name.is_empty()) else {
        return kind_name(kind).to_owned();
    };
    let namespace = match (kind, of("namespace")) {
        (Kind::Namespace, _) => "",
        (_, None | Some("")) => DEFAULT_NAMESPACE,
        (_, Some(namespace)) => namespace,
    };
    // The quotes that values are shown in are of no use around names that are as they should be.
    let tame = |text: &str| Shown(text).to_string().trim_matches('\'').to_owned();
    let slash = if namespace.is_empty() { "" } else { "/" };
    format!("{} {}{slash}{}", kind_name(kind), tame(namespace), tame(name))
}

/// The way from an object to one of its fields, as messages write it.
#[derive(Clone, Copy)]
pub(super) enum Path<'p> {
    Root,
    Field(&'p Path<'p>, &'p str),
    Item(&'p Path<'p>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => f.write_str(name),
            Self::Field(parent, name) => write!(f, "{parent}.{name}"),
            Self::Item(parent, index) => write!(f, "{parent}[{index}]"),
        }
    }
}

/// A mapping, or the lack of one, and the way to it.
#[derive(Clone, Copy)]
pub(super) struct Fields<'p, 'n> {
    pub(super) node: Option<&'n Node<'n>>,
    pub(super) path: Path<'p>,
}

impl<'n> Fields<'_, 'n> {
    /// The value of a field, if it is there and not null.
    pub(super) fn get(&self, field: &str) -> Option<&'n Node<'n>> {
        self.node.and_then(|node| node.field(field))
    }
}

/// The checks of one object.
pub(super) struct Decoder<'b> {
    bag: &'b mut Bag,
    subject: String,
}

impl Decoder<'_> {
    /// Adds a fault of the field at `path`.
    pub(super) fn fault(&mut self, at: usize, path: &Path<'_>, told: impl fmt::Display) {
        let space = if matches!(path, Path::Root) { "" } else { " " };
        self.bag.add(at, format!("{}: {path}{space}{told}", self.subject));
    }

    /// The mapping that is the value of `field`.
    pub(super) fn fields<'p, 'n>(
        &mut self,
        of: &'p Fields<'p, 'n>,
        field: &'p str,
    ) -> Fields<'p, 'n> {
        let path = Path::Field(&of.path, field);
        Fields { node: of.get(field).filter(|node| self.is_map(node, &path)), path }
    }

    /// Whether `node` is a mapping, each field of it written once.
    pub(super) fn is_map(&mut self, node: &Node<'_>, path: &Path<'_>) -> bool {
        if matches!(node.value, Value::Map(_)) {
            self.distinct(node, path);
            return true;
        }
        let told = format!("is {}; write a mapping", node.type_name());
        self.fault(node.at, path, told);
        false
    }

    fn distinct(&mut self, node: &Node<'_>, path: &Path<'_>) {
        let Value::Map(fields) = &node.value else { return };
        let mut keys: Vec<&Key<'_>> = fields.iter().map(|(key, _)| key).collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name).then(a.at.cmp(&b.at)));
        for pair in keys.windows(2) {
            if let [first, second] = pair
                && first.name == second.name
            {
                let path = Path::Field(path, &second.name);
                self.fault(second.at, &path, "is written twice; keep one");
            }
        }
    }

    /// The elements of the list that is the value of `field`; none for null.
    pub(super) fn list<'n>(&mut self, of: &Fields<'_, 'n>, field: &str) -> &'n [Node<'n>] {
        match of.get(field) {
            None => &[],
            Some(Node { value: Value::List(items), .. }) => items,
            Some(node) => {
                let told = format!("is {}; write a list", node.type_name());
                self.fault(node.at, &Path::Field(&of.path, field), told);
                &[]
            }
        }
    }

    /// The string that is the value of `field`; `None` where it is absent, null or empty.
    pub(super) fn text<'n>(&mut self, of: &Fields<'_, 'n>, field: &str) -> Option<&'n str> {
        let node = of.get(field)?;
        self.text_of(node, &Path::Field(&of.path, field)).filter(|text| !text.is_empty())
    }

    /// The string `node`.
    pub(super) fn text_of<'n>(&mut self, node: &'n Node<'n>, path: &Path<'_>) -> Option<&'n str> {
        if let Some(text) = node.as_text() {
            return Some(text);
        }
        let type_name = node.type_name();
        match node.as_written() {
            Some(word) => {
                let word = Shown(word);
                let told = format!("{word} is {type_name}, not a string; put it in double quotes");
                self.fault(node.at, path, told);
            }
            None => self.fault(node.at, path, format_args!("is {type_name}; write a string")),
        }
        None
    }

    /// The boolean that is the value of `field`.
    pub(super) fn boolean(&mut self, of: &Fields<'_, '_>, field: &str) -> Option<bool> {
        let node = of.get(field)?;
        if let Value::Plain(word) = &node.value {
            // kubectl reads YAML 1.1, where these are booleans too.
            match (Word::of(word), &**word) {
                (Word::Boolean(value), _) => return Some(value),
                (_, "yes" | "Yes" | "YES" | "on" | "On" | "ON") => return Some(true),
                (_, "no" | "No" | "NO" | "off" | "Off" | "OFF") => return Some(false),
                _ => {}
            }
        }
        let path = Path::Field(&of.path, field);
        let told = match node.as_written() {
            Some(word) => format!("{} is {}; write true or false", Shown(word), node.type_name()),
            None => format!("is {}; write true or false", node.type_name()),
        };
        self.fault(node.at, &path, told);
        None
    }

    /// The port number that is the value of `field`.
    pub(super) fn port(&mut self, of: &Fields<'_, '_>, field: &str) -> Option<u16> {
        let node = of.get(field)?;
        let path = Path::Field(&of.path, field);
        let written = node.as_written().unwrap_or_default();
        let told = match &node.value {
            Value::Plain(word) if Word::of(word) == Word::Number => match whole(word) {
                Some(Ok(port @ 1..)) => return Some(port),
                Some(_) => format!("{} is out of range; write 1 to 65535", Shown(word)),
                None => format!("{} is not a whole number; write 1 to 65535", Shown(word)),
            },
            Value::List(_) | Value::Map(_) => {
                format!("is {}; write a number from 1 to 65535", node.type_name())
            }
            _ if written.bytes().all(|b| b.is_ascii_digit()) && !written.is_empty() => {
                format!("{} is a string; write the number without quotes", Shown(written))
            }
            _ => format!(
                "{} is {}; write a number from 1 to 65535",
                Shown(written),
                node.type_name()
            ),
        };
        self.fault(node.at, &path, told);
        None
    }

    /// The protocol that is the value of `protocol`.
    pub(super) fn protocol(&mut self, of: &Fields<'_, '_>) -> Protocol {
        match self.text(of, "protocol") {
            None | Some("TCP") => Protocol::Tcp,
            Some("UDP") => Protocol::Udp,
            Some("SCTP") => Protocol::Sctp,
            Some(other) => {
                let told = format!("{} is no protocol; write TCP, UDP or SCTP", Shown(other));
                self.fault_at(of, "protocol", told);
                Protocol::Tcp
            }
        }
    }

    /// Adds a fault of a field, at its value if it is there, else at its mapping.
    pub(super) fn fault_at(&mut self, of: &Fields<'_, '_>, field: &str, told: impl fmt::Display) {
        let at = of.get(field).or(of.node).map_or(0, |node| node.at);
        self.fault(at, &Path::Field(&of.path, field), told);
    }

    /// The address `node`.
    pub(super) fn address(&mut self, node: &Node<'_>, path: &Path<'_>) -> Option<IpAddr> {
        let text = self.text_of(node, path)?;
        let address = parse_address(text).ok();
        if address.is_none() {
            let told = format!(
                "{} is not an IP address; write one address, without mask, zone or port",
                Shown(text)
            );
            self.fault(node.at, path, told);
        }
        address
    }

    /// The IP family that a word names.
    pub(super) fn family(&mut self, node: &Node<'_>, path: &Path<'_>) -> Option<AddressFamily> {
        match self.text_of(node, path)? {
            "IPv4" => Some(AddressFamily::V4),
            "IPv6" => Some(AddressFamily::V6),
            other => {
                let told = format!("{} is no IP family; write IPv4 or IPv6", Shown(other));
                self.fault(node.at, path, told);
                None
            }
        }
    }

    /// The DNS-1123 label that is the value of `field`; `None` where it is absent or empty.
    pub(super) fn label<'n>(&mut self, of: &Fields<'_, 'n>, field: &str) -> Option<&'n str> {
        let text = self.text(of, field)?;
        let told = if text.len() > MAX_LABEL {
            format!("{} is longer than {MAX_LABEL} characters; shorten it", Shown(text))
        } else if !is_label(text) {
            format!(
                "{} is not a DNS label; use a-z, 0-9 and '-', with a letter or digit at both ends",
                Shown(text)
            )
        } else {
            return Some(text);
        };
        self.fault_at(of, field, told);
        None
    }

    fn subdomain<'n>(&mut self, of: &Fields<'_, 'n>, field: &str) -> Option<&'n str> {
        let text = self.text(of, field)?;
        let told = if text.len() > MAX_SUBDOMAIN {
            format!("{} is longer than {MAX_SUBDOMAIN} characters; shorten it", Shown(text))
        } else if !text.split('.').all(is_label) {
            format!(
                "{} is not a DNS subdomain; use a-z, 0-9, '-' and '.', with a letter or digit at \
                 the ends of each part",
                Shown(text)
            )
        } else {
            return Some(text);
        };
        self.fault_at(of, field, told);
        None
    }

    fn meta(&mut self, kind: Kind, node: &Node<'_>, metadata: &Fields<'_, '_>) -> Option<Meta> {
        let name = match kind {
            Kind::Service | Kind::Namespace => self.label(metadata, "name"),
            Kind::EndpointSlice | Kind::Endpoints | Kind::Pod => self.subdomain(metadata, "name"),
        };
        let is_missing = |node: &Node<'_>| node.as_written() == Some("");
        if metadata.get("name").is_none_or(is_missing) {
            let at = metadata.node.map_or(node.at, |node| node.at);
            let path = Path::Field(&metadata.path, "name");
            self.fault(at, &path, "is missing; give the object a name");
        }
        let namespace = match kind {
            Kind::Namespace => Some(""),
            _ if metadata.get("namespace").is_none_or(is_missing) => Some(DEFAULT_NAMESPACE),
            _ => self.label(metadata, "namespace"),
        };
        let resource_version = self.text(metadata, "resourceVersion").map(Into::into);
        let uid = self.text(metadata, "uid").map(Into::into);
        let labels = self.labels(metadata);
        let key = ObjectKey::new(namespace?, name?);
        Some(Meta { key, resource_version, uid, labels })
    }

    fn labels(&mut self, metadata: &Fields<'_, '_>) -> Vec<(Box<str>, Box<str>)> {
        let fields = self.fields(metadata, "labels");
        let Some(Node { value: Value::Map(pairs), .. }) = fields.node else { return Vec::new() };
        let mut labels = Vec::with_capacity(pairs.len());
        for (key, node) in pairs {
            let path = Path::Field(&fields.path, &key.name);
            let value = if node.is_null() { Some("") } else { self.text_of(node, &path) };
            labels.extend(value.map(|value| (Box::from(&*key.name), Box::from(value))));
        }
        labels.sort_unstable();
        labels
    }
}

/// A number that may be a port: `None` if it has a fraction, an error if it fits no port.
fn whole(word: &str) -> Option<Result<u16, ()>> {
    let radix = |digits, base| Some(u16::from_str_radix(digits, base).map_err(|_| ()));
    if let Some(digits) = word.strip_prefix("0x") {
        return radix(digits, 16);
    }
    if let Some(digits) = word.strip_prefix("0o") {
        return radix(digits, 8);
    }
    let digits = word.strip_prefix(['-', '+']).unwrap_or(word);
    if !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(word.parse().map_err(|_| ()))
}

/// A DNS-1123 label, its length aside.
fn is_label(text: &str) -> bool {
    let inner = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    text.bytes().all(|b| inner(b) || b == b'-')
        && text.bytes().next().is_some_and(inner)
        && text.bytes().next_back().is_some_and(inner)
}
