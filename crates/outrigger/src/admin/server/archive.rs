//! The admin API of an embedded archive: alive, ready, how it is, metrics.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use outrigger_archive::{Archive, Health};
use outrigger_runtime::Shutdown;
use serde_json::{Value, json};

use super::status::moment;
use super::{connection, health, metrics};
use crate::process::Failure;

/// What it knows.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveAdmin {
    /// The archive's name.
    pub(crate) name: String,
    /// The archive.
    pub(crate) archive: Arc<Archive>,
}

/// Starts the admin API of an archive; gives the address with the port really bound.
pub(crate) async fn start_archive(
    listen: SocketAddr,
    admin: ArchiveAdmin,
    shutdown: Shutdown,
) -> Result<SocketAddr, Failure> {
    let top = Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics::metrics));
    let api = top.clone().route("/status", get(status));
    connection::serve(listen, top.nest("/api/v1", api).with_state(admin), shutdown).await
}

/// 200 while objects are taken.
async fn ready(State(admin): State<ArchiveAdmin>) -> (StatusCode, Json<Value>) {
    match admin.archive.health() {
        Health::Good => (StatusCode::OK, Json(json!({"ready": true, "node": admin.name}))),
        Health::Stopped { why } => {
            let answer = json!({"ready": false, "node": admin.name, "error": why});
            (StatusCode::SERVICE_UNAVAILABLE, Json(answer))
        }
    }
}

/// How the archive is, and why it is degraded if it is.
async fn status(State(admin): State<ArchiveAdmin>) -> Json<Value> {
    let archive = &admin.archive;
    let mut reasons = Vec::new();
    if let Health::Stopped { why } = archive.health() {
        reasons.push(format!("objects are refused until a restart: {why}"));
    }
    if let Some(trouble) = archive.trouble().await {
        let since = moment(trouble.since);
        reasons.push(format!("where objects are kept has failed since {since}: {}", trouble.why));
    }
    let recovered = archive.recovered();
    Json(json!({
        "node": admin.name,
        "version": env!("CARGO_PKG_VERSION"),
        "state": if reasons.is_empty() { "healthy" } else { "degraded" },
        "reasons": reasons,
        "archive": {
            "adopted_at_start": recovered.adopted,
            "unreadable_at_start": recovered.unreadable,
        },
    }))
}
