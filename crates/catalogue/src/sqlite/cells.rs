//! Values of a row, sealed: the last column of every table is a CRC-32C over the others.
//!
//! SQLite checks how its pages hang together, and not whether a letter inside a value is still the one that was written.

use std::error::Error;

use rusqlite::types::{Value, ValueRef};

use crate::attributes::{Attributes, study_date};
use crate::record::RecordKind;
use crate::rows::{InstanceRow, PatientRow, SeriesRow, StudyRow, list_text};
use crate::{CatalogueError, Current, Inherited, SetDigest, Version};
use outrigger_model::Tag;

/// The values of a row, in the order of its columns.
pub(super) struct Cells(Vec<Value>);

impl Cells {
    pub(super) fn patient(row: &PatientRow) -> Result<Self, CatalogueError> {
        let mut cells = Self(Vec::new());
        cells.text(&row.key.patient_id);
        cells.text(&row.key.issuer);
        cells.text(&row.key.sole_study);
        cells.attributes("patient", &row.attributes)?;
        Ok(cells)
    }

    pub(super) fn study(row: &StudyRow) -> Result<Self, CatalogueError> {
        let mut cells = Self(Vec::new());
        cells.text(row.uid.as_str());
        cells.number(row.patient);
        cells.attributes("study", &row.attributes)?;
        cells.text(&list_text(&row.modalities));
        cells.text(&list_text(&row.sop_classes));
        cells.number(row.series);
        cells.digest(&row.instances);
        cells.perhaps_text(study_date(&row.attributes));
        cells.perhaps_text(row.attributes.get(Tag::ACCESSION_NUMBER).map(str::to_owned));
        Ok(cells)
    }

    pub(super) fn person_name(key: &str, study: u64) -> Self {
        let mut cells = Self(Vec::new());
        cells.text(key);
        cells.number(study);
        cells
    }

    pub(super) fn series(row: &SeriesRow) -> Result<Self, CatalogueError> {
        let mut cells = Self(Vec::new());
        cells.text(row.uid.as_str());
        cells.number(row.study);
        cells.attributes("series", &row.attributes)?;
        cells.digest(&row.instances);
        Ok(cells)
    }

    pub(super) fn instance(row: &InstanceRow) -> Result<Self, CatalogueError> {
        let mut cells = Self(Vec::new());
        cells.text(row.uid.as_str());
        cells.0.push(row.series.map_or(Value::Null, |series| Value::Integer(series.cast_signed())));
        cells.text(row.sop_class.as_str());
        cells.number(row.other_versions);
        cells.attributes("instance", &row.attributes)?;
        match &row.current {
            Current::Kept(version) => cells.bytes_kept(version),
            Current::Inherited(inherited) => cells.inherited(*inherited),
        }
        Ok(cells)
    }

    pub(super) fn version(instance: u64, version: &Version) -> Self {
        let mut cells = Self(Vec::new());
        cells.number(instance);
        cells.bytes_kept(version);
        cells
    }

    pub(super) fn record(kind: RecordKind, key: &str, value: &str) -> Self {
        let mut cells = Self(Vec::new());
        cells.number(kind.number());
        cells.text(key);
        cells.text(value);
        cells
    }

    /// The values with their seal.
    pub(super) fn sealed(mut self) -> Vec<Value> {
        let seal = self.0.iter().fold(Seal::default(), |seal, value| seal.over(ValueRef::from(value)));
        self.0.push(Value::Integer(seal.value()));
        self.0
    }

    /// The values with their seal and, for an update, the number of the row.
    pub(super) fn sealed_for(self, number: u64) -> Vec<Value> {
        let mut values = self.sealed();
        values.push(Value::Integer(number.cast_signed()));
        values
    }

    fn bytes_kept(&mut self, version: &Version) {
        self.text(version.transfer_syntax.as_str());
        self.0.push(Value::Blob(version.sha256.0.to_vec()));
        self.number(version.length);
        self.0.push(Value::Integer(version.stored_at.0));
        self.number(version.place);
    }

    fn inherited(&mut self, inherited: Inherited) {
        self.text("");
        self.0.push(Value::Blob(Vec::new()));
        self.number(0);
        self.0.push(Value::Integer(inherited.seen_at.0));
        self.number(inherited.members.0);
    }

    fn digest(&mut self, digest: &SetDigest) {
        self.number(digest.count);
        self.0.push(Value::Blob(digest.identities.to_be_bytes().to_vec()));
        self.0.push(Value::Blob(digest.contents.to_be_bytes().to_vec()));
    }

    fn attributes(&mut self, table: &'static str, attributes: &Attributes) -> Result<(), CatalogueError> {
        let bad = |source| CatalogueError::BadRow { table, row: 0, source: Box::new(source) };
        self.0.push(Value::Text(serde_json::to_string(attributes).map_err(bad)?));
        Ok(())
    }

    fn text(&mut self, text: &str) {
        self.0.push(Value::Text(text.to_owned()));
    }

    fn perhaps_text(&mut self, text: Option<String>) {
        self.0.push(text.map_or(Value::Null, Value::Text));
    }

    fn number(&mut self, number: u64) {
        self.0.push(Value::Integer(number.cast_signed()));
    }
}

/// A CRC-32C over values, each with its type and length.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Seal(u32);

impl Seal {
    /// The seal with one more value under it.
    pub(super) fn over(self, value: ValueRef<'_>) -> Self {
        match value {
            ValueRef::Null => self.bytes(b'n', &[]),
            ValueRef::Integer(number) => self.bytes(b'i', &number.to_le_bytes()),
            ValueRef::Real(number) => self.bytes(b'r', &number.to_le_bytes()),
            ValueRef::Text(text) => self.bytes(b't', text),
            ValueRef::Blob(bytes) => self.bytes(b'b', bytes),
        }
    }

    /// The seal as it stands in a column.
    pub(super) fn value(self) -> i64 {
        i64::from(self.0)
    }

    fn bytes(self, kind: u8, bytes: &[u8]) -> Self {
        let length = (bytes.len() as u64).to_le_bytes();
        let head = crc32c::crc32c_append(crc32c::crc32c_append(self.0, &[kind]), &length);
        Self(crc32c::crc32c_append(head, bytes))
    }
}

/// A row whose seal does not fit.
#[derive(Debug, thiserror::Error)]
#[error("its values are not those that were written")]
pub(super) struct BrokenSeal {
    pub(super) table: &'static str,
    pub(super) row: u64,
}

impl BrokenSeal {
    /// Finds a broken seal inside an error of SQLite's.
    pub(super) fn within(error: &rusqlite::Error) -> Option<&Self> {
        let rusqlite::Error::FromSqlConversionFailure(_, _, cause) = error else { return None };
        let cause: &(dyn Error + 'static) = &**cause;
        cause.downcast_ref()
    }
}
