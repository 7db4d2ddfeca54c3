//! The `log` directives of a block: which queries are logged, and as what.

use std::sync::Arc;

use super::entry::{Answer, Entry};
use super::format::Format;
use super::{Journal, Line};
use crate::answer::{Asked, Query, denies_type, is_within};
use crate::config::{self, LogClass};
use crate::name::Name;
use crate::serve::Client;

/// The opcodes NOTIFY and UPDATE, and the types IXFR and AXFR, whose responses count as errors.
const ODD_OPCODES: [u8; 2] = [4, 5];
const TRANSFERS: [u16; 2] = [251, 252];

/// What of a block's queries is logged. Whoever holds one wants some logged.
#[derive(Clone, Debug)]
pub(in crate::front) struct Log {
    rules: Box<[Rule]>,
    journal: Journal,
}

#[derive(Clone, Debug)]
struct Rule {
    zones: Vec<Name>,
    classes: Vec<LogClass>,
    format: Arc<Format>,
}

impl Log {
    /// Nothing where a block has no `log`.
    pub(in crate::front) fn new(directives: &[config::Log], journal: &Journal) -> Option<Self> {
        let rules = directives.iter().map(|log| Rule {
            zones: log.zones.clone(),
            classes: log.classes.clone(),
            format: Arc::new(Format::parse(&log.format)),
        });
        let rules: Box<[Rule]> = rules.collect();
        (!rules.is_empty()).then(|| Self { rules, journal: journal.clone() })
    }

    /// What is to be logged of a query and its answer, which is absent where nothing may be said.
    /// What it took is still missing. A message without a question is nobody's query.
    #[cold]
    pub(in crate::front) fn note(
        &self,
        message: &[u8],
        query: &Query,
        client: Client,
        answer: Option<&Answer<'_>>,
    ) -> Option<Entry> {
        let qtype = query.asked_type()?;
        let rule = self.rules.iter().find(|rule| rule.holds(query.asked()))?;
        let class = class_of(query.opcode(), qtype, answer);
        let wanted = rule.classes.iter().any(|wanted| [LogClass::All, class].contains(wanted));
        wanted.then(|| Entry::new(&rule.format, message, query, client, answer))
    }

    /// Hands over what is now complete.
    pub(in crate::front) fn put(&self, entry: Entry) {
        self.journal.put(Line::Query(Box::new(entry)));
    }
}

impl Rule {
    fn holds(&self, asked: &Asked) -> bool {
        self.zones.iter().any(|zone| is_within(asked.name(), zone.as_wire()))
    }
}

/// The class of a response, as CoreDNS tells them apart.
fn class_of(opcode: u8, qtype: u16, answer: Option<&Answer<'_>>) -> LogClass {
    let Some(answer) = answer else { return LogClass::Error };
    if ODD_OPCODES.contains(&opcode) || TRANSFERS.contains(&qtype) {
        return LogClass::Error;
    }
    let count = answer.response.get(6..8).unwrap_or(&[0, 0]);
    match (answer.rcode, count != [0, 0]) {
        (0, true) => LogClass::Success,
        (0, false) if denies_type(answer.response) => LogClass::Denial,
        (0, false) => LogClass::Success,
        (3, false) => LogClass::Denial,
        _ => LogClass::Error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A response to `a.`, with so many answers and this type in its authority section.
    fn response(rcode: u8, answers: u8, authority: Option<u8>) -> Vec<u8> {
        let authorities = u8::from(authority.is_some());
        let head = [0, 1, 0x84, rcode, 0, 1, 0, answers, 0, authorities, 0, 0];
        let mut octets = [&head[..], b"\x01a\0\0\x01\0\x01"].concat();
        let types = std::iter::repeat_n(1, answers.into()).chain(authority);
        types.for_each(|of_type| octets.extend([0xc0, 12, 0, of_type, 0, 1, 0, 0, 0, 5, 0, 0]));
        octets
    }

    #[test]
    fn responses_have_the_classes_that_coredns_gives_them() {
        use LogClass::{Denial, Error, Success};
        const A: u16 = 1;
        for (opcode, qtype, rcode, answers, authority, class) in [
            (0, A, 0, 1, None, Success),
            (0, A, 0, 2, Some(6), Success),
            (0, A, 0, 0, Some(6), Denial),
            (0, A, 0, 0, None, Success),
            (0, A, 0, 0, Some(2), Success),
            (0, A, 3, 0, Some(6), Denial),
            (0, A, 3, 0, None, Denial),
            (0, A, 3, 1, Some(6), Error),
            (0, A, 2, 0, None, Error),
            (0, A, 5, 0, None, Error),
            (0, 252, 0, 1, None, Error),
            (4, A, 0, 1, None, Error),
            (5, A, 0, 0, None, Error),
        ] {
            let response = response(rcode, answers, authority);
            let answer = Answer { response: &response, octets: response.len(), rcode, cause: None };
            let found = class_of(opcode, qtype, Some(&answer));
            assert_eq!(found, class, "{opcode} {qtype} {rcode} {answers} {authority:?}");
        }
        assert_eq!(class_of(0, A, None), Error);
    }
}
