//! Every answer from generated worlds is well formed, fits, and says what the naive model says.

use std::collections::BTreeSet;

use fingerpost::answer::Transport;
use hickory_proto::op::Message;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};

use crate::model::{A, AAAA, CNAME, Data, Expected, Model, PTR, SRV, Truth};
use crate::wire::{Ask, Seen, decoded, set, strict};
use crate::world::{names, reply, view, world};

/// One query as it is drawn.
#[derive(Clone, Debug)]
struct Drawn {
    name: Index,
    qtype: u16,
    stream: bool,
    edns: Option<(u16, bool)>,
    flags: u16,
    upper: u64,
    rotation: u32,
}

fn drawn() -> impl Strategy<Value = Drawn> {
    let edns = prop_oneof![
        Just(None),
        (select(vec![0, 300, 512, 1232, 4096, 65535]), any::<bool>()).prop_map(Some),
    ];
    (
        any::<Index>(),
        select(vec![A, AAAA, SRV, PTR, CNAME, A, SRV]),
        any::<bool>(),
        edns,
        select(vec![0, 0x0100, 0x0110, 0x0170]),
        any::<u64>(),
        any::<u32>(),
    )
        .prop_map(|(name, qtype, stream, edns, flags, upper, rotation)| Drawn {
            name,
            qtype,
            stream,
            edns,
            flags,
            upper,
            rotation,
        })
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 120,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn answers_say_what_the_model_says(world in world(), queries in vec(drawn(), 150)) {
        let view = view(&world.spec, &world.objects);
        let model = Model { spec: &world.spec, objects: &world.objects };
        let names = names();
        for query in queries {
            let name = query.name.get(&names);
            let mut ask = Ask::new(name, query.qtype);
            ask.flags = query.flags;
            ask.edns = query.edns;
            for (bit, octet) in ask.name.iter_mut().enumerate() {
                if octet.is_ascii_alphabetic() && query.upper >> (bit % 64) & 1 == 1 {
                    octet.make_ascii_uppercase();
                }
            }
            let octets = ask.octets();
            let transport = if query.stream { Transport::Stream } else { Transport::Udp };
            let response =
                reply(&view, &octets, transport, 1232, query.rotation).expect("a response");
            let what = format!("{name} {}", query.qtype);
            judge(&what, &ask, &response, query.stream, &model.answer(name, query.qtype));
            additional(&what, &response, query.stream, &model);
        }
    }
}

/// Holds a response against what is expected.
pub(crate) fn judge(
    what: &str,
    ask: &Ask,
    response: &[u8],
    stream: bool,
    expected: &Expected,
) -> Seen {
    let limit = match ask.edns {
        _ if stream => 65_535,
        None => 512,
        Some((payload, _)) => usize::from(payload.clamp(512, 1232)),
    };
    assert!(response.len() <= limit, "{what}: {} octets are over {limit}", response.len());
    let seen = strict(response);
    let message = decoded(response);
    assert_eq!(message.metadata.id, ask.id, "{what}");
    assert_eq!(message.metadata.recursion_desired, ask.flags & 0x0100 != 0, "{what}");
    assert_eq!(message.metadata.checking_disabled, ask.flags & 0x0010 != 0, "{what}");
    assert!(!message.metadata.recursion_available, "{what}");
    assert_eq!(message.edns.is_some(), ask.edns.is_some(), "{what}");
    if let (Some(theirs), Some((_, dnssec_ok))) = (&message.edns, ask.edns) {
        assert_eq!(theirs.flags().dnssec_ok, dnssec_ok, "{what}");
        assert_eq!((theirs.version(), theirs.max_payload()), (0, 1232), "{what}");
    }
    let end = 12 + ask.name.len() + 4;
    assert_eq!(response[12..end], ask.octets()[12..end], "{what}: the question is echoed");
    assert_eq!(seen.rcode, expected.rcode, "{what}");
    assert_eq!(seen.authoritative, seen.rcode != 5, "{what}");
    let answers = set(&message.answers);
    let missing: Vec<_> = expected.answers.difference(&answers).collect();
    let soas = message.authorities.len();
    assert!(answers.is_subset(&expected.answers), "{what}: {answers:?}, not {expected:?}");
    assert!(soas <= usize::from(expected.soa), "{what}: {soas} records of authority");
    let complete = missing.is_empty() && soas == usize::from(expected.soa);
    assert_eq!(seen.truncated, !complete, "{what}: TC, {missing:?} missing");
    assert!(answers.len() > 1 || expected.answers.len() <= answers.len() || seen.truncated);
    if seen.truncated {
        // What stands for each missing record at the least: its owner may be a pointer.
        let largest = missing.iter().map(|record| 12 + size(&record.1)).max().unwrap_or(300);
        let room = limit - (response.len() - seen.additional());
        assert!(room < largest, "{what}: {room} octets are left, {largest} would do");
    }
    for record in message.answers.iter().chain(&message.additionals) {
        assert_eq!(record.ttl, 5, "{what}");
    }
    seen
}

/// The octets of data at the most.
fn size(data: &Data) -> usize {
    match data {
        Data::A(_) => 4,
        Data::Aaaa(_) => 16,
        Data::Cname(name) | Data::Ptr(name) => name.len() + 2,
        Data::Srv { target, .. } => target.len() + 8,
    }
}

/// Additional records are addresses of SRV targets, and over a stream all of them are there.
fn additional(what: &str, response: &[u8], stream: bool, model: &Model<'_>) {
    let message = Message::from_vec(response).expect("decoded before");
    let found = set(&message.additionals);
    let targets: BTreeSet<String> = set(&message.answers)
        .into_iter()
        .filter_map(|(_, data)| match data {
            Data::Srv { target, .. } => Some(target),
            _ => None,
        })
        .collect();
    for (owner, _) in &found {
        assert!(targets.contains(owner), "{what}: {owner} is no target");
    }
    for target in &targets {
        let Truth::Records(known) = model.lookup(target) else {
            panic!("{what}: the target {target} does not exist");
        };
        let known: BTreeSet<Data> =
            known.into_iter().filter(|data| [A, AAAA].contains(&data.rtype())).collect();
        let here: BTreeSet<Data> = found
            .iter()
            .filter(|(owner, _)| owner == target)
            .map(|(_, data)| data.clone())
            .collect();
        assert!(here.is_subset(&known), "{what}: {here:?} of {target}, which has {known:?}");
        assert!(!stream || !here.is_empty(), "{what}: {target} has no address with it");
    }
}
