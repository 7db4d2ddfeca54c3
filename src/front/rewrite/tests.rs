//! What a Corefile's rules make of names, and of answers.

use super::*;
use crate::config::read_corefile;

/// The rules of the one block of a Corefile.
fn rules(body: &str) -> Rules {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("Corefile");
    std::fs::write(&path, format!(".:53 {{\nchaos\n{body}\n}}\n")).unwrap();
    let config = read_corefile(&path, 53).unwrap_or_else(|errors| panic!("{body}: {errors:?}"));
    Rules::new(&config.servers[0].rewrite).unwrap()
}

fn message(name: &str, qtype: u16, class: u16) -> Vec<u8> {
    let mut message = vec![0, 7, 1, 0, 0, 1, 0, 0, 0, 0, 0, 1];
    for label in name.split_terminator('.') {
        message.push(u8::try_from(label.len()).unwrap());
        message.extend_from_slice(label.as_bytes());
    }
    message.push(0);
    message.extend([qtype, class].map(u16::to_be_bytes).as_flattened());
    // EDNS with an option that nobody knows.
    message.extend(b"\0\0\x29\x04\xd0\0\0\x80\0\0\x06\xff\x01\0\x02hi");
    message
}

/// The name, type and class that are asked in place of these.
fn asked(rules: &Rules, name: &str, qtype: u16, class: u16) -> Result<(String, u16, u16), Made> {
    let message = message(name, qtype, class);
    let mut query = Query::default();
    query.read(&message).unwrap();
    let mut rewriting = Rewriting::default();
    match rules.apply(&message, &query, &mut rewriting) {
        Made::Query => {}
        other => return Err(other),
    }
    let made = rewriting.message();
    let end = made.len() - 17;
    assert_eq!(made[end..], message[message.len() - 17..], "the OPT record is kept");
    query.read(made).unwrap();
    let own = made[answer::HEADER..end - 4].to_vec();
    let text = NameText::of(&own).as_str().to_owned();
    assert_eq!((query.id(), query.recursion_desired()), (7, true));
    Ok((text, query.qtype(), query.qclass()))
}

#[test]
fn names_become_others() {
    for (rule, name, expected) in [
        ("name a.example b.example", "A.Example", Ok("b.example.")),
        ("name a.example b.example", "x.a.example", Err(Made::Nothing)),
        ("name exact a .", "a", Ok(".")),
        ("name prefix a B.c", "a.a.x", Ok("b.c.a.x.")),
        ("name prefix a b", "aa.x", Err(Made::Nothing)),
        ("name suffix .x .y.z", "a.X", Ok("a.y.z.")),
        ("name suffix .x .y", "x", Err(Made::Nothing)),
        ("name suffix x y", "ax", Ok("ay.")),
        ("name substring x. y.z.", "a.x.b.x", Ok("a.y.z.b.y.z.")),
        ("name substring a bb", "a.aa.x", Ok("bb.abb.x.")),
        (
            r"name regex (.*)-(us-west-1)\.coredns\.rocks {1}.service.{2}.consul",
            "FTP-us-west-1.coredns.rocks",
            Ok("ftp.service.us-west-1.consul."),
        ),
        ("name regex (.*)[.](y) {2}.{1}.{0}", "b.y.x", Ok("y.b.b.y.")),
        ("name regex ^a[.] b", "a.x", Ok("b.")),
        ("name regex (.*) x.{1}", "a", Err(Made::NoName)),
        ("name suffix x .y", "x", Err(Made::NoName)),
        ("name prefix a a..b", "a.x", Err(Made::NoName)),
        ("ttl a 5", "a", Ok("A.")),
        ("rcode suffix b NXDOMAIN NOERROR", "a", Err(Made::Nothing)),
    ] {
        let name = if rule.starts_with("ttl") { name.to_uppercase() } else { name.to_owned() };
        let found = asked(&rules(&format!("rewrite {rule}")), &name, 1, 1).map(|asked| asked.0);
        assert_eq!(found, expected.map(str::to_owned), "{rule} {name}");
    }
}

