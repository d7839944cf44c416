//! What passes between this node and a member, noted beside the call: the member's adapter in a wrapper.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use outrigger_dataset::scan::Scanner;
use outrigger_front::Outbox;
use outrigger_member::contract::{Ability, AskSession, Returned};
use outrigger_member::{CommitAnswer, Found, Member, MemberError, Need, Outgoing, Reply, StoreSession};
use outrigger_model::{
    AeTitle, InstanceHeader, SeriesUid, SopClassUid, SopInstanceUid, StatusClass, StudyUid, TransactionUid,
    TransferSyntaxUid,
};
use outrigger_runtime::{BlockError, BlockSource, Body, Clock};

use super::tally::{Ends, Fate, Leg, Moved, Way};

/// Bytes of an object looked at for whose it is: patient and study stand in its first few kilobytes.
const PREFIX_BYTES: usize = 64 << 10;

/// A member's adapter that tells the audit trail what passes through it.
pub(crate) struct Audited<M> {
    member: M,
    /// The member's AE title and address, and ours where no other is called with.
    ends: Ends,
    legs: Outbox<Leg>,
    clock: Clock,
}

impl<M: Member> Audited<M> {
    pub(crate) fn new(member: M, ends: Ends, legs: Outbox<Leg>, clock: Clock) -> Self {
        Self { member, ends, legs, clock }
    }

    fn line(&self, ends: Ends, way: Way) -> Line {
        /// Lines of all members, told apart by their number.
        static LINES: AtomicU64 = AtomicU64::new(0);
        let number = LINES.fetch_add(1, Ordering::Relaxed);
        Line { number, ends: Arc::new(ends), way, legs: self.legs.clone(), clock: self.clock.clone() }
    }
}

/// One connection, as the audit trail sees it.
struct Line {
    number: u64,
    ends: Arc<Ends>,
    way: Way,
    legs: Outbox<Leg>,
    clock: Clock,
}

impl Line {
    async fn moved(&self, began_us: i64, class: &SopClassUid, header: Option<&InstanceHeader>, fate: Fate) {
        let moved = Moved {
            line: self.number,
            ends: Arc::clone(&self.ends),
            way: self.way,
            header: header.cloned(),
            class: class.clone(),
            fate,
            began_us,
            ended_us: self.clock.wall_us(),
        };
        self.legs.put(Leg::Moved(Box::new(moved))).await;
    }

    async fn ended(&self) {
        self.legs.put(Leg::Ended { line: self.number }).await;
    }
}

#[async_trait]
impl<M: Member> Member for Audited<M> {
    async fn health(&self) -> Result<(), MemberError> {
        self.member.health().await
    }

    async fn open(&self, needs: &[Need], calling: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        let session = self.member.open(needs, calling).await?;
        let line = self.line(Ends { ours: calling.clone(), ..self.ends.clone() }, Way::ToMember);
        Ok(Box::new(Storing { session, line }))
    }

    async fn ask(&self, returned: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        let session = self.member.ask(returned).await?;
        Ok(Box::new(Asking { session, line: self.line(self.ends.clone(), Way::FromMember) }))
    }

    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError> {
        self.member.abilities().await
    }

    async fn commit(
        &self,
        transaction: &TransactionUid,
        instances: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError> {
        self.member.commit(transaction, instances).await
    }
}

struct Storing {
    session: Box<dyn StoreSession>,
    line: Line,
}

#[async_trait]
impl StoreSession for Storing {
    fn takes(&self, need: &Need) -> Option<TransferSyntaxUid> {
        self.session.takes(need)
    }

    async fn store(&mut self, object: &Outgoing) -> Result<Reply, MemberError> {
        let began_us = self.line.clock.wall_us();
        let seen = Arc::new(Seen { source: Arc::clone(&object.bytes), first: OnceLock::new() });
        let outgoing = Outgoing { bytes: seen.clone(), ..object.clone() };
        let answer = self.session.store(&outgoing).await;
        let header = seen.first.get().and_then(|first| whose(&object.transfer_syntax, first));
        let fate = match &answer {
            Ok(reply) => match reply.status.class() {
                StatusClass::Success | StatusClass::Warning => Fate::Arrived,
                _ => Fate::Failed,
            },
            Err(_) => Fate::Failed,
        };
        self.line.moved(began_us, &object.sop_class, header.as_ref(), fate).await;
        answer
    }

    async fn release(self: Box<Self>) -> Result<(), MemberError> {
        self.line.ended().await;
        self.session.release().await
    }
}

struct Asking {
    session: Box<dyn AskSession>,
    line: Line,
}

#[async_trait]
impl AskSession for Asking {
    fn is_open(&self) -> bool {
        self.session.is_open()
    }

    fn gives(&self, class: &SopClassUid) -> bool {
        self.session.gives(class)
    }

    async fn present(&mut self, study: &StudyUid, series: &SeriesUid) -> Result<Found, MemberError> {
        self.session.present(study, series).await
    }

    async fn fetch(
        &mut self,
        study: &StudyUid,
        series: &SeriesUid,
        instance: &SopInstanceUid,
        class: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        let began_us = self.line.clock.wall_us();
        let fetched = self.session.fetch(study, series, instance, class).await;
        // What did not come did not pass.
        if let Ok((syntax, body)) = &fetched {
            let first = body.read_block(0).ok();
            let header = first.and_then(|first| whose(syntax, &first));
            self.line.moved(began_us, class, header.as_ref(), Fate::Arrived).await;
        }
        fetched
    }

    async fn release(self: Box<Self>) {
        self.line.ended().await;
        self.session.release().await;
    }
}

/// An object on its way; its first block is kept in sight.
#[derive(Debug)]
struct Seen {
    source: Arc<dyn BlockSource>,
    first: OnceLock<Bytes>,
}

impl BlockSource for Seen {
    fn length(&self) -> u64 {
        self.source.length()
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        let block = self.source.read_block(index)?;
        if index == 0 {
            self.first.get_or_init(|| block.clone());
        }
        Ok(block)
    }
}

/// What the beginning of an object says of patient and study.
fn whose(transfer_syntax: &TransferSyntaxUid, first: &Bytes) -> Option<InstanceHeader> {
    let mut scanner = Scanner::new(transfer_syntax);
    scanner.push(first.get(..PREFIX_BYTES).unwrap_or(first));
    scanner.so_far()
}
