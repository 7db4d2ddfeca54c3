//! Rewritten queries are answered on the query thread, and without an allocation unless groups of a
//! pattern have to be found.

use std::time::Duration;

use fingerpost::config::{NameChange, NameTest, Pattern, Rewrite, RewriteRule, ServerBlock};
use fingerpost::front::{Block, Front};
use fingerpost::name::Name;
use fingerpost::serve::{Asker, Clerk, Client, Desk, MAX_UDP_RESPONSE, Step, Transport};

use crate::counting::count;
use crate::mix::{query, view};

/// How many queries are counted.
const QUERIES: usize = 1_000;

fn rule(names: NameTest, to: &str, goes_on: bool) -> Rewrite {
    let change = NameChange { names, to: to.into(), auto: true, answers: Vec::new() };
    Rewrite { change: RewriteRule::Name(change), goes_on }
}

#[test]
fn a_rewritten_query_allocates_nothing() {
    let exact = |name: &str| NameTest::Exact(name.into());
    let names = NameTest::Substring("shop.".into());
    let suffix = NameTest::Suffix(".corp.example.".into());
    let pattern = Pattern::new(r"^inside[.]shop[.]svc[.]").expect("a pattern");
    let block = ServerBlock {
        zones: vec![Name::root()],
        rewrite: vec![
            rule(exact("db.example."), "inside.shop.svc.cluster.local.", false),
            rule(suffix, ".svc.cluster.local.", true),
            Rewrite { change: RewriteRule::Type { from: 16, to: 33 }, goes_on: true },
            rule(NameTest::Regex(pattern), "few.shop.svc.cluster.local.", false),
            Rewrite { change: RewriteRule::Ttl { names, least: 9, most: 9 }, goes_on: false },
        ],
        ..ServerBlock::default()
    };
    let front = Front::new(vec![Block::new(&block, Some(view()))]);
    let from = "192.0.2.9:5353".parse().expect("an address");
    let client = Client { from, local: None, transport: Transport::Udp };
    let asked = [
        ("dB.Example", 1, 3),
        ("large.shop.corp.example", 1, 73),
        ("web.shop.corp.example", 16, 1),
        ("none.shop.corp.example", 28, 0),
        ("web.shop.svc.cluster.local", 1, 1),
        ("few.shop.svc.cluster.local", 33, 3),
        ("inside.shop.corp.example", 1, 3),
        ("elsewhere.example", 1, 0),
    ];
    let queries = asked.map(|(name, qtype, answers)| (query(name, qtype, Some(1_232)), answers));
    let mut clerk = front.clerk();
    let mut out = vec![0; MAX_UDP_RESPONSE];
    // What a thread needs for its first rewritten query, it keeps.
    let mut before = 0;
    for (turn, (query, answers)) in queries.iter().cycle().take(QUERIES).enumerate() {
        if turn == queries.len() {
            before = count();
        }
        clerk.refresh();
        clerk.read(std::iter::once(&query[..]));
        let step = clerk.answer(0, query, Asker::of(&client), &mut out);
        assert!(matches!(step, Step::Reply(_)), "{step:?}");
        assert_eq!(usize::from(u16::from_be_bytes([out[6], out[7]])), *answers, "{query:02x?}");
        assert_eq!(out[12..query.len() - 11], query[12..query.len() - 11]);
        clerk.settle(Duration::from_micros(5));
    }
    assert_eq!(count() - before, 0);
}
