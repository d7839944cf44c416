//! Writing rows inside the caller's transaction.

use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid, Tag};
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, params};

use super::columns::{Columns, INSTANCE, PATIENT, SERIES, STUDY, json};
use super::failed;
use crate::attributes::Attributes;
use crate::error::CatalogueError;
use crate::instance::ParentNumbers;
use crate::matching::date_digits;
use crate::rows::{InstanceRow, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow, list_text};
use crate::tables::Tables;
use crate::{RowNumbers, Version, names};

/// A transaction to write in.
pub(super) struct Writer<'c, 'd>(pub(super) &'c Transaction<'d>);

impl Tables for Writer<'_, '_> {
    fn instance(
        &mut self,
        uid: &SopInstanceUid,
    ) -> Result<Option<(RowNumbers, InstanceRow)>, CatalogueError> {
        let sql = format!(
            "SELECT {INSTANCE}, study.id, study.patient FROM instance LEFT JOIN series ON series.id = instance.series \
             LEFT JOIN study ON study.id = series.study WHERE instance.uid = ?1"
        );
        one(self.0, "looking an instance up", &sql, [uid.as_str()], |row| {
            let mut columns = Columns::new(row);
            let Numbered { number: instance, row } = columns.instance()?;
            let parents = match (row.series, columns.perhaps_number()?, columns.perhaps_number()?) {
                (Some(series), Some(study), Some(patient)) => Some(ParentNumbers { series, study, patient }),
                _ => None,
            };
            Ok((RowNumbers { instance, parents }, row))
        })
    }

    fn has_version(&mut self, instance: u64, version: &Version) -> Result<bool, CatalogueError> {
        let sql = "SELECT 1 FROM version WHERE instance = ?1 AND sha256 = ?2";
        let found = one(
            self.0,
            "looking a version up",
            sql,
            params![instance.cast_signed(), version.sha256.0],
            |_| Ok(()),
        )?;
        Ok(found.is_some())
    }

    fn patient(&mut self, key: &PatientKey) -> Result<Option<Numbered<PatientRow>>, CatalogueError> {
        let sql = format!(
            "SELECT {PATIENT} FROM patient WHERE patient_id = ?1 AND issuer = ?2 AND sole_study = ?3"
        );
        let key = [&key.patient_id, &key.issuer, &key.sole_study];
        one(self.0, "looking a patient up", &sql, key, |row| Columns::new(row).patient())
    }

    fn study(&mut self, uid: &StudyUid) -> Result<Option<Numbered<StudyRow>>, CatalogueError> {
        let sql = format!("SELECT {STUDY} FROM study WHERE uid = ?1");
        one(self.0, "looking a study up", &sql, [uid.as_str()], |row| Columns::new(row).study())
    }

    fn series(&mut self, study: u64, uid: &SeriesUid) -> Result<Option<Numbered<SeriesRow>>, CatalogueError> {
        let sql = format!("SELECT {SERIES} FROM series WHERE uid = ?1 AND study = ?2");
        let key = params![uid.as_str(), study.cast_signed()];
        one(self.0, "looking a series up", &sql, key, |row| Columns::new(row).series())
    }

    fn add_patient(&mut self, row: &PatientRow) -> Result<u64, CatalogueError> {
        let doing = "adding a patient";
        let PatientKey { patient_id, issuer, sole_study } = &row.key;
        let attributes = json(&row.attributes).map_err(failed(doing))?;
        let sql = "INSERT INTO patient (patient_id, issuer, sole_study, attributes) VALUES (?1, ?2, ?3, ?4)";
        insert(self.0, doing, sql, [patient_id, issuer, sole_study, &attributes])
    }

    fn add_study(&mut self, row: &StudyRow) -> Result<u64, CatalogueError> {
        let doing = "adding a study";
        let sql = "INSERT INTO study (uid, patient, attributes, modalities, sop_classes, series, instances, identities, contents) \
             VALUES (?1, ?2, '{}', '', '', 0, 0, zeroblob(16), zeroblob(16))";
        let number = insert(self.0, doing, sql, params![row.uid.as_str(), row.patient.cast_signed()])?;
        for key in names::groups(row.attributes.get(Tag::PATIENT_NAME).unwrap_or("")) {
            if !key.is_empty() {
                let sql = "INSERT OR IGNORE INTO person_name (key, study) VALUES (?1, ?2)";
                change(self.0, doing, sql, params![key, number.cast_signed()])?;
            }
        }
        Ok(number)
    }

