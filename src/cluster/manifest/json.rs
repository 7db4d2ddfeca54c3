//! JSON text into documents and values, by `serde_json`, which lends pieces of the text: a piece's
//! address in memory is its place in the file.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::document::Documents;
use super::node::{Keep, Key, MAX_DEPTH, Node, Value};

/// Why a document cannot be read on.
struct Trouble {
    at: usize,
    message: String,
}

type Step<T> = Result<T, Trouble>;

/// Reads every value of `text`, one behind the other.
pub(super) fn read<'a>(text: &'a str, documents: &mut Documents<'a, '_>) {
    let json = Json { text };
    for document in serde_json::Deserializer::from_str(text).into_iter::<&RawValue>() {
        let read = match document {
            Ok(raw) => json.document(raw, documents),
            Err(error) => Err(syntax(text, 0, &error)),
        };
        if let Err(Trouble { at, message }) = read {
            documents.abandon(at, message);
        }
    }
}

/// Turns an error in the piece of `text` that begins at `base` into one of the whole.
fn syntax(piece: &str, base: usize, error: &serde_json::Error) -> Trouble {
    let lines = piece.split_inclusive('\n').take(error.line().saturating_sub(1));
    let at = lines.map(str::len).sum::<usize>() + error.column().saturating_sub(1);
    let told = error.to_string();
    let told = told.rsplit_once(" at line ").map_or(&*told, |(told, _)| told);
    let message = format!("not JSON: {told}; check commas, quotes and brackets here and before");
    Trouble { at: base + at, message }
}

struct Json<'a> {
    text: &'a str,
}

impl<'a> Json<'a> {
    fn document(&self, raw: &'a RawValue, documents: &mut Documents<'a, '_>) -> Step<()> {
        let at = self.at(raw);
        documents.begin(at);
        match raw.get().as_bytes().first() {
            Some(b'{') => self.fields(raw, &mut |key, value| {
                if key.name == "items" {
                    documents.list_begins(key.at);
                    return self.items(value, documents);
                }
                if let Some(keep) = Keep::LookedAt.below(&key.name) {
                    let node = self.build(value, keep, 1)?;
                    documents.field(key, node);
                }
                Ok(())
            })?,
            Some(b'[') => {
                documents.is_bare_list();
                self.items(raw, documents)?;
            }
            _ => documents.is_scalar(&self.build(raw, Keep::LookedAt, 0)?),
        }
        documents.end();
        Ok(())
    }

    fn items(&self, raw: &'a RawValue, documents: &mut Documents<'a, '_>) -> Step<()> {
        if raw.get().starts_with('[') {
            return self.elements(raw, &mut |item| {
                let node = self.build(item, Keep::LookedAt, 2)?;
                documents.item(node);
                Ok(())
            });
        }
        let node = self.build(raw, Keep::LookedAt, 1)?;
        if !node.is_null() {
            documents.items_are_no_list(&node);
        }
        Ok(())
    }

    fn build(&self, raw: &'a RawValue, keep: Keep, depth: usize) -> Step<Node<'a>> {
        let at = self.at(raw);
        if depth > MAX_DEPTH {
            let message = format!("nested deeper than {MAX_DEPTH} levels; write it flatter");
            return Err(Trouble { at, message });
        }
        let value = match raw.get().as_bytes().first() {
            Some(b'{') => {
                let mut fields = Vec::new();
                self.fields(raw, &mut |key, value| {
                    if let Some(keep) = keep.below(&key.name) {
                        fields.push((key, self.build(value, keep, depth + 1)?));
                    }
                    Ok(())
                })?;
                Value::Map(fields)
            }
            Some(b'[') => {
                let mut items = Vec::new();
                self.elements(raw, &mut |item| {
                    items.push(self.build(item, keep, depth + 1)?);
                    Ok(())
                })?;
                Value::List(items)
            }
            Some(b'"') => Value::Text(self.string(raw)?),
            _ => Value::Plain(Cow::Borrowed(raw.get())),
        };
        Ok(Node { at, value })
    }

    /// Where a piece of the text stands in it.
    fn at(&self, raw: &RawValue) -> usize {
        raw.get().as_ptr().addr().saturating_sub(self.text.as_ptr().addr())
    }

    fn string(&self, raw: &'a RawValue) -> Step<Cow<'a, str>> {
        let inner = raw.get().strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        match inner {
            Some(inner) if !inner.contains('\\') => Ok(Cow::Borrowed(inner)),
            _ => match serde_json::from_str(raw.get()) {
                Ok(text) => Ok(Cow::Owned(text)),
                Err(error) => Err(syntax(raw.get(), self.at(raw), &error)),
            },
        }
    }

    /// Calls `each` for every field of the mapping `raw`.
    fn fields(
        &self,
        raw: &'a RawValue,
        each: &mut dyn FnMut(Key<'a>, &'a RawValue) -> Step<()>,
    ) -> Step<()> {
        self.visit(raw, &mut |name, value| {
            let Some(name) = name else { return Ok(()) };
            let at = self.at(name);
            each(Key { at, name: self.string(name)? }, value)
        })
    }

    /// Calls `each` for every element of the list `raw`.
    fn elements(
        &self,
        raw: &'a RawValue,
        each: &mut dyn FnMut(&'a RawValue) -> Step<()>,
    ) -> Step<()> {
        self.visit(raw, &mut |_, value| each(value))
    }

    fn visit(&self, raw: &'a RawValue, each: Each<'_, 'a>) -> Step<()> {
        let mut trouble = None;
        let mut json = serde_json::Deserializer::from_str(raw.get());
        let visited = Members { each, trouble: &mut trouble }.deserialize(&mut json);
        match (trouble, visited) {
            (Some(trouble), _) => Err(trouble),
            (None, Err(error)) => Err(syntax(raw.get(), self.at(raw), &error)),
            (None, Ok(())) => Ok(()),
        }
    }
}

/// Called with the name (of a mapping's field) and the value.
type Each<'e, 'a> = &'e mut dyn FnMut(Option<&'a RawValue>, &'a RawValue) -> Step<()>;

/// Walks the members of a list or a mapping, one level deep, and stops at the first trouble.
struct Members<'e, 'a> {
    each: Each<'e, 'a>,
    trouble: &'e mut Option<Trouble>,
}

impl<'a> Members<'_, 'a> {
    fn tell<E: serde::de::Error>(
        &mut self,
        name: Option<&'a RawValue>,
        value: &'a RawValue,
    ) -> Result<(), E> {
        (self.each)(name, value).map_err(|trouble| {
            let error = E::custom(&trouble.message);
            *self.trouble = Some(trouble);
            error
        })
    }
}

impl<'a> DeserializeSeed<'a> for Members<'_, 'a> {
    type Value = ();

    fn deserialize<D: serde::Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'a> Visitor<'a> for Members<'_, 'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list or a mapping")
    }

    fn visit_seq<A: SeqAccess<'a>>(mut self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element::<&'a RawValue>()? {
            self.tell(None, item)?;
        }
        Ok(())
    }

    fn visit_map<A: MapAccess<'a>>(mut self, mut map: A) -> Result<(), A::Error> {
        while let Some((name, value)) = map.next_entry::<&'a RawValue, &'a RawValue>()? {
            self.tell(Some(name), value)?;
        }
        Ok(())
    }
}
