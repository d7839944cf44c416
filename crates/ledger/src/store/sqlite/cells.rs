//! Rows as sequences of cells, of which the last seals the others: a flipped bit is found whenever the row is read.

use rusqlite::Row;
use rusqlite::types::{ToSqlOutput, ValueRef};

/// The cells of a row to be written.
#[derive(Default)]
pub(super) struct Cells<'a>(Vec<ValueRef<'a>>);

impl<'a> Cells<'a> {
    fn cell(mut self, value: ValueRef<'a>) -> Self {
        self.0.push(value);
        self
    }

    pub(super) fn int(self, value: impl Into<i64>) -> Self {
        self.cell(ValueRef::Integer(value.into()))
    }

    pub(super) fn number(self, value: u64) -> Self {
        self.int(value.cast_signed())
    }

    pub(super) fn text(self, value: &'a str) -> Self {
        self.cell(ValueRef::Text(value.as_bytes()))
    }

    pub(super) fn blob(self, value: &'a [u8]) -> Self {
        self.cell(ValueRef::Blob(value))
    }

    pub(super) fn perhaps_int(self, value: Option<i64>) -> Self {
        self.cell(value.map_or(ValueRef::Null, ValueRef::Integer))
    }

    pub(super) fn perhaps_text(self, value: Option<&'a str>) -> Self {
        self.cell(value.map_or(ValueRef::Null, |text| ValueRef::Text(text.as_bytes())))
    }

    /// The row with its seal.
    pub(super) fn sealed(self) -> Vec<ToSqlOutput<'a>> {
        let mut seal = Seal::default();
        self.0.iter().for_each(|cell| seal.add(*cell));
        let row = self.int(seal.value());
        row.0.into_iter().map(ToSqlOutput::Borrowed).collect()
    }
}

/// The sum over the cells of a row: CRC-32C of their kinds, lengths and bytes.
#[derive(Default)]
pub(super) struct Seal(u32);

impl Seal {
    pub(super) fn add(&mut self, value: ValueRef<'_>) {
        match value {
            ValueRef::Null => self.take(0, &[]),
            ValueRef::Integer(value) => self.take(1, &value.to_le_bytes()),
            ValueRef::Real(value) => self.take(2, &value.to_le_bytes()),
            ValueRef::Text(bytes) => self.take(3, bytes),
            ValueRef::Blob(bytes) => self.take(4, bytes),
        }
    }

    fn take(&mut self, kind: u8, bytes: &[u8]) {
        let [a, b, c, d] = u32::try_from(bytes.len()).unwrap_or(u32::MAX).to_le_bytes();
        self.0 = crc32c::crc32c_append(self.0, &[kind, a, b, c, d]);
        self.0 = crc32c::crc32c_append(self.0, bytes);
    }

    pub(super) fn value(&self) -> i64 {
        i64::from(self.0)
    }
}

/// Whether the `count` cells of a row that begin at `from` carry their seal in the last of them.
pub(super) fn is_sound(row: &Row<'_>, from: usize, count: usize) -> rusqlite::Result<bool> {
    let mut seal = Seal::default();
    let last = from + count - 1;
    for at in from..last {
        seal.add(row.get_ref(at)?);
    }
    Ok(row.get_ref(last)? == ValueRef::Integer(seal.value()))
}
