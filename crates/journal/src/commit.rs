//! The commit: numbers, the write of the engine, receipts.

use std::io;

use bytes::Bytes;
use outrigger_runtime::reserve::{Given, is_no_room};

use crate::error::AppendError;
use crate::ids::{Epoch, JournalId, Seq};
use crate::journal::Journal;
use crate::log::{Prepared, PreparedBody};
use crate::ranges::Ranges;
use crate::record::{RecordKind, Void};
use crate::state::Health;

/// The receipt for a record on stable storage; only a commit makes one.
#[derive(Debug, PartialEq, Eq)]
pub struct Durable {
    journal: JournalId,
    epoch: Epoch,
    seq: Seq,
    sha256: Option<[u8; 32]>,
}

impl Durable {
    /// The journal it stands in.
    pub fn journal(&self) -> JournalId {
        self.journal
    }

    /// The start of the journal it was appended in.
    pub fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Its number.
    pub fn seq(&self) -> Seq {
        self.seq
    }

    /// SHA-256 of its object, where it brought one.
    pub fn sha256(&self) -> Option<[u8; 32]> {
        self.sha256
    }
}

/// Why a batch was not committed.
#[derive(Debug)]
pub(crate) enum Setback {
    /// No room, before any sync; it was rolled back.
    NoRoom,
    /// Anything else, and any failed sync.
    Failed { doing: &'static str, error: io::Error },
}

/// What an error before any sync means.
pub(crate) fn before_sync(doing: &'static str) -> impl FnOnce(io::Error) -> Setback {
    move |error| if is_no_room(&error) { Setback::NoRoom } else { Setback::Failed { doing, error } }
}

/// What an error in a sync, or in taking something back, means.
pub(crate) fn for_good(doing: &'static str) -> impl FnOnce(io::Error) -> Setback {
    move |error| Setback::Failed { doing, error }
}

/// Records of one commit, with their numbers from `first` on.
#[derive(Debug)]
pub(crate) struct Batch<'a> {
    pub(crate) first: Seq,
    pub(crate) epoch: Epoch,
    /// Wall-clock time, in microseconds since 1970-01-01 UTC.
    pub(crate) at_us: i64,
    pub(crate) records: Vec<&'a Prepared>,
    /// Numbers that the record of this kind among them explains.
    pub(crate) void: &'a Ranges,
}

impl<'a> Batch<'a> {
    /// The records with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (Seq, &'a Prepared)> + '_ {
        (self.first.0..).map(Seq).zip(self.records.iter().copied())
    }

    /// The number behind the last.
    pub(crate) fn end(&self) -> Seq {
        Seq(self.first.0.saturating_add(self.records.len() as u64))
    }
}

type Admitted = Vec<Result<Prepared, AppendError>>;

impl Journal {
    /// Commits records: all for which there is room with one write and one sync.
    pub(crate) fn commit(&mut self, batch: Vec<Prepared>) -> Vec<Result<Durable, AppendError>> {
        if self.engine.home().health() == Health::Failed {
            return batch.into_iter().map(|_| Err(AppendError::Failed)).collect();
        }
        let mut batch = match self.admit(batch) {
            Ok(batch) => batch,
            Err((batch, error)) => return self.fail("asking for free space", &error, batch),
        };
        loop {
            let ready: Vec<&Prepared> = batch.iter().flatten().collect();
            match self.attempt(&ready) {
                Ok(receipts) => return Self::answer(batch, receipts),
                Err(Setback::NoRoom) => match self.retreat(&mut batch) {
                    Ok(()) => {}
                    Err(error) => return self.fail("giving room back", &error, batch),
                },
                Err(Setback::Failed { doing, error }) => return self.fail(doing, &error, batch),
            }
        }
    }

    fn answer(batch: Admitted, receipts: Vec<Durable>) -> Vec<Result<Durable, AppendError>> {
        let mut receipts = receipts.into_iter();
        let answer = |admitted: Result<Prepared, AppendError>| {
            admitted?.leave();
            receipts.next().ok_or(AppendError::Closed)
        };
        batch.into_iter().map(answer).collect()
    }

    fn fail(&self, doing: &str, error: &io::Error, batch: Admitted) -> Vec<Result<Durable, AppendError>> {
        self.engine.home().fail(doing, error);
        let answer = |admitted: Result<Prepared, AppendError>| {
            // Its frame may have reached the disk; the file it names has to stay.
            admitted?.leave();
            Err(AppendError::Failed)
        };
        batch.into_iter().map(answer).collect()
    }

