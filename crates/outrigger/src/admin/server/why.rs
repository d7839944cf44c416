//! Where each object is.

use axum::Json;
use axum::extract::{Query, State};
use outrigger_delivery::Standing;
use outrigger_ledger::Why;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refusal;
use super::node::NodeAdmin;
use crate::moment::rfc3339;

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
    let mut answer = json!(answer);
    let members = each(&mut answer, "studies").flat_map(|study| each(study, "instances"));
    for member in members.flat_map(|instance| each(instance, "members")) {
        note_unreached(&admin, member);
    }
    Ok(Json(answer))
}

fn each<'v>(value: &'v mut Value, key: &str) -> impl Iterator<Item = &'v mut Value> {
    value.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten()
}

/// Adds to a posting that waits why its member is not reached, where it is not: most of those that wait were not tried themselves.
fn note_unreached(admin: &NodeAdmin, member: &mut Value) {
    if member.get("state").and_then(Value::as_str) != Some("pending") {
        return;
    }
    let number = member.get("name").and_then(Value::as_str).and_then(|name| admin.number(name));
    let standing = number.and_then(|number| admin.delivery.standing(number)).map(Standing::state);
    if let (Some((_, Some(since), Some(text))), Some(fields)) = (standing, member.as_object_mut()) {
        fields.insert("unreached".to_owned(), json!({"since": rfc3339(since.0), "text": text}));
    }
}
