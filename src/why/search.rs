//! The way of a name through a pod's search list: which names a libc asks for, and where it stops.
//!
//! After glibc 2.36 (`resolv/res_query.c`, `resolv/nss_dns/dns-host.c`) and musl 1.2.5
//! (`src/network/lookup_name.c`, `resolvconf.c`, `res_msend.c`), for a look-up of addresses; Debian's
//! glibc 2.36 and musl 1.2.3 have been seen to walk so.
//!
//! | what a name answers | glibc | musl |
//! |---|---|---|
//! | addresses | stops | stops |
//! | it exists without addresses | goes on | stops |
//! | it does not exist | goes on | goes on |
//! | an alias without addresses | stops | stops |
//! | SERVFAIL | goes on | stops |
//! | REFUSED | goes to the name as it is written | stops, after a time-out |

use serde::Serialize;

use super::facts::{Explanation, Status};
use crate::name::Name;

/// The most dots that `ndots` may ask for, in both.
const NDOTS_MOST: usize = 15;
/// A line of resolv.conf that is longer, in octets, musl does not read.
const MUSL_LINE: usize = 254;

/// What of a resolv.conf a search list hangs on.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ResolvConf {
    /// The domains, in their order.
    pub search: Vec<String>,
    /// A name with as many dots is asked for as it is first.
    pub ndots: usize,
    /// musl reads no such search list, since its line is too long.
    pub too_long_for_musl: bool,
}

impl ResolvConf {
    /// What kubelet writes for a pod of this namespace.
    pub fn of_pod(namespace: &str, zone: &Name) -> Self {
        let zone = zone.to_string();
        let zone = zone.trim_end_matches('.');
        let search = vec![format!("{namespace}.svc.{zone}"), format!("svc.{zone}"), zone.into()];
        Self { search, ndots: 5, too_long_for_musl: false }
    }

    /// Reads the text of a resolv.conf; the last `search` or `domain` counts.
    pub fn read(text: &str) -> Self {
        let mut conf = Self { search: Vec::new(), ndots: 1, too_long_for_musl: false };
        for line in text.lines() {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("search" | "domain") => {
                    conf.search = words.map(Into::into).collect();
                    conf.too_long_for_musl = line.len() > MUSL_LINE;
                }
                Some("options") => {
                    let ndots = words.filter_map(|word| word.strip_prefix("ndots:"));
                    if let Some(ndots) = ndots.filter_map(|n| n.parse::<usize>().ok()).next_back() {
                        conf.ndots = ndots.min(NDOTS_MOST);
                    }
                }
                _ => {}
            }
        }
        conf
    }
}

/// A C library.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Libc {
    /// GNU's.
    Glibc,
    /// musl.
    Musl,
}

/// What a libc makes of what a name answers.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Verdict {
    /// It has addresses.
    Found,
    /// It exists, and has none.
    NoAddress,
    /// It does not exist.
    Missing,
    /// It is an alias, and no addresses come with it.
    BareAlias,
    /// SERVFAIL.
    Failed,
    /// REFUSED.
    Refused,
    /// Upstreams have to be asked.
    Unknown,
}

impl Verdict {
    /// Of an explanation.
    pub fn of(explanation: &Explanation) -> Self {
        let has = |rtype: &str| explanation.records.iter().any(|record| record.rtype == rtype);
        match explanation.status {
            _ if explanation.asks.is_some() => Self::Unknown,
            Status::Forwarded => Self::Unknown,
            Status::Missing => Self::Missing,
            Status::Unknown => Self::Failed,
            Status::Refused => Self::Refused,
            Status::Exists if has("A") || has("AAAA") => Self::Found,
            Status::Exists if has("CNAME") => Self::BareAlias,
            Status::Exists => Self::NoAddress,
        }
    }

    /// In a few words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Found => "found",
            Self::NoAddress => "exists, without addresses",
            Self::Missing => "does not exist",
            Self::BareAlias => "an alias, without addresses",
            Self::Failed => "SERVFAIL",
            Self::Refused => "REFUSED",
            Self::Unknown => "upstreams are asked",
        }
    }
}

/// What a libc does behind one name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Turn {
    Stop,
    On,
    /// On to the name as it is written.
    Last,
}

