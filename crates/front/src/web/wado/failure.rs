//! What goes wrong on the way to the bytes, as refusals.

use std::error::Error;
use std::fmt::Display;

use axum::http::StatusCode;
use outrigger_runtime::threads::WorkLost;

use crate::web::Refusal;

/// 413: more than is held in memory or listed at once.
pub(super) fn too_large(text: &dyn Display) -> Refusal {
    Refusal::new(StatusCode::PAYLOAD_TOO_LARGE, text.to_string())
}

/// 500: something of ours, or bytes that are not what they should be.
pub(super) fn failed(text: &str, error: &(dyn Error + 'static)) -> Refusal {
    tracing::warn!(error, "{text}");
    Refusal::new(StatusCode::INTERNAL_SERVER_ERROR, format!("{text}: {error}"))
}

impl From<WorkLost> for Refusal {
    fn from(error: WorkLost) -> Self {
        failed("the work for the request was lost", &error)
    }
}
