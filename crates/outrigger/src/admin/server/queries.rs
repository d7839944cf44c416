//! Who answered queries.

use axum::Json;
use axum::extract::State;
use outrigger_member::breaker::Breaker;
use outrigger_model::{Level, MemberNumber, QueryRoot, WallTime};
use outrigger_query::{Answering, Reader, Reply};
use serde_json::{Value, json};

use super::node::NodeAdmin;
use super::status::moment;

/// The last queries, the newest first; no patient is named.
pub(crate) async fn lately(State(admin): State<NodeAdmin>) -> Json<Value> {
    let queries: Vec<Value> = admin.reader.lately().iter().map(shown).collect();
    Json(json!({"queries": queries}))
}

/// How a member stands as one that answers queries.
pub(super) struct Standing {
    pub(super) shown: Value,
    pub(super) answering: Answers,
}

/// Whether a member answers queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Answers {
    /// As far as is known.
    Yes,
    /// It is left alone since then.
    NotSince(Option<WallTime>),
}

/// Whether a member is asked.
pub(super) fn standing(reader: &Reader, member: MemberNumber) -> Standing {
    match reader.standing(member) {
        None => Standing { shown: Value::Null, answering: Answers::Yes },
        Some(Breaker::Closed { failures }) => {
            Standing { shown: json!({"state": "asked", "failures": failures}), answering: Answers::Yes }
        }
        Some(Breaker::Open { failures, .. } | Breaker::Probing { failures }) => {
            let since = reader.left_alone_since(member);
            Standing {
                shown: json!({"state": "left alone", "failures": failures, "since": since.map(moment)}),
                answering: Answers::NotSince(since),
            }
        }
    }
}

fn shown(answering: &Answering) -> Value {
    json!({
        "at": moment(answering.at),
        "model": match answering.root {
            QueryRoot::Patient => "patient",
            QueryRoot::Study => "study",
        },
        "level": match answering.level {
            Level::Patient => "patient",
            Level::Study => "study",
            Level::Series => "series",
            Level::Image => "image",
        },
        "answers": answering.answers,
        "catalogue": answering.catalogue,
        "left_out": answering.left_out,
        "took_ms": millis(answering.took),
        "members": answering.members.iter().map(reply).collect::<Vec<_>>(),
        "incomplete": answering.shortfall.as_ref().map(ToString::to_string),
    })
}

fn reply(reply: &Reply) -> Value {
    json!({
        "member": reply.member,
        "matches": reply.matches,
        "took_ms": millis(reply.took),
        "not_whole": reply.not_whole,
    })
}

fn millis(took: std::time::Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
