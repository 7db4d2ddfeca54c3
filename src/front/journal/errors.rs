//! The `errors` directive of a block: what is said of a query that could not be served, and which of
//! that is counted instead.

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};

use regex::Regex;

use super::{Journal, Line};
use crate::answer::Query;
use crate::config::{self, LogLevel};
use crate::name::Name;

/// Faults of a block's queries are handed over here.
#[derive(Clone, Debug)]
pub(in crate::front) struct Errors {
    patterns: Arc<[Pattern]>,
    journal: Journal,
}

/// Faults that are counted.
#[derive(Debug)]
struct Pattern {
    regex: Regex,
    period: Duration,
    level: LogLevel,
    /// Lines of the level `debug` want the directive `debug`.
    shown: bool,
    show_first: bool,
}

/// What went wrong with a query.
pub(super) struct Fault {
    patterns: Arc<[Pattern]>,
    rcode: u8,
    name: Name,
    qtype: u16,
    text: String,
}

/// A line of this level is to be written.
pub(super) struct Told {
    pub(super) level: LogLevel,
    pub(super) text: String,
}

/// What is being counted, on the thread that writes.
#[derive(Default)]
pub(super) struct Counting(Vec<Run>);

/// From the first fault of a kind until its number is told.
struct Run {
    patterns: Arc<[Pattern]>,
    place: usize,
    count: u64,
    due: Instant,
}

impl Errors {
    /// `debug`: lines of that level are shown.
    pub(in crate::front) fn new(
        directive: &config::Errors,
        debug: bool,
        journal: &Journal,
    ) -> Self {
        let patterns = directive.consolidate.iter().filter_map(|of| {
            // What came from a Corefile compiles.
            Some(Pattern {
                regex: of.pattern.compile().ok()?,
                period: of.period,
                level: of.level,
                shown: debug || of.level != LogLevel::Debug,
                show_first: of.show_first,
            })
        });
        Self { patterns: patterns.collect(), journal: journal.clone() }
    }

    /// Hands over what went wrong with a query that is answered with this code.
    pub(in crate::front) fn tell(&self, query: &Query, rcode: u8, error: &dyn fmt::Display) {
        let name = Name::from_wire(query.asked().name()).unwrap_or_else(|_| Name::root());
        self.journal.put(Line::Error(Box::new(Fault {
            patterns: Arc::clone(&self.patterns),
            rcode,
            name,
            qtype: query.qtype(),
            text: error.to_string(),
        })));
    }
}

impl Counting {
    /// Counts the fault where it is to be counted; what is to be written at once comes back.
    pub(super) fn take(&mut self, fault: &Fault, now: Instant) -> Option<Told> {
        let line = |level| Told { level, text: fault.line() };
        let fits = |pattern: &Pattern| pattern.regex.is_match(&fault.text);
        let Some(place) = fault.patterns.iter().position(fits) else {
            return Some(line(LogLevel::Error));
        };
        let same =
            |run: &&mut Run| run.place == place && Arc::ptr_eq(&run.patterns, &fault.patterns);
        if let Some(run) = self.0.iter_mut().find(same) {
            run.count += 1;
            return None;
        }
        let pattern = fault.patterns.get(place)?;
        let patterns = Arc::clone(&fault.patterns);
        self.0.push(Run { patterns, place, count: 1, due: now + pattern.period });
        (pattern.show_first && pattern.shown).then(|| line(pattern.level))
    }

    /// When the next number is to be told.
    pub(super) fn due(&self) -> Option<Instant> {
        self.0.iter().map(|run| run.due).min()
    }

    /// The numbers that are to be told by then; all of them where that is absent.
    pub(super) fn told(&mut self, by: Option<Instant>) -> Vec<Told> {
        let is_due = |run: &mut Run| by.is_none_or(|by| run.due <= by);
        self.0.extract_if(.., is_due).filter_map(|run| run.told()).collect()
    }
}

impl Run {
    fn told(&self) -> Option<Told> {
        let Pattern { regex, period, level, shown, show_first } = self.patterns.get(self.place)?;
        // What was shown has been told.
        if !shown || (*show_first && self.count == 1) {
            return None;
        }
        let (count, period) = (self.count, GoDuration(*period));
        let text = format!("{count} errors like '{regex}' occurred in last {period}");
        Some(Told { level: *level, text })
    }
}

impl Fault {
    /// As CoreDNS has it, such as `2 example.com. A: no reply`.
    fn line(&self) -> String {
        let Self { rcode, name, text, .. } = self;
        format!("{rcode} {name} {}: {text}", super::format::Type(self.qtype))
    }
}

