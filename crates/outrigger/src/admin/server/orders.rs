//! Orders that concern studies and the configuration.

use axum::Json;
use axum::extract::State;
use outrigger_ledger::{Resend, Why};
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
        Some(name) => Some(admin.number(name).ok_or_else(|| Refusal::no_member(name))?),
        None => None,
    };
    let what = match (order.study, order.since_us) {
        (Some(study), None) => Resend::Study(known(&admin, &study).await?),
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
    let study = known(&admin, &order.study).await?;
    let count = admin.ledger.expedite(study).await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!({"count": count})))
}

/// Reads the configuration again.
pub(crate) async fn reload(State(admin): State<NodeAdmin>) -> Json<Value> {
    Json(read_again::reload(&admin))
}

/// A study of which something was accepted.
async fn known(admin: &NodeAdmin, text: &str) -> Result<StudyUid, Refusal> {
    let study = StudyUid::new(text)
        .map_err(|error| Refusal::bad(format!("`{text}` is no Study Instance UID: {error}")))?;
    let found =
        admin.ledger.why(Why::Uid(text.to_owned())).await.map_err(|error| Refusal::not_now(&error))?;
    if found.studies.iter().any(|found| found.study_uid == study.as_str()) {
        return Ok(study);
    }
    Err(Refusal::nothing(format!(
        "nothing of the study `{text}` was accepted; a Study Instance UID is expected, as `outrigger why` shows it"
    )))
}
