//! The one error shape: `{"error": {code, message, field}}`, word for word as legacy's.

use axum::http::{header, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::contract::MAX_BODY_BYTES;
use crate::faults::Fault;

/// The request breaks the contract: what to answer instead.
#[derive(Debug)]
pub struct Refusal {
    status: StatusCode,
    allow: Option<&'static str>,
    detail: Detail,
}

#[derive(Debug, Serialize)]
struct Detail {
    code: &'static str,
    message: String,
    field: Option<String>,
}

#[derive(Serialize)]
struct Body<'a> {
    error: &'a Detail,
}

impl Refusal {
    fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        let detail = Detail { code, message: message.into(), field: None };
        Self { status, allow: None, detail }
    }

    pub fn not_found() -> Self {
        Self::new(StatusCode::NOT_FOUND, "not_found", "no such path")
    }

    pub fn method_not_allowed(allowed: &'static str) -> Self {
        let words = format!("only {allowed} is allowed here");
        let refusal = Self::new(StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", words);
        Self { allow: Some(allowed), ..refusal }
    }

    pub fn unsupported_media_type() -> Self {
        let words = "content-type must be application/json";
        Self::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", words)
    }

    pub fn body_too_large() -> Self {
        let words = format!("body must be at most {MAX_BODY_BYTES} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", words)
    }

    pub fn overloaded() -> Self {
        Self::new(StatusCode::SERVICE_UNAVAILABLE, "overloaded", "too many requests are waiting")
    }

    pub fn internal() -> Self {
        Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", "internal error")
    }

    pub fn malformed_json() -> Self {
        Self::unprocessable("malformed_json", "body is not valid JSON")
    }

    pub fn not_an_object() -> Self {
        Self::unprocessable("wrong_type", "body must be a JSON object")
    }

    pub fn unprocessable(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::UNPROCESSABLE_ENTITY, code, message)
    }

    /// A problem of one field; `words` continue the sentence that its name begins.
    pub fn field(code: &'static str, field: String, words: &str) -> Self {
        let mut refusal = Self::unprocessable(code, format!("{field} {words}"));
        refusal.detail.field = Some(field);
        refusal
    }
}

impl Refusal {
    /// The refusal as a build with this fault gives it.
    pub fn under(mut self, fault: Fault) -> Self {
        if fault == Fault::WrongStatus && self.status == StatusCode::UNPROCESSABLE_ENTITY {
            self.status = StatusCode::BAD_REQUEST;
        }
        if fault == Fault::WrongMessage && self.detail.code == "missing_field" {
            self.detail.message = self.detail.message.replace(" is required", " is missing");
        }
        self
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = json(self.status, &Body { error: &self.detail });
        if let Some(allowed) = self.allow {
            response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
        }
        response
    }
}

/// `body` as an `application/json` answer.
pub fn json(status: StatusCode, body: &impl Serialize) -> Response {
    match serde_json::to_vec(body) {
        Ok(bytes) => (status, [(header::CONTENT_TYPE, "application/json")], bytes).into_response(),
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}
