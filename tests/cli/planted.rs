//! `check -c` finds every fault that is planted in a Corefile, at its file, line and column, and says
//! nothing of what is well beside it.

use crate::run::Room;

/// A line or more of a server block, and each fault in it: where it is, counted from the first of
/// these lines, and what is said.
const FAULTS: &[(&str, &[(&str, &str)])] = &[
    ("kubernets", &[("1:3", "unknown directive 'kubernets'; did you mean 'kubernetes'?")]),
    ("acl {\n    blok\n  }", &[("2:5", "unknown option 'blok' of 'acl'; did you mean 'block'?")]),
    ("acl {\n    block typ A\n  }", &[("2:11", "'typ' is neither type nor net")]),
    ("acl {\n    block type AAAAA\n  }", &[("2:16", "'AAAAA' is not a record type")]),
    ("acl {\n    block net 10.0.0.0/33\n  }", &[("2:15", "'10.0.0.0/33' is not a network")]),
    ("acl {\n    block type net ::1\n  }", &[("2:11", "a value must follow 'type'")]),
    ("bind nowhere0", &[("1:8", "neither an address nor an interface")]),
    ("bufsize 5000", &[("1:11", "not a whole number from 512 to 4096")]),
    ("cache 0", &[("1:9", "'0' is not a whole number from 1")]),
    ("cache a..b", &[("1:9", "'a..b' is not a zone")]),
    ("cache {\n    succes 1\n  }", &[("2:5", "did you mean 'success'?")]),
    ("cache {\n    denial 1 0\n  }", &[("2:14", "'0' is not a whole number from 1")]),
    ("cache {\n    prefetch 1 1m 9%\n  }", &[("2:19", "'9%' is not a percentage")]),
    ("cache {\n    serve_stale 1h later\n  }", &[("2:20", "not one of immediate, verify")]),
    ("cache {\n    servfail 6m\n  }", &[("2:14", "five minutes at most")]),
    ("cache {\n    disable both\n  }", &[("2:13", "'both' is not one of success, denial")]),
    ("cache {\n    keepttl yes\n  }", &[("2:13", "'yes' is one argument too many")]),
    ("chaos v1 {\n    x\n  }", &[("1:3", "'chaos' takes no block")]),
    ("debug on", &[("1:9", "'on' is one argument too many for 'debug'")]),
    (
        "errors {\n    consolidate 5m \"(\" warning\n  }",
        &[("2:20", "'(' is no regular expression: unclosed group")],
    ),
    ("errors {\n    consolidate 5m x loud\n  }", &[("2:22", "'loud' is not one of warning")]),
    ("forward . 192.0.2.256", &[("1:13", "'192.0.2.256' is neither an address nor a file")]),
    ("forward . 192.0.2.1 {\n    polcy random\n  }", &[("2:5", "did you mean 'policy'?")]),
    ("forward . 192.0.2.1 {\n    max_fails few\n  }", &[("2:15", "'few' is not a whole number")]),
    ("forward . 192.0.2.1 {\n    expire 10\n  }", &[("2:12", "'10' is not a time such as 5s")]),
    ("forward . 192.0.2.1 {\n    max_age 1s\n  }", &[("1:3", "is shorter than 'expire'")]),
    ("forward . 192.0.2.1 {\n    failover OOPS\n  }", &[("2:14", "not a response code")]),
    ("forward . grpc://192.0.2.1", &[("1:13", "'grpc://' is no scheme of an upstream")]),
    ("health 8080", &[("1:10", "'8080' is not an address such as :8080")]),
    ("health {\n    lameduck 5\n  }", &[("2:14", "'5' is not a time such as 5s")]),
    ("hosts {\n    192.0.2.300 a\n  }", &[("2:5", "unknown option '192.0.2.300' of 'hosts'")]),
    ("hosts {\n    192.0.2.1\n  }", &[("2:5", "'192.0.2.1' lacks an argument")]),
    ("hosts {\n    192.0.2.1 a..b\n  }", &[("2:15", "'a..b' is not a name")]),
    ("hosts {\n    ttl 0\n  }", &[("2:9", "'0' is not a whole number from 1 to 65535")]),
    (
        "hosts {\n    fallthrough\n    192.0.2.1 a\n  }",
        &[("3:5", "an entry stands behind 'fallthrough'")],
    ),
    ("import nowhere/file", &[("1:10", "cannot be imported")]),
    ("kubernetes a {\n    pods safe\n  }", &[("2:10", "'safe' is no value of 'pods'")]),
    ("kubernetes a {\n    multicluster b\n  }", &[("2:18", "'b' is no zone of this 'kubernetes'")]),
    ("loadbalance weighted", &[("1:15", "'weighted' lacks a file")]),
    ("loadbalance best", &[("1:15", "'best' is not one of round_robin, weighted")]),
    ("loadbalance {\n    prefer 10.0.0.1\n  }", &[("2:12", "'10.0.0.1' is not a network")]),
    ("log {combined}", &[("1:7", "names must stand in front of the format")]),
    ("log {\n    class errors\n  }", &[("2:11", "'errors' is not one of all, success")]),
    ("loop {\n    x\n  }", &[("1:3", "'loop' takes no block")]),
    ("minimal 1", &[("1:11", "'1' is one argument too many for 'minimal'")]),
    ("nsid a {\n    b\n  }", &[("1:3", "'nsid' takes no block")]),
    ("prometheus :x", &[("1:14", "':x' is not an address such as :8080")]),
    ("ready {\n    monitor often\n  }", &[("2:13", "'often' is not one of until-ready")]),
    ("reload 1s", &[("1:10", "'1s' is shorter than the shortest interval")]),
    ("reload 10s 10ms", &[("1:14", "'10ms' is neither 0s nor at least 1s")]),
    ("rewrite name a", &[("1:11", "'rewrite name' lacks a name")]),
    ("rewrite nam a b", &[("1:11", "did you mean 'name'?")]),
    ("rewrite type A", &[("1:11", "'rewrite type' lacks an argument")]),
    ("rewrite class IN CH HS", &[("1:23", "'HS' is one argument too many")]),
    ("rewrite class IN XX", &[("1:20", "'XX' is not a class")]),
    ("rewrite ttl a 5-4", &[("1:17", "'5-4' is no TTL")]),
    ("rewrite ttl a -", &[("1:17", "'-' is no TTL")]),
    ("rewrite ttl sufix a 5", &[("1:15", "did you mean 'suffix'?")]),
    ("rewrite rcode a NXDOMAIN BADVERS", &[("1:28", "'BADVERS' needs EDNS")]),
    ("rewrite rcode a 24 0", &[("1:19", "'24' is not a response code")]),
    ("rewrite name sufix a b", &[("1:16", "did you mean 'suffix'?")]),
    ("rewrite name regex (a b", &[("1:22", "'(a' is no regular expression")]),
    ("rewrite name regex (a) {2}", &[("1:26", "'{2}' names the group 2 of 1")]),
    ("rewrite name exact a b answr auto", &[("1:26", "'answr' is one argument too many")]),
    ("rewrite name suffix a b answer nam c d", &[("1:34", "did you mean 'name'?")]),
    ("template IN", &[("1:3", "'template' lacks an argument")]),
    ("template INN A", &[("1:12", "'INN' is not a class")]),
    ("template IN AA", &[("1:15", "'AA' is not a record type")]),
    ("template IN A {\n    match [\n  }", &[("2:11", "'[' is no regular expression")]),
    (
        "template IN A {\n    answer \"{{ .Name 60 IN A 192.0.2.1\"\n  }",
        &[("2:12", "is never closed by '}}'")],
    ),
    ("template IN A {\n    answer \"{{ .Nam }}\"\n  }", &[("2:12", "did you mean '.Name'?")]),
    ("template IN A {\n    rcode NXDOMAN\n  }", &[("2:11", "'NXDOMAN' is not a response code")]),
    ("template IN A {\n    ederror 65536\n  }", &[("2:13", "'65536' is not a whole number")]),
    ("transfer a", &[("1:3", "'transfer' says to nobody")]),
    ("transfer {\n    to somewhere\n  }", &[("2:8", "'somewhere' is not an address")]),
    ("transfer {\n    to *\n    source x\n  }", &[("3:12", "'x' is not an IP address")]),
    ("workers none", &[("1:11", "'none' is not a whole number from 1 to 1024")]),
    ("file db.example", &[("1:3", "'file' is not supported; let another server serve")]),
    ("proxy . 192.0.2.1", &[("1:3", "'proxy' is no directive any more")]),
    (
        "forward . 192.0.2.1 {\n    except a..b\n    max_fails x\n  }\n  erors",
        &[
            ("2:12", "'a..b' is not a zone"),
            ("3:15", "'x' is not a whole number"),
            ("5:3", "did you mean 'errors'?"),
        ],
    ),
];

