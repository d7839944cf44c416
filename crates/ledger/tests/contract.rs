//! What every database must do, tried on each.

use outrigger_ledger::account::Account;
use outrigger_ledger::changes::{
    Changes, EntryChange, EntryChangeKind, LaneChange, Place, PostingChange, Urgency,
};
use outrigger_ledger::commitment::Commitment;
use outrigger_ledger::entry::{Bytes, EntryRow, InstanceIds, LaneNumber, Marks, Relation};
use outrigger_ledger::note::{Note, NoteKind, NotesOf};
use outrigger_ledger::posting::{PostingKey, PostingRow, Stage, Suspended};
use outrigger_ledger::store::{
    Come, DueQuery, EntryList, First, Lanes, Lately, LedgerReads, MemberRow, Releasable, StoreError, read,
};
use outrigger_ledger::{LedgerStore, MemberSet, MemberState, Passed, Peer};
use outrigger_model::{
    AeTitle, ConfirmLevel, JournalId, MemberName, MemberNumber, Seq, Sha256Digest, SopClassUid,
    SopInstanceUid, Status, SuspenseReason, TransactionUid, TransferSyntaxUid, WallTime,
};
use proptest::prelude::{Strategy, any, prop, proptest};

use crate::kit::{A, B, Kind, Place as Database};

fn each(check: impl Fn(&mut dyn LedgerStore)) {
    for kind in Kind::BOTH {
        let database = Database::new(kind);
        check(&mut *database.open());
    }
}

fn write(store: &mut dyn LedgerStore, changes: &Changes) {
    store.transact(&mut |tx| tx.write(changes)).unwrap();
}

fn ask<T>(store: &dyn LedgerStore, work: impl FnOnce(&dyn LedgerReads) -> Result<T, StoreError>) -> T {
    read(store, work).unwrap()
}

fn entry(seq: u64, marks: Marks) -> EntryRow {
    EntryRow {
        seq: Seq(seq),
        at: WallTime(i64::try_from(seq).unwrap()),
        lane: LaneNumber(seq % 3),
        header: InstanceIds {
            sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
            sop_instance: SopInstanceUid::new(&format!("1.2.{seq}")).unwrap(),
            study: None,
            series: None,
        },
        transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2"),
        sha256: Sha256Digest([u8::try_from(seq % 256).unwrap(); 32]),
        length: u64::MAX,
        calling_ae: AeTitle::new("CT1").unwrap(),
        balanced_at: marks.open().is_empty().then_some(WallTime(i64::try_from(seq).unwrap())),
        relation: Relation::Contradicts(Seq(1)),
        bytes: Bytes::Kept,
        marks,
    }
}

fn entries(rows: impl IntoIterator<Item = EntryRow>) -> Changes {
    let new = |row: EntryRow| (row.seq, EntryChange { kind: EntryChangeKind::New, row });
    Changes { entries: rows.into_iter().map(new).collect(), ..Changes::default() }
}

fn posting(entry: u64, member: MemberNumber, stage: Stage, not_before: i64) -> PostingRow {
    let suspense = (stage == Stage::Suspense).then(|| Suspended {
        reason: SuspenseReason::Differs,
        status: Some(Status(0xB000)),
        text: "differs".to_owned(),
        at: WallTime(3),
    });
    PostingRow {
        key: PostingKey { entry: Seq(entry), member },
        lane: LaneNumber(entry % 3),
        stage,
        not_before: WallTime(not_before),
        attempts: 4,
        healed: 1,
        suspense,
    }
}

/// Entries with one open posting each, their studies counted.
fn open(rows: impl IntoIterator<Item = PostingRow>) -> Changes {
    let rows: Vec<PostingRow> = rows.into_iter().collect();
    let owed =
        |row: &PostingRow| Marks { wanted: [row.key.member].into_iter().collect(), ..Marks::default() };
    let mut changes = entries(rows.iter().map(|row| entry(row.key.entry.0, owed(row))));
    for row in rows {
        if row.stage == Stage::Untried {
            let lane = changes.lanes.entry((row.key.member, row.lane)).or_default();
            lane.untried += 1;
            let newest = (row.key.entry, WallTime(i64::try_from(row.key.entry.0).unwrap()));
            lane.newest = lane.newest.max(Some(newest));
        }
        changes.postings.insert(row.key, PostingChange { before: None, after: Some(row) });
    }
    changes
}

