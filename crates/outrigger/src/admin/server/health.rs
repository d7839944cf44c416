//! Whether the process lives, and whether it takes stores.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use outrigger_journal::Health;
use serde_json::{Value, json};

use super::node::NodeAdmin;

/// 200 while the process is alive.
pub(crate) async fn health() -> Json<Value> {
    Json(json!({"alive": true}))
}

/// 200 while stores are accepted, even with all members down.
pub(crate) async fn ready(State(admin): State<NodeAdmin>) -> (StatusCode, Json<Value>) {
    if admin.is_draining() {
        return refused("the node is stopping");
    }
    match admin.journal.state().health {
        Health::Healthy => (StatusCode::OK, Json(json!({"ready": true}))),
        Health::Full => refused("the journal is full"),
        Health::Failed => refused("the journal's disk failed"),
    }
}

fn refused(why: &str) -> (StatusCode, Json<Value>) {
    (StatusCode::SERVICE_UNAVAILABLE, Json(json!({"ready": false, "error": why})))
}
