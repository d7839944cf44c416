//! Rows as JSON under a seal, for databases that keep a row as one value.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::CatalogueError;
use crate::record::RecordKind;

/// A row as JSON, with a CRC-32C behind it: redb checks its pages when it repairs a file, not when it reads, and a server
/// may check none.
pub(crate) fn sealed_json(
    value: &impl Serialize,
    table: &'static str,
    row: u64,
) -> Result<Vec<u8>, CatalogueError> {
    let bad = |source| CatalogueError::BadRow { table, row, source: Box::new(source) };
    let mut bytes = serde_json::to_vec(value).map_err(bad)?;
    bytes.extend(crc32c::crc32c(&bytes).to_le_bytes());
    Ok(bytes)
}

/// A row from JSON whose seal fits.
pub(crate) fn from_sealed_json<R: DeserializeOwned>(
    bytes: &[u8],
    table: &'static str,
    row: u64,
) -> Result<R, CatalogueError> {
    let sealed = bytes.split_last_chunk::<4>();
    let json = sealed
        .filter(|(json, seal)| crc32c::crc32c(json) == u32::from_le_bytes(**seal))
        .map(|(json, _)| json);
    let json = json.ok_or_else(|| CatalogueError::BadRow { table, row, source: Box::new(BrokenSeal) })?;
    serde_json::from_slice(json).map_err(|source| CatalogueError::BadRow {
        table,
        row,
        source: Box::new(source),
    })
}

/// A record with all that is under its seal: kind, key and value.
pub(crate) type KeptRecord = (u64, String, String);

/// A record as it is kept.
pub(crate) fn sealed_record(kind: RecordKind, key: &str, value: &str) -> Result<Vec<u8>, CatalogueError> {
    sealed_json(&(kind.number(), key, value), "record", kind.number())
}

/// The value of a record whose seal fits, and which lies where it belongs.
pub(crate) fn record_value(bytes: &[u8], kind: RecordKind, key: &str) -> Result<String, CatalogueError> {
    let (of, under, value): KeptRecord = from_sealed_json(bytes, "record", kind.number())?;
    if of == kind.number() && under == key {
        return Ok(value);
    }
    Err(CatalogueError::BadRow { table: "record", row: kind.number(), source: Box::new(BrokenSeal) })
}

/// A row whose seal does not fit.
#[derive(Debug, thiserror::Error)]
#[error("its bytes are not those that were written")]
struct BrokenSeal;