#[test]
fn rules_go_on_where_they_say_so() {
    let rules = rules(
        "rewrite continue name a b
        rewrite continue type A TXT
        rewrite continue name b c
        rewrite class IN CH
        rewrite name c d",
    );
    for (name, qtype, class, expected) in [
        ("a", 1, 1, ("c.", 16, 3)),
        ("c", 28, 1, ("c.", 28, 3)),
        // The class stops them.
        ("a", 1, 3, ("d.", 16, 3)),
        ("E", 1, 3, ("E.", 16, 3)),
    ] {
        let found = asked(&rules, name, qtype, class).unwrap();
        assert_eq!((found.0.as_str(), found.1, found.2), expected, "{name}");
    }
    assert_eq!(asked(&rules, "e", 28, 3), Err(Made::Nothing));
}

/// What becomes of a name in an answer, as its owner and as a target.
fn back(rules: &Rules, asked: &str, name: &str) -> (String, String) {
    use answer::Renaming;
    let message = message(asked, 1, 1);
    let mut query = Query::default();
    query.read(&message).unwrap();
    let mut rewriting = Rewriting::default();
    assert_eq!(rules.apply(&message, &query, &mut rewriting), Made::Query, "{asked}");
    let turn = Turn { rules: &rules.0, steps: &rewriting.steps };
    let room = NameText::joined([name]).wire().unwrap();
    let (mut owner, mut value) = (room.clone(), room);
    let text = |name: &answer::Expanded| NameText::of(name.as_slice()).as_str().to_owned();
    let told =
        |made: Option<()>, name: &answer::Expanded| made.map(|()| text(name)).unwrap_or_default();
    let made = [turn.owner(&mut owner), turn.value(&mut value)];
    (told(made[0], &owner), told(made[1], &value))
}

#[test]
fn names_of_answers_are_turned_back() {
    for (rule, asked, name, owner, value) in [
        ("name a b", "a", "b.", "a.", "a."),
        ("name a b", "a", "x.B.", "x.B.", "x.B."),
        ("name a b", "a", "x.b.", "x.a.", "x.a."),
        ("name a b", "a", "xb.", "xb.", "xb."),
        ("name suffix .x .y", "a.x", "a.y.", "a.y.", "a.y."),
        ("name suffix .x .y answer auto", "a.x", "other.y.", "other.x.", "other.x."),
        ("name substring x. y. answer auto", "a.x", "other.y.", "other.y.", "other.y."),
        ("name substring x. y. answer auto", "a.x", "w.a.y.", "w.a.x.", "w.a.x."),
        (r"name regex (.*)[.]x {1}.y answer name (.*)[.]y {1}.z", "a.x", "b.y.", "b.z.", "b.y."),
        (
            r"name regex (.*)[.]x[.] {1}.y answer value (.*)[.]y[.] {1}.z",
            "a.x",
            "b.y.",
            "b.y.",
            "b.z.",
        ),
        // The last of several comes first, and what is turned back by itself at the end.
        ("name exact a b answer value ^c b answer value ^d c", "a", "d.", "d.", "a."),
        // No name: nothing can be told.
        ("name exact a b answer name .* x..y", "a", "b.", "", "a."),
    ] {
        let found = back(&rules(&format!("rewrite {rule}")), asked, name);
        assert_eq!(found, (owner.to_owned(), value.to_owned()), "{rule} {name}");
    }
    let chain = rules("rewrite continue name a b\nrewrite name b c");
    assert_eq!(back(&chain, "a", "x.c.").0, "x.a.");
}

#[test]
fn codes_and_ttls() {
    use answer::Renaming;
    let rules = rules(
        "rewrite continue ttl suffix a 5-60
        rewrite continue ttl b.a 30-
        rewrite continue rcode regex a NXDOMAIN SERVFAIL
        rewrite rcode b.a SERVFAIL REFUSED",
    );
    for (name, ttls, codes) in [("a", [5, 20, 60], [2, 2, 5]), ("b.a", [30, 30, 60], [2, 5, 5])] {
        let message = message(name, 1, 1);
        let mut query = Query::default();
        query.read(&message).unwrap();
        let mut rewriting = Rewriting::default();
        rules.apply(&message, &query, &mut rewriting);
        let turn = Turn { rules: &rules.0, steps: &rewriting.steps };
        assert_eq!([1, 20, 300].map(|ttl| turn.ttl(ttl)), ttls, "{name}");
        assert_eq!([3, 2, 5].map(|code| turn.rcode(code)), codes, "{name}");
    }
}
