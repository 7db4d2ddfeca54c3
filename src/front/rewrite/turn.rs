//! Turns what was said to a rewritten query back.

use super::Step;
use super::rule::{Rule, set};
use crate::answer::{Expanded, Renaming};
use crate::config::Rewritten;
use crate::front::pattern::NameText;

/// The rules that have fitted.
pub(super) struct Turn<'t> {
    pub(super) rules: &'t [Rule],
    pub(super) steps: &'t [Step],
}

impl Turn<'_> {
    /// The steps with their rules, the last one first.
    fn back(&self) -> impl Iterator<Item = (&Step, &Rule)> {
        self.steps.iter().rev().filter_map(|step| Some((step, self.rules.get(step.rule)?)))
    }

    fn name(&self, part: Rewritten, name: &mut Expanded) -> Option<()> {
        let text = NameText::of(name.as_slice());
        let mut turned = text.clone();
        for (step, rule) in self.back() {
            rule.turn_back(part, &mut turned, (&step.before, &step.after));
        }
        // A name that stays keeps its case too.
        if turned == text { Some(()) } else { set(name, &turned) }
    }
}

impl Renaming for Turn<'_> {
    fn owner(&self, name: &mut Expanded) -> Option<()> {
        self.name(Rewritten::Name, name)
    }

    fn value(&self, name: &mut Expanded) -> Option<()> {
        self.name(Rewritten::Value, name)
    }

    fn ttl(&self, ttl: u32) -> u32 {
        self.back().fold(ttl, |ttl, (_, rule)| rule.ttl(ttl))
    }

    fn rcode(&self, rcode: u16) -> u16 {
        self.back().fold(rcode, |rcode, (_, rule)| rule.rcode(rcode))
    }
}
