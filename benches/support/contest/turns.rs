//! Servers that are asked the same in turns, round after round, so that what else the machine does
//! falls on all of them alike; and the table that comes of it.

use super::asking::{Pool, ask};
use super::process::{Result, Running};
use crate::support::median;

/// One part in so many of a turn is asked before anything is measured.
const WARM_UP: usize = 4;

/// Somebody who answers.
pub struct Contender {
    pub name: &'static str,
    pub running: Running,
    /// Its response codes have to be right: it is more than an echo.
    pub answers: bool,
}

/// What one contender was measured at, a figure a round.
#[derive(Default)]
pub struct Figures {
    /// Microseconds of CPU time an answered query.
    pub cpu: Vec<f64>,
    /// Answers a second.
    pub rate: Vec<f64>,
    /// Share of a core.
    pub busy: Vec<f64>,
    /// Octets of a response, on the average.
    pub octets: f64,
    pub lost: usize,
}

/// So many rounds, in each of which every contender is asked `queries` queries.
pub fn measure(
    contenders: &[Contender],
    pool: &mut Pool,
    rounds: usize,
    queries: usize,
) -> Result<Vec<Figures>> {
    let mut all: Vec<Figures> = contenders.iter().map(|_| Figures::default()).collect();
    for contender in contenders {
        ask(contender.running.address, pool, queries / WARM_UP, contender.answers)?;
    }
    for _ in 0..rounds {
        for (contender, figures) in contenders.iter().zip(&mut all) {
            let Contender { name, running, answers } = contender;
            let before = running.cpu()?;
            let heard = ask(running.address, pool, queries, *answers)?;
            let cpu = (running.cpu()? - before) as f64;
            if heard.wrong > 0 || heard.answers == 0 {
                let (wrong, of) = (heard.wrong, heard.answers);
                return Err(format!("{name}: {wrong} of {of} answers are wrong").into());
            }
            let (count, took) = (heard.answers as f64, heard.took.as_secs_f64());
            figures.cpu.push(cpu / 1e3 / count);
            figures.rate.push(count / took);
            figures.busy.push(cpu / 1e9 / took);
            figures.octets = heard.octets as f64 / count;
            figures.lost += heard.lost;
        }
    }
    Ok(all)
}

/// Prints a line for each contender: medians; how many times the first one's CPU time it takes, round
/// by round; and the same of the least that each took in any round, which is what is left where others
/// use the cores too.
pub fn tell(contenders: &[Contender], figures: &[Figures]) {
    println!(
        "{:<20} {:>9} {:>7} {:>15} {:>8} {:>7} {:>10} {:>6} {:>7} {:>6}",
        "",
        "µs/query",
        "ratio",
        "(from to)",
        "least",
        "ratio",
        "queries/s",
        "busy",
        "octets",
        "lost"
    );
    let Some(floor) = figures.first() else { return };
    for (contender, own) in contenders.iter().zip(figures) {
        let mut ratios = ratios(own, floor);
        let ratio = median(&mut ratios);
        let (from, to) = (least(&ratios), ratios.last().unwrap_or(&0.0));
        let (own_least, floor_least) = (least(&own.cpu), least(&floor.cpu));
        println!(
            "{:<20} {:>9.3} {ratio:>7.3} {:>15} {own_least:>8.3} {:>7.3} {:>10.0} {:>5.0}% {:>7.0} {:>6}",
            contender.name,
            median(&mut own.cpu.clone()),
            format!("({from:.3} {to:.3})"),
            own_least / floor_least,
            median(&mut own.rate.clone()),
            median(&mut own.busy.clone()) * 100.0,
            own.octets,
            own.lost,
        );
    }
}

fn least(figures: &[f64]) -> f64 {
    figures.iter().copied().fold(f64::INFINITY, f64::min)
}

/// How many times another one's CPU time, round by round.
fn ratios(own: &Figures, other: &Figures) -> Vec<f64> {
    own.cpu.iter().zip(&other.cpu).map(|(own, other)| own / other).collect()
}

/// What else the machine does.
pub fn load_average() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_default().trim().to_owned()
}
