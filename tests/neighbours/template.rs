//! `template` beside CoreDNS's own: the same Corefile, the same questions, the same responses.

use std::net::{SocketAddr, UdpSocket};

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::rdata::opt::EdnsCode;
use hickory_proto::rr::{DNSClass, Name, Record, RecordType};

use crate::behind::COREDNS;
use crate::run::{PATIENCE, Room};

const TEMPLATES: &str = r#"
    template ANY ANY internal.cloudapp.net {
        match "^(?:[^.]+\.){4,}internal\.cloudapp\.net\.$"
        rcode NXDOMAIN
        fallthrough
    }
    template ANY ANY reddog.microsoft.com {
        rcode NXDOMAIN
        authority "{{ .Zone }} 60 {{ .Class }} SOA ns.{{ .Zone }} h.{{ .Zone }} (1 60 60 60 60)"
        ederror 21 "Blocked"
    }
    template IN A ip.example {
        match "^ip-(?P<a>[0-9]*)-(?P<b>[0-9]*)-(?P<c>[0-9]*)-(?P<d>[0-9]*)[.]" "^x([0-9a-f]{2})[.]"
        answer "{{ .Name }} 60 IN A {{ .Group.a }}.{{ .Group.b }}.{{ .Group.c }}.{{ .Group.d }}"
        additional "{{ .Name }} TXT \"{{ .Remote }}|{{ .Type }}|{{ .Question.Qtype }}\" {{ .Question.Name }}"
    }
    template IN AAAA ip.example {
        rcode REFUSED
    }
    template IN A hex.example {
        match "^x(?P<h>[0-9a-z]*)[.]"
        answer "{{ .Name }} 1h A 192.0.2.{{ parseInt .Group.h 16 8 }}"
        fallthrough deep.hex.example
    }
    template IN A hex.example deep.hex.example {
        answer "{{ .Zone }} 5 IN CNAME {{ index .Match 0 }}nowhere"
    }
    template IN PTR in-addr.arpa {
        match ^(?P<d>[0-9]*)[.](?P<c>[0-9]*)[.](?P<b>[0-9]*)[.](?P<a>[0-9]*)[.]in-addr[.]arpa[.]$
        answer "{{ .Name }} 60 IN PTR ip-{{ .Group.a }}-{{ .Group.b }}-{{ .Group.c }}-{{ .Group.d }}.example."
    }
    template IN MX odd.example {
        match "(.*)\.odd\.example\.$"
        answer "{{ .Name }} MX 10 {{ index .Match 1 }}"
    }
    template IN ANY txt.example {
        answer "{{ .Name }} 5 TXT {{ .Group.none }}|{{ index .Group \"none\" }}|{{ .Regex }}"
    }
    template IN SRV bad.example {
        answer "{{ .Name }} 5 SRV 1 2 3"
    }
    template IN SOA bad.example {
        answer " {{ .Name }} 5 A 192.0.2.1"
    }
    template IN NS bad.example {
        answer "{{ index .Match 3 }} 5 NS a"
    }
    template IN TXT bad.example {
        rcode SERVFAIL
        ederror 1
    }
    template IN CAA bad.example {
        answer "{{ .Name }} 5 CAA 0 issue \"ca.example\"" "{{ .Name }} 5 HTTPS 1 . alpn=h2"
        rcode NOTAUTH
    }
    template IN ANY alias.example {
        match "^(one|two)[.]"
        answer "{{ .Name }} 60 IN CNAME ip-192-0-2-9.ip.example." "{{ .Name }} 60 IN TXT \"behind\""
        additional "{{ .Name }} 60 IN TXT \"beside\""
        fallthrough
    }
    template IN ANY alias.example {
        match "^chain[.]"
        answer "{{ .Name }} 60 IN CNAME one.alias.example."
        rcode NXDOMAIN
        fallthrough
    }
    template IN ANY alias.example {
        match "^lost[.]"
        answer "{{ .Name }} 60 IN CNAME nowhere."
        fallthrough
    }
    # What falls through all others.
    template ANY ANY . {
        rcode NOTZONE
    }
"#;

