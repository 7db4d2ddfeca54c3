//! Upstreams, by CoreDNS's names.

use std::sync::Arc;

use super::dns::{duration_bounds, rcode_name};
use super::seconds;
use super::text::{Text, Type};
use crate::answer::{Cause, Failure};
use crate::front::{Front, Series};
use crate::serve::{Exchanges, Forwarded};

pub(super) fn write(text: &mut Text, answered: &[Series], fronts: &[Arc<Front>]) {
    let refused = [Failure::TooMany, Failure::TooManyOfClient];
    let places = refused.map(|failure| Cause::Upstream(failure).place());
    let of = |series: &Series| -> u64 {
        places.iter().flatten().filter_map(|place| series.counts.causes.get(*place)).sum()
    };
    let what = "Queries refused, since too many of all or of one client waited for upstreams.";
    let rejects = answered.iter().map(of).sum();
    text.counter("coredns_forward_max_concurrent_rejects_total", what, rejects);
    let what = "Look-ups of upstreams under way, each with a socket at most.";
    let look_ups: usize = fronts.iter().map(|front| front.look_ups()).sum();
    text.gauge("fingerpost_forward_look_ups", what, look_ups);

    let mut all = Forwarded::default();
    fronts.iter().for_each(|front| all.add(front.forwarded()));
    let what = "Queries that found all upstreams of a forward down.";
    text.counter("coredns_forward_healthcheck_broken_total", what, all.broken);
    let named: Vec<(String, Exchanges)> =
        all.upstreams.into_iter().map(|one| (one.to.to_string(), one)).collect();
    let what = "How long upstreams took to reply, by response code.";
    let mut family = text.family("coredns_proxy_request_duration_seconds", Type::Histogram, what);
    let bounds = duration_bounds();
    for (to, exchanges) in &named {
        let replies = exchanges.replies.iter().enumerate();
        for (rcode, replies) in replies.filter(|(_, replies)| replies.count() > 0) {
            let rcode = rcode_name(rcode);
            let labels = [("proxy_name", "forward"), ("to", to), ("rcode", &rcode)];
            family.histogram(&labels, &bounds, &replies.buckets, seconds(replies.sum));
        }
    }
    let what = "Health checks that upstreams have failed.";
    let mut family = text.family("coredns_proxy_healthcheck_failures_total", Type::Counter, what);
    for (to, exchanges) in named.iter().filter(|(_, exchanges)| exchanges.check_failures > 0) {
        family.sample(&[("proxy_name", "forward"), ("to", to)], exchanges.check_failures);
    }
    let what = "Queries over a connection that had been kept.";
    connections(text, ("coredns_proxy_conn_cache_hits_total", what), &named, |one| one.kept);
    let what = "Queries that needed a new connection; over UDP each has a socket of its own.";
    connections(text, ("coredns_proxy_conn_cache_misses_total", what), &named, |one| one.new);
}

fn connections(
    text: &mut Text,
    (name, what): (&str, &str),
    named: &[(String, Exchanges)],
    counts: fn(&Exchanges) -> [u64; 2],
) {
    let mut family = text.family(name, Type::Counter, what);
    for (to, exchanges) in named {
        for (proto, count) in ["tcp", "tcp-tls"].into_iter().zip(counts(exchanges)) {
            if count > 0 {
                let labels = [("proxy_name", "forward"), ("to", to), ("proto", proto)];
                family.sample(&labels, count);
            }
        }
    }
}
