//! Rows from columns.

use std::collections::BTreeSet;
use std::error::Error;

use outrigger_model::{Sha256Digest, WallTime};
use rusqlite::Row;
use rusqlite::types::Type;

use crate::attributes::Attributes;
use crate::rows::{InstanceRow, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow};
use crate::{SetDigest, Version};

pub(super) const PATIENT: &str =
    "patient.id, patient.patient_id, patient.issuer, patient.sole_study, patient.attributes";
pub(super) const STUDY: &str = "study.id, study.uid, study.patient, study.attributes, study.modalities, study.sop_classes, \
     study.series, study.instances, study.identities, study.contents";
pub(super) const SERIES: &str = "series.id, series.uid, series.study, series.attributes, series.instances, \
     series.identities, series.contents";
pub(super) const INSTANCE: &str = "instance.id, instance.uid, instance.series, instance.sop_class, \
     instance.other_versions, instance.attributes, instance.transfer_syntax, instance.sha256, instance.length, \
     instance.stored_at, instance.place";

/// Reads columns one after another.
pub(super) struct Columns<'r, 's> {
    row: &'r Row<'s>,
    next: usize,
}

impl<'r, 's> Columns<'r, 's> {
    pub(super) fn new(row: &'r Row<'s>) -> Self {
        Self { row, next: 0 }
    }

    pub(super) fn patient(&mut self) -> rusqlite::Result<Numbered<PatientRow>> {
        let number = self.number()?;
        let key = PatientKey { patient_id: self.text()?, issuer: self.text()?, sole_study: self.text()? };
        Ok(Numbered { number, row: PatientRow { key, attributes: self.attributes()? } })
    }

    pub(super) fn study(&mut self) -> rusqlite::Result<Numbered<StudyRow>> {
        let number = self.number()?;
        let row = StudyRow {
            uid: self.parsed()?,
            patient: self.number()?,
            attributes: self.attributes()?,
            modalities: self.set()?,
            sop_classes: self.set()?,
            series: self.number()?,
            instances: self.digest()?,
        };
        Ok(Numbered { number, row })
    }

    pub(super) fn series(&mut self) -> rusqlite::Result<Numbered<SeriesRow>> {
        let number = self.number()?;
        let row = SeriesRow {
            uid: self.parsed()?,
            study: self.number()?,
            attributes: self.attributes()?,
            instances: self.digest()?,
        };
        Ok(Numbered { number, row })
    }

    pub(super) fn instance(&mut self) -> rusqlite::Result<Numbered<InstanceRow>> {
        let number = self.number()?;
        let row = InstanceRow {
            uid: self.parsed()?,
            series: self.perhaps_number()?,
            sop_class: self.parsed()?,
            other_versions: self.number()?,
            attributes: self.attributes()?,
            current: self.version()?,
        };
        Ok(Numbered { number, row })
    }

    pub(super) fn version(&mut self) -> rusqlite::Result<Version> {
        Ok(Version {
            transfer_syntax: self.parsed()?,
            sha256: Sha256Digest(self.bytes()?),
            length: self.number()?,
            stored_at: WallTime(self.next(|row, at| row.get(at))?),
            place: self.number()?,
        })
    }

    pub(super) fn digest(&mut self) -> rusqlite::Result<SetDigest> {
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

    pub(super) fn parsed<T>(&mut self) -> rusqlite::Result<T>
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

/// Attributes as a JSON object.
pub(super) fn json(attributes: &Attributes) -> rusqlite::Result<String> {
    serde_json::to_string(attributes)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))
}
