//! Deliberate defects, for Banyan to find. The build id does not change with them.
//!
//! Set by `FAULT` at the start, or while running through the private port (see `admin.rs`).
//! To add one: a variant here, its name in `ALL`, and a question in the place that misbehaves.

use std::sync::atomic::{AtomicBool, AtomicU64, AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::model::Numbers;
use crate::overload::{Admission, Overload};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    None,
    /// Adds `DRIFT` to some numbers of about 1 answer in 50.
    Drift,
    /// Computes in f32: outside the tolerance for values beyond about ±1,000.
    F32,
    /// 5 % of inference requests are answered 500.
    Errors,
    /// 2 % of inference requests take `slow_ms` or longer, so p99 does: 3 x legacy's, if set so.
    Slow,
    /// Renames the field that carries the numbers.
    Schema,
    /// `top_k` is 10 when it is left out.
    DefaultChanged,
    /// Fields that the contract does not know are ignored, not refused.
    UnknownFieldAccepted,
    /// 400 instead of 422.
    WrongStatus,
    /// A missing field is refused in other words.
    WrongMessage,
    /// `/readyz` says ready while the service is stopping.
    ReadyzDraining,
    /// Log lines without `duration_ms`.
    LogFieldMissing,
    /// `warning` is called `warn` in the log.
    LogLevelRenamed,
    /// Beyond `collapse_rps` requests a second a queue grows, and then requests are refused.
    Collapses,
    /// Each inference request leaves `LEAK_BYTES` behind.
    Leaks,
}

const ALL: [(Fault, &str); 15] = [
    (Fault::Drift, "drift"),
    (Fault::F32, "f32"),
    (Fault::Errors, "errors"),
    (Fault::Slow, "slow"),
    (Fault::Schema, "schema"),
    (Fault::DefaultChanged, "default_changed"),
    (Fault::UnknownFieldAccepted, "unknown_field_accepted"),
    (Fault::WrongStatus, "wrong_status"),
    (Fault::WrongMessage, "wrong_message"),
    (Fault::ReadyzDraining, "readyz_draining"),
    (Fault::LogFieldMissing, "log_field_missing"),
    (Fault::LogLevelRenamed, "log_level_renamed"),
    (Fault::Collapses, "collapses"),
    (Fault::Leaks, "leaks"),
    (Fault::None, "none"),
];

const DRIFT_EVERY: usize = 7;
const DRIFT_SHARE: f64 = 0.02;
const ERROR_SHARE: f64 = 0.05;
const SLOW_SHARE: f64 = 0.02;
const LEAK_BYTES: usize = 16 * 1024;
/// A forgotten leak must not take the machine with it.
const LEAKS_AT_MOST: usize = 512 * 1024 * 1024 / LEAK_BYTES;

impl Fault {
    /// Empty and `none` mean no fault.
    ///
    /// # Errors
    /// A sentence that lists the known names.
    pub fn parse(name: &str) -> Result<Self, String> {
        if name.is_empty() {
            return Ok(Self::None);
        }
        let known = ALL.iter().find(|(_, known)| *known == name);
        known.map(|(fault, _)| *fault).ok_or_else(|| {
            let faults = ALL.iter().filter(|(fault, _)| *fault != Self::None);
            let names: Vec<&str> = faults.map(|(_, known)| *known).collect();
            format!("unknown fault {name:?}; known are {}", names.join(", "))
        })
    }

    pub fn name(self) -> Option<&'static str> {
        let known = ALL.iter().find(|(fault, _)| *fault == self && self != Self::None);
        known.map(|(_, name)| *name)
    }
}

/// The switch, shared by every request.
pub struct Faults {
    current: AtomicU8,
    drawn: AtomicU64,
    slow_ms: AtomicU64,
    /// The `OpenAPI` document keeps saying what a healthy build does.
    silent: AtomicBool,
    overload: Overload,
    leaked: Mutex<Vec<Vec<u8>>>,
}

impl Faults {
    pub fn new(fault: Fault, slow_ms: u64, collapse_rps: u64) -> Self {
        Self {
            current: AtomicU8::new(fault as u8),
            drawn: AtomicU64::new(0),
            slow_ms: AtomicU64::new(slow_ms),
            silent: AtomicBool::new(false),
            overload: Overload::new(collapse_rps),
            leaked: Mutex::default(),
        }
    }

    pub fn current(&self) -> Fault {
        let raw = self.current.load(Ordering::Relaxed);
        let known = ALL.iter().find(|(fault, _)| *fault as u8 == raw);
        known.map_or(Fault::None, |(fault, _)| *fault)
    }

    /// Switch to `fault`; what an earlier one has piled up is gone.
    pub fn set(&self, fault: Fault, silent: bool) {
        self.silent.store(silent, Ordering::Relaxed);
        self.current.store(fault as u8, Ordering::Relaxed);
        self.overload.clear();
        self.leaked.lock().unwrap_or_else(PoisonError::into_inner).clear();
    }

    pub fn set_slow_ms(&self, value: u64) {
        self.slow_ms.store(value, Ordering::Relaxed);
    }

    pub fn set_collapse_rps(&self, value: u64) {
        self.overload.set_rate(value);
    }

    pub fn is(&self, fault: Fault) -> bool {
        self.current() == fault
    }

    /// The fault that the `OpenAPI` document admits.
    pub fn documented(&self) -> Fault {
        if self.silent.load(Ordering::Relaxed) {
            Fault::None
        } else {
            self.current()
        }
    }

    /// Whether this request is to be answered 500.
    pub fn refuses(&self) -> bool {
        self.is(Fault::Errors) && self.draw(ERROR_SHARE)
    }

    /// How long this request must take at least, if it is one of the slow ones.
    pub fn delay(&self) -> Option<Duration> {
        let slow = || Duration::from_millis(self.slow_ms.load(Ordering::Relaxed));
        (self.is(Fault::Slow) && self.draw(SLOW_SHARE)).then(slow)
    }

    /// Whether, and after which wait, this request gets its turn.
    pub fn admit(&self) -> Admission {
        if self.is(Fault::Collapses) {
            self.overload.admit(Instant::now())
        } else {
            Admission::AtOnce
        }
    }

    pub fn drift(&self, numbers: &mut Numbers) {
        if self.is(Fault::Drift) && self.draw(DRIFT_SHARE) {
            numbers.shift_every(DRIFT_EVERY);
        }
    }

    /// Keep memory that nobody will ask for again.
    pub fn leak(&self) {
        if self.is(Fault::Leaks) {
            let mut leaked = self.leaked.lock().unwrap_or_else(PoisonError::into_inner);
            if leaked.len() < LEAKS_AT_MOST {
                leaked.push(vec![1; LEAK_BYTES]); // written, so that it counts as resident
            }
        }
    }

    /// True for `share` of the calls: scattered, yet the same on every run (`SplitMix64`).
    fn draw(&self, share: f64) -> bool {
        let turn = self.drawn.fetch_add(1, Ordering::Relaxed) + 1;
        let mut z = turn.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let top = u32::try_from((z ^ (z >> 31)) >> 32).unwrap_or(u32::MAX);
        f64::from(top) < share * f64::from(u32::MAX)
    }
}
