//! ExternalName Services: the CNAME, and what stands at its end (schema.md, section 4).

use super::cause::{Cause, Failure, KeptAs};
use super::ede::says_stale;
use super::query::{Asked, Query, Rcode};
use super::reply::{Owner, Reply, Section};
use super::resolve::{Node, locate};
use super::splice::{Spliced, splice};
use super::write::{Writer, rtype};
use super::{Outcome, Settings, extended_errors};
use crate::zone::View;
use crate::zone::record::{QNAME_POINTER, Record};

/// How many aliases are followed one behind the other. CoreDNS follows as many; nothing real has
/// more than two or three.
const CHAIN_MOST: usize = 10;

/// What is known about names outside our zones.
#[derive(Clone, Copy, Debug)]
pub(super) enum Outside<'m> {
    /// Nobody may be asked.
    Bare,
    /// Somebody can be asked.
    Ask,
    /// This is what somebody said.
    Told(&'m [u8]),
    /// Nobody said anything of use.
    Failed(Failure),
}

/// Answers a query for an alias.
pub(super) fn answer(
    view: &View,
    settings: &Settings,
    query: &Query,
    mut reply: Reply<'_>,
    alias: Record<'_>,
    rotation: u32,
    outside: Outside<'_>,
) -> Outcome {
    let mut chain = Chain {
        view,
        query,
        rotation,
        owner: QNAME_POINTER,
        seen: [&[]; CHAIN_MOST],
        aliases: 0,
        outside,
        upstream: settings.upstream,
    };
    let mut asked = Asked::default();
    match chain.follow(&mut reply, &mut asked, alias) {
        Step::End(rcode, mut cause) => {
            if rcode == Rcode::ServFail {
                reply.clear(query);
            } else if cause == Cause::Plain && reply.denies() {
                cause = Cause::NoData;
            }
            let errors = extended_errors(view, settings, query, rcode, cause);
            let len = reply.finish(query, rcode, true, settings, errors.as_ref());
            Outcome::Reply { len, rcode, cause }
        }
        Step::Ask | Step::Next(_) => {
            Outcome::Chase(reply.into_question(query, asked.name(), settings))
        }
    }
}

/// What a name of the chain turns out to be.
enum Step<'c> {
    /// Its end.
    End(Rcode, Cause),
    /// Another alias.
    Next(Record<'c>),
    /// A name that somebody must be asked for.
    Ask,
}

struct Chain<'c> {
    view: &'c View,
    query: &'c Query,
    rotation: u32,
    /// A pointer to the name that is looked at.
    owner: u16,
    /// Where the aliases have led to, lower case, wire form.
    seen: [&'c [u8]; CHAIN_MOST],
    aliases: usize,
    outside: Outside<'c>,
    upstream: bool,
}

impl<'c> Chain<'c> {
    /// Writes the chain and what stands at its end. `asked` is then the name that it ended at.
    fn follow(&mut self, reply: &mut Reply<'_>, asked: &mut Asked, first: Record<'c>) -> Step<'c> {
        let mut alias = first;
        loop {
            let target = alias.target();
            let looped = self.query.asked.name() == target || self.seen.contains(&target);
            let Some(seen) = self.seen.get_mut(self.aliases) else {
                return Step::End(Rcode::ServFail, Cause::AliasChain);
            };
            *seen = target;
            self.aliases += 1;
            let mut place = 0;
            let ttl = self.view.spec().ttl;
            let written = reply.typed(Owner::Pointer(self.owner), rtype::CNAME, ttl, |reply| {
                place = reply.name(target)?;
                Ok(())
            });
            let alone = matches!(self.query.qtype, rtype::CNAME | rtype::ANY);
            if written.is_err() || alone || asked.read(target).is_none() {
                return Step::End(Rcode::NoError, Cause::Plain);
            }
            if looped {
                return Step::End(Rcode::ServFail, Cause::AliasLoop);
            }
            self.owner = Reply::pointer(place).unwrap_or(QNAME_POINTER);
            match self.step(reply, asked) {
                Step::Next(next) => alias = next,
                other => return other,
            }
        }
    }

    /// Looks at one name of the chain.
    fn step(&mut self, reply: &mut Reply<'_>, asked: &mut Asked) -> Step<'c> {
        let view = self.view;
        let Some(located) = locate(view, asked) else { return self.leave(reply, asked) };
        let node = located.resolve(view, asked);
        let (rcode, cause) = match node {
            Node::Alias(next) => return Step::Next(next),
            Node::Waiting(kinds) => return Step::End(Rcode::ServFail, Cause::Waiting(kinds)),
            Node::Missing(_) if self.upstream && located.falls(asked) => {
                return self.leave(reply, asked);
            }
            Node::Missing(_) => (Rcode::NxDomain, Cause::TargetMissing),
            _ => (Rcode::NoError, Cause::Plain),
        };
        let before = reply.answers();
        let mut writer = Writer {
            reply,
            view,
            zone: located.zone,
            asked,
            depth: located.depth,
            owner: self.owner,
            original: None,
            rotation: self.rotation,
        };
        writer.node(&node, self.query.qtype);
        if writer.reply.answers() == before && !writer.reply.truncated {
            writer.reply.section(Section::Authority);
            writer.soa();
        }
        Step::End(rcode, cause)
    }

    /// The chain leads out of our zones.
    fn leave(&mut self, reply: &mut Reply<'_>, asked: &mut Asked) -> Step<'c> {
        let unusable = Cause::Upstream(Failure::Unusable);
        match self.outside {
            Outside::Bare => Step::End(Rcode::NoError, Cause::BareAlias),
            Outside::Ask => Step::Ask,
            Outside::Failed(failure) => Step::End(Rcode::ServFail, Cause::Upstream(failure)),
            Outside::Told(message) => match splice(reply, message, asked, self.query.qtype) {
                Spliced::OtherQuestion => Step::Ask,
                Spliced::Unusable => Step::End(Rcode::ServFail, unusable),
                Spliced::Ended(rcode) if says_stale(message) => {
                    Step::End(rcode, Cause::Kept(KeptAs::Stale))
                }
                Spliced::Ended(Rcode::NxDomain) => Step::End(Rcode::NxDomain, Cause::TargetMissing),
                Spliced::Ended(rcode) => Step::End(rcode, Cause::Plain),
                Spliced::At(place) => {
                    // What was told leads on. It may lead back into our zones, but nobody is asked
                    // a second time.
                    self.owner = Reply::pointer(place).unwrap_or(QNAME_POINTER);
                    self.outside = Outside::Bare;
                    self.step(reply, asked)
                }
            },
        }
    }
}
