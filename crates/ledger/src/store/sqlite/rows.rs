//! Rows of the books as cells, and back.

use outrigger_model::{
    ConfirmLevel, JournalId, MemberNumber, MemberSet, Seq, SeriesUid, Sha256Digest, Status, StudyUid,
    WallTime,
};
use rusqlite::Row;
use rusqlite::types::{FromSql, ToSqlOutput};

use super::cells::{Cells, is_sound};
use super::failed;
use crate::account::Account;
use crate::commitment::Commitment;
use crate::entry::{Bytes, EntryRow, InstanceIds, LaneNumber, Marks, Relation};
use crate::healing::Healing;
use crate::note::{Note, NoteKind};
use crate::peer::Peer;
use crate::posting::{PostingKey, PostingRow, Stage, Suspended, reason_code, reason_of_code};
use crate::record::MemberState;
use crate::store::{MemberRow, Position, StoreError};

/// Reads the cells of one table in a row of an answer, one after another.
pub(super) struct Reading<'r, 's> {
    row: &'r Row<'s>,
    table: &'static str,
    first: usize,
    at: usize,
}

impl<'r, 's> Reading<'r, 's> {
    /// The `count` cells of `table` from `first` on, after their seal has been checked.
    pub(super) fn new(
        row: &'r Row<'s>,
        table: &'static str,
        first: usize,
        count: usize,
    ) -> Result<Self, StoreError> {
        let reading = Self { row, table, first, at: first };
        if is_sound(row, first, count).map_err(failed("reading a row"))? {
            Ok(reading)
        } else {
            Err(reading.bad())
        }
    }

    pub(super) fn bad(&self) -> StoreError {
        let key = match self.row.get_ref(self.first) {
            Ok(value) => format!("{value:?}"),
            Err(error) => error.to_string(),
        };
        StoreError::BadRow { table: self.table, row: key }
    }

    pub(super) fn next<T: FromSql>(&mut self) -> Result<T, StoreError> {
        let at = self.at;
        self.at += 1;
        self.row.get(at).map_err(failed("reading a cell"))
    }

    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        self.next::<i64>().map(i64::cast_unsigned)
    }

    fn members(&mut self) -> Result<MemberSet, StoreError> {
        self.number().map(MemberSet)
    }

    pub(super) fn time(&mut self) -> Result<WallTime, StoreError> {
        self.next().map(WallTime)
    }

    pub(super) fn perhaps_time(&mut self) -> Result<Option<WallTime>, StoreError> {
        Ok(self.next::<Option<i64>>()?.map(WallTime))
    }

    pub(super) fn small<T: TryFrom<i64>>(&mut self) -> Result<T, StoreError> {
        T::try_from(self.next()?).map_err(|_| self.bad())
    }

    pub(super) fn parsed<T: TryFrom<String>>(&mut self) -> Result<T, StoreError> {
        T::try_from(self.next()?).map_err(|_| self.bad())
    }

    fn perhaps_parsed<T: TryFrom<String>>(&mut self) -> Result<Option<T>, StoreError> {
        let text: Option<String> = self.next()?;
        text.map(|text| T::try_from(text).map_err(|_| self.bad())).transpose()
    }

    fn coded<T>(&mut self, of_code: impl FnOnce(i64) -> Option<T>) -> Result<T, StoreError> {
        let code = self.next()?;
        of_code(code).ok_or_else(|| self.bad())
    }
}

pub(super) fn write_position(
    position: &Position,
    write: impl FnOnce(Vec<ToSqlOutput<'_>>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let journal = position.journal.0.to_be_bytes();
    let row = Cells::default().int(1).blob(&journal).number(position.applied.0).number(position.entries);
    write(row.sealed())
}

pub(super) fn read_position(row: &Row<'_>) -> Result<Position, StoreError> {
    let mut cells = Reading::new(row, "books", 0, 5)?;
    cells.next::<i64>()?;
    Ok(Position {
        journal: JournalId(u128::from_be_bytes(cells.next()?)),
        applied: Seq(cells.number()?),
        entries: cells.number()?,
    })
}

pub(super) fn member_cells(member: &MemberRow) -> Vec<ToSqlOutput<'_>> {
    let account = &member.account;
    Cells::default()
        .int(member.number.0)
        .text(member.name.as_str())
        .int(state_code(member.state))
        .number(account.accepted)
        .number(account.confirmed)
        .number(account.pending)
        .number(account.suspense)
        .number(account.superseded)
        .number(account.not_wanted)
        .number(account.written_off)
        .sealed()
}

