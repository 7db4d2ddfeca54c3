//! What the sockets do: what is lost, and why; connections; deferred queries.

use std::sync::Arc;

use super::text::{Text, Type};
use crate::serve::{Connections, SendFault, Server, Tally};

pub(super) fn write(text: &mut Text, servers: &[Arc<Server>]) {
    let mut total = Tally::default();
    let mut deferred_now = 0;
    let mut connections = Connections::default();
    for traffic in servers.iter().map(|server| server.traffic()) {
        total.add(&traffic.total());
        deferred_now += traffic.deferred_now;
        add(&mut connections, traffic.connections);
    }
    text.counter("coredns_panics_total", "Panics caught while answering.", total.panics);
    let what = "Datagrams that the kernel dropped before they could be read.";
    text.counter("fingerpost_udp_kernel_drops_total", what, total.kernel_drops);
    let what = "Messages received over UDP and TCP.";
    text.counter("fingerpost_messages_received_total", what, total.queries);
    let what = "Messages that nothing may be sent back to, such as responses.";
    text.counter("fingerpost_messages_ignored_total", what, total.silences);
    let what = "Responses that the kernel took.";
    text.counter("fingerpost_messages_sent_total", what, total.replies);
    let what = "Calls to receive that failed.";
    text.counter("fingerpost_receive_faults_total", what, total.receive_faults);
    let what = "Responses that could not be sent, by reason.";
    let mut family = text.family("fingerpost_send_faults_total", Type::Counter, what);
    for fault in SendFault::ALL {
        let count = total.send_faults.get(fault.index()).copied().unwrap_or(0);
        family.sample(&[("reason", fault.reason())], count);
    }
    let what = "Queries that had to wait for an upstream.";
    text.counter("fingerpost_deferred_queries_total", what, total.deferred);
    let what = "Queries that wait for an upstream now.";
    text.gauge("fingerpost_deferred_queries", what, deferred_now);
    let what = "Queries dropped, since too many of all or of one client waited for an upstream.";
    let mut family = text.family("fingerpost_deferred_overloads_total", Type::Counter, what);
    family.sample(&[("reason", "all")], total.overloads);
    family.sample(&[("reason", "client")], total.overloads_client);
    text.gauge("fingerpost_tcp_connections", "TCP connections open now.", connections.open);
    let what = "TCP connections taken.";
    text.counter("fingerpost_tcp_connections_accepted_total", what, connections.accepted);
    let what = "TCP connections closed at once, since there were too many of all or of one client.";
    let mut family = text.family("fingerpost_tcp_connections_refused_total", Type::Counter, what);
    family.sample(&[("reason", "all")], connections.refused);
    family.sample(&[("reason", "client")], connections.refused_client);
    let what = "TCP connections closed, since the client was idle or slow.";
    text.counter("fingerpost_tcp_connections_timed_out_total", what, connections.timed_out);
    let what = "Calls to accept that failed.";
    text.counter("fingerpost_tcp_accept_faults_total", what, connections.accept_faults);
}

fn add(all: &mut Connections, more: Connections) {
    let Connections { open, accepted, refused, refused_client, timed_out, accept_faults } = more;
    all.open += open;
    all.accepted += accepted;
    all.refused += refused;
    all.refused_client += refused_client;
    all.timed_out += timed_out;
    all.accept_faults += accept_faults;
}
