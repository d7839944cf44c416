//! Writing rows inside the caller's transaction.

use std::collections::BTreeSet;

use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid, Tag};
use rusqlite::{Connection, OptionalExtension, Params, Row, Transaction, params, params_from_iter};

use super::cells::Cells;
use super::columns::Columns;
use super::failed;
use super::read::Reader;
use super::table::{INSTANCE, PATIENT, PERSON_NAME, RECORD, SERIES, STUDY, Table, VERSION};
use crate::error::CatalogueError;
use crate::instance::ParentNumbers;
use crate::record::RecordKind;
use crate::rows::{InstanceRow, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow};
use crate::tables::{Tables, View};
use crate::{RowNumbers, Version, names};

/// A transaction to write in.
pub(super) struct Writer<'c, 'd>(pub(super) &'c Transaction<'d>);

impl Tables for Writer<'_, '_> {
    fn instance(
        &mut self,
        uid: &SopInstanceUid,
    ) -> Result<Option<(RowNumbers, InstanceRow)>, CatalogueError> {
        let sql = format!(
            "SELECT {}, study.id, study.patient FROM instance LEFT JOIN series ON series.id = instance.series \
             LEFT JOIN study ON study.id = series.study WHERE instance.uid = ?1",
            INSTANCE.columns
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

    fn versions(&mut self, instance: u64) -> Result<Vec<Version>, CatalogueError> {
        View::versions(&Reader(self.0), instance)
    }

    fn patient(&mut self, key: &PatientKey) -> Result<Option<Numbered<PatientRow>>, CatalogueError> {
        let sql = format!(
            "SELECT {} FROM patient WHERE patient_id = ?1 AND issuer = ?2 AND sole_study = ?3",
            PATIENT.columns
        );
        let key = [&key.patient_id, &key.issuer, &key.sole_study];
        one(self.0, "looking a patient up", &sql, key, |row| Columns::new(row).patient())
    }

    fn study(&mut self, uid: &StudyUid) -> Result<Option<Numbered<StudyRow>>, CatalogueError> {
        let sql = format!("SELECT {} FROM study WHERE uid = ?1", STUDY.columns);
        one(self.0, "looking a study up", &sql, [uid.as_str()], |row| Columns::new(row).study())
    }

    fn series(&mut self, study: u64, uid: &SeriesUid) -> Result<Option<Numbered<SeriesRow>>, CatalogueError> {
        let sql = format!("SELECT {} FROM series WHERE uid = ?1 AND study = ?2", SERIES.columns);
        let key = params![uid.as_str(), study.cast_signed()];
        one(self.0, "looking a series up", &sql, key, |row| Columns::new(row).series())
    }

    fn above(&mut self, parents: ParentNumbers) -> Result<(StudyRow, SeriesRow), CatalogueError> {
        let doing = "looking up what an instance stands in";
        let sql = format!("SELECT {} FROM study WHERE id = ?1", STUDY.columns);
        let study = one(self.0, doing, &sql, [parents.study.cast_signed()], |row| Columns::new(row).study())?;
        let sql = format!("SELECT {} FROM series WHERE id = ?1", SERIES.columns);
        let series =
            one(self.0, doing, &sql, [parents.series.cast_signed()], |row| Columns::new(row).series())?;
        let missing = |table, row| CatalogueError::MissingRow { table, row };
        let study = study.ok_or_else(|| missing("study", parents.study))?;
        Ok((study.row, series.ok_or_else(|| missing("series", parents.series))?.row))
    }

    fn series_of(&mut self, study: u64) -> Result<Vec<Numbered<SeriesRow>>, CatalogueError> {
        Reader(self.0).series_of("reading the series of a study", study)
    }

    fn sop_classes_of(&mut self, study: u64) -> Result<BTreeSet<String>, CatalogueError> {
        let doing = "reading the SOP classes of a study";
        let sql = "SELECT DISTINCT instance.sop_class FROM series CROSS JOIN instance \
             ON instance.series = series.id WHERE series.study = ?1";
        let mut statement = self.0.prepare_cached(sql).map_err(failed(doing))?;
        let classes = statement.query_map([study.cast_signed()], |row| row.get(0)).map_err(failed(doing))?;
        classes.collect::<rusqlite::Result<_>>().map_err(failed(doing))
    }

    fn record(&mut self, kind: RecordKind, key: &str) -> Result<Option<String>, CatalogueError> {
        View::record(&Reader(self.0), kind, key)
    }

    fn add_patient(&mut self, row: &PatientRow) -> Result<u64, CatalogueError> {
        insert(self.0, "adding a patient", &PATIENT, Cells::patient(row)?)
    }

    fn add_study(&mut self, row: &StudyRow) -> Result<u64, CatalogueError> {
        let number = insert(self.0, "adding a study", &STUDY, Cells::study(row)?)?;
        add_names(self.0, number, row)?;
        Ok(number)
    }

    fn add_series(&mut self, row: &SeriesRow) -> Result<u64, CatalogueError> {
        insert(self.0, "adding a series", &SERIES, Cells::series(row)?)
    }

    fn add_instance(&mut self, row: &InstanceRow) -> Result<u64, CatalogueError> {
        insert(self.0, "adding an instance", &INSTANCE, Cells::instance(row)?)
    }

    fn add_version(
        &mut self,
        number: u64,
        row: &InstanceRow,
        version: &Version,
    ) -> Result<(), CatalogueError> {
        let doing = "adding a version of an instance";
        insert(self.0, doing, &VERSION, Cells::version(number, version))?;
        update(self.0, doing, &INSTANCE, Cells::instance(row)?, number)
    }

    fn exchange_version(
        &mut self,
        number: u64,
        taken: &Version,
        given: &Version,
    ) -> Result<(), CatalogueError> {
        let doing = "exchanging a version of an instance";
        let sql = "SELECT id FROM version WHERE instance = ?1 AND sha256 = ?2";
        let key = params![number.cast_signed(), &taken.sha256.0[..]];
        let id = one(self.0, doing, sql, key, |row| Columns::new(row).number())?;
        let id = id.ok_or(CatalogueError::MissingRow { table: "version", row: number })?;
        update(self.0, doing, &VERSION, Cells::version(number, given), id)
    }

    fn drop_versions(&mut self, number: u64) -> Result<(), CatalogueError> {
        let sql = "DELETE FROM version WHERE instance = ?1";
        execute(self.0, "removing the versions of an instance", sql, [number.cast_signed()])
    }

    fn save_instance(&mut self, number: u64, row: &InstanceRow) -> Result<(), CatalogueError> {
        update(self.0, "saving an instance", &INSTANCE, Cells::instance(row)?, number)
    }

    fn move_instance(
        &mut self,
        number: u64,
        _from: Option<u64>,
        row: &InstanceRow,
    ) -> Result<(), CatalogueError> {
        self.save_instance(number, row)
    }

    fn save_patient(&mut self, number: u64, row: &PatientRow) -> Result<(), CatalogueError> {
        update(self.0, "saving a patient", &PATIENT, Cells::patient(row)?, number)
    }

    fn save_study(&mut self, number: u64, row: &StudyRow) -> Result<(), CatalogueError> {
        update(self.0, "saving a study", &STUDY, Cells::study(row)?, number)
    }

    fn move_study(&mut self, number: u64, before: &StudyRow, row: &StudyRow) -> Result<(), CatalogueError> {
        let sql = "DELETE FROM person_name WHERE key = ?1 AND study = ?2";
        for key in name_keys(before) {
            execute(self.0, "removing a name of a study", sql, params![key, number.cast_signed()])?;
        }
        add_names(self.0, number, row)?;
        self.save_study(number, row)
    }

    fn save_series(&mut self, number: u64, row: &SeriesRow) -> Result<(), CatalogueError> {
        update(self.0, "saving a series", &SERIES, Cells::series(row)?, number)
    }

    fn save_record(&mut self, kind: RecordKind, key: &str, value: &str) -> Result<(), CatalogueError> {
        let cells = params_from_iter(Cells::record(kind, key, value).sealed());
        execute(self.0, "writing a record", &RECORD.insert, cells)
    }

    fn drop_record(&mut self, kind: RecordKind, key: &str) -> Result<(), CatalogueError> {
        let sql = "DELETE FROM record WHERE kind = ?1 AND key = ?2";
        execute(self.0, "removing a record", sql, params![kind.number().cast_signed(), key])
    }
}

/// What a study is looked up by of its patient's name.
fn name_keys(row: &StudyRow) -> Vec<String> {
    let mut keys = names::groups(row.attributes.get(Tag::PATIENT_NAME).unwrap_or(""));
    keys.retain(|key| !key.is_empty());
    keys.sort_unstable();
    keys.dedup();
    keys
}

fn add_names(connection: &Connection, number: u64, row: &StudyRow) -> Result<(), CatalogueError> {
    for key in name_keys(row) {
        insert(connection, "adding a name", &PERSON_NAME, Cells::person_name(&key, number))?;
    }
    Ok(())
}

fn execute(
    connection: &Connection,
    doing: &'static str,
    sql: &str,
    values: impl Params,
) -> Result<(), CatalogueError> {
    let mut statement = connection.prepare_cached(sql).map_err(failed(doing))?;
    statement.execute(values).map(drop).map_err(failed(doing))
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
    table: &Table,
    cells: Cells,
) -> Result<u64, CatalogueError> {
    let mut statement = connection.prepare_cached(&table.insert).map_err(failed(doing))?;
    let number = statement.insert(params_from_iter(cells.sealed()));
    number.map(i64::cast_unsigned).map_err(failed(doing))
}

fn update(
    connection: &Connection,
    doing: &'static str,
    table: &Table,
    cells: Cells,
    number: u64,
) -> Result<(), CatalogueError> {
    let mut statement = connection.prepare_cached(&table.update).map_err(failed(doing))?;
    statement.execute(params_from_iter(cells.sealed_for(number))).map(drop).map_err(failed(doing))
}
