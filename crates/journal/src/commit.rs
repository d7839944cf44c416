//! The commit: numbers, one write, one sync, receipts.

use std::io;

use bytes::Bytes;
use outrigger_runtime::reserve::{Given, is_no_room};

use crate::error::AppendError;
use crate::frame::{FrameHead, FrameKind, Place, Trailer};
use crate::ids::{Epoch, JournalId, Seq};
use crate::journal::Journal;
use crate::large::{Prepared, PreparedBody};
use crate::open_segment::Ready;
use crate::options::{FRAME_BODY_BYTES_MAX, ROOM_MARGIN_BYTES};
use crate::ranges::Ranges;
use crate::record::RecordKind;
use crate::seal::Void;
use crate::state::Health;
use crate::table::Slot;

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

/// A full journal has room again when it could take a good many objects, so that it does not flap.
const ROOM_AGAIN_BYTES: u64 = 16 * FRAME_BODY_BYTES_MAX;

/// A journal counts as full before the first object is refused: whoever asks whether it is ready shall be told in time.
const ROOM_LOW_BYTES: u64 = 4 * FRAME_BODY_BYTES_MAX;

/// In a small journal, the part of it that counts as room again, and as too little room.
const AGAIN_PART: u64 = 8;
const LOW_PART: u64 = 32;

/// Room for objects, in bytes.
#[derive(Debug, Clone, Copy)]
struct Room {
    /// Up to the greatest size of the journal.
    left: u64,
    /// On the disk.
    free: u64,
    /// What there is at all, as if the disk were the journal's alone.
    whole: u64,
}

impl Room {
    /// What that means for a journal that was doing like this.
    fn health(self, before: Health) -> Health {
        let least = self.left.min(self.free);
        match before {
            Health::Healthy if least <= ROOM_LOW_BYTES.min(self.whole / LOW_PART) => Health::Full,
            Health::Full if least > ROOM_AGAIN_BYTES.min(self.whole / AGAIN_PART) => Health::Healthy,
            Health::Healthy | Health::Full | Health::Failed => before,
        }
    }

    /// What is left behind an object, if it fits; the file of a large one is on the disk already.
    fn without(self, ready: &Prepared) -> Option<Self> {
        let frame = ready.frame_bytes();
        let file = match &ready.body {
            PreparedBody::File(file) => file.length,
            PreparedBody::Inline { .. } | PreparedBody::None => 0,
        };
        let left = self.left.checked_sub(frame.saturating_add(file))?;
        Some(Self { left, free: self.free.checked_sub(frame)?, whole: self.whole })
    }
}

type Admitted = Vec<Result<Prepared, AppendError>>;

