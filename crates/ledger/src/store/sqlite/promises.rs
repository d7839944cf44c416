//! Requests for storage commitment, and whose bytes stay for them.

use outrigger_model::{MemberSet, Seq, TransactionUid};
use rusqlite::{Connection, Row, params};
use serde::{Deserialize, Serialize};

use super::cells::Cells;
use super::failed;
use super::read::{ENTRY, all, one, up_to};
use super::rows::{Reading, read_entry};
use super::write::put;
use crate::changes::{Changes, Unpinned};
use crate::promise::{Asked, Failing, OfClass, Promise, PromiseHead};
use crate::store::{Releasable, StoreError};

const HEAD: &str = "txn, requestor, at, decided_at, attempts, not_before, seal";

/// What stands in `promised.body`, as JSON.
#[derive(Serialize, Deserialize)]
struct Body {
    instances: Vec<OfClass>,
    failed: Vec<Failing>,
}

pub(super) fn write(connection: &Connection, changes: &Changes) -> Result<(), StoreError> {
    for promise in &changes.promises {
        write_promise(connection, promise)?;
    }
    for head in &changes.promise_heads {
        write_head(connection, head)?;
    }
    for ended in &changes.promises_ended {
        for table in ["promise", "promised"] {
            let sql = format!("DELETE FROM {table} WHERE txn = ?1");
            run(connection, &sql, params![ended.as_str()])?;
        }
    }
    for (instance, transaction) in &changes.pinned {
        let cells = Cells::default().text(instance.as_str()).text(transaction.as_str());
        put(connection, DOING, "INSERT OR REPLACE INTO pin VALUES (?1, ?2, ?3)", cells.sealed())?;
    }
    for unpinned in &changes.unpinned {
        match unpinned {
            Unpinned::ByRequest { instance, transaction } => {
                let sql = "DELETE FROM pin WHERE sop_instance = ?1 AND txn = ?2";
                run(connection, sql, params![instance.as_str(), transaction.as_str()])?;
            }
            Unpinned::Released { instance } => {
                run(connection, "DELETE FROM pin WHERE sop_instance = ?1", params![instance.as_str()])?;
            }
        }
    }
    Ok(())
}

const DOING: &str = "writing a request for storage commitment";

fn run(connection: &Connection, sql: &str, params: impl rusqlite::Params) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed(DOING))?;
    statement.execute(params).map_err(failed(DOING)).map(drop)
}

fn write_promise(connection: &Connection, promise: &Promise) -> Result<(), StoreError> {
    write_head(connection, &promise.head)?;
    let Asked { transaction, requestor: _, called, instances } = &promise.asked;
    let body = serde_json::json!({ "instances": instances, "failed": promise.failed }).to_string();
    let cells = Cells::default().text(transaction.as_str()).text(called.as_str()).text(&body);
    let sql = "INSERT OR REPLACE INTO promised VALUES (?1, ?2, ?3, ?4)";
    put(connection, DOING, sql, cells.sealed())
}

fn write_head(connection: &Connection, head: &PromiseHead) -> Result<(), StoreError> {
    let requestor = head.requestor.to_string();
    let cells = Cells::default()
        .text(head.transaction.as_str())
        .text(&requestor)
        .int(head.at.0)
        .perhaps_int(head.decided_at.map(|at| at.0))
        .int(head.attempts)
        .int(head.not_before.0);
    let sql = "INSERT OR REPLACE INTO promise VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    put(connection, DOING, sql, cells.sealed())
}

pub(super) fn heads(connection: &Connection) -> Result<Vec<PromiseHead>, StoreError> {
    let sql = format!("SELECT {HEAD} FROM promise ORDER BY at");
    all(connection, "reading requests for storage commitment", &sql, [], read_head)
}

pub(super) fn promise(
    connection: &Connection,
    transaction: &TransactionUid,
) -> Result<Option<Promise>, StoreError> {
    let doing = "reading a request for storage commitment";
    let sql = format!("SELECT {HEAD} FROM promise WHERE txn = ?1");
    let Some(head) = one(connection, doing, &sql, [transaction.as_str()], read_head)? else {
        return Ok(None);
    };
    let sql = "SELECT txn, called, body, seal FROM promised WHERE txn = ?1";
    let read = |row: &Row<'_>| read_asked(row, &head);
    let asked = one(connection, doing, sql, [transaction.as_str()], read)?;
    Ok(asked.map(|(asked, failed)| Promise { head, asked, failed }))
}

fn read_head(row: &Row<'_>) -> Result<PromiseHead, StoreError> {
    let mut cells = Reading::new(row, "promise", 0, 7)?;
    Ok(PromiseHead {
        transaction: cells.parsed()?,
        requestor: cells.parsed()?,
        at: cells.time()?,
        decided_at: cells.perhaps_time()?,
        attempts: cells.small()?,
        not_before: cells.time()?,
    })
}

fn read_asked(row: &Row<'_>, head: &PromiseHead) -> Result<(Asked, Vec<Failing>), StoreError> {
    let mut cells = Reading::new(row, "promised", 0, 4)?;
    let (transaction, called) = (cells.parsed()?, cells.parsed()?);
    let body: String = cells.next()?;
    let Body { instances, failed } = serde_json::from_str(&body).map_err(|_| cells.bad())?;
    Ok((Asked { transaction, requestor: head.requestor.clone(), called, instances }, failed))
}

pub(super) fn releasable_early(
    connection: &Connection,
    required: MemberSet,
    rule: &Releasable,
    limit: usize,
) -> Result<Vec<Seq>, StoreError> {
    let sql = format!(
        "SELECT {ENTRY} FROM entry WHERE released = 0 AND verified <> 0 AND ( \
             NOT EXISTS (SELECT 1 FROM pin WHERE pin.sop_instance = entry.sop_instance) \
             OR (wanted & ?1 & ~(confirmed | origin | superseded)) \
             | (wanted & ~(superseded | written_off | origin) & ((?2 & ~present) | (?3 & ~(committed | present)) | (?4 & ~verified))) = 0 \
         ) ORDER BY seq LIMIT ?5"
    );
    let mask = |members: MemberSet| members.0.cast_signed();
    let params =
        params![mask(required), mask(rule.present), mask(rule.committed), mask(rule.verified), up_to(limit)];
    all(connection, "reading what may be released early", &sql, params, |row| {
        read_entry(row, 0).map(|entry| entry.seq)
    })
}
