//! What `/readyz` says: as it is, or as the private port has it say. Nothing else changes with it.

use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::time::{Duration, Instant};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum State {
    Ready,
    Starting,
    Draining,
    DependencyDown,
}

const ALL: [(State, &str, &str); 4] = [
    (State::Ready, "ready", ""),
    (State::Starting, "starting", "the model is warming up"),
    (State::Draining, "draining", "the service is stopping"),
    (State::DependencyDown, "dependency_down", "the model store does not answer"),
];

impl State {
    /// # Errors
    /// A sentence that lists the known names.
    pub fn parse(name: &str) -> Result<Self, String> {
        let known = ALL.iter().find(|(_, known, _)| *known == name);
        known.map(|(state, _, _)| *state).ok_or_else(|| {
            let names: Vec<&str> = ALL.iter().map(|(_, known, _)| *known).collect();
            format!("unknown state {name:?}; known are {}", names.join(", "))
        })
    }

    /// The word for `/readyz`, and why the service is not ready.
    pub fn words(self) -> (&'static str, &'static str) {
        let found = ALL.iter().find(|(state, _, _)| *state == self);
        found.map_or(("ready", ""), |(_, name, reason)| (name, reason))
    }
}

pub struct Readiness {
    told: AtomicU8,
    stopping: AtomicBool,
    warm_at: Instant,
}

impl Readiness {
    pub fn new(warm_up: Duration) -> Self {
        Self {
            told: AtomicU8::new(State::Ready as u8),
            stopping: AtomicBool::new(false),
            warm_at: Instant::now() + warm_up,
        }
    }

    /// Say `state` from now on; `Ready` means the truth.
    pub fn tell(&self, state: State) {
        self.told.store(state as u8, Ordering::Relaxed);
    }

    pub fn stop(&self) {
        self.stopping.store(true, Ordering::Relaxed);
    }

    pub fn current(&self) -> State {
        if self.stopping.load(Ordering::Relaxed) {
            return State::Draining;
        }
        if Instant::now() < self.warm_at {
            return State::Starting;
        }
        let raw = self.told.load(Ordering::Relaxed);
        let told = ALL.iter().find(|(state, _, _)| *state as u8 == raw);
        told.map_or(State::Ready, |(state, _, _)| *state)
    }
}
