//! What the kernel knows of this process, by the names that Prometheus's client libraries use.

use std::fs;

use super::text::Text;

/// Clock ticks a second in `/proc`: what Linux tells user space on every platform that we run on,
/// whatever its own clock does (`USER_HZ`).
const TICKS: f64 = 100.0;

pub(super) fn write(text: &mut Text) {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The second field is the program's name in brackets, which may hold anything.
    let fields: Vec<&str> =
        stat.rsplit_once(')').map_or("", |split| split.1).split_whitespace().collect();
    let field = |number: usize| number.checked_sub(3).and_then(|at| fields.get(at)?.parse().ok());
    let ticks = |number: usize| field(number).map(|ticks: f64| ticks / TICKS);
    if let (Some(user), Some(system)) = (ticks(14), ticks(15)) {
        let what = "Seconds of processor time, of user and system.";
        let mut family = text.family("process_cpu_seconds_total", super::text::Type::Counter, what);
        family.sample(&[], user + system);
    }
    let gauges = [
        ("process_start_time_seconds", "When the process began, in Unix time.", started(ticks(22))),
        ("process_threads", "Threads.", field(20)),
        ("process_virtual_memory_bytes", "Octets of virtual memory.", field(23)),
        ("process_resident_memory_bytes", "Octets of resident memory.", resident()),
        ("process_open_fds", "Open file descriptors.", open_files()),
        ("process_max_fds", "The most file descriptors that may be open.", most_files()),
    ];
    for (name, what, value) in gauges {
        if let Some(value) = value {
            text.gauge(name, what, value);
        }
    }
}

/// `after` the machine's start.
fn started(after: Option<f64>) -> Option<f64> {
    let stat = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 =
        stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + after?)
}

/// In octets, without having to know the size of a page.
fn resident() -> Option<f64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let size = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = size.trim().strip_suffix(" kB")?.parse().ok()?;
    Some(kib * 1_024.0)
}

fn open_files() -> Option<f64> {
    // Reading the folder opens one more.
    let count = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(count).ok().map(f64::from)
}

fn most_files() -> Option<f64> {
    let limits = fs::read_to_string("/proc/self/limits").ok()?;
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}
