//! An explanation as text that lines up.

use std::fmt::Write as _;
use std::io::{self, Write};

use super::facts::{
    EndpointFacts, Explanation, PortFacts, RecordFacts, ServiceFacts, SourceFacts, Status,
    ViewFacts,
};
use super::search::{End, Verdict, Walk};
use crate::answer::Cause;

/// Writes an explanation; of its records those of one type, where one is given. Nothing of it
/// commands a terminal, whatever objects or a server say.
pub fn write_text(
    out: &mut impl Write,
    explanation: &Explanation,
    only: Option<&str>,
) -> io::Result<()> {
    let mut text = Vec::new();
    write_whole(&mut text, explanation, only)?;
    let text = String::from_utf8_lossy(&text);
    let tame = text.replace(|c: char| c.is_control() && c != '\n', "\u{fffd}");
    out.write_all(tame.as_bytes())
}

fn write_whole(
    out: &mut impl Write,
    explanation: &Explanation,
    only: Option<&str>,
) -> io::Result<()> {
    let Explanation { name, status, by, asks, why, .. } = explanation;
    let by = by.as_ref().map_or_else(|| "by nobody".to_owned(), |by| format!("by {by}"));
    writeln!(out, "{name}  {}  {by}", status.word())?;
    if let Some(asks) = asks {
        writeln!(out, "  asked of the upstreams: {asks}")?;
    }
    if let Some(why) = why {
        writeln!(out, "  {why}")?;
    }
    write_records(out, explanation, only)?;
    if let Some(service) = &explanation.service {
        write_service(out, service)?;
    }
    if !explanation.sources.is_empty() {
        writeln!(out, "\nObjects with endpoints")?;
        sources(&explanation.sources).write(out)?;
    }
    if !explanation.endpoints.is_empty() {
        writeln!(out, "\nEndpoints")?;
        endpoints(&explanation.endpoints).write(out)?;
        if explanation.more_endpoints > 0 {
            writeln!(out, "  and {} more", explanation.more_endpoints)?;
        }
    }
    if !explanation.findings.is_empty() {
        writeln!(out, "\nWhat looks wrong")?;
        for finding in &explanation.findings {
            writeln!(out, "  {}: {}", finding.object, finding.text)?;
        }
    }
    if !explanation.near.is_empty() {
        writeln!(out, "\nDid you mean")?;
        for near in &explanation.near {
            writeln!(out, "  {near}")?;
        }
    }
    if let Some(view) = &explanation.view {
        writeln!(out, "\nView: {}", view_line(view))?;
    }
    if explanation.more_lines > 0 {
        writeln!(out, "\n{} more lines did not fit into the response", explanation.more_lines)?;
    }
    Ok(())
}

/// Writes how each libc walks a search list, the same walk once; `by` says who answers a name.
pub fn write_walks(
    out: &mut impl Write,
    walks: &[Walk],
    by: &dyn Fn(&str) -> String,
) -> io::Result<()> {
    let mut told: Vec<(String, &Walk)> = Vec::new();
    for walk in walks {
        match told.iter_mut().find(|(_, other)| other.steps == walk.steps) {
            Some((names, _)) => *names = format!("{names} and {}", walk.libc.name()),
            None => told.push((walk.libc.name().to_owned(), walk)),
        }
    }
    for (names, walk) in told {
        let verb = if names.contains(' ') { "ask" } else { "asks" };
        writeln!(out, "{names} {verb} for")?;
        let mut table = Table::default();
        for (at, step) in walk.steps.iter().enumerate() {
            let number = (at + 1).to_string();
            table.row([&number, &step.name, step.verdict.words(), &by(&step.name)]);
        }
        table.write(out)?;
        writeln!(out, "  {}\n", ending(walk))?;
    }
    Ok(())
}

/// Where a walk stops.
fn ending(walk: &Walk) -> String {
    let last = walk.steps.last().map_or("", |step| &step.name);
    let unknown = walk.steps.iter().find(|step| step.verdict == Verdict::Unknown);
    match (walk.ends, unknown) {
        (End::Found, Some(step)) => {
            format!("stops at {last}, or at {} if that has addresses", step.name)
        }
        (End::Found, None) => format!("stops at {last}, with addresses"),
        (End::Failed, _) => format!("stops at {last}, without addresses"),
        (End::Missing, _) => "finds no such name".to_owned(),
        (End::Unknown, Some(step)) => {
            format!("stops at {} if that has addresses, or finds no such name", step.name)
        }
        (End::Unknown, None) => "hangs on the upstreams".to_owned(),
    }
}

fn write_records(
    out: &mut impl Write,
    explanation: &Explanation,
    only: Option<&str>,
) -> io::Result<()> {
    let mut table = Table::default();
    let is_wanted = |record: &&RecordFacts| only.is_none_or(|only| record.is_told_for(only));
    let records = explanation.records.iter().filter(is_wanted);
    for record in records {
        let ttl = record.ttl.to_string();
        table.row([&*record.owner, &ttl, &record.rtype, &record.data]);
    }
    let has = |only: &str| explanation.records.iter().any(|record| record.rtype == only);
    match only {
        // An alias that leads outside has what its target has, which nobody was asked for.
        Some(only)
            if explanation.status == Status::Exists
                && !has(only)
                && explanation.asks.is_none()
                && explanation.cause.as_deref() != Cause::BareAlias.word() =>
        {
            writeln!(out, "  it has no {only} record (NODATA)")?;
        }
        _ => {}
    }
    if !table.rows.is_empty() {
        writeln!(out)?;
        table.write(out)?;
    }
    if explanation.more_records > 0 {
        writeln!(out, "  and {} more", explanation.more_records)?;
    }
    Ok(())
}

