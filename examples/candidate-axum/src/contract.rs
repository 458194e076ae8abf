//! What the service accepts and answers: the schemas, and their limits in numbers.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};

use crate::explain;
use crate::model::Numbers;
use crate::refusal::Refusal;

pub const MAX_BODY_BYTES: usize = 4 * 1024 * 1024;
pub const MAX_VALUES: usize = 100_000;
pub const MAX_MAGNITUDE: f64 = 1e9;
pub const MAX_MODEL_CHARS: usize = 64;
pub const TOP_K: std::ops::RangeInclusive<i64> = 1..=1000;
pub const TEMPERATURE: std::ops::RangeInclusive<f64> = 0.01..=100.0;
pub const DEFAULT_TOP_K: i64 = 5;
/// What `top_k` is when it is left out, under the fault `default_changed`.
pub const CHANGED_TOP_K: i64 = 10;
pub const DEFAULT_TEMPERATURE: f64 = 1.0;

/// Body of `POST /infer`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransformRequest {
    pub input: Vec<f64>,
}

/// Body of `POST /v1/infer`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InferRequest {
    pub model: String,
    pub inputs: Vec<f64>,
    /// None when it was left out; null is refused.
    #[serde(default, deserialize_with = "present")]
    pub top_k: Option<i64>,
    #[serde(default = "default_temperature")]
    pub temperature: f64,
}

#[derive(Serialize)]
pub struct TransformResponse {
    pub output: Numbers,
}

#[derive(Serialize)]
pub struct InferResponse<'a> {
    pub model: &'a str,
    pub outputs: Numbers,
    pub latency_ms: f64,
    pub version: &'a str,
}

/// Body of `/healthz`, and of `/readyz` while the service is ready.
#[derive(Serialize)]
pub struct Health<'a> {
    pub status: &'static str,
    pub build: &'a str,
}

/// Body of `/readyz` while it is not.
#[derive(Serialize)]
pub struct Unready<'a> {
    pub status: &'static str,
    pub build: &'a str,
    pub reason: &'static str,
}

/// A request body that can be read fast, and explained slowly when that fails.
pub trait Contract: DeserializeOwned {
    fn within_limits(&self) -> bool;

    /// Read the parsed body field by field, as legacy does; `lenient` ignores unknown fields.
    ///
    /// # Errors
    /// The first problem, in legacy's order and words.
    fn explain(body: &explain::Object, lenient: bool) -> Result<Self, Refusal>;
}

/// Read `raw` as `T`.
///
/// serde answers almost every request. What it refuses is read again by legacy's rules: those
/// find the words for the refusal, or accept after all (a repeated key: the last one counts).
///
/// # Errors
/// What legacy would refuse it with.
pub fn parse<T: Contract>(raw: &[u8], lenient: bool) -> Result<T, Refusal> {
    // serde would also take a struct from an array of its fields; the contract says object.
    let object = raw.iter().find(|byte| !byte.is_ascii_whitespace()) == Some(&b'{');
    if object {
        match serde_json::from_slice::<T>(raw) {
            Ok(request) if request.within_limits() => return Ok(request),
            _ => (),
        }
    }
    T::explain(&explain::Object::parse(raw)?, lenient)
}

impl Contract for TransformRequest {
    fn within_limits(&self) -> bool {
        values_within_limits(&self.input)
    }

    fn explain(body: &explain::Object, lenient: bool) -> Result<Self, Refusal> {
        let input = body.values("input")?;
        if !lenient {
            body.only(&["input"])?;
        }
        Ok(Self { input })
    }
}

impl Contract for InferRequest {
    fn within_limits(&self) -> bool {
        (1..=MAX_MODEL_CHARS).contains(&self.model.chars().count())
            && values_within_limits(&self.inputs)
            && TOP_K.contains(&self.top_k.unwrap_or(DEFAULT_TOP_K))
            && TEMPERATURE.contains(&self.temperature)
    }

    fn explain(body: &explain::Object, lenient: bool) -> Result<Self, Refusal> {
        let model = body.model("model")?;
        let inputs = body.values("inputs")?;
        let top_k = body.top_k("top_k")?;
        let temperature = body.temperature("temperature")?.unwrap_or(DEFAULT_TEMPERATURE);
        if !lenient {
            body.only(&["model", "inputs", "top_k", "temperature"])?;
        }
        Ok(Self { model, inputs, top_k, temperature })
    }
}

fn values_within_limits(values: &[f64]) -> bool {
    (1..=MAX_VALUES).contains(&values.len()) && values.iter().all(|x| x.abs() <= MAX_MAGNITUDE)
}

fn present<'de, D: Deserializer<'de>>(given: D) -> Result<Option<i64>, D::Error> {
    i64::deserialize(given).map(Some)
}

fn default_temperature() -> f64 {
    DEFAULT_TEMPERATURE
}
