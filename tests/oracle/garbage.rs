//! Whatever anybody sends: no panic, nothing over the limit, and either silence or a response that
//! decodes, with the ID that was sent.

use std::sync::{Arc, OnceLock};

use fingerpost::answer::{STREAM_MOST, Transport};
use fingerpost::cluster::Object;
use fingerpost::zone::{Pods, Spec, View};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use crate::universe::{namespace, object};
use crate::wire::{Ask, decoded, strict, wire_name};
use crate::world::{names, reply, view};

/// A view of a universe that is full.
fn full() -> &'static Arc<View> {
    static VIEW: OnceLock<Arc<View>> = OnceLock::new();
    VIEW.get_or_init(|| {
        let mut runner = TestRunner::deterministic();
        let drawn = vec(object(), 200).new_tree(&mut runner).expect("objects").current();
        let objects: Vec<Object> =
            [namespace("shop"), namespace("default")].into_iter().chain(drawn).collect();
        view(&Arc::new(Spec { pods: Pods::Insecure, ..Spec::default() }), &objects)
    })
}

/// What may come back, whatever was sent.
fn harmless(message: &[u8]) -> Option<Vec<u8>> {
    let mut last = None;
    for (transport, limit) in [(Transport::Udp, 1232), (Transport::Stream, STREAM_MOST)] {
        let response = reply(full(), message, transport, 1232, 3);
        let silent = message.len() < 12 || message[2] & 0x80 != 0;
        assert_eq!(response.is_none(), silent, "{message:02x?}");
        let Some(response) = response else { continue };
        assert!(response.len() <= limit, "{} octets for {message:02x?}", response.len());
        let seen = strict(&response);
        assert_eq!(response[..2], message[..2], "the ID of {message:02x?}");
        assert_eq!(response[2] & 0x79, message[2] & 0x79, "opcode and RD of {message:02x?}");
        // A response code may be unknown to hickory's `Display`, never to its decoder.
        decoded(&response);
        assert!([0, 1, 2, 3, 4, 5, 16].contains(&seen.rcode), "{message:02x?}");
        last = Some(response);
    }
    last
}

/// The response code of what must be answered with nothing else.
fn refusal(message: &[u8]) -> u16 {
    let response = harmless(message).expect("a response");
    let seen = strict(&response);
    assert!(seen.records[0].is_empty() && seen.records[1].is_empty(), "{message:02x?}");
    assert_eq!(seen.additional(), 0, "{message:02x?}");
    seen.rcode
}

fn good() -> impl Strategy<Value = Vec<u8>> {
    let qtype = select(vec![1, 28, 33, 12, 5, 6, 2, 16, 255, 252, 251, 253, 254, 41, 0, 65_535]);
    let edns = prop_oneof![Just(None), (any::<u16>(), any::<bool>()).prop_map(Some)];
    let class = prop_oneof![8 => Just(1u16), 1 => any::<u16>(), 1 => Just(3), 1 => Just(255)];
    (any::<Index>(), qtype, edns, any::<u16>(), class).prop_map(|(name, qtype, edns, id, class)| {
        static NAMES: OnceLock<Vec<String>> = OnceLock::new();
        let names = NAMES.get_or_init(names);
        let mut ask = Ask::new(name.get(names).as_str(), qtype);
        (ask.edns, ask.id, ask.class) = (edns, id, class);
        ask.octets()
    })
}