    /// Looks whether there is room, and lets the engine do what waited for a pause.
    pub(crate) fn recheck(&mut self) {
        self.engine.recheck();
        match self.engine.pause() {
            Ok(()) | Err(Setback::NoRoom) => {}
            Err(Setback::Failed { doing, error }) => self.engine.home().fail(doing, &error),
        }
    }

    /// Refuses objects that there is no room for.
    fn admit(&self, batch: Vec<Prepared>) -> Result<Admitted, (Admitted, io::Error)> {
        if batch.iter().all(|ready| ready.kind.is_owed()) {
            return Ok(batch.into_iter().map(Ok).collect());
        }
        let mut room = match self.engine.room() {
            Ok(room) => room,
            Err(error) => return Err((batch.into_iter().map(Ok).collect(), error)),
        };
        let admit = |ready: Prepared| {
            if ready.kind.is_owed() {
                return Ok(ready);
            }
            let Some(left) = room.without(&ready) else {
                self.engine.home().set_health(Health::Full);
                return Err(AppendError::Full);
            };
            room = left;
            Ok(ready)
        };
        let admitted: Admitted = batch.into_iter().map(admit).collect();
        if admitted.iter().all(Result::is_ok) {
            self.engine.home().set_health(room.health(self.engine.home().health()));
        }
        Ok(admitted)
    }

    /// After a batch found no room: objects are refused first, then the reserve gives, then nothing is left to try.
    fn retreat(&mut self, batch: &mut Admitted) -> io::Result<()> {
        self.engine.home().set_health(Health::Full);
        let is_object =
            |admitted: &Result<Prepared, AppendError>| matches!(admitted, Ok(ready) if !ready.kind.is_owed());
        let refuse_all = !batch.iter().any(is_object) && self.engine.give()? == Given::Nothing;
        for admitted in batch.iter_mut() {
            if refuse_all || is_object(admitted) {
                *admitted = Err(AppendError::Full);
            }
        }
        Ok(())
    }

    /// Numbers, writes and syncs a batch; its numbers are gone even if it fails.
    fn attempt(&mut self, batch: &[&Prepared]) -> Result<Vec<Durable>, Setback> {
        if batch.is_empty() {
            return Ok(Vec::new());
        }
        self.numbered(batch)
    }

    /// Writes down which numbers went to refused batches, if that was not done yet.
    pub(crate) fn explain(&mut self) -> Result<(), AppendError> {
        if self.engine.home().health() == Health::Failed {
            return Err(AppendError::Failed);
        }
        if self.void.is_empty() {
            return Ok(());
        }
        self.numbered(&[]).map(drop).map_err(|setback| self.engine.set_back(setback))
    }

    fn numbered(&mut self, batch: &[&Prepared]) -> Result<Vec<Durable>, Setback> {
        let first = self.next;
        let void = std::mem::take(&mut self.void);
        let outcome = self.write_batch(first, &void, batch);
        if outcome.is_err() && first < self.next {
            self.void.add(&void);
            self.void.add(&Ranges::new(vec![(first, self.next.before())]));
        }
        outcome
    }

    fn write_batch(
        &mut self,
        first: Seq,
        void: &Ranges,
        batch: &[&Prepared],
    ) -> Result<Vec<Durable>, Setback> {
        let explained =
            Prepared { kind: RecordKind::Void, header: void_header(void)?, body: PreparedBody::None };
        let before = (!void.is_empty()).then_some(&explained);
        let records: Vec<&Prepared> = before.into_iter().chain(batch.iter().copied()).collect();
        let at_us = self.engine.home().clock.wall_us();
        let batch = Batch { first, epoch: self.epoch, at_us, records, void };
        self.next = batch.end();
        self.engine.write(&batch)?;
        self.tail.send_replace(batch.end().before());
        let skip = usize::from(before.is_some());
        Ok(batch.numbered().skip(skip).map(|(seq, record)| self.receipt(seq, record)).collect())
    }

    fn receipt(&self, seq: Seq, record: &Prepared) -> Durable {
        Durable { journal: self.engine.home().journal, epoch: self.epoch, seq, sha256: record.sha256() }
    }
}

fn void_header(void: &Ranges) -> Result<Bytes, Setback> {
    let header = serde_json::to_vec(&Void { void: void.clone() });
    header.map(Bytes::from).map_err(io::Error::other).map_err(for_good("writing a void record"))
}
