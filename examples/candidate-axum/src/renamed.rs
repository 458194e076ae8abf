//! The answers under the fault `schema`: the numbers stand in a field with another name.

use serde::Serialize;

use crate::contract;
use crate::model::Numbers;

#[derive(Serialize)]
pub struct TransformResponse {
    result: Numbers,
}

#[derive(Serialize)]
pub struct InferResponse<'a> {
    model: &'a str,
    predictions: Numbers,
    latency_ms: f64,
    version: &'a str,
}

impl From<contract::TransformResponse> for TransformResponse {
    fn from(body: contract::TransformResponse) -> Self {
        Self { result: body.output }
    }
}

impl<'a> From<contract::InferResponse<'a>> for InferResponse<'a> {
    fn from(body: contract::InferResponse<'a>) -> Self {
        Self {
            model: body.model,
            predictions: body.outputs,
            latency_ms: body.latency_ms,
            version: body.version,
        }
    }
}
