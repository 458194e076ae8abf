//! The private port, on the loopback address only and no part of the service's contract.
//!
//! `PUT /fault` with `{"fault": "errors"}` or `{"fault": null}`; beside it `"silent": true` (the
//! `OpenAPI` document does not admit the fault), `"slow_ms"` and `"collapse_rps"`.
//! `PUT /state` with `{"state": "draining"}` changes what `/readyz` says; null: the truth again.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::Router;
use serde_json::{json as value, Value};

use crate::faults::Fault;
use crate::readiness::State;
use crate::refusal::{json, Refusal};
use crate::Service;

pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/fault", get(show_fault).put(set_fault))
        .route("/state", get(show_state).put(set_state))
        .with_state(service)
}

async fn show_fault(Shared(service): Shared<Arc<Service>>) -> Response {
    json(StatusCode::OK, &value!({ "fault": service.faults.current().name() }))
}

async fn set_fault(Shared(service): Shared<Arc<Service>>, raw: Bytes) -> Result<Response, Refusal> {
    let body: Value = serde_json::from_slice(&raw).map_err(|_| Refusal::malformed_json())?;
    let refuse = |words| Refusal::unprocessable("unknown_fault", words);
    let fault = name(&body, "fault")?.map_or(Ok(Fault::None), Fault::parse).map_err(refuse)?;
    let (slow_ms, collapse_rps) = (count(&body, "slow_ms")?, count(&body, "collapse_rps")?);
    if let Some(value) = slow_ms {
        service.faults.set_slow_ms(value);
    }
    if let Some(value) = collapse_rps {
        service.faults.set_collapse_rps(value);
    }
    service.faults.set(fault, body.get("silent") == Some(&Value::Bool(true)));
    Ok(show_fault(Shared(service)).await)
}

async fn show_state(Shared(service): Shared<Arc<Service>>) -> Response {
    json(StatusCode::OK, &value!({ "state": service.readiness.current().words().0 }))
}

async fn set_state(Shared(service): Shared<Arc<Service>>, raw: Bytes) -> Result<Response, Refusal> {
    let body: Value = serde_json::from_slice(&raw).map_err(|_| Refusal::malformed_json())?;
    let refuse = |words| Refusal::unprocessable("unknown_state", words);
    let state = name(&body, "state")?.map_or(Ok(State::Ready), State::parse).map_err(refuse)?;
    service.readiness.tell(state);
    Ok(show_state(Shared(service)).await)
}

fn name<'a>(body: &'a Value, field: &str) -> Result<Option<&'a str>, Refusal> {
    match body.get(field) {
        Some(Value::Null) => Ok(None),
        Some(Value::String(name)) => Ok(Some(name)),
        _ => Err(Refusal::field("wrong_type", field.into(), "must be a name, or null")),
    }
}

fn count(body: &Value, field: &str) -> Result<Option<u64>, Refusal> {
    let words = "must be a positive whole number";
    let wrong = || Refusal::field("wrong_type", field.into(), words);
    let read = |value: &Value| value.as_u64().filter(|number| *number > 0).ok_or_else(wrong);
    body.get(field).map(read).transpose()
}
