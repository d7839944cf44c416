//! The server's side of the admin API.

mod archive;
mod balance;
mod commitments;
mod connection;
mod crosscheck;
mod guard;
mod health;
mod inventory;
mod members;
mod metrics;
mod node;
mod orders;
mod queries;
mod scrub;
mod status;
mod suspense;
mod why;

pub(crate) use archive::{ArchiveAdmin, start_archive};
pub(crate) use metrics::install as install_metrics;
pub(crate) use node::{NodeAdmin, NodeParts};

use std::net::SocketAddr;

use axum::Json;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use outrigger_runtime::Shutdown;
use serde_json::json;

use crate::admin::routes;
use crate::process::{Failure, with_causes};

/// A question that cannot be answered.
#[derive(Debug)]
pub(crate) struct Refusal {
    status: StatusCode,
    error: String,
}

impl Refusal {
    /// The question makes no sense.
    pub(crate) fn bad(error: impl Into<String>) -> Self {
        Self { status: StatusCode::BAD_REQUEST, error: error.into() }
    }

    /// There is no such member.
    pub(crate) fn no_member(name: &str) -> Self {
        Self::bad(format!("there is no member `{name}`; `outrigger member list` shows those there are"))
    }

    /// It is not for who asks.
    pub(crate) fn forbidden(error: impl Into<String>) -> Self {
        Self { status: StatusCode::FORBIDDEN, error: error.into() }
    }

    /// There is nothing that it concerns.
    pub(crate) fn nothing(error: impl Into<String>) -> Self {
        Self { status: StatusCode::NOT_FOUND, error: error.into() }
    }

    /// It cannot be answered now.
    pub(crate) fn not_now(error: &dyn std::error::Error) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, error: with_causes(error) }
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        (self.status, Json(json!({"error": self.error}))).into_response()
    }
}

/// Starts the admin API of a node; gives the address with the port really bound.
pub(crate) async fn start(
    listen: SocketAddr,
    admin: NodeAdmin,
    shutdown: Shutdown,
) -> Result<SocketAddr, Failure> {
    let api = Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", get(metrics::of_node))
        .route("/status", get(status::status))
        .route("/balance", get(balance::balance))
        .route("/why", get(why::why))
        .route("/suspense", get(suspense::list))
        .route("/suspense/item", get(suspense::show))
        .route("/suspense/refused", get(suspense::refused))
        .route("/suspense/retry", post(suspense::retry))
        .route("/suspense/write-off", post(suspense::write_off))
        .route("/findings", get(suspense::findings))
        .route("/members", get(members::list))
        .route("/members/hold", post(members::hold))
        .route("/members/resume", post(members::resume))
        .route("/members/retire", post(members::retire))
        .route("/resend", post(orders::resend))
        .route("/queries", get(queries::lately))
        .route("/expedite", post(orders::expedite))
        .route("/scrub", get(scrub::progress).post(scrub::begin))
        .route("/reload", post(orders::reload))
        .route("/openapi.json", get(|| async { Json(routes::openapi()) }));
    let top = Router::new()
        .route("/health", get(health::health))
        .route("/ready", get(health::ready))
        .route("/metrics", get(metrics::of_node));
    connection::serve(listen, top.nest("/api/v1", api).with_state(admin), shutdown).await
}
