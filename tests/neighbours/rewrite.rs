//! `rewrite` beside CoreDNS's own: the same Corefile, the same questions, the same responses.

use std::net::{SocketAddr, UdpSocket};

use hickory_proto::op::{Edns, Message, Query};
use hickory_proto::rr::{DNSClass, Name, Record, RecordType};

use crate::behind::COREDNS;
use crate::run::{PATIENCE, Room};

/// What is behind the rules: records with names in their data, by `template`.
const BEHIND: &str = r#"
    template IN SRV example {
        answer "{{ .Name }} 60 IN SRV 1 2 53 srv.{{ .Name }}"
        additional "srv.{{ .Name }} 60 IN A 192.0.2.7"
    }
    template IN MX example {
        answer "{{ .Name }} 7200 IN MX 10 mail.example."
        authority "example. 1 IN NS ns.new.example."
    }
    template IN CNAME example {
        answer "{{ .Name }} 60 IN CNAME to.new.example."
    }
    template IN PTR example {
        answer "{{ .Name }} 60 IN PTR {{ .Name }}"
    }
    template IN NAPTR example {
        answer "{{ .Name }} 60 IN NAPTR 1 2 \"s\" \"x\" \"\" {{ .Name }}"
    }
    template IN SOA example {
        rcode NXDOMAIN
        authority "example. 60 IN SOA ns.new.example. host.new.example. 1 2 3 4 5"
    }
    template IN TXT example {
        answer "{{ .Name }} 60 IN TXT \"{{ .Name }}\""
    }
    template IN DNAME example {
        answer "{{ .Name }} 60 IN DNAME d.{{ .Name }}"
    }
    template IN AAAA example {
        rcode SERVFAIL
    }
    template IN A . {
        match "^(deep\.|old\.)?new\.example\.$" "^b\.example\.$"
        answer "{{ .Name }} 30 IN A 192.0.2.1" "{{ .Name }} 30 IN A 192.0.2.2"
        fallthrough
    }
    template IN A . {
        match "^(to\.x|x\.y|new\.y)\.example\.$" "^ftp\.service\.us-west-1\.consul\.$"
        answer "{{ .Name }} 30 IN A 192.0.2.3"
        fallthrough
    }
    # What falls through all others.
    template ANY ANY . {
        rcode NOTZONE
    }
"#;

/// The rules of a server, one server for each set.
const RULES: &[&str] = &[
    "rewrite name old.example new.example",
    "rewrite name exact old.example new.example answer value ^ns[.](.*)[.]$ xx.{1}",
    "rewrite continue name old.example mid.example\nrewrite stop name mid.example new.example\n\
     rewrite name mid.example b.example",
    "rewrite name prefix old new",
    "rewrite name prefix old new answer auto",
    "rewrite name suffix .old.example .new.example",
    "rewrite name suffix .old.example .new.example answer auto",
    "rewrite name suffix old.example new.example answer auto answer value (.*)[.]y[.]example {1}.z",
    "rewrite name substring old. new.",
    "rewrite name substring old. new. answer auto",
    r"rewrite name regex (.*)-(us-west-1)\.coredns\.rocks {1}.service.{2}.consul",
    r"rewrite stop {
        name regex (.*)-(us-west-1)\.coredns\.rocks {1}.service.{2}.consul
        answer name (.*)\.service\.(us-west-1)\.consul {1}-{2}.coredns.rocks
    }",
    r"rewrite name regex (.*)\.old\.(example) {1}.new.{2} answer auto",
    r"rewrite name regex (.*)\.old\.(.*) {1}.new.{2}",
    r"rewrite name regex ^(old|deep)[.].* b.example answer name (b)[.] {1}{1}",
    "rewrite name suffix .example ..example",
    "rewrite type A PTR\nrewrite type MX SRV",
    "rewrite continue type A MX\nrewrite name old.example new.example",
    "rewrite class CH IN",
    "rewrite ttl old.example 5\nrewrite ttl suffix example 100-200",
    "rewrite ttl prefix old -7\nrewrite continue ttl substring new. 3600-\nrewrite ttl regex ^(deep|new) 5-60",
    "rewrite rcode old.example SERVFAIL NOERROR\nrewrite rcode regex new SERVFAIL REFUSED",
    "rewrite continue rcode suffix example NXDOMAIN SERVFAIL\nrewrite name old.example new.example",
    "rewrite name old.example nowhere.org",
    "acl new.example {\n block type ANY\n filter type TXT\n filter type * net 192.0.2.0/24 net *\n}",
    "acl example {\n block type TXT\n}\nrewrite name secret.org new.example\nrewrite name old.example open.org",
];