pub(super) fn read_member(row: &Row<'_>) -> Result<MemberRow, StoreError> {
    let mut cells = Reading::new(row, "member", 0, 11)?;
    Ok(MemberRow {
        number: MemberNumber(cells.small()?),
        name: cells.parsed()?,
        state: cells.coded(state_of_code)?,
        account: Account {
            accepted: cells.number()?,
            confirmed: cells.number()?,
            pending: cells.number()?,
            suspense: cells.number()?,
            superseded: cells.number()?,
            not_wanted: cells.number()?,
            written_off: cells.number()?,
        },
    })
}

/// Columns of an entry.
pub(super) const ENTRY_CELLS: usize = 27;

pub(super) fn entry_cells(entry: &EntryRow) -> Vec<ToSqlOutput<'_>> {
    let (relation, earlier) = relation_code(entry.relation);
    let (header, marks) = (&entry.header, &entry.marks);
    Cells::default()
        .number(entry.seq.0)
        .int(entry.at.0)
        .number(entry.lane.0)
        .text(header.sop_class.as_str())
        .text(header.sop_instance.as_str())
        .perhaps_text(header.study.as_ref().map(StudyUid::as_str))
        .perhaps_text(header.series.as_ref().map(SeriesUid::as_str))
        .text(entry.transfer_syntax.as_str())
        .blob(&entry.sha256.0)
        .number(entry.length)
        .text(entry.calling_ae.as_str())
        .perhaps_int(entry.balanced_at.map(|at| at.0))
        .int(relation)
        .number(earlier.0)
        .int(released_code(entry.bytes))
        .number(marks.wanted.0)
        .number(marks.origin.0)
        .number(marks.confirmed.0)
        .number(marks.present.0)
        .number(marks.committed.0)
        .number(marks.verified.0)
        .number(marks.suspense.0)
        .number(marks.superseded.0)
        .number(marks.written_off.0)
        .number(marks.healed.0)
        .number(marks.open().0)
        .sealed()
}

pub(super) fn read_entry(row: &Row<'_>, first: usize) -> Result<EntryRow, StoreError> {
    let mut cells = Reading::new(row, "entry", first, ENTRY_CELLS)?;
    Ok(EntryRow {
        seq: Seq(cells.number()?),
        at: cells.time()?,
        lane: LaneNumber(cells.number()?),
        header: InstanceIds {
            sop_class: cells.parsed()?,
            sop_instance: cells.parsed()?,
            study: cells.perhaps_parsed()?,
            series: cells.perhaps_parsed()?,
        },
        transfer_syntax: cells.parsed()?,
        sha256: Sha256Digest(cells.next()?),
        length: cells.number()?,
        calling_ae: cells.parsed()?,
        balanced_at: cells.next::<Option<i64>>()?.map(WallTime),
        relation: read_relation(&mut cells)?,
        bytes: cells.coded(bytes_of_code)?,
        marks: Marks {
            wanted: cells.members()?,
            origin: cells.members()?,
            confirmed: cells.members()?,
            present: cells.members()?,
            committed: cells.members()?,
            verified: cells.members()?,
            suspense: cells.members()?,
            superseded: cells.members()?,
            written_off: cells.members()?,
            healed: cells.members()?,
        },
    })
}

/// Columns of a posting.
pub(super) const POSTING_CELLS: usize = 12;

pub(super) fn posting_cells(posting: &PostingRow) -> Vec<ToSqlOutput<'_>> {
    let suspended = posting.suspense.as_ref();
    Cells::default()
        .int(posting.key.member.0)
        .number(posting.lane.0)
        .int(stage_code(posting.stage))
        .number(posting.key.entry.0)
        .int(posting.not_before.0)
        .int(posting.attempts)
        .int(posting.healed)
        .perhaps_text(suspended.map(|suspended| reason_code(&suspended.reason)))
        .perhaps_int(suspended.and_then(|suspended| suspended.status).map(|status| i64::from(status.0)))
        .perhaps_text(suspended.map(|suspended| suspended.text.as_str()))
        .perhaps_int(suspended.map(|suspended| suspended.at.0))
        .sealed()
}

