//! What upstreams say about an alias's target, taken into our own responses (schema.md, section 4).

use std::sync::{Arc, OnceLock};

use fingerpost::answer::{
    self, Cause, Desk, Failure, Identity, Outcome, Query, Rcode, Settings, Transport,
};
use fingerpost::cluster::{ClusterIps, Meta, Object, Service};
use fingerpost::zone::{Spec, View};
use hickory_proto::op::{Message, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use crate::universe::namespace;
use crate::wire::{Ask, decoded, strict};
use crate::world::view;

const OURS: &str = "out.shop.svc.cluster.local.";
const TARGET: &str = "db.example.com.";

const SETTINGS: Settings = Settings {
    payload: 1232,
    recursion: true,
    upstream: true,
    transfer: false,
    ede: true,
    minimal: false,
    identity: Identity::NONE,
};

/// What became of an answer that was chased.
struct Chased {
    rcode: Rcode,
    cause: Cause,
    message: Message,
    truncated: bool,
}

fn aliased() -> &'static Arc<View> {
    static VIEW: OnceLock<Arc<View>> = OnceLock::new();
    VIEW.get_or_init(|| {
        let service = |name, target: Option<&str>| {
            Object::Service(Service {
                meta: Meta::new("shop", name),
                external_name: target.map(Into::into),
                cluster_ips: ClusterIps::Addresses(
                    ["10.96.0.1".parse().expect("an address")].into_iter().collect(),
                ),
                has_selector: true,
                ports: Vec::new(),
                ip_families: smallvec::SmallVec::new(),
                session_affinity: false,
                local_traffic_only: false,
                publish_not_ready: false,
                selectorless: None,
            })
        };
        let objects = [namespace("shop"), service("out", Some(TARGET)), service("in", None)];
        view(&Arc::new(Spec::default()), &objects)
    })
}

fn chase(qtype: RecordType, told: Result<&[u8], Failure>, transport: Transport) -> Option<Chased> {
    let ask = Ask::new(OURS, qtype.into()).with_edns(4096).octets();
    let desk = Desk { view: Some(aliased()), settings: &SETTINGS, transport, rotation: 1 };
    let mut out = vec![0xee; answer::STREAM_MOST];
    let mut query = Query::default();
    let Outcome::Chase(_) = answer::answer(&desk, &ask, &mut query, &mut out) else {
        panic!("an alias that leads outside is chased");
    };
    match answer::chased(&desk, &ask, &mut query, told, &mut out) {
        Outcome::Chase(len) => {
            assert_question(&out[..len], qtype);
            None
        }
        Outcome::Reply { len, rcode, cause } => {
            let limit = if transport == Transport::Udp { 1232 } else { answer::STREAM_MOST };
            assert!(len <= limit, "{len} octets");
            assert!(out[len.max(limit)..].iter().all(|octet| *octet == 0xee), "out of bounds");
            let seen = strict(&out[..len]);
            let message = decoded(&out[..len]);
            assert_eq!(
                (message.metadata.id, &out[12..ask.len() - 11]),
                (0x5a5a, &ask[12..ask.len() - 11])
            );
            assert!(seen.authoritative);
            Some(Chased { rcode, cause, message, truncated: seen.truncated })
        }
        other => panic!("{other:?}"),
    }
}