/// A record as junk would have it.
fn record() -> impl Strategy<Value = Vec<u8>> {
    let owner = prop_oneof![
        Just(vec![0]),
        Just(vec![0xc0, 12]),
        Just(vec![0xc0, 0xff]),
        Just(wire_name("a.b.example")),
        vec(any::<u8>(), 0..8),
    ];
    let rtype = select(vec![1u16, 41, 41, 250, 6, 99]);
    (owner, rtype, any::<u16>(), any::<u32>(), vec(any::<u8>(), 0..30), prop::bool::weighted(0.2))
        .prop_map(|(owner, rtype, class, ttl, data, lies)| {
            let len = u16::try_from(data.len()).expect("short") + if lies { 9 } else { 0 };
            let mut out = owner;
            out.extend_from_slice(&rtype.to_be_bytes());
            out.extend_from_slice(&class.to_be_bytes());
            out.extend_from_slice(&ttl.to_be_bytes());
            out.extend_from_slice(&len.to_be_bytes());
            out.extend_from_slice(&data);
            out
        })
}

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn arbitrary_octets(message in vec(any::<u8>(), 0..120)) {
        harmless(&message);
    }

    #[test]
    fn arbitrary_octets_behind_a_header(
        counts in (0..3u16, 0..3u16, 0..3u16, 0..3u16),
        flags in any::<u8>(),
        rest in vec(prop_oneof![3 => 0..4u8, 2 => any::<u8>(), 1 => Just(0xc0)], 0..80),
    ) {
        let mut message = vec![1, 2, flags & 0x7f, 0];
        for count in [counts.0, counts.1, counts.2, counts.3] {
            message.extend_from_slice(&count.to_be_bytes());
        }
        message.extend_from_slice(&rest);
        harmless(&message);
    }

    #[test]
    fn flipped_bits(message in good(), flips in vec((any::<Index>(), 0..8u8), 1..6)) {
        let mut message = message;
        for (at, bit) in flips {
            let at = at.index(message.len());
            message[at] ^= 1 << bit;
        }
        harmless(&message);
    }

    #[test]
    fn cut_and_lengthened(message in good(), cut in any::<Index>(), more in vec(any::<u8>(), 0..9)) {
        let mut cut = message[..cut.index(message.len())].to_vec();
        harmless(&cut);
        cut.extend_from_slice(&more);
        harmless(&cut);
        let whole = harmless(&message);
        // What stands behind the last record that is counted belongs to no section.
        prop_assert_eq!(harmless(&[message, more].concat()), whole);
    }

    #[test]
    fn other_records_beside_the_question(
        message in good(),
        sections in (vec(record(), 0..3), vec(record(), 0..3), vec(record(), 0..4)),
        lie in prop::option::weighted(0.1, (6..12usize, any::<u8>())),
    ) {
        let mut message = message;
        let opt = u16::from_be_bytes([message[10], message[11]]);
        let tail = if opt == 1 { message.split_off(message.len() - 11) } else { Vec::new() };
        let (an, ns, ar) = sections;
        let count = |records: &[Vec<u8>]| u16::try_from(records.len()).expect("few").to_be_bytes();
        message[6..8].copy_from_slice(&count(&an));
        message[8..10].copy_from_slice(&count(&ns));
        let additionals = u16::from_be_bytes(count(&ar)) + opt;
        message[10..12].copy_from_slice(&additionals.to_be_bytes());
        message.extend(an.into_iter().chain(ns).flatten());
        message.extend_from_slice(&tail);
        message.extend(ar.into_iter().flatten());
        if let Some((at, octet)) = lie {
            message[at] = octet;
        }
        harmless(&message);
    }
}

const FORMERR: u16 = 1;
const NOTIMP: u16 = 4;
const REFUSED: u16 = 5;
const BADVERS: u16 = 16;

/// A message with this question section, one question counted.
fn with_question(question: &[u8]) -> Vec<u8> {
    [&[9, 9, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], question].concat()
}

#[test]
fn compression_in_a_question_is_malformed() {
    for name in [
        &[0xc0, 12][..],
        &[0xc0, 0],
        &[0xc0, 4],
        &[1, b'a', 0xc0, 12],
        &[1, b'a', 0xc0, 14],
        &[0xff, 0xff],
        &[0x40, b'a', 0],
        &[0x80, b'a', 0],
    ] {
        let question = [name, &[0, 1, 0, 1]].concat();
        assert_eq!(refusal(&with_question(&question)), FORMERR, "{name:02x?}");
    }
}

