//! Scrubs: asking for one, and how they go.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use outrigger_ledger::StatusFacts;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::time::timeout;

use super::Refusal;
use super::node::NodeAdmin;
use super::status::moment;
use crate::serve::{Ended, Seen};

/// Reasons of damage that `status` names; more make no one wiser.
const NAMED_MAX: usize = 20;
/// Who asks how a scrub goes is answered after this long at the latest.
pub(super) const ANSWERED_WITHIN: Duration = Duration::from_secs(1);

/// Which scrub is waited for.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    pub(super) number: Option<u64>,
}

/// Begins a scrub, or joins the one under way.
pub(crate) async fn begin(State(admin): State<NodeAdmin>) -> Result<Json<Value>, Refusal> {
    let number = admin.scrubber.ask().await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!({"number": number})))
}

/// How scrubs go; with a number the answer waits a second for the end of that one.
pub(crate) async fn progress(State(admin): State<NodeAdmin>, Query(asked): Query<Asked>) -> Json<Value> {
    let seen = match asked.number {
        Some(number) => timeout(ANSWERED_WITHIN, admin.scrubber.ended(number)).await.ok(),
        None => None,
    };
    Json(shown(&seen.unwrap_or_else(|| admin.scrubber.seen())))
}

/// How scrubs go, as JSON.
pub(super) fn shown(seen: &Seen) -> Value {
    let running = seen.running.as_ref().map(|running| {
        json!({
            "number": running.number,
            "began_at": moment(running.began_at),
            "bytes": running.bytes,
            "of_bytes": running.of_bytes,
        })
    });
    json!({"running": running, "last": seen.last.as_ref().map(ended)})
}

fn ended(last: &Ended) -> Value {
    json!({
        "number": last.number,
        "began_at": moment(last.began_at),
        "ended_at": moment(last.over_at),
        "bytes": last.bytes,
        "findings": last.findings,
        "more_findings": last.more,
        "failed": last.failed,
    })
}

/// Why damage degrades the node: what stands in the books, and what could not be noted there.
pub(super) fn reasons(facts: &StatusFacts, seen: &Seen) -> Vec<String> {
    let last = seen.last.as_ref();
    let noted = facts.damage.iter().map(|(_, text)| text);
    let mut all: Vec<&String> = noted.collect();
    for found in last.iter().flat_map(|last| &last.findings) {
        // Books that cannot be written keep no finding about themselves.
        if facts.trouble.is_some() && !all.contains(&found) {
            all.push(found);
        }
    }
    let mut reasons: Vec<String> = all.iter().take(NAMED_MAX).map(|text| format!("damage: {text}")).collect();
    if all.len() > NAMED_MAX {
        reasons.push(format!("{} more findings of damage; GET /api/v1/findings", all.len() - NAMED_MAX));
    }
    if let Some(failed) = last.and_then(|last| last.failed.as_ref()) {
        reasons.push(format!("the last scrub did not look at everything: {failed}"));
    }
    reasons
}
