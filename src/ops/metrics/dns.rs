//! Queries and responses, by CoreDNS's names. A series is there from its first count on, as CoreDNS
//! has it; its label `view` is empty, since there are no views of that kind.

use std::borrow::Cow;
use std::iter::successors;
use std::time::Duration;

use super::seconds;
use super::text::{Family, Text, Type};
use crate::answer::{self, Cause};
use crate::front::{DURATIONS, FIRST_DURATION, Histogram, Maker, RCODES, SIZES, Series, TYPES};

/// Transports in the order of their counters.
const PROTOS: [&str; 2] = ["udp", "tcp"];
/// Families in the order of their counters, as IANA numbers them.
const FAMILIES: [&str; 2] = ["1", "2"];

pub(super) fn write(text: &mut Text, answered: Vec<Series>) {
    let all = gather(answered);
    let what = "Queries by address, zone, transport, family (1 IPv4, 2 IPv6) and type.";
    let mut family = text.family("coredns_dns_requests_total", Type::Counter, what);
    all.iter().for_each(|series| requests(&mut family, series));
    let what = "Queries with the DO bit (DNSSEC OK).";
    let mut family = text.family("coredns_dns_do_requests_total", Type::Counter, what);
    for series in all.iter().filter(|series| series.counts.dnssec_ok > 0) {
        family.sample(&labels(series), series.counts.dnssec_ok);
    }
    let what = "Responses by response code and the directive that made them.";
    let mut family = text.family("coredns_dns_responses_total", Type::Counter, what);
    all.iter().for_each(|series| responses(&mut family, series));
    let what = "From when a batch of queries was there until its responses were; of a forwarded \
                query, until the upstream had replied.";
    let mut family = text.family("coredns_dns_request_duration_seconds", Type::Histogram, what);
    let bounds = duration_bounds();
    for series in all.iter().filter(|series| series.counts.durations.count() > 0) {
        let Histogram { buckets, sum } = &series.counts.durations;
        family.histogram(&labels(series), &bounds, buckets, seconds(*sum));
    }
    let what = "Responses that are unusual, by why: what is denied, refused, or waited for.";
    let mut family = text.family("fingerpost_answers_total", Type::Counter, what);
    all.iter().for_each(|series| causes(&mut family, series));
    let what = "Octets of queries.";
    let mut family = text.family("coredns_dns_request_size_bytes", Type::Histogram, what);
    all.iter().for_each(|series| sizes(&mut family, series, &series.counts.request_sizes));
    let what = "Octets of responses.";
    let mut family = text.family("coredns_dns_response_size_bytes", Type::Histogram, what);
    all.iter().for_each(|series| sizes(&mut family, series, &series.counts.response_sizes));
}

/// The upper bounds of the buckets of durations, in seconds.
pub(super) fn duration_bounds() -> Vec<f64> {
    successors(Some(FIRST_DURATION), |bound| bound.checked_mul(2))
        .take(DURATIONS)
        .map(|bound: Duration| bound.as_secs_f64())
        .collect()
}

/// Why answers are what they are: ours, and so without CoreDNS's label `view`.
fn causes(family: &mut Family<'_>, series: &Series) {
    for (cause, count) in Cause::WORDS.iter().zip(&series.counts.causes) {
        if *count > 0 {
            let [server, zone, _] = labels(series);
            family.sample(&[server, zone, ("cause", cause)], count);
        }
    }
}

/// Series of several desks that have the same labels are one.
fn gather(answered: Vec<Series>) -> Vec<Series> {
    let mut all: Vec<Series> = Vec::new();
    for series in answered {
        let same = |s: &&mut Series| (&s.server, &s.zone) == (&series.server, &series.zone);
        match all.iter_mut().find(same) {
            Some(found) => found.counts.add(&series.counts),
            None => all.push(series),
        }
    }
    all
}

fn labels(series: &Series) -> [(&str, &str); 3] {
    [("server", &series.server), ("zone", &series.zone), ("view", "")]
}

fn requests(family: &mut Family<'_>, series: &Series) {
    let [server, zone, view] = labels(series);
    for (transport, proto) in PROTOS.iter().enumerate() {
        for (v6, of_family) in FAMILIES.iter().enumerate() {
            for (place, of_type) in TYPES.iter().enumerate() {
                let count = series.counts.requests(transport, v6, place);
                if count > 0 {
                    let more = [("proto", *proto), ("family", *of_family), ("type", *of_type)];
                    let [proto, of_family, of_type] = more;
                    family.sample(&[server, zone, view, proto, of_family, of_type], count);
                }
            }
        }
    }
}

fn responses(family: &mut Family<'_>, series: &Series) {
    let [server, zone, view] = labels(series);
    for maker in Maker::ALL {
        for rcode in 0..RCODES {
            let count = series.counts.responses(maker, rcode);
            if count > 0 {
                let (rcode, plugin) = (rcode_name(rcode), ("plugin", maker.directive()));
                family.sample(&[server, zone, view, ("rcode", &rcode), plugin], count);
            }
        }
    }
}

fn sizes(family: &mut Family<'_>, series: &Series, sizes: &[Histogram; 2]) {
    let [server, zone, view] = labels(series);
    let bounds = SIZES.map(f64::from);
    for (proto, histogram) in PROTOS.iter().zip(sizes) {
        if histogram.count() > 0 {
            // A sum of octets is exact up to 2^53.
            #[allow(clippy::cast_precision_loss)]
            let sum = histogram.sum as f64;
            let labels = [server, zone, view, ("proto", *proto)];
            family.histogram(&labels, &bounds, &histogram.buckets, sum);
        }
    }
}

/// A response code by its name, or its number where it has none.
pub(super) fn rcode_name(rcode: usize) -> Cow<'static, str> {
    let name = u8::try_from(rcode).ok().and_then(answer::rcode_name);
    name.map_or_else(|| format!("RCODE{rcode}").into(), Cow::from)
}
