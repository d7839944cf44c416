//! The trial balance.

use axum::Json;
use axum::extract::{Query, State};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refusal;
use super::node::NodeAdmin;
use outrigger_ledger::BalanceBy;

/// How it is broken down.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    #[serde(default)]
    by: Option<String>,
}

/// The trial balance, and what waits for its settling time; by day or study also `rows`.
pub(crate) async fn balance(
    State(admin): State<NodeAdmin>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    let balance = admin.ledger.balance().await.map_err(|error| Refusal::not_now(&error))?;
    let by = match asked.by.as_deref() {
        None | Some("member") => None,
        Some("day") => Some(BalanceBy::Day),
        Some("study") => Some(BalanceBy::Study),
        Some(other) => return Err(Refusal::bad(format!("by={other}: member, day or study is expected"))),
    };
    let settling = admin.ledger.settling().await.map_err(|error| Refusal::not_now(&error))?;
    let mut answer = json!({"balanced": balance.balanced, "members": balance.members, "settling": settling});
    if let (Some(by), Some(fields)) = (by, answer.as_object_mut()) {
        let rows = admin.ledger.balance_by(by).await.map_err(|error| Refusal::not_now(&error))?;
        fields.insert("rows".to_owned(), json!(rows));
    }
    Ok(Json(answer))
}
