//! What a document of a manifest holds: one object, a list of them, or nothing of ours.
//!
//! The items of a list are decoded one by one as they are read. `kubectl` writes a list's `kind`
//! behind its `items`, so what was taken from items is taken back if the document turns out to be
//! something else.

use crate::cluster::{Kind, Object};

use super::decode;
use super::fault::{Bag, Mark, Shown};
use super::node::{Key, Node, Value};
use super::yaml::add_merged;

/// Where objects go to.
pub(super) trait Out {
    /// An object that begins at octet `at`.
    fn put(&mut self, at: usize, object: Object);
    /// How many objects there are.
    fn count(&self) -> usize;
    /// Only the first `count` objects are meant.
    fn rewind(&mut self, count: usize);
}

/// What `apiVersion` and `kind` of a document or an item say.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Header {
    /// An object that is read.
    Object(Kind),
    /// A `List`, or a bare list of objects; `Some` for a typed one, whose items are of that kind.
    List(Option<Kind>),
    /// A kind that is not read.
    Other,
    /// No `kind`, or no `apiVersion` with a kind that needs one.
    Missing(&'static str),
    /// A kind that is read, in an API group or version that it does not have.
    Misplaced(Kind),
}

/// The documents of one text.
pub(super) struct Documents<'a, 'o> {
    out: &'o mut dyn Out,
    bag: Bag,
    document: Document<'a>,
}

/// The document being read.
struct Document<'a> {
    at: usize,
    fields: Vec<(Key<'a>, Node<'a>)>,
    header: Option<Header>,
    has_items: bool,
    /// Items that name no kind, until the list's own kind is known.
    waiting: Vec<Node<'a>>,
    bag_before: Mark,
    objects_before: usize,
}

impl<'a, 'o> Documents<'a, 'o> {
    pub(super) fn new(out: &'o mut dyn Out) -> Self {
        let bag = Bag::default();
        let document = Document::new(0, bag.mark(), out.count());
        Self { out, bag, document }
    }

    /// What was wrong.
    pub(super) fn into_bag(self) -> Bag {
        self.bag
    }

    /// A document begins at octet `at`.
    pub(super) fn begin(&mut self, at: usize) {
        self.document = Document::new(at, self.bag.mark(), self.out.count());
    }

    /// The document is a list without a name.
    pub(super) fn is_bare_list(&mut self) {
        self.document.header = Some(Header::List(None));
        self.document.has_items = true;
    }

    /// The document is one word.
    pub(super) fn is_scalar(&mut self, node: &Node<'a>) {
        self.document.header = Some(Header::Other);
        if !node.is_null() {
            let message = format!(
                "a Kubernetes object was expected, not {}; write `apiVersion:`, `kind:` and `metadata:`",
                node.type_name()
            );
            self.bag.add(node.at, message);
        }
    }

    /// The document is a mapping with this field.
    pub(super) fn field(&mut self, key: Key<'a>, node: Node<'a>) {
        self.document.fields.push((key, node));
    }

    /// The document's mapping takes these fields over where it does not have them itself.
    pub(super) fn merge(&mut self, merged: Vec<(Key<'a>, Node<'a>)>) {
        add_merged(&mut self.document.fields, merged);
    }

    /// The field `items` of the document begins; [`Self::item`] is called for each of them.
    pub(super) fn list_begins(&mut self, at: usize) {
        if self.document.has_items {
            self.bag.add(at, "the field 'items' is written twice; keep one".into());
        }
        self.document.has_items = true;
        if self.document.names_kind() {
            self.document.header = Some(header(&self.document.fields));
        }
    }

    /// The field `items` is something else than a list.
    pub(super) fn items_are_no_list(&mut self, node: &Node<'a>) {
        let message = format!("items is {}; write a list of objects", node.type_name());
        self.bag.add(node.at, message);
    }

    /// One item of the document's list.
    pub(super) fn item(&mut self, node: Node<'a>) {
        match self.document.header {
            Some(Header::List(kind)) => self.list_item(&node, kind),
            None if node.field("kind").is_some() => self.list_item(&node, None),
            None => self.document.waiting.push(node),
            Some(_) => {}
        }
    }

    /// The document cannot be read on.
    pub(super) fn abandon(&mut self, at: usize, message: String) {
        self.bag.add(at, message);
        let (mark, count) = (self.bag.mark(), self.out.count());
        self.document = Document::new(at, mark, count);
    }

