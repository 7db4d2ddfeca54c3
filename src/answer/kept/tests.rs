//! Replies of upstreams, and what is left of them.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query as Question, ResponseCode};
use hickory_proto::rr::rdata::{A, CNAME, MX as Exchange, NS, SOA};
use hickory_proto::rr::{DNSClass, Name, RData, Record, RecordType};

use super::*;
use crate::answer::{Settings, Transport};

fn name(text: &str) -> Name {
    Name::from_ascii(text).unwrap()
}

fn a(owner: &str, ttl: u32, last: u8) -> Record {
    Record::from_rdata(name(owner), ttl, RData::A(A::new(192, 0, 2, last)))
}

fn alias(owner: &str, ttl: u32, target: &str) -> Record {
    Record::from_rdata(name(owner), ttl, RData::CNAME(CNAME(name(target))))
}

fn ns(owner: &str, host: &str) -> Record {
    Record::from_rdata(name(owner), 90, RData::NS(NS(name(host))))
}

fn mx(owner: &str, host: &str) -> Record {
    Record::from_rdata(name(owner), 80, RData::MX(Exchange::new(10, name(host))))
}

fn soa(owner: &str, ttl: u32, minimum: u32) -> Record {
    let data = SOA::new(name("ns.test."), name("host.test."), 1, 2, 3, 4, minimum);
    Record::from_rdata(name(owner), ttl, RData::SOA(data))
}

/// A reply to a question of type A, or MX, about a name.
fn reply(asked: &str, code: ResponseCode, sections: [&[Record]; 3]) -> Message {
    let qtype = if asked.starts_with("mail") { RecordType::MX } else { RecordType::A };
    let mut reply = Message::response(0x1234, OpCode::Query);
    reply.metadata.response_code = code;
    reply.add_query(Question::query(name(asked), qtype));
    reply.answers = sections[0].to_vec();
    reply.authorities = sections[1].to_vec();
    reply.additionals = sections[2].to_vec();
    reply
}

/// The kept answer as an asker gets it.
fn given(kept: &Kept, query: &Message, ttl: u32, as_what: KeptAs) -> Message {
    turned(kept, query, ttl, as_what, 0)
}

/// The same at this turn.
fn turned(kept: &Kept, query: &Message, ttl: u32, as_what: KeptAs, rotation: u32) -> Message {
    let octets = query.to_vec().unwrap();
    let mut read = Query::default();
    read.read(&octets).unwrap();
    let settings = Settings { recursion: true, ..Settings::DEFAULT };
    let desk = Desk { view: None, settings: &settings, transport: Transport::Udp, rotation };
    let mut out = vec![0xee; 4_096];
    let Outcome::Reply { len, .. } = repeat(&desk, &octets, &read, (kept, as_what), ttl, &mut out)
    else {
        panic!("no reply");
    };
    Message::from_vec(&out[..len]).unwrap()
}

fn query_of(reply: &Message) -> Message {
    let mut query = Message::query();
    query.metadata.id = 0x4321;
    query.add_query(reply.queries[0].clone());
    query
}

fn owners(records: &[Record]) -> String {
    let all: Vec<String> = records.iter().map(|one| one.name.to_string()).collect();
    all.join(" ")
}

const OK: ResponseCode = ResponseCode::NoError;
const NX: ResponseCode = ResponseCode::NXDomain;

/// What is asked, and the reply.
type Case<'c> = (&'c str, ResponseCode, [&'c [Record]; 3]);
/// The kind of what is kept, the owners of each section, the least TTL.
type Left<'l> = (KeptKind, [&'l str; 3], Option<u32>);

fn check((asked, code, sections): Case<'_>, left: Option<Left<'_>>) {
    let mut reply = reply(asked, code, sections);
    // The OPT record is the one hop's.
    reply.edns = Some(Edns::new());
    let kept = Kept::of(&reply.to_vec().unwrap(), false);
    let seen = kept.as_ref().map(|kept| {
        let given = given(kept, &query_of(&reply), 7, KeptAs::Fresh);
        assert_eq!(given.metadata.response_code, code);
        assert_eq!((given.metadata.id, given.edns), (0x4321, None));
        let all = [&given.answers, &given.authorities, &given.additionals];
        assert!(all.iter().all(|section| section.iter().all(|record| record.ttl == 7)));
        (kept.kind(), all.map(|section| owners(section)), kept.least_ttl())
    });
    let left = left.map(|(kind, owners, ttl)| (kind, owners.map(str::to_owned), ttl));
    assert_eq!(seen, left, "{asked} {code} {sections:?}");
}

