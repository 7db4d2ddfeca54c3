//! `diff`: which records two servers, snapshots, folders of manifests or dumps do not share.

use std::cmp::Ordering;
use std::io::{BufWriter, Write};

use anyhow::bail;

use super::records::Origin;
use super::running::wanted;
use crate::answer::Line;
use crate::config::Comparison;

/// A record with what it is sorted by: its name as people read it, its type, its data.
#[derive(Eq, Ord, PartialEq, PartialOrd)]
struct Entry {
    owner: String,
    line: Line,
}

/// Writes `- record` for what the first side alone has and `+ record` for what the second alone has, in
/// order, and a summary. Whether they differ; serials count only where that is asked for.
pub fn diff(comparison: &Comparison, out: impl Write) -> anyhow::Result<bool> {
    let config = wanted(&comparison.config);
    let Some(kubernetes) = config.values().next() else { bail!("there is no zone to compare") };
    let mut spec = kubernetes.spec.clone();
    let [a, b] = &comparison.sides;
    let [first, second] = [Origin::of(a)?, Origin::of(b)?];
    if first.is_server() || second.is_server() {
        // No server transfers them.
        spec.zones.retain(|zone| !zone.is_reverse());
    }
    let within = |line: &Line| spec.zones.iter().any(|zone| line.owner.is_within(&zone.name));
    let side = |origin: &Origin| -> anyhow::Result<_> {
        let mut lines = origin.records(&spec)?;
        // A text may hold more than is compared.
        lines.retain(within);
        Ok(sorted(lines))
    };
    let (mut first, mut second) = (side(&first)?, side(&second)?);
    let mut out = BufWriter::new(out);
    let mut moved = "";
    if !comparison.serial && tell_serials(&mut first, &mut second, &mut out)? {
        moved = ", but for serials";
    }
    let [alone, other, both] = merge(first, second, &mut out)?;
    writeln!(out, "; {alone} only in {a}, {other} only in {b}, {both} in both{moved}")?;
    out.flush()?;
    Ok(alone + other > 0)
}

fn sorted(lines: Vec<Line>) -> Vec<Entry> {
    let entry = |line: Line| Entry { owner: line.owner.to_string(), line };
    let mut entries: Vec<Entry> = lines.into_iter().map(entry).collect();
    entries.sort_unstable();
    // A transfer ends with the record that it began with.
    entries.dedup();
    entries
}

/// Says which zones have another serial on either side, and takes the serials out, which leaves the
/// order as it is. Whether there are such zones.
fn tell_serials(
    first: &mut [Entry],
    second: &mut [Entry],
    out: &mut impl Write,
) -> anyhow::Result<bool> {
    let mut differ = false;
    for one in first.iter().filter(|entry| entry.line.is_soa()) {
        let same = |other: &&Entry| other.line.is_soa() && other.owner == one.owner;
        let other = second.iter().find(same).and_then(|other| other.line.serial());
        if let (Some(serial), Some(other)) = (one.line.serial(), other)
            && serial != other
        {
            differ = true;
            writeln!(out, "; {} has serial {serial} and {other}", one.owner)?;
        }
    }
    first.iter_mut().chain(second).for_each(|entry| entry.line.forget_serial());
    Ok(differ)
}

/// Writes what only one side has; how many records only the first, only the second and both have.
fn merge(
    first: Vec<Entry>,
    second: Vec<Entry>,
    out: &mut impl Write,
) -> anyhow::Result<[usize; 3]> {
    let (mut first, mut second) = (first.into_iter().peekable(), second.into_iter().peekable());
    let mut counts = [0; 3];
    loop {
        let order = match (first.peek(), second.peek()) {
            (None, None) => return Ok(counts),
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(one), Some(other)) => one.cmp(other),
        };
        let [alone, other, both] = &mut counts;
        match order {
            Ordering::Less => {
                *alone += 1;
                first.next().into_iter().try_for_each(|entry| writeln!(out, "- {}", entry.line))?;
            }
            Ordering::Greater => {
                *other += 1;
                second
                    .next()
                    .into_iter()
                    .try_for_each(|entry| writeln!(out, "+ {}", entry.line))?;
            }
            Ordering::Equal => {
                *both += 1;
                first.next();
                second.next();
            }
        }
    }
}