fn seqs(owed: &[outrigger_ledger::store::Owed]) -> Vec<u64> {
    owed.iter().map(|owed| owed.entry.seq.0).collect()
}

#[test]
fn nothing_of_a_failed_transaction_is_kept() {
    each(|store| {
        let failed = store.transact(&mut |tx| {
            tx.write(&open([posting(1, A, Stage::Untried, 0)]))?;
            assert!(tx.entry(Seq(1))?.is_some(), "seen within the transaction");
            Err(StoreError::Away)
        });
        assert!(matches!(failed, Err(StoreError::Away)));
        assert_eq!(ask(store, |books| books.entry(Seq(1))), None);
        write(store, &open([posting(1, A, Stage::Untried, 0)]));
        assert!(ask(store, |books| books.entry(Seq(1))).is_some(), "the control");
    });
}

#[test]
fn rows_come_back_as_they_were_written_and_another_reader_sees_them() {
    each(|store| {
        let name = MemberName::new("primary").unwrap();
        let account = Account {
            accepted: 1,
            confirmed: 2,
            pending: 3,
            suspense: 4,
            superseded: 5,
            not_wanted: 6,
            written_off: 7,
        };
        let member = MemberRow { number: B, name, state: MemberState::Held, account };
        let commitment = Commitment {
            transaction: TransactionUid::known("1.2"),
            member: B,
            entries: vec![Seq(3), Seq(9)],
            at: WallTime(-5),
        };
        let peer = Peer { ae_title: AeTitle::new("CT 1").unwrap(), last_seen: WallTime(9), objects: 2 };
        let stages = [
            Stage::Untried,
            Stage::Retry,
            Stage::Stored(ConfirmLevel::Accepted),
            Stage::Stored(ConfirmLevel::Present),
            Stage::Stored(ConfirmLevel::Committed),
            Stage::Stored(ConfirmLevel::Verified),
            Stage::Suspense,
        ];
        let postings: Vec<PostingRow> =
            (1..).zip(stages).map(|(seq, stage)| posting(seq, MemberNumber(63), stage, 0)).collect();
        let changes = Changes {
            position: Some((JournalId(u128::MAX), Seq(7))),
            members: vec![member.clone()],
            commitments_begun: vec![commitment.clone()],
            peers: [(peer.ae_title.clone(), peer.clone())].into(),
            ..open(postings.clone())
        };
        write(store, &changes);
        write(
            store,
            &Changes { peers: [(peer.ae_title.clone(), peer.clone())].into(), ..Changes::default() },
        );
        let position = store.position().unwrap().unwrap();
        assert_eq!((position.journal, position.applied, position.entries), (JournalId(u128::MAX), Seq(7), 7));
        let reader = store.reader().unwrap();
        read(&*reader, |books| {
            assert_eq!(books.members()?, [member]);
            assert_eq!(books.commitments()?, [commitment]);
            assert_eq!(books.peers()?, [Peer { objects: 4, ..peer }]);
            for row in postings {
                assert_eq!(books.posting(row.key, row.lane)?.as_ref(), Some(&row));
                let known = changes.entries[&row.key.entry].row.clone();
                assert_eq!(books.entry(row.key.entry)?, Some(known));
            }
            Ok(())
        })
        .unwrap();
    });
}

#[test]
fn accounts_and_states_change_by_what_is_added() {
    each(|store| {
        let name = MemberName::new("primary").unwrap();
        let member = MemberRow { number: A, name, state: MemberState::Active, account: Account::default() };
        write(store, &Changes { members: vec![member], ..Changes::default() });
        let mut change =
            outrigger_ledger::account::AccountChange { accepted: 5, pending: 5, ..Default::default() };
        write(store, &Changes { accounts: [(A, change)].into(), ..Changes::default() });
        change = outrigger_ledger::account::AccountChange { pending: -2, confirmed: 2, ..Default::default() };
        let states = [(A, MemberState::Retired)].into();
        write(
            store,
            &Changes { accounts: [(A, change)].into(), member_states: states, ..Changes::default() },
        );
        let member = ask(store, |books| books.members()).pop().unwrap();
        assert_eq!(
            (member.account.pending, member.account.confirmed, member.account.difference()),
            (3, 2, 0)
        );
        assert_eq!(member.state, MemberState::Retired);
    });
}

