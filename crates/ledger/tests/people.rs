//! What people ask and decide.

use outrigger_ledger::scope::{Only, Scope};
use outrigger_ledger::{
    BalanceBy, BalanceOf, Compared, Lane, LedgerError, MemberState, PostingKey, Refusal, ReportOutcome,
    Resend, SuspenseFilter, Why,
};
use outrigger_model::{
    AeTitle, ConfirmLevel, MemberName, MemberNumber, Seq, Status, SuspenseReason, WallTime,
};

use crate::kit::{A, B, Kind, Rig, member, study_uid};

const ALL: SuspenseFilter = SuspenseFilter::Of { member: None, reason: None };

#[tokio::test(start_paused = true)]
async fn the_suspense_list_is_worked() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entries = [rig.enter(1, 1, 1).await, rig.enter(2, 1, 1).await, rig.enter(3, 1, 1).await];
        for (entry, reason) in entries.into_iter().zip([
            SuspenseReason::Refused,
            SuspenseReason::NoContext,
            SuspenseReason::Refused,
        ]) {
            rig.report_attempt(entry, A, ReportOutcome::Suspend(reason), "no such SOP class here").await;
        }
        let items = rig.ledger.suspense(ALL).await.unwrap();
        assert_eq!(items.len(), 3);
        assert_eq!(items[0].id, format!("{}:0", entries[0]));
        assert_eq!(items[0].status.as_deref(), Some("C000"));
        assert_eq!(items[0].text, "refused for good: C000 (cannot understand): no such SOP class here");
        assert!(items[0].next_step.contains("`retry`") && items[0].written_off.is_none());
        assert_eq!(items[0].at, "2026-01-01T00:00:00.000Z");

        let refused = SuspenseFilter::Of { member: Some(A), reason: Some(SuspenseReason::Refused) };
        assert_eq!(rig.ledger.retry(refused.clone()).await.unwrap(), 2);
        assert_eq!(rig.ledger.retry(refused).await.unwrap(), 0);
        assert_eq!(rig.due(A, Lane::Fresh, 9).await, [entries[0], entries[2]]);
        let id: PostingKey = items[1].id.parse().unwrap();
        let other = SuspenseFilter::Postings(vec![PostingKey { member: B, ..id }]);
        assert_eq!(rig.ledger.write_off(other, "A. Person".into(), "test".into()).await.unwrap(), 0);
        let this = SuspenseFilter::Postings(vec![id]);
        assert_eq!(rig.ledger.write_off(this, "A. Person".into(), "test".into()).await.unwrap(), 1);
        assert_given_up(&rig, id).await;
        let balance = rig.ledger.balance().await.unwrap();
        let a = &balance.members[0];
        assert_eq!((a.pending, a.suspense, a.written_off, a.difference), (2, 0, 1, 0));
        assert!(!balance.balanced);
    }
}

/// Both who works the list and who asks why are told by whom a posting was given up, and what for.
async fn assert_given_up(rig: &Rig, id: PostingKey) {
    let shown = rig.ledger.suspense_of(id).await.unwrap().unwrap();
    let given_up = shown.written_off.unwrap();
    assert_eq!((given_up.by.as_deref(), given_up.reason.as_deref()), (Some("A. Person"), Some("test")));
    assert_eq!(given_up.at, "2026-01-01T00:00:00.000Z");
    assert_eq!(
        (shown.reason.as_str(), shown.text.as_str()),
        ("no-context", "C000 (cannot understand): no such SOP class here")
    );
    let other = PostingKey { member: B, ..id };
    assert_eq!(rig.ledger.suspense_of(other).await.unwrap(), None, "it is not in suspense there");
    let unknown = PostingKey { member: MemberNumber(9), ..id };
    assert_eq!(rig.ledger.suspense_of(unknown).await.unwrap(), None);

    let answer = rig.ledger.why(Why::Uid("1.2.1.1.2".to_owned())).await.unwrap();
    let a = &answer.studies[0].instances[0].members[0];
    assert_eq!(a.state, "written_off");
    assert_eq!(a.written_off.as_ref(), Some(&given_up));
    assert_eq!(a.reason.as_deref(), Some("C000 (cannot understand): no such SOP class here"));
}