impl Libc {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Glibc, Self::Musl];

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Self::Glibc => "glibc",
            Self::Musl => "musl",
        }
    }

    /// The names that it asks for, in their order, as long as none stops it.
    pub fn candidates(self, name: &str, conf: &ResolvConf) -> Vec<String> {
        let bare = name.strip_suffix('.');
        if bare.is_some() {
            return vec![name.to_owned()];
        }
        let dots = name.matches('.').count();
        let is_first = dots >= conf.ndots;
        let search = match self {
            Self::Musl if is_first || conf.too_long_for_musl => &[][..],
            _ => &conf.search[..],
        };
        let as_it_is = format!("{name}.");
        let join = |domain: &String| match domain.trim_matches('.') {
            "" => as_it_is.clone(),
            domain => format!("{name}.{domain}."),
        };
        let mut all: Vec<String> = search.iter().map(join).collect();
        // A root in the list is the name as it is; nobody asks for that twice, nor for what is no name.
        all.retain(|candidate| !is_first || *candidate != as_it_is);
        all.retain(|candidate| Name::parse(candidate).is_ok());
        if is_first {
            all.insert(0, as_it_is);
        } else if !all.contains(&as_it_is) {
            all.push(as_it_is);
        }
        all
    }

    fn turn(self, verdict: Verdict) -> Turn {
        match (self, verdict) {
            (_, Verdict::Found | Verdict::BareAlias) => Turn::Stop,
            // As if it did not exist; who tells of the walk says that it may.
            (_, Verdict::Missing | Verdict::Unknown) => Turn::On,
            (Self::Glibc, Verdict::NoAddress | Verdict::Failed) => Turn::On,
            (Self::Glibc, Verdict::Refused) => Turn::Last,
            (Self::Musl, Verdict::NoAddress | Verdict::Failed | Verdict::Refused) => Turn::Stop,
        }
    }

    /// Walks the list. `ask` says what a name answers.
    pub fn walk(self, name: &str, conf: &ResolvConf, mut ask: impl FnMut(&str) -> Verdict) -> Walk {
        let candidates = self.candidates(name, conf);
        let as_it_is = format!("{}.", name.trim_end_matches('.'));
        let mut walk = Walk { libc: self, steps: Vec::new(), ends: End::Missing };
        let mut only_last = false;
        for candidate in candidates {
            if only_last && candidate != as_it_is {
                continue;
            }
            let verdict = ask(&candidate);
            walk.steps.push(Step { name: candidate, verdict });
            match self.turn(verdict) {
                Turn::Stop => {
                    walk.ends = if verdict == Verdict::Found { End::Found } else { End::Failed };
                    return walk;
                }
                Turn::On => {}
                // Refused as it is written, it is looked for in the list all the same.
                Turn::Last => only_last = walk.steps.last().is_none_or(|s| s.name != as_it_is),
            }
        }
        let any = |verdict| walk.steps.iter().any(|step| step.verdict == verdict);
        walk.ends = if any(Verdict::Unknown) {
            End::Unknown
        } else if any(Verdict::NoAddress) || any(Verdict::Failed) || any(Verdict::Refused) {
            End::Failed
        } else {
            End::Missing
        };
        walk
    }
}

/// A libc's way through a search list.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Walk {
    /// Whose.
    pub libc: Libc,
    /// The names that are asked for, in their order.
    pub steps: Vec<Step>,
    /// How it ends.
    pub ends: End,
}

/// A name that is asked for.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// The name.
    pub name: String,
    /// What the libc makes of the answer.
    pub verdict: Verdict,
}

