//! Reading open postings, in the order of work.

use outrigger_model::{MemberNumber, Seq, WallTime};
use rusqlite::{Connection, Row, params};

use super::failed;
use super::read::{ENTRY, all, one, up_to};
use super::rows::{
    ENTRY_CELLS, LaneRow, read_closing, read_entry, read_healing, read_lane, read_posting, stage_code,
};
use crate::entry::LaneNumber;
use crate::healing::Healing;
use crate::posting::{PostingKey, PostingRow, Stage};
use crate::store::{Come, DueQuery, DueRows, First, Lanes, Lately, Owed, StoreError};

const POSTING: &str = "posting.member, posting.lane, posting.stage, posting.entry, posting.not_before, posting.attempts, \
     posting.healed, posting.reason, posting.status, posting.text, posting.since, posting.seal";

pub(super) const LANE: &str = "member, lane, untried, newest, newest_at, expedited, seal";

pub(super) fn posting(
    connection: &Connection,
    key: PostingKey,
    lane: LaneNumber,
) -> Result<Option<PostingRow>, StoreError> {
    // The stage stands before the entry in the key, so that each is a seek of its own.
    let sql = format!(
        "SELECT {POSTING} FROM posting \
         WHERE member = ?1 AND lane = ?2 AND stage IN (0, 1, 2, 3, 4, 5, 6) AND entry = ?3 LIMIT 1"
    );
    let params = params![key.member.0, lane.0.cast_signed(), key.entry.0.cast_signed()];
    one(connection, "reading a posting", &sql, params, |row| read_posting(row, 0))
}

pub(super) fn due(connection: &Connection, query: &DueQuery) -> Result<DueRows, StoreError> {
    let sql = format!(
        "SELECT {ENTRY}, {POSTING} FROM posting JOIN entry ON entry.seq = posting.entry \
         WHERE posting.member = ?1 AND posting.lane = ?2 AND posting.stage = 0 ORDER BY posting.entry LIMIT ?3"
    );
    let mut untried = Vec::new();
    for lane in lanes(connection, query)? {
        let room = query.limit.saturating_sub(untried.len());
        if room == 0 {
            break;
        }
        let params = params![query.member.0, lane.lane.0.cast_signed(), up_to(room)];
        untried.extend(all(connection, "reading due postings", &sql, params, read_owed)?);
    }
    let retries = waiting(connection, query.member, Stage::Retry, query.come, First::Longest, query.limit)?;
    Ok(DueRows { untried, retries })
}

/// Studies that have postings never sent; each gives at least one, so that no more than `limit` are needed.
fn lanes(connection: &Connection, query: &DueQuery) -> Result<Vec<LaneRow>, StoreError> {
    let doing = "reading studies";
    let (member, limit) = (query.member.0, up_to(query.limit));
    let of = |expedited: u8, time: &str, order: &str| {
        format!(
            "SELECT {LANE} FROM lane WHERE member = ?1 AND expedited = {expedited} AND newest_at {time} \
             ORDER BY newest_at {order}, newest {order} LIMIT ?3"
        )
    };
    match query.lanes {
        Lanes::Fresh(Lately { since, until }) => {
            let expedited = params![member, i64::MIN, limit];
            let mut lanes = all(connection, doing, &of(1, ">= ?2", "DESC"), expedited, read_lane)?;
            let fresh = params![member, since.0, limit, until.0];
            lanes.extend(all(
                connection,
                doing,
                &of(0, ">= ?2 AND newest_at <= ?4", "DESC"),
                fresh,
                read_lane,
            )?);
            Ok(lanes)
        }
        Lanes::Backlog(Lately { since, until }) => {
            let mut lanes =
                all(connection, doing, &of(0, "< ?2", "ASC"), params![member, since.0, limit], read_lane)?;
            let ahead = params![member, until.0, limit];
            lanes.extend(all(connection, doing, &of(0, "> ?2", "ASC"), ahead, read_lane)?);
            Ok(lanes)
        }
    }
}

