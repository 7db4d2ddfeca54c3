//! What a change costs from the registry to the view, and from an API server to the answer.
//!
//! `cargo bench --bench publish` prints, for 10,000 and for 100,000 Services with three endpoints each,
//! how long it takes in-process to file a change and publish the view that comes of it: of one Service,
//! of a headless Service with 5,000 endpoints of which one changes, and of all objects told anew. Then,
//! with the real binary at a fake API server, how long it takes from such a change of 5,000 endpoints
//! until the set is answered over TCP. `-- --smoke` runs it once, small, to see that it works.
//!
//! A message over TCP has 65,535 octets at most, which is some 4,090 addresses: the server gives as
//! many of the 5,000 as fit, and each time others. They are checked to be of the new set, and the answer
//! over UDP to send the asker to TCP.
#![allow(missing_docs, clippy::cast_precision_loss, unreachable_pub)]

#[allow(dead_code)]
#[path = "support/api.rs"]
mod api;
#[allow(dead_code)]
#[path = "support/large.rs"]
mod large;
#[allow(dead_code)]
#[path = "support/objects.rs"]
mod objects;
#[allow(dead_code)]
#[path = "support/contest/process.rs"]
mod process;
#[allow(dead_code)]
mod support;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use fingerpost::cluster::{Change, ClusterIps, EndpointSlice, Kind, Meta, Namespace, Object};
use fingerpost::registry::{Publisher, Registry};
use nix::time::{ClockId, clock_gettime};
use process::Result;
use smallvec::smallvec;
use support::{NAMESPACES, service, slice, view};

/// Endpoints of a Service, and of the large one.
const ENDPOINTS: usize = 3;
const LARGE: usize = 5_000;
/// Endpoints of a slice: what the controller fills one to, and the most that Kubernetes allows.
const SLICES: [usize; 2] = [100, 1_000];

fn main() -> Result<()> {
    let smoke = std::env::args().any(|argument| argument == "--smoke");
    let sizes: &[usize] = if smoke { &[1_000] } else { &[10_000, 100_000] };
    let (rounds, lists) = if smoke { (5, 1) } else { (500, 11) };
    println!("load {}", std::fs::read_to_string("/proc/loadavg")?.trim());
    for &services in sizes {
        println!("\nin-process, {services} Services with {ENDPOINTS} endpoints each, µs");
        in_process(services, rounds, lists)?;
    }
    let (services, rounds) = if smoke { (100, 5) } else { (10_000, 300) };
    println!("\nfrom the API server to the answer, {services} Services, µs");
    for each in SLICES {
        let latencies = large::changes(services, LARGE, each, rounds)?;
        tell(&one_of(each), "time", latencies);
    }
    Ok(())
}

fn one_of(each: usize) -> String {
    format!("one of {LARGE} endpoints, slices of {each}")
}

fn in_process(services: usize, rounds: usize, lists: usize) -> Result<()> {
    let (registry, publisher, _) = view(services, ENDPOINTS);
    let mut bench = Bench { registry, publisher };

    bench.measure("cluster IP of a Service", rounds, |turn| {
        // Those with a cluster IP, all over the table.
        let mut service = service(turn * 7_919 % (services / 4) * 4);
        service.cluster_ips = ClusterIps::Addresses(smallvec![address(16, turn)]);
        vec![Change::Put(Object::Service(service))]
    })?;

    bench.measure("one endpoint of a headless Service", rounds, |turn| {
        let mut slice = slice(turn * 7_919 % (services / 4) * 4 + 3, ENDPOINTS);
        slice.endpoints[1].addresses = smallvec![address(17, turn)];
        vec![Change::Put(Object::EndpointSlice(slice))]
    })?;

    for each in SLICES {
        // A number that makes a headless one, beyond those of the others.
        let index = services / 4 * 4 + 3;
        let parts = LARGE / each;
        let owner = service(index).meta.key;
        let part = |part: usize| EndpointSlice {
            meta: Meta::new(&owner.namespace, &format!("{}-{part}", owner.name)),
            service: Some(owner.name.clone()),
            ..slice(index * LARGE / each + part, each)
        };
        let put = |slice| Change::Put(Object::EndpointSlice(slice));
        let whole = Change::Put(Object::Service(service(index)));
        bench.file((0..parts).map(|at| put(part(at))).chain([whole]).collect(), true)?;
        bench.measure(&one_of(each), rounds, |turn| {
            let mut slice = part(turn % parts);
            slice.endpoints[turn % each].addresses = smallvec![address(18, turn)];
            vec![put(slice)]
        })?;
        let gone = |at| Change::Remove(Kind::EndpointSlice, part(at).meta.key);
        bench.file((0..parts).map(gone).collect(), true)?;
    }

    // What the rounds have changed is changed back.
    bench.file(everything(services), true)?;
    let mut costs = Costs::default();
    for _ in 0..lists {
        costs.add(bench.file(everything(services), false)?);
    }
    costs.tell("all lists anew, nothing changed");
    Ok(())
}

