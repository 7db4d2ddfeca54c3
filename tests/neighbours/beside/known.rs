//! What differs on purpose. Each difference makes of what CoreDNS says what we say, where it applies.

use hickory_proto::rr::RecordType;

use super::told::{Question, Told};

/// A row of the README's table by its first cell, and what it does; whether it applies.
type Difference = (&'static str, fn(&Question<'_>, &mut Told, &Told) -> bool);

const OK: &str = "No Error";
const MISSING: &str = "Non-Existent Domain";
const FAILED: &str = "Server Failure";

pub(crate) const DIFFERENCES: &[Difference] = &[
    ("RA, in the cluster's zones", recursion_available),
    ("the size in an OPT record", payload),
    ("ANY", any),
    ("SOA, for a name that does not exist", soa_of_nothing),
    ("a name that only others stand below, or that has no such type", empty),
    ("the TTL of `dns-version.Z`", version),
    ("NS of `Z`, and `ns.dns.Z`, of a server that listens on loopback alone", loopback),
    ("names in mixed case", mixed_case),
    ("a selector-less Service with a cluster IP", selectorless),
    ("`S.N.endpoints.Z`", endpoints),
    ("ports without `_`", bare_ports),
    ("ExternalName, asked for without RD", alias_without_recursion),
    ("ExternalName, the TTL of the CNAME", alias_ttl),
    ("ExternalName, other types than A, AAAA and CNAME", alias_of_any_type),
    ("ExternalName, its target has no such record", alias_to_no_data),
    ("ExternalName, its target does not exist", alias_to_nothing),
    ("ExternalName, its upstream fails, or it leads to itself", alias_that_fails),
    ("a pod's name", pods),
    ("a reverse name of the cluster, other types than PTR", reverse_types),
    ("reverse zones that fall through", reverse_zones),
    ("an alias outside that leads nowhere", dangling),
    ("ANY, for an alias outside", any_alias),
    ("what is too long for a datagram", cut),
];

fn recursion_available(_: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = theirs.has("AA") && !theirs.has("RA") && ours.has("RA");
    if applies {
        theirs.set("RA");
    }
    applies
}

/// They say the client's own, we say ours.
fn payload(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let (Some(told), Some(own), Some((asked, _))) =
        (&mut theirs.edns, ours.edns, question.how.edns)
    else {
        return false;
    };
    let applies = told.1 == asked && own.1 == 1_232 && asked != 1_232;
    if applies {
        told.1 = own.1;
    }
    applies
}

fn any(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let set = |told: &Told| {
        let mut owners: Vec<_> = told.sections[0].iter().map(|line| words(line, [0, 3])).collect();
        owners.dedup();
        owners.len() == 1
    };
    let applies = question.kind == RecordType::ANY
        && theirs.sections[0].is_empty()
        && !question.is_outside()
        && ours.code == OK
        && set(ours);
    theirs.becomes(ours, applies)
}

fn soa_of_nothing(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = question.kind == RecordType::SOA
        && question.is_within()
        && theirs.is_no_data()
        && ours.code == MISSING
        && theirs.sections == ours.sections;
    theirs.becomes(ours, applies)
}

fn empty(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let (name, of) = (question.lower(), question.kind);
    let above = ["cluster.local.", "svc.cluster.local.", "pod.cluster.local."];
    let namespaces =
        ["shop.svc.cluster.local.", "vacant.svc.cluster.local.", "shop.pod.cluster.local."];
    let others =
        ["dns.cluster.local.", "dns-version.cluster.local.", "_tcp.web.shop.svc.cluster.local."];
    let text = of == RecordType::TXT && [&above[..], &namespaces].concat().contains(&&*name)
        || [RecordType::TXT, RecordType::PTR].contains(&of) && name == "ns.dns.cluster.local.";
    let applies = (text || others.contains(&&*name))
        && theirs.code == MISSING
        && ours.is_no_data()
        && theirs.sections == ours.sections;
    theirs.becomes(ours, applies)
}