fn write_service(out: &mut impl Write, service: &ServiceFacts) -> io::Result<()> {
    writeln!(out, "\nService {}/{}", service.namespace, service.name)?;
    let mut table = Table::default();
    let mut pair = |key: &str, value: Option<&str>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            table.row([key, value]);
        }
    };
    pair("classed", Some(&service.classed));
    pair("cluster IPs", Some(&service.cluster_ips.join(", ")));
    pair("externalName", service.external_name.as_deref());
    pair("ports", Some(&ports(&service.ports)));
    pair("unchanged for", service.age.map(span).as_deref());
    pair("resourceVersion", service.resource_version.as_deref());
    pair("uid", service.uid.as_deref());
    table.write(out)
}

fn sources(sources: &[SourceFacts]) -> Table {
    let mut table = Table::default();
    table.row([
        "KIND",
        "NAME",
        "READY",
        "NOT READY",
        "DROPPED",
        "UNCHANGED FOR",
        "VERSION",
        "UID",
        "NOTE",
    ]);
    for source in sources {
        let name = format!("{}/{}", source.namespace, source.name);
        let [ready, not_ready, dropped] =
            [source.ready, source.not_ready, source.dropped].map(|count| count.to_string());
        let note = source.ignored.as_ref().map(|why| format!("does not count: {why}"));
        table.row([
            &*source.kind,
            &name,
            &ready,
            &not_ready,
            &dropped,
            source.age.map(span).as_deref().unwrap_or_default(),
            source.resource_version.as_deref().unwrap_or_default(),
            source.uid.as_deref().unwrap_or_default(),
            note.as_deref().unwrap_or_default(),
        ]);
    }
    table
}

fn endpoints(endpoints: &[EndpointFacts]) -> Table {
    let mut table = Table::default();
    table.row(["ADDRESS", "STATE", "LABEL", "PORTS", "OBJECT", "NOTE"]);
    for endpoint in endpoints {
        table.row([
            &*endpoint.address,
            endpoint.state.word(),
            &endpoint.label,
            &ports(&endpoint.ports),
            &endpoint.object,
            endpoint.dropped.as_deref().unwrap_or_default(),
        ]);
    }
    table
}

fn view_line(view: &ViewFacts) -> String {
    let age = view.age.map(|age| format!(", published {} ago", span(age))).unwrap_or_default();
    let note = view.note.as_ref().map(|note| format!(": {note}")).unwrap_or_default();
    format!("serial {}{age}, {}{note}", view.serial, view.state.word())
}

/// Ports as people write them: `https 443/TCP`, `443/TCP` for one without a name.
fn ports(ports: &[PortFacts]) -> String {
    let one = |port: &PortFacts| {
        let number = port.port.map_or_else(|| "all".to_owned(), |port| port.to_string());
        let space = if port.name.is_empty() { "" } else { " " };
        format!("{}{space}{number}/{}", port.name, port.protocol)
    };
    ports.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A span of seconds in the unit that fits.
fn span(seconds: u64) -> String {
    match seconds {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Rows whose columns line up; a column with nothing in it but its head is left out.
#[derive(Default)]
pub(super) struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    pub(super) fn row<const N: usize>(&mut self, cells: [&str; N]) {
        self.rows.push(cells.map(str::to_owned).to_vec());
    }

    pub(super) fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let columns = self.rows.iter().map(Vec::len).max().unwrap_or(0);
        // Where the first row is a head, it is in capitals.
        let has_head = self.rows.first().is_some_and(|row| {
            row.iter().all(|cell| !cell.is_empty() && !cell.contains(char::is_lowercase))
        }) && self.rows.len() > 1;
        let width = |column: usize| {
            let cells = || self.rows.iter().filter_map(move |row| row.get(column));
            let filled = cells().skip(usize::from(has_head)).any(|cell| !cell.is_empty());
            if filled { cells().map(|cell| cell.chars().count()).max() } else { None }
        };
        let widths: Vec<Option<usize>> = (0..columns).map(width).collect();
        for row in &self.rows {
            let mut line = String::new();
            for (cell, width) in row.iter().zip(&widths) {
                if let Some(width) = width {
                    // Writing to a String cannot fail.
                    let _ = write!(line, "  {cell:width$}");
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_empty_ones_are_left_out() {
        let mut table = Table::default();
        table.row(["A", "LONG HEAD", "EMPTY", "C"]);
        table.row(["one", "x", "", "1"]);
        table.row(["é", "", "", "22"]);
        let mut out = Vec::new();
        table.write(&mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "  A    LONG HEAD  C\n  one  x          1\n  é               22\n");
    }

    #[test]
    fn nothing_commands_a_terminal() {
        let explanation =
            Explanation { why: Some("a\u{1b}[31m\u{9b}\nb\t".into()), ..Explanation::default() };
        let mut out = Vec::new();
        write_text(&mut out, &explanation, None).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("  a\u{fffd}[31m\u{fffd}\nb\u{fffd}\n"), "{text}");
    }

    #[test]
    fn spans_are_told_in_the_unit_that_fits() {
        for (seconds, text) in
            [(0, "0 s"), (119, "119 s"), (120, "2 min"), (7_200, "2 h"), (172_800, "2 d")]
        {
            assert_eq!(span(seconds), text);
        }
    }
}