#[test]
fn due_postings_come_study_by_study() {
    each(|store| {
        // Studies 0, 1 and 2 by entry modulo three; the newest entry is 9, of study 0.
        write(store, &open((1..=9).map(|seq| posting(seq, A, Stage::Untried, 0))));
        write(store, &open([posting(10, B, Stage::Untried, 0)]));
        write(store, &open([posting(11, A, Stage::Retry, 50), posting(12, A, Stage::Retry, 40)]));
        let due = |lanes, limit| {
            let query = DueQuery { member: A, lanes, come: Come::by(WallTime(45)), limit };
            let rows = ask(store, |books| books.due(&query));
            (seqs(&rows.untried), seqs(&rows.retries))
        };
        let fresh = Lanes::Fresh(Lately::since(WallTime(8)));
        let backlog = Lanes::Backlog(Lately::since(WallTime(8)));
        assert_eq!(due(fresh, 99), (vec![3, 6, 9, 2, 5, 8], vec![12]));
        assert_eq!(due(backlog, 99), (vec![1, 4, 7], vec![12]));
        assert_eq!(due(fresh, 4).0, [3, 6, 9, 2]);
        assert_eq!(due(Lanes::Backlog(Lately::since(WallTime(99))), 4).0, [1, 4, 7, 2], "oldest first");
    });
}

#[test]
fn an_expedited_study_goes_first_until_nothing_of_it_is_left() {
    each(|store| {
        write(store, &open((1..=3).map(|seq| posting(seq, A, Stage::Untried, 0))));
        let expedite = LaneChange { urgency: Some(Urgency::Expedited), ..LaneChange::default() };
        write(store, &Changes { lanes: [((A, LaneNumber(1)), expedite)].into(), ..Changes::default() });
        let due = |lanes| {
            let query = DueQuery { member: A, lanes, come: Come::by(WallTime(0)), limit: 9 };
            seqs(&ask(store, |books| books.due(&query)).untried)
        };
        assert_eq!(due(Lanes::Fresh(Lately::since(WallTime(3)))), [1, 3]);
        assert_eq!(due(Lanes::Backlog(Lately::since(WallTime(3)))), [2]);
    });
    each(|store| {
        let row = posting(1, A, Stage::Untried, 0);
        write(store, &open([row.clone()]));
        let before = Some(Place { lane: row.lane, stage: row.stage });
        let done = LaneChange { untried: -1, urgency: Some(Urgency::Expedited), ..LaneChange::default() };
        write(
            store,
            &Changes {
                postings: [(row.key, PostingChange { before, after: None })].into(),
                lanes: [((A, row.lane), done)].into(),
                ..Changes::default()
            },
        );
        write(store, &open([posting(4, A, Stage::Untried, 0)]));
        let query = DueQuery {
            member: A,
            lanes: Lanes::Backlog(Lately::since(WallTime(99))),
            come: Come::by(WallTime(0)),
            limit: 9,
        };
        assert_eq!(
            seqs(&ask(store, |books| books.due(&query)).untried),
            [4],
            "a later one waits in its turn"
        );
    });
}

#[test]
fn waiting_suspended_and_open_postings_are_listed() {
    each(|store| {
        let stored = Stage::Stored(ConfirmLevel::Accepted);
        write(
            store,
            &open([posting(1, A, stored, 30), posting(2, A, stored, 20), posting(3, A, stored, 99)]),
        );
        write(store, &open((4..=8).map(|seq| posting(seq, A, Stage::Suspense, 0))));
        write(store, &open([posting(9, B, stored, 0)]));
        let waiting = |until, limit| {
            seqs(&ask(store, |books| {
                books.waiting(A, stored, Come::by(WallTime(until)), First::Longest, limit)
            }))
        };
        assert_eq!((waiting(30, 9), waiting(30, 1), waiting(19, 9)), (vec![2, 1], vec![2], vec![]));
        let latest = |until, limit| {
            let come = Come::by(WallTime(until));
            seqs(&ask(store, |books| books.waiting(A, stored, come, First::Latest, limit)))
        };
        assert_eq!((latest(30, 9), latest(30, 1), latest(19, 9)), (vec![1, 2], vec![1], vec![]));
        let suspended = |after, limit| seqs(&ask(store, |books| books.suspended(A, Seq(after), limit)));
        assert_eq!((suspended(0, 2), suspended(5, 9)), (vec![4, 5], vec![6, 7, 8]));
        let mut all = ask(store, |books| books.open_postings(A, 99));
        all.sort();
        assert_eq!(all, (1..=8).map(Seq).collect::<Vec<_>>());
        assert_eq!(ask(store, |books| books.open_postings(A, 3)).len(), 3);
        assert_eq!(ask(store, |books| books.oldest_owed(A)), Some(WallTime(1)));
        assert_eq!(ask(store, |books| books.oldest_owed(MemberNumber(5))), None);
    });
}

