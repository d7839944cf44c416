//! The commit: numbers, the write of the engine, receipts.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use outrigger_runtime::reserve::{Given, is_no_room};

use crate::copies::{COPY_TIME_MAX, InUse, each, one};
use crate::error::AppendError;
use crate::ids::{Epoch, JournalId, Seq};
use crate::journal::Journal;
use crate::log::{Prepared, PreparedBody};
use crate::ranges::Ranges;
use crate::record::{RecordKind, Void};
use crate::room::Room;
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

/// Why a batch was not committed to a copy.
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

/// What a setback outside a commit means for whoever asked.
impl From<Setback> for AppendError {
    fn from(setback: Setback) -> Self {
        match setback {
            Setback::NoRoom => Self::Full,
            Setback::Failed { .. } => Self::Failed,
        }
    }
}

/// Records of one commit, with their numbers from `first` on.
#[derive(Debug)]
pub(crate) struct Batch {
    pub(crate) first: Seq,
    pub(crate) records: Vec<Arc<Prepared>>,
    /// When each was appended; the last goes for all behind it.
    pub(crate) stamps: Vec<Stamp>,
    /// Numbers that the record of this kind among them explains.
    pub(crate) void: Ranges,
}

/// When a record was appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Stamp {
    pub(crate) epoch: Epoch,
    /// Wall-clock time, in microseconds since 1970-01-01 UTC.
    pub(crate) at_us: i64,
}

impl Batch {
    /// The records with their numbers.
    pub(crate) fn numbered(&self) -> impl Iterator<Item = (Seq, &Prepared)> + '_ {
        (self.first.0..).map(Seq).zip(self.records.iter().map(|record| &**record))
    }

    /// When one of them was appended.
    pub(crate) fn stamp(&self, seq: Seq) -> Stamp {
        let at = usize::try_from(seq.0.saturating_sub(self.first.0)).unwrap_or(usize::MAX);
        self.stamps.get(at).or(self.stamps.last()).copied().unwrap_or_default()
    }

    /// The number behind the last.
    pub(crate) fn end(&self) -> Seq {
        Seq(self.first.0.saturating_add(self.records.len() as u64))
    }
}

type Admitted = Vec<Result<Arc<Prepared>, AppendError>>;

/// Whether a batch is durable in every copy in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Written {
    All,
    /// In some; the others had no room, and take it before anything else.
    Owed,
}

/// A batch that is durable in some copies and found no room in others. Its numbers are used, so nothing can come before it.
#[derive(Debug)]
pub(crate) struct Debt {
    batch: Arc<Batch>,
    /// The places that lack it.
    lacking: Vec<usize>,
}

impl Journal {
    /// Commits records: all for which there is room with one write and one sync of each copy.
    pub(crate) fn commit(&mut self, batch: Vec<Prepared>) -> Vec<Result<Durable, AppendError>> {
        let batch: Admitted = batch.into_iter().map(|record| Ok(Arc::new(record))).collect();
        if self.book.health() == Health::Failed {
            return batch.into_iter().map(|_| Err(AppendError::Failed)).collect();
        }
        let mut batch = match self.weed_failed().and_then(|()| self.pay()) {
            Ok(Written::All) => match self.admit(batch) {
                Ok(batch) => batch,
                Err((batch, _)) => return failed(batch),
            },
            Ok(Written::Owed) => return batch.into_iter().map(|_| Err(AppendError::Full)).collect(),
            Err(_) => return failed(batch),
        };
        loop {
            let ready: Vec<Arc<Prepared>> = batch.iter().flatten().cloned().collect();
            match self.attempt(ready) {
                Ok((Written::All, receipts)) => return answer(batch, receipts),
                Ok((Written::Owed, _)) => {
                    batch.iter().flatten().for_each(|record| record.leave());
                    return batch.into_iter().map(|_| Err(AppendError::Full)).collect();
                }
                Err(Setback::NoRoom) => match self.retreat(&mut batch) {
                    Ok(()) => {}
                    Err(_) => return failed(batch),
                },
                Err(Setback::Failed { .. }) => return failed(batch),
            }
        }
    }

    /// Looks whether there is room in every copy, and does what waited for a pause.
    pub(crate) fn recheck(&mut self) -> Result<(), Setback> {
        let outcomes = each(&mut self.copies, |engine| engine.recheck());
        let rooms = self.weed(outcomes)?;
        for (copy, room) in self.copies.iter_mut().zip(rooms) {
            copy.room = room.ok();
        }
        self.pay().map(drop)
    }

