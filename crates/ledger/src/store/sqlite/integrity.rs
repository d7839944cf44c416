//! Checking the whole database: SQLite's own structure, and the seal of every row.

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::cells::is_sound;
use super::failed;
use super::schema::SEALED;
use crate::store::StoreError;

/// Faults named at most; one is enough to rebuild.
const FAULTS_MAX: usize = 100;

pub(super) fn check(connection: &Connection) -> Result<Vec<String>, StoreError> {
    // The structure of the whole file, and the rows of the catalogue.
    let mut faults = outrigger_catalogue::sqlite::check(connection)?;
    for (table, cells) in SEALED {
        if faults.len() < FAULTS_MAX {
            faults.extend(broken_seals(connection, table, cells)?);
        }
    }
    faults.truncate(FAULTS_MAX);
    Ok(faults)
}

fn broken_seals(connection: &Connection, table: &str, cells: usize) -> Result<Vec<String>, StoreError> {
    let doing = "checking the seals of rows";
    let mut statement = connection.prepare(&format!("SELECT * FROM {table}")).map_err(failed(doing))?;
    let mut rows = statement.query([]).map_err(failed(doing))?;
    let mut broken = Vec::new();
    while let Some(row) = rows.next().map_err(failed(doing))? {
        if !is_sound(row, 0, cells).map_err(failed(doing))? && broken.len() < FAULTS_MAX {
            let key: ValueRef<'_> = row.get_ref(0).map_err(failed(doing))?;
            broken.push(format!("a row of table `{table}` is not as it was written, key {key:?}"));
        }
    }
    Ok(broken)
}
