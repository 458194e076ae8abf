//! What surrounds every request: routing table, build id, request id, log line, metrics.

use std::fs::File;
use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use axum::body::HttpBody;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use percent_encoding::percent_decode_str;
use serde::Serialize;

use crate::faults::Fault;
use crate::refusal::Refusal;
use crate::{body, Service};

/// Every path and the one method it takes; `HEAD` is not implied, as in legacy.
pub const ROUTES: [(&str, &str); 6] = [
    ("/infer", "POST"),
    ("/v1/infer", "POST"),
    ("/healthz", "GET"),
    ("/readyz", "GET"),
    ("/metrics", "GET"),
    ("/openapi.json", "GET"),
];

const REQUEST_ID: &str = "x-request-id";

/// The path as the caller wrote it, for the log.
#[derive(Clone)]
struct RawPath(String);

#[derive(Serialize)]
struct Line<'a> {
    ts: String,
    level: &'static str,
    logger: &'static str,
    message: &'static str,
    method: &'a str,
    path: &'a str,
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<f64>,
    request_id: &'a str,
    bytes_out: u64,
    build: &'a str,
}

/// Undo percent-encoding that hides a known path (`/inf%65r`), as legacy's server does.
pub fn decode_path(mut request: Request) -> Request {
    let raw = request.uri().path().to_owned();
    let plain = percent_decode_str(&raw).decode_utf8_lossy();
    let known = ROUTES.iter().find(|(path, _)| *path == plain && raw != *path);
    if let Some((path, _)) = known {
        *request.uri_mut() = Uri::from_static(path);
    }
    request.extensions_mut().insert(RawPath(raw));
    request
}

/// Middleware around all routes.
pub async fn observe(
    State(service): State<Arc<Service>>,
    request: Request,
    next: Next,
) -> Response {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.uri().path().to_owned();
    let raw_path = request.extensions().get::<RawPath>().map_or(path.clone(), |raw| raw.0.clone());
    let request_id = request_id(&request);

    let mut response = match admit(&method, &path) {
        Ok(()) => next.run(request).await,
        Err(refusal) => {
            let _ = body::read(request.into_body()).await; // only so that the caller can listen
            refusal.into_response()
        }
    };
    let headers = response.headers_mut();
    headers.insert("x-build-id", service.build_header.clone());
    headers.insert(REQUEST_ID, request_id.clone());

    let elapsed = started.elapsed();
    let status = response.status();
    let fault = service.faults.current();
    service.log.write(&Line {
        ts: humantime::format_rfc3339_millis(SystemTime::now()).to_string(),
        level: level(status, fault),
        logger: "access",
        message: "request",
        method: method.as_str(),
        path: &raw_path,
        status: status.as_u16(),
        duration_ms: (fault != Fault::LogFieldMissing).then(|| milliseconds(elapsed)),
        request_id: &String::from_utf8_lossy(request_id.as_bytes()),
        bytes_out: response.body().size_hint().exact().unwrap_or(0),
        build: &service.build_id,
    });
    service.metrics.record(&method, &path, status, elapsed);
    response
}

/// Three decimals, as legacy writes them.
pub fn milliseconds(elapsed: Duration) -> f64 {
    (elapsed.as_secs_f64() * 1e6).round() / 1e3
}

fn admit(method: &Method, path: &str) -> Result<(), Refusal> {
    match ROUTES.iter().find(|(known, _)| *known == path) {
        None => Err(Refusal::not_found()),
        Some((_, allowed)) if method.as_str() != *allowed => {
            Err(Refusal::method_not_allowed(allowed))
        }
        Some(_) => Ok(()),
    }
}

/// The caller's id, so that one id names the request in every log; else a new one.
fn request_id(request: &Request) -> HeaderValue {
    let given = request.headers().get(REQUEST_ID);
    if let Some(id) = given.filter(|id| (1..=128).contains(&id.len())) {
        return id.clone();
    }
    let id = uuid::Uuid::new_v4().to_string();
    HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("none"))
}

fn level(status: StatusCode, fault: Fault) -> &'static str {
    match status.as_u16() {
        500.. => "error",
        400..=499 if fault == Fault::LogLevelRenamed => "warn",
        400..=499 => "warning",
        _ => "info",
    }
}

/// Where the lines go: stdout, and a file when one is named.
pub struct Log(Option<File>);

impl Log {
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &str) -> std::io::Result<Self> {
        if path.is_empty() {
            return Ok(Self(None));
        }
        Ok(Self(Some(File::options().append(true).create(true).open(path)?)))
    }

    fn write(&self, line: &Line) {
        if let Ok(mut text) = serde_json::to_vec(line) {
            text.push(b'\n');
            // A closed pipe must not end the service; the line is lost, the answer is not.
            let _ = std::io::stdout().lock().write_all(&text);
            if let Some(mut file) = self.0.as_ref() {
                let _ = file.write_all(&text); // in one piece: the file is in append mode
            }
        }
    }
}
