//! Writing rows and their indexes in one transaction.

use std::collections::BTreeSet;

use ::redb::{ReadableTable, Table, TableError, WriteTransaction};
use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid, Tag};
use serde::Serialize;

use super::failed;
use super::layout::{self, number, row};
use crate::attributes::study_date;
use crate::error::CatalogueError;
use crate::instance::ParentNumbers;
use crate::record::RecordKind;
use crate::rows::{InstanceRow, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow};
use crate::sealed::{from_sealed_json, sealed_json, sealed_record};
use crate::tables::Tables;
use crate::{RowNumbers, Version, names};

/// Every table, open for writing.
pub(super) struct WriteTables<'t> {
    patients: Table<'t, u64, &'static [u8]>,
    studies: Table<'t, u64, &'static [u8]>,
    series: Table<'t, u64, &'static [u8]>,
    instances: Table<'t, u64, &'static [u8]>,
    versions: Table<'t, (u64, u64), &'static [u8]>,
    patient_keys: Table<'t, (&'static str, &'static str, &'static str), u64>,
    study_uids: Table<'t, &'static str, u64>,
    series_uids: Table<'t, (&'static str, u64), u64>,
    instance_uids: Table<'t, &'static str, u64>,
    studies_of: Table<'t, (u64, u64), ()>,
    series_of: Table<'t, (u64, u64), ()>,
    instances_of: Table<'t, (u64, u64), ()>,
    dates: Table<'t, (&'static str, u64), ()>,
    accessions: Table<'t, (&'static str, u64), ()>,
    names: Table<'t, (&'static str, u64), ()>,
    records: Table<'t, (u64, &'static str), &'static [u8]>,
}

impl<'t> WriteTables<'t> {
    pub(super) fn open(transaction: &'t WriteTransaction) -> Result<Self, TableError> {
        Ok(Self {
            patients: transaction.open_table(layout::PATIENTS)?,
            studies: transaction.open_table(layout::STUDIES)?,
            series: transaction.open_table(layout::SERIES)?,
            instances: transaction.open_table(layout::INSTANCES)?,
            versions: transaction.open_table(layout::VERSIONS)?,
            patient_keys: transaction.open_table(layout::PATIENT_KEYS)?,
            study_uids: transaction.open_table(layout::STUDY_UIDS)?,
            series_uids: transaction.open_table(layout::SERIES_UIDS)?,
            instance_uids: transaction.open_table(layout::INSTANCE_UIDS)?,
            studies_of: transaction.open_table(layout::STUDIES_OF)?,
            series_of: transaction.open_table(layout::SERIES_OF)?,
            instances_of: transaction.open_table(layout::INSTANCES_OF)?,
            dates: transaction.open_table(layout::DATES)?,
            accessions: transaction.open_table(layout::ACCESSIONS)?,
            names: transaction.open_table(layout::NAMES)?,
            records: transaction.open_table(layout::RECORDS)?,
        })
    }
}

