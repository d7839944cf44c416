//! The viewer's built files, as they are installed: they read DICOMweb like any other page of this origin.

use std::path::Path;

use axum::Router;
use axum::http::{HeaderName, HeaderValue};
use axum::routing::get;
use tower_http::services::{ServeDir, ServeFile};
use tower_http::set_header::SetResponseHeaderLayer;

use super::Refusal;

/// Serves the files below a directory at `/viewer`; what is no file is a place within the viewer, which its page finds.
pub(super) fn routes(files: &Path) -> Router {
    let page = ServeFile::new(files.join("index.html"));
    // A page that shares memory with its workers must be alone in its process.
    let header = |name, value| {
        SetResponseHeaderLayer::overriding(HeaderName::from_static(name), HeaderValue::from_static(value))
    };
    Router::new()
        .nest_service("/viewer", ServeDir::new(files).fallback(page))
        .layer(header("cross-origin-opener-policy", "same-origin"))
        .layer(header("cross-origin-embedder-policy", "require-corp"))
}

/// Says at `/viewer` that none is installed.
pub(super) fn none() -> Router {
    let page = || async {
        Refusal::nothing(
            "no viewer is installed here: scripts/viewer installs one, and [viewer] says where it is",
        )
    };
    Router::new()
        .route("/viewer", get(page))
        .route("/viewer/", get(page))
        .route("/viewer/{*within}", get(page))
}
