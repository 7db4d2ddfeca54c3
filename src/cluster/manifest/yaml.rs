//! YAML text into documents and values. Positions are kept; aliases and nesting are bounded.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use granit_parser::{Event, Parser, ScalarStyle, Span, StrInput, Tag};

use super::document::Documents;
use super::node::{Keep, Key, MAX_DEPTH, Node, Value};

/// How many values all aliases of one document may stand for together. Far more than a shared
/// block of labels needs; a few lines of nested aliases would otherwise stand for billions.
const MAX_ALIASED: usize = 1_000_000;

/// Why a document cannot be read on.
struct Trouble {
    at: usize,
    message: String,
}

type Step<T> = Result<T, Trouble>;

/// Reads every document of `text`. After a syntax error it goes on behind the next `---`.
pub(super) fn read<'a>(text: &'a str, documents: &mut Documents<'a, '_>) {
    let options = granit_parser::options! { emit_comments: false };
    let parser = Parser::new_from_str_with_options(text, options);
    let mut yaml = Yaml { parser, anchors: HashMap::new(), aliased: 0 };
    loop {
        match yaml.document(documents) {
            Ok(true) => {}
            Ok(false) => return,
            Err(Trouble { at, message }) => {
                documents.abandon(at, message);
                if !matches!(yaml.parser.proceed_next_document(), Ok(true)) {
                    return;
                }
            }
        }
    }
}

struct Yaml<'a> {
    parser: Parser<'a, StrInput<'a>>,
    /// What each anchor of this document stands for.
    anchors: HashMap<usize, Node<'a>>,
    /// The values that aliases have stood for so far in this document.
    aliased: usize,
}

impl<'a> Yaml<'a> {
    /// Reads one document; false at the end of the text.
    fn document(&mut self, documents: &mut Documents<'a, '_>) -> Step<bool> {
        self.anchors.clear();
        self.aliased = 0;
        loop {
            match self.event()? {
                None | Some((Event::StreamEnd, _)) => return Ok(false),
                Some((Event::DocumentStart(..), _)) => break,
                Some(_) => {}
            }
        }
        let (event, at) = self.expect_event()?;
        documents.begin(at);
        match event {
            Event::MappingStart(_, _, _) => self.root(documents)?,
            Event::SequenceStart(_, _, _) => {
                documents.is_bare_list();
                self.items(documents)?;
            }
            other => {
                let node = self.build(other, at, Keep::LookedAt, 0)?;
                documents.is_scalar(&node);
            }
        }
        documents.end();
        Ok(true)
    }

    /// The fields of a document's mapping; its `items` are handed on one by one.
    fn root(&mut self, documents: &mut Documents<'a, '_>) -> Step<()> {
        let mut merged = Vec::new();
        loop {
            let (event, at) = self.expect_event()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let Some(key) = self.key(event, at)? else { continue };
            let (event, at) = self.expect_event()?;
            match (&*key.name, event) {
                ("items", Event::SequenceStart(_, 0, _)) => {
                    documents.list_begins(key.at);
                    self.items(documents)?;
                }
                ("items", event) => {
                    let node = self.build(event, at, Keep::LookedAt, 1)?;
                    documents.list_begins(key.at);
                    match node.value {
                        Value::List(items) => {
                            for item in items {
                                documents.item(item);
                            }
                        }
                        _ if node.is_null() => {}
                        _ => documents.items_are_no_list(&node),
                    }
                }
                (name, event) => match Keep::LookedAt.below(name) {
                    None => self.skip(event, at, 1)?,
                    Some(keep) => {
                        let node = self.build(event, at, keep, 1)?;
                        if name == "<<" {
                            merge(node, &mut merged);
                        } else {
                            documents.field(key, node);
                        }
                    }
                },
            }
        }
        documents.merge(merged);
        Ok(())
    }