impl Tables for WriteTables<'_> {
    fn instance(
        &mut self,
        uid: &SopInstanceUid,
    ) -> Result<Option<(RowNumbers, InstanceRow)>, CatalogueError> {
        let Some(instance) = number(&self.instance_uids, uid.as_str())? else { return Ok(None) };
        let found: InstanceRow = row(&self.instances, "instance", instance)?;
        let parents = match found.series {
            None => None,
            Some(series) => {
                let study = row::<SeriesRow>(&self.series, "series", series)?.study;
                let patient = row::<StudyRow>(&self.studies, "study", study)?.patient;
                Some(ParentNumbers { series, study, patient })
            }
        };
        Ok(Some((RowNumbers { instance, parents }, found)))
    }

    fn versions(&mut self, instance: u64) -> Result<Vec<Version>, CatalogueError> {
        versions(&self.versions, instance)
    }

    fn patient(&mut self, key: &PatientKey) -> Result<Option<Numbered<PatientRow>>, CatalogueError> {
        let Some(number) = number(&self.patient_keys, patient_key(key))? else { return Ok(None) };
        Ok(Some(Numbered { number, row: row(&self.patients, "patient", number)? }))
    }

    fn study(&mut self, uid: &StudyUid) -> Result<Option<Numbered<StudyRow>>, CatalogueError> {
        let Some(number) = number(&self.study_uids, uid.as_str())? else { return Ok(None) };
        Ok(Some(Numbered { number, row: row(&self.studies, "study", number)? }))
    }

    fn series(&mut self, study: u64, uid: &SeriesUid) -> Result<Option<Numbered<SeriesRow>>, CatalogueError> {
        let Some(number) = number(&self.series_uids, (uid.as_str(), study))? else { return Ok(None) };
        Ok(Some(Numbered { number, row: row(&self.series, "series", number)? }))
    }

    fn above(&mut self, parents: ParentNumbers) -> Result<(StudyRow, SeriesRow), CatalogueError> {
        Ok((row(&self.studies, "study", parents.study)?, row(&self.series, "series", parents.series)?))
    }

    fn series_of(&mut self, study: u64) -> Result<Vec<Numbered<SeriesRow>>, CatalogueError> {
        let numbered = |number| Ok(Numbered { number, row: row(&self.series, "series", number)? });
        below(&self.series_of, study)?.into_iter().map(numbered).collect()
    }

    fn sop_classes_of(&mut self, study: u64) -> Result<BTreeSet<String>, CatalogueError> {
        let mut classes = BTreeSet::new();
        for series in below(&self.series_of, study)? {
            for number in below(&self.instances_of, series)? {
                let instance: InstanceRow = row(&self.instances, "instance", number)?;
                classes.insert(instance.sop_class.as_str().to_owned());
            }
        }
        Ok(classes)
    }

    fn record(&mut self, kind: RecordKind, key: &str) -> Result<Option<String>, CatalogueError> {
        layout::record(&self.records, kind, key)
    }

    fn add_patient(&mut self, row: &PatientRow) -> Result<u64, CatalogueError> {
        let number = append(&mut self.patients, "patient", row)?;
        self.patient_keys.insert(patient_key(&row.key), number).map_err(failed("adding a patient"))?;
        Ok(number)
    }

    fn add_study(&mut self, row: &StudyRow) -> Result<u64, CatalogueError> {
        let doing = "adding a study";
        let number = append(&mut self.studies, "study", row)?;
        self.study_uids.insert(row.uid.as_str(), number).map_err(failed(doing))?;
        self.studies_of.insert((row.patient, number), ()).map_err(failed(doing))?;
        for key in name_keys(row) {
            self.names.insert((key.as_str(), number), ()).map_err(failed(doing))?;
        }
        Ok(number)
    }

    fn add_series(&mut self, row: &SeriesRow) -> Result<u64, CatalogueError> {
        let doing = "adding a series";
        let number = append(&mut self.series, "series", row)?;
        self.series_uids.insert((row.uid.as_str(), row.study), number).map_err(failed(doing))?;
        self.series_of.insert((row.study, number), ()).map_err(failed(doing))?;
        Ok(number)
    }

    fn add_instance(&mut self, row: &InstanceRow) -> Result<u64, CatalogueError> {
        let doing = "adding an instance";
        let number = append(&mut self.instances, "instance", row)?;
        self.instance_uids.insert(row.uid.as_str(), number).map_err(failed(doing))?;
        if let Some(series) = row.series {
            self.instances_of.insert((series, number), ()).map_err(failed(doing))?;
        }
        Ok(number)
    }

    fn add_version(
        &mut self,
        number: u64,
        row: &InstanceRow,
        version: &Version,
    ) -> Result<(), CatalogueError> {
        let bytes = sealed_json(version, "version", number)?;
        let key = (number, row.other_versions);
        self.versions.insert(key, bytes.as_slice()).map_err(failed("adding a version of an instance"))?;
        save(&mut self.instances, "instance", number, row)
    }

    fn exchange_version(
        &mut self,
        number: u64,
        taken: &Version,
        given: &Version,
    ) -> Result<(), CatalogueError> {
        let versions = numbered_versions(&self.versions, number)?.into_iter();
        for (at, _) in versions.filter(|(_, version)| version.sha256 == taken.sha256) {
            let bytes = sealed_json(given, "version", number)?;
            let doing = "exchanging a version of an instance";
            self.versions.insert((number, at), bytes.as_slice()).map_err(failed(doing))?;
        }
        Ok(())
    }

    fn drop_versions(&mut self, number: u64) -> Result<(), CatalogueError> {
        let doing = "removing the versions of an instance";
        for (at, _) in numbered_versions(&self.versions, number)? {
            self.versions.remove((number, at)).map_err(failed(doing))?;
        }
        Ok(())
    }

    fn save_instance(&mut self, number: u64, row: &InstanceRow) -> Result<(), CatalogueError> {
        save(&mut self.instances, "instance", number, row)
    }

    fn move_instance(
        &mut self,
        number: u64,
        from: Option<u64>,
        row: &InstanceRow,
    ) -> Result<(), CatalogueError> {
        let doing = "moving an instance";
        if let Some(from) = from {
            self.instances_of.remove((from, number)).map_err(failed(doing))?;
        }
        if let Some(series) = row.series {
            self.instances_of.insert((series, number), ()).map_err(failed(doing))?;
        }
        self.save_instance(number, row)
    }

    fn save_patient(&mut self, number: u64, row: &PatientRow) -> Result<(), CatalogueError> {
        save(&mut self.patients, "patient", number, row)
    }

    fn save_study(&mut self, number: u64, row: &StudyRow) -> Result<(), CatalogueError> {
        let doing = "saving a study";
        if let Some(date) = study_date(&row.attributes) {
            self.dates.insert((date.as_str(), number), ()).map_err(failed(doing))?;
        }
        if let Some(accession) = row.attributes.get(Tag::ACCESSION_NUMBER) {
            self.accessions.insert((accession, number), ()).map_err(failed(doing))?;
        }
        save(&mut self.studies, "study", number, row)
    }

    fn move_study(&mut self, number: u64, before: &StudyRow, row: &StudyRow) -> Result<(), CatalogueError> {
        let doing = "moving a study";
        self.studies_of.remove((before.patient, number)).map_err(failed(doing))?;
        self.studies_of.insert((row.patient, number), ()).map_err(failed(doing))?;
        for key in name_keys(before) {
            self.names.remove((key.as_str(), number)).map_err(failed(doing))?;
        }
        for key in name_keys(row) {
            self.names.insert((key.as_str(), number), ()).map_err(failed(doing))?;
        }
        if let Some(date) = study_date(&before.attributes) {
            self.dates.remove((date.as_str(), number)).map_err(failed(doing))?;
        }
        if let Some(accession) = before.attributes.get(Tag::ACCESSION_NUMBER) {
            self.accessions.remove((accession, number)).map_err(failed(doing))?;
        }
        self.save_study(number, row)
    }

    fn save_series(&mut self, number: u64, row: &SeriesRow) -> Result<(), CatalogueError> {
        save(&mut self.series, "series", number, row)
    }

    fn save_record(&mut self, kind: RecordKind, key: &str, value: &str) -> Result<(), CatalogueError> {
        let bytes = sealed_record(kind, key, value)?;
        let key = (kind.number(), key);
        self.records.insert(key, bytes.as_slice()).map(drop).map_err(failed("writing a record"))
    }

    fn drop_record(&mut self, kind: RecordKind, key: &str) -> Result<(), CatalogueError> {
        self.records.remove((kind.number(), key)).map(drop).map_err(failed("removing a record"))
    }
}

