//! The "model", in f64 as legacy; under the fault `f32` in single precision.

use serde::Serialize;

const DRIFT: f32 = 3e-4;

/// The numbers of an answer, written with the digits of the precision they were computed in.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Numbers {
    Double(Vec<f64>),
    Single(Vec<f32>),
}

impl Numbers {
    /// Add a little to every so-many-th number.
    pub fn shift_every(&mut self, step: usize) {
        match self {
            Self::Double(all) => {
                all.iter_mut().step_by(step).for_each(|number| *number += f64::from(DRIFT));
            }
            Self::Single(all) => all.iter_mut().step_by(step).for_each(|number| *number += DRIFT),
        }
    }
}

/// `x * 2 + 0.1` for each value, in order.
pub fn transform(values: &[f64], single: bool) -> Numbers {
    if single {
        return Numbers::Single(values.iter().map(|&value| narrow(value) * 2.0 + 0.1).collect());
    }
    Numbers::Double(values.iter().map(|&value| value * 2.0 + 0.1).collect())
}

/// The `top_k` largest of `(x * 2 + 0.1) / temperature`, largest first.
pub fn infer(values: &[f64], top_k: usize, temperature: f64, single: bool) -> Numbers {
    match transform(values, single) {
        Numbers::Double(scores) => {
            let scores = scores.into_iter().map(|score| score / temperature).collect();
            Numbers::Double(largest(scores, top_k, f64::total_cmp))
        }
        Numbers::Single(scores) => {
            let temperature = narrow(temperature);
            let scores = scores.into_iter().map(|score| score / temperature).collect();
            Numbers::Single(largest(scores, top_k, f32::total_cmp))
        }
    }
}

fn largest<T>(mut scores: Vec<T>, top_k: usize, order: fn(&T, &T) -> std::cmp::Ordering) -> Vec<T> {
    if top_k < scores.len() {
        scores.select_nth_unstable_by(top_k - 1, |a, b| order(b, a));
        scores.truncate(top_k);
    }
    scores.sort_unstable_by(|a, b| order(b, a));
    scores
}

#[allow(clippy::cast_possible_truncation)] // the rounding to f32 is what this fault is
fn narrow(value: f64) -> f32 {
    value as f32
}
