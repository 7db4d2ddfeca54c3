//! What programs find, by the names that they write.

use crate::cluster::{BIG, MIDDLE, many};
use crate::pod::{Cluster, Pod, SEARCH, in_a_pod, sorted};
use crate::program::Libc;

/// There is no such name. musl says so too where there is one without such an address.
const NO_NAME: &str = "EAI_NONAME";
/// There is no such address, and the name may be asked for again.
const AGAIN: &str = "EAI_AGAIN";
/// musl is patient: one look-up takes that many seconds at most, where an upstream fails.
const HASTE: &str = "options timeout:1 attempts:1\n";

/// A name, and what a libc finds that asks for both families, for A and for AAAA; `-` where there is
/// no such address.
type Case = (&'static str, [&'static str; 3]);

const WITHIN: &[Case] = &[
    // The walk through the search list begins with the pod's own namespace.
    ("kubernetes", ["10.96.0.1", "10.96.0.1", "-"]),
    ("kubernetes.default", ["10.96.0.1", "10.96.0.1", "-"]),
    ("web.shop", ["10.96.1.1 fd00:10:96::1", "10.96.1.1", "fd00:10:96::1"]),
    ("web.shop.svc", ["10.96.1.1 fd00:10:96::1", "10.96.1.1", "fd00:10:96::1"]),
    ("web.shop.svc.cluster.local", ["10.96.1.1 fd00:10:96::1", "10.96.1.1", "fd00:10:96::1"]),
    ("web.shop.svc.cluster.local.", ["10.96.1.1 fd00:10:96::1", "10.96.1.1", "fd00:10:96::1"]),
    ("WEB.Shop", ["10.96.1.1 fd00:10:96::1", "10.96.1.1", "fd00:10:96::1"]),
    ("old.shop", ["10.96.1.2", "10.96.1.2", "-"]),
    ("six.shop", ["fd00:10:96::6", "-", "fd00:10:96::6"]),
    ("unready.shop", ["10.96.1.3", "10.96.1.3", "-"]),
    // Headless: those that are ready, and each by its name.
    ("db.shop", ["10.244.2.1 10.244.2.2", "10.244.2.1 10.244.2.2", "-"]),
    ("db-1.db.shop", ["10.244.2.2", "10.244.2.2", "-"]),
    ("db-2.db.shop", [NO_NAME; 3]),
    ("idle.shop", [NO_NAME; 3]),
    // Without a selector.
    ("direct.shop", ["192.0.2.10 192.0.2.11", "192.0.2.10 192.0.2.11", "-"]),
    ("remapped.shop", ["10.96.2.2", "10.96.2.2", "-"]),
    ("manual.shop", ["192.0.2.20", "192.0.2.20", "-"]),
    // Pods.
    ("10-1-2-3.shop.pod", ["10.1.2.3", "10.1.2.3", "-"]),
    // Missing, with and without a namespace that is there.
    ("nowhere.shop", [NO_NAME; 3]),
    ("nowhere.shop.svc.cluster.local.", [NO_NAME; 3]),
    ("web.nowhere.svc.cluster.local.", [NO_NAME; 3]),
    ("nowhere", [NO_NAME; 3]),
];

const ALIASES: &[Case] = &[
    ("out.shop", ["192.0.2.4", "192.0.2.4", "-"]),
    ("out6.shop", ["2001:db8::6", "-", "2001:db8::6"]),
    ("both.shop", ["192.0.2.80 2001:db8::80", "192.0.2.80", "2001:db8::80"]),
    ("chain.shop", ["192.0.2.4", "192.0.2.4", "-"]),
    ("inside.shop", ["10.96.1.1 fd00:10:96::1", "10.96.1.1", "fd00:10:96::1"]),
    ("twice.shop", ["10.96.1.1 fd00:10:96::1", "10.96.1.1", "fd00:10:96::1"]),
    ("nodata.shop", ["-"; 3]),
    ("gone.shop", [NO_NAME; 3]),
    ("lost.shop", [NO_NAME; 3]),
    ("literal.shop", [NO_NAME; 3]),
];

const OUTSIDE: &[Case] = &[
    ("github.com", ["192.0.2.80 2001:db8::80", "192.0.2.80", "2001:db8::80"]),
    ("github.com.", ["192.0.2.80 2001:db8::80", "192.0.2.80", "2001:db8::80"]),
    ("v4.example", ["192.0.2.4", "192.0.2.4", "-"]),
    ("v6.example", ["2001:db8::6", "-", "2001:db8::6"]),
    ("alias.example", ["192.0.2.4", "192.0.2.4", "-"]),
    ("empty.example", ["-"; 3]),
    ("nowhere.example", [NO_NAME; 3]),
    ("dangling.example", [NO_NAME; 3]),
];

/// Names written out, so that no other name of a search list covers up what became of them.
const FAILING: &[Case] = &[
    ("dead.shop.svc.cluster.local.", [AGAIN; 3]),
    ("closed.shop.svc.cluster.local.", [AGAIN; 3]),
    ("loop.shop.svc.cluster.local.", [AGAIN; 3]),
    ("a.servfail.example.", [AGAIN; 3]),
    ("a.refused.example.", [AGAIN; 3]),
];

/// Looks every name up twice: what was asked for outside is kept the second time.
fn all_are_found(pod: &Pod, libc: &Libc, lines: &str, cases: &[Case]) {
    let names: Vec<&str> = cases.iter().map(|(name, _)| *name).collect();
    for (at, family) in ["any", "v4", "v6"].into_iter().enumerate() {
        for turn in 0..2 {
            let found = pod.find(libc, lines, family, &names);
            for ((name, expected), found) in cases.iter().zip(found) {
                let expected = sorted(expected[at]);
                // glibc tells a name without such an address from none, unless it is an alias or
                // not the last of a search list; musl does not.
                let nothing = expected == "-" && ["EAI_NODATA", NO_NAME].contains(&&*found);
                let whom = libc.name;
                assert!(found == expected || nothing, "{whom} {family} {name} {turn}: {found}");
            }
        }
    }
}

