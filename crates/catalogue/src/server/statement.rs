//! Statements and rows as both servers have them: whole numbers and bytes, nothing else.
//!
//! Text goes in and out as bytes, so that it compares byte by byte and holds every character, whatever collation and encoding the
//! database was made with.

use super::Kind;

/// Values in a list of places: a statement of MariaDB may have 65,535, and each length is prepared by itself.
const LISTED_MAX: usize = 4096;
/// The longest UID there is in a catalogue, in bytes.
const UID_BYTES_MAX: usize = 128;

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Null,
    Number(i64),
    Bytes(Vec<u8>),
}

/// A row as a server gives it.
pub(super) type Row = Vec<Cell>;

/// What stands in the place of a parameter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    One(Cell),
    /// An array of numbers, which PostgreSQL has.
    Numbers(Vec<Option<i64>>),
    /// An array of bytes, which PostgreSQL has.
    BytesEach(Vec<Option<Vec<u8>>>),
}

/// A statement with its values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Statement {
    /// Begins or ends a transaction, or sets something; has neither values nor rows.
    Control(&'static str),
    /// Any other; prepared once a connection.
    Prepared { sql: String, values: Vec<Value> },
}

/// Writes a statement for one of the servers.
#[derive(Debug)]
pub(super) struct Sql {
    kind: Kind,
    text: String,
    values: Vec<Value>,
}

impl Sql {
    pub(super) fn new(kind: Kind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), values: Vec::new() }
    }

    /// More of its text.
    pub(super) fn text(mut self, text: &str) -> Self {
        self.text.push_str(text);
        self
    }

    pub(super) fn number(self, number: u64) -> Self {
        self.value(Value::One(Cell::Number(number.cast_signed())))
    }

    pub(super) fn bytes(self, bytes: &[u8]) -> Self {
        self.value(Value::One(Cell::Bytes(bytes.to_vec())))
    }

    /// That a column has one of these values.
    pub(super) fn among(self, column: &str, bytes: Vec<Vec<u8>>) -> Self {
        match self.kind {
            Kind::Postgres => self
                .text(&format!("{column} = ANY("))
                .value(Value::BytesEach(bytes.into_iter().map(Some).collect()))
                .text(")"),
            Kind::MariaDb if bytes.len() > LISTED_MAX => self.listed_as_json(column, &bytes),
            Kind::MariaDb => self.listed(column, bytes.into_iter().map(Cell::Bytes).collect()),
        }
    }

    /// That a column has one of these numbers.
    pub(super) fn among_numbers(self, column: &str, numbers: impl IntoIterator<Item = u64>) -> Self {
        let numbers = numbers.into_iter().map(u64::cast_signed);
        match self.kind {
            Kind::Postgres => self
                .text(&format!("{column} = ANY("))
                .value(Value::Numbers(numbers.map(Some).collect()))
                .text(")"),
            Kind::MariaDb => self.listed(column, numbers.map(Cell::Number).collect()),
        }
    }

    /// As many places as the next power of two, so that few statements are prepared; the last value fills them up.
    fn listed(self, column: &str, mut cells: Vec<Cell>) -> Self {
        let Some(last) = cells.last().cloned() else { return self.text("FALSE") };
        cells.resize(cells.len().next_power_of_two(), last);
        let places = vec!["?"; cells.len()].join(", ");
        let mut sql = self.text(&format!("{column} IN ({places})"));
        sql.values.extend(cells.into_iter().map(Value::One));
        sql
    }

    /// A list longer than a statement should have places; what is no text of a UID's length is none that could be found.
    fn listed_as_json(self, column: &str, bytes: &[Vec<u8>]) -> Self {
        let texts = bytes.iter().filter(|bytes| bytes.len() <= UID_BYTES_MAX);
        let texts: Vec<_> = texts.filter_map(|bytes| str::from_utf8(bytes).ok()).collect();
        let list = serde_json::Value::from(texts).to_string();
        let columns = "COLUMNS (value VARCHAR(128) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin PATH '$')";
        self.text(&format!("{column} IN (SELECT listed.value FROM JSON_TABLE("))
            .bytes(list.as_bytes())
            .text(&format!(", '$[*]' {columns}) listed)"))
    }

    pub(super) fn value(mut self, value: Value) -> Self {
        self.values.push(value);
        match self.kind {
            Kind::Postgres => self.text.push_str(&format!("${}", self.values.len())),
            Kind::MariaDb => self.text.push('?'),
        }
        self
    }

    pub(super) fn done(self) -> Statement {
        Statement::Prepared { sql: self.text, values: self.values }
    }
}