const WWW: &str = "www.test.";
const NONE: &[Record] = &[];

#[test]
fn of_data_the_questions_chain_is_kept_and_nothing_else() {
    let two = &[a(WWW, 60, 1), a(WWW, 30, 2)][..];
    let both = "www.test. www.test.";
    let chain = &[a("c.test.", 60, 1), alias(WWW, 70, "b.test."), alias("b.test.", 9, "c.test.")];
    let foreign = &[a(WWW, 60, 1), a("bank.example.", 60, 2)];
    let looped = &[alias(WWW, 70, "b.test."), alias("b.test.", 9, WWW)];
    let torn = &[alias(WWW, 70, "b.test."), alias(WWW, 70, "c.test."), a("b.test.", 1, 1)];
    let unrelated = &[a("other.test.", 60, 1)];
    let servers = &[ns("test.", "ns.test."), ns("example.", "ns.example.")][..];
    let glue = &[a("ns.test.", 10, 7), a("bank.example.", 10, 8)][..];
    let mail = &[mx("mail.test.", "in.test.")][..];
    let hosts = &[a("in.test.", 10, 7), a("out.test.", 10, 8)][..];
    let soa = &[soa("test.", 5, 5)][..];
    let data = |owners, ttl| Some((KeptKind::Data, owners, ttl));
    for (asked, sections, left) in [
        (WWW, [two, NONE, NONE], data([both, "", ""], Some(30))),
        (WWW, [chain, NONE, NONE], data(["www.test. b.test. c.test.", "", ""], Some(9))),
        (WWW, [foreign, NONE, NONE], data([WWW, "", ""], Some(60))),
        (WWW, [two, servers, glue], data([both, "test.", "ns.test."], Some(10))),
        ("mail.test.", [mail, NONE, hosts], data(["mail.test.", "", "in.test."], Some(10))),
        (WWW, [two, soa, NONE], data([both, "", ""], Some(30))),
        (WWW, [looped, NONE, NONE], None),
        (WWW, [torn, NONE, NONE], None),
        (WWW, [&chain[1..], NONE, NONE], None),
        (WWW, [unrelated, NONE, NONE], data(["", "", ""], None)),
    ] {
        check((asked, OK, sections), left);
    }
}

#[test]
fn denials_have_an_soa_record_and_errors_are_of_two_kinds() {
    let incomplete = &[alias(WWW, 70, "b.test.")][..];
    let soa_of = |owner, ttl| vec![soa(owner, ttl, 40)];
    let (denial, late) = (&soa_of("test.", 50)[..], &soa_of("test.", 20)[..]);
    let elsewhere = &soa_of("example.", 50)[..];
    let data = &[a(WWW, 60, 1)][..];
    let denied = |owner, ttl| Some((KeptKind::Denial, [owner, "test.", ""], Some(ttl)));
    let nothing = Some((KeptKind::Data, ["", "", ""], None));
    let failure = Some((KeptKind::Failure, ["", "", ""], None));
    for (code, sections, left) in [
        (OK, [incomplete, denial, NONE], denied(WWW, 40)),
        (OK, [NONE, denial, NONE], denied("", 40)),
        (OK, [NONE, late, NONE], denied("", 20)),
        (OK, [NONE, elsewhere, NONE], nothing),
        (NX, [NONE, denial, NONE], denied("", 40)),
        (NX, [incomplete, denial, NONE], denied(WWW, 40)),
        (NX, [NONE, NONE, NONE], None),
        (NX, [NONE, elsewhere, NONE], None),
        (NX, [data, denial, NONE], None),
        (ResponseCode::ServFail, [NONE, NONE, NONE], failure),
        (ResponseCode::NotImp, [NONE, NONE, NONE], failure),
        (ResponseCode::Refused, [NONE, NONE, NONE], None),
        (ResponseCode::BADVERS, [NONE, NONE, NONE], None),
    ] {
        check((WWW, code, sections), left);
    }
}

