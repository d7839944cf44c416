//! One record as a row, sealed: SQLite checks how its pages hang together, not whether a letter inside a value is still the one that
//! was written.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, Row, params};
use sha2::{Digest, Sha256};

use crate::ids::{Epoch, Seq};
use crate::ranges::Ranges;
use crate::record::{RecordKind, Release, Void};

/// Where the body of a record is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// It has none.
    None,
    /// In the file beside the database, at this offset.
    Beside(u64),
    /// In a file of its own, of this name.
    File(u128),
    /// It was let go.
    Released,
}

impl Place {
    /// The number in a row.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Beside(_) => 1,
            Self::File(_) => 2,
            Self::Released => 3,
        }
    }

    pub(crate) fn is_kept(self) -> bool {
        matches!(self, Self::Beside(_) | Self::File(_))
    }

    fn of(code: i64, offset: i64, name: u128) -> Option<Self> {
        match code {
            0 => Some(Self::None),
            1 => Some(Self::Beside(offset.cast_unsigned())),
            2 => Some(Self::File(name)),
            3 => Some(Self::Released),
            _ => None,
        }
    }
}

/// A record as a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RecordRow {
    pub(crate) seq: Seq,
    pub(crate) batch: Seq,
    pub(crate) epoch: Epoch,
    pub(crate) at_us: i64,
    pub(crate) kind: RecordKind,
    pub(crate) header: Vec<u8>,
    /// Length, SHA-256 and CRC of the body stay when it is let go.
    pub(crate) length: u64,
    pub(crate) sha256: [u8; 32],
    pub(crate) crc: u32,
    pub(crate) place: Place,
}

/// What is read of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Read {
    Sound(RecordRow),
    /// Its values are not those that were written, or of a kind that this version does not know.
    Damaged(Seq),
}

/// The table of records. Numbers are never changed; place, name and offset are when a segment is written anew.
pub(crate) const TABLE: &str = "CREATE TABLE record(seq INTEGER PRIMARY KEY, batch INTEGER, epoch INTEGER, at_us INTEGER, \
     kind INTEGER, header BLOB, length INTEGER, sha256 BLOB, crc INTEGER, place INTEGER, name BLOB, offset INTEGER, \
     seal INTEGER) STRICT";

const INSERT: &str = "INSERT INTO record VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)";
/// The columns in the order in which they are read.
pub(crate) const COLUMNS: &str =
    "seq, batch, epoch, at_us, kind, header, length, sha256, crc, place, name, offset, seal";

impl RecordRow {
    /// Puts it into the database.
    pub(crate) fn insert(&self, database: &Connection) -> rusqlite::Result<()> {
        let (offset, name) = match self.place {
            Place::Beside(offset) => (offset, 0),
            Place::File(name) => (0, name),
            Place::None | Place::Released => (0, 0),
        };
        let mut statement = database.prepare_cached(INSERT)?;
        statement.execute(params![
            self.seq.0.cast_signed(),
            self.batch.0.cast_signed(),
            self.epoch.0,
            self.at_us,
            self.kind.code(),
            self.header,
            self.length.cast_signed(),
            self.sha256,
            self.crc,
            self.place.code(),
            name.to_be_bytes(),
            offset.cast_signed(),
            self.seal(offset, name),
        ])?;
        Ok(())
    }

    /// What a record of the journal's own says, if it is one: bodies that are let go, numbers that are void.
    pub(crate) fn own_ranges(&self) -> Option<(Ranges, Ranges)> {
        match self.kind {
            RecordKind::Release => {
                let own: Release = serde_json::from_slice(&self.header).ok()?;
                Some((own.released, Ranges::default()))
            }
            RecordKind::Void => {
                let own: Void = serde_json::from_slice(&self.header).ok()?;
                Some((Ranges::default(), own.void))
            }
            RecordKind::Object | RecordKind::Closing | RecordKind::Decision | RecordKind::Member => None,
        }
    }

    /// A CRC-32C over all of it.
    fn seal(&self, offset: u64, name: u128) -> u32 {
        let mut fixed = Vec::with_capacity(128);
        for number in [self.seq.0, self.batch.0, u64::from(self.epoch.0), self.length, offset] {
            fixed.extend_from_slice(&number.to_le_bytes());
        }
        fixed.extend_from_slice(&self.at_us.to_le_bytes());
        fixed.extend_from_slice(&name.to_le_bytes());
        fixed.extend_from_slice(&self.crc.to_le_bytes());
        fixed.extend_from_slice(&[self.kind.code(), self.place.code()]);
        fixed.extend_from_slice(&self.sha256);
        crc32c::crc32c_append(crc32c::crc32c(&fixed), &self.header)
    }

    /// The chain behind this record: each link is SHA-256 over the one before and over what never changes of a record.
    pub(crate) fn link(&self, before: [u8; 32]) -> [u8; 32] {
        let mut hash = Sha256::new();
        hash.update(before);
        for number in [self.seq.0, self.batch.0, u64::from(self.epoch.0), self.length] {
            hash.update(number.to_le_bytes());
        }
        hash.update(self.at_us.to_le_bytes());
        hash.update([self.kind.code()]);
        hash.update(self.sha256);
        hash.update(self.crc.to_le_bytes());
        hash.update((self.header.len() as u64).to_le_bytes());
        hash.update(&self.header);
        hash.finalize().into()
    }

    /// Reads a row of [`COLUMNS`].
    pub(crate) fn read(row: &Row<'_>) -> rusqlite::Result<Read> {
        let seq = Seq(row.get::<_, i64>(0)?.cast_unsigned());
        Ok(Self::parse(seq, row).map_or(Read::Damaged(seq), Read::Sound))
    }

    fn parse(seq: Seq, row: &Row<'_>) -> Option<Self> {
        let number = |at| row.get_ref(at).ok().and_then(|value| value.as_i64().ok());
        let blob = |at| match row.get_ref(at) {
            Ok(ValueRef::Blob(bytes)) => Some(bytes),
            _ => None,
        };
        let name = u128::from_be_bytes(blob(10)?.try_into().ok()?);
        let offset = number(11)?;
        let read = Self {
            seq,
            batch: Seq(number(1)?.cast_unsigned()),
            epoch: Epoch(u32::try_from(number(2)?).ok()?),
            at_us: number(3)?,
            kind: RecordKind::from_code(u8::try_from(number(4)?).ok()?)?,
            header: blob(5)?.to_vec(),
            length: number(6)?.cast_unsigned(),
            sha256: blob(7)?.try_into().ok()?,
            crc: u32::try_from(number(8)?).ok()?,
            place: Place::of(number(9)?, offset, name)?,
        };
        let sealed = u32::try_from(number(12)?).ok()?;
        (read.seal(offset.cast_unsigned(), name) == sealed).then_some(read)
    }
}