/// What is asked of an upstream: a plain query for the target.
fn assert_question(octets: &[u8], qtype: RecordType) {
    let question = Message::from_vec(octets).expect("a query that hickory decodes");
    assert_eq!(question.metadata.message_type, MessageType::Query);
    assert!(question.metadata.recursion_desired);
    assert_eq!(question.queries, [Question::query(name(TARGET), qtype)]);
    assert!(question.edns.is_some());
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn a(owner: &str, last: u8) -> Record {
    Record::from_rdata(name(owner), 77, RData::A(A::new(192, 0, 2, last)))
}

fn cname(owner: &str, target: &str) -> Record {
    Record::from_rdata(name(owner), 88, RData::CNAME(CNAME(name(target))))
}

fn soa(zone: &str) -> Record {
    let soa = SOA::new(name(&format!("ns1.{zone}")), name(&format!("mail.{zone}")), 9, 1, 2, 3, 60);
    Record::from_rdata(name(zone), 99, RData::SOA(soa))
}

/// What an upstream says about `asked`.
fn said(
    asked: &str,
    qtype: RecordType,
    code: ResponseCode,
    answers: &[Record],
    authorities: &[Record],
) -> Vec<u8> {
    let mut message = Message::response(1, OpCode::Query);
    message.metadata.response_code = code;
    message.metadata.recursion_available = true;
    message.add_query(Question::query(name(asked), qtype));
    message.add_answers(answers.iter().cloned());
    message.add_authorities(authorities.iter().cloned());
    message.to_vec().expect("hickory encodes it")
}

fn told(qtype: RecordType, code: ResponseCode, answers: &[Record], soas: &[Record]) -> Chased {
    let message = said(TARGET, qtype, code, answers, soas);
    chase(qtype, Ok(&message), Transport::Stream).expect("it answers the question")
}

/// The alias of the Service itself.
fn own() -> Record {
    Record::from_rdata(name(OURS), 5, RData::CNAME(CNAME(name(TARGET))))
}

/// Records as text, TTLs among them.
fn lines(records: &[Record]) -> Vec<String> {
    records.iter().map(|r| format!("{} {} {}", r.name, r.ttl, r.data)).collect()
}

fn with_own(records: &[Record]) -> Vec<String> {
    lines(&[&[own()], records].concat())
}

#[test]
fn records_stand_behind_the_alias_with_their_own_ttls() {
    let records = [a(TARGET, 1), a(TARGET, 2)];
    let got = told(RecordType::A, ResponseCode::NoError, &records, &[]);
    assert_eq!((got.rcode, got.truncated), (Rcode::NoError, false));
    assert_eq!(lines(&got.message.answers), with_own(&records));
    assert!(got.message.authorities.is_empty() && got.message.additionals.is_empty());
}

#[test]
fn a_chain_is_taken_in_its_order_whatever_order_it_comes_in() {
    let chain = [cname(TARGET, "a.cdn.example."), cname("a.cdn.example.", "b.cdn.example.")];
    let end = [a("b.cdn.example.", 7), a("b.cdn.example.", 8)];
    let whole: Vec<Record> = chain.iter().chain(&end).cloned().collect();
    let mut turned = whole.clone();
    turned.reverse();
    for records in [&whole, &turned] {
        let got = told(RecordType::A, ResponseCode::NoError, records, &[]);
        assert_eq!(got.rcode, Rcode::NoError);
        let mut lines = lines(&got.message.answers);
        let mut expected = with_own(&whole);
        assert_eq!(lines[..3], expected[..3]);
        lines.sort();
        expected.sort();
        assert_eq!(lines, expected);
    }
}

#[test]
fn what_is_not_in_the_chain_is_left_out() {
    let mut stray = a(TARGET, 9);
    stray.dns_class = hickory_proto::rr::DNSClass::CH;
    let records = [
        a("bank.example.", 66),
        cname("bank.example.", TARGET),
        stray,
        Record::from_rdata(name(TARGET), 7, RData::TXT(TXT::new(vec!["no".into()]))),
        a(TARGET, 1),
        a("www.cluster.local.", 66),
    ];
    let got = told(RecordType::A, ResponseCode::NoError, &records, &[soa("bank.example.")]);
    assert_eq!(lines(&got.message.answers), with_own(&[a(TARGET, 1)]));
    assert!(got.message.authorities.is_empty(), "a positive answer carries no authority");
}

#[test]
fn denials_keep_the_alias_and_bring_the_upstreams_soa() {
    for (code, rcode) in
        [(ResponseCode::NXDomain, Rcode::NxDomain), (ResponseCode::NoError, Rcode::NoError)]
    {
        let got = told(RecordType::AAAA, code, &[], &[soa("example.com.")]);
        assert_eq!(got.rcode, rcode);
        assert_eq!(lines(&got.message.answers), with_own(&[]));
        assert_eq!(lines(&got.message.authorities), lines(&[soa("example.com.")]));
        let chain = [cname(TARGET, "gone.cdn.example.")];
        let got = told(RecordType::AAAA, code, &chain, &[soa("cdn.example.")]);
        assert_eq!(got.rcode, rcode);
        assert_eq!(lines(&got.message.answers), with_own(&chain));
        assert_eq!(lines(&got.message.authorities), lines(&[soa("cdn.example.")]));
    }
    let got = told(RecordType::AAAA, ResponseCode::NXDomain, &[], &[]);
    assert_eq!((got.rcode, got.message.authorities.len()), (Rcode::NxDomain, 0));
}

#[test]
fn compressed_names_in_data_are_written_out() {
    let records = [
        Record::from_rdata(name(TARGET), 7, RData::MX(MX::new(10, name("mail.db.example.com.")))),
        Record::from_rdata(name(TARGET), 7, RData::MX(MX::new(20, name("example.com.")))),
    ];
    let message = said(TARGET, RecordType::MX, ResponseCode::NoError, &records, &[]);
    assert!(message.len() < 75, "hickory has compressed the names: {}", message.len());
    let got = told(RecordType::MX, ResponseCode::NoError, &records, &[]);
    assert_eq!(lines(&got.message.answers), with_own(&records));
    let records =
        [Record::from_rdata(name(TARGET), 7, RData::SRV(SRV::new(1, 2, 3, name(TARGET))))];
    let got = told(RecordType::SRV, ResponseCode::NoError, &records, &[]);
    assert_eq!(lines(&got.message.answers), with_own(&records));
}

#[test]
fn a_chain_that_leads_back_into_our_zones_ends_there() {
    let back = [cname(TARGET, "in.shop.svc.cluster.local.")];
    let got = told(RecordType::A, ResponseCode::NoError, &back, &[]);
    let inside =
        Record::from_rdata(name("in.shop.svc.cluster.local."), 5, RData::A(A::new(10, 96, 0, 1)));
    assert_eq!(got.rcode, Rcode::NoError);
    assert_eq!(lines(&got.message.answers), with_own(&[back[0].clone(), inside]));
}

#[test]
fn loops_are_a_failure() {
    for chain in [
        vec![cname(TARGET, TARGET)],
        vec![cname(TARGET, "a.cdn.example."), cname("a.cdn.example.", TARGET)],
        vec![cname(TARGET, OURS)],
    ] {
        let got = told(RecordType::A, ResponseCode::NoError, &chain, &[]);
        assert_eq!(got.rcode, Rcode::ServFail, "{chain:?}");
        assert!(got.message.answers.is_empty());
    }
}

#[test]
fn answers_to_other_questions_are_asked_anew() {
    for (asked, qtype) in [("other.example.com.", RecordType::A), (TARGET, RecordType::AAAA)] {
        let message = said(asked, qtype, ResponseCode::NoError, &[a(TARGET, 1)], &[]);
        assert!(chase(RecordType::A, Ok(&message), Transport::Udp).is_none(), "{asked} {qtype}");
    }
}

#[test]
fn upstreams_that_fail_are_no_denial() {
    for code in [ResponseCode::ServFail, ResponseCode::Refused, ResponseCode::FormErr] {
        let got = told(RecordType::A, code, &[], &[]);
        assert_eq!(got.rcode, Rcode::ServFail, "{code}");
        assert_eq!(got.cause, Cause::Upstream(Failure::Unusable));
        assert!(got.message.answers.is_empty());
    }
    for failure in [Failure::Unreachable, Failure::Unusable] {
        let got = chase(RecordType::A, Err(failure), Transport::Udp).expect("a response");
        assert_eq!((got.rcode, got.cause), (Rcode::ServFail, Cause::Upstream(failure)));
        assert!(got.message.answers.is_empty() && got.message.authorities.is_empty());
    }
    let got = chase(RecordType::A, Err(Failure::Nobody), Transport::Udp).expect("a response");
    assert_eq!((got.rcode, got.cause), (Rcode::NoError, Cause::BareAlias));
    assert_eq!(lines(&got.message.answers), with_own(&[]));
    assert!(got.message.authorities.is_empty());
}

#[test]
fn malformed_data_are_a_failure_and_not_a_truncation() {
    let records = [Record::from_rdata(name(TARGET), 7, RData::MX(MX::new(10, name("m.example."))))];
    let good = said(TARGET, RecordType::MX, ResponseCode::NoError, &records, &[]);
    let start = good.len() - "\u{1}m\u{7}example\u{0}".len();
    for name in [&b"\xc0\xff"[..], b"\x40", b"\x3f", b"\x01m", b"\xc0"] {
        let mut message = good[..start].to_vec();
        message.extend_from_slice(name);
        let length = u16::try_from(2 + name.len()).expect("few").to_be_bytes();
        message[start - 4..start - 2].copy_from_slice(&length);
        let got = chase(RecordType::MX, Ok(&message), Transport::Stream).expect("a response");
        assert_eq!(got.rcode, Rcode::ServFail, "{name:02x?}");
        assert_eq!(got.cause, Cause::Upstream(Failure::Unusable), "{name:02x?}");
        assert!(!got.truncated && got.message.answers.is_empty(), "{name:02x?}");
    }
}

#[test]
fn an_address_of_another_length_is_a_failure() {
    let good = said(TARGET, RecordType::A, ResponseCode::NoError, &[a(TARGET, 9)], &[]);
    for octets in [&[][..], &[192, 0, 2], &[192, 0, 2, 9, 0]] {
        let mut message = good[..good.len() - 6].to_vec();
        message.extend_from_slice(&u16::try_from(octets.len()).expect("few").to_be_bytes());
        message.extend_from_slice(octets);
        let got = chase(RecordType::A, Ok(&message), Transport::Udp).expect("a response");
        assert_eq!(got.cause, Cause::Upstream(Failure::Unusable), "{octets:?}");
    }
}

#[test]
fn what_does_not_fit_is_truncated_to_whole_records() {
    let records: Vec<Record> = (0..200).map(|last| a(TARGET, last)).collect();
    let message = said(TARGET, RecordType::A, ResponseCode::NoError, &records, &[]);
    let got = chase(RecordType::A, Ok(&message), Transport::Udp).expect("a response");
    assert!(got.truncated);
    let lines = lines(&got.message.answers);
    assert_eq!(lines[..], with_own(&records)[..lines.len()]);
    assert!(lines.len() > 60, "{}", lines.len());
    let got = chase(RecordType::A, Ok(&message), Transport::Stream).expect("a response");
    assert_eq!((got.truncated, got.message.answers.len()), (false, 201));
}

fn upstream() -> impl Strategy<Value = (RecordType, Vec<u8>)> {
    let owners =
        ["a.cdn.example.", "b.cdn.example.", "x.test.", TARGET, "in.shop.svc.cluster.local."];
    let record =
        (0..owners.len(), 0..6u8, 0..owners.len()).prop_map(move |(owner, kind, other)| {
            let data = match kind {
                0 | 1 => RData::A(A::new(192, 0, 2, 1)),
                2 | 3 => RData::CNAME(CNAME(name(owners[other]))),
                4 => RData::MX(MX::new(1, name(owners[other]))),
                _ => return soa(owners[owner]),
            };
            Record::from_rdata(name(owners[owner]), 30, data)
        });
    let codes = prop_oneof![4 => Just(ResponseCode::NoError), 1 => Just(ResponseCode::NXDomain)];
    let qtypes = prop_oneof![Just(RecordType::A), Just(RecordType::MX), Just(RecordType::SOA)];
    (qtypes, codes, vec(record.clone(), 0..8), vec(record, 0..3)).prop_map(
        |(qtype, code, answers, authorities)| {
            (qtype, said(TARGET, qtype, code, &answers, &authorities))
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 1500,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn arbitrary_octets_do_no_harm(message in vec(any::<u8>(), 0..200)) {
        chase(RecordType::A, Ok(&message), Transport::Udp);
    }

    #[test]
    fn drawn_and_broken_messages_do_no_harm(
        (qtype, message) in upstream(),
        flips in vec((any::<Index>(), any::<u8>()), 0..4),
        cut in prop::option::weighted(0.2, any::<Index>()),
    ) {
        let mut message = message;
        for (at, octet) in flips {
            let at = at.index(message.len());
            message[at] = octet;
        }
        if let Some(cut) = cut {
            message.truncate(cut.index(message.len()));
        }
        for transport in [Transport::Udp, Transport::Stream] {
            if let Some(got) = chase(qtype, Ok(&message), transport) {
                prop_assert!(
                    [Rcode::NoError, Rcode::NxDomain, Rcode::ServFail].contains(&got.rcode)
                );
                prop_assert_eq!(got.message.answers.is_empty(), got.rcode == Rcode::ServFail);
            }
        }
    }
}
