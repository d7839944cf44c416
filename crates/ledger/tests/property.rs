//! Random lives of a node: whatever is reported and decided, the books balance, keep their order, and can be made anew.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_ledger::{
    Compared, DueAsk, Lane, Ledger, MemberState, PostingKey, Report, ReportOutcome, Resend, SuspenseFilter,
};
use outrigger_model::{ConfirmLevel, MemberNumber, Seq, SopInstanceUid, SuspenseReason, WallTime};
use proptest::prelude::{Just, ProptestConfig, Strategy, any, prop, prop_oneof, proptest};

use crate::kit::{A, B, Kind, Place, Rig, dump, study_uid};

#[derive(Debug, Clone)]
enum Step {
    Accept { instance: u32, content: u8 },
    Work { member: MemberNumber, lane: Lane, outcomes: Vec<ReportOutcome> },
    Confirm { member: MemberNumber, level: ConfirmLevel },
    ReadBack { member: MemberNumber, outcome: ReportOutcome },
    Wait { seconds: u64 },
    Retry,
    WriteOff,
    Reopen { member: MemberNumber },
    Resend { study: u32, member: MemberNumber },
    Compare { compared: Compared },
    Hold { member: MemberNumber, state: MemberState },
    Restart,
}

fn member() -> impl Strategy<Value = MemberNumber> {
    prop_oneof![Just(A), Just(B)]
}

fn level() -> impl Strategy<Value = ConfirmLevel> {
    use ConfirmLevel::{Accepted, Committed, Present, Verified};
    prop_oneof![Just(Accepted), Just(Present), Just(Committed), Just(Verified)]
}

fn outcome() -> impl Strategy<Value = ReportOutcome> {
    prop_oneof![
        4 => level().prop_map(ReportOutcome::Reached),
        1 => Just(ReportOutcome::RetryAt { at: WallTime(0) }),
        1 => Just(ReportOutcome::SendAgain { at: WallTime(0) }),
        1 => Just(ReportOutcome::Suspend(SuspenseReason::Refused)),
        1 => Just(ReportOutcome::Released),
    ]
}

fn step() -> impl Strategy<Value = Step> {
    let lane = prop_oneof![Just(Lane::Fresh), Just(Lane::Backlog)];
    let compared = prop_oneof![Just(Compared::ReEncoded), Just(Compared::OtherContent)];
    let state = prop_oneof![Just(MemberState::Held), Just(MemberState::Active)];
    prop_oneof![
        8 => (0..12u32, 0..3u8).prop_map(|(instance, content)| Step::Accept { instance, content }),
        8 => (member(), lane, prop::collection::vec(outcome(), 1..6))
            .prop_map(|(member, lane, outcomes)| Step::Work { member, lane, outcomes }),
        3 => (member(), level()).prop_map(|(member, level)| Step::Confirm { member, level }),
        2 => (member(), outcome()).prop_map(|(member, outcome)| Step::ReadBack { member, outcome }),
        2 => any::<u8>().prop_map(|seconds| Step::Wait { seconds: u64::from(seconds) * 8 }),
        1 => Just(Step::Retry),
        1 => Just(Step::WriteOff),
        1 => member().prop_map(|member| Step::Reopen { member }),
        1 => (0..4u32, member()).prop_map(|(study, member)| Step::Resend { study, member }),
        1 => compared.prop_map(|compared| Step::Compare { compared }),
        1 => (member(), state).prop_map(|(member, state)| Step::Hold { member, state }),
        1 => Just(Step::Restart),
    ]
}

const SUSPENDED: SuspenseFilter = SuspenseFilter::Of { member: None, reason: None };

/// A node and what its members hold, in the order in which they closed.
struct Life {
    rig: Rig,
    closed: BTreeMap<(MemberNumber, SopInstanceUid), Vec<Seq>>,
}

