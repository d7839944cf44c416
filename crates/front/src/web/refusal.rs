//! A request that is not answered as asked: the status and why, in words.

use axum::http::header::{CONTENT_RANGE, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};

use super::access::Denied;
use crate::service::FindRefusal;
use outrigger_model::Status;

/// Seconds after which what failed for now may be tried again: members are asked again after ten.
pub(super) const TRY_AGAIN_S: HeaderValue = HeaderValue::from_static("10");

/// A refused request.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    text: String,
    /// How many bytes there are, where a range of them is refused.
    length: Option<u64>,
}

#[allow(clippy::needless_pass_by_value, reason = "errors are handed over by `map_err`")]
impl Refusal {
    /// With a status and why, in words for the caller.
    pub(crate) fn new(status: StatusCode, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), length: None }
    }

    /// The status.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// Why, in words.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// The request makes no sense.
    pub(crate) fn bad(text: impl ToString) -> Self {
        Self::new(StatusCode::BAD_REQUEST, text.to_string())
    }

    /// There is nothing of that name.
    pub(crate) fn nothing(text: impl ToString) -> Self {
        Self::new(StatusCode::NOT_FOUND, text.to_string())
    }

    /// The range of bytes asked for is outside of what there is, which is of so many bytes.
    pub(crate) fn out_of_range(text: impl ToString, length: u64) -> Self {
        Self { length: Some(length), ..Self::new(StatusCode::RANGE_NOT_SATISFIABLE, text.to_string()) }
    }

    /// Whether nothing that is offered is acceptable to the caller.
    pub(crate) fn is_not_acceptable(&self) -> bool {
        self.status == StatusCode::NOT_ACCEPTABLE
    }

    /// Nothing that is offered is acceptable to the caller.
    pub(crate) fn not_acceptable(text: impl ToString) -> Self {
        Self::new(StatusCode::NOT_ACCEPTABLE, text.to_string())
    }
}

impl From<Denied> for Refusal {
    fn from(denied: Denied) -> Self {
        let status = match denied {
            Denied::Unknown => StatusCode::UNAUTHORIZED,
            Denied::Insufficient | Denied::Elsewhere | Denied::Named => StatusCode::FORBIDDEN,
        };
        Self::new(status, denied.to_string())
    }
}

impl From<FindRefusal> for Refusal {
    fn from(refusal: FindRefusal) -> Self {
        tracing::warn!(error = &refusal as &dyn std::error::Error, "a request of the web cannot be answered");
        let status = match refusal.status {
            Status::DATA_SET_MISMATCH => StatusCode::BAD_REQUEST,
            // More than can be counted is too much for one request (PS3.18 section 8.3.4.4 has no better).
            Status::CANNOT_COUNT_MATCHES => StatusCode::PAYLOAD_TOO_LARGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        Self::new(status, refusal.text)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = (self.status, format!("{}\n", self.text)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
        if self.status == StatusCode::SERVICE_UNAVAILABLE {
            headers.insert(RETRY_AFTER, TRY_AGAIN_S);
        }
        if let Some(range) =
            self.length.and_then(|length| HeaderValue::from_str(&format!("bytes */{length}")).ok())
        {
            headers.insert(CONTENT_RANGE, range);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}
