//! Checking the whole database: SQLite's own structure, the definitions of its tables, and the seal of every row.

use std::collections::BTreeSet;

use rusqlite::Connection;
use rusqlite::types::ValueRef;

use super::cells::is_sound;
use super::failed;
use super::schema::SEALED;
use crate::store::StoreError;

/// Faults named at most; one is enough to rebuild.
const FAULTS_MAX: usize = 100;

pub(super) fn check(connection: &Connection) -> Result<Vec<String>, StoreError> {
    // First, as no row can be asked for by a name that has changed.
    let mut faults = broken_definitions(connection)?;
    if !faults.is_empty() {
        return Ok(faults);
    }
    // The structure of the whole file, and the rows of the catalogue.
    faults.extend(outrigger_catalogue::sqlite::check(connection)?);
    for (table, cells) in SEALED {
        if faults.len() < FAULTS_MAX {
            faults.extend(broken_seals(connection, table, cells)?);
        }
    }
    faults.truncate(FAULTS_MAX);
    Ok(faults)
}

/// Definitions that differ from those of a new database: to SQLite one name of a column is as good as another.
fn broken_definitions(connection: &Connection) -> Result<Vec<String>, StoreError> {
    let doing = "checking the definitions of tables";
    let fresh = Connection::open_in_memory().map_err(failed(doing))?;
    super::schema::prepare(&fresh).map_err(failed(doing))?;
    if let Err(error) = outrigger_catalogue::sqlite::prepare(&fresh) {
        return Ok(vec![format!("the definitions of the catalogue's tables cannot be checked: {error}")]);
    }
    let found = definitions(connection).map_err(failed(doing))?;
    let expected = definitions(&fresh).map_err(failed(doing))?;
    let differ = found.symmetric_difference(&expected).map(|(name, _)| name).collect::<BTreeSet<_>>();
    Ok(differ
        .into_iter()
        .map(|name| format!("the definition of `{name}` is not as it was written"))
        .collect())
}

/// Tables and indexes by name, with the words that define them; statistics may come and go.
fn definitions(connection: &Connection) -> rusqlite::Result<BTreeSet<(String, String)>> {
    let sql = "SELECT name, type || ' ' || tbl_name || ' ' || ifnull(sql, '') FROM sqlite_schema \
         WHERE name NOT LIKE 'sqlite_stat%'";
    let mut statement = connection.prepare(sql)?;
    let rows = statement.query_map([], |row| {
        // A bit that has flipped may leave no UTF-8.
        let text =
            |at| Ok::<_, rusqlite::Error>(String::from_utf8_lossy(row.get_ref(at)?.as_bytes()?).into_owned());
        Ok((text(0)?, text(1)?.split_whitespace().collect::<Vec<_>>().join(" ")))
    })?;
    rows.collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    /// Goal: a definition that is no text any more is damage, and does not keep the check from ending. The control: as it was
    /// written nothing is found.
    #[test]
    fn a_definition_that_is_no_text_any_more_is_named() {
        let connection = Connection::open_in_memory().unwrap();
        super::super::schema::prepare(&connection).unwrap();
        outrigger_catalogue::sqlite::prepare(&connection).unwrap();
        assert_eq!(broken_definitions(&connection).unwrap(), Vec::<String>::new());
        let table = SEALED[0].0;
        let flipped = "PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = CAST(CAST(sql AS BLOB) || x'2D2DFF' AS TEXT) WHERE name = 'TABLE';"
            .replace("TABLE", table);
        connection.execute_batch(&flipped).unwrap();
        let found = broken_definitions(&connection).unwrap();
        assert_eq!(found, [format!("the definition of `{table}` is not as it was written")]);
    }
}
