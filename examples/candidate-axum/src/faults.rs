//! Deliberate defects, for Banyan to find. The build id does not change with them.
//!
//! Set by `FAULT` at the start, or while running through the private port (see `admin.rs`).
//! To add one: a variant here, its name in `ALL`, and a question in the place that misbehaves.

use std::sync::atomic::{AtomicU64, AtomicU8, Ordering};
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fault {
    None,
    /// Adds `DRIFT` to some numbers of about 1 answer in 50.
    Drift,
    /// 5 % of inference requests are answered 500.
    Errors,
    /// 2 % of inference requests take `slow_answer` or longer, so p99 does: 3 x legacy's, if set so.
    Slow,
    /// Renames the field that carries the numbers.
    Schema,
}

const ALL: [(Fault, &str); 4] = [
    (Fault::Drift, "drift"),
    (Fault::Errors, "errors"),
    (Fault::Slow, "slow"),
    (Fault::Schema, "schema"),
];

const DRIFT: f32 = 3e-4;
const DRIFT_EVERY: usize = 7;
const DRIFT_SHARE: f64 = 0.02;
const ERROR_SHARE: f64 = 0.05;
const SLOW_SHARE: f64 = 0.02;

impl Fault {
    /// Empty and `none` mean no fault.
    ///
    /// # Errors
    /// A sentence that lists the known names.
    pub fn parse(name: &str) -> Result<Self, String> {
        if name.is_empty() || name == "none" {
            return Ok(Self::None);
        }
        let known = ALL.iter().find(|(_, known)| *known == name);
        known.map(|(fault, _)| *fault).ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|(_, known)| *known).collect();
            format!("unknown fault {name:?}; known are {}", names.join(", "))
        })
    }

    pub fn name(self) -> Option<&'static str> {
        ALL.iter().find(|(fault, _)| *fault == self).map(|(_, name)| *name)
    }
}

/// The switch, shared by every request.
pub struct Faults {
    current: AtomicU8,
    drawn: AtomicU64,
    slow_answer: Duration,
}

impl Faults {
    pub fn new(fault: Fault, slow_answer: Duration) -> Self {
        Self { current: AtomicU8::new(fault as u8), drawn: AtomicU64::new(0), slow_answer }
    }

    pub fn current(&self) -> Fault {
        let raw = self.current.load(Ordering::Relaxed);
        let known = ALL.iter().find(|(fault, _)| *fault as u8 == raw);
        known.map_or(Fault::None, |(fault, _)| *fault)
    }

    pub fn set(&self, fault: Fault) {
        self.current.store(fault as u8, Ordering::Relaxed);
    }

    /// Whether this request is to be answered 500.
    pub fn refuses(&self) -> bool {
        self.current() == Fault::Errors && self.draw(ERROR_SHARE)
    }

    /// How long this request must take at least, if it is one of the slow ones.
    pub fn delay(&self) -> Option<Duration> {
        (self.current() == Fault::Slow && self.draw(SLOW_SHARE)).then_some(self.slow_answer)
    }

    pub fn renames(&self) -> bool {
        self.current() == Fault::Schema
    }

    pub fn drift(&self, numbers: &mut [f32]) {
        if self.current() == Fault::Drift && self.draw(DRIFT_SHARE) {
            numbers.iter_mut().step_by(DRIFT_EVERY).for_each(|number| *number += DRIFT);
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