/// An address that no other turn has given.
fn address(second: u8, turn: usize) -> IpAddr {
    let [.., a, b] = (turn + 1).to_be_bytes();
    [172, second, a, b].into()
}

/// All lists, as `view` has told them.
fn everything(services: usize) -> Vec<Change> {
    let namespaces = (0..NAMESPACES)
        .map(|index| Object::Namespace(Namespace { meta: Meta::new("", &format!("ns-{index}")) }));
    let services = (0..services).flat_map(|index| {
        let slice = Object::EndpointSlice(slice(index, ENDPOINTS));
        [Object::Service(service(index)), slice]
    });
    let begin = Kind::ALL.into_iter().map(Change::ListBegins);
    let end = Kind::ALL.into_iter().map(Change::ListEnds);
    begin.chain(namespaces.chain(services).map(Change::Put)).chain(end).collect()
}

struct Bench {
    registry: Arc<Registry>,
    publisher: Publisher,
}

impl Bench {
    /// Files changes and publishes the view that comes of them: the time it takes, and the CPU time.
    fn file(&mut self, changes: Vec<Change>, is_news: bool) -> Result<(Duration, Duration)> {
        let (began, cpu) = (Instant::now(), cpu()?);
        self.registry.batch(|sink| changes.into_iter().for_each(sink));
        let is_new = self.publisher.publish();
        let costs = (began.elapsed(), self::cpu()?.saturating_sub(cpu));
        assert_eq!(is_new, is_news, "what answers otherwise is published, and nothing else");
        Ok(costs)
    }

    fn measure(
        &mut self,
        what: &str,
        rounds: usize,
        changes: impl Fn(usize) -> Vec<Change>,
    ) -> Result<()> {
        let mut costs = Costs::default();
        for turn in 0..rounds {
            costs.add(self.file(changes(turn), true)?);
        }
        costs.tell(what);
        Ok(())
    }
}

/// The CPU time of this thread, on which all of it happens: what others do on the same cores does not
/// count.
fn cpu() -> Result<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}

#[derive(Default)]
struct Costs {
    time: Vec<Duration>,
    cpu: Vec<Duration>,
}

impl Costs {
    fn add(&mut self, (time, cpu): (Duration, Duration)) {
        self.time.push(time);
        self.cpu.push(cpu);
    }

    fn tell(self, what: &str) {
        tell(what, "CPU time", self.cpu);
        tell("", "time", self.time);
    }
}

fn tell(what: &str, measure: &str, mut figures: Vec<Duration>) {
    figures.sort_unstable();
    let of = |percent: usize| {
        let at = (figures.len() * percent / 100).min(figures.len().saturating_sub(1));
        figures.get(at).map_or(0.0, |figure| figure.as_secs_f64() * 1e6)
    };
    let (median, p99, worst) = (of(50), of(99), of(100));
    println!("  {what:<40} {measure:<8}  median {median:>8.0}  p99 {p99:>8.0}  worst {worst:>8.0}");
}