#[test]
fn what_would_wait_longer_than_any_rule_has_it_counts_as_come() {
    each(|store| {
        let stored = Stage::Stored(ConfirmLevel::Accepted);
        write(
            store,
            &open([(1, 30), (2, 60), (3, 61), (4, i64::MAX)].map(|(seq, at)| posting(seq, A, stored, at))),
        );
        write(store, &open([(5, 30), (6, 60), (7, 61)].map(|(seq, at)| posting(seq, A, Stage::Retry, at))));
        let come = Come { by: WallTime(30), beyond: WallTime(60) };
        let waiting =
            |limit| seqs(&ask(store, |books| books.waiting(A, stored, come, First::Longest, limit)));
        assert_eq!((waiting(9), waiting(2), waiting(1)), (vec![1, 3, 4], vec![1, 3], vec![1]));
        assert_eq!(seqs(&ask(store, |books| books.waiting(A, stored, come, First::Latest, 9))), [1]);
        let query = DueQuery { member: A, lanes: Lanes::Fresh(Lately::since(WallTime(0))), come, limit: 9 };
        assert_eq!(seqs(&ask(store, |books| books.due(&query)).retries), [5, 7]);
        assert_eq!(ask(store, |books| books.settling(A, come)), (1, Some(WallTime(60))));
    });
}

#[test]
fn a_study_dated_by_a_clock_that_was_ahead_goes_with_the_backlog_and_last() {
    each(|store| {
        write(store, &open((1..=3).map(|seq| posting(seq, A, Stage::Untried, 0))));
        let lately = Lately { since: WallTime(2), until: WallTime(2) };
        let due = |lanes| {
            let query = DueQuery { member: A, lanes, come: Come::by(WallTime(0)), limit: 9 };
            seqs(&ask(store, |books| books.due(&query)).untried)
        };
        assert_eq!((due(Lanes::Fresh(lately)), due(Lanes::Backlog(lately))), (vec![2], vec![1, 3]));
    });
}

#[test]
fn a_posting_moves_from_stage_to_stage() {
    each(|store| {
        let mut row = posting(1, A, Stage::Untried, 0);
        write(store, &open([row.clone()]));
        for stage in [Stage::Retry, Stage::Suspense, Stage::Suspense, Stage::Stored(ConfirmLevel::Present)] {
            let before = Some(Place { lane: row.lane, stage: row.stage });
            row = PostingRow { attempts: row.attempts + 1, ..posting(1, A, stage, 0) };
            let change = PostingChange { before, after: Some(row.clone()) };
            write(store, &Changes { postings: [(row.key, change)].into(), ..Changes::default() });
            assert_eq!(ask(store, |books| books.posting(row.key, row.lane)).as_ref(), Some(&row));
            assert_eq!(ask(store, |books| books.open_postings(A, 9)), [Seq(1)]);
        }
    });
}

#[test]
fn closings_are_remembered_for_a_while() {
    each(|store| {
        let key = |entry| PostingKey { entry: Seq(entry), member: A };
        let closings = vec![(key(1), WallTime(10)), (key(2), WallTime(20)), (key(3), WallTime(30))];
        write(store, &Changes { closings, ..Changes::default() });
        let since = |since| ask(store, |books| books.closed_since(A, WallTime(since), 9));
        assert_eq!(since(20), [(Seq(2), WallTime(20)), (Seq(3), WallTime(30))]);
        assert_eq!(ask(store, |books| books.closed_since(B, WallTime(0), 9)), []);
        write(store, &Changes { closings_forgotten: Some(WallTime(20)), ..Changes::default() });
        let since = |since| ask(store, |books| books.closed_since(A, WallTime(since), 9));
        assert_eq!(since(0), [(Seq(2), WallTime(20)), (Seq(3), WallTime(30))]);
    });
}

