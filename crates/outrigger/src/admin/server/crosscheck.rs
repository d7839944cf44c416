//! How members compare with one another.

use outrigger_ledger::StatusFacts;
use outrigger_ledger::finding::FindingKind;
use serde_json::{Value, json};

use super::node::NodeAdmin;
use super::status::moment;

/// Differences among the reasons why the node is degraded: what a person reads at once.
const NAMED_MAX: usize = 20;

/// How cross-checking goes, and what it has found; null where members are not cross-checked.
pub(super) fn shown(admin: &NodeAdmin, facts: &StatusFacts) -> Value {
    let Some(progress) = admin.crosscheck.as_ref().map(|progress| *progress.borrow()) else {
        return Value::Null;
    };
    // As many as the ledger keeps open, which is bounded.
    let differences: Vec<&String> = facts.differences.iter().map(|(_, text)| text).collect();
    json!({
        "round": progress.round,
        "began_at": progress.began_at.map(moment),
        "ended_at": progress.ended_at.map(moment),
        "studies": progress.studies,
        "copies": progress.copies,
        "questions": progress.questions,
        "bytes": progress.bytes,
        "opened": progress.opened,
        "closed": progress.closed,
        "changed": progress.changed,
        "open": {
            "altered": count(facts, FindingKind::Altered),
            "forgotten": count(facts, FindingKind::Forgotten),
            "disagree": count(facts, FindingKind::Disagree),
        },
        "differences": differences,
    })
}

/// How many differences of a kind stand open.
pub(super) fn count(facts: &StatusFacts, kind: FindingKind) -> usize {
    facts.differences.iter().filter(|(of, _)| *of == kind).count()
}

/// Why differences degrade the node: an object that is lost or altered somewhere is one copy less. Answers that differ are not.
pub(super) fn reasons(facts: &StatusFacts) -> Vec<String> {
    let is_loss = |kind| matches!(kind, FindingKind::Altered | FindingKind::Forgotten);
    let lost: Vec<&String> =
        facts.differences.iter().filter(|(kind, _)| is_loss(*kind)).map(|(_, text)| text).collect();
    let mut reasons: Vec<String> =
        lost.iter().take(NAMED_MAX).map(|text| format!("cross-check: {text}")).collect();
    if lost.len() > NAMED_MAX {
        reasons.push(format!(
            "cross-check: {} more that are altered or forgotten; `outrigger status --json` lists them",
            lost.len() - NAMED_MAX
        ));
    }
    reasons
}
