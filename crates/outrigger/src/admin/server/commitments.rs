//! Requests for storage commitment at the front door, as `status` shows them.

use outrigger_ledger::Ledger;
use serde_json::{Value, json};

use super::status::moment;

/// How many wait and how many results are not told yet; null while the ledger cannot be asked.
pub(super) async fn shown(ledger: &Ledger) -> Value {
    match ledger.promise_facts().await {
        Ok(facts) => json!({
            "waiting": facts.waiting,
            "unreported": facts.unreported,
            "oldest": facts.oldest.map(moment),
        }),
        Err(error) => {
            tracing::warn!(%error, "requests for storage commitment could not be counted");
            Value::Null
        }
    }
}
