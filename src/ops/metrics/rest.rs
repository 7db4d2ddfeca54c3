//! How API servers have answered, by the names that Kubernetes's client has within CoreDNS. Every
//! request is a GET; a watch counts once, when it is opened. Blocks that watch one server are summed.

use std::collections::BTreeMap;

use super::text::{Text, Type};
use crate::cluster::watch::{REQUEST_TIMES, Requests};
use crate::ops::cluster::Observed;

/// What the label `code` says where no answer came.
const NO_ANSWER: &str = "<error>";

pub(super) fn write(text: &mut Text, all: &[Observed]) {
    let mut hosts: BTreeMap<&str, Requests> = BTreeMap::new();
    for Observed { host, status, .. } in all {
        let (Some(host), Some(status)) = (host, status) else { continue };
        add(hosts.entry(host).or_default(), &status.requests());
    }
    let what = "Requests to the API server, by HTTP status.";
    let mut family =
        text.family("coredns_kubernetes_rest_client_requests_total", Type::Counter, what);
    for (host, requests) in &hosts {
        for (code, count) in &requests.codes {
            let code = code.map_or_else(|| NO_ANSWER.to_owned(), |code| code.to_string());
            family.sample(&[("code", &code), ("method", "GET"), ("host", host)], count);
        }
    }
    let what = "How long the API server took to begin its answer.";
    let name = "coredns_kubernetes_rest_client_request_duration_seconds";
    let mut family = text.family(name, Type::Histogram, what);
    let bounds = REQUEST_TIMES.map(|bound| bound.as_secs_f64());
    for (host, requests) in &hosts {
        let labels = [("verb", "GET"), ("host", host)];
        family.histogram(&labels, &bounds, &requests.times, requests.time.as_secs_f64());
    }
}

fn add(all: &mut Requests, more: &Requests) {
    for (code, count) in &more.codes {
        *all.codes.entry(*code).or_default() += count;
    }
    all.times.iter_mut().zip(more.times).for_each(|(all, more)| *all += more);
    all.time = all.time.saturating_add(more.time);
}
