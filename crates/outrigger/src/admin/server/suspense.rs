//! The list that a person works.

use axum::Json;
use axum::extract::{Query, State};
use outrigger_ledger::posting::{PostingKeyError, reason_of_code};
use outrigger_ledger::{PostingKey, SuspenseFilter};
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refusal;
use super::node::NodeAdmin;

/// Which of the list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    member: Option<String>,
    reason: Option<String>,
}

/// Which one.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct One {
    id: String,
}

/// Which are tried again.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RetryOrder {
    #[serde(default)]
    ids: Vec<String>,
    member: Option<String>,
    reason: Option<String>,
}

/// Which are given up, by whom, why.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WriteOffOrder {
    #[serde(default)]
    ids: Vec<String>,
    member: Option<String>,
    reason_code: Option<String>,
    by: String,
    reason: String,
}

/// What a person must look at.
pub(crate) async fn list(
    State(admin): State<NodeAdmin>,
    Query(asked): Query<Asked>,
) -> Result<Json<Value>, Refusal> {
    let filter = filter(&admin, &[], asked.member.as_deref(), asked.reason.as_deref())?;
    let items = admin.ledger.suspense(filter).await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!({"items": items})))
}

/// One posting that stands in suspense, or was written off.
pub(crate) async fn show(
    State(admin): State<NodeAdmin>,
    Query(One { id }): Query<One>,
) -> Result<Json<Value>, Refusal> {
    let key: PostingKey = id.parse().map_err(|error: PostingKeyError| Refusal::bad(error.to_string()))?;
    let item = admin.ledger.suspense_of(key).await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!({"item": item})))
}

/// Objects refused at the front door.
pub(crate) async fn refused(State(admin): State<NodeAdmin>) -> Result<Json<Value>, Refusal> {
    let items = admin.ledger.refusals().await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!({"items": items})))
}

/// Facts the system noticed and nobody closed.
pub(crate) async fn findings(State(admin): State<NodeAdmin>) -> Result<Json<Value>, Refusal> {
    let items = admin.ledger.findings().await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!({"items": items})))
}

/// Tries again.
pub(crate) async fn retry(
    State(admin): State<NodeAdmin>,
    Json(order): Json<RetryOrder>,
) -> Result<Json<Value>, Refusal> {
    let filter = named(&admin, &order.ids, order.member.as_deref(), order.reason.as_deref())?;
    let count = admin.ledger.retry(filter).await.map_err(|error| Refusal::not_now(&error))?;
    counted(count, &order.ids)
}

/// Gives up.
pub(crate) async fn write_off(
    State(admin): State<NodeAdmin>,
    Json(order): Json<WriteOffOrder>,
) -> Result<Json<Value>, Refusal> {
    if order.by.trim().is_empty() || order.reason.trim().is_empty() {
        return Err(Refusal::bad("a write-off needs a name and a reason"));
    }
    let filter = named(&admin, &order.ids, order.member.as_deref(), order.reason_code.as_deref())?;
    let count = admin.ledger.write_off(filter, order.by, order.reason).await;
    counted(count.map_err(|error| Refusal::not_now(&error))?, &order.ids)
}

/// The number of postings concerned; an order that names some and concerns none was not carried out.
fn counted(count: usize, ids: &[String]) -> Result<Json<Value>, Refusal> {
    if count == 0 && !ids.is_empty() {
        let ids = ids.join("`, `");
        let error = format!("`{ids}` is not in suspense; `outrigger suspense list` shows what is");
        return Err(Refusal::nothing(error));
    }
    Ok(Json(json!({"count": count})))
}

/// As [`filter`], but an order must name what it concerns.
fn named(
    admin: &NodeAdmin,
    ids: &[String],
    member: Option<&str>,
    reason: Option<&str>,
) -> Result<SuspenseFilter, Refusal> {
    if ids.is_empty() && member.is_none() {
        return Err(Refusal::bad("either ids or a member is expected"));
    }
    filter(admin, ids, member, reason)
}

fn filter(
    admin: &NodeAdmin,
    ids: &[String],
    member: Option<&str>,
    reason: Option<&str>,
) -> Result<SuspenseFilter, Refusal> {
    let known = |name: &str| admin.number(name).ok_or_else(|| Refusal::no_member(name));
    let meant = |code: &str| {
        reason_of_code(code).ok_or_else(|| {
            Refusal::bad(format!(
                "`{code}` is no reason for suspense; `outrigger suspense list` shows those there are"
            ))
        })
    };
    if ids.is_empty() {
        return Ok(SuspenseFilter::Of {
            member: member.map(known).transpose()?,
            reason: reason.map(meant).transpose()?,
        });
    }
    let keys: Result<Vec<PostingKey>, _> = ids.iter().map(|id| id.parse()).collect();
    keys.map(SuspenseFilter::Postings).map_err(|error| Refusal::bad(error.to_string()))
}
