//! How a request body comes in.

use axum::body::{Body, Bytes};
use futures_util::StreamExt;

use crate::contract::MAX_BODY_BYTES;
use crate::refusal::Refusal;

/// So much of a too large body is read and dropped: who still writes can't read an answer.
const DRAIN_BYTES: usize = 16 * MAX_BODY_BYTES;

/// The whole body, which is read to its end even when it is too large.
///
/// # Errors
/// `body_too_large` beyond `MAX_BODY_BYTES`.
pub async fn read(body: Body) -> Result<Bytes, Refusal> {
    let mut chunks = body.into_data_stream();
    let mut whole = Vec::new();
    let mut size = 0;
    while let Some(chunk) = chunks.next().await {
        // The caller is gone in the middle of its body: nobody reads this answer.
        let chunk = chunk.map_err(|_| Refusal::malformed_json())?;
        size += chunk.len();
        if size <= MAX_BODY_BYTES {
            whole.extend_from_slice(&chunk);
        } else if size > DRAIN_BYTES {
            break;
        }
    }
    if size > MAX_BODY_BYTES {
        return Err(Refusal::body_too_large());
    }
    Ok(whole.into())
}
