//! What a Service and an endpoint take of memory, registry and view together.
//!
//! `cargo bench --bench memory` fills clusters of several sizes, each in a process of its own, and prints
//! what is resident then beyond what a process without a cluster has, and the octets a Service and an
//! endpoint as the slope through these figures. Free memory is given back before that. `-- --smoke` does
//! so with small clusters, to see that it works.
//!
//! Services have a cluster IP and a port, every fourth is headless; endpoints stand in one slice a
//! Service, and are kept in the registry as they were told, in the view as records, and under their
//! address for PTR.
#![allow(missing_docs, clippy::cast_precision_loss, unreachable_pub)]

#[allow(dead_code)]
mod support;

use std::error::Error;
use std::process::Command;

use fingerpost::serve::give_back_memory;
use support::view;

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Services of the clusters that endpoints are put into.
const WITH_ENDPOINTS: usize = 10_000;
/// Smaller ones for a look whether it works.
const SMOKE: usize = 100;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, word, services, endpoints] = &arguments[..]
        && word == "--child"
    {
        return child(services.parse()?, endpoints.parse()?);
    }
    let part = if arguments.iter().any(|argument| argument == "--smoke") { SMOKE } else { 1 };

    println!("{:>9} {:>10} {:>14} {:>14}", "services", "endpoints", "resident, MiB", "octets each");
    let nothing = resident(0, 0)?;
    let mut services = vec![(0.0, 0.0)];
    for count in [25_000, 50_000, 100_000].map(|count| count / part) {
        let octets = resident(count, 0)? - nothing;
        line(count, 0, octets, octets / count as f64);
        services.push((count as f64, octets));
    }
    let mut endpoints = Vec::new();
    let count = WITH_ENDPOINTS / part;
    for each in [1, 5, 10, 15] {
        let octets = resident(count, each)? - nothing;
        let first = endpoints.first().map_or(octets, |(_, first)| *first);
        let more = (count * (each - 1)).max(1) as f64;
        line(count, count * each, octets, (octets - first) / more);
        endpoints.push(((count * each) as f64, octets));
    }
    println!("a Service    {:>8.0} octets", slope(&services));
    println!("an endpoint  {:>8.0} octets", slope(&endpoints));
    Ok(())
}

fn line(services: usize, endpoints: usize, octets: f64, each: f64) {
    println!("{services:>9} {endpoints:>10} {:>14.1} {each:>14.0}", octets / f64::from(1 << 20));
}

/// The octets that are resident with so many Services with so many endpoints each.
fn resident(services: usize, endpoints: usize) -> Result<f64> {
    let told = Command::new(std::env::current_exe()?)
        .args(["--child", &services.to_string(), &endpoints.to_string()])
        .output()?;
    if !told.status.success() {
        return Err(String::from_utf8_lossy(&told.stderr).into());
    }
    Ok(String::from_utf8(told.stdout)?.trim().parse()?)
}

/// In a process of its own: fills a cluster and says what is resident.
fn child(services: usize, endpoints: usize) -> Result<()> {
    let kept = view(services, endpoints);
    give_back_memory();
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find(|line| line.starts_with("VmRSS")).ok_or("no VmRSS")?;
    let kib: u64 = line.split_whitespace().nth(1).ok_or("no figure")?.parse()?;
    println!("{}", kib * 1024);
    drop(kept);
    Ok(())
}

/// The slope of the line that is nearest to these points, by least squares.
fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let mean = |of: fn(&(f64, f64)) -> f64| points.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|point| point.0), mean(|point| point.1));
    let shared: f64 = points.iter().map(|point| (point.0 - x) * (point.1 - y)).sum();
    let spread: f64 = points.iter().map(|point| (point.0 - x).powi(2)).sum();
    shared / spread
}
