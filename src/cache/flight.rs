//! Look-ups under way: whoever asks what somebody else is asking already waits for that.
//!
//! For the runtime's threads alone.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use foldhash::quality::RandomState;
use tokio::sync::watch;

use super::Key;

/// Look-ups under way at a time: as many as there may be askers (`serve::DEFERRED`). More are asked
/// each for itself.
const FLIGHTS_MOST: usize = 8_192;

/// The look-ups under way.
pub struct Flights<T>(Mutex<UnderWay<T>>);

type UnderWay<T> = HashMap<Box<[u8]>, watch::Receiver<Option<T>>, RandomState>;

/// Whose turn it is to ask.
pub enum Turn<T> {
    /// Nobody asks yet: whoever gets this asks, and tells. It can wait for it like the others.
    Leads(Lead<T>, Joined<T>),
    /// Somebody asks already.
    Joins(Joined<T>),
    /// Too many are under way.
    Full,
}

/// The duty to tell. Dropped without a word, those who wait hear that there is nothing.
pub struct Lead<T> {
    flights: Arc<Flights<T>>,
    key: Box<[u8]>,
    told: watch::Sender<Option<T>>,
}

/// A place among those who wait.
pub struct Joined<T>(watch::Receiver<Option<T>>);

impl<T> Default for Flights<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> Flights<T> {
    /// Leads or joins the look-up of a question.
    pub fn turn(self: &Arc<Self>, key: &Key<'_>) -> Turn<T> {
        let key = key.to_octets();
        let mut under_way = self.under_way();
        if let Some(told) = under_way.get(&key) {
            return Turn::Joins(Joined(told.clone()));
        }
        if under_way.len() >= FLIGHTS_MOST {
            return Turn::Full;
        }
        let (told, hears) = watch::channel(None);
        under_way.insert(key.clone(), hears.clone());
        Turn::Leads(Lead { flights: Arc::clone(self), key, told }, Joined(hears))
    }

    fn under_way(&self) -> MutexGuard<'_, UnderWay<T>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Lead<T> {
    /// Tells everybody who waits. Whoever asks from now on is not among them.
    pub fn tell(self, what: T) {
        self.told.send_replace(Some(what));
    }
}

impl<T> Drop for Lead<T> {
    fn drop(&mut self) {
        self.flights.under_way().remove(&self.key);
    }
}

impl<T: Clone> Joined<T> {
    /// What was told; nothing where the look-up was given up.
    pub async fn told(mut self) -> Option<T> {
        self.0.wait_for(Option::is_some).await.ok()?.clone()
    }
}
