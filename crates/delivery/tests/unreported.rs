//! A member that takes requests for storage commitment and does not report on them.

use std::time::Duration;

use outrigger_delivery::confirm::ability::LEARN_AGAIN;
use outrigger_delivery::confirm::silence::REPORT_WAIT;
use outrigger_ledger::finding::FindingKind;
use outrigger_member::Ability;
use outrigger_model::ConfirmLevel;

use crate::member::Reports;
use crate::rig::Rig;

use ConfirmLevel::{Committed, Present};

/// A little more than so many waits for a report take.
fn waits(count: u32) -> Duration {
    (REPORT_WAIT + Duration::from_secs(2)) * count
}

async fn mute() -> Rig {
    let rig = Rig::new(Committed).await;
    rig.member.can(&[Ability::Query, Ability::Commit]);
    rig.member.reports(Reports::Later);
    rig
}

async fn state(rig: &Rig, uid: &str) -> (String, Option<ConfirmLevel>) {
    let member = rig.stands(uid).await;
    (member.state, member.level)
}

async fn findings(rig: &Rig) -> Vec<String> {
    let findings = rig.ledger.findings().await.unwrap().into_iter();
    let about_commitment = |text: &String| text.contains("storage commitment:");
    findings
        .filter(|finding| finding.kind == FindingKind::CannotConfirm)
        .map(|finding| finding.text)
        .filter(about_commitment)
        .collect()
}

fn closed(level: ConfirmLevel) -> (String, Option<ConfirmLevel>) {
    ("confirmed".to_owned(), Some(level))
}

#[tokio::test(start_paused = true)]
async fn a_member_that_never_reports_is_asked_by_query_after_an_hour_and_by_a_request_an_hour_thereafter() {
    let rig = mute().await;
    let first = rig.accepts(1).await;
    tokio::time::sleep(waits(5)).await;
    assert_eq!((state(&rig, &first).await.0, findings(&rig).await), ("pending".to_owned(), vec![]));
    tokio::time::sleep(waits(1)).await;
    assert_eq!(state(&rig, &first).await, closed(Present));
    let found = findings(&rig).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("6 requests in a row and sent no N-EVENT-REPORT"), "{found:?}");
    assert!(found[0].contains("by a query instead, as present"), "{found:?}");
    assert_eq!(rig.member.asked().commitments, 6);
    assert_eq!(rig.closes(2).await, Present, "at once");

    // A negotiation shows nothing new; a request does, and one is enough.
    tokio::time::sleep(LEARN_AGAIN).await;
    assert_eq!((findings(&rig).await.len(), rig.member.asked().commitments), (1, 6));
    let third = rig.accepts(3).await;
    tokio::time::sleep(waits(1)).await;
    assert_eq!(state(&rig, &third).await, closed(Present));
    assert_eq!((findings(&rig).await.len(), rig.member.asked().commitments), (1, 7));
}

#[tokio::test(start_paused = true)]
async fn a_report_closes_the_finding_however_late_it_comes() {
    let rig = mute().await;
    rig.accepts(1).await;
    tokio::time::sleep(waits(6)).await;
    assert_eq!(findings(&rig).await.len(), 1);
    rig.reported(rig.member.unreported().remove(0)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(findings(&rig).await, [""; 0]);
    assert!(!rig.unable().await.contains(&Committed));
    rig.member.reports(Reports::AtOnce);
    assert_eq!(rig.closes(2).await, Committed);
}

#[tokio::test(start_paused = true)]
async fn a_report_on_a_request_that_was_made_anew_since_confirms() {
    let rig = mute().await;
    let first = rig.accepts(1).await;
    tokio::time::sleep(waits(3)).await;
    assert_eq!(rig.member.asked().commitments, 4);
    assert_eq!(state(&rig, &first).await.0, "pending");
    rig.reported(rig.member.unreported().remove(0)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(state(&rig, &first).await, closed(Committed));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_has_reported_before_is_waited_for_longer() {
    let rig = mute().await;
    let first = rig.accepts(1).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    rig.reported(rig.member.unreported().remove(0)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(state(&rig, &first).await, closed(Committed));
    let second = rig.accepts(2).await;
    tokio::time::sleep(waits(7)).await;
    assert_eq!((state(&rig, &second).await.0, findings(&rig).await), ("pending".to_owned(), vec![]));
}

#[tokio::test(start_paused = true)]
async fn a_report_that_names_an_object_as_committed_and_as_failed_confirms_only_the_others() {
    let rig = mute().await;
    let (both, good) = (rig.accepts(1).await, rig.accepts(2).await);
    tokio::time::sleep(Duration::from_secs(2)).await;
    for mut report in rig.member.unreported() {
        let of_both = report.committed.iter().filter(|instance| instance.as_str() == both).cloned();
        report.failed = of_both.map(|instance| (instance, 0x0112)).collect();
        rig.reported(report).await;
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(state(&rig, &good).await, closed(Committed));
    let (open, level) = state(&rig, &both).await;
    assert!(open != "confirmed" && level.is_none_or(|level| level < Committed), "{open} {level:?}");
    let told = format!("{:?}", rig.stands(&both).await);
    assert!(told.contains("storage commitment failed: 0112"), "{told}");
}
