//! Extended errors say nothing about what the asker did not name: no namespace, Service, endpoint or
//! pod that does not stand in the question stands in a text, whatever the cluster holds.

use std::collections::BTreeSet;

use fingerpost::answer::Transport;
use fingerpost::cluster::{Object, ObjectKey};
use hickory_proto::rr::rdata::opt::{EdnsCode, EdnsOption};
use proptest::prelude::*;

use crate::universe::{HOSTNAMES, NAMESPACES, SERVICES};
use crate::wire::{Ask, decoded};
use crate::world::{World, names, reply, view, world};

/// Types that are asked for: data, none, any, and one that is refused.
const TYPES: [u16; 5] = [1, 33, 15, 255, 253];

/// A label of the universe by a name that no sentence has as a word.
fn odd(label: &str) -> String {
    match label {
        "a" | "x" => format!("{label}-of-universe"),
        other => other.to_owned(),
    }
}

/// A name whose labels are all such. Labels of reverse names are digits.
fn odd_name(name: &str) -> String {
    if name.ends_with("arpa") || name.contains("..") {
        return name.to_owned();
    }
    name.split('.').map(odd).collect::<Vec<_>>().join(".")
}

/// The same cluster by names that no sentence has as words.
fn renamed(world: &World) -> Vec<Object> {
    let mut objects = world.objects.clone();
    let key = |key: &mut ObjectKey| {
        key.namespace = odd(&key.namespace).into();
        key.name = odd(&key.name).into();
    };
    for object in &mut objects {
        match object {
            Object::Namespace(namespace) => key(&mut namespace.meta.key),
            Object::Service(service) => {
                key(&mut service.meta.key);
                let target = service.external_name.as_deref().map(odd_name);
                service.external_name = target.map(Into::into);
            }
            Object::EndpointSlice(slice) => {
                key(&mut slice.meta.key);
                slice.service = slice.service.as_deref().map(|name| odd(name).into());
            }
            Object::Endpoints(endpoints) => key(&mut endpoints.meta.key),
            Object::Pod(pod) => key(&mut pod.meta.key),
        }
    }
    objects
}

/// The texts of a response's extended errors.
fn texts(message: &[u8]) -> Vec<String> {
    let edns = decoded(message).edns.expect("an OPT record");
    let text = |option: &EdnsOption| {
        let EdnsOption::Unknown(15, octets) = option else { panic!("{option:?}") };
        String::from_utf8(octets[2..].to_vec()).expect("UTF-8")
    };
    edns.options().get_all(EdnsCode::Unknown(15)).into_iter().map(text).collect()
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).filter(|word| !word.is_empty())
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 6,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn no_text_names_what_the_asker_has_not_named(world in world()) {
        let view = view(&world.spec, &renamed(&world));
        let mut secrets: BTreeSet<String> =
            NAMESPACES.iter().chain(&SERVICES).map(|name| odd(name)).collect();
        secrets.extend(HOSTNAMES.iter().map(|name| name.to_ascii_lowercase()));
        secrets.extend(["pod-1", "p1", "p2", "p3", "s1", "s2", "s3"].map(Into::into));
        let (mut told, mut named) = (0, 0);
        let names: BTreeSet<String> = names().iter().map(|name| odd_name(name)).collect();
        for name in &names {
            for qtype in TYPES {
                let message = Ask::new(name, qtype).with_edns(1_232).octets();
                let response = reply(&view, &message, Transport::Stream, 1_232, 0);
                let response = response.expect("a response");
                for text in texts(&response) {
                    told += 1;
                    prop_assert!(!text.is_empty() && text.len() <= 120, "{name}: {text}");
                    for word in words(&text).filter(|word| secrets.contains(*word)) {
                        named += 1;
                        let asked = name.split('.').any(|label| label == word);
                        prop_assert!(asked, "{name} {qtype}: {text}");
                    }
                }
                // Denials and refusals always say why.
                let denied = response[3] & 0x0f != 0;
                prop_assert!(!denied || !texts(&response).is_empty(), "{name} {qtype}");
            }
        }
        prop_assert!(told > 1_000 && named > 100, "{told} texts, {named} names in them");
    }
}