#[tokio::test(start_paused = true)]
async fn of_many_attempts_the_first_and_the_newest_are_kept() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let (entry, other) = (rig.enter(1, 1, 1).await, rig.enter(1, 2, 1).await);
        rig.report_attempt(other, A, ReportOutcome::Released, "of another object").await;
        for attempt in 0..50 {
            let outcome = match attempt % 2 {
                0 => ReportOutcome::RetryAt { at: rig.now() },
                _ => ReportOutcome::Released,
            };
            rig.report_attempt(entry, A, outcome, &format!("attempt {attempt}")).await;
        }
        let answer = rig.ledger.why(Why::Uid("1.2.1.1.1".to_owned())).await.unwrap();
        let a = &answer.studies[0].instances[0].members[0];
        let texts: Vec<&str> = a.attempts.iter().map(|attempt| attempt.text.as_str()).collect();
        assert_eq!(texts.len(), 21, "{texts:?}");
        assert_eq!(texts[..2], ["cannot understand: attempt 0", "cannot understand: attempt 30"]);
        assert_eq!(texts[20], "cannot understand: attempt 49");
        let answer = rig.ledger.why(Why::Uid("1.2.2.1.1".to_owned())).await.unwrap();
        assert_eq!(answer.studies[0].instances[0].members[0].attempts.len(), 1, "it is left alone");
    }
}

#[tokio::test(start_paused = true)]
async fn a_held_member_is_owed_and_a_retired_one_is_out_of_the_books() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        rig.ledger.change_member(A, MemberState::Held).await.unwrap();
        let entry = rig.enter(1, 1, 1).await;
        assert_eq!(rig.due(A, Lane::Fresh, 1).await, []);
        rig.restart().await;
        assert_eq!(rig.due(A, Lane::Fresh, 1).await, [], "it stays held over a restart");
        rig.ledger.change_member(A, MemberState::Active).await.unwrap();
        assert_eq!(rig.due(A, Lane::Fresh, 1).await, [entry]);

        rig.ledger.change_member(A, MemberState::Retired).await.unwrap();
        let refused = rig.ledger.change_member(A, MemberState::Active).await;
        assert!(matches!(refused, Err(LedgerError::Retired { .. })), "{refused:?}");
        let unknown = rig.ledger.change_member(MemberNumber(9), MemberState::Active).await;
        assert!(matches!(unknown, Err(LedgerError::UnknownMember { .. })), "{unknown:?}");
        rig.enter(2, 1, 1).await;
        let balance = rig.ledger.balance().await.unwrap();
        assert_eq!(balance.members.len(), 1);
        assert_eq!(balance.members[0].pending, 2);
        rig.restart().await;
        assert_eq!(rig.due(A, Lane::Backlog, 9).await, []);
        assert_eq!(rig.ledger.policies().number(&MemberName::new("a").unwrap()), None);
        assert_eq!(rig.ledger.scrub().await.unwrap(), [""; 0]);
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_member_owes_nothing_for_what_was_there_and_can_be_sent_it() {
    for kind in Kind::BOTH {
        let mut rig = Rig::new(kind).await;
        let before = rig.enter(1, 1, 1).await;
        rig.members.push(member("c", ConfirmLevel::Accepted));
        rig.restart().await;
        let c = rig.ledger.policies().number(&MemberName::new("c").unwrap()).unwrap();
        assert_eq!(c, MemberNumber(2));
        rig.enter(1, 2, 1).await;
        let books = |rig: &Rig| {
            let ledger = rig.ledger.clone();
            async move {
                let c = ledger.balance().await.unwrap().members[2].clone();
                (c.accepted_entries, c.not_wanted, c.pending, c.difference)
            }
        };
        assert_eq!(books(&rig).await, (2, 1, 1, 0));
        assert_eq!(rig.ledger.resend(Resend::Study(study_uid(1)), Some(c)).await.unwrap(), 1);
        assert_eq!(books(&rig).await, (2, 0, 2, 0));
        assert!(rig.due(c, Lane::Fresh, 9).await.contains(&before));
        let everything = Resend::Since(WallTime(0));
        assert_eq!(rig.ledger.resend(everything, None).await.unwrap(), 6, "two entries at three members");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_member_does_not_want_or_sent_itself_is_not_owed() {
    for kind in Kind::BOTH {
        let mut members = vec![member("a", ConfirmLevel::Accepted), member("b", ConfirmLevel::Accepted)];
        members[0].scope = Scope { modalities: Only::Of(["MR".to_owned()].into()), ..Scope::default() };
        let rig = Rig::with(kind, members).await;
        let mut acceptance = crate::kit::acceptance(1, 1, 1).await;
        acceptance.origin.member = Some(MemberName::new("b").unwrap());
        let entry = rig.ledger.accept(acceptance).await.unwrap().entry();
        rig.ledger.follow(entry).await.unwrap();
        let balance = rig.ledger.balance().await.unwrap();
        assert!(balance.balanced, "{balance:?}");
        assert_eq!((balance.members[0].not_wanted, balance.members[1].confirmed), (1, 1));
    }
}

#[tokio::test(start_paused = true)]
async fn why_tells_where_an_object_is_and_what_was_tried() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let entry = rig.enter(1, 1, 1).await;
        rig.enter(1, 2, 1).await;
        rig.report_attempt(
            entry,
            A,
            ReportOutcome::RetryAt { at: WallTime(rig.now().0 + 1_000_000) },
            "busy",
        )
        .await;
        rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
        let accession = Why::Accession { accession: "ACC1".to_owned(), issuer: None };
        let asked = ["1.2.1", "1.2.1.1", "1.2.1.1.1"].map(|uid| Why::Uid(uid.to_owned()));
        for asked in asked.into_iter().chain([accession]) {
            let answer = rig.ledger.why(asked.clone()).await.unwrap();
            assert_eq!(
                (answer.studies.len(), answer.studies[0].study_uid.as_str()),
                (1, "1.2.1"),
                "{asked:?}"
            );
            let instance = &answer.studies[0].instances[0];
            assert!(instance.journal);
            let [a, b] = &instance.members[..] else { panic!("two members") };
            assert_eq!(
                (a.state.as_str(), a.level, a.next_at.as_deref()),
                ("pending", None, Some("2026-01-01T00:00:01.000Z"))
            );
            assert_eq!(a.attempts.len(), 1);
            assert_eq!(a.attempts[0].status.as_deref(), Some("C000"));
            assert_eq!((b.state.as_str(), b.level), ("confirmed", Some(ConfirmLevel::Verified)));
        }
        for unknown in [
            Why::Uid("1.2.9".to_owned()),
            Why::Uid("?\\".to_owned()),
            Why::Accession { accession: "X".to_owned(), issuer: None },
        ] {
            assert_eq!(rig.ledger.why(unknown).await.unwrap().studies, []);
        }
        let json = serde_json::to_value(rig.ledger.why(Why::Uid("1.2.1".to_owned())).await.unwrap()).unwrap();
        assert_eq!(json["studies"][0]["instances"][0]["members"][1]["level"], "verified");
    }
}

