//! Rows from columns; a row whose seal does not fit is an error.

use std::collections::BTreeSet;
use std::error::Error;

use outrigger_model::{MemberSet, Sha256Digest, SopInstanceUid, WallTime};
use rusqlite::Row;
use rusqlite::types::Type;

use super::cells::{BrokenSeal, Seal};
use super::table::{INSTANCE, PATIENT, RECORD, SERIES, STUDY, Table, VERSION};
use crate::attributes::Attributes;
use crate::record::Record;
use crate::rows::{InstanceRow, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow};
use crate::{Current, Inherited, SetDigest, Version};

/// Reads columns one after another; the seal of a row is checked before any of its values is taken.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    pub(super) fn new(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn patient(&mut self) -> rusqlite::Result<Numbered<PatientRow>> {
        let number = self.begin(&PATIENT)?;
        let key = PatientKey { patient_id: self.text()?, issuer: self.text()?, sole_study: self.text()? };
        let row = PatientRow { key, attributes: self.attributes()? };
        self.next += 1;
        Ok(Numbered { number, row })
    }

    pub(super) fn study(&mut self) -> rusqlite::Result<Numbered<StudyRow>> {
        let number = self.begin(&STUDY)?;
        let row = StudyRow {
            uid: self.parsed()?,
            patient: self.number()?,
            attributes: self.attributes()?,
            modalities: self.set()?,
            sop_classes: self.set()?,
            series: self.number()?,
            instances: self.digest()?,
        };
        // The date and the accession number for the indexes, and the seal.
        self.next += 3;
        Ok(Numbered { number, row })
    }

    pub(super) fn series(&mut self) -> rusqlite::Result<Numbered<SeriesRow>> {
        let number = self.begin(&SERIES)?;
        let row = SeriesRow {
            uid: self.parsed()?,
            study: self.number()?,
            attributes: self.attributes()?,
            instances: self.digest()?,
        };
        self.next += 1;
        Ok(Numbered { number, row })
    }

    pub(super) fn instance(&mut self) -> rusqlite::Result<Numbered<InstanceRow>> {
        let number = self.begin(&INSTANCE)?;
        let row = InstanceRow {
            uid: self.parsed()?,
            series: self.perhaps_number()?,
            sop_class: self.parsed()?,
            other_versions: self.number()?,
            attributes: self.attributes()?,
            current: self.current()?,
        };
        self.next += 1;
        Ok(Numbered { number, row })
    }

    /// A version and the instance it is of.
    pub(super) fn version(&mut self) -> rusqlite::Result<Numbered<Version>> {
        self.begin(&VERSION)?;
        let instance = self.number()?;
        let row = self.bytes_kept()?;
        self.next += 1;
        Ok(Numbered { number: instance, row })
    }

    /// A number and the UID of an instance, without a seal.
    pub(super) fn named(&mut self) -> rusqlite::Result<Numbered<SopInstanceUid>> {
        Ok(Numbered { number: self.number()?, row: self.parsed()? })
    }

    pub(super) fn record(&mut self) -> rusqlite::Result<Record> {
        self.begin(&RECORD)?;
        self.next += 1;
        Ok((self.text()?, self.text()?))
    }

    /// The number of a row whose seal fits.
    pub(super) fn begin(&mut self, table: &Table) -> rusqlite::Result<u64> {
        let number = self.number()?;
        let end = self.next + table.sealed;
        let found =
            (self.next..end).try_fold(Seal::default(), |seal, at| Ok(seal.over(self.row.get_ref(at)?)));
        let found: rusqlite::Result<Seal> = found;
        if self.row.get::<_, i64>(end)? == found?.value() {
            return Ok(number);
        }
        let broken = Box::new(BrokenSeal { table: table.name, row: number });
        Err(rusqlite::Error::FromSqlConversionFailure(end, Type::Integer, broken))
    }

    fn current(&mut self) -> rusqlite::Result<Current> {
        // The digest stands behind the encoding, and is empty where no bytes are kept.
        let digest_at = self.next + 1;
        if !self.row.get_ref(digest_at)?.as_blob().is_ok_and(<[u8]>::is_empty) {
            return self.bytes_kept().map(Current::Kept);
        }
        self.next += 3;
        let seen_at = WallTime(self.next(|row, at| row.get(at))?);
        Ok(Current::Inherited(Inherited { members: MemberSet(self.number()?), seen_at }))
    }

    fn bytes_kept(&mut self) -> rusqlite::Result<Version> {
        Ok(Version {
            transfer_syntax: self.parsed()?,
            sha256: Sha256Digest(self.bytes()?),
            length: self.number()?,
            stored_at: WallTime(self.next(|row, at| row.get(at))?),
            place: self.number()?,
        })
    }

    fn digest(&mut self) -> rusqlite::Result<SetDigest> {
        Ok(SetDigest {
            count: self.number()?,
            identities: u128::from_be_bytes(self.bytes()?),
            contents: u128::from_be_bytes(self.bytes()?),
        })
    }

    pub(super) fn number(&mut self) -> rusqlite::Result<u64> {
        self.next(|row, at| row.get::<_, i64>(at)).map(i64::cast_unsigned)
    }

    pub(super) fn perhaps_number(&mut self) -> rusqlite::Result<Option<u64>> {
        let number: Option<i64> = self.next(|row, at| row.get(at))?;
        Ok(number.map(i64::cast_unsigned))
    }

    fn parsed<T>(&mut self) -> rusqlite::Result<T>
    where
        T: TryFrom<String, Error: Error + Send + Sync + 'static>,
    {
        let at = self.next;
        let bad = |error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error));
        T::try_from(self.text()?).map_err(bad)
    }

    fn text(&mut self) -> rusqlite::Result<String> {
        self.next(|row, at| row.get(at))
    }

    fn bytes<const N: usize>(&mut self) -> rusqlite::Result<[u8; N]> {
        self.next(|row, at| row.get(at))
    }

    fn set(&mut self) -> rusqlite::Result<BTreeSet<String>> {
        let text = self.text()?;
        Ok(text.split('\\').filter(|value| !value.is_empty()).map(str::to_owned).collect())
    }

    fn attributes(&mut self) -> rusqlite::Result<Attributes> {
        let at = self.next;
        let bad = |error| rusqlite::Error::FromSqlConversionFailure(at, Type::Text, Box::new(error));
        serde_json::from_str(&self.text()?).map_err(bad)
    }

    fn next<T>(&mut self, get: impl FnOnce(&Row<'_>, usize) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let at = self.next;
        self.next += 1;
        get(self.row, at)
    }
}