/// `2:5` of lines that begin behind `before` others.
fn moved(place: &str, before: u32) -> String {
    let (line, column) = place.split_once(':').expect("a line and a column");
    format!("{}:{column}", line.parse::<u32>().expect("a line") + before)
}

/// The errors of `check`, without those that name what is not built yet.
fn errors(room: &Room) -> Vec<String> {
    let ended = room.run(&["check", "-c", "Corefile"]);
    assert_eq!((ended.code, ended.err.as_str()), (1, ""), "{}", ended.out);
    let lines = ended.out.lines().filter(|line| !line.contains(" is not built yet"));
    lines.map(|line| line.strip_prefix("error: ").expect(line).to_owned()).collect()
}

fn found(lines: &[String], file: &str, faults: &[(&str, &str)], before: u32, text: &str) {
    assert_eq!(lines.len(), faults.len(), "{text}: {lines:?}");
    for (line, (place, part)) in lines.iter().zip(faults) {
        let start = format!("{file}:{}: ", moved(place, before));
        assert!(line.starts_with(&start) && line.contains(part), "{line}, not {start}{part}");
    }
}

#[test]
fn every_planted_fault_is_found_at_its_place() {
    let room = Room::new();
    for (text, faults) in FAULTS {
        room.write("Corefile", format!("# first\n.:53 {{\n  whole.example\n  {text}\n}}\n"));
        let lines = errors(&room);
        assert!(
            lines[0].starts_with("Corefile:3:3: unknown directive 'whole.example'"),
            "{lines:?}"
        );
        found(&lines[1..], "Corefile", faults, 3, text);
    }
}