#[test]
fn names_within_are_found() {
    in_a_pod("names::names_within_are_found", |pod, libc| {
        let _cluster = pod.cluster();
        all_are_found(pod, libc, SEARCH, WITHIN);
    });
}

#[test]
fn aliases_are_found() {
    in_a_pod("names::aliases_are_found", |pod, libc| {
        let _cluster = pod.cluster();
        all_are_found(pod, libc, SEARCH, ALIASES);
    });
}

#[test]
fn names_outside_are_found() {
    in_a_pod("names::names_outside_are_found", |pod, libc| {
        let _cluster = pod.cluster();
        all_are_found(pod, libc, SEARCH, OUTSIDE);
    });
}

/// Addresses of the cluster have names here, all others at the upstream or nowhere.
#[test]
fn addresses_have_names() {
    in_a_pod("names::addresses_have_names", |pod, libc| {
        let cluster = pod.cluster();
        for (address, expected, goes_on) in [
            ("10.96.1.1", "web.shop.svc.cluster.local", false),
            ("fd00:10:96::1", "web.shop.svc.cluster.local", false),
            ("10.244.2.2", "db-1.db.shop.svc.cluster.local", false),
            ("192.0.2.20", "192-0-2-20.manual.shop.svc.cluster.local", false),
            ("192.0.2.4", "v4.example", true),
            ("2001:db8::6", "v6.example", true),
            ("192.0.2.99", NO_NAME, true),
        ] {
            let whom = libc.name;
            let found = pod.find(libc, SEARCH, "ptr", &[address]);
            assert_eq!(found, [expected], "{whom} {address}");
            assert_eq!(cluster.asked().len(), usize::from(goes_on), "{whom} {address}");
        }
    });
}

/// A failure is no denial: the program may try again.
#[test]
fn what_fails_may_be_asked_for_again() {
    in_a_pod("names::what_fails_may_be_asked_for_again", |pod, libc| {
        let _cluster = pod.cluster();
        let names: Vec<&str> = FAILING.iter().map(|(name, _)| *name).collect();
        let found = pod.find(libc, &[SEARCH, HASTE].concat(), "any", &names);
        for ((name, expected), found) in FAILING.iter().zip(found) {
            assert_eq!(found, expected[0], "{} {name}", libc.name);
        }
    });
}

/// The upstream is asked for a name outside once, and for none of those that a search list makes of
/// it: these end here.
#[test]
fn walks_end_at_the_upstream() {
    in_a_pod("names::walks_end_at_the_upstream", |pod, libc| {
        let cluster = pod.cluster();
        let asked_for = |name: &str, cluster: &Cluster| {
            pod.find(libc, SEARCH, "any", &[name]);
            cluster.asked()
        };
        let both = |name: &str| ["A", "AAAA"].map(|kind| format!("{name}. {kind}")).to_vec();
        let whom = libc.name;
        for name in ["web", "web.shop", "web.shop.svc", "out.shop.svc.cluster.local."] {
            let asked = asked_for(name, &cluster);
            let expected = match name {
                // Nothing in the pod's own namespace: the last of the walk is the name alone.
                "web" => both("web"),
                "out.shop.svc.cluster.local." => both("v4.example"),
                _ => Vec::new(),
            };
            assert_eq!(asked, expected, "{whom} {name}");
        }
        for name in ["github.com", "alias.example", "nowhere.example", "nowhere.shop", "a.b.c.d.e"]
        {
            assert_eq!(asked_for(name, &cluster), both(name), "{whom} {name}");
            // What the upstream has said is known.
            assert_eq!(asked_for(name, &cluster), Vec::<String>::new(), "{whom} {name}");
        }
        // Many dots: the name itself comes first, and there is one.
        let address = pod.find(libc, SEARCH, "v4", &["db-0.db.shop.svc.cluster.local"]);
        assert_eq!(address, ["10.244.2.1"]);
        assert_eq!(cluster.asked(), Vec::<String>::new(), "{whom}");
    });
}

/// More addresses than a datagram holds: glibc asks again over TCP, and so does musl since 1.2.4. An
/// older one makes do with what came, of which it takes 48 at most.
#[test]
fn large_sets_are_found() {
    in_a_pod("names::large_sets_are_found", |pod, libc| {
        let _cluster = pod.cluster();
        let outside = |count: u8| (0..count).map(|last| format!("198.51.100.{last}")).collect();
        let sets: [(&str, Vec<String>); 5] = [
            ("big.shop", many(7, BIG)),
            ("middle.shop", many(8, MIDDLE)),
            ("wide.shop", outside(100)),
            ("many.example", outside(100)),
            ("some.example", outside(40)),
        ];
        for options in ["", "options edns0\n"] {
            let lines = [SEARCH, options].concat();
            for family in ["any", "v4"] {
                for turn in 0..2 {
                    for (name, all) in &sets {
                        let found = pod.find(libc, &lines, family, &[name]).remove(0);
                        let found: Vec<&str> = found.split(' ').collect();
                        let least = if libc.name == "musl" { 25 } else { all.len() };
                        let whom = format!("{} {family} {name} {turn} {options}", libc.name);
                        assert!(found.len() >= least, "{whom}: {found:?}");
                        let known = |address: &&str| all.iter().any(|one| one == address);
                        assert!(found.iter().all(known), "{whom}: {found:?}");
                    }
                }
            }
        }
    });
}
