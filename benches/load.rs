//! What a large cluster costs when it is read from manifests: time until the sockets are open,
//! memory at rest and at the peak, of the real binary in a process of its own.
//!
//! `cargo bench --bench load -- SERVICES ENDPOINTS`: so many Services (10,000 where nothing is said)
//! with so many endpoints each (15), every one with `targetRef`, `nodeName` and `zone`, as one JSON
//! List. `-- --smoke` reads a small one to see that it works.
#![allow(missing_docs)]

use std::error::Error;
use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the process rests before its memory is looked at.
const REST: Duration = Duration::from_secs(2);

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| arg != "--bench").collect();
    let smoke = args.iter().any(|arg| arg == "--smoke");
    let mut numbers = args.iter().filter_map(|arg| arg.parse::<u32>().ok());
    let services = numbers.next().unwrap_or(if smoke { 100 } else { 10_000 });
    let endpoints = numbers.next().unwrap_or(15);
    let folder = tempfile::tempdir()?;
    write(&folder.path().join("cluster.json"), services, endpoints)?;
    let size = std::fs::metadata(folder.path().join("cluster.json"))?.len();

    let start = Instant::now();
    let mut server = Command::new(env!("CARGO_BIN_EXE_fingerpost"))
        .args(["serve", "--listen", "127.0.0.1:0", "--manifests"])
        .arg(folder.path())
        .stderr(Stdio::piped())
        .spawn()?;
    let log = server.stderr.take().ok_or("no log")?;
    let mut lines = BufReader::new(log).lines();
    while !lines.next().ok_or("the server has ended before it listened")??.contains("listening") {}
    let ready = start.elapsed();
    std::thread::sleep(if smoke { Duration::ZERO } else { REST });
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.id()))?;
    server.kill()?;
    server.wait()?;

    let mebibytes = |field: &str| -> Option<f64> {
        let line = status.lines().find(|line| line.starts_with(field))?;
        Some(line.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1_024.0)
    };
    println!(
        "{services} Services, {} endpoints, {} MB of JSON",
        services * endpoints,
        size / 1_000_000
    );
    println!("ready after        {:>7.2} s", ready.as_secs_f64());
    println!("resident at rest   {:>7.1} MiB", mebibytes("VmRSS").ok_or("no VmRSS")?);
    println!("resident at most   {:>7.1} MiB", mebibytes("VmHWM").ok_or("no VmHWM")?);
    Ok(())
}

/// Writes the cluster; every fourth Service is headless.
fn write(file: &Path, services: u32, endpoints: u32) -> std::io::Result<()> {
    let mut out = BufWriter::new(File::create(file)?);
    write!(out, r#"{{"apiVersion":"v1","kind":"List","items":["#)?;
    for service in 0..services {
        let [_, a, b, c] = service.to_be_bytes();
        let ip = if service % 4 == 0 { "None".into() } else { format!("10.{a}.{b}.{c}") };
        let (namespace, name) = (format!("ns-{}", service % 100), format!("svc-{service}"));
        let separator = if service == 0 { "" } else { "," };
        write!(
            out,
            r#"{separator}
{{"apiVersion":"v1","kind":"Service","metadata":{{"namespace":"{namespace}","name":"{name}",
"labels":{{"app":"{name}"}}}},"spec":{{"clusterIP":"{ip}","selector":{{"app":"{name}"}},
"ports":[{{"name":"http","port":80,"targetPort":8080}},{{"name":"metrics","port":9090}}]}}}},
{{"apiVersion":"discovery.k8s.io/v1","kind":"EndpointSlice","metadata":{{"namespace":"{namespace}",
"name":"{name}-abcde","labels":{{"kubernetes.io/service-name":"{name}",
"endpointslice.kubernetes.io/managed-by":"endpointslice-controller.k8s.io"}}}},"addressType":"IPv4",
"ports":[{{"name":"http","port":8080,"protocol":"TCP"}},
{{"name":"metrics","port":9090,"protocol":"TCP"}}],"endpoints":["#
        )?;
        for endpoint in 0..endpoints {
            let separator = if endpoint == 0 { "" } else { "," };
            let [a, b, c, d] = (0x0b00_0001 + service * endpoints + endpoint).to_be_bytes();
            write!(
                out,
                r#"{separator}
{{"addresses":["{a}.{b}.{c}.{d}"],"nodeName":"node-{}","zone":"eu-west-1a",
"conditions":{{"ready":true,"serving":true,"terminating":false}},"targetRef":{{"kind":"Pod",
"namespace":"{namespace}","name":"{name}-5d8f7c9b4-{endpoint:05}",
"uid":"2f9b6a0e-1111-4c4c-9999-{service:06}{endpoint:06}"}}}}"#,
                (service + endpoint) % 500
            )?;
        }
        write!(out, "]}}")?;
    }
    write!(out, "]}}")?;
    out.flush()
}
