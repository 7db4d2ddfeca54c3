//! Files that are not, or not any more, what was written.

use super::super::encode::MAGIC;
use super::*;
use crate::cluster::LabelSelector;
use crate::name::Name;
use crate::zone::{NamespaceFilter, Pods, Zone};

/// Whether the file was found damaged and set aside, and says so.
fn is_damaged(bench: &Bench) -> bool {
    let (loaded, _) = bench.load();
    match loaded {
        Loaded::Damaged(text) => {
            assert!(text.contains(&bench.place.file().display().to_string()), "{text}");
            assert_eq!(bench.names(), ["state.damaged"]);
            true
        }
        _ => false,
    }
}

#[test]
fn every_flipped_octet_is_noticed() {
    let good = octets(&sample());
    let bench = Bench::new();
    for at in 0..good.len() {
        for flip in [1, 0x80, 0xff] {
            let mut bad = good.clone();
            bad[at] ^= flip;
            bench.write(&bad);
            assert!(is_damaged(&bench), "octet {at} ^ {flip}");
        }
    }
}

#[test]
fn every_truncation_and_every_addition_is_noticed() {
    let good = octets(&sample());
    let bench = Bench::new();
    for len in 0..good.len() {
        bench.write(&good[..len]);
        assert!(is_damaged(&bench), "{len} octets");
    }
    for more in [1, 2, good.len()] {
        let longer = [&good, &good[..more]].concat();
        bench.write(&longer);
        assert!(is_damaged(&bench), "{more} octets more");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn garbage_is_damaged(tail in prop::collection::vec(any::<u8>(), 0..400), begins: bool) {
        let bench = Bench::new();
        let head: &[u8] = if begins { &MAGIC } else { &[] };
        bench.write(&[head, &tail].concat());
        prop_assert!(is_damaged(&bench));
    }

    /// A body that somebody gave a fitting checksum: still no panic, and no object of half a file.
    #[test]
    fn a_forged_body_is_decoded_with_care(
        edits in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let packed = packed(&sample());
        let mut body: Vec<u8> = packed.pieces().skip(1).collect::<Vec<_>>().concat();
        for (at, octet) in edits {
            let at = at.index(body.len());
            body[at] = octet;
        }
        let mut count = 0;
        let _ = super::super::decode::objects(&body, |_| count += 1);
        prop_assert!(count <= body.len());
    }
}

/// A sealed file with another version.
fn of_version(version: u32) -> Vec<u8> {
    let packed = packed(&sample());
    let mut pieces = packed.pieces();
    let mut head = pieces.next().unwrap().to_vec();
    head[MAGIC.len()..MAGIC.len() + 4].copy_from_slice(&version.to_le_bytes());
    let end = head.len() - 4;
    let check = crc32fast::hash(&head[..end]);
    head[end..].copy_from_slice(&check.to_le_bytes());
    pieces.for_each(|piece| head.extend_from_slice(piece));
    head
}

#[test]
fn another_version_is_foreign() {
    let bench = Bench::new();
    bench.write(&of_version(super::super::VERSION));
    assert_eq!(bench.load().0, Loaded::Restored(header()));
    for version in [0, 1, 3, u32::MAX] {
        bench.write(&of_version(version));
        let (loaded, _) = bench.load();
        let Loaded::Foreign(text) = loaded else { panic!("{loaded:?}") };
        assert!(text.contains(&format!("of version {version} of the format")), "{text}");
        // What an earlier one was set aside as is replaced.
        assert_eq!(bench.names(), ["state.foreign"]);
        assert_eq!(
            std::fs::read(bench.folder.path().join("state.foreign")).unwrap(),
            of_version(version)
        );
    }
}

#[test]
fn another_origin_is_foreign() {
    let spec = Spec::default;
    let zone = Zone::new(Name::parse("other.local").unwrap());
    let labels = LabelSelector::parse("app=web").unwrap();
    let named = |names: &[&str]| {
        NamespaceFilter::Named(names.iter().map(|name| Box::from(*name)).collect())
    };
    let others = [
        (Spec { zones: vec![zone.clone()], ..spec() }, "its zones: '"),
        (Spec { namespaces: named(&["a"]), ..spec() }, "its namespaces: 'all', here: 'named a'"),
        (
            Spec { namespaces: NamespaceFilter::Selected(labels.clone()), ..spec() },
            "its namespaces: 'all', here: 'selected by app=web'",
        ),
        (Spec { labels: Some(labels), ..spec() }, "its labels: 'any', here: 'app=web'"),
        (Spec { pods: Pods::Verified, ..spec() }, "its pods: 'not listed', here: 'listed'"),
        (Spec { endpoint_pod_names: true, ..spec() }, "its endpoints: 'all', here: 'all, with pod"),
        (Spec { no_endpoints: true, ..spec() }, "its endpoints: 'all', here: 'none'"),
        (
            Spec { headless_endpoints_only: true, ..spec() },
            "its endpoints: 'all', here: 'headless'",
        ),
    ];
    let bench = Bench::new();
    let check = |origin: &Origin, why: &str| {
        bench.store(&sample());
        let loaded = load(&bench.place, origin, |object| panic!("{object:?}"));
        let Loaded::Foreign(text) = loaded else { panic!("{loaded:?}") };
        assert!(text.contains(why), "{text}");
        assert_eq!(bench.names(), ["state.foreign"]);
    };
    for (spec, why) in &others {
        check(&Origin::new("https://10.0.0.1:6443", spec), why);
    }
    let elsewhere = Origin::new("https://10.0.0.2:6443", &spec());
    check(&elsewhere, "its API server: 'https://10.0.0.1:6443', here: 'https://10.0.0.2:6443'");
}

#[test]
fn what_only_shapes_answers_is_no_part_of_the_origin() {
    let mut zones = Spec::default().zones;
    zones.reverse();
    let spec = Spec { ttl: 30, ignore_empty_service: true, zones, ..Spec::default() };
    assert_eq!(Origin::new("https://10.0.0.1:6443", &spec), origin());
    // Insecure pod names need no pods.
    let spec = Spec { pods: Pods::Insecure, ..Spec::default() };
    assert_eq!(Origin::new("https://10.0.0.1:6443", &spec), origin());
}