/// How a walk ends.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum End {
    /// With addresses, at the last step.
    Found,
    /// Without: no name of the list exists.
    Missing,
    /// Without, though not every name is missing.
    Failed,
    /// Upstreams decide.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use Verdict::{BareAlias, Failed, Found, Missing, NoAddress, Refused, Unknown};

    fn pod() -> ResolvConf {
        ResolvConf::of_pod("shop", &Name::parse("cluster.local").unwrap())
    }

    /// Walks where names answer this, and others do not exist. Gives back what is asked for without
    /// its last dot, and how it ends.
    fn walk(
        libc: Libc,
        name: &str,
        conf: &ResolvConf,
        answers: &[(&str, Verdict)],
    ) -> (Vec<String>, End) {
        let answer = |asked: &str| {
            let found = answers.iter().find(|(name, _)| *name == asked.trim_end_matches('.'));
            found.map_or(Missing, |(_, verdict)| *verdict)
        };
        let walk = libc.walk(name, conf, answer);
        let names = walk.steps.iter().map(|step| step.name.trim_end_matches('.').to_owned());
        (names.collect(), walk.ends)
    }

    const OWN: &str = "db.shop.svc.cluster.local";
    const SVC: &str = "db.svc.cluster.local";
    const ZONE: &str = "db.cluster.local";

    /// What the first name answers, and how far each libc goes with `db`.
    #[test]
    fn each_libc_stops_where_it_stops() {
        let all = [OWN, SVC, ZONE, "db"];
        for (verdict, glibc, musl) in [
            (Found, (&all[..1], End::Found), (&all[..1], End::Found)),
            (Missing, (&all, End::Missing), (&all, End::Missing)),
            (NoAddress, (&all, End::Failed), (&all[..1], End::Failed)),
            (BareAlias, (&all[..1], End::Failed), (&all[..1], End::Failed)),
            (Failed, (&all, End::Failed), (&all[..1], End::Failed)),
            (Refused, (&[OWN, "db"], End::Failed), (&all[..1], End::Failed)),
            (Unknown, (&all, End::Unknown), (&all, End::Unknown)),
        ] {
            for (libc, (names, ends)) in [(Libc::Glibc, glibc), (Libc::Musl, musl)] {
                let found = walk(libc, "db", &pod(), &[(OWN, verdict)]);
                let names = names.iter().map(|name| (*name).to_owned()).collect();
                assert_eq!(found, (names, ends), "{verdict:?} {libc:?}");
            }
        }
    }

    #[test]
    fn dots_decide_what_is_asked_first() {
        let two = ResolvConf { ndots: 2, ..pod() };
        let whole = "a.b.c.d.e.f";
        let listed = |name: &str, first: bool| {
            let tails = ["shop.svc.cluster.local", "svc.cluster.local", "cluster.local"];
            let mut all: Vec<String> = tails.iter().map(|tail| format!("{name}.{tail}")).collect();
            all.insert(if first { 0 } else { 3 }, name.to_owned());
            all
        };
        for (name, conf, glibc, musl) in [
            ("db.", pod(), vec!["db".into()], vec!["db".into()]),
            ("db.shop", pod(), listed("db.shop", false), listed("db.shop", false)),
            ("db.shop.svc", two.clone(), listed("db.shop.svc", true), vec!["db.shop.svc".into()]),
            (whole, pod(), listed(whole, true), vec![whole.into()]),
            (
                "db",
                ResolvConf { too_long_for_musl: true, ..pod() },
                listed("db", false),
                vec!["db".into()],
            ),
            (
                "db",
                ResolvConf { search: vec![".".into(), "a".repeat(64), "b.".into()], ..pod() },
                vec!["db".into(), "db.b".into()],
                vec!["db".into(), "db.b".into()],
            ),
        ] {
            assert_eq!(walk(Libc::Glibc, name, &conf, &[]).0, glibc, "glibc {name}");
            assert_eq!(walk(Libc::Musl, name, &conf, &[]).0, musl, "musl {name}");
        }
        // Refused as it is, glibc looks for it in the list all the same.
        let found = walk(Libc::Glibc, "db.shop.svc", &two, &[("db.shop.svc", Refused)]);
        assert_eq!(found.0, listed("db.shop.svc", true));
    }

    #[test]
    fn the_last_search_line_and_the_last_ndots_count() {
        let long = format!("search {}", "a.example ".repeat(25));
        for (text, search, ndots, too_long) in [
            ("", &[][..], 1, false),
            ("nameserver 10.0.0.1\nsearch a b\noptions ndots:5 timeout:1\n", &["a", "b"], 5, false),
            ("search a\ndomain b\noptions ndots:3 ndots:99", &["b"], 15, false),
            ("options ndots:x\n search c", &["c"], 1, false),
            (&long, &["a.example"; 25], 1, true),
        ] {
            let found = ResolvConf::read(text);
            assert_eq!(found.search, search, "{text}");
            assert_eq!((found.ndots, found.too_long_for_musl), (ndots, too_long), "{text}");
        }
    }
}