    fn items(&mut self, documents: &mut Documents<'a, '_>) -> Step<()> {
        loop {
            let (event, at) = self.expect_event()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(());
            }
            let item = self.build(event, at, Keep::LookedAt, 2)?;
            documents.item(item);
        }
    }

    /// The value that begins with `event`.
    fn build(&mut self, event: Event<'a>, at: usize, keep: Keep, depth: usize) -> Step<Node<'a>> {
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels; write it flatter");
            return Err(Trouble { at, message });
        }
        let (anchor, value) = match event {
            Event::Alias(id) => return self.alias(id, at),
            Event::Scalar(text, style, anchor, tag) => {
                (anchor, scalar(text, style, tag.as_deref()))
            }
            Event::SequenceStart(_, anchor, _) => {
                let keep = if anchor == 0 { keep } else { Keep::All };
                (anchor, Value::List(self.sequence(keep, depth)?))
            }
            Event::MappingStart(_, anchor, _) => {
                let keep = if anchor == 0 { keep } else { Keep::All };
                (anchor, Value::Map(self.mapping(keep, depth)?))
            }
            _ => return Err(Trouble { at, message: "a value was expected here".into() }),
        };
        let node = Node { at, value };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn sequence(&mut self, keep: Keep, depth: usize) -> Step<Vec<Node<'a>>> {
        let mut items = Vec::new();
        loop {
            let (event, at) = self.expect_event()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(items);
            }
            items.push(self.build(event, at, keep, depth + 1)?);
        }
    }

    fn mapping(&mut self, keep: Keep, depth: usize) -> Step<Vec<(Key<'a>, Node<'a>)>> {
        let mut fields: Vec<(Key<'a>, Node<'a>)> = Vec::new();
        let mut merged = Vec::new();
        loop {
            let (event, at) = self.expect_event()?;
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let Some(key) = self.key(event, at)? else { continue };
            let (event, at) = self.expect_event()?;
            match keep.below(&key.name) {
                None => self.skip(event, at, depth + 1)?,
                Some(keep) => {
                    let node = self.build(event, at, keep, depth + 1)?;
                    if key.name == "<<" {
                        merge(node, &mut merged);
                    } else {
                        fields.push((key, node));
                    }
                }
            }
        }
        add_merged(&mut fields, merged);
        Ok(fields)
    }

    /// A key that is a scalar. No field that is looked at has another: such a pair is skipped.
    fn key(&mut self, event: Event<'a>, at: usize) -> Step<Option<Key<'a>>> {
        match event {
            Event::Scalar(name, _, _, _) => Ok(Some(Key { at, name })),
            Event::Alias(id) => match self.alias(id, at)?.value {
                Value::Text(name) | Value::Plain(name) => Ok(Some(Key { at, name })),
                Value::List(_) | Value::Map(_) => self.skip_next().map(|()| None),
            },
            event => {
                self.skip(event, at, 0)?;
                self.skip_next().map(|()| None)
            }
        }
    }

    fn alias(&mut self, id: usize, at: usize) -> Step<Node<'a>> {
        let Some(node) = self.anchors.get(&id) else {
            let message = "this alias stands inside the value that it refers to; write it out";
            return Err(Trouble { at, message: message.into() });
        };
        self.aliased = self.aliased.saturating_add(node.size());
        if self.aliased > MAX_ALIASED {
            let message = format!(
                "the aliases of this document stand for more than {MAX_ALIASED} values; write them out"
            );
            return Err(Trouble { at, message });
        }
        Ok(Node { at, ..node.clone() })
    }

    fn skip_next(&mut self) -> Step<()> {
        let (event, at) = self.expect_event()?;
        self.skip(event, at, 0)
    }

    /// Passes over a value, however deep, but builds what has an anchor: it may be wanted later.
    fn skip(&mut self, mut event: Event<'a>, mut at: usize, depth: usize) -> Step<()> {
        let mut open = 0usize;
        loop {
            match &event {
                Event::Scalar(_, _, 1.., _)
                | Event::SequenceStart(_, 1.., _)
                | Event::MappingStart(_, 1.., _) => {
                    self.build(event, at, Keep::All, depth)?;
                }
                Event::SequenceStart(..) | Event::MappingStart(..) => open += 1,
                Event::SequenceEnd | Event::MappingEnd => open = open.saturating_sub(1),
                _ => {}
            }
            if open == 0 {
                return Ok(());
            }
            (event, at) = self.expect_event()?;
        }
    }

    fn expect_event(&mut self) -> Step<(Event<'a>, usize)> {
        let end = || Trouble { at: usize::MAX, message: "the text ends too early".into() };
        self.event()?.ok_or_else(end)
    }

    fn event(&mut self) -> Step<Option<(Event<'a>, usize)>> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, span))) => Ok(Some((event, start(&span)))),
            Some(Err(error)) => Err(Trouble {
                at: error.marker().byte_offset().unwrap_or(0),
                message: format!(
                    "not YAML: {}; check indentation, quotes and brackets here and above",
                    error.info()
                ),
            }),
        }
    }
}

fn start(span: &Span) -> usize {
    span.start.byte_offset().unwrap_or(0)
}

fn scalar<'a>(text: Cow<'a, str>, style: ScalarStyle, tag: Option<&Tag>) -> Value<'a> {
    let is_string = tag.and_then(Tag::core_suffix) == Some("str");
    if style == ScalarStyle::Plain && !is_string { Value::Plain(text) } else { Value::Text(text) }
}

/// Adds the merged fields that a mapping does not have itself.
pub(super) fn add_merged<'a>(
    fields: &mut Vec<(Key<'a>, Node<'a>)>,
    merged: Vec<(Key<'a>, Node<'a>)>,
) {
    if merged.is_empty() {
        return;
    }
    let mut known: HashSet<Cow<'a, str>> = fields.iter().map(|(key, _)| key.name.clone()).collect();
    fields.extend(merged.into_iter().filter(|(key, _)| known.insert(key.name.clone())));
}

/// Collects what a merge key (`<<`) brings: a mapping, or a list of them, the first one winning.
fn merge<'a>(node: Node<'a>, into: &mut Vec<(Key<'a>, Node<'a>)>) {
    match node.value {
        Value::Map(fields) => into.extend(fields),
        Value::List(items) => items.into_iter().for_each(|item| {
            if let Value::Map(fields) = item.value {
                into.extend(fields);
            }
        }),
        Value::Text(_) | Value::Plain(_) => {}
    }
}
