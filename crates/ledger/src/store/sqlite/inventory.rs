//! How far inventories of members are, and how members showed studies last.

use outrigger_model::{MemberNumber, StudyUid};
use rusqlite::{Connection, Row, params};

use super::cells::Cells;
use super::read::{all, one};
use super::rows::Reading;
use super::write::put;
use crate::changes::Changes;
use crate::inventory::{CompleteInventory, Inventory, Seen, Shortfall, Sighting};
use crate::store::StoreError;

pub(super) fn write(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    let doing = "writing how far an inventory is";
    for row in changes.inventories.values() {
        let sql = "INSERT OR REPLACE INTO inventory VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)";
        let cells = Cells::default()
            .int(row.member.0)
            .perhaps_int(row.began_at.map(|at| at.0))
            .number(row.studies)
            .number(row.instances)
            .number(row.unlisted)
            .perhaps_int(row.complete.map(|complete| complete.began_at.0))
            .perhaps_int(row.complete.map(|complete| complete.ended_at.0))
            .text(&row.progress);
        put(connection, doing, sql, cells.sealed())?;
    }
    for row in &changes.sightings {
        let sql = "INSERT OR REPLACE INTO sighting VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
        let identities = row.identities.to_be_bytes();
        let cells = Cells::default()
            .text(row.study.as_str())
            .int(row.member.0)
            .int(row.first_seen.0)
            .int(row.last_seen.0)
            .number(row.instances)
            .blob(&identities);
        put(connection, "writing how a member shows a study", sql, cells.sealed())?;
    }
    for row in &changes.shortfalls {
        let sql = "INSERT OR REPLACE INTO shortfall VALUES (?1, ?2, ?3, ?4)";
        let cells = Cells::default().text(row.study.as_str()).int(row.member.0).number(row.says);
        put(connection, "writing what a member does not list of a study", sql, cells.sealed())?;
    }
    Ok(())
}

pub(super) fn shortfalls(connection: &Connection, study: &StudyUid) -> Result<Vec<Shortfall>, StoreError> {
    let sql = "SELECT study, member, says, seal FROM shortfall WHERE study = ?1 AND says > 0";
    let doing = "reading what members do not list of a study";
    all(connection, doing, sql, [study.as_str()], |row| {
        let mut cells = Reading::new(row, "shortfall", 0, 4)?;
        Ok(Shortfall { study: cells.parsed()?, member: MemberNumber(cells.small()?), says: cells.number()? })
    })
}

pub(super) fn inventories(connection: &Connection) -> Result<Vec<Inventory>, StoreError> {
    let sql = "SELECT member, began_at, studies, instances, unlisted, complete_began_at, complete_ended_at, \
         progress, seal FROM inventory";
    all(connection, "reading how far inventories are", sql, [], read_inventory)
}

pub(super) fn sighting(
    connection: &Connection,
    study: &StudyUid,
    member: MemberNumber,
) -> Result<Option<Sighting>, StoreError> {
    let sql = "SELECT study, member, first_seen, last_seen, instances, identities, seal FROM sighting \
         WHERE study = ?1 AND member = ?2";
    let doing = "reading how a member shows a study";
    one(connection, doing, sql, params![study.as_str(), member.0], read_sighting)
}

pub(super) fn sightings(
    connection: &Connection,
    member: MemberNumber,
    seen: Seen,
    limit: usize,
) -> Result<Vec<Sighting>, StoreError> {
    let sql = "SELECT study, member, first_seen, last_seen, instances, identities, seal FROM sighting \
         WHERE member = ?1 AND instances > 0 AND last_seen >= ?2 AND last_seen < ?3 ORDER BY study LIMIT ?4";
    let (from, until) = match seen {
        Seen::Before(time) => (i64::MIN, time.0),
        Seen::Since(time) => (time.0, i64::MAX),
    };
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let doing = "reading which studies a member showed";
    all(connection, doing, sql, params![member.0, from, until, limit], read_sighting)
}

fn read_inventory(row: &Row<'_>) -> Result<Inventory, StoreError> {
    let mut cells = Reading::new(row, "inventory", 0, 9)?;
    let member = MemberNumber(cells.small()?);
    let began_at = cells.perhaps_time()?;
    let (studies, instances, unlisted) = (cells.number()?, cells.number()?, cells.number()?);
    let complete = match (cells.perhaps_time()?, cells.perhaps_time()?) {
        (Some(began_at), Some(ended_at)) => Some(CompleteInventory { began_at, ended_at }),
        _ => None,
    };
    Ok(Inventory { member, began_at, studies, instances, unlisted, complete, progress: cells.next()? })
}

fn read_sighting(row: &Row<'_>) -> Result<Sighting, StoreError> {
    let mut cells = Reading::new(row, "sighting", 0, 7)?;
    Ok(Sighting {
        study: cells.parsed()?,
        member: MemberNumber(cells.small()?),
        first_seen: cells.time()?,
        last_seen: cells.time()?,
        instances: cells.number()?,
        identities: u128::from_be_bytes(cells.next()?),
    })
}