#[test]
fn what_is_cut_or_malformed_is_not_kept() {
    let good = reply("www.test.", OK, [&[a("www.test.", 60, 1)], &[], &[]]);
    let octets = good.to_vec().unwrap();
    assert!(Kept::of(&octets, false).is_some());
    for cut in 0..octets.len() {
        assert!(Kept::of(&octets[..cut], false).is_none(), "cut at {cut}");
    }
    let changed = |change: fn(&mut Message)| {
        let mut message = good.clone();
        change(&mut message);
        Kept::of(&message.to_vec().unwrap(), false)
    };
    assert!(changed(|message| message.metadata.truncation = true).is_none());
    assert!(changed(|message| message.metadata.message_type = MessageType::Query).is_none());
    assert!(changed(|message| message.metadata.op_code = OpCode::Status).is_none());
    let axfr = |message: &mut Message| {
        message.queries[0].set_query_type(RecordType::AXFR);
    };
    assert!(changed(axfr).is_none());
    let chaos = changed(|message| message.answers[0].dns_class = DNSClass::CH).unwrap();
    assert_eq!(chaos.least_ttl(), None, "a record of another class is not looked at");
    let mut large = good.clone();
    large.answers = (0..8).flat_map(|_| (0..250).map(|n| a("www.test.", 60, n))).collect();
    assert!(Kept::of(&large.to_vec().unwrap(), false).is_none(), "larger than anybody needs");
}

#[test]
fn each_asker_gets_a_response_of_its_own() {
    let mut reply = reply(
        "wWw.Test.",
        OK,
        [&[alias("wWw.Test.", 60, "Web.Test."), a("Web.Test.", 60, 1)], &[], &[]],
    );
    reply.metadata.authentic_data = true;
    let kept = Kept::of(&reply.to_vec().unwrap(), false).unwrap();
    let mut query = query_of(&reply);
    query.queries[0].set_name(name("www.tEST."));
    let plain = given(&kept, &query, 60, KeptAs::Fresh);
    let octets = plain.to_vec().unwrap();
    assert_eq!(&octets[13..16], b"www", "the question in the asker's case");
    assert_eq!(plain.answers[0].name.to_string(), "www.tEST.", "and the owner with it");
    assert_eq!(plain.answers[0].data.to_string(), "Web.tEST.", "data as told");
    assert!(plain.metadata.recursion_available && !plain.metadata.authentic_data);
    query.metadata.authentic_data = true;
    assert!(given(&kept, &query, 60, KeptAs::Fresh).metadata.authentic_data);
    query.metadata.checking_disabled = true;
    let mut edns = Edns::new();
    edns.set_max_payload(1_232).set_dnssec_ok(true);
    query.edns = Some(edns);
    let with = given(&kept, &query, 60, KeptAs::Fresh);
    assert!(with.metadata.checking_disabled);
    assert!(with.edns.unwrap().flags().dnssec_ok);
}