pub(super) fn waiting(
    connection: &Connection,
    member: MemberNumber,
    stage: Stage,
    come: Come,
    first: First,
    limit: usize,
) -> Result<Vec<Owed>, StoreError> {
    let order = match first {
        First::Longest => "ASC",
        First::Latest => "DESC",
    };
    // Two ranges of the index: one condition of both would go through all that waits.
    let (doing, stage) = ("reading waiting postings", stage_code(stage));
    let of = |time: &str| {
        format!(
            "SELECT {ENTRY}, {POSTING} FROM posting INDEXED BY posting_waiting JOIN entry ON entry.seq = posting.entry \
             WHERE posting.stage > 0 AND posting.member = ?1 AND posting.stage = ?2 AND posting.not_before {time} ?3 \
             ORDER BY posting.not_before {order}, posting.entry {order} LIMIT ?4"
        )
    };
    let by = params![member.0, stage, come.by.0, up_to(limit)];
    let mut waiting = all(connection, doing, &of("<="), by, read_owed)?;
    let room = limit.saturating_sub(waiting.len());
    if room > 0 && first == First::Longest {
        let beyond = params![member.0, stage, come.beyond.max(come.by).0, up_to(room)];
        waiting.extend(all(connection, doing, &of(">"), beyond, read_owed)?);
    }
    Ok(waiting)
}

pub(super) fn suspended(
    connection: &Connection,
    member: MemberNumber,
    after: Seq,
    limit: usize,
) -> Result<Vec<Owed>, StoreError> {
    let sql = format!(
        "SELECT {ENTRY}, {POSTING} FROM posting INDEXED BY posting_waiting JOIN entry ON entry.seq = posting.entry \
         WHERE posting.stage > 0 AND posting.member = ?1 AND posting.stage = ?2 AND posting.not_before = 0 \
         AND posting.entry > ?3 ORDER BY posting.entry LIMIT ?4"
    );
    let params = params![member.0, stage_code(Stage::Suspense), after.0.cast_signed(), up_to(limit)];
    all(connection, "reading suspense", &sql, params, read_owed)
}

pub(super) fn open_postings(
    connection: &Connection,
    member: MemberNumber,
    limit: usize,
) -> Result<Vec<Seq>, StoreError> {
    let sql = format!("SELECT {POSTING} FROM posting WHERE member = ?1 LIMIT ?2");
    let read = |row: &Row<'_>| read_posting(row, 0).map(|posting| posting.key.entry);
    all(connection, "reading open postings", &sql, params![member.0, up_to(limit)], read)
}

pub(super) fn closed_since(
    connection: &Connection,
    member: MemberNumber,
    since: WallTime,
    limit: usize,
) -> Result<Vec<(Seq, WallTime)>, StoreError> {
    let sql =
        "SELECT at, member, entry, seal FROM closing WHERE at >= ?2 AND member = ?1 ORDER BY at LIMIT ?3";
    let params = params![member.0, since.0, up_to(limit)];
    all(connection, "reading closings", sql, params, read_closing)
}

pub(super) fn healings(
    connection: &Connection,
    member: MemberNumber,
    lane: LaneNumber,
) -> Result<Vec<Healing>, StoreError> {
    let sql = "SELECT member, lane, entry, times, at, seal FROM healing WHERE member = ?1 AND lane = ?2";
    let params = params![member.0, lane.0.cast_signed()];
    all(connection, "reading what was sent again", sql, params, read_healing)
}

pub(super) fn oldest_owed(
    connection: &Connection,
    member: MemberNumber,
) -> Result<Option<WallTime>, StoreError> {
    let doing = "looking for the oldest owed posting";
    let sql = "SELECT min(entry) FROM posting WHERE member = ?1 AND stage <> ?2";
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    let params = params![member.0, stage_code(Stage::Suspense)];
    let oldest: Option<i64> = statement.query_row(params, |row| row.get(0)).map_err(failed(doing))?;
    let Some(oldest) = oldest else { return Ok(None) };
    Ok(super::read::entry(connection, Seq(oldest.cast_unsigned()))?.map(|entry| entry.at))
}

pub(super) fn settling(
    connection: &Connection,
    member: MemberNumber,
    come: Come,
) -> Result<(u64, Option<WallTime>), StoreError> {
    let doing = "counting postings that settle";
    // Each stage is a range of the index.
    let sql = "SELECT count(*), min(not_before) FROM posting INDEXED BY posting_waiting \
               WHERE stage > 0 AND member = ?1 AND stage IN (2, 3, 4, 5) AND not_before > ?2 AND not_before <= ?3";
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    let read = |row: &Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, Option<i64>>(1)?));
    let (count, next) =
        statement.query_row(params![member.0, come.by.0, come.beyond.0], read).map_err(failed(doing))?;
    Ok((count.cast_unsigned(), next.map(WallTime)))
}

fn read_owed(row: &Row<'_>) -> Result<Owed, StoreError> {
    Ok(Owed { entry: read_entry(row, 0)?, posting: read_posting(row, ENTRY_CELLS)? })
}