#[tokio::test(start_paused = true)]
async fn a_new_version_is_a_finding_until_it_turns_out_to_be_a_re_encoding() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let first = rig.enter(1, 1, 1).await;
        let (same, other) = (rig.enter(1, 1, 2).await, rig.enter(1, 1, 3).await);
        assert_eq!(rig.ledger.uncompared(9).await.unwrap(), [(other, same), (same, first)]);
        rig.ledger.compared(same, Compared::ReEncoded).await.unwrap();
        rig.ledger.compared(other, Compared::OtherContent).await.unwrap();
        assert_eq!(rig.ledger.uncompared(9).await.unwrap(), []);
        let a = &rig.ledger.balance().await.unwrap().members[0];
        assert_eq!((a.pending, a.superseded, a.difference), (2, 1, 0));
        let findings = rig.ledger.findings().await.unwrap();
        assert!(findings.iter().all(|finding| finding.entry == Some(other)), "{findings:?}");
        assert!(findings[0].text.contains("another content"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_object_under_a_uid_that_differs_at_a_member_is_told_as_one() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let (first, alone) = (rig.enter(1, 1, 1).await, rig.enter(2, 1, 1).await);
        let second = rig.enter(1, 1, 2).await;
        let differs = || ReportOutcome::Suspend(SuspenseReason::Differs);
        for entry in [alone, second] {
            let noted = "what was read back differs from what was sent: Demographic";
            rig.report_attempt(entry, A, differs(), noted).await;
        }
        let items = rig.ledger.suspense(ALL).await.unwrap();
        let (alone, again) = (&items[0], &items[1]);
        for item in [alone, again] {
            assert!(
                item.text.contains("patient, study or order attributes")
                    && !item.text.contains("Demographic")
            );
        }
        assert_eq!((alone.earlier_entry, again.earlier_entry), (None, Some(first)));
        let came = format!("a second object under its SOP Instance UID, entry {first} came before");
        assert!(again.text.contains(&came) && !alone.text.contains("second"), "{items:?}");
        let step = format!("remove entry {first}'s there and `retry`");
        assert!(again.next_step.contains(&step) && alone.next_step.contains("`retry`"), "{items:?}");
        let why = rig.ledger.why(Why::Uid(again.sop_instance.as_str().to_owned())).await.unwrap();
        let versions = &why.studies[0].instances;
        let told = versions.iter().find(|version| version.entry == second).unwrap();
        let a = &told.members[0];
        assert_eq!((a.suspense_id.as_ref(), a.reason.as_ref()), (Some(&again.id), Some(&again.text)));
        assert_eq!((a.next_step.as_ref(), &told.members[1].suspense_id), (Some(&again.next_step), &None));
        assert!(a.attempts.iter().all(|attempt| !attempt.text.contains("Demographic")), "{a:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_its_settling_time_is_counted_until_it_is_over() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        assert_eq!(rig.ledger.settling().await.unwrap(), []);
        for instance in 1..=3 {
            let entry = rig.enter(instance, 1, 1).await;
            if instance < 3 {
                rig.report(entry, B, ReportOutcome::Reached(ConfirmLevel::Accepted)).await;
            }
            tokio::time::advance(std::time::Duration::from_secs(1)).await;
        }
        let settling = rig.ledger.settling().await.unwrap();
        assert_eq!(settling.len(), 1, "{settling:?}");
        assert_eq!((settling[0].count, settling[0].next_at.as_str()), (2, "2026-01-01T00:01:00.000Z"));
        tokio::time::advance(std::time::Duration::from_secs(60)).await;
        assert_eq!(rig.ledger.settling().await.unwrap(), []);
    }
}

#[tokio::test(start_paused = true)]
async fn the_balance_breaks_down() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        let done = rig.enter(1, 1, 1).await;
        tokio::time::advance(std::time::Duration::from_secs(86_400)).await;
        rig.enter(1, 2, 1).await;
        for member in [A, B] {
            rig.report(done, member, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
        }
        let days = rig.ledger.balance_by(BalanceBy::Day).await.unwrap();
        let of: Vec<_> =
            days.iter().map(|row| (row.of.clone(), row.balance.confirmed, row.balance.pending)).collect();
        let day = |day: &str| BalanceOf::Day(day.to_owned());
        assert_eq!(
            of,
            [
                (day("2026-01-01"), 1, 0),
                (day("2026-01-01"), 1, 0),
                (day("2026-01-02"), 0, 1),
                (day("2026-01-02"), 0, 1)
            ]
        );
        let studies = rig.ledger.balance_by(BalanceBy::Study).await.unwrap();
        assert!(studies.iter().all(|row| row.of == BalanceOf::Study("1.2.2".to_owned())), "only open ones");
        assert_eq!(studies.len(), 2);
        let json = serde_json::to_value(&studies[0]).unwrap();
        assert_eq!(
            (&json["study"], &json["name"], &json["pending"]),
            (&"1.2.2".into(), &"a".into(), &1.into())
        );
    }
}

