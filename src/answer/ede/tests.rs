//! Codes and texts of views in every state; what names say, over the wire, is in `tests/schema`.

use std::sync::Arc;

use super::*;
use crate::cluster::{Kind, KindSet, Refusal, Refused};
use crate::zone::{Spec, State};

/// `db.shop.svc.cluster.local`, A.
fn query() -> Query {
    let head = [0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    let name = b"\x02db\x04shop\x03svc\x07cluster\x05local\0";
    let mut query = Query::default();
    query.read(&[&head[..], name, &[0, 1, 0, 1]].concat()).unwrap();
    query
}

/// The codes and texts of options.
fn read(mut options: &[u8]) -> Vec<(u16, String)> {
    let mut found = Vec::new();
    while let [o0, o1, l0, l1, rest @ ..] = options {
        assert_eq!([*o0, *o1], OPTION.to_be_bytes());
        let (option, behind) = rest.split_at(usize::from(u16::from_be_bytes([*l0, *l1])));
        let code = u16::from_be_bytes([option[0], option[1]]);
        found.push((code, String::from_utf8(option[2..].to_vec()).unwrap()));
        options = behind;
    }
    assert!(options.is_empty());
    found
}

fn told(view: &View, rcode: Rcode, cause: Cause) -> Vec<(u16, String)> {
    let errors = ExtendedErrors::of(Some(view), &query(), rcode, cause);
    errors.map_or_else(Vec::new, |errors| read(errors.within(usize::MAX)))
}

#[test]
fn a_name_that_waits_says_for_what() {
    let view = View::empty(Arc::new(Spec::default()), 1);
    let waiting = Cause::Waiting(KindSet::of(&[Kind::Service, Kind::EndpointSlice]));
    assert_eq!(told(&view, Rcode::NoError, Cause::Plain), []);
    assert_eq!(
        told(&view, Rcode::ServFail, waiting),
        [(14, "waiting for services, endpointslices".into())]
    );
    let (mut refused, mut nothing) = (Refused::default(), Refused::default());
    refused.insert(Kind::Pod, Refusal::Forbidden);
    for (kind, why) in [
        (Kind::Service, Refusal::Unauthorized),
        (Kind::EndpointSlice, Refusal::NotFound),
        (Kind::Endpoints, Refusal::NotFound),
        (Kind::Pod, Refusal::Forbidden),
    ] {
        nothing.insert(kind, why);
    }
    // What is refused, what is waited for, the text.
    for (refused, kinds, text) in [
        (refused, KindSet::of(&[Kind::Pod]), "pods: forbidden"),
        (
            refused,
            KindSet::of(&[Kind::Namespace, Kind::Pod]),
            "waiting for namespaces; pods: forbidden",
        ),
        // What a name does not hang on is not its matter.
        (refused, KindSet::of(&[Kind::Namespace]), "waiting for namespaces"),
        (
            nothing,
            KindSet::ALL,
            "waiting for namespaces; services: unauthorized; pods: forbidden; \
             endpointslices, endpoints: not found",
        ),
    ] {
        // Doubt about what is not answered would be no news.
        let state = State { refused, doubt: Some("doubt".into()), ..State::default() };
        let told = told(&view.in_state(state), Rcode::ServFail, Cause::Waiting(kinds));
        assert_eq!(told, [(14, text.into())]);
    }
}

#[test]
fn doubt_stands_in_front_of_the_cause() {
    let view = View::empty(Arc::new(Spec::default()), 1);
    let doubt = "API server out of touch since 2026-11-22T07:31:05Z";
    let view = view.in_state(State { doubt: Some(doubt.into()), ..State::default() });
    assert_eq!(told(&view, Rcode::NoError, Cause::Plain), [(3, doubt.into())]);
    let why = "no service db in namespace shop";
    assert_eq!(
        told(&view, Rcode::NxDomain, Cause::NoService),
        [(19, doubt.into()), (0, why.into())]
    );
    let errors = ExtendedErrors::of(Some(&view), &query(), Rcode::NxDomain, Cause::NoService);
    let errors = errors.unwrap();
    let (first, both) = (6 + doubt.len(), 12 + doubt.len() + why.len());
    for (room, expected) in
        [(0, 0), (first - 1, 0), (first, first), (both - 1, first), (both, both), (both + 1, both)]
    {
        assert_eq!(errors.within(room).len(), expected, "in {room}");
    }
}

#[test]
fn what_is_too_long_is_cut_and_says_so() {
    for (text, expected) in [
        ("a".repeat(120), "a".repeat(120)),
        ("a".repeat(121), "a".repeat(117) + "..."),
        ("\u{e9}".repeat(60), "\u{e9}".repeat(60)),
        ("\u{e9}".repeat(61), "\u{e9}".repeat(58) + "..."),
        (
            "a".to_owned() + &"\u{1d11e}".repeat(30),
            "a".to_owned() + &"\u{1d11e}".repeat(29) + "...",
        ),
    ] {
        let told = read(ExtendedErrors::told(7, &text).within(usize::MAX));
        assert_eq!(told, [(7, expected)]);
    }
}