pub(super) fn read_posting(row: &Row<'_>, first: usize) -> Result<PostingRow, StoreError> {
    let mut cells = Reading::new(row, "posting", first, POSTING_CELLS)?;
    let member = MemberNumber(cells.small()?);
    let lane = LaneNumber(cells.number()?);
    let stage = cells.coded(stage_of_code)?;
    let entry = Seq(cells.number()?);
    let not_before = cells.time()?;
    let (attempts, healed) = (cells.small()?, cells.small()?);
    let reason: Option<String> = cells.next()?;
    let status: Option<u16> = cells.next()?;
    let (text, since): (Option<String>, Option<i64>) = (cells.next()?, cells.next()?);
    let suspense = match (reason, text, since) {
        (Some(reason), Some(text), Some(since)) => Some(Suspended {
            reason: reason_of_code(&reason).ok_or_else(|| cells.bad())?,
            status: status.map(Status),
            text,
            at: WallTime(since),
        }),
        _ => None,
    };
    let key = PostingKey { entry, member };
    Ok(PostingRow { key, lane, stage, not_before, attempts, healed, suspense })
}

/// A study at a member that has postings never sent.
#[derive(Debug, Clone, Copy)]
pub(super) struct LaneRow {
    pub(super) member: MemberNumber,
    pub(super) lane: LaneNumber,
    pub(super) untried: i64,
    pub(super) newest: Seq,
    pub(super) newest_at: WallTime,
    pub(super) expedited: i64,
}

pub(super) fn lane_cells(lane: &LaneRow) -> Vec<ToSqlOutput<'static>> {
    Cells::default()
        .int(lane.member.0)
        .number(lane.lane.0)
        .int(lane.untried)
        .number(lane.newest.0)
        .int(lane.newest_at.0)
        .int(lane.expedited)
        .sealed()
}

pub(super) fn read_lane(row: &Row<'_>) -> Result<LaneRow, StoreError> {
    let mut cells = Reading::new(row, "lane", 0, 7)?;
    Ok(LaneRow {
        member: MemberNumber(cells.small()?),
        lane: LaneNumber(cells.number()?),
        untried: cells.next()?,
        newest: Seq(cells.number()?),
        newest_at: cells.time()?,
        expedited: cells.next()?,
    })
}

pub(super) fn closing_cells(key: PostingKey, at: WallTime) -> Vec<ToSqlOutput<'static>> {
    Cells::default().int(at.0).int(key.member.0).number(key.entry.0).sealed()
}

pub(super) fn read_closing(row: &Row<'_>) -> Result<(Seq, WallTime), StoreError> {
    let mut cells = Reading::new(row, "closing", 0, 4)?;
    let at = cells.time()?;
    cells.next::<i64>()?;
    Ok((Seq(cells.number()?), at))
}

pub(super) fn healing_cells(healing: &Healing) -> Vec<ToSqlOutput<'static>> {
    Cells::default()
        .int(healing.posting.member.0)
        .number(healing.lane.0)
        .number(healing.posting.entry.0)
        .int(healing.times)
        .int(healing.at.0)
        .sealed()
}

pub(super) fn read_healing(row: &Row<'_>) -> Result<Healing, StoreError> {
    let mut cells = Reading::new(row, "healing", 0, 6)?;
    let member = MemberNumber(cells.small()?);
    let lane = LaneNumber(cells.number()?);
    let posting = PostingKey { entry: Seq(cells.number()?), member };
    Ok(Healing { posting, lane, times: cells.small()?, at: cells.time()? })
}

pub(super) fn peer_cells(peer: &Peer) -> Vec<ToSqlOutput<'_>> {
    Cells::default().text(peer.ae_title.as_str()).int(peer.last_seen.0).number(peer.objects).sealed()
}

pub(super) fn read_peer(row: &Row<'_>) -> Result<Peer, StoreError> {
    let mut cells = Reading::new(row, "peer", 0, 4)?;
    Ok(Peer { ae_title: cells.parsed()?, last_seen: cells.time()?, objects: cells.number()? })
}