#[tokio::test(start_paused = true)]
async fn refused_objects_and_senders_are_listed() {
    for kind in Kind::BOTH {
        let rig = Rig::new(kind).await;
        rig.enter(1, 1, 1).await;
        rig.enter(2, 1, 1).await;
        for status in [Status::CANNOT_UNDERSTAND, Status::DATA_SET_MISMATCH] {
            let refusal = Refusal {
                at: rig.now(),
                calling_ae: AeTitle::new("CT1").unwrap(),
                peer: std::net::IpAddr::from([10, 0, 0, 1]),
                sop_instance: None,
                status,
                text: "truncated".to_owned(),
                kept: Some("q/1.dcm".to_owned()),
            };
            rig.ledger.refused(refusal).await.unwrap();
        }
        let refusals = rig.ledger.refusals().await.unwrap();
        assert_eq!(
            refusals.iter().map(|refusal| refusal.status.as_str()).collect::<Vec<_>>(),
            ["A900", "C000"]
        );
        let status = rig.ledger.status().await.unwrap();
        assert_eq!(status.peers.len(), 1);
        assert_eq!((status.peers[0].objects, status.peers[0].last_seen), (2, rig.now()));
        assert_eq!((status.entries, status.members[0].owed), (2, 2));
        assert_eq!(status.members[0].oldest_owed, Some(rig.now()));
    }
}

/// A decision that the journal has taken takes effect when the database has room again, and whoever made it is told just that.
#[tokio::test(start_paused = true)]
async fn a_decision_that_the_database_has_no_room_for_is_recorded_and_takes_effect_later() {
    let rig = Rig::new(Kind::Memory).await;
    let crate::kit::Place::Memory(store) = &rig.place else { panic!("in memory") };
    store.fill_up();
    let error = rig.ledger.change_member(A, MemberState::Held).await.unwrap_err();
    assert!(matches!(error, LedgerError::Recorded(_)), "{error:?}");
    assert!(error.to_string().contains("takes effect as soon as"), "{error}");
    store.come_back();
    rig.ledger.follow(Seq(rig.journal.tail().0)).await.unwrap();
    let members = rig.ledger.members().await.unwrap();
    assert_eq!(members[0].state, MemberState::Held);
}
