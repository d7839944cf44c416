//! Which web pages of other origins may read answers (Fetch standard, section 3.2): those that the configuration names.

use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{Door, Origins};

const METHODS: HeaderValue = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
/// What viewers send beside what needs no leave.
const HEADERS: HeaderValue =
    HeaderValue::from_static("Accept, Authorization, Content-Type, Range, X-Requested-With");
/// What a page may read of an answer beside what needs no leave.
const EXPOSED: HeaderValue =
    HeaderValue::from_static("Accept-Ranges, Content-Location, Content-Range, Retry-After, Warning");
/// Seconds a browser need not ask again: the longest that one of the common ones keeps.
const ASKED_AGAIN_S: HeaderValue = HeaderValue::from_static("7200");

/// Answers what a browser asks before a request, and says on every answer who may read it.
///
/// It stands before the check of tokens: a browser asks without one.
pub(super) async fn cors(State(door): State<Arc<Door>>, request: Request, next: Next) -> Response {
    let origins = &door.options.origins;
    let allowed = request.headers().get(ORIGIN).and_then(|origin| allowed(origins, origin));
    let asks = *request.method() == Method::OPTIONS
        && request.headers().contains_key(ORIGIN)
        && request.headers().contains_key(ACCESS_CONTROL_REQUEST_METHOD);
    let mut response = if asks { StatusCode::NO_CONTENT.into_response() } else { next.run(request).await };
    let headers = response.headers_mut();
    if *origins != Origins::These(Vec::new()) {
        headers.append(VARY, HeaderValue::from_static("Origin"));
    }
    if let Some(origin) = allowed {
        allow(headers, origin);
    }
    response
}

fn allow(headers: &mut HeaderMap, origin: HeaderValue) {
    headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, HEADERS);
    headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    headers.insert(ACCESS_CONTROL_MAX_AGE, ASKED_AGAIN_S);
}

/// The origin as it is allowed; credentials that a browser adds by itself (cookies) are not, since none are used.
fn allowed(origins: &Origins, origin: &HeaderValue) -> Option<HeaderValue> {
    match origins {
        Origins::All => Some(HeaderValue::from_static("*")),
        Origins::These(origins) => {
            origins.iter().any(|known| origin.as_bytes() == known.as_bytes()).then(|| origin.clone())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_allowed_as_a_whole() {
        let these = Origins::These(vec!["https://viewer.example".into()]);
        let allows = |origins: &Origins, origin: &'static str| {
            allowed(origins, &HeaderValue::from_static(origin))
                .map(|value| value.to_str().unwrap().to_owned())
        };
        assert_eq!(allows(&these, "https://viewer.example").as_deref(), Some("https://viewer.example"));
        for other in
            ["http://viewer.example", "https://viewer.example.evil", "https://viewer.example:444", "null"]
        {
            assert_eq!(allows(&these, other), None, "{other}");
        }
        assert_eq!(allows(&Origins::All, "https://any.example").as_deref(), Some("*"));
    }
}
