//! Retrieval (WADO-RS, PS3.18 section 10.4).

use std::sync::Arc;

use axum::Router;

use super::Door;

/// What is retrieved, for the capabilities of the service.
pub(super) const CAPABILITIES: [&str; 0] = [];

/// The resources that are retrieved.
pub(super) fn routes() -> Router<Arc<Door>> {
    Router::new()
}
