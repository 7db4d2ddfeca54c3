//! Tables of names and of all that they answer.
//!
//! A line without indentation is a name, alone or followed by `NX` or `NODATA`. Indented lines
//! below it are its records, `TYPE data`; those that begin with `+` are additional records of the
//! type above. Every other type of the name is NODATA, and ANY is its first set of A, AAAA, SRV,
//! TXT and PTR (schema.md, section 1). `#` begins a comment.

use std::fmt::Write as _;

use super::reply::limit;
use super::wire::{A, AAAA, ANY, Ask, CD, DO, PTR, RD, SOA, SRV, TXT, TYPES, rtype};
use super::world::World;

#[derive(Debug, Default)]
struct Row {
    name: String,
    missing: bool,
    records: Vec<(u16, String)>,
    additional: Vec<(u16, String)>,
}

impl World {
    /// Asks for every type of every name of the table, in each way that a client may ask.
    pub(crate) fn check(&self, table: &str) {
        let rows = parse(table);
        assert!(!rows.is_empty(), "a table without rows");
        let mut wrong = String::new();
        for row in &rows {
            for qtype in TYPES.into_iter().chain([ANY]) {
                let (full, bare) = row.expected(qtype);
                for (how, ask, stream) in ways(&row.name, qtype) {
                    let found = self.reply(&ask, stream).text;
                    let same = found.eq_ignore_ascii_case(&full);
                    if !(same || cut_short(self, &ask, stream, [&full, &bare, &found])) {
                        let name = &row.name;
                        let _ = writeln!(
                            wrong,
                            "{name} {qtype} ({how})\n  expected {full}\n  found    {found}"
                        );
                    }
                }
            }
        }
        assert!(wrong.is_empty(), "\n{wrong}");
    }
}

/// Whether the response found lacks nothing but additional records, for want of room.
fn cut_short(world: &World, ask: &Ask, stream: bool, [full, bare, found]: [&str; 3]) -> bool {
    let whole = world.library(ask, true, 0).octets.len();
    let mut records = found.split(" + ");
    whole > limit(ask, stream, &world.rules)
        && records.next() == Some(bare)
        && records.all(|record| full.split(" + ").skip(1).any(|expected| expected == record))
}

/// The ways in which each question is asked, and whether over a stream.
fn ways(name: &str, qtype: u16) -> [(&'static str, Ask, bool); 4] {
    let ask = || Ask::new(name, qtype);
    [
        ("plain", ask(), false),
        ("large", ask().mixed().edns(4_096, DO).flags(CD), false),
        ("floor", ask().edns(0, 0).flags(RD | CD), false),
        ("stream", ask().mixed().edns(512, DO).flags(RD), true),
    ]
}

impl Row {
    /// The whole response, and the same without its additional section.
    fn expected(&self, qtype: u16) -> (String, String) {
        let wanted = if qtype == ANY {
            let has = |wanted: u16| self.records.iter().any(|(rtype, _)| *rtype == wanted);
            [SOA, A, AAAA, SRV, TXT, PTR].into_iter().find(|rtype| has(*rtype)).unwrap_or(ANY)
        } else {
            qtype
        };
        let of = |all: &[(u16, String)]| -> Vec<String> {
            let found = all.iter().filter(|(rtype, _)| *rtype == wanted);
            found.map(|(_, text)| text.clone()).collect()
        };
        let mut answers = of(&self.records);
        if matches!(wanted, A | AAAA) {
            answers.sort();
        }
        let mut text = String::from(if self.missing { "NXDOMAIN" } else { "NOERROR" });
        for record in &answers {
            let _ = write!(text, "; {record}");
        }
        if answers.is_empty() {
            text.push_str(" ~ SOA");
        }
        let bare = text.clone();
        let mut additional = of(&self.additional);
        additional.sort();
        for record in &additional {
            let _ = write!(text, " + {record}");
        }
        (text, bare)
    }
}

fn parse(table: &str) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for line in table.lines() {
        let line = line.split(" #").next().unwrap_or_default().trim_end();
        let words: Vec<&str> = line.split_whitespace().collect();
        let (Some(first), indented) = (words.first(), line.starts_with(' ')) else { continue };
        if first.starts_with('#') {
            continue;
        }
        if !indented {
            let status = words.get(1).copied();
            assert!(matches!(status, None | Some("NX" | "NODATA")), "{line}");
            let missing = status == Some("NX");
            rows.push(Row { name: (*first).into(), missing, ..Row::default() });
            continue;
        }
        let row = rows.last_mut().expect("a name above");
        if *first == "+" {
            let above = row.records.last().expect("a record above").0;
            // As everywhere, the owner is left out where it is the asked name.
            let from = if words.get(1) == Some(&row.name.as_str()) { 2 } else { 1 };
            row.additional.push((above, words[from..].join(" ")));
        } else {
            row.records.push((rtype(first), words.join(" ")));
        }
    }
    rows
}
