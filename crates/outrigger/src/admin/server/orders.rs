//! Orders that concern studies and the configuration.

use axum::Json;
use axum::extract::State;
use outrigger_ledger::Resend;
use outrigger_model::{StudyUid, WallTime};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refusal;
use super::node::NodeAdmin;
use crate::serve::reload as read_again;

/// What is posted again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ResendOrder {
    study: Option<String>,
    since_us: Option<i64>,
    to: Option<String>,
}

/// The study that goes first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ExpediteOrder {
    study: String,
}

/// Posts a study, or everything since a time, again.
pub(crate) async fn resend(
    State(admin): State<NodeAdmin>,
    Json(order): Json<ResendOrder>,
) -> Result<Json<Value>, Refusal> {
    let to = match &order.to {
        Some(name) => {
            Some(admin.number(name).ok_or_else(|| Refusal::bad(format!("there is no member `{name}`")))?)
        }
        None => None,
    };
    let what = match (order.study, order.since_us) {
        (Some(study), None) => Resend::Study(study_uid(&study)?),
        (None, Some(since)) => Resend::Since(WallTime(since)),
        _ => return Err(Refusal::bad("either study or since_us is expected")),
    };
    let count = admin.ledger.resend(what, to).await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!({"count": count})))
}

/// Puts a study before everything.
pub(crate) async fn expedite(
    State(admin): State<NodeAdmin>,
    Json(order): Json<ExpediteOrder>,
) -> Result<Json<Value>, Refusal> {
    let study = study_uid(&order.study)?;
    let count = admin.ledger.expedite(study).await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!({"count": count})))
}

/// Reads the configuration again.
pub(crate) async fn reload(State(admin): State<NodeAdmin>) -> Json<Value> {
    Json(read_again::reload(&admin))
}

fn study_uid(text: &str) -> Result<StudyUid, Refusal> {
    StudyUid::new(text).map_err(|error| Refusal::bad(format!("`{text}` is no Study Instance UID: {error}")))
}
