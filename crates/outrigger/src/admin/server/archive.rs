//! The admin API of an embedded archive: alive, ready, metrics.

use std::net::SocketAddr;

use axum::routing::get;
use axum::{Json, Router};
use outrigger_runtime::Shutdown;
use serde_json::{Value, json};

use super::{connection, health, metrics};
use crate::process::Failure;

/// What it knows.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveAdmin {
    /// The archive's name.
    pub(crate) name: String,
}

/// Starts the admin API of an archive; gives the address with the port really bound.
pub(crate) async fn start_archive(
    listen: SocketAddr,
    admin: ArchiveAdmin,
    shutdown: Shutdown,
) -> Result<SocketAddr, Failure> {
    let ready = move || {
        let answer: Value = json!({"ready": true, "node": admin.name});
        std::future::ready(Json(answer))
    };
    let routes = Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics::metrics));
    connection::serve(listen, Router::new().nest("/api/v1", routes.clone()).merge(routes), shutdown).await
}