/// What of a response is told: code, flags, sections, extended errors.
fn ask(server: SocketAddr, name: &[u8], kind: RecordType, class: DNSClass) -> Vec<String> {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    let labels = name.split(|octet| *octet == b'.').filter(|label| !label.is_empty());
    let mut query = Query::query(Name::from_labels(labels).expect("a name"), kind);
    query.set_query_class(class);
    message.add_query(query);
    message.set_edns(Edns::new());
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
    socket.connect(server).expect("connect");
    socket.send(&message.to_vec().expect("a query")).expect("send");
    let mut room = vec![0; 4_096];
    let length = socket.recv(&mut room).expect("a response");
    let message = Message::from_vec(&room[..length]).expect("a message");
    let flags = &message.metadata;
    let mut told = vec![format!("{} aa={}", flags.response_code, flags.authoritative)];
    let line = |section: &str, r: &Record| {
        let owner = r.name.to_lowercase();
        format!("{section} {owner} {} {} {} {}", r.ttl, r.dns_class, r.record_type(), r.data)
    };
    told.extend(message.answers.iter().map(|record| line("answer", record)));
    told.extend(message.authorities.iter().map(|record| line("authority", record)));
    told.extend(message.additionals.iter().map(|record| line("additional", record)));
    let options = message.edns.iter().flat_map(|edns| edns.options().as_ref().iter());
    let errors = options.filter(|(code, _)| *code == EdnsCode::from(15));
    told.extend(errors.map(|(_, option)| format!("{option:?}")));
    told
}

#[test]
fn says_what_that_of_coredns_says() {
    // Without `chaos`, CoreDNS refuses other classes than IN.
    ["", "chaos"].into_iter().for_each(compare);
}

fn compare(more: &str) {
    let configure = |address: SocketAddr| {
        let (ip, port) = (address.ip(), address.port());
        format!(".:{port} {{\n bind {ip}\n{more}\n{TEMPLATES}\n}}\n")
    };
    let Some(coredns) = COREDNS.run(configure) else { return };
    let room = Room::new();
    room.write("Corefile", configure("127.0.0.1:0".parse().expect("an address")));
    let served = room.serve(&["-c", "Corefile"]);
    let (mut compared, mut differences) = (0, Vec::new());
    for name in [
        &b"a.b.c.d.internal.cloudapp.net"[..],
        b"a.b.c.internal.cloudapp.net",
        b"A.Reddog.microsoft.com",
        b"ip-192-0-2-1.ip.example",
        b"IP-192-0-2-1.a'b;c $d.Ip.Example",
        b"ip-192-0-2-256.ip.example",
        b"xff.ip.example",
        b"other.ip.example",
        b"xff.hex.example",
        b"x0a.deep.hex.example",
        b"x100.hex.example",
        b"xzz.hex.example",
        b"x.hex.example",
        b"y.hex.example",
        b"y.deep.hex.example",
        b"1.2.0.192.in-addr.arpa",
        b"2.0.192.in-addr.arpa",
        b"b.odd.example",
        b"a;b\"(c.$d.odd.example",
        b"a@b\\c d\x00\xff.odd.example",
        b"odd.example",
        b"a.txt.example",
        b"a.bad.example",
        b"ONE.alias.example",
        b"chain.alias.example",
        b"lost.alias.example",
        b"nowhere",
        b"",
    ] {
        for kind in [
            RecordType::A,
            RecordType::AAAA,
            RecordType::PTR,
            RecordType::MX,
            RecordType::TXT,
            RecordType::NS,
            RecordType::SOA,
            RecordType::SRV,
            RecordType::CAA,
            RecordType::ANY,
        ] {
            for class in [DNSClass::IN, DNSClass::CH] {
                let theirs = ask(coredns.address, name, kind, class);
                let ours = ask(served.address, name, kind, class);
                let shown = String::from_utf8_lossy(name);
                // Nobody's: they say with an error of ours that the name is not ours.
                if theirs == ["Query Refused aa=false"] {
                    assert_eq!(ours[0], theirs[0], "{shown} {kind} {class}");
                    continue;
                }
                if ours != theirs {
                    differences.push(format!("{shown} {kind} {class}: {ours:?}, not {theirs:?}"));
                }
                compared += 1;
            }
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(compared > 100, "{compared}");
}
