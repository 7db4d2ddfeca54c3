//! A bound on what all clients hold at a time, which no client can use up.
//!
//! Who may have how much hangs on what is free: a client may have one more while it holds less than
//! [`GREED`] times what is free. So one alone comes to four fifths of the bound, many that want all come
//! to as much each and leave a little free, and what is given back goes to those who hold least
//! (Choudhury and Hahne, "Dynamic queue length thresholds for shared-memory packet switches", 1998).
//!
//! Nothing grows: clients are counted in cells, by a hash of their address that nobody can guess. Two
//! that share a cell share what each may have.
#![forbid(unsafe_code)]

use std::hash::BuildHasher;
use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use foldhash::quality::FixedState;

/// How many times what is free one client may hold.
const GREED: usize = 4;

/// Cells that clients are counted in, 8 octets each: of the clients of a node, and of most clusters,
/// few share one.
const CELLS: usize = 2_048;

/// A bound, and who holds how much of it.
#[derive(Debug)]
pub(super) struct Shares {
    limit: usize,
    used: AtomicUsize,
    clients: Box<[AtomicUsize]>,
    seed: FixedState,
}

/// Why there is nothing for a client.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Full {
    /// All is used.
    All,
    /// The client has its share, and others might want theirs.
    Client,
}

/// One of what is bounded, given back when dropped.
#[derive(Debug)]
pub(super) struct Place {
    shares: Arc<Shares>,
    cell: usize,
}

impl Shares {
    pub(super) fn new(limit: usize) -> Self {
        let clients = (0..CELLS).map(|_| AtomicUsize::new(0)).collect();
        let seed = FixedState::with_seed(getrandom::u64().unwrap_or(0));
        Self { limit, used: AtomicUsize::new(0), clients, seed }
    }

    /// How many there are.
    pub(super) fn limit(&self) -> usize {
        self.limit
    }

    /// How many are used.
    pub(super) fn used(&self) -> usize {
        self.used.load(Relaxed)
    }

    /// Whether there would be one for a client now. It only reads.
    #[inline]
    pub(super) fn room(&self, client: IpAddr) -> Result<(), Full> {
        let used = self.used();
        // Whoever holds nothing is not even looked for while much is free.
        if used < self.limit / 2 {
            return Ok(());
        }
        let held = self.clients.get(self.cell(client)).map_or(0, |held| held.load(Relaxed));
        self.judge(used, held)
    }

    /// One for a client.
    pub(super) fn take(self: &Arc<Self>, client: IpAddr) -> Result<Place, Full> {
        let cell = self.cell(client);
        let used = self.used.fetch_add(1, Relaxed);
        let held = self.clients.get(cell).map_or(0, |held| held.fetch_add(1, Relaxed));
        let place = Place { shares: Arc::clone(self), cell };
        // Dropped, the place is given back.
        self.judge(used, held).map(|()| place)
    }

    fn judge(&self, used: usize, held: usize) -> Result<(), Full> {
        match self.limit.saturating_sub(used) {
            0 => Err(Full::All),
            free if held >= free.saturating_mul(GREED) => Err(Full::Client),
            _ => Ok(()),
        }
    }

    fn cell(&self, client: IpAddr) -> usize {
        usize::try_from(self.seed.hash_one(client) % CELLS as u64).unwrap_or(0)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.shares.used.fetch_sub(1, Relaxed);
        self.shares.clients.get(self.cell).map(|held| held.fetch_sub(1, Relaxed));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from_bits(0x0a00_0000 + number).into()
    }

    /// Takes as many as a client gets.
    fn all_of(shares: &Arc<Shares>, client: IpAddr) -> Vec<Place> {
        std::iter::from_fn(|| shares.take(client).ok()).collect()
    }

    /// Clients that share no cell with each other.
    fn strangers(shares: &Shares, count: usize) -> Vec<IpAddr> {
        let mut cells = Vec::new();
        let is_new = |client: &IpAddr| {
            let cell = shares.cell(*client);
            let is_new = !cells.contains(&cell);
            cells.push(cell);
            is_new
        };
        (0..).map(client).filter(is_new).take(count).collect()
    }

    #[test]
    fn one_alone_leaves_something_and_has_less_when_others_want_it() {
        let shares = Arc::new(Shares::new(1_000));
        let [first, second] = strangers(&shares, 2).try_into().expect("two");
        let mut held = all_of(&shares, first);
        assert_eq!(held.len(), 800);
        assert_eq!(shares.room(first), Err(Full::Client));
        assert_eq!(shares.room(second), Ok(()));
        let others = all_of(&shares, second);
        assert_eq!(
            (others.len(), shares.used()),
            (160, 960),
            "nothing is lost by what was refused"
        );
        // What the first one gives back is the second one's before it is its own again.
        held.truncate(700);
        assert_eq!(shares.room(first), Err(Full::Client));
        let others = others.into_iter().chain(all_of(&shares, second)).collect::<Vec<_>>();
        assert!(others.len() > 200, "{}", others.len());
        drop((held, others));
        assert_eq!(shares.used(), 0);
        assert!(shares.clients.iter().all(|held| held.load(Relaxed) == 0));
    }

    #[test]
    fn many_that_want_all_have_the_same_and_leave_some() {
        let shares = Arc::new(Shares::new(1_000));
        let clients = strangers(&shares, 13);
        let (another, greedy) = clients.split_last().expect("some");
        let mut held = Vec::new();
        for _ in 0..1_000 {
            held.extend(greedy.iter().filter_map(|client| shares.take(*client).ok()));
        }
        let of = |client: &IpAddr| shares.clients[shares.cell(*client)].load(Relaxed);
        let (least, most) = (
            greedy.iter().map(of).min().expect("some"),
            greedy.iter().map(of).max().expect("some"),
        );
        assert!(least >= 75 && most <= least + 5, "{least} to {most}");
        assert!(shares.take(*another).is_ok());
    }

    #[test]
    fn a_small_bound_is_one_clients_to_use() {
        for limit in 1..=4 {
            let shares = Arc::new(Shares::new(limit));
            let held = all_of(&shares, client(1));
            assert_eq!(held.len(), limit);
            assert_eq!(shares.take(client(2)).expect_err("full"), Full::All);
            assert_eq!(shares.room(client(2)), Err(Full::All));
        }
        assert_eq!(Arc::new(Shares::new(0)).take(client(1)).expect_err("none"), Full::All);
    }
}
