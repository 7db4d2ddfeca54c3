//! Upstreams, by CoreDNS's names.

use std::sync::Arc;

use super::text::Text;
use crate::answer::{Cause, Failure};
use crate::front::{Front, Series};

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
}
