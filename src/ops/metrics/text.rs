//! Prometheus's text format, version 0.0.4.

use std::fmt::{Display, Write};

/// A page of metrics as it is written.
#[derive(Default)]
pub(super) struct Text(String);

/// What Prometheus makes of a family.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Type {
    /// It only grows.
    Counter,
    /// It comes and goes.
    Gauge,
    /// Counts by size.
    Histogram,
}

/// Names and values of one series.
pub(super) type Labels<'a> = [(&'a str, &'a str)];

impl Text {
    /// Begins a family, whose lines must stand together. One without samples leaves no trace.
    pub(super) fn family<'t>(&'t mut self, name: &'t str, of: Type, help: &'t str) -> Family<'t> {
        Family { text: &mut self.0, name, of, help, begun: false }
    }

    /// A counter with one series.
    pub(super) fn counter(&mut self, name: &str, help: &str, value: u64) {
        self.family(name, Type::Counter, help).sample(&[], value);
    }

    /// A gauge with one series.
    pub(super) fn gauge(&mut self, name: &str, help: &str, value: impl Display) {
        self.family(name, Type::Gauge, help).sample(&[], value);
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

/// A family of metrics: all series of one name.
pub(super) struct Family<'t> {
    text: &'t mut String,
    name: &'t str,
    of: Type,
    help: &'t str,
    begun: bool,
}

impl Family<'_> {
    /// One series of a counter or gauge.
    pub(super) fn sample(&mut self, labels: &Labels<'_>, value: impl Display) {
        self.line("", labels, None, &value);
    }

    /// One series of a histogram: `counts` not added up, with one more than there are bounds.
    pub(super) fn histogram(
        &mut self,
        labels: &Labels<'_>,
        bounds: &[f64],
        counts: &[u64],
        sum: f64,
    ) {
        let mut total = 0;
        for (bound, count) in bounds.iter().zip(counts) {
            total += count;
            self.line("_bucket", labels, Some(&bound.to_string()), &total);
        }
        total += counts.iter().skip(bounds.len()).sum::<u64>();
        self.line("_bucket", labels, Some("+Inf"), &total);
        self.line("_sum", labels, None, &sum);
        self.line("_count", labels, None, &total);
    }

    fn line(&mut self, suffix: &str, labels: &Labels<'_>, le: Option<&str>, value: &dyn Display) {
        // Writing to a string cannot fail.
        let _ = self.write(suffix, labels, le, value);
    }

    fn write(
        &mut self,
        suffix: &str,
        labels: &Labels<'_>,
        le: Option<&str>,
        value: &dyn Display,
    ) -> std::fmt::Result {
        let name = self.name;
        if !self.begun {
            self.begun = true;
            let of = match self.of {
                Type::Counter => "counter",
                Type::Gauge => "gauge",
                Type::Histogram => "histogram",
            };
            writeln!(self.text, "# HELP {name} {}\n# TYPE {name} {of}", self.help)?;
        }
        write!(self.text, "{name}{suffix}")?;
        let le = le.map(|bound| ("le", bound));
        let mut separator = '{';
        for (label, value) in labels.iter().copied().chain(le) {
            write!(self.text, "{separator}{label}=\"")?;
            escape(self.text, value);
            self.text.push('"');
            separator = ',';
        }
        if separator == ',' {
            self.text.push('}');
        }
        writeln!(self.text, " {value}")
    }
}

fn escape(text: &mut String, value: &str) {
    for character in value.chars() {
        match character {
            '\\' => text.push_str("\\\\"),
            '"' => text.push_str("\\\""),
            '\n' => text.push_str("\\n"),
            other => text.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_are_written_as_prometheus_reads_them() {
        let mut text = Text::default();
        text.family("empty_total", Type::Counter, "Nothing.");
        text.counter("some_total", "Some.", 7);
        let mut family = text.family("odd", Type::Gauge, "Odd.");
        family.sample(&[("zone", "a\\b\"c\nd"), ("view", "")], 1.5);
        family.sample(&[], 0);
        let mut family = text.family("sizes", Type::Histogram, "Sizes.");
        family.histogram(&[("proto", "udp")], &[0.000_25, 64_000.0], &[1, 2, 3], 4.0);
        let expected = "# HELP some_total Some.\n# TYPE some_total counter\nsome_total 7\n\
                        # HELP odd Odd.\n# TYPE odd gauge\nodd{zone=\"a\\\\b\\\"c\\nd\",view=\"\"} 1.5\nodd 0\n\
                        # HELP sizes Sizes.\n# TYPE sizes histogram\n\
                        sizes_bucket{proto=\"udp\",le=\"0.00025\"} 1\n\
                        sizes_bucket{proto=\"udp\",le=\"64000\"} 3\n\
                        sizes_bucket{proto=\"udp\",le=\"+Inf\"} 6\n\
                        sizes_sum{proto=\"udp\"} 4\nsizes_count{proto=\"udp\"} 6\n";
        assert_eq!(text.into_string(), expected);
    }
}
