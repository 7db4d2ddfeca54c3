//! A scrape, read by a parser of others, and looked at line by line for what that lets pass.

use std::collections::{BTreeMap, HashSet};
use std::net::SocketAddr;

use prometheus_parse::{Scrape, Value};

use crate::http::get;

/// A page of metrics.
pub(crate) struct Page {
    scrape: Scrape,
    text: String,
}

impl Page {
    /// Scrapes, and checks what must hold of every page.
    pub(crate) fn of(address: SocketAddr) -> Self {
        let reply = get(address, "/metrics");
        assert_eq!(reply.status, 200);
        let content_type = "content-type: text/plain; version=0.0.4; charset=utf-8";
        assert!(reply.head.contains(content_type), "{}", reply.head);
        let lines = reply.body.lines().map(|line| Ok(line.to_owned()));
        let page = Self { scrape: Scrape::parse(lines).expect("parsed"), text: reply.body };
        page.check_lines();
        page.check_histograms();
        page
    }

    /// The sum of the series that have all these labels; nothing where there is none.
    pub(crate) fn value(&self, name: &str, labels: &[(&str, &str)]) -> Option<f64> {
        let found: Vec<f64> = self
            .scrape
            .samples
            .iter()
            .filter(|sample| sample.metric == name)
            .filter(|sample| {
                labels.iter().all(|(label, value)| sample.labels.get(label) == Some(value))
            })
            .map(|sample| match sample.value {
                Value::Counter(value) | Value::Gauge(value) | Value::Untyped(value) => value,
                ref other => panic!("{name}: {other:?}"),
            })
            .collect();
        (!found.is_empty()).then(|| found.iter().sum())
    }

    /// The names of all families and of their series.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.text
            .lines()
            .any(|line| line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' '])))
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Each family stands together, behind its HELP and TYPE, and no series stands twice.
    fn check_lines(&self) {
        let (mut families, mut series) = (HashSet::new(), HashSet::new());
        let mut family = ("", "");
        let mut lines = self.text.lines().peekable();
        assert!(self.text.ends_with('\n'));
        while let Some(line) = lines.next() {
            if let Some(rest) = line.strip_prefix("# HELP ") {
                let (name, help) = rest.split_once(' ').expect("a help");
                assert!(!help.is_empty() && families.insert(name), "{line}");
                let rest = lines.next().and_then(|line| line.strip_prefix("# TYPE "));
                family = rest.and_then(|rest| rest.split_once(' ')).expect("a type");
                assert_eq!(family.0, name);
                assert!(["counter", "gauge", "histogram"].contains(&family.1), "{line}");
                assert!(lines.peek().is_some_and(|line| line.starts_with(name)), "{name}: empty");
                continue;
            }
            let (of, value) = line.rsplit_once(' ').expect("a value");
            assert!(series.insert(of), "twice: {of}");
            let value: f64 = value.parse().expect("a number");
            assert!(value >= 0.0, "{line}");
            let name = of.split('{').next().expect("a name");
            let suffix = name.strip_prefix(family.0).expect("within its family");
            let suffixes: &[&str] =
                if family.1 == "histogram" { &["_bucket", "_sum", "_count"] } else { &[""] };
            assert!(suffixes.contains(&suffix), "{line}");
            assert_eq!(family.1 == "counter", family.0.ends_with("_total"), "{line}");
        }
    }

    /// Buckets are cumulative, the last is +Inf and equal to the count.
    fn check_histograms(&self) {
        let mut seen = 0;
        for sample in &self.scrape.samples {
            let Value::Histogram(buckets) = &sample.value else { continue };
            seen += 1;
            let bounds: Vec<f64> = buckets.iter().map(|bucket| bucket.less_than).collect();
            assert!(bounds.is_sorted_by(|a, b| a < b), "{sample:?}");
            assert_eq!(bounds.last(), Some(&f64::INFINITY), "{sample:?}");
            assert!(buckets.is_sorted_by_key(|bucket| bucket.count), "{sample:?}");
            let labels: BTreeMap<&str, &str> =
                sample.labels.iter().map(|(label, value)| (&**label, &**value)).collect();
            let labels: Vec<(&str, &str)> = labels.into_iter().collect();
            let count = self.value(&format!("{}_count", sample.metric), &labels);
            assert_eq!(buckets.last().map(|bucket| bucket.count), count, "{sample:?}");
            let sum = self.value(&format!("{}_sum", sample.metric), &labels).expect("a sum");
            assert!(sum >= 0.0);
        }
        let told = self.text.matches("le=\"+Inf\"").count();
        assert_eq!(seen, told, "the parser has seen every histogram");
    }
}
