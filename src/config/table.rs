//! Every directive of CoreDNS, in the order in which CoreDNS lets them act, and what becomes of it.
//!
//! The one place that says what of a Corefile is not in effect: whoever builds something marks its
//! row [`Fate::Done`], or takes its option's row away. Rules that answers would be wrong or open
//! without are refused until then, the others warned of; all are read and checked whole either way.

use Fate::{Done, Ignored, Next, Refused, Unbuilt};

/// What becomes of a directive, or of an option of one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Fate {
    /// It acts.
    Done,
    /// Not built yet, with a warning that says what is missing.
    Next(&'static str),
    /// Not built yet and refused, since this would be wrong without it.
    Unbuilt(&'static str),
    /// Nothing that this server needs, with a warning that says why.
    Ignored(&'static str),
    /// Nothing that this server does; the text says what to do instead.
    Refused(&'static str),
}

/// A directive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub(super) name: &'static str,
    pub(super) fate: Fate,
    /// It may stand several times in a block, and adds up.
    pub(super) repeats: bool,
}

const fn once(name: &'static str, fate: Fate) -> Known {
    Known { name, fate, repeats: false }
}

const fn many(name: &'static str, fate: Fate) -> Known {
    Known { name, fate, repeats: true }
}

const NO_TLS: &str = "only plain DNS is served";
const ELSEWHERE: &str = "let another server serve the zone and name it with 'forward'";
const RESOLVER: &str = "let a resolver that does it be the upstream of 'forward'";

/// The directives, in the order in which they act whatever the order of the Corefile; `workers` is
/// ours.
pub(super) const DIRECTIVES: &[Known] = &[
    once("root", Refused("write each path in full")),
    once("metadata", Ignored("nothing asks for what it collects")),
    once("geoip", Ignored("nothing asks where clients are")),
    once("cancel", Ignored("queries have deadlines of their own")),
    once("proxyproto", Refused("let queries arrive with the clients' own addresses")),
    once("quic", Ignored(NO_TLS)),
    once("grpc_server", Ignored(NO_TLS)),
    once("https", Ignored(NO_TLS)),
    once("https3", Ignored(NO_TLS)),
    once("timeouts", Ignored("connections have limits of their own")),
    once("multisocket", Ignored("there is a socket for each of the 'workers'")),
    once("workers", Done),
    once("reload", Done),
    once("nsid", Done),
    once("bufsize", Done),
    many("bind", Done),
    once("debug", Done),
    once("trace", Ignored("there is no tracing")),
    once("ready", Done),
    once("health", Done),
    once("pprof", Ignored("it is about Go's runtime")),
    once("shed", Ignored("sockets have bounds of their own")),
    once("prometheus", Done),
    once("errors", Done),
    many("log", Done),
    many("dnstap", Ignored("queries are not copied anywhere")),
    once("local", Refused("leave it out; clients know localhost themselves")),
    once("dns64", Refused(RESOLVER)),
    once("siit", Refused(RESOLVER)),
    once("any", Refused("refuse them with 'acl { block type ANY }'")),
    once("chaos", Done),
    once("loadbalance", Done),
    once("tsig", Refused("guard the port with a NetworkPolicy")),
    many("rewrite", Done),
    once("autopath", Ignored("clients walk their search lists themselves")),
    many("acl", Done),
    once("cache", Done),
    many("header", Refused("leave it out; flags are what the RFCs say")),
    once("dnssec", Refused("answers are not signed; sign the zone elsewhere")),
    once("tls", Refused("end TLS in front of this server; only plain DNS is served")),
    once("minimal", Done),
    many("template", Done),
    many("transfer", Done),
    once("dynupdate", Refused("change the cluster's objects instead")),
    once("hosts", Done),
    many("route53", Refused(ELSEWHERE)),
    many("azure", Refused(ELSEWHERE)),
    many("clouddns", Refused(ELSEWHERE)),
    once("k8s_external", Refused(ELSEWHERE)),
    once("kubernetes", Done),
    many("file", Refused(ELSEWHERE)),
    many("auto", Refused(ELSEWHERE)),
    many("secondary", Refused(ELSEWHERE)),
    once("etcd", Refused(ELSEWHERE)),
    once("loop", Done),
    many("forward", Done),
    many("grpc", Refused("name upstreams that speak plain DNS with 'forward'")),
    many("erratic", Refused("leave it out; it is for tests of clients")),
    once("whoami", Refused("leave it out; 'log' says who asks")),
    many("on", Refused("start the command beside this server")),
    many("sign", Refused("sign the zone elsewhere")),
    once("view", Refused("tell clients apart by the address that they ask, with 'bind'")),
    once("nomad", Refused(ELSEWHERE)),
];

/// Directives that CoreDNS itself has no more.
const GONE: &[(&str, &str)] = &[
    ("federation", "CoreDNS has dropped it in 1.7.0; remove it"),
    ("proxy", "CoreDNS has dropped it in 1.5.0; write 'forward'"),
];

/// Options, and words in their place, whose fate is another than their directive's.
const OPTIONS: &[(&str, &str, Fate)] = &[
    ("ready", "monitor", Next("readiness is looked at until it is there, and then it stays")),
    ("prometheus", "runtime_metrics", Ignored("it is about Go's runtime")),
    ("prometheus", "tls", Unbuilt("metrics would go out in the clear")),
    ("kubernetes", "apiserver_burst", Ignored("one watch for each kind of object needs no rate")),
    ("kubernetes", "apiserver_max_inflight", Ignored("watches are one for each kind of object")),
    ("kubernetes", "apiserver_qps", Ignored("one watch for each kind of object needs no rate")),
    ("kubernetes", "multicluster", Unbuilt("the names of its zones would not exist")),
    ("kubernetes", "zonal", Unbuilt("zonal names would not exist")),
    ("loadbalance", "weighted", Unbuilt("addresses would be turned evenly")),
    ("loadbalance", "prefer", Next("no network comes first")),
    ("rewrite", "edns0", Unbuilt("upstreams would be told nothing of it")),
    ("rewrite", "cname", Unbuilt("aliases would lead where they lead")),
    ("transfer", "source", Ignored("nobody is notified; secondaries look at the serial")),
    ("template", "expr", Refused("write the condition as a pattern of 'match'")),
    ("template", "var", Refused("write its value where it is used")),
    ("forward", "https://", Unbuilt("names would be asked in the clear")),
    ("forward", "quic://", Unbuilt("names would be asked in the clear")),
    ("forward", "resolver", Unbuilt("upstreams written as names would not be found")),
    ("forward", "doh_method", Next("DNS over HTTPS is not spoken")),
];

/// The directive of this name.
pub(super) fn known(name: &str) -> Option<&'static Known> {
    DIRECTIVES.iter().find(|known| known.name == name)
}

/// Why a directive that CoreDNS once had is none any more.
pub(super) fn gone(name: &str) -> Option<&'static str> {
    GONE.iter().find(|(gone, _)| *gone == name).map(|(_, cure)| *cure)
}