/// CoreDNS's `cache` shortens what its `kubernetes` says.
fn version(question: &Question<'_>, theirs: &mut Told, _: &Told) -> bool {
    let applies = question.lower() == "dns-version.cluster.local.";
    for line in &mut theirs.sections[0] {
        *line = line.replace(" 30 IN TXT", " 28800 IN TXT");
    }
    applies
}

fn loopback(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let asked = (question.lower(), question.kind);
    let applies = theirs.is_no_data()
        && (asked == ("cluster.local.".to_owned(), RecordType::NS)
            && ours.sections[0] == ["cluster.local. 30 IN NS ns.dns.cluster.local."]
            || asked == ("ns.dns.cluster.local.".to_owned(), RecordType::A)
                && ours.sections[0] == ["ns.dns.cluster.local. 30 IN A 127.0.0.1"]);
    theirs.becomes(ours, applies)
}

fn mixed_case(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let lower = |told: &Told| told.sections.each_ref().map(|all| all.join("\n").to_lowercase());
    let mixed = question.name != question.lower();
    let applies = mixed && lower(theirs) == lower(ours) && theirs.sections != ours.sections;
    if applies {
        theirs.sections.clone_from(&ours.sections);
    }
    applies
}

fn selectorless(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let types = [RecordType::A, RecordType::SRV];
    let applies = question.lower() == "direct.shop.svc.cluster.local."
        && types.contains(&question.kind)
        && theirs.all().contains("A 10.96.2.1")
        && ours.all().contains("A 192.0.2.10")
        && ours.all().contains("A 192.0.2.11");
    theirs.becomes(ours, applies)
}

fn endpoints(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = question.lower() == "direct.shop.endpoints.cluster.local."
        && [MISSING, OK].contains(&&*theirs.code)
        && theirs.sections[0].is_empty()
        && ours.code == OK;
    theirs.becomes(ours, applies)
}

fn bare_ports(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = question.lower() == "http.tcp.web.shop.svc.cluster.local."
        && theirs.code == OK
        && ours.code == MISSING;
    theirs.becomes(ours, applies)
}

fn alias_without_recursion(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = question.is_alias()
        && question.how.no_recursion
        && ours.sections.each_ref().map(Vec::len) == [1, 0, 0]
        && ours.all().contains(" 30 IN CNAME ");
    theirs.becomes(ours, applies)
}

/// CoreDNS's `cache` gives all records of an answer one TTL.
fn alias_ttl(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = question.is_alias()
        && ours.all().contains(" 30 IN CNAME")
        && timeless(theirs) == timeless(ours)
        && theirs.sections[0] != ours.sections[0];
    if applies {
        theirs.sections[0].clone_from(&ours.sections[0]);
    }
    applies
}

/// The answer without its TTLs.
fn timeless(told: &Told) -> Vec<String> {
    told.sections[0].iter().map(|line| words(line, [0, 0]) + &words(line, [2, 9])).collect()
}

fn alias_of_any_type(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let followed = [RecordType::A, RecordType::AAAA, RecordType::CNAME];
    let leads = ours.sections[0].iter().any(|line| {
        line.starts_with(&question.lower()) && words(line, [3, 3]).starts_with("CNAME")
    });
    let applies = question.is_alias()
        && !followed.contains(&question.kind)
        && theirs.is_no_data()
        && (leads || ours.code == FAILED);
    theirs.becomes(ours, applies)
}

fn alias_to_no_data(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = question.is_alias()
        && theirs.code == OK
        && ours.code == OK
        && theirs.sections[0] == ours.sections[0]
        && theirs.sections[1].is_empty()
        && ours.sections[1].len() == 1;
    theirs.becomes(ours, applies)
}

fn alias_to_nothing(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let bare = theirs.sections[0] == ours.sections[0] || theirs.is_no_data();
    let applies = question.is_alias()
        && theirs.code == OK
        && ours.code == MISSING
        && bare
        && ours.sections.each_ref().map(Vec::len) == [1, 1, 0];
    theirs.becomes(ours, applies)
}

