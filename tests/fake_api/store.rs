//! The fake API server's objects and their history.

use std::collections::BTreeMap;

use serde_json::{Value, json};

/// An object's place: resource, namespace, name.
pub(crate) type Place = (String, String, String);

/// All objects, and how they came to be.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    objects: BTreeMap<Place, Value>,
    log: Vec<Entry>,
    revision: u64,
    /// Watches that would go on from before this version are too late.
    compacted: u64,
}

/// One change.
#[derive(Clone, Debug)]
pub(crate) struct Entry {
    pub(crate) revision: u64,
    pub(crate) place: Place,
    pub(crate) before: Option<Value>,
    pub(crate) after: Option<Value>,
}

impl Default for Store {
    fn default() -> Self {
        Self { objects: BTreeMap::new(), log: Vec::new(), revision: 1_000, compacted: 0 }
    }
}

impl Store {
    pub(crate) fn revision(&self) -> u64 {
        self.revision
    }

    pub(crate) fn compacted(&self) -> u64 {
        self.compacted
    }

    pub(crate) fn compact(&mut self) {
        // Something else in the cluster has gone on, too.
        self.revision += 1;
        self.compacted = self.revision;
    }

    /// Goes back to an older state and its version, as a store does that is restored from a backup.
    pub(crate) fn restore(&mut self, other: &Self) {
        self.clone_from(other);
    }

    pub(crate) fn put(&mut self, mut object: Value) -> u64 {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        object["metadata"]["managedFields"] =
            json!([{"manager": "fake", "fieldsV1": {"f:metadata": {"f:labels": {".": {}}}}}]);
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let resource = resource_of(object["kind"].as_str().unwrap());
        let metadata = &object["metadata"];
        let place = (resource.to_owned(), text(&metadata["namespace"]), text(&metadata["name"]));
        let before = self.objects.insert(place.clone(), object.clone());
        let revision = self.revision;
        self.log.push(Entry { revision, place, before, after: Some(object) });
        revision
    }

    pub(crate) fn delete(&mut self, resource: &str, namespace: &str, name: &str) -> bool {
        let place = (resource.to_owned(), namespace.to_owned(), name.to_owned());
        let Some(before) = self.objects.remove(&place) else { return false };
        self.revision += 1;
        let revision = self.revision;
        self.log.push(Entry { revision, place, before: Some(before), after: None });
        true
    }

    /// The objects of a resource as they were at `revision`.
    pub(crate) fn list(&self, resource: &str, revision: u64) -> Vec<Value> {
        let mut objects: BTreeMap<&Place, &Value> = BTreeMap::new();
        for entry in self.log.iter().filter(|e| e.place.0 == resource && e.revision <= revision) {
            match &entry.after {
                Some(object) => objects.insert(&entry.place, object),
                None => objects.remove(&entry.place),
            };
        }
        objects.into_values().cloned().collect()
    }

    /// What became of a resource after `revision`.
    pub(crate) fn since(&self, resource: &str, revision: u64) -> Vec<Entry> {
        let of = |entry: &&Entry| entry.place.0 == resource && entry.revision > revision;
        self.log.iter().filter(of).cloned().collect()
    }
}

fn resource_of(kind: &str) -> &'static str {
    match kind {
        "Namespace" => "namespaces",
        "Service" => "services",
        "EndpointSlice" => "endpointslices",
        "Endpoints" => "endpoints",
        "Pod" => "pods",
        other => panic!("{other} is not served"),
    }
}

/// The version and the kind of a resource's objects.
pub(crate) fn version_and_kind(resource: &str) -> (&'static str, &'static str) {
    match resource {
        "namespaces" => ("v1", "Namespace"),
        "services" => ("v1", "Service"),
        "endpointslices" => ("discovery.k8s.io/v1", "EndpointSlice"),
        "endpoints" => ("v1", "Endpoints"),
        _ => ("v1", "Pod"),
    }
}

/// Label and field selectors, as far as they are used.
#[derive(Clone, Debug, Default)]
pub(crate) struct Selector {
    pub(crate) labels: String,
    pub(crate) fields: String,
    pub(crate) namespace: String,
}

impl Selector {
    pub(crate) fn matches(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"][key].as_str().map(str::to_owned);
        let field = |path: &str| {
            let pointer = format!("/{}", path.replace('.', "/"));
            object.pointer(&pointer).and_then(Value::as_str).map(str::to_owned)
        };
        let namespace = &object["metadata"]["namespace"];
        (self.namespace.is_empty() || namespace == self.namespace.as_str())
            && terms(&self.labels).all(|term| holds(term, label))
            && terms(&self.fields).all(|term| holds(term, field))
    }
}

fn terms(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|term| !term.is_empty())
}

fn holds(term: &str, value: impl Fn(&str) -> Option<String>) -> bool {
    if let Some((key, wanted)) = term.split_once("!=") {
        return value(key).as_deref() != Some(wanted);
    }
    if let Some((key, wanted)) = term.split_once('=') {
        return value(key).as_deref() == Some(wanted);
    }
    match term.strip_prefix('!') {
        Some(key) => value(key).is_none(),
        None => value(term).is_some(),
    }
}
