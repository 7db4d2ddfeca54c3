//! There and back.

use proptest::prelude::*;

use super::*;
use crate::cluster::ObjectKey;
use crate::cluster::packed::{self, Cursor, Recent};

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_what_is_read(objects in prop::collection::vec(object(), 0..25)) {
        let bench = Bench::new();
        bench.store(&objects);
        let (loaded, found) = bench.load();
        prop_assert_eq!(loaded, Loaded::Restored(header()));
        prop_assert_eq!(found, objects);
    }

    #[test]
    fn what_is_written_next_to_any_key_is_what_is_read(object in object(), key in (text(), text())) {
        let recent = || Recent::near(&ObjectKey::new(&key.0, &key.1));
        let mut octets = Vec::new();
        Stored::of(&object).map(|stored| packed::write(&mut octets, &mut recent(), stored));
        let mut cursor = Cursor::new(&octets);
        prop_assert_eq!(packed::read(&mut cursor, &mut recent()), Ok(object.clone()));
        prop_assert!(cursor.is_at_end());
        let name = packed::read_name(&mut Cursor::new(&octets), recent());
        prop_assert_eq!(name.as_deref(), Ok(&*object.meta().key.name));
    }
}

#[test]
fn every_form_of_everything_is_read_back() {
    let bench = Bench::new();
    bench.store(&sample());
    assert_eq!(bench.load(), (Loaded::Restored(header()), sample()));
    assert_eq!(packed(&sample()).len(), octets(&sample()).len());
    assert_eq!(bench.names(), ["state"]);
}

#[test]
fn a_body_of_many_pieces_is_read_back() {
    let mut objects = sample();
    let Object::EndpointSlice(slice) = objects[2].clone() else { panic!("a slice") };
    // One object longer than a piece, and objects that straddle the pieces.
    for size in [80_000, 1, 70_000, 3] {
        let mut slice = slice.clone();
        slice.endpoints = vec![slice.endpoints[1].clone(); size];
        objects.push(Object::EndpointSlice(slice));
    }
    let packed = packed(&objects);
    assert!(packed.pieces().count() > 3);
    let bench = Bench::new();
    store(&bench.place, &packed).unwrap();
    assert_eq!(bench.load(), (Loaded::Restored(header()), objects));
}

#[test]
fn labels_and_dead_pods_are_left_out() {
    let Object::Pod(mut dead) = sample().remove(4) else { panic!("a pod") };
    dead.live = false;
    let Object::Service(plain) = sample().remove(1) else { panic!("a Service") };
    let mut labelled = plain.clone();
    labelled.meta.labels = vec![("a".into(), "b".into())];
    let bench = Bench::new();
    bench.store(&[Object::Pod(dead), Object::Service(labelled)]);
    assert_eq!(bench.load().1, [Object::Service(plain)]);
}

#[test]
fn no_state_packs_to_nothing() {
    let none = pack(&origin(), WRITTEN, |visit| {
        sample().iter().filter_map(Stored::of).for_each(visit);
        None
    });
    assert!(none.is_none());
}
