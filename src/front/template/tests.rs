//! What a Corefile's templates say to queries.

use super::*;
use crate::config::read_corefile;

/// The templates of the one block of a Corefile.
fn templates(body: &str) -> Templates {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Corefile");
    std::fs::write(&path, format!(".:53 {{\nchaos\n{body}\n}}\n")).unwrap();
    let config = read_corefile(&path, 53).unwrap_or_else(|errors| panic!("{body}: {errors:?}"));
    Templates::new(&config.servers[0])
}

fn message(name: &str, qtype: u16, class: u16) -> Vec<u8> {
    let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
    for label in name.split_terminator('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend([qtype, class].map(u16::to_be_bytes).as_flattened());
    message
}

/// The code and each record's section, owner, type, class, TTL and data; `None` goes on.
type Told = Option<(Rcode, Vec<(Section, String, u16, u16, u32, Vec<u8>)>)>;

fn ask(templates: &Templates, name: &str, qtype: u16, class: u16) -> Told {
    let message = message(name, qtype, class);
    let mut query = Query::default();
    query.read(&message).unwrap();
    let made = templates.answer(&message, &query, || "::ffff:192.0.2.7".parse().unwrap())?;
    let said = made.said();
    let record = |r: &Record| {
        let owner = Name::from_wire(&r.owner).unwrap().to_string();
        (r.section, owner, r.rtype, r.class, r.ttl, r.data.clone())
    };
    assert_eq!(said.authoritative, said.rcode != Rcode::ServFail);
    Some((said.rcode, said.records.iter().map(record).collect()))
}

const TXT: u16 = 16;
const CH: u16 = 3;

#[test]
fn the_default_of_azure() {
    let templates = templates(
        r#"template ANY ANY internal.cloudapp.net {
            match "^(?:[^.]+\.){4,}internal\.cloudapp\.net\.$"
            rcode NXDOMAIN
            fallthrough
        }
        template ANY ANY reddog.microsoft.com {
            rcode NXDOMAIN
        }"#,
    );
    let missing = Some((Rcode::NxDomain, vec![]));
    for (name, class, expected) in [
        ("a.b.c.d.internal.cloudapp.net", IN, &missing),
        ("A.b.c.d.INTERNAL.cloudapp.net", IN, &missing),
        ("a.b.c.internal.cloudapp.net", IN, &None),
        ("internal.cloudapp.net", IN, &None),
        ("a.reddog.microsoft.com", IN, &missing),
        ("reddog.microsoft.com", CH, &missing),
        ("microsoft.com", IN, &None),
        ("", IN, &None),
    ] {
        assert_eq!(ask(&templates, name, A, class), *expected, "{name}");
    }
}

#[test]
fn other_classes_need_chaos_or_forward() {
    let template = |class| Template {
        class,
        record_type: ANY,
        zones: vec![Name::root()],
        matches: vec![],
        answer: vec![],
        additional: vec![],
        authority: vec![],
        rcode: 3,
        ede: None,
        fallthrough: Fallthrough::Never,
    };
    let config = ServerBlock { template: vec![template(ANY)], ..ServerBlock::default() };
    let plain = Templates::new(&config);
    assert_eq!(ask(&plain, "a", A, CH), None);
    assert_eq!(ask(&plain, "a", A, IN), Some((Rcode::NxDomain, vec![])));
}

#[test]
fn which_template_it_is() {
    let templates = templates(
        r"template IN A a.example b.a.example {
            match ^[.]*x[.]
            answer `{{ .Zone }} 1 TXT first`
            fallthrough b.a.example
        }
        template IN AAAA example {
            rcode REFUSED
        }
        template CH TXT example {
            rcode SERVFAIL
            answer `a 1 TXT never`
        }
        template IN A a.example {
            answer `{{ .Zone }} 1 TXT second`
        }"
        .replace('`', "\"")
        .as_str(),
    );
    let text = |owner: &str, text: &[u8]| {
        Some((Rcode::NoError, vec![(Section::Answer, owner.into(), TXT, IN, 1, text.to_vec())]))
    };
    let failed = Some((Rcode::ServFail, vec![]));
    for (name, qtype, class, expected) in [
        ("x.a.example", A, IN, text("a.example.", b"\x05first")),
        ("x.b.a.example", ANY, ANY, text("b.a.example.", b"\x05first")),
        ("y.b.a.example", A, IN, text("a.example.", b"\x06second")),
        ("y.a.example", A, IN, failed.clone()),
        ("y.a.example", AAAA, IN, Some((Rcode::Refused, vec![]))),
        ("y.a.example", TXT, CH, failed.clone()),
        ("y.a.example", TXT, IN, None),
        ("example", A, IN, None),
    ] {
        assert_eq!(ask(&templates, name, qtype, class), expected, "{name} {qtype} {class}");
    }
}