    fn add_series(&mut self, row: &SeriesRow) -> Result<u64, CatalogueError> {
        let sql = "INSERT INTO series (uid, study, attributes, instances, identities, contents) \
             VALUES (?1, ?2, '{}', 0, zeroblob(16), zeroblob(16))";
        insert(self.0, "adding a series", sql, params![row.uid.as_str(), row.study.cast_signed()])
    }

    fn add_instance(&mut self, row: &InstanceRow) -> Result<u64, CatalogueError> {
        let doing = "adding an instance";
        let sql = "INSERT INTO instance (uid, series, sop_class, other_versions, attributes, transfer_syntax, sha256, \
             length, stored_at, place) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";
        let values = params![
            row.uid.as_str(),
            row.series.map(u64::cast_signed),
            row.sop_class.as_str(),
            row.other_versions.cast_signed(),
            json(&row.attributes).map_err(failed(doing))?,
            row.current.transfer_syntax.as_str(),
            row.current.sha256.0,
            row.current.length.cast_signed(),
            row.current.stored_at.0,
            row.current.place.cast_signed(),
        ];
        insert(self.0, doing, sql, values)
    }

    fn add_version(&mut self, instance: u64, version: &Version) -> Result<(), CatalogueError> {
        let doing = "adding a version of an instance";
        let sql = "INSERT INTO version (instance, transfer_syntax, sha256, length, stored_at, place) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
        let values = params![
            instance.cast_signed(),
            version.transfer_syntax.as_str(),
            version.sha256.0,
            version.length.cast_signed(),
            version.stored_at.0,
            version.place.cast_signed(),
        ];
        change(self.0, doing, sql, values)?;
        let sql = "UPDATE instance SET other_versions = other_versions + 1 WHERE id = ?1";
        change(self.0, doing, sql, [instance.cast_signed()])
    }

    fn save_patient(&mut self, number: u64, row: &PatientRow) -> Result<(), CatalogueError> {
        let doing = "saving a patient";
        let attributes = json(&row.attributes).map_err(failed(doing))?;
        let sql = "UPDATE patient SET attributes = ?2 WHERE id = ?1";
        change(self.0, doing, sql, params![number.cast_signed(), attributes])
    }

    fn save_study(&mut self, number: u64, row: &StudyRow) -> Result<(), CatalogueError> {
        let doing = "saving a study";
        let sql = "UPDATE study SET attributes = ?2, modalities = ?3, sop_classes = ?4, series = ?5, instances = ?6, \
             identities = ?7, contents = ?8, date = ?9, accession = ?10 WHERE id = ?1";
        let values = params![
            number.cast_signed(),
            json(&row.attributes).map_err(failed(doing))?,
            list_text(&row.modalities),
            list_text(&row.sop_classes),
            row.series.cast_signed(),
            row.instances.count.cast_signed(),
            row.instances.identities.to_be_bytes(),
            row.instances.contents.to_be_bytes(),
            study_date(&row.attributes),
            row.attributes.get(Tag::ACCESSION_NUMBER),
        ];
        change(self.0, doing, sql, values)
    }

    fn save_series(&mut self, number: u64, row: &SeriesRow) -> Result<(), CatalogueError> {
        let doing = "saving a series";
        let sql =
            "UPDATE series SET attributes = ?2, instances = ?3, identities = ?4, contents = ?5 WHERE id = ?1";
        let values = params![
            number.cast_signed(),
            json(&row.attributes).map_err(failed(doing))?,
            row.instances.count.cast_signed(),
            row.instances.identities.to_be_bytes(),
            row.instances.contents.to_be_bytes(),
        ];
        change(self.0, doing, sql, values)
    }
}

fn study_date(attributes: &Attributes) -> Option<String> {
    attributes.get(Tag::STUDY_DATE).map(date_digits)
}

fn one<T>(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    values: impl Params,
    read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, CatalogueError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    statement.query_row(values, read).optional().map_err(failed(doing))
}

fn insert(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    values: impl Params,
) -> Result<u64, CatalogueError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    statement.insert(values).map(i64::cast_unsigned).map_err(failed(doing))
}

fn change(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    values: impl Params,
) -> Result<(), CatalogueError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    statement.execute(values).map(drop).map_err(failed(doing))
}