#[test]
fn notes_are_listed_by_what_they_are_about_and_the_oldest_go_first() {
    each(|store| {
        let note = |kind, entry: Option<u64>, member, body: &str| Note {
            id: 0,
            kind,
            entry: entry.map(Seq),
            member,
            at: WallTime(1),
            body: body.to_owned(),
        };
        let notes = vec![
            note(NoteKind::Attempt, Some(1), Some(A), "first"),
            note(NoteKind::Attempt, Some(1), Some(B), "second"),
            note(NoteKind::Finding, Some(1), None, "third"),
            note(NoteKind::Refusal, None, None, "fourth"),
        ];
        write(store, &Changes { notes, ..Changes::default() });
        let bodies = |store: &dyn LedgerStore, kind, of| {
            let notes = ask(store, |books| books.notes(kind, of, 9));
            notes.into_iter().map(|note| note.body).collect::<Vec<_>>()
        };
        let of_posting = NotesOf::Posting(PostingKey { entry: Seq(1), member: A });
        for (kind, of, expected) in [
            (NoteKind::Attempt, NotesOf::Anything, &["second", "first"][..]),
            (NoteKind::Attempt, of_posting, &["first"]),
            (NoteKind::Finding, NotesOf::Entry(Seq(1)), &["third"]),
            (NoteKind::Finding, NotesOf::Entry(Seq(2)), &[]),
        ] {
            assert_eq!(bodies(store, kind, of), expected, "{kind:?} {of:?}");
        }
        let findings = ask(store, |books| books.notes(NoteKind::Finding, NotesOf::Anything, 9));
        let closed = findings.iter().map(|note| (note.kind, note.id)).collect();
        write(store, &Changes { notes_closed: closed, ..Changes::default() });
        assert_eq!(bodies(store, NoteKind::Finding, NotesOf::Anything), [""; 0]);
        let kept = NoteKind::Refusal.kept();
        let many = (0..kept).map(|_| note(NoteKind::Refusal, None, None, "more")).collect();
        write(store, &Changes { notes: many, ..Changes::default() });
        let refusals = ask(store, |books| books.notes(NoteKind::Refusal, NotesOf::Anything, usize::MAX));
        assert_eq!(refusals.len() as u64, kept);
        assert!(refusals.iter().all(|refusal| refusal.body == "more"), "the oldest is gone");
        let attempts = bodies(store, NoteKind::Attempt, NotesOf::Anything);
        assert_eq!(attempts, ["second", "first"], "others are not touched");
    });
}

fn marks() -> impl Strategy<Value = Marks> {
    let set = || (0..8u64).prop_map(MemberSet);
    ([set(), set(), set(), set()], [set(), set(), set(), set()]).prop_map(
        |([wanted, origin, confirmed, present], [committed, verified, superseded, written_off])| Marks {
            wanted,
            origin,
            confirmed,
            present,
            committed,
            verified,
            superseded,
            written_off,
            ..Marks::default()
        },
    )
}

proptest! {
    /// Both databases list the same entries, whatever their marks; memory asks the pure rule.
    #[test]
    fn lists_of_entries_agree(rows in prop::collection::vec((marks(), any::<bool>()), 1..40), by in 0..50i64, sets in any::<[u8; 3]>()) {
        let rule = Releasable {
            balanced_by: WallTime(by),
            balanced_from: WallTime(by / 4),
            present: MemberSet(u64::from(sets[0] % 8)),
            committed: MemberSet(u64::from(sets[1] % 8)),
            verified: MemberSet(u64::from(sets[2] % 8)),
        };
        let answers: Vec<_> = Kind::BOTH.into_iter().map(|kind| {
            let database = Database::new(kind);
            let mut store = database.open();
            let rows = (1..).zip(&rows).map(|(seq, (marks, released))| EntryRow {
                bytes: if *released { Bytes::Released } else { Bytes::Kept },
                ..entry(seq, *marks)
            });
            write(&mut *store, &entries(rows));
            ask(&*store, |books| Ok((
                books.entries(EntryList::All, Seq(3), 5)?,
                books.entries(EntryList::Unverified, Seq(0), 99)?,
                books.entries(EntryList::LatestUnverified, Seq(1), 2)?,
                books.entries(EntryList::Verified, Seq(0), 99)?,
                books.releasable(&rule, 99)?,
                books.unshown(Passed { balanced_at: WallTime(by / 2), entry: Seq(3) }, Come { by: WallTime(by), beyond: WallTime(by + 20) }, 9)?,
            )))
        }).collect();
        assert_eq!(answers[0], answers[1]);
    }
}