    /// Refuses objects that there is no room for.
    fn admit(&mut self, batch: Admitted) -> Result<Admitted, (Admitted, Setback)> {
        let is_owed = |ready: &Result<Arc<Prepared>, AppendError>| {
            ready.as_ref().is_ok_and(|ready| ready.kind.is_owed())
        };
        if batch.iter().all(is_owed) {
            return Ok(batch);
        }
        let mut room = match self.room() {
            Ok(Some(room)) => room,
            Ok(None) => return Ok(batch),
            Err(setback) => return Err((batch, setback)),
        };
        let mut is_full = false;
        let mut admit = |ready: Arc<Prepared>| {
            if ready.kind.is_owed() {
                return Ok(ready);
            }
            let Some(left) = room.without(&ready) else {
                is_full = true;
                return Err(AppendError::Full);
            };
            room = left;
            Ok(ready)
        };
        let admitted: Admitted = batch.into_iter().map(|ready| ready.and_then(&mut admit)).collect();
        for copy in &mut self.copies {
            let left = admitted.iter().flatten().try_fold(copy.room, |room, ready| match room {
                Some(room) if !ready.kind.is_owed() => room.without(ready).map(Some),
                room => Some(room),
            });
            copy.room = left.unwrap_or(copy.room);
            let now = copy.room.map(|room| room.health(copy.home.health()));
            copy.home.set_health(if is_full { Health::Full } else { now.unwrap_or(copy.home.health()) });
        }
        Ok(admitted)
    }

    /// The room there is in every copy; a copy on a thread of its own tells with each look, and what it was given since is taken off.
    fn room(&mut self) -> Result<Option<Room>, Setback> {
        let is_told = |copy: &InUse| copy.is_on_a_thread() && copy.room.is_some();
        if !self.copies.iter().all(is_told) {
            let outcomes =
                each(&mut self.copies, |engine| engine.room().map_err(for_good("asking for free space")));
            let rooms = self.weed(outcomes)?;
            for (copy, room) in self.copies.iter_mut().zip(rooms) {
                copy.room = room.ok();
            }
        }
        Ok(self.copies.iter().filter_map(|copy| copy.room).reduce(Room::least))
    }

    /// After a batch found no room: objects are refused first, then the reserve gives, then nothing is left to try.
    fn retreat(&mut self, batch: &mut Admitted) -> Result<(), Setback> {
        for copy in &self.copies {
            copy.home.set_health(Health::Full);
        }
        let is_object = |admitted: &Result<Arc<Prepared>, AppendError>| matches!(admitted, Ok(ready) if !ready.kind.is_owed());
        let has_objects = batch.iter().any(is_object);
        let refuse_all = !has_objects && self.give()? == Given::Nothing;
        for admitted in batch.iter_mut() {
            if refuse_all || is_object(admitted) {
                *admitted = Err(AppendError::Full);
            }
        }
        Ok(())
    }

    /// Has the reserve of each copy give some of its room.
    pub(crate) fn give(&mut self) -> Result<Given, Setback> {
        let outcomes = each(&mut self.copies, |engine| engine.give().map_err(for_good("giving room back")));
        let given = self.weed(outcomes)?;
        let is_some = given.iter().any(|given| matches!(given, Ok(Given::Some)));
        Ok(if is_some { Given::Some } else { Given::Nothing })
    }

    /// Numbers, writes and syncs a batch; its numbers are gone even if it fails.
    fn attempt(&mut self, batch: Vec<Arc<Prepared>>) -> Result<(Written, Vec<Durable>), Setback> {
        if batch.is_empty() {
            return Ok((Written::All, Vec::new()));
        }
        self.numbered(batch)
    }

    /// Writes down which numbers went to refused batches, if that was not done yet.
    pub(crate) fn explain(&mut self) -> Result<(), AppendError> {
        if self.book.health() == Health::Failed {
            return Err(AppendError::Failed);
        }
        if self.void.is_empty() || self.debt.is_some() {
            return Ok(());
        }
        match self.numbered(Vec::new()) {
            Ok((Written::All, _)) => Ok(()),
            Ok((Written::Owed, _)) | Err(Setback::NoRoom) => Err(AppendError::Full),
            Err(Setback::Failed { .. }) => Err(AppendError::Failed),
        }
    }