/// What becomes of an option of a directive that itself is read.
pub(super) fn option(directive: &str, option: &str) -> Fate {
    let found = OPTIONS.iter().find(|(of, name, _)| *of == directive && *name == option);
    found.map_or(Done, |(_, _, fate)| *fate)
}

impl Fate {
    /// Whether a reader knows what the directive takes.
    pub(super) fn is_read(self) -> bool {
        matches!(self, Done | Next(_) | Unbuilt(_))
    }

    /// What is said about `what`, and whether it is a fault; nothing where it acts.
    pub(super) fn verdict(self, what: &str) -> Option<(bool, String)> {
        match self {
            Done => None,
            Next(lack) => Some((false, format!("{what} is not in effect yet: {lack}"))),
            Ignored(reason) => Some((false, format!("{what} has no effect here: {reason}"))),
            Unbuilt(lack) => {
                Some((true, format!("{what} is not built yet, and {lack}; remove it")))
            }
            Refused(cure) => Some((true, format!("{what} is not supported; {cure}"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_word_stands_once() {
        let mut names: Vec<&str> = DIRECTIVES.iter().map(|known| known.name).collect();
        names.extend(GONE.iter().map(|(name, _)| *name));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }

    #[test]
    fn options_belong_to_directives_that_are_read() {
        for (directive, name, fate) in OPTIONS {
            assert!(known(directive).is_some_and(|known| known.fate.is_read()), "{directive}");
            assert_ne!(*fate, Done, "{directive} {name}: leave the row out");
        }
    }

    #[test]
    fn the_readme_has_every_directive_with_its_fate() {
        let readme = include_str!("../../README.md");
        let rows: Vec<(&str, &str)> = readme
            .lines()
            .filter_map(|line| line.strip_prefix("| directives ")?.strip_suffix(" |"))
            .filter_map(|row| row.split_once(" | "))
            .collect();
        for (label, fits) in [
            ("in effect", (|fate| fate == Done) as fn(Fate) -> bool),
            ("read, with a warning", |fate| matches!(fate, Next(_))),
            ("refused until built", |fate| matches!(fate, Unbuilt(_))),
            ("ignored with a warning", |fate| matches!(fate, Ignored(_))),
            ("refused", |fate| matches!(fate, Refused(_))),
        ] {
            // A list without a directive is left out.
            let row = rows.iter().find(|(row, _)| *row == label);
            let words = row.iter().flat_map(|(_, cell)| cell.split(", "));
            let written: Vec<&str> = words.map(|word| word.trim_matches('`')).collect();
            let known: Vec<&str> =
                DIRECTIVES.iter().filter(|one| fits(one.fate)).map(|one| one.name).collect();
            assert_eq!(written, known, "README.md, '{label}'");
        }
    }
}
