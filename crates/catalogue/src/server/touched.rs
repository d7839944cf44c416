//! The rows that a batch touches, in memory: read at once, changed by the same decisions as in any other database, written at once.
//!
//! What was not foreseen is read when it is asked for, so that a decision is right whatever it touches, and only slower.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid};

use super::Kind;
use super::numbers::{Numbers, next};
use super::session::Session;
use crate::error::CatalogueError;
use crate::instance::ParentNumbers;
use crate::record::RecordKind;
use crate::rows::{InstanceRow, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow};
use crate::tables::Tables;
use crate::{RowNumbers, Version};

mod read;
mod write;

/// What a batch touches, within a transaction of a server's.
pub(super) struct Touched<'s> {
    kind: Kind,
    session: &'s mut dyn Session,
    read: Numbers,
    numbers: Numbers,
    patients: Rows<PatientRow, PatientKey>,
    studies: Rows<StudyRow, StudyUid>,
    series: Rows<SeriesRow, (u64, SeriesUid)>,
    /// Those read, in whatever studies they are.
    series_read: BTreeSet<SeriesUid>,
    instances: Rows<InstanceRow, SopInstanceUid>,
    /// By instance, each with its own number.
    versions: BTreeMap<u64, Vec<(u64, Version)>>,
    changed_versions: BTreeSet<(u64, u64)>,
    dropped_versions: BTreeSet<u64>,
    /// Names by study: which it had and has no more, and which it has.
    left_names: BTreeSet<(u64, Vec<u8>)>,
    new_names: BTreeSet<(u64, Vec<u8>)>,
    records: BTreeMap<(RecordKind, String), Option<String>>,
    changed_records: BTreeSet<(RecordKind, String)>,
}

/// Rows of one kind by number and key: those read and those that came to be, and which of them must be written.
struct Rows<R, K> {
    by_number: BTreeMap<u64, R>,
    /// `None` where there is none in the database.
    by_key: BTreeMap<K, Option<u64>>,
    changed: BTreeSet<u64>,
}

impl<R, K> Default for Rows<R, K> {
    fn default() -> Self {
        Self { by_number: BTreeMap::new(), by_key: BTreeMap::new(), changed: BTreeSet::new() }
    }
}

impl<R: Clone, K: Ord> Rows<R, K> {
    /// Takes a row as it is in the database; one that is here already may have changed since.
    fn take(&mut self, key: K, number: u64, row: R) {
        self.by_key.insert(key, Some(number));
        self.by_number.entry(number).or_insert(row);
    }

    /// Notes of a key that what there is of it has been read.
    fn asked(&mut self, key: K) {
        self.by_key.entry(key).or_insert(None);
    }

    fn add(&mut self, key: K, number: u64, row: &R) {
        self.by_key.insert(key, Some(number));
        self.save(number, row);
    }

    fn save(&mut self, number: u64, row: &R) {
        self.by_number.insert(number, row.clone());
        self.changed.insert(number);
    }

    fn find(&self, key: &K) -> Option<Numbered<R>> {
        let number = (*self.by_key.get(key)?)?;
        Some(Numbered { number, row: self.by_number.get(&number)?.clone() })
    }

    fn get(&self, table: &'static str, number: u64) -> Result<&R, CatalogueError> {
        self.by_number.get(&number).ok_or(CatalogueError::MissingRow { table, row: number })
    }
}

