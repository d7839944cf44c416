//! Where each object is.

use axum::Json;
use axum::extract::{Query, State};
use outrigger_ledger::Why;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refusal;
use super::node::NodeAdmin;

/// What is asked for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    uid: Option<String>,
    accession: Option<String>,
    issuer: Option<String>,
}

/// Where each object of it is, and what was tried.
pub(crate) async fn why(
    State(admin): State<NodeAdmin>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    let question = match (asked.uid, asked.accession) {
        (Some(uid), None) => Why::Uid(uid),
        (None, Some(accession)) => Why::Accession { accession, issuer: asked.issuer },
        _ => return Err(Refusal::bad("either uid or accession is expected")),
    };
    let answer = admin.ledger.why(question).await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!(answer)))
}