    /// The document is complete.
    pub(super) fn end(&mut self) {
        let mark = self.bag.mark();
        let count = self.out.count();
        let mut document = std::mem::replace(&mut self.document, Document::new(0, mark, count));
        let header = match document.header {
            Some(Header::List(None)) if document.fields.is_empty() => Header::List(None),
            Some(Header::Other) => Header::Other,
            _ => header(&document.fields),
        };
        if let Header::List(kind) = header {
            for item in std::mem::take(&mut document.waiting) {
                self.list_item(&item, kind);
            }
            return;
        }
        if document.has_items {
            self.bag.rewind(document.bag_before);
            self.out.rewind(document.objects_before);
        }
        let node = Node::map(document.at, document.fields);
        self.take(&node, header);
    }

    fn list_item(&mut self, node: &Node<'a>, list_of: Option<Kind>) {
        if node.is_null() {
            return;
        }
        let Value::Map(fields) = &node.value else {
            let message = format!("an item of a list is {}; write an object", node.type_name());
            self.bag.add(node.at, message);
            return;
        };
        match (list_of, header(fields)) {
            (Some(kind), Header::Missing(_)) => self.take(node, Header::Object(kind)),
            (_, Header::List(_)) => {
                let message = "a List inside a List is not read; write its items in the outer one";
                self.bag.add(node.at, message.into());
            }
            (_, header) => self.take(node, header),
        }
    }

    fn take(&mut self, node: &Node<'a>, header: Header) {
        let named = || node.field("kind").and_then(Node::as_written).unwrap_or_default();
        match header {
            Header::Object(kind) => {
                let before = self.bag.mark();
                let object = decode::object(kind, node, &mut self.bag);
                if let (Some(object), true) = (object, self.bag.is_clean_since(before)) {
                    self.out.put(node.at, object);
                }
            }
            Header::Missing("kind") => {
                let message = "a document names no kind; write `kind: Service`, or what else it is";
                self.bag.add(node.at, message.into());
            }
            Header::Missing(_) => {
                let cure = kind_of(named()).map_or("v1", api_version);
                let message =
                    format!("{} names no apiVersion; write `apiVersion: {cure}`", named());
                self.bag.add(node.at, message);
            }
            Header::Misplaced(kind) => {
                let written = node.field("apiVersion");
                let api = written.and_then(Node::as_written).unwrap_or_default();
                let message = format!(
                    "{}: apiVersion {} has no such kind; write `apiVersion: {}`",
                    named(),
                    Shown(api),
                    api_version(kind)
                );
                self.bag.add(written.map_or(node.at, |node| node.at), message);
            }
            Header::List(_) => {}
            Header::Other => {
                tracing::debug!(kind = named(), "an object of a kind that DNS does not need");
            }
        }
    }
}

impl Document<'_> {
    fn new(at: usize, bag_before: Mark, objects_before: usize) -> Self {
        Self {
            at,
            fields: Vec::new(),
            header: None,
            has_items: false,
            waiting: Vec::new(),
            bag_before,
            objects_before,
        }
    }

    fn names_kind(&self) -> bool {
        let has = |name| self.fields.iter().any(|(key, _)| key.name == name);
        has("kind") && has("apiVersion")
    }
}

fn header(fields: &[(Key<'_>, Node<'_>)]) -> Header {
    let written = |name: &str| {
        let (_, node) = fields.iter().find(|(key, _)| key.name == name)?;
        node.as_written().filter(|written| !node.is_null() && !written.is_empty())
    };
    let Some(kind) = written("kind") else { return Header::Missing("kind") };
    let api = written("apiVersion");
    if let Some(kind) = kind_of(kind) {
        return match api {
            None => Header::Missing("apiVersion"),
            Some(api) if belongs(kind, api) => Header::Object(kind),
            Some(api) if is_ours(api) => Header::Misplaced(kind),
            Some(_) => Header::Other,
        };
    }
    match (kind.strip_suffix("List"), api) {
        (Some(""), None | Some("v1")) => Header::List(None),
        (Some(kind), Some(api)) => match kind_of(kind) {
            Some(kind) if belongs(kind, api) => Header::List(Some(kind)),
            _ => Header::Other,
        },
        _ => Header::Other,
    }
}

fn kind_of(written: &str) -> Option<Kind> {
    Kind::ALL.into_iter().find(|kind| decode::kind_name(*kind) == written)
}

fn api_version(kind: Kind) -> &'static str {
    if kind == Kind::EndpointSlice { "discovery.k8s.io/v1" } else { "v1" }
}

fn belongs(kind: Kind, api: &str) -> bool {
    api == api_version(kind) || kind == Kind::EndpointSlice && api == "discovery.k8s.io/v1beta1"
}

/// Whether `api` is of a group that kinds of ours are in, or what people write for it. Another
/// group may have a Service of its own, as Knative has.
fn is_ours(api: &str) -> bool {
    let group = api.split_once('/').map_or("", |(group, _)| group);
    matches!(group, "" | "core" | "discovery.k8s.io")
}
