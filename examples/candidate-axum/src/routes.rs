//! The routes.

use std::sync::Arc;
use std::time::Instant;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::{header, HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{middleware, Router};

use crate::contract::{
    self, Contract, Health, InferRequest, InferResponse, TransformRequest, TransformResponse,
};
use crate::observe::{milliseconds, observe};
use crate::refusal::{json, Refusal};
use crate::{body, metrics, model, openapi, renamed, Service};

pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/infer", post(transform))
        .route("/v1/infer", post(infer))
        .route("/healthz", get(|state| health(state, "ok")))
        .route("/readyz", get(|state| health(state, "ready")))
        .route("/metrics", get(metrics_text))
        .route("/openapi.json", get(document))
        .layer(middleware::from_fn_with_state(Arc::clone(&service), observe))
        .with_state(service)
}

async fn transform(
    State(service): State<Arc<Service>>,
    request: Request,
) -> Result<Response, Refusal> {
    answer(service, request, |service, request: TransformRequest| {
        let mut output = model::transform(&request.input);
        service.faults.drift(&mut output);
        let body = TransformResponse { output };
        if service.faults.renames() {
            return json(StatusCode::OK, &renamed::TransformResponse::from(body));
        }
        json(StatusCode::OK, &body)
    })
    .await
}

async fn infer(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Refusal> {
    answer(service, request, |service, request: InferRequest| {
        let started = Instant::now();
        let top_k = usize::try_from(request.top_k).unwrap_or(1);
        let mut outputs = model::infer(&request.inputs, top_k, request.temperature);
        service.faults.drift(&mut outputs);
        let body = InferResponse {
            model: &request.model,
            outputs,
            latency_ms: milliseconds(started.elapsed()),
            version: &service.build_id,
        };
        if service.faults.renames() {
            return json(StatusCode::OK, &renamed::InferResponse::from(body));
        }
        json(StatusCode::OK, &body)
    })
    .await
}

/// Read, parse and compute; the work runs on a blocking thread, so health stays quick.
async fn answer<T: Contract + Send + 'static>(
    service: Arc<Service>,
    request: Request,
    work: fn(&Service, T) -> Response,
) -> Result<Response, Refusal> {
    let started = Instant::now();
    let raw = read_json(request).await?;
    if service.faults.refuses() {
        return Err(Refusal::internal());
    }
    let delay = service.faults.delay();
    let blocking = move || contract::parse::<T>(&raw).map(|request| work(&service, request));
    let response = tokio::task::spawn_blocking(blocking).await.map_err(|_| Refusal::internal())?;
    if let Some(delay) = delay {
        tokio::time::sleep_until((started + delay).into()).await;
    }
    response
}

async fn read_json(request: Request) -> Result<Bytes, Refusal> {
    let json = is_json(request.headers());
    let raw = body::read(request.into_body()).await;
    if json {
        raw
    } else {
        Err(Refusal::unsupported_media_type())
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let given = headers.get(header::CONTENT_TYPE).map_or("", |kind| kind.to_str().unwrap_or(""));
    let kind = given.split(';').next().unwrap_or("");
    kind.trim_matches([' ', '\t']).eq_ignore_ascii_case("application/json")
}

#[allow(clippy::unused_async)] // a handler has to be
async fn health(State(service): State<Arc<Service>>, status: &'static str) -> Response {
    json(StatusCode::OK, &Health { status, build: &service.build_id })
}

async fn metrics_text(State(service): State<Arc<Service>>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], service.metrics.text()).into_response()
}

async fn document(State(service): State<Arc<Service>>) -> Response {
    json(StatusCode::OK, &openapi::document(service.faults.renames()))
}
