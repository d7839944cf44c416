//! What a segment says of itself: an opening when it is begun, a seal when it no longer grows.

use rusqlite::{Connection, OptionalExtension, params};
use serde::{Deserialize, Serialize};

use crate::ids::Seq;
use crate::log::hex;
use crate::paths::SegmentKey;
use crate::ranges::Ranges;
use crate::sqlite::row::{Place, RecordRow, TABLE};

/// Version of the format of a segment in SQLite.
pub(crate) const FORMAT: u32 = 1;

const TABLE_OF_SEGMENT: &str =
    "CREATE TABLE segment(opening TEXT, opening_crc INTEGER, seal TEXT, seal_crc INTEGER) STRICT";

/// What a segment says from its beginning on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Opening {
    pub(crate) format: u32,
    /// The journal, in hex.
    pub(crate) journal: String,
    /// The first and last segment number that it stands for.
    pub(crate) numbers: (u32, u32),
    /// How often it was written anew; its bodies are in the file of that number.
    pub(crate) rewrites: u32,
    /// The number of the first record to come.
    pub(crate) first: Seq,
    /// The link of the chain before its first record, in hex.
    pub(crate) previous: String,
}

impl Opening {
    pub(crate) fn key(&self) -> SegmentKey {
        SegmentKey { number: self.numbers.0, rewrites: self.rewrites }
    }
}

/// Sums over the records of a segment: all that its seal says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Tally {
    /// The number behind the last record.
    pub(crate) end: Seq,
    pub(crate) entries: u64,
    /// Bodies that are kept.
    pub(crate) bodies: u64,
    /// Length of the file of bodies.
    pub(crate) bytes: u64,
    /// Bytes in it of bodies that are kept.
    pub(crate) kept_bytes: u64,
    /// What the release records in it let go.
    pub(crate) released: Ranges,
    /// What the void records in it explain.
    pub(crate) void: Ranges,
    /// The link of the chain behind its last record, in hex.
    pub(crate) chain: String,
}

impl Tally {
    /// Nothing yet, behind `previous`.
    pub(crate) fn empty(first: Seq, previous: &str) -> Self {
        Self {
            end: first,
            entries: 0,
            bodies: 0,
            bytes: 0,
            kept_bytes: 0,
            released: Ranges::default(),
            void: Ranges::default(),
            chain: previous.to_owned(),
        }
    }

    /// Counts a record.
    pub(crate) fn count(&mut self, row: &RecordRow) {
        self.end = row.seq.next();
        self.entries += 1;
        self.bodies += u64::from(row.place.is_kept());
        if let Place::Beside(offset) = row.place {
            self.kept_bytes += row.length;
            self.bytes = self.bytes.max(offset + row.length);
        }
        if let Some((released, void)) = row.own_ranges() {
            self.released.add(&released);
            self.void.add(&void);
        }
        self.chain = hex(&row.link(link(&self.chain)));
    }
}

/// A link of the chain out of hex; zeros before the first.
pub(crate) fn link(hex: &str) -> [u8; 32] {
    let mut link = [0; 32];
    for (byte, pair) in link.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte =
            std::str::from_utf8(pair).ok().and_then(|pair| u8::from_str_radix(pair, 16).ok()).unwrap_or(0);
    }
    link
}

/// Makes the tables of a segment and writes its opening.
pub(crate) fn begin(database: &Connection, opening: &Opening) -> rusqlite::Result<()> {
    database.execute_batch(TABLE)?;
    database.execute_batch(TABLE_OF_SEGMENT)?;
    let (text, crc) = sealed(opening)?;
    database.execute("INSERT INTO segment VALUES (?1, ?2, NULL, NULL)", params![text, crc])?;
    Ok(())
}

/// Writes the opening anew.
pub(crate) fn open_anew(database: &Connection, opening: &Opening) -> rusqlite::Result<()> {
    let (text, crc) = sealed(opening)?;
    let changed =
        database.execute("UPDATE segment SET opening = ?1, opening_crc = ?2", params![text, crc])?;
    if changed == 0 {
        database.execute("INSERT INTO segment VALUES (?1, ?2, NULL, NULL)", params![text, crc])?;
    }
    Ok(())
}

/// Puts what is in the write-ahead log into the database.
pub(crate) fn checkpoint(database: &Connection) -> rusqlite::Result<()> {
    database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))
}

/// Leaves a database that nobody changes any more: one file, which nobody holds.
pub(crate) fn rest(database: &Connection) -> rusqlite::Result<()> {
    checkpoint(database)?;
    // What gives a row is asked as a question.
    database.query_row("PRAGMA journal_mode=DELETE", [], |_| Ok(()))?;
    database.query_row("PRAGMA locking_mode=NORMAL", [], |_| Ok(()))?;
    database.query_row("SELECT count(*) FROM segment", [], |_| Ok(()))
}

/// Writes the seal.
pub(crate) fn seal(database: &Connection, tally: &Tally) -> rusqlite::Result<()> {
    let (text, crc) = sealed(tally)?;
    database.execute("UPDATE segment SET seal = ?1, seal_crc = ?2", params![text, crc])?;
    Ok(())
}

/// What a segment says of itself, as far as that holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) opening: Option<Opening>,
    pub(crate) seal: Option<Tally>,
}

/// Reads opening and seal.
pub(crate) fn said(database: &Connection) -> rusqlite::Result<Said> {
    let row = database.query_row("SELECT opening, opening_crc, seal, seal_crc FROM segment", [], |row| {
        let opening = parse(row.get(0)?, row.get(1)?);
        let seal = parse(row.get(2)?, row.get(3)?);
        Ok(Said { opening, seal })
    });
    Ok(row.optional()?.unwrap_or(Said { opening: None, seal: None }))
}

fn sealed(value: &impl Serialize) -> rusqlite::Result<(String, u32)> {
    let text = serde_json::to_string(value)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let crc = crc32c::crc32c(text.as_bytes());
    Ok((text, crc))
}

fn parse<T: for<'a> Deserialize<'a>>(text: Option<String>, crc: Option<u32>) -> Option<T> {
    let text = text.filter(|text| Some(crc32c::crc32c(text.as_bytes())) == crc)?;
    serde_json::from_str(&text).ok()
}