#[test]
fn names_and_labels_at_their_limits() {
    let label = |len: usize| [&[u8::try_from(len).expect("octet")][..], &vec![b'a'; len]].concat();
    let end = [0, 0, 1, 0, 1];
    // Three labels of 63 octets take 192, the root 1: 62 are left for a last one.
    for (last, wanted) in [(61, REFUSED), (62, FORMERR)] {
        let name = [label(63), label(63), label(63), label(last)].concat();
        assert_eq!(name.len() + 1, last + 194);
        assert_eq!(refusal(&with_question(&[&name[..], &end].concat())), wanted, "{last}");
    }
    let ones: Vec<u8> = std::iter::repeat_n([1, b'a'], 127).flatten().collect();
    assert_eq!(refusal(&with_question(&[&ones[..], &end].concat())), REFUSED);
    let ones: Vec<u8> = std::iter::repeat_n([1, b'a'], 128).flatten().collect();
    assert_eq!(refusal(&with_question(&[&ones[..], &end].concat())), FORMERR);
    // In our zone the longest names are looked up as well.
    let below = wire_name("db.shop.svc.cluster.local");
    for (len, wanted) in [(63, 3), (64, FORMERR)] {
        let name = [&label(len)[..], &below, &[0, 1, 0, 1]].concat();
        let response = harmless(&with_question(&name)).expect("a response");
        assert_eq!(strict(&response).rcode, wanted, "{len}");
    }
    let room = 255 - below.len();
    let deep: Vec<u8> = std::iter::repeat_n([1, b'_'], room / 2).flatten().collect();
    let response = harmless(&with_question(&[&deep[..], &below, &[0, 33, 0, 1]].concat()));
    assert_eq!(strict(&response.expect("a response")).rcode, 3);
}

#[test]
fn counts_that_no_query_has() {
    let good = Ask::new("db.shop.svc.cluster.local", 1).octets();
    for (at, octets, wanted) in [
        (4, [0, 0], FORMERR),
        (4, [0, 2], FORMERR),
        (4, [0xff, 0xff], FORMERR),
        (6, [0, 1], FORMERR),
        (8, [0xff, 0xff], FORMERR),
        (10, [0, 1], FORMERR),
    ] {
        let mut message = good.clone();
        message[at..at + 2].copy_from_slice(&octets);
        assert_eq!(refusal(&message), wanted, "{at} {octets:?}");
        // An unknown opcode is judged first.
        message[2] |= 0x28;
        assert_eq!(refusal(&message), NOTIMP, "{at} {octets:?}");
    }
    let response = harmless(&good[..12]).expect("a header is enough for an answer");
    assert_eq!((response.len(), strict(&response).rcode), (12, FORMERR));
}

#[test]
fn opt_records_at_their_limits() {
    let good = Ask::new("db.shop.svc.cluster.local", 1).with_edns(1232).octets();
    let opt = good[good.len() - 11..].to_vec();
    let mut two = [&good[..], &opt].concat();
    two[11] = 2;
    assert_eq!(refusal(&two), FORMERR);
    let mut version = good.clone();
    let at = version.len() - 5;
    version[at] = 1;
    assert_eq!(refusal(&version), BADVERS);
    let mut owner = good.clone();
    owner.splice(good.len() - 11..good.len() - 10, wire_name("a"));
    assert_eq!(refusal(&owner), FORMERR);
    let mut moved = good.clone();
    moved[6..12].copy_from_slice(&[0, 1, 0, 0, 0, 0]);
    assert_eq!(refusal(&moved), FORMERR, "an OPT record in the answer section");
    for (options, wanted) in
        [(&[0, 3, 0, 0][..], 0), (&[0, 3, 0, 1], FORMERR), (&[0, 3, 0], FORMERR)]
    {
        let mut message = good.clone();
        let len = message.len();
        message[len - 1] = u8::try_from(options.len()).expect("few");
        message.extend_from_slice(options);
        let response = harmless(&message).expect("a response");
        let seen = strict(&response);
        assert_eq!(seen.rcode == FORMERR, wanted == FORMERR, "{options:?}");
    }
}