impl Tables for Touched<'_> {
    fn instance(
        &mut self,
        uid: &SopInstanceUid,
    ) -> Result<Option<(RowNumbers, InstanceRow)>, CatalogueError> {
        if !self.instances.by_key.contains_key(uid) {
            self.read_instances([uid])?;
        }
        let Some(Numbered { number: instance, row }) = self.instances.find(uid) else { return Ok(None) };
        let parents = match row.series {
            None => None,
            Some(series) => {
                let study = self.series_numbered(series)?.study;
                Some(ParentNumbers { series, study, patient: self.study_numbered(study)?.patient })
            }
        };
        Ok(Some((RowNumbers { instance, parents }, row)))
    }

    fn versions(&mut self, instance: u64) -> Result<Vec<Version>, CatalogueError> {
        let versions = self.versions_of(instance)?;
        Ok(versions.iter().map(|(_, version)| version.clone()).collect())
    }

    fn patient(&mut self, key: &PatientKey) -> Result<Option<Numbered<PatientRow>>, CatalogueError> {
        if !self.patients.by_key.contains_key(key) {
            self.read_patient(key)?;
        }
        Ok(self.patients.find(key))
    }

    fn study(&mut self, uid: &StudyUid) -> Result<Option<Numbered<StudyRow>>, CatalogueError> {
        if !self.studies.by_key.contains_key(uid) {
            self.read_study(uid)?;
        }
        Ok(self.studies.find(uid))
    }

    fn series(&mut self, study: u64, uid: &SeriesUid) -> Result<Option<Numbered<SeriesRow>>, CatalogueError> {
        let key = (study, uid.clone());
        if !self.series.by_key.contains_key(&key) && !self.series_read.contains(uid) {
            self.read_series(uid)?;
        }
        Ok(self.series.find(&key))
    }

    fn above(&mut self, parents: ParentNumbers) -> Result<(StudyRow, SeriesRow), CatalogueError> {
        Ok((self.study_numbered(parents.study)?, self.series_numbered(parents.series)?))
    }

    fn series_of(&mut self, study: u64) -> Result<Vec<Numbered<SeriesRow>>, CatalogueError> {
        self.read_series_of(study)?;
        let series = self.series.by_number.iter().filter(|(_, row)| row.study == study);
        Ok(series.map(|(number, row)| Numbered { number: *number, row: row.clone() }).collect())
    }

    fn sop_classes_of(&mut self, study: u64) -> Result<BTreeSet<String>, CatalogueError> {
        self.read_instances_of(study)?;
        let is_of = |series: &u64| self.series.by_number.get(series).is_some_and(|row| row.study == study);
        let instances = self.instances.by_number.values();
        let instances = instances.filter(|row| row.series.as_ref().is_some_and(is_of));
        Ok(instances.map(|row| row.sop_class.as_str().to_owned()).collect())
    }

    fn record(&mut self, kind: RecordKind, key: &str) -> Result<Option<String>, CatalogueError> {
        let place = (kind, key.to_owned());
        if !self.records.contains_key(&place) {
            self.read_record(kind, key)?;
        }
        Ok(self.records.get(&place).cloned().flatten())
    }

    fn add_patient(&mut self, row: &PatientRow) -> Result<u64, CatalogueError> {
        let number = next(&mut self.numbers.patient, &mut self.numbers.counts.patients);
        self.patients.add(row.key.clone(), number, row);
        Ok(number)
    }

    fn add_study(&mut self, row: &StudyRow) -> Result<u64, CatalogueError> {
        let number = next(&mut self.numbers.study, &mut self.numbers.counts.studies);
        self.new_names.extend(write::names_of(number, row));
        self.studies.add(row.uid.clone(), number, row);
        Ok(number)
    }

    fn add_series(&mut self, row: &SeriesRow) -> Result<u64, CatalogueError> {
        let number = next(&mut self.numbers.series, &mut self.numbers.counts.series);
        self.series.add((row.study, row.uid.clone()), number, row);
        Ok(number)
    }

    fn add_instance(&mut self, row: &InstanceRow) -> Result<u64, CatalogueError> {
        let number = next(&mut self.numbers.instance, &mut self.numbers.counts.instances);
        self.instances.add(row.uid.clone(), number, row);
        self.versions.entry(number).or_default();
        Ok(number)
    }

    fn add_version(
        &mut self,
        number: u64,
        row: &InstanceRow,
        version: &Version,
    ) -> Result<(), CatalogueError> {
        self.versions_of(number)?;
        let own = next(&mut self.numbers.version, &mut self.numbers.counts.other_versions);
        self.versions.entry(number).or_default().push((own, version.clone()));
        self.changed_versions.insert((number, own));
        self.save_instance(number, row)
    }

    fn exchange_version(
        &mut self,
        number: u64,
        taken: &Version,
        given: &Version,
    ) -> Result<(), CatalogueError> {
        self.versions_of(number)?;
        for (own, version) in self.versions.entry(number).or_default() {
            if version.sha256 == taken.sha256 {
                *version = given.clone();
                self.changed_versions.insert((number, *own));
            }
        }
        Ok(())
    }

    fn drop_versions(&mut self, number: u64) -> Result<(), CatalogueError> {
        self.versions_of(number)?;
        for (own, _) in self.versions.insert(number, Vec::new()).into_iter().flatten() {
            self.changed_versions.remove(&(number, own));
            self.dropped_versions.insert(own);
            self.numbers.counts.other_versions = self.numbers.counts.other_versions.saturating_sub(1);
        }
        Ok(())
    }

    fn save_instance(&mut self, number: u64, row: &InstanceRow) -> Result<(), CatalogueError> {
        self.instances.save(number, row);
        Ok(())
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
        self.patients.save(number, row);
        Ok(())
    }

    fn save_study(&mut self, number: u64, row: &StudyRow) -> Result<(), CatalogueError> {
        self.studies.save(number, row);
        Ok(())
    }

    fn move_study(&mut self, number: u64, before: &StudyRow, row: &StudyRow) -> Result<(), CatalogueError> {
        for name in write::names_of(number, before) {
            self.new_names.remove(&name);
            self.left_names.insert(name);
        }
        self.new_names.extend(write::names_of(number, row));
        self.save_study(number, row)
    }

    fn save_series(&mut self, number: u64, row: &SeriesRow) -> Result<(), CatalogueError> {
        self.series.save(number, row);
        Ok(())
    }

    fn save_record(&mut self, kind: RecordKind, key: &str, value: &str) -> Result<(), CatalogueError> {
        let place = (kind, key.to_owned());
        self.changed_records.insert(place.clone());
        self.records.insert(place, Some(value.to_owned()));
        Ok(())
    }

    fn drop_record(&mut self, kind: RecordKind, key: &str) -> Result<(), CatalogueError> {
        let place = (kind, key.to_owned());
        self.changed_records.insert(place.clone());
        self.records.insert(place, None);
        Ok(())
    }
}
