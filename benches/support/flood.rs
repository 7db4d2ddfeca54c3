//! Two who ask at a steady pace: one floods with names outside, each another one, and does not care;
//! the other asks for a name of the cluster and keeps time.

use std::io;
use std::net::{SocketAddr, UdpSocket};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::thread::{self, sleep};
use std::time::{Duration, Instant};

use super::contest::process::rcode;
use super::support::query;

/// Between two looks how many queries are due.
const TICK: Duration = Duration::from_micros(500);
/// What has not been answered by then, after the last query, is lost.
const LAST: Duration = Duration::from_secs(1);
/// How long the counting of answers waits before it looks whether it is to end.
const LOOK: Duration = Duration::from_millis(50);
/// Queries whose IDs tell them apart.
const IDS: usize = 1 << 16;

/// Calls `ask` with a number, from 0 on, so often a second, until `stop`.
fn paced(rate: usize, stop: &AtomicBool, mut ask: impl FnMut(usize)) -> usize {
    let began = Instant::now();
    let mut sent = 0;
    while !stop.load(Relaxed) {
        let due = began.elapsed().as_micros() * rate as u128 / 1_000_000;
        while (sent as u128) < due && !stop.load(Relaxed) {
            ask(sent);
            sent += 1;
        }
        sleep(TICK);
    }
    sent
}

/// What came of a flood.
pub struct Flood {
    pub sent: usize,
    pub answered: usize,
}

/// Floods until `stop`. `turn` is for names that no other flood has.
pub fn flood(server: SocketAddr, rate: usize, turn: usize, stop: &AtomicBool) -> io::Result<Flood> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(LOOK))?;
    let heard = socket.try_clone()?;
    let answered = AtomicUsize::new(0);
    let sent = thread::scope(|scope| {
        scope.spawn(|| {
            let mut room = [0; 512];
            while !stop.load(Relaxed) {
                answered.fetch_add(usize::from(heard.recv(&mut room).is_ok()), Relaxed);
            }
        });
        paced(rate, stop, |number| {
            // What the kernel does not take is part of the flood all the same.
            let _ = socket.send(&query(&format!("n{number}.t{turn}.flood.test"), 1));
        })
    });
    Ok(Flood { sent, answered: answered.into_inner() })
}

/// What came of asking.
pub struct Steady {
    pub asked: usize,
    /// Microseconds that each answer took, sorted.
    pub latencies: Vec<f64>,
}

/// Asks for the A records of `name` so often a second, for so long.
pub fn steady(server: SocketAddr, name: &str, rate: usize, time: Duration) -> io::Result<Steady> {
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(LOOK))?;
    let heard = socket.try_clone()?;
    let began = Instant::now();
    let now = || u64::try_from(began.elapsed().as_nanos()).unwrap_or(u64::MAX);
    let sent_at: Vec<AtomicU64> = (0..IDS).map(|_| AtomicU64::new(0)).collect();
    let [stop, over] = [(); 2].map(|()| AtomicBool::new(false));
    let mut latencies = Vec::new();
    let asked = thread::scope(|scope| {
        scope.spawn(|| {
            let mut room = [0; 512];
            while !over.load(Relaxed) {
                let Ok(len) = heard.recv(&mut room) else { continue };
                let id = usize::from(u16::from_be_bytes([room[0], room[1]]));
                // Each is counted once, and only what is an answer with records.
                let at = sent_at[id].swap(0, Relaxed);
                if at > 0 && len > 12 && rcode(&room) == 0 && room[7] > 0 {
                    latencies.push((now() - at) as f64 / 1e3);
                }
            }
        });
        scope.spawn(|| {
            sleep(time);
            stop.store(true, Relaxed);
        });
        let mut wire = query(name, 1);
        let asked = paced(rate, &stop, |number| {
            let id = u16::try_from(number % IDS).unwrap_or(0);
            wire[..2].copy_from_slice(&id.to_be_bytes());
            sent_at[usize::from(id)].store(now().max(1), Relaxed);
            let _ = socket.send(&wire);
        });
        sleep(LAST);
        over.store(true, Relaxed);
        asked
    });
    latencies.sort_by(f64::total_cmp);
    Ok(Steady { asked, latencies })
}
