//! Every kind of question.

use hickory_proto::rr::RecordType;

use super::told::{How, Question};

const KINDS: [RecordType; 11] = [
    RecordType::A,
    RecordType::AAAA,
    RecordType::SRV,
    RecordType::TXT,
    RecordType::MX,
    RecordType::NS,
    RecordType::SOA,
    RecordType::PTR,
    RecordType::CNAME,
    RecordType::ANY,
    RecordType::HTTPS,
];

/// Names of the cluster, and what is like one.
const WITHIN: &[&str] = &[
    // The zone.
    "cluster.local.",
    "svc.cluster.local.",
    "pod.cluster.local.",
    "dns.cluster.local.",
    "ns.dns.cluster.local.",
    "dns-version.cluster.local.",
    "foo.cluster.local.",
    "shop.svc.cluster.local.",
    "vacant.svc.cluster.local.",
    "nowhere.svc.cluster.local.",
    // Services.
    "web.shop.svc.cluster.local.",
    "WeB.sHop.SVC.clUSter.loCAL.",
    "old.shop.svc.cluster.local.",
    "unready.shop.svc.cluster.local.",
    "six.shop.svc.cluster.local.",
    "db.shop.svc.cluster.local.",
    "idle.shop.svc.cluster.local.",
    "big.shop.svc.cluster.local.",
    "middle.shop.svc.cluster.local.",
    "kubernetes.default.svc.cluster.local.",
    "nowhere.shop.svc.cluster.local.",
    "*.shop.svc.cluster.local.",
    // Ports.
    "_http._tcp.web.shop.svc.cluster.local.",
    "_HTTP._TCP.web.shop.svc.cluster.local.",
    "_tcp.web.shop.svc.cluster.local.",
    "_nope._tcp.web.shop.svc.cluster.local.",
    "_http._udp.web.shop.svc.cluster.local.",
    "http.tcp.web.shop.svc.cluster.local.",
    "_sql._tcp.db.shop.svc.cluster.local.",
    "_sql._tcp.db-0.db.shop.svc.cluster.local.",
    // Endpoints.
    "10-244-1-10.web.shop.svc.cluster.local.",
    "db-0.db.shop.svc.cluster.local.",
    "db-2.db.shop.svc.cluster.local.",
    "10-244-2-1.db.shop.svc.cluster.local.",
    "x.db-0.db.shop.svc.cluster.local.",
    // Without a selector.
    "direct.shop.svc.cluster.local.",
    "192-0-2-10.direct.shop.svc.cluster.local.",
    "remapped.shop.svc.cluster.local.",
    "manual.shop.svc.cluster.local.",
    "direct.shop.endpoints.cluster.local.",
    // Aliases.
    "out.shop.svc.cluster.local.",
    "out6.shop.svc.cluster.local.",
    "both.shop.svc.cluster.local.",
    "chain.shop.svc.cluster.local.",
    "wide.shop.svc.cluster.local.",
    "nodata.shop.svc.cluster.local.",
    "gone.shop.svc.cluster.local.",
    "dead.shop.svc.cluster.local.",
    "closed.shop.svc.cluster.local.",
    "inside.shop.svc.cluster.local.",
    "twice.shop.svc.cluster.local.",
    "lost.shop.svc.cluster.local.",
    "loop.shop.svc.cluster.local.",
    "literal.shop.svc.cluster.local.",
    "x.out.shop.svc.cluster.local.",
    "_http._tcp.out.shop.svc.cluster.local.",
    // Pods.
    "shop.pod.cluster.local.",
    "10-1-2-3.shop.pod.cluster.local.",
    "fd00--1.shop.pod.cluster.local.",
    "010-1-2-3.shop.pod.cluster.local.",
    "blah.shop.pod.cluster.local.",
    "x.10-1-2-3.shop.pod.cluster.local.",
    "10-1-2-3.nowhere.pod.cluster.local.",
];

/// Addresses backwards: the cluster's, others that have a name, and others.
const REVERSE: &[&str] = &[
    "1.1.96.10.in-addr.arpa.",
    "1.2.244.10.in-addr.arpa.",
    "10.1.244.10.in-addr.arpa.",
    "10.2.0.192.in-addr.arpa.",
    "3.2.244.10.in-addr.arpa.",
    "4.2.0.192.in-addr.arpa.",
    "9.9.9.9.in-addr.arpa.",
    "96.10.in-addr.arpa.",
    "in-addr.arpa.",
    "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.6.9.0.0.0.1.0.0.0.0.d.f.ip6.arpa.",
    "6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa.",
];

const OUTSIDE: &[&str] = &[
    "github.com.",
    "GitHub.com.",
    "v4.example.",
    "v6.example.",
    "brief.example.",
    "alias.example.",
    "dangling.example.",
    "empty.example.",
    "some.example.",
    "many.example.",
    "nowhere.example.",
    "a.servfail.example.",
    "a.refused.example.",
    "mail.example.",
    "_sip._tcp.example.",
    "example.",
    ".",
];

/// Names of all kinds, which are asked for in every way.
const SAMPLE: &[&str] = &[
    "web.shop.svc.cluster.local.",
    "big.shop.svc.cluster.local.",
    "middle.shop.svc.cluster.local.",
    "_http._tcp.web.shop.svc.cluster.local.",
    "nowhere.shop.svc.cluster.local.",
    "dns-version.cluster.local.",
    "out.shop.svc.cluster.local.",
    "wide.shop.svc.cluster.local.",
    "inside.shop.svc.cluster.local.",
    "1.1.96.10.in-addr.arpa.",
    "4.2.0.192.in-addr.arpa.",
    "github.com.",
    "alias.example.",
    "many.example.",
    "nowhere.example.",
];

/// Puts each to the test.
pub(crate) fn each(mut ask: impl FnMut(&Question<'_>)) {
    let edns = |size, signed| How { edns: Some((size, signed)), ..How::default() };
    let ways = [
        edns(512, false),
        edns(1_232, false),
        edns(4_096, true),
        How { tcp: true, ..How::default() },
        How { no_recursion: true, ..How::default() },
        How { checking_disabled: true, ..How::default() },
    ];
    let everywhere = [How::default(), How { tcp: true, ..edns(1_232, true) }];
    // Names outside first: aliases have them looked up too, there of fewer types.
    for name in [OUTSIDE, REVERSE, WITHIN].concat() {
        for kind in KINDS {
            for how in everywhere {
                // What came from outside is known the second time.
                (0..2).for_each(|_| ask(&Question { name, kind, how }));
            }
        }
    }
    for name in SAMPLE {
        for kind in KINDS.iter().take(4).copied() {
            ways.into_iter().for_each(|how| ask(&Question { name, kind, how }));
        }
    }
}