fn alias_that_fails(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies =
        question.is_alias() && theirs.code == OK && ours.code == FAILED && ours.all().is_empty();
    theirs.becomes(ours, applies)
}

/// They have SRV records with port 0, and names below.
fn pods(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let name = question.lower();
    let srv = question.kind == RecordType::SRV && theirs.all().contains(" SRV 0 100 0 ");
    let below = name.starts_with("x.") && ours.code == MISSING;
    let applies = name.ends_with(".shop.pod.cluster.local.")
        && theirs.code == OK
        && (srv && ours.is_no_data() || below);
    theirs.becomes(ours, applies)
}

fn reverse_types(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = question.is_reverse()
        && question.kind != RecordType::PTR
        && ours.has("AA")
        && ours.is_no_data()
        && ours.sections[1][0].contains(" IN SOA ns.dns.cluster.local. ");
    theirs.becomes(ours, applies)
}

fn reverse_zones(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = question.is_reverse() && theirs.has("AA") && !ours.has("AA");
    theirs.becomes(ours, applies)
}

fn dangling(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = question.lower() == "dangling.example."
        && theirs.code == MISSING
        && ours.code == MISSING
        && theirs.all().contains(" 5 IN CNAME");
    theirs.becomes(ours, applies)
}

fn any_alias(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let applies = question.lower() == "alias.example."
        && question.kind == RecordType::ANY
        && theirs.sections[0].len() == 2
        && ours.sections[0].len() == 1;
    theirs.becomes(ours, applies)
}

/// They take what the client takes, have TC for additional records too, and do not keep what an upstream
/// has cut.
fn cut(question: &Question<'_>, theirs: &mut Told, ours: &Told) -> bool {
    let [told, own] = [&*theirs, ours].map(|told| told.sections[0].len());
    let applies = !question.how.tcp
        && [theirs.has("TC"), ours.has("TC")] != [false; 2]
        && [&*theirs.code, &*ours.code] == [OK; 2]
        && own > 0
        && (theirs.has("TC") || told > own);
    let kept = question.how.tcp && question.lower() == "many.example.";
    theirs.becomes(ours, applies || kept && timeless(theirs) == timeless(ours))
}

impl Question<'_> {
    fn lower(&self) -> String {
        self.name.to_ascii_lowercase()
    }

    fn is_within(&self) -> bool {
        self.lower().ends_with("cluster.local.")
    }

    fn is_reverse(&self) -> bool {
        self.lower().ends_with(".arpa.")
    }

    fn is_outside(&self) -> bool {
        !self.is_within() && !self.is_reverse()
    }

    fn is_alias(&self) -> bool {
        let aliases = [
            "out", "out6", "both", "chain", "wide", "nodata", "gone", "dead", "closed", "inside",
            "twice", "lost", "loop",
        ];
        let name = self.lower();
        let service = name.strip_suffix(".shop.svc.cluster.local.");
        service.is_some_and(|service| aliases.contains(&service))
    }
}

impl Told {
    fn has(&self, flag: &str) -> bool {
        self.flags.contains(&flag)
    }

    fn set(&mut self, flag: &'static str) {
        self.flags.push(flag);
        self.flags.sort_unstable();
    }

    /// NOERROR without an answer, and the SOA record beside it.
    fn is_no_data(&self) -> bool {
        self.code == OK && self.sections.each_ref().map(Vec::len) == [0, 1, 0]
    }

    /// All records.
    fn all(&self) -> String {
        self.sections.concat().join("\n")
    }

    /// Says from here on what we say, where `applies`.
    fn becomes(&mut self, ours: &Self, applies: bool) -> bool {
        if applies {
            self.clone_from(ours);
        }
        applies
    }
}

/// Words of a line, from the one to the other.
fn words(line: &str, [from, to]: [usize; 2]) -> String {
    let all: Vec<&str> = line.split(' ').collect();
    let to = (to + 1).min(all.len());
    all.get(from..to).unwrap_or(&[]).join(" ")
}
