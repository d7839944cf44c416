//! Requests for storage commitment: when they are decided and how, what survives, and whose bytes stay for them.

use std::time::Duration;

use outrigger_journal::Seq as JournalSeq;
use outrigger_ledger::promise::{Copies, GROUPS_MAX, INSTANCES_MAX, PromiseHead, reason};
use outrigger_ledger::store::read;
use outrigger_ledger::{
    Asked, CommitPolicy, Compared, LedgerStore, PromiseError, PromiseFacts, Promised, REPORT_AGAIN_MAX,
    ReleaseMode, ReportEnd, ReportOutcome,
};
use outrigger_model::{
    AeTitle, ConfirmLevel, InstanceHeader, MemberNumber, MemberSet, Requestor, Seq, SopClassUid,
    SopInstanceUid, Tag, TransactionUid, WallTime, WebClient,
};

use crate::inventory::seen;
use crate::kit::{A, B, Kind, Place, Rig, START_US, member};

mod room;

const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const MR: &str = "1.2.840.10008.5.1.4.1.1.4";
const HOUR: Duration = Duration::from_secs(3600);
const WAIT: Duration = Duration::from_secs(24 * 3600);
const ALL_BUT_A_SECOND: Duration = Duration::from_secs(24 * 3600 - 1);
const JOURNAL_AND_ONE: CommitPolicy = CommitPolicy::Journal { members: 1 };

fn transaction(number: u32) -> TransactionUid {
    TransactionUid::new(&format!("1.2.9.{number}")).unwrap()
}

/// A request for instances of study 1.
fn asked(number: u32, instances: &[(&str, u32)]) -> Asked {
    asked_by(Requestor::Ae(AeTitle::known("CT1")), number, instances)
}

fn asked_by(requestor: Requestor, number: u32, instances: &[(&str, u32)]) -> Asked {
    let uid = |instance| SopInstanceUid::new(&format!("1.2.1.1.{instance}")).unwrap();
    let pairs = instances.iter().map(|(class, instance)| (SopClassUid::new(class).unwrap(), uid(*instance)));
    Asked::new(transaction(number), (requestor, AeTitle::known("OUTRIGGER")), pairs)
}

async fn settle(rig: &Rig, policy: CommitPolicy) -> Option<Duration> {
    rig.ledger.settle_promises(policy, WAIT).await.unwrap()
}

/// What the result of a request is: reasons by instance; `None` while it is open.
async fn result(rig: &Rig, number: u32) -> Option<Vec<(String, u16)>> {
    let promise = rig.ledger.open_promise(&transaction(number)).await.unwrap().unwrap();
    promise.head.decided_at?;
    let asked = promise.asked.each().count();
    let failed: Vec<_> = promise.failed().map(|((_, of), why)| (of.to_string(), why)).collect();
    assert_eq!(promise.committed().count() + failed.len(), asked, "together they are what was asked");
    Some(failed)
}

async fn due(rig: &Rig) -> Vec<TransactionUid> {
    let (due, _) = rig.ledger.promises_due().await.unwrap();
    due.into_iter().map(|head| head.transaction).collect()
}

async fn reached(rig: &Rig, entry: Seq, member: MemberNumber, level: ConfirmLevel) {
    rig.report(entry, member, ReportOutcome::Reached(level)).await;
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_an_object_that_comes_later_and_for_its_members() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let first = rig.enter(1, 1, 1).await;
        let request = asked(1, &[(CT, 1), (CT, 2)]);
        assert_eq!(rig.ledger.promise(request).await.unwrap(), Promised::Taken);
        reached(&rig, first, B, ConfirmLevel::Verified).await;
        tokio::time::advance(HOUR).await;
        assert_eq!(settle(&rig, JOURNAL_AND_ONE).await, Some(HOUR * 23));
        assert_eq!(result(&rig, 1).await, None, "the second is not here yet");
        let second = rig.enter(2, 1, 1).await;
        settle(&rig, JOURNAL_AND_ONE).await;
        assert_eq!(result(&rig, 1).await, None, "no member has given it back");
        reached(&rig, second, A, ConfirmLevel::Verified).await;
        assert_eq!(settle(&rig, JOURNAL_AND_ONE).await, None);
        assert_eq!(result(&rig, 1).await, Some(Vec::new()));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_stored_right_before_a_request_is_seen_by_it() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        rig.accept(1, 1, 1).await;
        rig.ledger.promise(asked(1, &[(CT, 1)])).await.unwrap();
        settle(&rig, CommitPolicy::Journal { members: 0 }).await;
        assert_eq!(result(&rig, 1).await, Some(Vec::new()), "the journal alone is asked for");
    }
}