const NAMES: &[&str] = &[
    "old.example",
    "OLD.Example",
    "new.example",
    "deep.old.example",
    "deep.x.old.example",
    "old.new.example",
    "old.y.example",
    "oldold.example",
    "deepold.example",
    "ftp-us-west-1.coredns.rocks",
    "FTP-us-west-1.coredns.rocks",
    "secret.org",
    "other.org",
];

/// What of a response is told: code, flags, sections; and whether its question is the client's own.
fn ask(server: SocketAddr, name: &str, kind: RecordType, class: DNSClass) -> (Vec<String>, bool) {
    let mut message = Message::query();
    message.metadata.recursion_desired = true;
    let mut query = Query::query(Name::from_ascii(name).expect("a name"), kind);
    query.set_query_class(class);
    message.add_query(query);
    message.set_edns(Edns::new());
    let octets = message.to_vec().expect("a query");
    let socket = UdpSocket::bind("127.0.0.1:0").expect("bind");
    socket.set_read_timeout(Some(PATIENCE)).expect("time-out");
    socket.connect(server).expect("connect");
    socket.send(&octets).expect("send");
    let mut room = vec![0; 4_096];
    let length = socket.recv(&mut room).expect("a response");
    let question = 12..octets.len() - 11;
    let own = room[question.clone()] == octets[question];
    let message = Message::from_vec(&room[..length]).expect("a message");
    let flags = &message.metadata;
    let mut told = vec![format!("{} aa={}", flags.response_code, flags.authoritative)];
    // The owner that a question is given back to is written as that is.
    let line = |section: &str, r: &Record| {
        let (owner, data) = (r.name.to_lowercase(), r.data.to_string().to_lowercase());
        format!("{section} {owner} {} {} {} {data}", r.ttl, r.dns_class, r.record_type())
    };
    told.extend(message.answers.iter().map(|record| line("answer", record)));
    told.extend(message.authorities.iter().map(|record| line("authority", record)));
    told.extend(message.additionals.iter().map(|record| line("additional", record)));
    (told, own)
}

#[test]
fn does_what_that_of_coredns_does() {
    RULES.iter().copied().for_each(compare);
}

fn compare(rules: &str) {
    let configure = |address: SocketAddr| {
        let (ip, port) = (address.ip(), address.port());
        format!(".:{port} {{\n bind {ip}\n chaos\n{rules}\n{BEHIND}\n}}\n")
    };
    let Some(coredns) = COREDNS.run(configure) else { return };
    let room = Room::new();
    room.write("Corefile", configure("127.0.0.1:0".parse().expect("an address")));
    let served = room.serve(&["-c", "Corefile"]);
    let (mut compared, mut differences) = (0, Vec::new());
    for name in NAMES {
        for kind in [
            RecordType::A,
            RecordType::AAAA,
            RecordType::SRV,
            RecordType::MX,
            RecordType::CNAME,
            RecordType::PTR,
            RecordType::NAPTR,
            RecordType::SOA,
            RecordType::TXT,
            RecordType::from(39),
            RecordType::ANY,
        ] {
            for class in [DNSClass::IN, DNSClass::CH] {
                // Where nothing is to be turned back, CoreDNS gives back what it has asked instead.
                let (theirs, _) = ask(coredns.address, name, kind, class);
                let (ours, own) = ask(served.address, name, kind, class);
                assert!(own, "{name} {kind} {class}: the client's own question");
                if ours != theirs {
                    differences.push(format!("{name} {kind} {class}: {ours:?}, not {theirs:?}"));
                }
                compared += 1;
            }
        }
    }
    assert!(differences.is_empty(), "{rules}\n{}", differences.join("\n"));
    assert_eq!(compared, NAMES.len() * 22);
}
