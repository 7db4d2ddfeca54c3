//! `rewrite`: what is asked is looked up as something else in the same block, and the answer turned
//! back, as CoreDNS's `rewrite` does it.
//!
//! Runs on the query threads, behind `log` and before everything that answers; a block without one
//! knows nothing of it. Names are compared as text on the stack, and what is written on the way
//! stands in a [`Scratch`] that each thread has, so that only patterns with groups take memory.
#![forbid(unsafe_code)]

mod rule;
mod turn;

use super::pattern::NameText;
use super::plan::Block;
use crate::answer::{self, Cause, Desk, Outcome, Query, Rcode, Transport};
use crate::config;
use rule::Rule;
use turn::Turn;

/// The rules of a block, in their order.
#[derive(Debug)]
pub(super) struct Rules(Vec<Rule>);

/// What the rules have made of a query.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Made {
    /// Nothing: no rule fits.
    Nothing,
    /// Another query, or the same whose answer is for [`Rules::turn_back`].
    Query,
    /// A name that is none.
    NoName,
}

/// A rule that has fitted.
#[derive(Debug)]
struct Step {
    /// Its place among the rules.
    rule: usize,
    /// The name before and after it.
    before: NameText,
    after: NameText,
}

/// What is being made of one query; used for one after the other.
#[derive(Debug, Default)]
pub(super) struct Rewriting {
    steps: Vec<Step>,
    message: Vec<u8>,
}

/// Room of a query thread.
#[derive(Debug)]
pub(super) struct Scratch {
    pub(super) rewriting: Rewriting,
    /// The query that is asked in place of the client's.
    pub(super) query: Query,
    /// What is said to it.
    pub(super) response: Box<[u8]>,
}

impl Scratch {
    pub(super) fn new() -> Self {
        Self {
            rewriting: Rewriting::default(),
            query: Query::default(),
            response: vec![0; answer::STREAM_MOST].into_boxed_slice(),
        }
    }
}

impl Rewriting {
    /// The query that has been made.
    pub(super) fn message(&self) -> &[u8] {
        &self.message
    }
}

impl Rules {
    /// The rules of a block; `None` where it has none.
    pub(super) fn new(directives: &[config::Rewrite]) -> Option<Self> {
        let rules: Vec<Rule> = directives.iter().map(Rule::new).collect();
        (!rules.is_empty()).then_some(Self(rules))
    }

    /// Makes another query of the one that was read from `message`.
    ///
    /// As in CoreDNS, the first rule that fits is the last, unless it says `continue`; then the next
    /// ones see what it has made.
    pub(super) fn apply(&self, message: &[u8], query: &Query, into: &mut Rewriting) -> Made {
        into.steps.clear();
        let mut name = NameText::of(query.asked().name());
        let (mut qtype, mut qclass) = (query.qtype(), query.qclass());
        let mut renamed = false;
        for (number, rule) in self.0.iter().enumerate() {
            let before = name.clone();
            if !rule.apply(&mut name, &mut qtype, &mut qclass) {
                continue;
            }
            if name != before {
                renamed = true;
                if name.wire().is_none() {
                    return Made::NoName;
                }
            }
            into.steps.push(Step { rule: number, before, after: name.clone() });
            if rule.is_last() {
                break;
            }
        }
        if into.steps.is_empty() {
            return Made::Nothing;
        }
        // A name that stays is asked for as the client has written it.
        let own = message.get(answer::HEADER..answer::HEADER + query.asked().name().len());
        let made = if renamed { name.wire() } else { None };
        let name = made.as_ref().map_or_else(|| own.unwrap_or(&[0]), answer::Expanded::as_slice);
        answer::requested(message, query, (name, qtype, qclass), &mut into.message);
        Made::Query
    }

    /// Makes the response to the client's own query of what was said to the one made of it.
    pub(super) fn turn_back(
        &self,
        desk: &Desk<'_>,
        (message, query): (&[u8], &Query),
        said: (&[u8], Cause),
        rewriting: &Rewriting,
        out: &mut [u8],
    ) -> Outcome {
        let turn = Turn { rules: &self.0, steps: &rewriting.steps };
        answer::renamed(desk, message, query, said, &turn, out)
    }
}

impl Block {
    /// What shapes an answer of the block's own.
    pub(super) fn desk(&self, query: &Query, transport: Transport, rotation: u32) -> Desk<'_> {
        Desk { view: None, settings: self.settings_for(query.asked()), transport, rotation }
    }

    /// SERVFAIL where a rule has made what is no name, which is told as any fault is.
    pub(super) fn refuse_rewritten(
        &self,
        desk: &Desk<'_>,
        message: &[u8],
        query: &Query,
        out: &mut [u8],
    ) -> Outcome {
        if let Some(errors) = &self.errors {
            let fault = "what a rule of 'rewrite' makes of it is no name; look at its dots";
            errors.tell(query, Rcode::ServFail as u8, &fault);
        }
        answer::error(desk, message, query, Rcode::ServFail, Cause::BadRewrite, out)
    }
}

#[cfg(test)]
mod tests;
