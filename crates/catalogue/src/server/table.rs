//! The tables both servers have, and how rows get into them: many in one statement, new and changed ones alike.
//!
//! Every row is its number, the columns it is searched by, and `content`: the row as JSON under a seal. A later version that keeps
//! more of a row needs no other columns, unless it searches by them.

use super::Kind;
use super::statement::{Cell, Row, Sql, Statement, Value};

/// A table.
#[derive(Debug, Clone, Copy)]
pub(super) struct Table {
    /// Its name in the database.
    pub(super) name: &'static str,
    /// What it is called in messages.
    pub(super) called: &'static str,
    columns: &'static [Column],
    /// The columns that say which row it is.
    key: &'static [&'static str],
}

#[derive(Debug, Clone, Copy)]
enum Column {
    Number(&'static str),
    Bytes(&'static str),
}

use Column::{Bytes, Number};

const ID: &[&str] = &["id"];

pub(super) const PATIENT: Table = Table {
    name: "catalogue_patient",
    called: "patient",
    columns: &[Number("id"), Bytes("patient_id"), Bytes("sole_study"), Bytes("content")],
    key: ID,
};
pub(super) const STUDY: Table = Table {
    name: "catalogue_study",
    called: "study",
    columns: &[
        Number("id"),
        Bytes("uid"),
        Number("patient"),
        Bytes("date"),
        Bytes("accession"),
        Bytes("content"),
    ],
    key: ID,
};
pub(super) const PERSON_NAME: Table = Table {
    name: "catalogue_person_name",
    called: "person_name",
    columns: &[Bytes("name"), Number("study")],
    key: &["name", "study"],
};
pub(super) const SERIES: Table = Table {
    name: "catalogue_series",
    called: "series",
    columns: &[Number("id"), Bytes("uid"), Number("study"), Bytes("content")],
    key: ID,
};
pub(super) const INSTANCE: Table = Table {
    name: "catalogue_instance",
    called: "instance",
    columns: &[Number("id"), Bytes("uid"), Number("series"), Bytes("content")],
    key: ID,
};
pub(super) const VERSION: Table = Table {
    name: "catalogue_version",
    called: "version",
    columns: &[Number("id"), Number("instance"), Bytes("content")],
    key: ID,
};

pub(super) const RECORD: Table = Table {
    name: "catalogue_record",
    called: "record",
    columns: &[Number("kind"), Bytes("name"), Bytes("content")],
    key: &["kind", "name"],
};

/// Rows in one INSERT of MariaDB, which has a parameter a value: with sizes that are powers of two, few statements are prepared.
const ROWS_PER_INSERT_MAX: usize = 64;

impl Table {
    /// The statements that enter rows, or replace those that are there.
    pub(super) fn enter(&self, kind: Kind, rows: Vec<Row>) -> Vec<Statement> {
        if rows.is_empty() {
            return Vec::new();
        }
        match kind {
            Kind::Postgres => vec![self.enter_unnested(&rows)],
            Kind::MariaDb => self.enter_listed(rows),
        }
    }

    fn names(&self) -> Vec<&'static str> {
        self.columns.iter().map(|column| column.name()).collect()
    }

    /// One array a column.
    fn enter_unnested(&self, rows: &[Row]) -> Statement {
        let names = self.names();
        let head = format!("INSERT INTO {} ({}) SELECT * FROM UNNEST(", self.name, names.join(", "));
        let mut sql = Sql::new(Kind::Postgres, head);
        for (place, column) in self.columns.iter().enumerate() {
            if place > 0 {
                sql = sql.text(", ");
            }
            let cells = rows.iter().map(|row| row.get(place));
            sql = match column {
                Number(_) => sql.value(Value::Numbers(cells.map(as_number).collect())).text("::int8[]"),
                Bytes(_) => sql.value(Value::BytesEach(cells.map(as_bytes).collect())).text("::bytea[]"),
            };
        }
        let set: Vec<_> = names.iter().map(|name| format!("{name} = excluded.{name}")).collect();
        sql.text(&format!(") ON CONFLICT ({}) DO UPDATE SET {}", self.key.join(", "), set.join(", "))).done()
    }

    fn enter_listed(&self, mut rows: Vec<Row>) -> Vec<Statement> {
        let names = self.names();
        let set: Vec<_> = names.iter().map(|name| format!("{name} = VALUES({name})")).collect();
        let places = format!("({})", vec!["?"; names.len()].join(", "));
        let mut statements = Vec::new();
        while !rows.is_empty() {
            let largest = 1 << rows.len().ilog2();
            let later = rows.split_off(ROWS_PER_INSERT_MAX.min(largest));
            let now = std::mem::replace(&mut rows, later);
            let sql = format!(
                "INSERT INTO {} ({}) VALUES {} ON DUPLICATE KEY UPDATE {}",
                self.name,
                names.join(", "),
                vec![places.as_str(); now.len()].join(", "),
                set.join(", ")
            );
            let values = now.into_iter().flatten().map(Value::One).collect();
            statements.push(Statement::Prepared { sql, values });
        }
        statements
    }
}

impl Column {
    fn name(self) -> &'static str {
        match self {
            Self::Number(name) | Self::Bytes(name) => name,
        }
    }
}

fn as_number(cell: Option<&Cell>) -> Option<i64> {
    match cell {
        Some(Cell::Number(number)) => Some(*number),
        _ => None,
    }
}

fn as_bytes(cell: Option<&Cell>) -> Option<Vec<u8>> {
    match cell {
        Some(Cell::Bytes(bytes)) => Some(bytes.clone()),
        _ => None,
    }
}
