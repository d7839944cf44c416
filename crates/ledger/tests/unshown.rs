//! What was closed by a member's word alone is asked for later, and what it showed then is known after a rebuild too.

use std::time::Duration;

use outrigger_ledger::{Ledger, Passed, ReleaseMode, ReportOutcome};
use outrigger_model::{ConfirmLevel, Seq};

use crate::kit::{A, Kind, Place, Rig, dump, member};

use ConfirmLevel::{Accepted, Present, Verified};

/// What could be asked for now, from the beginning; it is given back.
async fn unshown(rig: &Rig) -> Vec<Seq> {
    let found = rig.ledger.unshown(A, Passed::NOTHING, 9).await.unwrap();
    rig.ledger.give_back(&found.postings).await.unwrap();
    found.postings.iter().map(|due| due.posting.entry).collect()
}

async fn reached(rig: &Rig, entry: Seq, level: ConfirmLevel) {
    rig.report(entry, A, ReportOutcome::Reached(level)).await;
}

#[tokio::test(start_paused = true)]
async fn it_is_asked_for_after_it_settled_and_behind_what_is_owed() {
    for kind in Kind::BOTH {
        let rig = Rig::with(kind, vec![member("a", Accepted)]).await;
        let (one, two) = (rig.enter(1, 1, 1).await, rig.enter(2, 1, 1).await);
        let later_version = rig.enter(1, 1, 2).await;
        for entry in [one, two, later_version] {
            reached(&rig, entry, Accepted).await;
        }
        tokio::time::advance(Duration::from_secs(59)).await;
        assert_eq!(unshown(&rig).await, [], "it settles");
        tokio::time::advance(Duration::from_secs(1)).await;
        assert_eq!(unshown(&rig).await, [one, two], "a query does not tell versions apart");

        let owed = rig.enter(3, 2, 1).await;
        assert_eq!(unshown(&rig).await, [], "something else is owed");
        reached(&rig, owed, Accepted).await;
        assert_eq!(unshown(&rig).await, [one, two]);

        let page = rig.ledger.unshown(A, Passed::NOTHING, 1).await.unwrap();
        assert_eq!(page.postings.len(), 1);
        reached(&rig, one, Present).await;
        let next = rig.ledger.unshown(A, page.passed, 1).await.unwrap();
        assert_eq!(next.postings[0].posting.entry, two);
        assert_eq!(unshown(&rig).await, [], "somebody works on it");
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_shown_then_lets_the_bytes_go_and_survives_a_rebuild() {
    for kind in Kind::BOTH {
        let mut members = vec![member("a", Accepted)];
        members[0].release = Present;
        let rig = Rig::with(kind, members).await;
        let (read_back, shown) = (rig.enter(1, 1, 1).await, rig.enter(2, 1, 1).await);
        reached(&rig, read_back, Accepted).await;
        reached(&rig, read_back, Verified).await;
        reached(&rig, shown, Accepted).await;
        tokio::time::advance(Duration::from_secs(60)).await;
        assert_eq!(unshown(&rig).await, [shown]);
        reached(&rig, shown, Present).await;
        assert_eq!(unshown(&rig).await, []);
        let free = rig.ledger.release_candidates(9, Duration::ZERO, ReleaseMode::Normal).await.unwrap();
        assert_eq!(free, [read_back], "the other one was given back by nobody");

        let original = rig.dump().await;
        let mut store = Place::new(kind).open();
        Ledger::rebuild(&rig.journal.reader(), &mut *store).unwrap();
        assert_eq!(dump(&*store), original, "{kind:?}");
    }
}