impl Journal {
    /// Commits records: all for which there is room with one write and one sync.
    pub(crate) fn commit(&mut self, batch: Vec<Prepared>) -> Vec<Result<Durable, AppendError>> {
        if self.shared.health() == Health::Failed {
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
        self.shared.fail(doing, error);
        let answer = |admitted: Result<Prepared, AppendError>| {
            // Its frame may have reached the disk; the file it names has to stay.
            admitted?.leave();
            Err(AppendError::Failed)
        };
        batch.into_iter().map(answer).collect()
    }

    /// Refuses objects that there is no room for.
    fn admit(&self, batch: Vec<Prepared>) -> Result<Admitted, (Admitted, io::Error)> {
        if batch.iter().all(|ready| ready.kind.is_owed()) {
            return Ok(batch.into_iter().map(Ok).collect());
        }
        let mut room = match self.room() {
            Ok(room) => room,
            Err(error) => return Err((batch.into_iter().map(Ok).collect(), error)),
        };
        let admit = |ready: Prepared| {
            if ready.kind.is_owed() {
                return Ok(ready);
            }
            let Some(left) = room.without(&ready) else {
                self.shared.set_health(Health::Full);
                return Err(AppendError::Full);
            };
            room = left;
            Ok(ready)
        };
        let admitted: Admitted = batch.into_iter().map(admit).collect();
        if admitted.iter().all(Result::is_ok) {
            self.shared.set_health(room.health(self.shared.health()));
        }
        Ok(admitted)
    }

    /// The room there is for objects.
    fn room(&self) -> io::Result<Room> {
        let options = &self.shared.options;
        let may = options.max_size_bytes.saturating_sub(options.reserve_bytes);
        let left = may.saturating_sub(self.shared.index().bytes());
        let space = self.shared.disk.space(&self.shared.paths.directory)?;
        let free = space.free.saturating_sub(self.kept_back());
        self.shared.note_free(free);
        let [left, free] = [left, free].map(|bytes| bytes.saturating_sub(ROOM_MARGIN_BYTES));
        Ok(Room { left, free, whole: may.min(space.total) })
    }

    /// Looks whether there is room, and takes back what the reserve gave.
    pub(crate) fn recheck(&mut self) {
        let refilled = self.refill().and_then(|()| self.room());
        match refilled {
            Ok(room) => self.shared.set_health(room.health(self.shared.health())),
            Err(error) => self.shared.fail("looking for room", &error),
        }
    }

    /// Takes back what the reserve gave, unless that is room which is left to others.
    fn refill(&mut self) -> io::Result<()> {
        if self.reserve.missing() == 0 {
            return Ok(());
        }
        let space = self.shared.disk.space(&self.shared.paths.directory)?;
        if space.free < self.kept_back() { Ok(()) } else { self.reserve.refill() }
    }

    /// Bytes that have to be free on the disk beside what objects take.
    fn kept_back(&self) -> u64 {
        self.reserve.missing().saturating_add(self.shared.left_free())
    }

    /// After a batch found no room: objects are refused first, then the reserve gives, then nothing is left to try.
    fn retreat(&mut self, batch: &mut Admitted) -> io::Result<()> {
        self.shared.set_health(Health::Full);
        let is_object =
            |admitted: &Result<Prepared, AppendError>| matches!(admitted, Ok(ready) if !ready.kind.is_owed());
        let refuse_all = !batch.iter().any(is_object) && self.reserve.give()? == Given::Nothing;
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
        if self.shared.health() == Health::Failed {
            return Err(AppendError::Failed);
        }
        if self.void.is_empty() {
            return Ok(());
        }
        self.numbered(&[]).map(drop).map_err(|setback| self.set_back(setback))
    }

    fn numbered(&mut self, batch: &[&Prepared]) -> Result<Vec<Durable>, Setback> {
        let first = self.next;
        let void = std::mem::take(&mut self.void);
        let outcome = self.write_batch(first, &void, batch);
        if outcome.is_err() && first < self.next {
            self.void.add(&void);
            self.void.add(&Ranges::new(vec![(first, Seq(self.next.0 - 1))]));
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
        let at_us = self.shared.clock.wall_us();
        let numbered = (first.0..).map(Seq).zip(&records);
        let frames: Vec<Ready<'_>> =
            numbered.map(|(seq, record)| self.frame(seq, first, at_us, record)).collect();
        self.next = Seq(first.0.saturating_add(frames.len() as u64));
        let length = frames.iter().map(|frame| frame.head.frame_length()).sum();
        let open = self.open_for(first, length)?;
        if let Err(error) = open.write(&frames) {
            open.roll_back().map_err(for_good("rolling a batch back"))?;
            return Err(before_sync("writing a batch")(error));
        }
        open.file.sync_data().map_err(for_good("syncing a batch"))?;
        let offsets = open.written(&frames);
        let end = open.end;
        self.publish(&frames, &offsets, end);
        self.shared.index_mut().void.add(void);
        let skip = usize::from(before.is_some());
        Ok(frames.iter().skip(skip).map(|frame| self.receipt(frame)).collect())
    }

    fn frame<'a>(&self, seq: Seq, batch: Seq, at_us: i64, record: &'a Prepared) -> Ready<'a> {
        let none: &[Bytes] = &[];
        let (place, body_length, sha256, name, body_crc, pieces) = match &record.body {
            PreparedBody::None => (Place::None, 0, [0; 32], 0, 0, none),
            PreparedBody::Inline { pieces, length, sha256, crc } => {
                (Place::Inline, *length, *sha256, 0, *crc, pieces.as_slice())
            }
            PreparedBody::File(file) => {
                (Place::File, file.length, file.sha256, file.name, file.table_crc, none)
            }
        };
        let head = FrameHead {
            journal: self.shared.journal,
            epoch: self.epoch,
            kind: FrameKind::Record(record.kind),
            place,
            seq,
            batch,
            header_length: u32::try_from(record.header.len()).unwrap_or(u32::MAX),
            body_length,
        };
        Ready::new(head, &record.header, pieces, Trailer { at_us, sha256, name, body_crc })
    }

    /// Lets readers see what is durable.
    fn publish(&self, frames: &[Ready<'_>], offsets: &[u64], end: u64) {
        let mut index = self.shared.index_mut();
        for (frame, offset) in frames.iter().zip(offsets) {
            let head = &frame.head;
            index.open.push(Slot { seq: head.seq, offset: *offset, place: head.place });
            index.tail = head.seq;
            if head.place == Place::File {
                index.file_bytes = index.file_bytes.saturating_add(head.body_length);
            }
        }
        let (first, behind) = (index.open.first(), index.open.end());
        let Some(segment) = index.segments.last_mut() else { return };
        for Ready { head, .. } in frames {
            segment.entries += 1;
            segment.bodies += u64::from(head.place.is_kept());
            segment.inline_bytes += head.inline_length();
            segment.frame_bytes += head.frame_length() - head.inline_length();
        }
        (segment.first, segment.end, segment.length) = (first, behind, end);
        self.tail.send_replace(index.tail);
    }

    fn receipt(&self, frame: &Ready<'_>) -> Durable {
        Durable {
            journal: self.shared.journal,
            epoch: self.epoch,
            seq: frame.head.seq,
            sha256: (frame.head.place != Place::None).then_some(frame.trailer.sha256),
        }
    }
}

fn void_header(void: &Ranges) -> Result<Bytes, Setback> {
    let header = serde_json::to_vec(&Void { void: void.clone() });
    header.map(Bytes::from).map_err(io::Error::other).map_err(for_good("writing a void record"))
}