/// What a study is looked up by of its patient's name.
fn name_keys(row: &StudyRow) -> impl Iterator<Item = String> {
    names::groups(row.attributes.get(Tag::PATIENT_NAME).unwrap_or(""))
        .into_iter()
        .filter(|key| !key.is_empty())
}

/// The numbers that an index has under another.
fn below(table: &impl ReadableTable<(u64, u64), ()>, above: u64) -> Result<Vec<u64>, CatalogueError> {
    let doing = "searching an index";
    let entries = table.range((above, 0)..=(above, u64::MAX)).map_err(failed(doing))?;
    entries.map(|entry| Ok(entry.map_err(failed(doing))?.0.value().1)).collect()
}

/// The versions of an instance that are not current, in the order they came.
pub(super) fn versions(
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
    instance: u64,
) -> Result<Vec<Version>, CatalogueError> {
    Ok(numbered_versions(table, instance)?.into_iter().map(|(_, version)| version).collect())
}

/// The same, each with its place in the order.
fn numbered_versions(
    table: &impl ReadableTable<(u64, u64), &'static [u8]>,
    instance: u64,
) -> Result<Vec<(u64, Version)>, CatalogueError> {
    let doing = "reading the versions of an instance";
    let mut found = Vec::new();
    for entry in table.range((instance, 0)..=(instance, u64::MAX)).map_err(failed(doing))? {
        let (key, bytes) = entry.map_err(failed(doing))?;
        found.push((key.value().1, from_sealed_json(bytes.value(), "version", instance)?));
    }
    Ok(found)
}

fn patient_key(key: &PatientKey) -> (&str, &str, &str) {
    (&key.patient_id, &key.issuer, &key.sole_study)
}

fn append(
    table: &mut Table<'_, u64, &'static [u8]>,
    name: &'static str,
    row: &impl Serialize,
) -> Result<u64, CatalogueError> {
    let last = table.last().map_err(failed("numbering a row"))?.map_or(0, |(number, _)| number.value());
    save(table, name, last + 1, row)?;
    Ok(last + 1)
}

fn save(
    table: &mut Table<'_, u64, &'static [u8]>,
    name: &'static str,
    number: u64,
    row: &impl Serialize,
) -> Result<(), CatalogueError> {
    let bytes = sealed_json(row, name, number)?;
    table.insert(number, bytes.as_slice()).map(drop).map_err(failed("saving a row"))
}
