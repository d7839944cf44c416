//! Rows out of what a server answers.

use serde::de::DeserializeOwned;

use super::error::{ServerError, Trouble};
use super::statement::{Cell, Row};
use super::table::Table;
use crate::error::CatalogueError;
use crate::record::{Record, RecordKind};
use crate::rows::Numbered;
use crate::sealed::{from_sealed_json, record_value};

/// Takes the cells of a row one after another.
pub(super) struct Cells(std::vec::IntoIter<Cell>);

impl Cells {
    pub(super) fn of(row: Row) -> Self {
        Self(row.into_iter())
    }

    pub(super) fn number(&mut self) -> Result<u64, CatalogueError> {
        self.perhaps_number()?.ok_or_else(unasked)
    }

    pub(super) fn perhaps_number(&mut self) -> Result<Option<u64>, CatalogueError> {
        match self.0.next() {
            Some(Cell::Number(number)) => Ok(Some(number.cast_unsigned())),
            Some(Cell::Null) => Ok(None),
            Some(Cell::Bytes(_)) | None => Err(unasked()),
        }
    }

    /// The key and the value of a record.
    pub(super) fn record(&mut self, kind: RecordKind) -> Result<Record, CatalogueError> {
        let (Some(Cell::Bytes(key)), Some(Cell::Bytes(content))) = (self.0.next(), self.0.next()) else {
            return Err(unasked());
        };
        let key = String::from_utf8_lossy(&key).into_owned();
        let value = record_value(&content, kind, &key)?;
        Ok((key, value))
    }

    /// A row of a table as it was sealed.
    pub(super) fn content<R: DeserializeOwned>(
        &mut self,
        table: &Table,
        number: u64,
    ) -> Result<R, CatalogueError> {
        self.perhaps_content(table, number)?.ok_or_else(unasked)
    }

    pub(super) fn perhaps_content<R: DeserializeOwned>(
        &mut self,
        table: &Table,
        number: u64,
    ) -> Result<Option<R>, CatalogueError> {
        match self.0.next() {
            Some(Cell::Bytes(bytes)) => from_sealed_json(&bytes, table.called, number).map(Some),
            Some(Cell::Null) => Ok(None),
            Some(Cell::Number(_)) | None => Err(unasked()),
        }
    }
}

/// A number and the row it is of.
pub(super) fn numbered<R: DeserializeOwned>(table: &Table, row: Row) -> Result<Numbered<R>, CatalogueError> {
    let mut cells = Cells::of(row);
    let number = cells.number()?;
    Ok(Numbered { number, row: cells.content(table, number)? })
}

/// Its columns are not those that were asked for: the tables are not those of this program.
fn unasked() -> CatalogueError {
    let source = ServerError { server: "the database".to_owned(), trouble: Trouble::Unlike, source: None };
    CatalogueError::Server { doing: "reading an answer", source }
}