/// A span of time as Go writes it: `5m0s`, `1.5s`, `20ms`.
struct GoDuration(Duration);

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let whole = self.0.as_secs();
        if whole == 0 {
            let nanoseconds = f64::from(self.0.subsec_nanos());
            return match self.0.subsec_nanos() {
                0 => f.write_str("0s"),
                1..1_000 => write!(f, "{nanoseconds}ns"),
                1_000..1_000_000 => write!(f, "{}µs", nanoseconds / 1e3),
                _ => write!(f, "{}ms", nanoseconds / 1e6),
            };
        }
        let (hours, minutes) = (whole / 3_600, whole / 60 % 60);
        if hours > 0 {
            write!(f, "{hours}h")?;
        }
        if whole >= 60 {
            write!(f, "{minutes}m")?;
        }
        let rest = Duration::new(whole % 60, self.0.subsec_nanos());
        write!(f, "{}s", rest.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Consolidate;

    fn patterns(of: &[(&str, LogLevel, bool)]) -> Arc<[Pattern]> {
        let one = |&(regex, level, show_first): &(&str, LogLevel, bool)| Pattern {
            regex: Regex::new(regex).unwrap(),
            period: Duration::from_secs(90),
            level,
            shown: level != LogLevel::Debug,
            show_first,
        };
        of.iter().map(one).collect()
    }

    fn fault(patterns: &Arc<[Pattern]>, text: &str) -> Fault {
        let name = Name::parse("example.com").unwrap();
        Fault { patterns: Arc::clone(patterns), rcode: 2, name, qtype: 28, text: text.into() }
    }

    #[test]
    fn what_fits_is_counted_and_its_number_told_when_it_is_due() {
        let patterns = patterns(&[
            ("timeout$", LogLevel::Warn, false),
            ("^refused", LogLevel::Info, true),
            ("quiet", LogLevel::Debug, true),
        ]);
        let now = Instant::now();
        let mut counting = Counting::default();
        let mut told = |text: &str| {
            counting.take(&fault(&patterns, text), now).map(|told| (told.level, told.text))
        };
        let line = |text: &str| format!("2 example.com. AAAA: {text}");
        assert_eq!(told("odd"), Some((LogLevel::Error, line("odd"))));
        assert_eq!(told("i/o timeout"), None);
        assert_eq!(told("refused: i/o timeout"), None, "the first that fits");
        assert_eq!(told("refused"), Some((LogLevel::Info, line("refused"))));
        assert_eq!(told("quiet"), None);
        assert_eq!(counting.due(), Some(now + Duration::from_secs(90)));
        assert!(counting.told(Some(now + Duration::from_secs(89))).is_empty());
        let due = counting.told(Some(now + Duration::from_secs(90)));
        let due: Vec<(LogLevel, &str)> = due.iter().map(|told| (told.level, &*told.text)).collect();
        let number = "2 errors like 'timeout$' occurred in last 1m30s";
        assert_eq!(due, [(LogLevel::Warn, number)], "one that was shown is not told again");
        assert_eq!(counting.due(), None);
        let again = counting.take(&fault(&patterns, "refused"), now).map(|told| told.text);
        assert_eq!(again, Some(line("refused")), "the next is the first again");
        assert!(counting.take(&fault(&patterns, "refused"), now).is_none());
        let last: Vec<String> = counting.told(None).into_iter().map(|told| told.text).collect();
        assert_eq!(last, ["2 errors like '^refused' occurred in last 1m30s"]);
    }

    #[test]
    fn a_level_that_is_not_shown_wants_debug() {
        let consolidate = |pattern: &str| Consolidate {
            period: Duration::from_secs(1),
            pattern: config::Pattern::new(pattern).unwrap(),
            level: LogLevel::Debug,
            show_first: false,
        };
        let directive = config::Errors { consolidate: vec![consolidate("x")], stacktrace: false };
        let (journal, _scribe) = Journal::start(config::LogFormat::Text, std::io::sink()).unwrap();
        for debug in [false, true] {
            let errors = Errors::new(&directive, debug, &journal);
            let mut counting = Counting::default();
            assert!(counting.take(&fault(&errors.patterns, "x"), Instant::now()).is_none());
            assert_eq!(counting.told(None).len(), usize::from(debug));
        }
    }

    #[test]
    fn spans_of_time_are_written_as_go_does() {
        for (millis, text) in [
            (0, "0s"),
            (20, "20ms"),
            (1_000, "1s"),
            (1_500, "1.5s"),
            (60_000, "1m0s"),
            (300_000, "5m0s"),
            (3_600_000, "1h0m0s"),
            (5_405_000, "1h30m5s"),
        ] {
            assert_eq!(GoDuration(Duration::from_millis(millis)).to_string(), text);
        }
        assert_eq!(GoDuration(Duration::from_micros(1)).to_string(), "1µs");
    }
}
