//! When the configuration is read again: by SIGHUP or SIGUSR1, and by itself where `reload` says
//! so. What is broken changes nothing, and is told once.
#![forbid(unsafe_code)]

use std::collections::hash_map::RandomState;
use std::fmt::Write;
use std::hash::BuildHasher;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use sha2::{Digest, Sha512};
use tokio::time::Instant;

use crate::config::{Config, Corefile, Reload, read_again};

/// How the configuration fares, for metrics.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Tally {
    /// How often a configuration could not be put in effect.
    pub(super) failed: u64,
    /// SHA-512 of the Corefile in effect, in hexadecimal; nothing where there is none.
    pub(super) version: Option<String>,
}

/// The Corefile that a run has, followed.
pub(super) struct Follow {
    corefile: Option<Corefile>,
    /// What was wrong when it was last looked at, so that it is told once.
    fault: Option<String>,
    tally: Arc<Mutex<Tally>>,
}

impl Follow {
    pub(super) fn new(corefile: Option<Corefile>) -> Self {
        let follow = Self { corefile, fault: None, tally: Arc::default() };
        follow.in_effect();
        follow
    }

    pub(super) fn tally(&self) -> Arc<Mutex<Tally>> {
        Arc::clone(&self.tally)
    }

    /// When it is time to look again, as the configuration in effect has it.
    pub(super) fn due(&self, config: &Config) -> Option<Instant> {
        let reload = config.servers.iter().find_map(|server| server.reload.as_ref());
        let reload = reload.filter(|_| self.corefile.is_some())?;
        Some(Instant::now() + pause(reload))
    }

    /// Reads the Corefile again. Nothing if it says the same as `running` or is broken; somebody who
    /// has `asked` is told either way.
    pub(super) fn look(&mut self, running: &Config, asked: bool) -> Option<Config> {
        let Some(corefile) = &self.corefile else {
            tracing::warn!("there is no Corefile to read again; manifests are followed");
            return None;
        };
        match read_again(corefile) {
            Ok(config) if config == *running => {
                self.fault = None;
                if asked {
                    tracing::info!("the Corefile says the same as before");
                }
                None
            }
            Ok(config) => Some(config),
            Err(fault) => {
                self.failed(&fault, asked);
                None
            }
        }
    }

    /// The configuration that was read cannot be put in effect.
    pub(super) fn failed(&mut self, fault: &str, asked: bool) {
        if asked || self.fault.as_deref() != Some(fault) {
            self.tally().lock().unwrap_or_else(PoisonError::into_inner).failed += 1;
            tracing::error!("{fault}; the configuration before it stays in effect");
        }
        self.fault = Some(fault.to_owned());
    }

    /// The Corefile as it stands on the disk is in effect.
    pub(super) fn in_effect(&self) {
        let octets = self.corefile.as_ref().and_then(|file| std::fs::read(&file.path).ok());
        let version = octets.map(|octets| {
            Sha512::digest(&octets).iter().fold(String::new(), |mut text, octet| {
                // Writing to a String cannot fail.
                let _ = write!(text, "{octet:02x}");
                text
            })
        });
        self.tally.lock().unwrap_or_else(PoisonError::into_inner).version = version;
    }
}

/// The interval with a random part of the jitter, so that not all servers look at once.
fn pause(reload: &Reload) -> Duration {
    let share = RandomState::new().hash_one(0) % 1_000;
    let jitter = reload.jitter.mul_f64(f64::from(u32::try_from(share).unwrap_or(0)) / 1_000.0);
    reload.interval + jitter
}