/// One record of type TXT made of the text, or SERVFAIL.
#[test]
fn what_records_are_made_of() {
    for (text, expected) in [
        ("{{ .Name }}", Some("ip0a-x.a\\'b.example.")),
        ("{{ .Question.Name }}", Some("IP0A-x.a\\'B.Example.")),
        ("{{ .Zone }}|{{ .Class }}|{{ .Type }}", Some("example.|IN|TXT")),
        ("{{ .Question.Qtype }}|{{ .Question.Qclass }}", Some("16|1")),
        ("{{ .Remote }}", Some("192.0.2.7")),
        ("{{ .Regex }}", Some("^ip(?P<hex>..)(-x)(?P<none>y)?")),
        ("{{ index .Match 0 }}|{{ index .Match 2 }}|{{ index .Match 3 }}", Some("ip0a-x|-x|")),
        ("{{ index .Match 4 }}", None),
        (
            "{{ .Group.hex }}|{{ .Group.2 }}|{{ .Group.none }}|{{ .Group.no }}",
            Some("0a|-x||<no value>"),
        ),
        ("{{ index .Group `hex` }}|{{ index .Group `no` }}", Some("0a|")),
        ("{{ parseInt .Group.hex 16 8 }}|{{ parseInt `377` 8 8 }}", Some("10|255")),
        ("{{ parseInt `400` 8 8 }}", None),
        ("{{ parseInt .Group.hex 10 8 }}", None),
        ("{{ parseInt `+1` 10 8 }}", None),
        ("x {{- .Meta `a` -}} y{{/* z */}}", Some("xy")),
    ] {
        let templates = templates(&format!(
            "template IN ANY example {{\n match ^never \"^ip(?P<hex>..)(-x)(?P<none>y)?\"\n \
             answer \"a 1 TXT \\\"{text}\\\"\"\n}}"
        ));
        let told = ask(&templates, "IP0A-x.a'B.Example", TXT, IN);
        let expected = expected.map_or((Rcode::ServFail, vec![]), |text| {
            // An escape of a name is one of the text too.
            let text = text.replace("\\'", "'");
            let data = [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
            (Rcode::NoError, vec![(Section::Answer, "a.".into(), TXT, IN, 1, data)])
        });
        assert_eq!(told, Some(expected), "{text}");
    }
}

#[test]
fn sections_and_errors() {
    let templates = templates(
        r#"template IN A example {
            additional "ns.example 3 A 192.0.2.3"
            authority "{{ .Zone }} 2 NS ns.example"
            answer "{{ .Name }} 1 {{ .Class }} {{ .Type }} 192.0.2.1" "{{ .Name }} A 192.0.2.2"
            ederror 21 "for a test"
            rcode YXDOMAIN
        }
        template IN A other {
            answer "{{ .Name }} 1 A 192.0.2.1"
            answer "{{ .Name }} 1 A 192.0.2"
            ederror 21
        }"#,
    );
    let address = |section, owner: &str, ttl, last| {
        (section, owner.to_owned(), A, IN, ttl, vec![192, 0, 2, last])
    };
    let authority =
        (Section::Authority, "example.".into(), 2, IN, 2, b"\x02ns\x07example\0".to_vec());
    let expected = vec![
        address(Section::Answer, "a.example.", 1, 1),
        address(Section::Answer, "a.example.", 3_600, 2),
        authority,
        address(Section::Additional, "ns.example.", 3, 3),
    ];
    assert_eq!(ask(&templates, "a.example", A, IN), Some((Rcode::YxDomain, expected)));
    assert_eq!(ask(&templates, "a.other", A, IN), Some((Rcode::ServFail, vec![])));
    let message = message("a.example", A, IN);
    let mut query = Query::default();
    query.read(&message).unwrap();
    let made = templates.answer(&message, &query, || panic!("nobody wants to know")).unwrap();
    assert_eq!(made.said().error, Some((21, "for a test")));
}

proptest::proptest! {
    /// Whatever is asked, what is made of it is one record or a failure.
    #[test]
    fn no_name_makes_it_panic_or_more_than_a_record(
        labels in proptest::collection::vec(proptest::collection::vec(0_u8.., 1..64), 0..4)
    ) {
        let mut message = vec![0, 1, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0];
        for label in &labels {
            message.push(u8::try_from(label.len()).unwrap());
            message.extend_from_slice(label);
        }
        message.extend_from_slice(&[0, 0, 1, 0, 1]);
        let mut query = Query::default();
        if query.read(&message).is_ok() {
            let templates = templates(
                "template IN A . {\n match (.*)\n answer \"{{ .Name }} 1 PTR {{ index .Match 1 }}\"\n}",
            );
            let made = templates.answer(&message, &query, || panic!("nobody")).unwrap();
            let name = query.asked().name();
            let said = made.said();
            proptest::prop_assert_eq!(said.rcode, Rcode::NoError);
            proptest::prop_assert_eq!(&said.records[0].owner, name);
            proptest::prop_assert_eq!(&said.records[0].data, name);
        }
    }
}
