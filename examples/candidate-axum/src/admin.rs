//! The private port: `GET /fault`, `PUT /fault` with `{"fault": "errors"}` or `{"fault": null}`.
//!
//! It listens on the loopback address only and is not part of the service's contract.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::Router;
use serde_json::{json as value, Value};

use crate::faults::Fault;
use crate::refusal::{json, Refusal};
use crate::Service;

pub fn router(service: Arc<Service>) -> Router {
    Router::new().route("/fault", get(show).put(switch)).with_state(service)
}

async fn show(State(service): State<Arc<Service>>) -> Response {
    json(StatusCode::OK, &value!({ "fault": service.faults.current().name() }))
}

async fn switch(State(service): State<Arc<Service>>, raw: Bytes) -> Result<Response, Refusal> {
    let body: Value = serde_json::from_slice(&raw).map_err(|_| Refusal::malformed_json())?;
    let fault = match body.get("fault") {
        Some(Value::Null) => Fault::None,
        Some(Value::String(name)) => {
            Fault::parse(name).map_err(|words| Refusal::unprocessable("unknown_fault", words))?
        }
        _ => {
            let words = "must be the name of a fault, or null";
            return Err(Refusal::field("wrong_type", "fault".into(), words));
        }
    };
    service.faults.set(fault);
    Ok(show(State(service)).await)
}
