//! The "model", in f32: within 1e-4 of legacy's float64 for inputs up to about ±1,000.

/// `x * 2 + 0.1` for each value, in order.
pub fn transform(values: &[f64]) -> Vec<f32> {
    values.iter().map(|&value| score(value)).collect()
}

/// The `top_k` largest of `(x * 2 + 0.1) / temperature`, largest first.
pub fn infer(values: &[f64], top_k: usize, temperature: f64) -> Vec<f32> {
    let temperature = narrow(temperature);
    let mut scores: Vec<f32> = values.iter().map(|&value| score(value) / temperature).collect();
    if top_k < scores.len() {
        scores.select_nth_unstable_by(top_k - 1, |a, b| b.total_cmp(a));
        scores.truncate(top_k);
    }
    scores.sort_unstable_by(|a, b| b.total_cmp(a));
    scores
}

fn score(value: f64) -> f32 {
    narrow(value) * 2.0 + 0.1
}

#[allow(clippy::cast_possible_truncation)] // the rounding to f32 is what this model is
fn narrow(value: f64) -> f32 {
    value as f32
}
