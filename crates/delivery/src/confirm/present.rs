//! Presence: which of the accepted objects an IMAGE-level query shows, a series at a time.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_ledger::{Attempt, Due, Report, ReportOutcome};
use outrigger_member::Found;
use outrigger_model::{ConfirmLevel, SeriesUid, SopInstanceUid, StudyUid, SuspenseReason, WallTime};

use crate::plan;
use crate::send::chain;

/// The accepted objects of one series.
pub type Series = ((StudyUid, SeriesUid), Vec<Due>);

/// Sorts postings by series; instances outside studies cannot be asked for and come apart.
pub fn by_series(waiting: Vec<Due>) -> (Vec<Series>, Vec<Due>) {
    let mut series: BTreeMap<(StudyUid, SeriesUid), Vec<Due>> = BTreeMap::new();
    let mut outside = Vec::new();
    for due in waiting {
        match (due.header.study.clone(), due.header.series.clone()) {
            (Some(study), Some(number)) => series.entry((study, number)).or_default().push(due),
            _ => outside.push(due),
        }
    }
    (series.into_iter().collect(), outside)
}

/// What a query says of the postings of a series: shown ones are present; the others were accepted and lost, and are stored
/// again, or, where that happened before, need a person.
pub fn judge(postings: &[Due], found: &Found, at: WallTime, route: &str, jitter: u8) -> Vec<Report> {
    let shown: BTreeSet<&SopInstanceUid> = found.instances.iter().collect();
    let report = |due: &Due| {
        if shown.contains(&due.header.sop_instance) {
            return Report {
                posting: due.posting,
                attempt: None,
                outcome: ReportOutcome::Reached(ConfirmLevel::Present),
            };
        }
        lost(due, at, route, jitter)
    };
    postings.iter().map(report).collect()
}

/// The report on an object that a member accepted and does not show.
pub fn lost(due: &Due, at: WallTime, route: &str, jitter: u8) -> Report {
    let text = "accepted, and not shown by a query afterwards".to_owned();
    // How often its study was stored again before, the ledger knows.
    let outcome = match plan::after_loss(due.healed.saturating_add(1), at, jitter) {
        plan::Next::RetryAt(at) => ReportOutcome::SendAgain { at },
        _ => ReportOutcome::Suspend(SuspenseReason::Lost),
    };
    let attempt = Attempt { at, route: route.to_owned(), status: None, text };
    Report { posting: due.posting, attempt: Some(attempt), outcome }
}

/// The report on a question that could not be asked: the posting stays at its level and is asked about again later.
pub fn unasked(
    due: &Due,
    at: WallTime,
    again: WallTime,
    route: &str,
    error: &dyn std::error::Error,
) -> Report {
    let attempt = Attempt { at, route: route.to_owned(), status: None, text: chain(error) };
    Report { posting: due.posting, attempt: Some(attempt), outcome: ReportOutcome::RetryAt { at: again } }
}
