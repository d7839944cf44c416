//! Reading the books.

use outrigger_model::{MemberSet, Seq};
use rusqlite::{Connection, OptionalExtension, Params, Row, params};

use super::failed;
use super::rows::{read_commitment, read_entry, read_member, read_note, read_peer, read_position};
use crate::commitment::Commitment;
use crate::entry::EntryRow;
use crate::ledger::Passed;
use crate::note::{Note, NoteKind, NotesOf};
use crate::peer::Peer;
use crate::store::{Come, EntryList, MemberRow, Position, Releasable, StoreError};

/// All rows of an answer.
pub(super) fn all<T>(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Vec<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    let mut rows = statement.query(params).map_err(failed(doing))?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed(doing))? {
        found.push(read(row)?);
    }
    Ok(found)
}

/// The first row of an answer, if there is one.
pub(super) fn one<T>(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    params: impl Params,
    read: impl Fn(&Row<'_>) -> Result<T, StoreError>,
) -> Result<Option<T>, StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    let found = statement.query_row(params, |row| Ok(read(row)));
    found.optional().map_err(failed(doing))?.transpose()
}

pub(super) fn position(connection: &Connection) -> Result<Option<Position>, StoreError> {
    let sql = "SELECT id, journal, applied, entries, seal FROM books";
    one(connection, "reading the position", sql, [], read_position)
}

pub(super) const MEMBER: &str = "number, name, state, accepted, confirmed, pending, suspense, superseded, not_wanted, \
     written_off, seal";

pub(super) fn members(connection: &Connection) -> Result<Vec<MemberRow>, StoreError> {
    let sql = format!("SELECT {MEMBER} FROM member ORDER BY number");
    all(connection, "reading members", &sql, [], read_member)
}

pub(super) const ENTRY: &str = "entry.seq, entry.at, entry.lane, entry.sop_class, entry.sop_instance, entry.study, \
     entry.series, entry.transfer_syntax, entry.sha256, entry.length, entry.calling_ae, entry.balanced_at, entry.relation, entry.earlier, \
     entry.released, entry.wanted, entry.origin, entry.confirmed, entry.present, entry.committed, entry.verified, \
     entry.suspense, entry.superseded, entry.written_off, entry.healed, entry.open, entry.seal";

pub(super) fn entry(connection: &Connection, seq: Seq) -> Result<Option<EntryRow>, StoreError> {
    let sql = format!("SELECT {ENTRY} FROM entry WHERE seq = ?1");
    one(connection, "reading an entry", &sql, [seq.0.cast_signed()], |row| read_entry(row, 0))
}

pub(super) fn entries(
    connection: &Connection,
    list: EntryList,
    after: Seq,
    limit: usize,
) -> Result<Vec<EntryRow>, StoreError> {
    let filter = match list {
        EntryList::All => "",
        // What the index is on.
        EntryList::Unverified | EntryList::LatestUnverified => {
            "AND released = 0 AND verified = 0 AND confirmed <> 0"
        }
        EntryList::Verified => "AND released = 0 AND verified <> 0",
        // The number of `Relation::RepeatOf`; and again what the index is on.
        EntryList::Repeats => "AND released = 0 AND relation = 1",
    };
    let order = if list == EntryList::LatestUnverified { "DESC" } else { "ASC" };
    let sql = format!("SELECT {ENTRY} FROM entry WHERE seq > ?1 {filter} ORDER BY seq {order} LIMIT ?2");
    let params = params![after.0.cast_signed(), up_to(limit)];
    all(connection, "reading entries", &sql, params, |row| read_entry(row, 0))
}

pub(super) fn releasable(
    connection: &Connection,
    rule: &Releasable,
    limit: usize,
) -> Result<Vec<Seq>, StoreError> {
    let sql = format!(
        "SELECT {ENTRY} FROM entry WHERE released = 0 AND open = 0 AND verified <> 0 AND balanced_at BETWEEN ?6 AND ?1 \
         AND wanted & ~(superseded | written_off | origin) & ((?2 & ~present) | (?3 & ~(committed | present)) | (?4 & ~verified)) = 0 \
         ORDER BY balanced_at LIMIT ?5"
    );
    let mask = |members: MemberSet| members.0.cast_signed();
    let params = params![
        rule.balanced_by.0,
        mask(rule.present),
        mask(rule.committed),
        mask(rule.verified),
        up_to(limit),
        rule.balanced_from.0
    ];
    all(connection, "reading what may be released", &sql, params, |row| {
        read_entry(row, 0).map(|entry| entry.seq)
    })
}

pub(super) fn unshown(
    connection: &Connection,
    after: Passed,
    come: Come,
    limit: usize,
) -> Result<Vec<EntryRow>, StoreError> {
    let sql = format!(
        "SELECT {ENTRY} FROM entry WHERE released = 0 AND open = 0 AND confirmed & ~(present | origin) <> 0 \
         AND (balanced_at, seq) > (?1, ?2) AND (balanced_at <= ?3 OR balanced_at > ?5) ORDER BY balanced_at, seq LIMIT ?4"
    );
    let params =
        params![after.balanced_at.0, after.entry.0.cast_signed(), come.by.0, up_to(limit), come.beyond.0];
    all(connection, "reading what was not shown", &sql, params, |row| read_entry(row, 0))
}

pub(super) fn notes(
    connection: &Connection,
    kind: NoteKind,
    of: NotesOf,
    limit: usize,
) -> Result<Vec<Note>, StoreError> {
    let (entry, member) = match of {
        NotesOf::Anything | NotesOf::NoEntry => (None, None),
        NotesOf::Entry(entry) => (Some(entry), None),
        NotesOf::Posting(key) => (Some(key.entry), Some(i64::from(key.member.0))),
    };
    let by_entry = match of {
        NotesOf::Entry(_) | NotesOf::Posting(_) => "entry = ?1 AND",
        NotesOf::NoEntry => "entry IS ?1 AND",
        NotesOf::Anything => "?1 IS NULL AND",
    };
    let sql = format!(
        "SELECT id, entry, member, at, body, seal FROM {} WHERE {by_entry} (?2 IS NULL OR member = ?2) \
         ORDER BY id DESC LIMIT ?3",
        kind.word()
    );
    let params = params![entry.map(|entry| entry.0.cast_signed()), member, up_to(limit)];
    all(connection, "reading notes", &sql, params, |row| read_note(row, kind))
}

pub(super) fn commitments(connection: &Connection) -> Result<Vec<Commitment>, StoreError> {
    let sql = "SELECT txn, member, at, entries, seal FROM commitment ORDER BY at";
    all(connection, "reading commitment transactions", sql, [], read_commitment)
}

pub(super) fn peers(connection: &Connection) -> Result<Vec<Peer>, StoreError> {
    let sql = "SELECT ae_title, last_seen, objects, seal FROM peer ORDER BY ae_title";
    all(connection, "reading peers", sql, [], read_peer)
}

/// A limit as SQL takes it.
pub(super) fn up_to(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
