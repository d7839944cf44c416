//! Writing what was decided.

use rusqlite::types::ToSqlOutput;
use rusqlite::{Connection, params, params_from_iter};

use super::failed;
use super::inventory;
use super::promises;
use super::read::{self, MEMBER, one};
use super::rows::{
    LaneRow, closing_cells, commitment_cells, entry_cells, healing_cells, lane_cells, member_cells,
    note_cells, peer_cells, posting_cells, read_lane, read_member, read_peer, stage_code, write_position,
};
use super::work::LANE;
use crate::changes::{Changes, EntryChangeKind, PostingChange, Urgency};
use crate::entry::LaneNumber;
use crate::note::NoteKind;
use crate::peer::Peer;
use crate::posting::PostingKey;
use crate::record::MemberState;
use crate::store::{MemberRow, Position, StoreError};

pub(super) fn write(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    write_entries(connection, changes)?;
    write_position_and_count(connection, changes)?;
    write_members(connection, changes)?;
    for (key, change) in &changes.postings {
        write_posting(connection, *key, change)?;
    }
    write_lanes(connection, changes)?;
    write_closings(connection, changes)?;
    write_healings(connection, changes)?;
    write_peers(connection, changes)?;
    write_notes(connection, changes)?;
    inventory::write(connection, changes)?;
    promises::write(connection, changes)?;
    write_commitments(connection, changes)
}

/// Runs one statement with a whole row.
pub(super) fn put(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    row: Vec<ToSqlOutput<'_>>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    statement.execute(params_from_iter(row)).map_err(failed(doing)).map(drop)
}

fn write_entries(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let doing = "writing an entry";
    for change in changes.entries.values() {
        let row = entry_cells(&change.row);
        match change.kind {
            EntryChangeKind::New => {
                let sql = "INSERT INTO entry VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, \
                     ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)";
                put(connection, doing, sql, row)?;
            }
            EntryChangeKind::Altered => {
                let sql = "UPDATE entry SET balanced_at = ?2, relation = ?3, earlier = ?4, released = ?5, wanted = ?6, \
                     origin = ?7, confirmed = ?8, present = ?9, committed = ?10, verified = ?11, suspense = ?12, \
                     superseded = ?13, written_off = ?14, healed = ?15, open = ?16, seal = ?17 WHERE seq = ?1";
                // When it was balanced and what follows it: all that ever changes.
                let changing = row.len().saturating_sub(16);
                let key = ToSqlOutput::from(change.row.seq.0.cast_signed());
                let row = std::iter::once(key).chain(row.into_iter().skip(changing)).collect();
                put(connection, doing, sql, row)?;
            }
            EntryChangeKind::Same => {}
        }
    }
    Ok(())
}

fn write_position_and_count(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let new = changes.entries.values().filter(|change| change.kind == EntryChangeKind::New).count() as u64;
    if changes.position.is_none() && new == 0 {
        return Ok(());
    }
    let before = read::position(connection)?;
    let entries = before.map_or(0, |position| position.entries) + new;
    let position = match (changes.position, before) {
        (Some((journal, applied)), _) => Position { journal, applied, entries },
        (None, Some(before)) => Position { entries, ..before },
        (None, None) => return Ok(()),
    };
    let doing = "writing the position";
    let sql = "INSERT OR REPLACE INTO books VALUES (?1, ?2, ?3, ?4, ?5)";
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    let write = |row: Vec<ToSqlOutput<'_>>| statement.execute(params_from_iter(row)).map(drop);
    write_position(&position, write).map_err(failed(doing))
}

fn write_members(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let doing = "writing a member";
    let sql = "INSERT OR REPLACE INTO member VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)";
    for member in &changes.members {
        put(connection, doing, sql, member_cells(member))?;
    }
    let touched = changes.accounts.keys().chain(changes.member_states.keys());
    let touched: std::collections::BTreeSet<_> = touched.collect();
    for number in touched {
        let select = format!("SELECT {MEMBER} FROM member WHERE number = ?1");
        let Some(before) = one(connection, doing, &select, [number.0], read_member)? else { continue };
        let state: MemberState = changes.member_states.get(number).copied().unwrap_or(before.state);
        let account = match changes.accounts.get(number) {
            Some(change) => before.account.changed(change),
            None => before.account,
        };
        put(connection, doing, sql, member_cells(&MemberRow { state, account, ..before }))?;
    }
    Ok(())
}

fn write_posting(connection: &Connection, key: PostingKey, change: &PostingChange) -> Result<(), StoreError> {
    let doing = "writing a posting";
    let moved = change.after.as_ref().map(crate::posting::PostingRow::place) != change.before;
    if let Some(before) = change.before.filter(|_| moved) {
        let sql = "DELETE FROM posting WHERE member = ?1 AND lane = ?2 AND stage = ?3 AND entry = ?4";
        let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
        let params = params![
            key.member.0,
            before.lane.0.cast_signed(),
            stage_code(before.stage),
            key.entry.0.cast_signed()
        ];
        statement.execute(params).map_err(failed(doing))?;
    }
    let Some(after) = &change.after else { return Ok(()) };
    let sql = "INSERT OR REPLACE INTO posting VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)";
    put(connection, doing, sql, posting_cells(after))
}

