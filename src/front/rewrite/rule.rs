//! One rule: which names it fits, what it makes of them, and what of the answer to that.

use crate::answer::Expanded;
use crate::config::{self, NameTest, RewriteRule, Rewritten};
use crate::front::pattern::{NameText, Pattern};

/// A `rewrite` directive, compiled.
#[derive(Debug)]
pub(super) struct Rule {
    change: Changes,
    last: bool,
}

#[derive(Debug)]
enum Changes {
    Name { names: Test, to: String, back: Back, answers: Vec<Answer> },
    Type { from: u16, to: u16 },
    Class { from: u16, to: u16 },
    Ttl { names: Test, least: u32, most: u32 },
    Rcode { names: Test, from: u16, to: u16 },
}

/// Which names in the answer are turned back without being asked for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Back {
    None,
    /// The name that was made, and those below it.
    Name,
    /// All with the end that was made.
    End,
}

/// Names that fit; patterns that could not be compiled fit nothing.
#[derive(Debug)]
enum Test {
    Exact(String),
    Prefix(String),
    Suffix(String),
    Substring(String),
    Regex(Option<Box<Pattern>>),
}

/// What is rewritten in an answer.
#[derive(Debug)]
struct Answer {
    part: Rewritten,
    from: Option<Pattern>,
    to: String,
}

impl Rule {
    pub(super) fn new(directive: &config::Rewrite) -> Self {
        let change = match &directive.change {
            RewriteRule::Name(change) => {
                let back = match (change.auto, &change.names) {
                    (false, _) => Back::None,
                    (true, NameTest::Suffix(_)) => Back::End,
                    (true, _) => Back::Name,
                };
                let answer = |rule: &config::AnswerRule| Answer {
                    part: rule.part,
                    from: Pattern::new(rule.from.as_str()),
                    to: rule.to.clone(),
                };
                let answers = change.answers.iter().map(answer).collect();
                Changes::Name {
                    names: Test::new(&change.names),
                    to: change.to.clone(),
                    back,
                    answers,
                }
            }
            &RewriteRule::Type { from, to } => Changes::Type { from, to },
            &RewriteRule::Class { from, to } => Changes::Class { from, to },
            RewriteRule::Ttl { names, least, most } => {
                Changes::Ttl { names: Test::new(names), least: *least, most: *most }
            }
            RewriteRule::Rcode { names, from, to } => {
                Changes::Rcode { names: Test::new(names), from: *from, to: *to }
            }
        };
        Self { change, last: !directive.goes_on }
    }

    /// Whether no rule behind it is tried once it has fitted.
    pub(super) fn is_last(&self) -> bool {
        self.last
    }

    /// Changes what is asked; false where the rule does not fit.
    pub(super) fn apply(&self, name: &mut NameText, qtype: &mut u16, qclass: &mut u16) -> bool {
        let replace = |asked: &mut u16, from: u16, to: u16| {
            let fits = *asked == from;
            if fits {
                *asked = to;
            }
            fits
        };
        match &self.change {
            Changes::Name { names, to, .. } => names.replace(name, to),
            Changes::Type { from, to } => replace(qtype, *from, *to),
            Changes::Class { from, to } => replace(qclass, *from, *to),
            Changes::Ttl { names, .. } | Changes::Rcode { names, .. } => names.fits(name.as_str()),
        }
    }

    /// Turns a name of an answer back, after this rule has made `after` of the name `before`.
    pub(super) fn turn_back(
        &self,
        part: Rewritten,
        name: &mut NameText,
        (before, after): (&NameText, &NameText),
    ) {
        let Changes::Name { names, to, back, answers } = &self.change else { return };
        // CoreDNS lets the last come first.
        for answer in answers.iter().rev().filter(|answer| answer.part == part) {
            if let Some(pattern) = &answer.from {
                replace_by_groups(pattern, name, &answer.to);
            }
        }
        match (back, names) {
            (Back::Name, _) => {
                let (text, after) = (name.as_str(), after.as_str());
                let below = text.strip_suffix(after);
                if let Some(front) = below.filter(|front| front.is_empty() || front.ends_with('.'))
                {
                    *name = NameText::joined([front, before.as_str()]);
                }
            }
            (Back::End, Test::Suffix(from)) => {
                if let Some(front) = name.as_str().strip_suffix(to.as_str()) {
                    *name = NameText::joined([front, from]);
                }
            }
            _ => {}
        }
    }

    /// What becomes of a TTL of an answer.
    pub(super) fn ttl(&self, ttl: u32) -> u32 {
        match self.change {
            Changes::Ttl { least, most, .. } => ttl.clamp(least, most),
            _ => ttl,
        }
    }

    /// What becomes of an answer's response code.
    pub(super) fn rcode(&self, rcode: u16) -> u16 {
        match self.change {
            Changes::Rcode { from, to, .. } if rcode == from => to,
            _ => rcode,
        }
    }
}

impl Test {
    fn new(names: &NameTest) -> Self {
        match names {
            NameTest::Exact(text) => Self::Exact(text.clone()),
            NameTest::Prefix(text) => Self::Prefix(text.clone()),
            NameTest::Suffix(text) => Self::Suffix(text.clone()),
            NameTest::Substring(text) => Self::Substring(text.clone()),
            NameTest::Regex(pattern) => Self::Regex(Pattern::new(pattern.as_str()).map(Box::new)),
        }
    }

    fn fits(&self, name: &str) -> bool {
        match self {
            Self::Exact(text) => name == text,
            Self::Prefix(text) => name.starts_with(text.as_str()),
            Self::Suffix(text) => name.ends_with(text.as_str()),
            Self::Substring(text) => name.contains(text.as_str()),
            Self::Regex(pattern) => pattern.as_ref().is_some_and(|pattern| pattern.fits(name)),
        }
    }

    /// Puts `to` in the place of what fits; false where nothing does.
    fn replace(&self, name: &mut NameText, to: &str) -> bool {
        let text = name.as_str();
        if !self.fits(text) {
            return false;
        }
        let made = match self {
            Self::Exact(_) => NameText::joined([to]),
            Self::Prefix(front) => {
                NameText::joined([to, text.strip_prefix(front.as_str()).unwrap_or(text)])
            }
            Self::Suffix(end) => {
                NameText::joined([text.strip_suffix(end.as_str()).unwrap_or(text), to])
            }
            Self::Substring(part) => {
                let mut parts = text.split(part.as_str());
                let first = parts.next();
                NameText::joined(first.into_iter().chain(parts.flat_map(|part| [to, part])))
            }
            Self::Regex(None) => return false,
            Self::Regex(Some(pattern)) => return replace_by_groups(pattern, name, to),
        };
        *name = made;
        true
    }
}

/// Puts `to` with what the groups hold in the place of a name that the pattern fits.
fn replace_by_groups(pattern: &Pattern, name: &mut NameText, to: &str) -> bool {
    if !pattern.fits(name.as_str()) {
        return false;
    }
    if !to.contains('{') {
        *name = NameText::joined([to]);
        return true;
    }
    let mut text = to.to_owned();
    for (number, group) in pattern.groups(name.as_str()).into_iter().enumerate() {
        text = text.replace(&format!("{{{number}}}"), group.1);
    }
    *name = NameText::joined([text.as_str()]);
    true
}

/// Reads a name back from its text; `None` where that is none.
pub(super) fn set(name: &mut Expanded, text: &NameText) -> Option<()> {
    name.set(text.wire()?.as_slice());
    Some(())
}
