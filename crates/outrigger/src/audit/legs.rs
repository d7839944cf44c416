//! What passes between this node and a member, noted beside the call: the member's adapter in a wrapper.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use bytes::Bytes;
use outrigger_dataset::scan::Scanner;
use outrigger_front::Outbox;
use outrigger_member::contract::{Ability, AskSession, Returned};
use outrigger_member::{
    Answered, Arrived, CameBack, CommitAnswer, Found, Member, MemberError, Need, Outgoing, Reply,
    StoreSession,
};
use outrigger_model::{
    AeTitle, InstanceHeader, Query, SeriesUid, SopClassUid, SopInstanceUid, StatusClass, StudyUid,
    TransactionUid, TransferSyntaxUid,
};
use outrigger_runtime::{BlockError, BlockSource, Body, Clock, Threads};
use tokio::sync::mpsc;

use super::tally::{Ends, Fate, Leg, Moved, Moving, Way};

/// Bytes of an object looked at for whose it is: patient and study stand in its first few kilobytes.
const PREFIX_BYTES: usize = 64 << 10;

/// A member's adapter that tells the audit trail what passes through it.
pub(crate) struct Audited<M> {
    member: M,
    /// The member's AE title and address, and ours where no other is called with.
    ends: Ends,
    legs: Outbox<Leg>,
    clock: Clock,
    threads: Threads,
}