#[tokio::test(start_paused = true)]
async fn each_policy_asks_for_what_it_says() {
    use ConfirmLevel::{Accepted, Committed, Present, Verified};
    let two = CommitPolicy::Members { members: 2 };
    // a must only accept, and be seen to have it; b must commit.
    for (at_a, at_b, all, journal, members) in [
        (None, None, false, false, false),
        (Some(Accepted), Some(Committed), false, false, false),
        (Some(Present), Some(Committed), false, false, false),
        (Some(Present), Some(Verified), true, true, false),
        (Some(Committed), Some(Committed), true, false, true),
        (None, Some(Verified), false, true, false),
        (Some(Verified), None, false, true, false),
        (Some(Verified), Some(Committed), true, true, true),
    ] {
        for (number, policy, expected) in
            [(1, CommitPolicy::All, all), (2, JOURNAL_AND_ONE, journal), (3, two, members)]
        {
            let mut policies = vec![member("a", Accepted), member("b", Committed)];
            policies[0].release = Present;
            let rig = Rig::with(Kind::Memory, policies).await;
            let entry = rig.enter(1, 1, 1).await;
            rig.ledger.promise(asked(number, &[(CT, 1)])).await.unwrap();
            for (member, level) in [(A, at_a), (B, at_b)] {
                if let Some(level) = level {
                    reached(&rig, entry, member, level).await;
                }
            }
            settle(&rig, policy).await;
            let is_decided = result(&rig, number).await.is_some();
            assert_eq!(is_decided, expected, "{policy:?} with {at_a:?} at a and {at_b:?} at b");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_not_met_in_time_fails_by_its_reason() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let safe = rig.enter(1, 1, 1).await;
        reached(&rig, safe, B, ConfirmLevel::Verified).await;
        rig.enter(2, 1, 1).await;
        let request = asked(1, &[(CT, 1), (CT, 2), (CT, 3), (MR, 1)]);
        rig.ledger.promise(request).await.unwrap();
        rig.ledger.promise(asked(2, &[(MR, 1), (CT, 1)])).await.unwrap();
        settle(&rig, JOURNAL_AND_ONE).await;
        assert_eq!(result(&rig, 1).await, None);
        let conflict = ("1.2.1.1.1".to_owned(), reason::CLASS_CONFLICT);
        assert_eq!(result(&rig, 2).await, Some(vec![conflict.clone()]), "nothing of it is waited for");
        tokio::time::advance(ALL_BUT_A_SECOND).await;
        assert_eq!(settle(&rig, JOURNAL_AND_ONE).await, Some(Duration::from_secs(1)));
        assert_eq!(result(&rig, 1).await, None);
        tokio::time::advance(Duration::from_secs(1)).await;
        settle(&rig, JOURNAL_AND_ONE).await;
        let failed = vec![
            ("1.2.1.1.2".to_owned(), reason::PROCESSING_FAILURE),
            ("1.2.1.1.3".to_owned(), reason::NO_SUCH_INSTANCE),
            conflict,
        ];
        assert_eq!(result(&rig, 1).await, Some(failed));
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_contents_under_one_uid_none_is_promised_and_of_two_encodings_both() {
    for (compared, expected) in
        [(Compared::OtherContent, Some(reason::PROCESSING_FAILURE)), (Compared::ReEncoded, None)]
    {
        let rig = Rig::new(Kind::Sqlite).await;
        let mut later = Seq(0);
        for content in [1, 2] {
            later = rig.enter(1, 1, content).await;
            reached(&rig, later, B, ConfirmLevel::Verified).await;
        }
        rig.ledger.promise(asked(1, &[(CT, 1)])).await.unwrap();
        settle(&rig, JOURNAL_AND_ONE).await;
        assert_eq!(result(&rig, 1).await, None, "nobody has compared them");
        rig.ledger.compared(later, compared).await.unwrap();
        settle(&rig, JOURNAL_AND_ONE).await;
        let failed = result(&rig, 1).await.unwrap();
        assert_eq!(failed.first().map(|(_, why)| *why), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn a_rebuild_knows_what_was_asked_and_promised() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        for instance in 1..=4 {
            let entry = rig.enter(instance, 1, 1).await;
            rig.ledger.promise(asked(instance, &[(CT, instance), (MR, 1)])).await.unwrap();
            reached(&rig, entry, A, ConfirmLevel::Verified).await;
            if instance < 4 {
                settle(&rig, JOURNAL_AND_ONE).await;
            }
        }
        rig.ledger.promise_ended(&transaction(1), ReportEnd::Taken).await.unwrap();
        rig.ledger.promise_ended(&transaction(2), ReportEnd::GivenUp).await.unwrap();
        let place = Place::new(kind);
        let mut store = place.open();
        outrigger_ledger::Ledger::rebuild(&rig.journal.reader(), &mut *store).unwrap();
        let of = |store: &dyn LedgerStore| {
            read(store, |books| {
                let whole = |head: PromiseHead| books.promise(&head.transaction);
                books.promise_heads()?.into_iter().map(whole).collect::<Result<Vec<_>, _>>()
            })
            .unwrap()
        };
        let original = of(&*rig.place.open());
        assert_eq!(original.len(), 2);
        assert_eq!(of(&*store), original);
        assert_eq!(outrigger_ledger::check(&*store).unwrap(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_is_open_is_one_request() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let request = asked(1, &[(CT, 1), (CT, 2)]);
        assert_eq!(rig.ledger.promise(request.clone()).await.unwrap(), Promised::Taken);
        let reordered = asked(1, &[(CT, 2), (CT, 1), (CT, 2)]);
        assert_eq!(rig.ledger.promise(reordered).await.unwrap(), Promised::Again);
        let others =
            [asked(1, &[(CT, 1)]), Asked { requestor: Requestor::Ae(AeTitle::known("CT2")), ..request }];
        for other in others {
            let refused = rig.ledger.promise(other).await;
            assert!(
                matches!(&refused, Err(PromiseError::Duplicate(uid)) if *uid == transaction(1)),
                "{refused:?}"
            );
        }
        let facts = rig.ledger.promise_facts().await.unwrap();
        let oldest = Some(WallTime(START_US));
        assert_eq!(facts, PromiseFacts { waiting: 1, unreported: 0, oldest });
        let many: Vec<(&str, u32)> =
            (0..=u32::try_from(INSTANCES_MAX).unwrap()).map(|instance| (CT, instance)).collect();
        let refused = rig.ledger.promise(asked(2, &many)).await;
        assert!(matches!(refused, Err(PromiseError::TooMany { .. })), "{refused:?}");
        rig.ledger.promise(asked(2, &many[1..])).await.unwrap();
        let classes: Vec<String> = (0..=GROUPS_MAX).map(|class| format!("1.1.{class}")).collect();
        let many: Vec<(&str, u32)> = classes.iter().map(|class| (class.as_str(), 1)).collect();
        let refused = rig.ledger.promise(asked(3, &many)).await;
        assert!(matches!(refused, Err(PromiseError::TooMany { most: GROUPS_MAX, .. })), "{refused:?}");
    }
}

/// Both ends of one transaction at once: one request is taken, and the other is told that it is another's.
#[tokio::test(start_paused = true)]
async fn of_two_requests_at_once_under_one_transaction_one_is_taken() {
    let rig = Rig::new(Kind::Memory).await;
    let (one, other) =
        tokio::join!(rig.ledger.promise(asked(1, &[(CT, 1)])), rig.ledger.promise(asked(1, &[(CT, 2)])));
    let outcomes = [one, other];
    let taken = outcomes.iter().filter(|outcome| matches!(outcome, Ok(Promised::Taken))).count();
    let refused =
        outcomes.iter().filter(|outcome| matches!(outcome, Err(PromiseError::Duplicate(_)))).count();
    assert_eq!((taken, refused), (1, 1), "{outcomes:?}");
}

#[tokio::test(start_paused = true)]
async fn requests_and_results_survive_a_restart() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        rig.ledger.promise(asked(1, &[(CT, 1)])).await.unwrap();
        rig.ledger.promise(asked(2, &[(CT, 2)])).await.unwrap();
        settle(&rig, JOURNAL_AND_ONE).await;
        rig.restart().await;
        reached(&rig, entry, B, ConfirmLevel::Verified).await;
        settle(&rig, JOURNAL_AND_ONE).await;
        rig.restart().await;
        assert_eq!(result(&rig, 1).await, Some(Vec::new()));
        assert_eq!(result(&rig, 2).await, None);
        assert_eq!(due(&rig).await, [transaction(1)]);
        assert_eq!(rig.ledger.scrub().await.unwrap(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_is_due_until_it_was_reported_and_then_the_transaction_is_over() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        rig.accept(1, 1, 1).await;
        rig.ledger.promise(asked(1, &[(CT, 1)])).await.unwrap();
        settle(&rig, CommitPolicy::Journal { members: 0 }).await;
        for attempt in 1..=3 {
            assert_eq!(due(&rig).await, [transaction(1)], "attempt {attempt}");
            rig.ledger.promise_unreported(&transaction(1), REPORT_AGAIN_MAX).await.unwrap();
            rig.restart().await;
            assert_eq!(rig.ledger.promises_due().await.unwrap(), (Vec::new(), Some(REPORT_AGAIN_MAX)));
            let open = rig.ledger.open_promise(&transaction(1)).await.unwrap().unwrap();
            assert_eq!(open.head.attempts, attempt);
            tokio::time::advance(REPORT_AGAIN_MAX).await;
        }
        let open = rig.ledger.open_promise(&transaction(1)).await.unwrap().unwrap();
        assert_eq!(rig.ledger.decided_for(&open.head), REPORT_AGAIN_MAX * 3);
        rig.ledger.promise_ended(&transaction(1), ReportEnd::Taken).await.unwrap();
        assert_eq!(rig.ledger.promise_facts().await.unwrap(), PromiseFacts::default());
        rig.restart().await;
        assert_eq!(rig.ledger.open_promise(&transaction(1)).await.unwrap(), None);
        assert_eq!(rig.ledger.promise(asked(1, &[(CT, 9)])).await.unwrap(), Promised::Taken, "another one");
    }
}

/// Objects that were promised, or that are waited for, stay where they would go to make room, until every required member has them.
#[tokio::test(start_paused = true)]
async fn promised_bytes_stay_until_every_required_member_has_them() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let early = async |rig: &Rig| {
            rig.ledger
                .release_candidates(9, Duration::ZERO, ReleaseMode::Early { room: u64::MAX })
                .await
                .unwrap()
        };
        let promised = rig.enter(1, 1, 1).await;
        rig.ledger.promise(asked(1, &[(CT, 1), (CT, 2), (CT, 8)])).await.unwrap();
        let waited_for = rig.enter(2, 1, 1).await;
        let other = rig.enter(3, 1, 1).await;
        for entry in [promised, waited_for, other] {
            reached(&rig, entry, A, ConfirmLevel::Verified).await;
        }
        assert_eq!(early(&rig).await, [other], "nobody asked for that one");
        tokio::time::advance(WAIT).await;
        settle(&rig, JOURNAL_AND_ONE).await;
        rig.ledger.promise_ended(&transaction(1), ReportEnd::Taken).await.unwrap();
        rig.restart().await;
        assert_eq!(early(&rig).await, [other], "the modality may have deleted the others");
        reached(&rig, promised, B, ConfirmLevel::Committed).await;
        assert_eq!(early(&rig).await, [promised, other]);

        rig.journal.release(vec![JournalSeq(promised.0), JournalSeq(other.0)]).await.unwrap();
        rig.ledger.released(&[promised, other]).await.unwrap();
        rig.ledger.promise(asked(2, &[(CT, 1)])).await.unwrap();
        settle(&rig, JOURNAL_AND_ONE).await;
        assert_eq!(result(&rig, 2).await, Some(Vec::new()), "all have it");
        rig.ledger.promise(asked(3, &[(CT, 3)])).await.unwrap();
        settle(&rig, JOURNAL_AND_ONE).await;
        assert_eq!(result(&rig, 3).await, None, "it was let go early, and one member alone has it");
    }
}

/// An object that failed is not held for the request that it failed.
#[tokio::test(start_paused = true)]
async fn bytes_that_were_not_promised_do_not_stay() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        rig.ledger.promise(asked(1, &[(MR, 1)])).await.unwrap();
        reached(&rig, entry, A, ConfirmLevel::Verified).await;
        let early = rig
            .ledger
            .release_candidates(9, Duration::ZERO, ReleaseMode::Early { room: u64::MAX })
            .await
            .unwrap();
        assert_eq!(early, []);
        settle(&rig, JOURNAL_AND_ONE).await;
        let early = rig
            .ledger
            .release_candidates(9, Duration::ZERO, ReleaseMode::Early { room: u64::MAX })
            .await
            .unwrap();
        assert_eq!(early, [entry]);
    }
}

/// Results of the web: nobody is told of them, only who asked sees them, for as long as they are kept, over restarts and rebuilds.
#[tokio::test(start_paused = true)]
async fn a_result_of_the_web_is_there_for_its_client_until_its_time_is_over() {
    let client = |name: Option<&str>| Requestor::Web(WebClient::of(name));
    let (one, other) = (client(Some("token:00000001")), client(Some("token:00000002")));
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        rig.accept(1, 1, 1).await;
        let request = asked_by(one.clone(), 1, &[(CT, 1), (MR, 1)]);
        assert_eq!(rig.ledger.promise(request.clone()).await.unwrap(), Promised::Taken);
        for stranger in [other.clone(), client(None), Requestor::Ae(AeTitle::known("CT1"))] {
            let same = rig.ledger.promise(Asked { requestor: stranger.clone(), ..request.clone() }).await;
            assert!(matches!(same, Err(PromiseError::Duplicate(_))), "{stranger}: {same:?}");
            assert_eq!(rig.ledger.promise_of(&stranger, &transaction(1)).await.unwrap(), None, "{stranger}");
        }
        let facts = rig.ledger.promise_facts().await.unwrap();
        assert_eq!((facts.waiting, facts.unreported), (1, 0), "it waits as every other");
        settle(&rig, CommitPolicy::Journal { members: 0 }).await;
        rig.restart().await;
        assert_eq!(due(&rig).await, [], "nobody is told");
        assert_eq!(rig.ledger.promise_facts().await.unwrap(), PromiseFacts::default(), "nothing is owed");
        assert_eq!(rig.ledger.promise(request.clone()).await.unwrap(), Promised::Again);
        tokio::time::advance(HOUR).await;
        assert_eq!(rig.ledger.expire_results(HOUR * 2).await.unwrap(), Some(HOUR));
        let promise = rig.ledger.promise_of(&one, &transaction(1)).await.unwrap().unwrap();
        let failed: Vec<_> = promise.failed().map(|((class, _), why)| (class.as_str(), why)).collect();
        assert_eq!((promise.committed().count(), failed), (1, vec![(MR, reason::CLASS_CONFLICT)]));
        tokio::time::advance(HOUR).await;
        assert_eq!(rig.ledger.expire_results(HOUR * 2).await.unwrap(), None);
        assert_eq!(rig.ledger.promise_of(&one, &transaction(1)).await.unwrap(), None);
        rig.restart().await;
        assert_eq!(rig.ledger.promise_of(&one, &transaction(1)).await.unwrap(), None);
    }
}

/// An object that only members have is promised on what they gave, as the policy asks, and never on what they show.
#[tokio::test(start_paused = true)]
async fn what_members_held_before_is_promised_when_those_who_must_have_it_gave_it() {
    let header = InstanceHeader {
        sop_class: SopClassUid::known(CT),
        sop_instance: SopInstanceUid::known("1.2.1.1.1"),
        study: None,
        series: None,
        attributes: vec![(Tag::MODALITY, "CT".to_owned())],
    };
    let set = |members: &[MemberNumber]| members.iter().copied().collect::<MemberSet>();
    let attest = |rig: &Rig, gave: &[MemberNumber], copies| {
        rig.ledger.attest(header.sop_instance.clone(), set(gave), Some(&header), copies);
    };
    let whom = async |rig: &Rig| {
        settle(rig, JOURNAL_AND_ONE).await;
        let all = rig.ledger.to_attest(JOURNAL_AND_ONE, 10).await.unwrap();
        all.into_iter().map(|one| one.members).collect::<Vec<_>>()
    };
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        rig.ledger.inherit(A, seen(1, 1..2)).await.unwrap();
        rig.ledger.promise(asked(1, &[(CT, 1)])).await.unwrap();
        assert_eq!(whom(&rig).await, [set(&[A])]);
        attest(&rig, &[A], Copies::Agree);
        tokio::time::advance(HOUR).await;
        assert_eq!(whom(&rig).await, [], "the other one must have it too, and does not show it");
        rig.ledger.inherit(B, seen(1, 1..2)).await.unwrap();
        tokio::time::advance(HOUR).await;
        assert_eq!(whom(&rig).await, [set(&[A, B])]);
        assert_eq!(result(&rig, 1).await, None, "what they show is not enough");
        attest(&rig, &[A, B], Copies::Agree);
        assert_eq!(settle(&rig, JOURNAL_AND_ONE).await, None);
        assert_eq!(result(&rig, 1).await, Some(Vec::new()));

        rig.ledger.promise(asked(2, &[(CT, 1)])).await.unwrap();
        tokio::time::advance(HOUR * 2).await;
        assert_eq!(whom(&rig).await, [set(&[A, B])], "what they gave two hours ago says little of now");
        assert_eq!(result(&rig, 2).await, None);
        attest(&rig, &[A], Copies::Contradict);
        settle(&rig, JOURNAL_AND_ONE).await;
        assert_eq!(result(&rig, 2).await, Some(vec![("1.2.1.1.1".to_owned(), reason::PROCESSING_FAILURE)]));

        rig.ledger.promise(asked(3, &[(MR, 1)])).await.unwrap();
        settle(&rig, JOURNAL_AND_ONE).await;
        assert_eq!(result(&rig, 3).await, Some(vec![("1.2.1.1.1".to_owned(), reason::CLASS_CONFLICT)]));
        rig.ledger.promise(asked(4, &[(CT, 1)])).await.unwrap();
        attest(&rig, &[], Copies::Agree);
        tokio::time::advance(WAIT).await;
        settle(&rig, JOURNAL_AND_ONE).await;
        assert_eq!(result(&rig, 4).await, Some(vec![("1.2.1.1.1".to_owned(), reason::PROCESSING_FAILURE)]));
    }
}
