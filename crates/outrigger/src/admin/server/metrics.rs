//! Metrics in the Prometheus text format.

use std::sync::OnceLock;

use axum::extract::State;
use axum::http::StatusCode;
use metrics::gauge;
use metrics_exporter_prometheus::{BuildError, PrometheusBuilder, PrometheusHandle};

use outrigger_journal::{CopyStanding, JournalState};
use outrigger_ledger::StatusFacts;
use outrigger_ledger::finding::FindingKind;
use outrigger_model::WallTime;

use super::crosscheck;
use super::node::NodeAdmin;
use super::queries;
use super::status::{STATES, standing, state_word};
use crate::process::Failure;

static RECORDER: OnceLock<PrometheusHandle> = OnceLock::new();

/// Begins to record metrics in this process.
pub(crate) fn install() -> Result<(), Failure> {
    let failed = |error: BuildError| Failure::of("metrics cannot be recorded", error);
    let handle = PrometheusBuilder::new().install_recorder().map_err(failed)?;
    RECORDER.get_or_init(|| handle);
    Ok(())
}

/// Everything recorded so far.
pub(crate) async fn metrics() -> (StatusCode, String) {
    match RECORDER.get() {
        Some(recorder) => (StatusCode::OK, recorder.render()),
        None => (StatusCode::SERVICE_UNAVAILABLE, String::new()),
    }
}

/// Everything recorded so far, with the members and the journal as they are now.
pub(crate) async fn of_node(State(admin): State<NodeAdmin>) -> (StatusCode, String) {
    match admin.ledger.status().await {
        Ok(facts) => {
            gauge!("outrigger_ledger_up").set(f64::from(u8::from(facts.trouble.is_none())));
            members(&admin, &facts);
            for (kind, word) in [
                (FindingKind::Altered, "altered"),
                (FindingKind::Forgotten, "forgotten"),
                (FindingKind::Disagree, "disagree"),
            ] {
                let open = crosscheck::count(&facts, kind) as u64;
                gauge!("outrigger_crosscheck_differences", "kind" => word).set(figure(open));
            }
        }
        Err(error) => {
            tracing::warn!(%error, "the members could not be measured");
            gauge!("outrigger_ledger_up").set(0.0);
        }
    }
    match admin.ledger.promise_facts().await {
        Ok(facts) => {
            gauge!("outrigger_commitments_waiting").set(figure(facts.waiting));
            gauge!("outrigger_commitments_unreported").set(figure(facts.unreported));
            let now = WallTime(admin.clock.wall_us());
            let oldest = facts.oldest.map_or(0.0, |oldest| now.since(oldest).as_secs_f64());
            gauge!("outrigger_commitments_oldest_seconds").set(oldest);
        }
        Err(error) => tracing::warn!(%error, "requests for storage commitment could not be counted"),
    }
    let journal = admin.journal.state();
    let in_use =
        state_count(&journal, |standing| matches!(standing, CopyStanding::Healthy | CopyStanding::Full));
    gauge!("outrigger_journal_copies").set(figure(journal.copies.len() as u64));
    gauge!("outrigger_journal_copies_in_use").set(figure(in_use));
    gauge!("outrigger_journal_bytes").set(figure(journal.bytes));
    gauge!("outrigger_journal_capacity_bytes").set(figure(journal.capacity));
    metrics().await
}

/// How many copies of the journal stand so.
fn state_count(journal: &JournalState, stands: impl Fn(&CopyStanding) -> bool) -> u64 {
    journal.copies.iter().filter(|copy| stands(&copy.standing)).count() as u64
}

/// What is known of each member; while the books cannot be read, what they know is not a number.
fn members(admin: &NodeAdmin, facts: &StatusFacts) {
    let now = WallTime(admin.clock.wall_us());
    for (number, setup) in admin.members.iter() {
        let name = setup.name.as_str();
        let known = facts.members.iter().find(|member| member.number == *number);
        let unknown = if facts.trouble.is_some() { f64::NAN } else { 0.0 };
        let set = |metric: &'static str, value: Option<f64>| {
            gauge!(metric, "member" => name.to_owned()).set(value.unwrap_or(unknown));
        };
        set("outrigger_member_owed", known.map(|member| figure(member.owed)));
        set("outrigger_member_suspense", known.map(|member| figure(member.suspense)));
        let age = |member: &outrigger_ledger::MemberFacts| {
            member.oldest_owed.map_or(0.0, |oldest| now.since(oldest).as_secs_f64())
        };
        set("outrigger_member_oldest_owed_seconds", known.map(age));
        let answering = queries::standing(&admin.reader, *number).answering;
        let gives_nothing = admin.reader.gives_nothing_since(*number);
        let state = state_word(facts, known, (standing(admin, *number).0, answering, gives_nothing));
        for word in STATES {
            let is_it = f64::from(u8::from(word == state));
            gauge!("outrigger_member_state", "member" => name.to_owned(), "state" => word).set(is_it);
        }
    }
}

/// A count as metrics have it.
#[allow(clippy::cast_precision_loss, reason = "metrics are floating-point numbers, exact up to 2^53")]
fn figure(count: u64) -> f64 {
    count as f64
}
