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
    Unready, CHANGED_TOP_K, DEFAULT_TOP_K,
};
use crate::faults::Fault;
use crate::observe::{milliseconds, observe};
use crate::overload::Admission;
use crate::readiness::State as Ready;
use crate::refusal::{json, Refusal};
use crate::{body, metrics, model, openapi, renamed, Service};

pub fn router(service: Arc<Service>) -> Router {
    Router::new()
        .route("/infer", post(transform))
        .route("/v1/infer", post(infer))
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
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
        let mut output = model::transform(&request.input, service.faults.is(Fault::F32));
        service.faults.drift(&mut output);
        let body = TransformResponse { output };
        if service.faults.is(Fault::Schema) {
            return json(StatusCode::OK, &renamed::TransformResponse::from(body));
        }
        json(StatusCode::OK, &body)
    })
    .await
}

async fn infer(State(service): State<Arc<Service>>, request: Request) -> Result<Response, Refusal> {
    answer(service, request, |service, request: InferRequest| {
        let started = Instant::now();
        let changed = service.faults.is(Fault::DefaultChanged);
        let default = if changed { CHANGED_TOP_K } else { DEFAULT_TOP_K };
        let top_k = usize::try_from(request.top_k.unwrap_or(default)).unwrap_or(1);
        let single = service.faults.is(Fault::F32);
        let mut outputs = model::infer(&request.inputs, top_k, request.temperature, single);
        service.faults.drift(&mut outputs);
        let body = InferResponse {
            model: &request.model,
            outputs,
            latency_ms: milliseconds(started.elapsed()),
            version: &service.build_id,
        };
        if service.faults.is(Fault::Schema) {
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
    let fault = service.faults.current();
    let raw = read_json(request).await?;
    if service.faults.refuses() {
        return Err(Refusal::internal());
    }
    match service.faults.admit() {
        Admission::AtOnce => (),
        Admission::After(wait) => tokio::time::sleep(wait).await,
        Admission::Refused => return Err(Refusal::overloaded()),
    }
    service.faults.leak();
    let delay = service.faults.delay();
    let lenient = fault == Fault::UnknownFieldAccepted;
    let blocking = move || {
        let parsed = contract::parse::<T>(&raw, lenient).map_err(|refusal| refusal.under(fault));
        parsed.map(|request| work(&service, request))
    };
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

async fn healthz(State(service): State<Arc<Service>>) -> Response {
    json(StatusCode::OK, &Health { status: "ok", build: &service.build_id })
}

async fn readyz(State(service): State<Arc<Service>>) -> Response {
    let build = &service.build_id;
    let state = match service.readiness.current() {
        Ready::Draining if service.faults.is(Fault::ReadyzDraining) => Ready::Ready,
        state => state,
    };
    let (status, reason) = state.words();
    if state == Ready::Ready {
        return json(StatusCode::OK, &Health { status, build });
    }
    json(StatusCode::SERVICE_UNAVAILABLE, &Unready { status, build, reason })
}

async fn metrics_text(State(service): State<Arc<Service>>) -> Response {
    ([(header::CONTENT_TYPE, metrics::CONTENT_TYPE)], service.metrics.text()).into_response()
}

async fn document(State(service): State<Arc<Service>>) -> Response {
    json(StatusCode::OK, &openapi::document(service.faults.documented()))
}