impl Life {
    async fn take(&mut self, step: &Step) {
        match step {
            Step::Accept { instance, content } => {
                self.rig.accept(*instance, instance / 4, *content).await;
            }
            Step::Work { member, lane, outcomes } => {
                self.settle().await;
                self.work(*member, *lane, outcomes).await;
            }
            Step::Confirm { member, level } => {
                let waiting = self.rig.ledger.awaiting(*member, ConfirmLevel::Accepted, 3).await.unwrap();
                for due in waiting {
                    self.report(due.posting, &due.header.sop_instance, ReportOutcome::Reached(*level)).await;
                }
            }
            Step::ReadBack { member, outcome } => {
                for due in self.rig.ledger.unverified(*member, 2).await.unwrap() {
                    self.rig
                        .ledger
                        .report(vec![Report {
                            posting: due.posting,
                            attempt: None,
                            outcome: outcome.clone(),
                        }])
                        .await
                        .unwrap();
                }
            }
            Step::Wait { seconds } => tokio::time::advance(std::time::Duration::from_secs(*seconds)).await,
            Step::Retry
            | Step::WriteOff
            | Step::Reopen { .. }
            | Step::Resend { .. }
            | Step::Compare { .. } => {
                self.settle().await;
                self.decide(step).await;
            }
            Step::Hold { member, state } => self.rig.ledger.change_member(*member, *state).await.unwrap(),
            Step::Restart => self.rig.restart().await,
        }
    }

    async fn settle(&self) {
        self.rig.ledger.follow(Seq(self.rig.journal.tail().0)).await.unwrap();
    }

    async fn work(&mut self, member: MemberNumber, lane: Lane, outcomes: &[ReportOutcome]) {
        let ask = DueAsk { limit: outcomes.len(), lane };
        let due = self.rig.ledger.due(member, ask).await.unwrap();
        let mut given = BTreeSet::new();
        for due in &due {
            assert!(given.insert(due.header.sop_instance.clone()), "two versions of an instance at once");
        }
        for (due, outcome) in due.iter().zip(outcomes) {
            self.report(due.posting, &due.header.sop_instance, outcome.clone()).await;
        }
    }

    async fn report(&mut self, posting: PostingKey, instance: &SopInstanceUid, outcome: ReportOutcome) {
        let policies = self.rig.ledger.policies();
        let confirm = policies.get(posting.member).unwrap().confirm;
        if matches!(outcome, ReportOutcome::Reached(level) if level >= confirm) {
            let closed = self.closed.entry((posting.member, instance.clone())).or_default();
            closed.push(posting.entry);
        }
        self.rig.ledger.report(vec![Report { posting, attempt: None, outcome }]).await.unwrap();
    }

    async fn decide(&mut self, step: &Step) {
        let ledger = &self.rig.ledger;
        match step {
            Step::Retry => assert!(ledger.retry(SUSPENDED).await.is_ok()),
            Step::WriteOff => {
                assert!(ledger.write_off(SUSPENDED, "A. Person".into(), "test".into()).await.is_ok());
            }
            Step::Reopen { member } => {
                let since = WallTime(self.rig.now().0 - 600_000_000);
                // Put in doubt, an instance is no longer settled, and its versions begin anew.
                self.closed.retain(|(of, _), _| of != member);
                assert!(ledger.reopen(*member, since).await.is_ok());
            }
            Step::Resend { study, member } => {
                self.closed.clear();
                assert!(ledger.resend(Resend::Study(study_uid(*study)), Some(*member)).await.is_ok());
            }
            Step::Compare { compared } => {
                if let Some((entry, _)) = ledger.uncompared(1).await.unwrap().pop() {
                    ledger.compared(entry, *compared).await.unwrap();
                }
            }
            other => panic!("{other:?} is no decision"),
        }
    }

    /// What must hold at any time.
    async fn check(&self) {
        self.settle().await;
        let balance = self.rig.ledger.balance().await.unwrap();
        assert!(balance.members.iter().all(|member| member.difference == 0), "{balance:?}");
        assert_eq!(self.rig.ledger.scrub().await.unwrap(), [""; 0], "accounts, marks and postings agree");
        for ((member, instance), entries) in &self.closed {
            assert!(entries.is_sorted(), "{instance} at {member:?} was closed in the order {entries:?}");
        }
    }
}

async fn run(kind: Kind, steps: &[Step]) -> String {
    let mut life = Life { rig: Rig::new(kind).await, closed: BTreeMap::new() };
    for step in steps {
        life.take(step).await;
    }
    life.check().await;
    let original = life.rig.dump().await;
    let mut anew = Place::new(Kind::Memory).open();
    Ledger::rebuild(&life.rig.journal.reader(), &mut *anew).unwrap();
    assert_eq!(dump(&*anew), original, "a rebuild equals the original");
    life.rig.ledger.close().await;
    original
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn the_books_balance_keep_their_order_and_can_be_made_anew(steps in prop::collection::vec(step(), 1..60)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let [sqlite, memory] = Kind::BOTH.map(|kind| runtime.block_on(run(kind, &steps)));
        assert_eq!(sqlite, memory, "both databases keep the same books");
    }
}