#[test]
fn so_it_is_in_a_file_that_is_imported() {
    let room = Room::new();
    room.write("Corefile", ".:53 {\n  import parts/*.conf\n}\n");
    for (text, faults) in FAULTS {
        room.write("parts/a.conf", format!("\n  {text}\n"));
        found(&errors(&room), "parts/a.conf", faults, 1, text);
    }
}

/// The blocks themselves.
#[test]
fn blocks() {
    let room = Room::new();
    for (text, faults) in [
        (".:53\n  errors\n}\n", &[("3:1", "this '}' closes nothing")][..]),
        (".:53 {\n  errors {\n", &[("1:6", "never closed"), ("2:10", "never closed")]),
        ("a..b {\n}\n", &[("1:1", "'a..b' is not a zone")]),
        ("tls://. {\n}\n", &[("1:1", "'tls://' server blocks")]),
        (".:70000 {\n}\n", &[("1:1", "'70000' is not a port")]),
        (
            "a {\n}\nA. {\n}\n",
            &[("3:1", "the zone a. on port 53 is served by Corefile:1:1 already")],
        ),
        (
            "a {\n  errors \"x\n}\n",
            &[
                ("1:3", "never closed"),
                ("2:10", "this quote is never closed"),
                ("2:10", "'x\\n}\\n' is no log file"),
            ],
        ),
        ("a {\n  import nobody\n}\n", &[("2:10", "no snippet 'nobody' stands above")]),
    ] {
        room.write("Corefile", text);
        found(&errors(&room), "Corefile", faults, 0, text);
    }
}