pub(super) fn note_cells(id: u64, note: &Note) -> Vec<ToSqlOutput<'_>> {
    Cells::default()
        .number(id)
        .perhaps_int(note.entry.map(|entry| entry.0.cast_signed()))
        .perhaps_int(note.member.map(|member| i64::from(member.0)))
        .int(note.at.0)
        .text(&note.body)
        .sealed()
}

pub(super) fn read_note(row: &Row<'_>, kind: NoteKind) -> Result<Note, StoreError> {
    let mut cells = Reading::new(row, kind.word(), 0, 6)?;
    Ok(Note {
        id: cells.number()?,
        kind,
        entry: cells.next::<Option<i64>>()?.map(|entry| Seq(entry.cast_unsigned())),
        member: cells.next::<Option<u8>>()?.map(MemberNumber),
        at: cells.time()?,
        body: cells.next()?,
    })
}

pub(super) fn commitment_cells<'a>(commitment: &'a Commitment, entries: &'a str) -> Vec<ToSqlOutput<'a>> {
    Cells::default()
        .text(commitment.transaction.as_str())
        .int(commitment.member.0)
        .int(commitment.at.0)
        .text(entries)
        .sealed()
}

pub(super) fn read_commitment(row: &Row<'_>) -> Result<Commitment, StoreError> {
    let mut cells = Reading::new(row, "commitment", 0, 5)?;
    let transaction = cells.parsed()?;
    let member = MemberNumber(cells.small()?);
    let at = cells.time()?;
    let entries: String = cells.next()?;
    let entries = serde_json::from_str(&entries).map_err(|_| cells.bad())?;
    Ok(Commitment { transaction, member, entries, at })
}

fn state_code(state: MemberState) -> i64 {
    match state {
        MemberState::Active => 0,
        MemberState::Held => 1,
        MemberState::Retired => 2,
    }
}

fn state_of_code(code: i64) -> Option<MemberState> {
    [MemberState::Active, MemberState::Held, MemberState::Retired]
        .into_iter()
        .find(|state| state_code(*state) == code)
}

fn released_code(bytes: Bytes) -> i64 {
    match bytes {
        Bytes::Kept => 0,
        Bytes::Released => 1,
    }
}

fn bytes_of_code(code: i64) -> Option<Bytes> {
    [Bytes::Kept, Bytes::Released].into_iter().find(|bytes| released_code(*bytes) == code)
}

fn relation_code(relation: Relation) -> (i64, Seq) {
    match relation {
        Relation::First => (0, Seq(0)),
        Relation::RepeatOf(seq) => (1, seq),
        Relation::Uncompared(seq) => (2, seq),
        Relation::ReEncodes(seq) => (3, seq),
        Relation::Contradicts(seq) => (4, seq),
    }
}

fn read_relation(cells: &mut Reading<'_, '_>) -> Result<Relation, StoreError> {
    let (code, earlier) = (cells.next::<i64>()?, Seq(cells.number()?));
    [
        Relation::First,
        Relation::RepeatOf(earlier),
        Relation::Uncompared(earlier),
        Relation::ReEncodes(earlier),
        Relation::Contradicts(earlier),
    ]
    .into_iter()
    .find(|relation| relation_code(*relation).0 == code)
    .ok_or_else(|| cells.bad())
}

/// The number of a stage: postings are worked on in this order.
pub(super) fn stage_code(stage: Stage) -> i64 {
    match stage {
        Stage::Untried => 0,
        Stage::Retry => 1,
        Stage::Stored(ConfirmLevel::Accepted) => 2,
        Stage::Stored(ConfirmLevel::Present) => 3,
        Stage::Stored(ConfirmLevel::Committed) => 4,
        Stage::Stored(ConfirmLevel::Verified) => 5,
        Stage::Suspense => 6,
    }
}

fn stage_of_code(code: i64) -> Option<Stage> {
    use ConfirmLevel::{Accepted, Committed, Present, Verified};
    let stored = [Accepted, Present, Committed, Verified].map(Stage::Stored);
    [Stage::Untried, Stage::Retry, Stage::Suspense]
        .into_iter()
        .chain(stored)
        .find(|stage| stage_code(*stage) == code)
}