impl<M: Member> Audited<M> {
    pub(crate) fn new(member: M, ends: Ends, legs: Outbox<Leg>, clock: Clock, threads: Threads) -> Self {
        Self { member, ends, legs, clock, threads }
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
    /// An instance on its way since now.
    fn moving(&self, header: Option<InstanceHeader>, began_us: i64) -> Moving {
        Moving { line: self.number, ends: Arc::clone(&self.ends), way: self.way, header, began_us }
    }

    async fn begins(&self, moving: &Moving) {
        self.legs.put(Leg::Begins(Box::new(moving.clone()))).await;
    }

    async fn moved(&self, moving: Moving, class: &SopClassUid, fate: Fate) {
        let moved = Moved { moving, class: class.clone(), fate, ended_us: self.clock.wall_us() };
        self.legs.put(Leg::Moved(Box::new(moved))).await;
    }

    /// An object came from the member.
    async fn came(&self, class: &SopClassUid, (syntax, body): (&TransferSyntaxUid, &Body), began_us: i64) {
        let first = body.beginning(PREFIX_BYTES).ok();
        let header = first.and_then(|first| whose(syntax, &first));
        self.moved(self.moving(header, began_us), class, Fate::Arrived).await;
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
        Ok(Box::new(Storing { session, line, threads: self.threads }))
    }

    async fn ask(&self, returned: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        let session = self.member.ask(returned).await?;
        Ok(Box::new(Asking { session, line: self.line(self.ends.clone(), Way::FromMember) }))
    }

    fn gives_series(&self) -> bool {
        self.member.gives_series()
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
    threads: Threads,
}

#[async_trait]
impl StoreSession for Storing {
    fn takes(&self, need: &Need) -> Option<TransferSyntaxUid> {
        self.session.takes(need)
    }

    async fn store(&mut self, object: &Outgoing) -> Result<Reply, MemberError> {
        let began_us = self.line.clock.wall_us();
        let bytes = Arc::clone(&object.bytes);
        // What cannot be read here cannot be read for sending, and fails there.
        let read = self.threads.blocking("block read", move || bytes.read_block(0)).await;
        let first = read.ok().and_then(Result::ok);
        let header = first.as_ref().and_then(|first| whose(&object.transfer_syntax, first));
        let moving = self.line.moving(header, began_us);
        self.line.begins(&moving).await;
        let outgoing = match first {
            None => object.clone(),
            Some(first) => {
                let source = Arc::clone(&object.bytes);
                Outgoing { bytes: Arc::new(Begun { source, first }), ..object.clone() }
            }
        };
        let answer = self.session.store(&outgoing).await;
        let fate = match &answer {
            Ok(reply) => match reply.status.class() {
                StatusClass::Success | StatusClass::Warning => Fate::Arrived,
                _ => Fate::Failed,
            },
            Err(_) => Fate::Failed,
        };
        self.line.moved(moving, &object.sop_class, fate).await;
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

    fn arrived(&self) -> Arrived {
        self.session.arrived()
    }

    async fn present(&mut self, study: &StudyUid, series: &SeriesUid) -> Result<Found, MemberError> {
        self.session.present(study, series).await
    }

    async fn find(&mut self, query: &Query, most: usize) -> Result<Answered, MemberError> {
        self.session.find(query, most).await
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
            self.line.came(class, (syntax, body), began_us).await;
        }
        fetched
    }

    async fn fetch_series(
        &mut self,
        study: &StudyUid,
        series: &SeriesUid,
        taken: &mpsc::Sender<CameBack>,
    ) -> Result<(), MemberError> {
        let (passed, mut came) = mpsc::channel(1);
        let Self { session, line } = self;
        let fetching = async move { session.fetch_series(study, series, &passed).await };
        let telling = async move {
            let mut began_us = line.clock.wall_us();
            while let Some(back) = came.recv().await {
                line.came(&back.sop_class, (&back.transfer_syntax, &back.body), began_us).await;
                began_us = line.clock.wall_us();
                if taken.send(back).await.is_err() {
                    return;
                }
            }
        };
        tokio::join!(fetching, telling).0
    }

    async fn release(self: Box<Self>) {
        self.line.ended().await;
        self.session.release().await;
    }
}

/// An object whose first block has been read.
#[derive(Debug)]
struct Begun {
    source: Arc<dyn BlockSource>,
    first: Bytes,
}

impl BlockSource for Begun {
    fn length(&self) -> u64 {
        self.source.length()
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        if index == 0 { Ok(self.first.clone()) } else { self.source.read_block(index) }
    }
}

/// What the beginning of an object says of patient and study.
fn whose(transfer_syntax: &TransferSyntaxUid, first: &Bytes) -> Option<InstanceHeader> {
    let mut scanner = Scanner::new(transfer_syntax);
    scanner.push(first.get(..PREFIX_BYTES).unwrap_or(first));
    scanner.so_far()
}

#[cfg(test)]
mod tests {
    use super::*;
    use outrigger_front::Outbox;
    use outrigger_model::Status;

    /// A connection that looks what has been told when an object is handed to it.
    struct Looking(mpsc::Receiver<Leg>);

    #[async_trait]
    impl StoreSession for Looking {
        fn takes(&self, _: &Need) -> Option<TransferSyntaxUid> {
            None
        }

        async fn store(&mut self, object: &Outgoing) -> Result<Reply, MemberError> {
            let told = self.0.try_recv().unwrap();
            assert!(matches!(&told, Leg::Begins(moving) if moving.began_us > 0), "{told:?}");
            assert!(self.0.try_recv().is_err(), "told as sent before it is");
            assert_eq!(object.bytes.read_block(0).unwrap(), Bytes::from_static(b"not a data set"));
            Ok(Reply { status: Status::SUCCESS, comment: None })
        }

        async fn release(self: Box<Self>) -> Result<(), MemberError> {
            Ok(())
        }
    }

    #[tokio::test]
    async fn that_a_transfer_begins_is_told_before_anything_is_sent() {
        let (legs, told) = Outbox::new("test");
        let title = AeTitle::new("A").unwrap();
        let ends = Ends { ours: title.clone(), theirs: title, address: "a:1".to_owned() };
        let clock = Clock::System;
        let line = Line { number: 1, ends: Arc::new(ends), way: Way::ToMember, legs, clock };
        let mut storing = Storing { session: Box::new(Looking(told)), line, threads: Threads::System };
        let object = Outgoing {
            sop_class: SopClassUid::new("1.1").unwrap(),
            sop_instance: SopInstanceUid::new("1.2").unwrap(),
            transfer_syntax: TransferSyntaxUid::new("1.2.840.10008.1.2.1").unwrap(),
            bytes: Arc::new(Bytes::from_static(b"not a data set")),
        };
        assert_eq!(storing.store(&object).await.unwrap().status, Status::SUCCESS);
    }
}
