//! The fault `collapses`: a service that can do so many requests a second and no more.
//!
//! A bucket of `BURST` seconds bears what scatter there is below the rate. Beyond the rate it
//! runs empty, requests wait for their turn in a queue, and who would wait too long is refused.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

const BURST: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(1);

pub enum Admission {
    AtOnce,
    After(Duration),
    Refused,
}

pub struct Overload {
    rate: AtomicU64,
    /// When the service will have done all that it has admitted.
    busy_until: Mutex<Option<Instant>>,
}

impl Overload {
    pub fn new(rate: u64) -> Self {
        Self { rate: AtomicU64::new(rate), busy_until: Mutex::new(None) }
    }

    pub fn set_rate(&self, rate: u64) {
        self.rate.store(rate, Ordering::Relaxed);
    }

    pub fn clear(&self) {
        *self.busy_until.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    pub fn admit(&self, now: Instant) -> Admission {
        let each = Duration::from_secs(1) / self.rate().max(1);
        let mut busy_until = self.busy_until.lock().unwrap_or_else(PoisonError::into_inner);
        let free = busy_until.map_or(now, |until| until.max(now));
        let wait = (free + each).duration_since(now).saturating_sub(BURST);
        if wait > LONGEST_WAIT {
            return Admission::Refused;
        }
        *busy_until = Some(free + each);
        if wait.is_zero() {
            Admission::AtOnce
        } else {
            Admission::After(wait)
        }
    }

    fn rate(&self) -> u32 {
        u32::try_from(self.rate.load(Ordering::Relaxed)).unwrap_or(u32::MAX)
    }
}
