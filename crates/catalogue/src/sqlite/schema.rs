//! The tables, and the settings of a connection.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use rusqlite::config::DbConfig;

use super::columns::Columns;
use crate::OpenError;

/// The version of the tables; a database with a higher one is refused.
const FORMAT: u64 = 2;

/// The tables of the catalogue, made where they are missing; [`prepare`] also checks their version.
///
/// `attributes` is a JSON object, values by tag as eight hexadecimal digits; lists are joined by `\`; `identities` and `contents`
/// are sums of 128 bits, big endian; an instance that was only seen at members has an empty `sha256`, the mask of
/// those members in `place` and the time of that in `stored_at`; `date` is without dots; keys in `person_name` are component groups in lower case; `seal` is a
/// CRC-32C over the other values of the row.
pub const SCHEMA: &str = "
CREATE TABLE IF NOT EXISTS catalogue_format (version INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS patient (
    id INTEGER PRIMARY KEY,
    patient_id TEXT NOT NULL,
    issuer TEXT NOT NULL,
    sole_study TEXT NOT NULL,
    attributes TEXT NOT NULL,
    seal INTEGER NOT NULL,
    UNIQUE (patient_id, issuer, sole_study)
) STRICT;
CREATE TABLE IF NOT EXISTS study (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    patient INTEGER NOT NULL REFERENCES patient,
    attributes TEXT NOT NULL,
    modalities TEXT NOT NULL,
    sop_classes TEXT NOT NULL,
    series INTEGER NOT NULL,
    instances INTEGER NOT NULL,
    identities BLOB NOT NULL,
    contents BLOB NOT NULL,
    date TEXT,
    accession TEXT,
    seal INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS study_by_patient ON study (patient);
CREATE INDEX IF NOT EXISTS study_by_date ON study (date) WHERE date IS NOT NULL;
CREATE INDEX IF NOT EXISTS study_by_accession ON study (accession) WHERE accession IS NOT NULL;
CREATE TABLE IF NOT EXISTS person_name (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL,
    study INTEGER NOT NULL REFERENCES study,
    seal INTEGER NOT NULL,
    UNIQUE (key, study)
) STRICT;
CREATE TABLE IF NOT EXISTS series (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL,
    study INTEGER NOT NULL REFERENCES study,
    attributes TEXT NOT NULL,
    instances INTEGER NOT NULL,
    identities BLOB NOT NULL,
    contents BLOB NOT NULL,
    seal INTEGER NOT NULL,
    UNIQUE (uid, study)
) STRICT;
CREATE INDEX IF NOT EXISTS series_by_study ON series (study);
CREATE TABLE IF NOT EXISTS instance (
    id INTEGER PRIMARY KEY,
    uid TEXT NOT NULL UNIQUE,
    series INTEGER REFERENCES series,
    sop_class TEXT NOT NULL,
    transfer_syntax TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    length INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    place INTEGER NOT NULL,
    other_versions INTEGER NOT NULL,
    attributes TEXT NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS instance_by_series ON instance (series);
CREATE TABLE IF NOT EXISTS version (
    id INTEGER PRIMARY KEY,
    instance INTEGER NOT NULL REFERENCES instance,
    transfer_syntax TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    length INTEGER NOT NULL,
    stored_at INTEGER NOT NULL,
    place INTEGER NOT NULL,
    seal INTEGER NOT NULL,
    UNIQUE (instance, sha256)
) STRICT;
CREATE TABLE IF NOT EXISTS record (
    kind INTEGER NOT NULL,
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    seal INTEGER NOT NULL,
    PRIMARY KEY (kind, key)
) STRICT, WITHOUT ROWID;
";

/// Makes the tables where they are missing, brings those of an earlier version up to this one, and refuses those of a later one.
///
/// Version 2 has records beside what version 1 had.
pub fn prepare(connection: &Connection) -> Result<(), OpenError> {
    let path = || PathBuf::from(connection.path().unwrap_or_default());
    let found = make(connection).map_err(|source| OpenError::Sqlite { path: path(), source })?;
    if found > FORMAT {
        return Err(OpenError::Newer { path: path(), found, known: FORMAT });
    }
    Ok(())
}

fn make(connection: &Connection) -> rusqlite::Result<u64> {
    connection.execute_batch(SCHEMA)?;
    connection.execute(
        "INSERT INTO catalogue_format (version) SELECT ?1 WHERE NOT EXISTS (SELECT 1 FROM catalogue_format)",
        [FORMAT.cast_signed()],
    )?;
    connection
        .execute("UPDATE catalogue_format SET version = ?1 WHERE version < ?1", [FORMAT.cast_signed()])?;
    connection.query_row("SELECT max(version) FROM catalogue_format", [], |row| Columns::new(row).number())
}

/// How long a handle waits for another's lock: only a checkpoint or a writer that is just committing holds one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects with a commit synced before it is reported (synchronous=FULL), as what is acknowledged rests on it.
pub(super) fn connect(path: &Path, statements: usize) -> rusqlite::Result<Connection> {
    let connection = Connection::open(path)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(statements);
    // Without it statements on partial indexes are planned anew at nearly every binding: SQLite is built with STAT4.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.pragma_update(None, "journal_mode", "WAL")?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "temp_store", "MEMORY")?;
    Ok(connection)
}