/// What is handed on at once, to a client of a stream; nothing where the reply is unusable.
fn relayed(told: &[u8], query: &Message) -> Option<Message> {
    let octets = query.to_vec().unwrap();
    let mut read = Query::default();
    read.read(&octets).unwrap();
    let settings = Settings { recursion: true, ..Settings::DEFAULT };
    let desk = Desk { view: None, settings: &settings, transport: Transport::Stream, rotation: 0 };
    let mut out = vec![0xee; STREAM_MOST];
    match relay(&desk, &octets, &read, told, &mut out)? {
        Outcome::Reply { len, .. } => Some(Message::from_vec(&out[..len]).unwrap()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_handed_on_at_once_keeps_its_ttls_and_nothing_foreign() {
    let chain = [alias("a.test.", 300, "b.test."), a("b.test.", 5, 1), a("b.test.", 7, 2)];
    let foreign = [a("bank.example.", 9, 66), ns("bank.example.", "ns.evil.")];
    let sections = [&[&chain[..], &foreign[..1]].concat()[..], &foreign[1..], &foreign[..1]];
    let mut told = reply("a.test.", ResponseCode::NoError, sections);
    told.edns = Some(Edns::new());
    told.metadata.authoritative = true;
    for asked in [false, true] {
        let mut query = query_of(&told);
        query.edns = asked.then(Edns::new);
        let found = relayed(&told.to_vec().unwrap(), &query).unwrap();
        assert_eq!(found.answers, chain);
        assert_eq!((found.authorities.len(), found.additionals.len()), (0, 0));
        assert_eq!(found.edns.is_some(), asked);
        assert!(found.metadata.recursion_available && found.metadata.authoritative);
    }
}

#[test]
fn what_is_not_kept_is_handed_on_as_far_as_it_answers() {
    let ask = |told: &Message| relayed(&told.to_vec().unwrap(), &query_of(told));
    // Refusals are codes without records.
    for code in [ResponseCode::Refused, ResponseCode::FormErr, ResponseCode::NotAuth] {
        let told = reply("a.test.", code, [&[], &[], &[a("bank.example.", 9, 66)]]);
        assert!(Kept::of(&told.to_vec().unwrap(), false).is_none());
        let found = ask(&told).unwrap();
        assert_eq!((found.metadata.response_code, found.additionals.len()), (code, 0));
    }
    // An alias that leads nowhere may be all that there is.
    let told =
        reply("a.test.", ResponseCode::NoError, [&[alias("a.test.", 9, "b.test.")], &[], &[]]);
    assert!(Kept::of(&told.to_vec().unwrap(), false).is_none());
    assert_eq!(ask(&told).unwrap().answers, told.answers);
    // Nor has what is long to be kept.
    let many: Vec<Record> = (0..2_000).map(|n| a("a.test.", n, 1)).collect();
    let told = reply("a.test.", ResponseCode::NoError, [&many, &[], &[]]);
    assert!(Kept::of(&told.to_vec().unwrap(), false).is_none());
    assert_eq!(ask(&told).unwrap().answers, many);
    // What is cut, or leads in a circle, is no answer.
    let mut told = reply("a.test.", ResponseCode::NoError, [&[a("a.test.", 9, 1)], &[], &[]]);
    let octets = told.to_vec().unwrap();
    for end in 0..octets.len() {
        assert!(relayed(&octets[..end], &query_of(&told)).is_none(), "{end}");
    }
    told.metadata.truncation = true;
    assert!(ask(&told).is_none());
    let circle = [alias("a.test.", 9, "b.test."), alias("b.test.", 9, "a.test.")];
    assert!(ask(&reply("a.test.", ResponseCode::NoError, [&circle, &[], &[]])).is_none());
}

#[test]
fn of_what_does_not_fit_the_first_records_are_given() {
    let many: Vec<Record> = (0..60).map(|n| a("www.test.", 90, n)).collect();
    let reply = reply("www.test.", OK, [&many, &[], &[]]);
    let kept = Kept::of(&reply.to_vec().unwrap(), false).unwrap();
    let mut query = query_of(&reply);
    let cut = given(&kept, &query, 60, KeptAs::Fresh);
    assert!(cut.metadata.truncation && cut.queries == query.queries);
    // A header, a question, and as many records of 16 octets as 512 octets have room for.
    assert_eq!(cut.answers.len(), (512 - 12 - 14) / 16);
    for (given, own) in cut.answers.iter().zip(&many) {
        assert_eq!((&given.name, given.ttl, &given.data), (&own.name, 60, &own.data));
    }
    let mut edns = Edns::new();
    edns.set_max_payload(1_232);
    query.edns = Some(edns);
    let whole = given(&kept, &query, 60, KeptAs::Fresh);
    assert!(!whole.metadata.truncation && whole.answers.len() == 60);
}

#[test]
fn addresses_come_in_turn_and_nothing_else_does() {
    let alias = [alias("www.test.", 60, "web.test.")];
    let of = |owner: &str, count| (1..=count).map(|n| a(owner, 60, n)).collect::<Vec<Record>>();
    for (answers, fixed, count) in [
        (of("www.test.", 4), 0, 4),
        ([&alias[..], &of("web.test.", 3)].concat(), 1, 3),
        (of("www.test.", 60), 0, 60),
        (of("www.test.", 1), 0, 1),
    ] {
        let reply = reply("www.test.", OK, [&answers, &[], &[]]);
        let kept = Kept::of(&reply.to_vec().unwrap(), false).unwrap();
        let query = query_of(&reply);
        let mut first = std::collections::BTreeSet::new();
        for rotation in 0..500 {
            let told = turned(&kept, &query, 30, KeptAs::Fresh, rotation);
            let aliases = told.answers[..fixed].iter();
            assert!(aliases.map(Record::record_type).all(|one| one == RecordType::CNAME));
            assert!(told.answers.iter().all(|one| one.ttl == 30));
            let data = |all: &[Record]| all.iter().map(|one| one.data.clone()).collect::<Vec<_>>();
            let (told, all) = (data(&told.answers[fixed..]), data(&answers[fixed..]));
            // The set, from another place on.
            let at = all.iter().position(|one| *one == told[0]).unwrap();
            let expected = all.iter().cycle().skip(at).take(told.len());
            assert!(told.iter().eq(expected) && told.len() == count.min((512 - 26) / 16));
            first.insert(at);
        }
        assert_eq!(first.len(), count, "each comes first at times");
    }
}

#[test]
fn the_upstream_is_asked_for_all_who_may_ask() {
    let mut query = query_of(&reply("wWw.test.", OK, [&[], &[], &[]]));
    query.metadata.recursion_desired = true;
    let ask = |query: &Message| {
        let octets = query.to_vec().unwrap();
        let mut read = Query::default();
        read.read(&octets).unwrap();
        Message::from_vec(&question_of(&octets, &read)).unwrap()
    };
    let plain = ask(&query);
    assert_eq!((plain.queries, plain.edns), (query.queries.clone(), None));
    assert!(plain.metadata.recursion_desired && plain.metadata.authentic_data);
    assert!(!plain.metadata.checking_disabled);
    let mut edns = Edns::new();
    edns.set_max_payload(512).set_dnssec_ok(true);
    query.edns = Some(edns);
    query.metadata.checking_disabled = true;
    let signed = ask(&query);
    assert!(signed.metadata.checking_disabled);
    let edns = signed.edns.unwrap();
    assert!(edns.flags().dnssec_ok);
    assert_eq!(edns.max_payload(), UDP_DEFAULT);
}

proptest::proptest! {
    /// Whatever an upstream sends, what is kept of it can be read.
    #[test]
    fn garbage_does_no_harm(changes in proptest::collection::vec((0..200_usize, 0..=255_u8), 0..12)) {
        let chain = [alias(WWW, 70, "b.test."), a("b.test.", 60, 1), mx(WWW, "in.test.")];
        let (zone, hosts) = ([ns("test.", "in.test."), soa("test.", 50, 40)], [a("in.test.", 1, 1)]);
        let mut octets = reply(WWW, OK, [&chain, &zone, &hosts]).to_vec().unwrap();
        for (at, octet) in changes {
            let at = at % octets.len();
            octets[at] = octet;
        }
        for signed in [false, true] {
            let Some(kept) = Kept::of(&octets, signed) else { continue };
            let end = Expanded::default().expand(&octets, HEADER).unwrap() + 4;
            let question = [&[0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0], &octets[HEADER..end]].concat();
            let mut query = Query::default();
            // A question by pointers is asked by nobody.
            if query.read(&question).is_err() {
                continue;
            }
            let desk = Desk {
                view: None,
                settings: &Settings::DEFAULT,
                transport: Transport::Stream,
                rotation: 0,
            };
            let mut out = vec![0; 65_535];
            let made = repeat(&desk, &question, &query, (&kept, KeptAs::New), 7, &mut out);
            let Outcome::Reply { len, .. } = made else { panic!("no reply") };
            let told = Told::read(&out[..len]).unwrap();
            let all: Vec<Found> =
                (0..3).flat_map(|section| told.section(section)).map(Option::unwrap).collect();
            assert!(all.iter().all(|found| found.ttl == 7));
            assert_eq!(all.last().map_or(end, |found| found.end), len);
        }
    }
}