    fn numbered(&mut self, batch: Vec<Arc<Prepared>>) -> Result<(Written, Vec<Durable>), Setback> {
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
        batch: Vec<Arc<Prepared>>,
    ) -> Result<(Written, Vec<Durable>), Setback> {
        let explained =
            Prepared { kind: RecordKind::Void, header: void_header(void)?, body: PreparedBody::None };
        let before = (!void.is_empty()).then(|| Arc::new(explained));
        let skip = usize::from(before.is_some());
        let records: Vec<Arc<Prepared>> = before.into_iter().chain(batch).collect();
        self.bring(&records)?;
        let at_us = self.book.clock.wall_us();
        let stamps = vec![Stamp { epoch: self.epoch, at_us }];
        let batch = Arc::new(Batch { first, records, stamps, void: void.clone() });
        self.next = batch.end();
        let written = self.write_everywhere(&batch)?;
        let receipts = batch.numbered().skip(skip).map(|(seq, record)| self.receipt(seq, record)).collect();
        Ok((written, receipts))
    }

    /// Has copies that came into use since take the files of large objects.
    fn bring(&mut self, records: &[Arc<Prepared>]) -> Result<(), Setback> {
        if self.copies.len() < 2 {
            return Ok(());
        }
        let outcomes = self.copies.iter().map(|copy| {
            records.iter().try_for_each(|record| match &record.body {
                PreparedBody::File(file) => {
                    file.bring_to(&copy.home).map_err(before_sync("storing a large object"))
                }
                PreparedBody::None | PreparedBody::Inline { .. } | PreparedBody::Released { .. } => Ok(()),
            })
        });
        let outcomes: Vec<_> = outcomes.collect();
        let brought = self.weed(outcomes)?;
        if brought.iter().all(Result::is_ok) { Ok(()) } else { Err(Setback::NoRoom) }
    }

    fn write_everywhere(&mut self, batch: &Arc<Batch>) -> Result<Written, Setback> {
        let written = batch.clone();
        let outcomes = each(&mut self.copies, move |engine| engine.write(&written));
        let outcomes = self.weed(outcomes)?;
        if outcomes.iter().all(Result::is_err) {
            return Err(Setback::NoRoom);
        }
        let lacking = self.copies.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_err());
        let lacking: Vec<usize> = lacking.map(|(copy, _)| copy.at).collect();
        if lacking.is_empty() {
            self.book.tail.send_replace(batch.end().before());
            return Ok(Written::All);
        }
        self.debt = Some(Debt { batch: batch.clone(), lacking });
        self.pay()
    }

    /// Writes what some copies have and others had no room for, out of the reserve of those where need be.
    fn pay(&mut self) -> Result<Written, Setback> {
        let Some(Debt { batch, lacking }) = self.debt.take() else { return Ok(Written::All) };
        let places: Vec<usize> = self.copies.iter().map(|copy| copy.at).collect();
        let outcomes = places.into_iter().map(|at| {
            let batch = lacking.contains(&at).then(|| batch.clone());
            let insist = |batch: Arc<Batch>| {
                one(&mut self.copies, at, COPY_TIME_MAX, move |engine| engine.insist(&batch))
            };
            batch.and_then(insist).unwrap_or(Ok(()))
        });
        let outcomes = outcomes.collect();
        let outcomes = self.weed(outcomes)?;
        let lacking = self.copies.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_err());
        let lacking: Vec<usize> = lacking.map(|(copy, _)| copy.at).collect();
        if lacking.is_empty() {
            self.book.tail.send_replace(batch.end().before());
            return Ok(Written::All);
        }
        for copy in self.copies.iter().filter(|copy| lacking.contains(&copy.at)) {
            copy.home.set_health(Health::Full);
        }
        self.debt = Some(Debt { batch, lacking });
        Ok(Written::Owed)
    }

    fn receipt(&self, seq: Seq, record: &Prepared) -> Durable {
        Durable { journal: self.book.journal, epoch: self.epoch, seq, sha256: record.sha256() }
    }
}

fn answer(batch: Admitted, receipts: Vec<Durable>) -> Vec<Result<Durable, AppendError>> {
    let mut receipts = receipts.into_iter();
    let answer = |admitted: Result<Arc<Prepared>, AppendError>| {
        admitted?.leave();
        receipts.next().ok_or(AppendError::Closed)
    };
    batch.into_iter().map(answer).collect()
}

/// No copy is left that takes records.
fn failed(batch: Admitted) -> Vec<Result<Durable, AppendError>> {
    let answer = |admitted: Result<Arc<Prepared>, AppendError>| {
        // Its frame may have reached the disk; the file it names has to stay.
        admitted?.leave();
        Err(AppendError::Failed)
    };
    batch.into_iter().map(answer).collect()
}

fn void_header(void: &Ranges) -> Result<Bytes, Setback> {
    let header = serde_json::to_vec(&Void { void: void.clone() });
    header.map(Bytes::from).map_err(io::Error::other).map_err(for_good("writing a void record"))
}
