//! The tables of the file, and what reading and writing share.

use std::borrow::Borrow;

use ::redb::{Database, Error, Key, ReadableTable, ReadableTableMetadata, TableDefinition};
use serde::de::DeserializeOwned;

use super::failed;
use super::write::WriteTables;
use crate::error::CatalogueError;
use crate::record::RecordKind;
use crate::sealed::{from_sealed_json, record_value};

/// The version of the tables; a file with a higher one is refused.
///
/// Version 2 has records beside what version 1 had.
pub(super) const FORMAT: u64 = 2;

/// Rows by number, as JSON.
pub(super) type RowsDefinition = TableDefinition<'static, u64, &'static [u8]>;
/// A number by a unique key.
pub(super) type UniqueDefinition<K> = TableDefinition<'static, K, u64>;
/// Numbers by a key that several share: the key and the number together.
pub(super) type IndexDefinition<K> = TableDefinition<'static, (K, u64), ()>;

const FORMATS: TableDefinition<'static, &'static str, u64> = TableDefinition::new("format");
pub(super) const PATIENTS: RowsDefinition = TableDefinition::new("patient");
pub(super) const STUDIES: RowsDefinition = TableDefinition::new("study");
pub(super) const SERIES: RowsDefinition = TableDefinition::new("series");
pub(super) const INSTANCES: RowsDefinition = TableDefinition::new("instance");
pub(super) const VERSIONS: TableDefinition<'static, (u64, u64), &'static [u8]> =
    TableDefinition::new("version");

pub(super) const PATIENT_KEYS: UniqueDefinition<(&str, &str, &str)> = TableDefinition::new("patient_by_key");
pub(super) const STUDY_UIDS: UniqueDefinition<&str> = TableDefinition::new("study_by_uid");
pub(super) const SERIES_UIDS: UniqueDefinition<(&str, u64)> = TableDefinition::new("series_by_uid_and_study");
pub(super) const INSTANCE_UIDS: UniqueDefinition<&str> = TableDefinition::new("instance_by_uid");

pub(super) const STUDIES_OF: IndexDefinition<u64> = TableDefinition::new("study_by_patient");
pub(super) const SERIES_OF: IndexDefinition<u64> = TableDefinition::new("series_by_study");
pub(super) const INSTANCES_OF: IndexDefinition<u64> = TableDefinition::new("instance_by_series");
pub(super) const DATES: IndexDefinition<&str> = TableDefinition::new("study_by_date");
pub(super) const ACCESSIONS: IndexDefinition<&str> = TableDefinition::new("study_by_accession");
/// Records by the number of their kind and their key: both, with the value, as JSON.
pub(super) const RECORDS: TableDefinition<'static, (u64, &str), &'static [u8]> =
    TableDefinition::new("record");
pub(super) const NAMES: IndexDefinition<&str> = TableDefinition::new("study_by_person_name");

/// Makes the tables where they are missing and gives the format of the file.
pub(super) fn prepare(database: &Database) -> Result<u64, Error> {
    let transaction = database.begin_write()?;
    let mut formats = transaction.open_table(FORMATS)?;
    let found = formats.get("catalogue")?.map(|found| found.value());
    if found.is_none_or(|found| found < FORMAT) {
        formats.insert("catalogue", FORMAT)?;
    }
    drop(formats);
    if found.is_none_or(|found| found <= FORMAT) {
        drop(WriteTables::open(&transaction)?);
    }
    transaction.commit()?;
    Ok(found.unwrap_or(FORMAT))
}

/// A row by number.
pub(super) fn row<R: DeserializeOwned>(
    table: &impl ReadableTable<u64, &'static [u8]>,
    name: &'static str,
    number: u64,
) -> Result<R, CatalogueError> {
    let bytes = table.get(number).map_err(failed("reading a row"))?;
    let bytes = bytes.ok_or(CatalogueError::MissingRow { table: name, row: number })?;
    from_sealed_json(bytes.value(), name, number)
}

/// The number a unique key stands for.
pub(super) fn number<'k, K: Key + 'static>(
    table: &impl ReadableTable<K, u64>,
    key: impl Borrow<K::SelfType<'k>>,
) -> Result<Option<u64>, CatalogueError> {
    Ok(table.get(key).map_err(failed("looking a key up"))?.map(|number| number.value()))
}

/// How many rows a table has.
pub(super) fn count(table: &impl ReadableTableMetadata) -> Result<u64, CatalogueError> {
    table.len().map_err(failed("counting rows"))
}

/// The record of a kind under a key.
pub(super) fn record(
    table: &impl ReadableTable<(u64, &'static str), &'static [u8]>,
    kind: RecordKind,
    key: &str,
) -> Result<Option<String>, CatalogueError> {
    let found = table.get((kind.number(), key)).map_err(failed("reading a record"))?;
    found.map(|bytes| record_value(bytes.value(), kind, key)).transpose()
}
