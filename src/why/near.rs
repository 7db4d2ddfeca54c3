//! Names that exist and are one edit away from one that does not: "did you mean".

use super::explain::{Grounds, Place, exists, is_served};
use super::facts::protocol_word;
use super::objects::Objects;
use crate::cluster::ObjectKey;
use crate::name::{MAX_LABEL, Name};
use crate::zone::ZoneKind;

/// How many names are told.
const NAMES_MOST: usize = 5;
/// How many names of a namespace's Services, and of namespaces, are compared: more than people give,
/// few enough to be compared at once.
const COMPARED_MOST: usize = 50_000;
/// What stands in front of a zone.
const TOPS: [&str; 3] = ["svc", "pod", "endpoints"];

/// Whether one edit makes one of the other: a letter more, less or other, or two changed over.
pub(super) fn is_near(one: &str, other: &str) -> bool {
    one.len().abs_diff(other.len()) <= 1 && one != other && strsim::osa_distance(one, other) == 1
}

/// Names that exist and may have been meant by this one, which does not.
pub(super) fn names(grounds: &Grounds<'_>, name: &Name, place: &Place<'_>) -> Vec<String> {
    let mut near = Near { grounds, found: Vec::new() };
    match place.zone {
        None => near.of_zones(name),
        Some(zone) if zone.zone.kind == ZoneKind::Forward => {
            let labels: Vec<&str> = place.labels.iter().map(|label| &**label).collect();
            near.of_labels(&labels, &zone.zone.name);
        }
        Some(_) => {}
    }
    near.found
}

struct Near<'n, 'g> {
    grounds: &'n Grounds<'g>,
    found: Vec<String>,
}

impl Near<'_, '_> {
    /// Tells a name if it exists.
    fn try_name(&mut self, labels: &[&str], zone: &Name) {
        if self.found.len() >= NAMES_MOST || labels.iter().any(|label| label.len() > MAX_LABEL) {
            return;
        }
        let Ok(name) = Name::parse(&format!("{}.{zone}", labels.join("."))) else { return };
        let text = name.to_string();
        if !self.found.contains(&text) && exists(self.grounds, &name) {
            self.found.push(text);
        }
    }

    /// The name may lack the zone or a part of it, or have it misspelt.
    fn of_zones(&mut self, name: &Name) {
        let labels: Vec<String> =
            name.labels().map(|label| String::from_utf8_lossy(label).into_owned()).collect();
        let labels: Vec<&str> = labels.iter().map(|label| &**label).collect();
        let zones = self.grounds.view.zones().iter();
        let forward = zones.filter(|zone| zone.zone.kind == ZoneKind::Forward);
        for zone in forward {
            let zone_name = &zone.zone.name;
            self.try_name(&labels, zone_name);
            self.try_name(&[&labels[..], &["svc"]].concat(), zone_name);
            let front = labels.len().saturating_sub(zone.labels);
            let (front, end) = labels.split_at(front);
            let written = format!("{}.", end.join("."));
            if !front.is_empty() && is_near(&written, &zone_name.to_string()) {
                self.try_name(front, zone_name);
                self.of_labels(front, zone_name);
            }
        }
    }

    /// A label in front of the zone may be misspelt, missing, or stand in another's place.
    fn of_labels(&mut self, labels: &[&str], zone: &Name) {
        let Some((last, rest)) = labels.split_last() else { return };
        for top in TOPS.into_iter().filter(|top| is_near(top, last)) {
            self.try_name(&[rest, &[top]].concat(), zone);
        }
        if !TOPS.contains(last) {
            self.try_name(&[labels, &["svc"]].concat(), zone);
            return;
        }
        let Some((namespace, front)) = rest.split_last() else { return };
        for other in self.namespaces_near(namespace) {
            self.try_name(&[front, &[&other, last]].concat(), zone);
        }
        let Some((service, front)) = front.split_last() else { return };
        for other in self.services_near(namespace, service) {
            self.try_name(&[front, &[&other, namespace, last]].concat(), zone);
        }
        self.try_name(&[front, &[namespace, service, last]].concat(), zone);
        let key = ObjectKey::new(namespace, service);
        if is_served(self.grounds, &key) {
            self.of_front(front, &[service, namespace, last], &key, zone);
        } else {
            for other in self.namespaces_with(service) {
                self.try_name(&[front, &[service, &other, last]].concat(), zone);
            }
        }
    }

    /// A port or an endpoint of a Service that exists.
    fn of_front(&mut self, front: &[&str], service: &[&str], key: &ObjectKey, zone: &Name) {
        let objects = Objects::of(self.grounds, key);
        match front {
            // It is there, and not ready.
            [label] if objects.endpoints().iter().any(|found| found.label == *label) => {}
            [label] => {
                let near: Vec<String> = objects
                    .ready()
                    .map(|found| found.label.clone())
                    .filter(|known| is_near(known, label))
                    .take(NAMES_MOST)
                    .collect();
                for label in near {
                    self.try_name(&[&[&*label], service].concat(), zone);
                }
            }
            [port, protocol] => {
                let ports = objects.known().map(|known| known.ports.clone()).unwrap_or_default();
                for known in ports.iter().filter(|known| !known.name.is_empty()) {
                    let name = format!("_{}", known.name);
                    let word = protocol_word(known.protocol).to_ascii_lowercase();
                    let proto = format!("_{word}");
                    let is = |one: &str, other: &str| {
                        one == other || is_near(one, other) || one.strip_prefix('_') == Some(other)
                    };
                    if is(&name, port) && is(&proto, protocol) {
                        self.try_name(&[&[&*name, &*proto], service].concat(), zone);
                    }
                }
            }
            _ => {}
        }
    }

    fn namespaces_near(&self, namespace: &str) -> Vec<String> {
        let names = self.grounds.registry.namespaces().into_iter().take(COMPARED_MOST);
        let near = names.filter(|(name, exposed)| *exposed && is_near(name, namespace));
        near.map(|(name, _)| name.to_string()).collect()
    }

    fn services_near(&self, namespace: &str, service: &str) -> Vec<String> {
        let (mut near, mut left) = (Vec::new(), COMPARED_MOST);
        self.grounds.registry.services_in(namespace, &mut |name| {
            if is_near(name, service) {
                near.push(name.to_owned());
            }
            left -= 1;
            left > 0 && near.len() < NAMES_MOST
        });
        near
    }

    /// Other namespaces that have a Service of this name.
    fn namespaces_with(&self, service: &str) -> Vec<String> {
        let names = self.grounds.registry.namespaces().into_iter().take(COMPARED_MOST);
        let has = |name: &str| is_served(self.grounds, &ObjectKey::new(name, service));
        let with = names.map(|(name, _)| name.to_string()).filter(|name| has(name));
        with.take(NAMES_MOST).collect()
    }
}