fn write_lanes(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let doing = "writing a study";
    let select = format!("SELECT {LANE} FROM lane WHERE member = ?1 AND lane = ?2");
    for ((member, lane), change) in &changes.lanes {
        let key = params![member.0, lane.0.cast_signed()];
        let before = one(connection, doing, &select, key, read_lane)?;
        let mut row = before.unwrap_or_else(|| LaneRow::new(*member, *lane));
        row.untried += change.untried;
        if let Some((newest, at)) = change.newest
            && newest > row.newest
        {
            (row.newest, row.newest_at) = (newest, at);
        }
        row.expedited = match change.urgency {
            Some(Urgency::Expedited) => 1,
            Some(Urgency::Usual) => 0,
            None => row.expedited,
        };
        if row.untried > 0 {
            let sql = "INSERT OR REPLACE INTO lane VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
            put(connection, doing, sql, lane_cells(&row))?;
        } else if before.is_some() {
            let sql = "DELETE FROM lane WHERE member = ?1 AND lane = ?2";
            let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
            statement.execute(params![member.0, lane.0.cast_signed()]).map_err(failed(doing))?;
        }
    }
    Ok(())
}

impl LaneRow {
    fn new(member: outrigger_model::MemberNumber, lane: LaneNumber) -> Self {
        let (newest, newest_at) = (outrigger_model::Seq(0), outrigger_model::WallTime(0));
        Self { member, lane, untried: 0, newest, newest_at, expedited: 0 }
    }
}

fn write_closings(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let doing = "writing closings";
    for (key, at) in &changes.closings {
        let sql = "INSERT OR REPLACE INTO closing VALUES (?1, ?2, ?3, ?4)";
        put(connection, doing, sql, closing_cells(*key, *at))?;
    }
    let Some(before) = changes.closings_forgotten else { return Ok(()) };
    let sql = "DELETE FROM closing WHERE at < ?1";
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    statement.execute([before.0]).map_err(failed(doing)).map(drop)
}

fn write_healings(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let doing = "writing what was sent again";
    for (member, lane) in &changes.healings_forgotten {
        let sql = "DELETE FROM healing WHERE member = ?1 AND lane = ?2";
        let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
        statement.execute(params![member.0, lane.0.cast_signed()]).map_err(failed(doing))?;
    }
    for healing in changes.healings.values() {
        let sql = "INSERT OR REPLACE INTO healing VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        put(connection, doing, sql, healing_cells(healing))?;
    }
    Ok(())
}

fn write_peers(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let doing = "writing a peer";
    let select = "SELECT ae_title, last_seen, objects, seal FROM peer WHERE ae_title = ?1";
    for (ae_title, seen) in &changes.peers {
        let before = one(connection, doing, select, [ae_title.as_str()], read_peer)?;
        let objects = before.map_or(0, |peer| peer.objects) + seen.objects;
        let row = Peer { objects, ..seen.clone() };
        put(connection, doing, "INSERT OR REPLACE INTO peer VALUES (?1, ?2, ?3, ?4)", peer_cells(&row))?;
    }
    Ok(())
}

fn write_notes(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let doing = "writing notes";
    for (kind, id) in &changes.notes_closed {
        let sql = format!("DELETE FROM {} WHERE id = ?1", kind.word());
        let mut delete = connection.prepare_cached(&sql).map_err(failed(doing))?;
        delete.execute([id.cast_signed()]).map_err(failed(doing))?;
    }
    for kind in NoteKind::ALL {
        let notes = || changes.notes.iter().filter(|note| note.kind == kind);
        if notes().next().is_none() {
            continue;
        }
        let table = kind.word();
        let sql = "SELECT ifnull(max(seq), 0) FROM sqlite_sequence WHERE name = ?1";
        let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
        let mut id: i64 = statement.query_row([table], |row| row.get(0)).map_err(failed(doing))?;
        for note in notes() {
            id += 1;
            let sql = format!("INSERT INTO {table} VALUES (?1, ?2, ?3, ?4, ?5, ?6)");
            put(connection, doing, &sql, note_cells(id.cast_unsigned(), note))?;
        }
        let kept = i64::try_from(kind.kept()).unwrap_or(i64::MAX);
        let sql = format!("DELETE FROM {table} WHERE id <= ?1");
        let mut trim = connection.prepare_cached(&sql).map_err(failed(doing))?;
        trim.execute([id.saturating_sub(kept)]).map_err(failed(doing))?;
    }
    Ok(())
}

fn write_commitments(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let doing = "writing a commitment transaction";
    for commitment in &changes.commitments_begun {
        let entries: serde_json::Value = commitment.entries.iter().map(|entry| entry.0).collect();
        let entries = entries.to_string();
        let sql = "INSERT OR REPLACE INTO commitment VALUES (?1, ?2, ?3, ?4, ?5)";
        put(connection, doing, sql, commitment_cells(commitment, &entries))?;
    }
    let mut delete =
        connection.prepare_cached("DELETE FROM commitment WHERE txn = ?1").map_err(failed(doing))?;
    for transaction in &changes.commitments_ended {
        delete.execute([transaction.as_str()]).map_err(failed(doing))?;
    }
    Ok(())
}
