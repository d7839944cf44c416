//! The catalogue in memory, for the simulator: plain rows without any index, so that it also says what the others should find.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use outrigger_model::{
    Answer, Level, MemberNumber, Query, Selection, SeriesUid, SopInstanceUid, StudyUid, WallTime,
};

use crate::database::Database;
use crate::error::CatalogueError;
use crate::feed::Noted;
use crate::instance::ParentNumbers;
use crate::narrow::Narrow;
use crate::record::{Record, RecordKind};
use crate::rows::{InstanceRow, Joined, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow};
use crate::tables::{Tables, View};
use crate::wanted::Wanted;
use crate::{
    Catalogue, CatalogueInstance, Counts, Cursor, Inheritance, Located, Page, PutOutcome, RowNumbers,
    SeenStudy, SeriesSummary, StudySummary, Version,
};

/// An index in memory; a clone is a copy.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MemoryCatalogue {
    patients: Rows<PatientRow>,
    studies: Rows<StudyRow>,
    series: Rows<SeriesRow>,
    instances: Rows<InstanceRow>,
    instance_numbers: BTreeMap<SopInstanceUid, u64>,
    versions: BTreeMap<u64, Vec<Version>>,
    records: BTreeMap<(RecordKind, String), String>,
}

impl MemoryCatalogue {
    /// Enters instances; entering one twice changes nothing.
    pub fn put_instances(
        &mut self,
        instances: &[CatalogueInstance],
    ) -> Result<Vec<PutOutcome>, CatalogueError> {
        crate::put::put(self, instances, Noted::Nothing)
    }

    /// Enters a study that a member shows; entering it twice changes nothing.
    pub fn inherit_study(
        &mut self,
        member: MemberNumber,
        at: WallTime,
        seen: &SeenStudy,
    ) -> Result<Inheritance, CatalogueError> {
        crate::inherit::inherit(self, member, at, seen)
    }

    /// Takes a member out of those that were seen to hold these instances; gives of how many.
    pub fn depart(&mut self, member: MemberNumber, gone: &[SopInstanceUid]) -> Result<u64, CatalogueError> {
        crate::inherit::depart(self, member, gone)
    }

    /// Looks an instance up by its SOP Instance UID.
    pub fn lookup(&self, instance: &SopInstanceUid) -> Result<Option<Located>, CatalogueError> {
        crate::find::lookup(self, instance)
    }

    /// Answers a query from `after` on, with at most `limit` answers.
    pub fn find(&self, query: &Query, after: Cursor, limit: usize) -> Result<Page<Answer>, CatalogueError> {
        crate::find::find(self, query, after, limit)
    }

    /// Lists the instances of a selection from `after` on, each once, at most `limit`.
    pub fn select(
        &self,
        selection: &Selection,
        after: Cursor,
        limit: usize,
    ) -> Result<Page<Located>, CatalogueError> {
        crate::find::select(self, selection, after, limit)
    }

    /// What is known of a study as a whole.
    pub fn summary(&self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError> {
        View::summary(self, study)
    }

    /// How much there is.
    pub fn counts(&self) -> Result<Counts, CatalogueError> {
        View::counts(self)
    }
}

/// Rows numbered from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Rows<R>(BTreeMap<u64, R>);

impl<R> Default for Rows<R> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<R: Clone> Rows<R> {
    fn add(&mut self, row: &R) -> u64 {
        let number = self.0.last_key_value().map_or(1, |(last, _)| last + 1);
        self.0.insert(number, row.clone());
        number
    }

    fn get(&self, table: &'static str, number: u64) -> Result<&R, CatalogueError> {
        self.0.get(&number).ok_or(CatalogueError::MissingRow { table, row: number })
    }

    fn find(&self, wanted: impl Fn(&R) -> bool) -> Option<Numbered<R>> {
        let (number, row) = self.0.iter().find(|(_, row)| wanted(row))?;
        Some(Numbered { number: *number, row: row.clone() })
    }

    fn after(&self, after: u64, limit: usize) -> Vec<u64> {
        self.0.range(after.saturating_add(1)..).map(|(number, _)| *number).take(limit).collect()
    }

    fn count(&self) -> u64 {
        self.0.len() as u64
    }
}

impl Tables for MemoryCatalogue {
    fn instance(
        &mut self,
        uid: &SopInstanceUid,
    ) -> Result<Option<(RowNumbers, InstanceRow)>, CatalogueError> {
        let Some(Numbered { number, row }) = View::instance(self, uid)? else { return Ok(None) };
        let parents = match row.series {
            None => None,
            Some(series) => {
                let study = self.series.get("series", series)?.study;
                Some(ParentNumbers { series, study, patient: self.studies.get("study", study)?.patient })
            }
        };
        Ok(Some((RowNumbers { instance: number, parents }, row)))
    }

    fn versions(&mut self, instance: u64) -> Result<Vec<Version>, CatalogueError> {
        View::versions(self, instance)
    }

    fn patient(&mut self, key: &PatientKey) -> Result<Option<Numbered<PatientRow>>, CatalogueError> {
        Ok(self.patients.find(|row| row.key == *key))
    }

    fn study(&mut self, uid: &StudyUid) -> Result<Option<Numbered<StudyRow>>, CatalogueError> {
        Ok(self.studies.find(|row| row.uid == *uid))
    }

    fn series(&mut self, study: u64, uid: &SeriesUid) -> Result<Option<Numbered<SeriesRow>>, CatalogueError> {
        Ok(self.series.find(|row| row.study == study && row.uid == *uid))
    }

    fn above(&mut self, parents: ParentNumbers) -> Result<(StudyRow, SeriesRow), CatalogueError> {
        let study = self.studies.get("study", parents.study)?.clone();
        Ok((study, self.series.get("series", parents.series)?.clone()))
    }

    fn series_of(&mut self, study: u64) -> Result<Vec<Numbered<SeriesRow>>, CatalogueError> {
        let series = self.series.0.iter().filter(|(_, row)| row.study == study);
        Ok(series.map(|(number, row)| Numbered { number: *number, row: row.clone() }).collect())
    }

    fn sop_classes_of(&mut self, study: u64) -> Result<BTreeSet<String>, CatalogueError> {
        let is_of = |series: &u64| self.series.0.get(series).is_some_and(|row| row.study == study);
        let instances = self.instances.0.values().filter(|row| row.series.as_ref().is_some_and(is_of));
        Ok(instances.map(|row| row.sop_class.as_str().to_owned()).collect())
    }

    fn record(&mut self, kind: RecordKind, key: &str) -> Result<Option<String>, CatalogueError> {
        View::record(self, kind, key)
    }

    fn add_patient(&mut self, row: &PatientRow) -> Result<u64, CatalogueError> {
        Ok(self.patients.add(row))
    }

    fn add_study(&mut self, row: &StudyRow) -> Result<u64, CatalogueError> {
        Ok(self.studies.add(row))
    }

    fn add_series(&mut self, row: &SeriesRow) -> Result<u64, CatalogueError> {
        Ok(self.series.add(row))
    }

    fn add_instance(&mut self, row: &InstanceRow) -> Result<u64, CatalogueError> {
        let number = self.instances.add(row);
        self.instance_numbers.insert(row.uid.clone(), number);
        Ok(number)
    }

    fn add_version(
        &mut self,
        number: u64,
        row: &InstanceRow,
        version: &Version,
    ) -> Result<(), CatalogueError> {
        self.versions.entry(number).or_default().push(version.clone());
        self.instances.0.insert(number, row.clone());
        Ok(())
    }

    fn exchange_version(
        &mut self,
        number: u64,
        taken: &Version,
        given: &Version,
    ) -> Result<(), CatalogueError> {
        for version in self.versions.entry(number).or_default() {
            if version.sha256 == taken.sha256 {
                *version = given.clone();
            }
        }
        Ok(())
    }

    fn drop_versions(&mut self, number: u64) -> Result<(), CatalogueError> {
        self.versions.remove(&number);
        Ok(())
    }

    fn save_instance(&mut self, number: u64, row: &InstanceRow) -> Result<(), CatalogueError> {
        self.instances.0.insert(number, row.clone());
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
        self.patients.0.insert(number, row.clone());
        Ok(())
    }

    fn save_study(&mut self, number: u64, row: &StudyRow) -> Result<(), CatalogueError> {
        self.studies.0.insert(number, row.clone());
        Ok(())
    }

    fn move_study(&mut self, number: u64, _before: &StudyRow, row: &StudyRow) -> Result<(), CatalogueError> {
        self.save_study(number, row)
    }

    fn save_series(&mut self, number: u64, row: &SeriesRow) -> Result<(), CatalogueError> {
        self.series.0.insert(number, row.clone());
        Ok(())
    }

    fn save_record(&mut self, kind: RecordKind, key: &str, value: &str) -> Result<(), CatalogueError> {
        self.records.insert((kind, key.to_owned()), value.to_owned());
        Ok(())
    }

    fn drop_record(&mut self, kind: RecordKind, key: &str) -> Result<(), CatalogueError> {
        self.records.remove(&(kind, key.to_owned()));
        Ok(())
    }
}

impl View for MemoryCatalogue {
    fn candidates(
        &self,
        level: Level,
        _narrow: &Narrow,
        after: u64,
        limit: usize,
    ) -> Result<Vec<u64>, CatalogueError> {
        Ok(match level {
            Level::Patient => self.patients.after(after, limit),
            Level::Study => self.studies.after(after, limit),
            Level::Series => self.series.after(after, limit),
            Level::Image => self.instances.after(after, limit),
        })
    }

    fn joined(&self, level: Level, number: u64) -> Result<Option<Joined>, CatalogueError> {
        let mut above = number;
        let (mut study, mut series, mut instance) = (None, None, None);
        if level == Level::Image {
            let row = self.instances.get("instance", above)?;
            instance = Some(Numbered { number: above, row: row.clone() });
            let Some(number) = row.series else { return Ok(None) };
            above = number;
        }
        if level >= Level::Series {
            let row = self.series.get("series", above)?;
            (series, above) = (Some(row.clone()), row.study);
        }
        if level >= Level::Study {
            let row = self.studies.get("study", above)?;
            (study, above) = (Some(row.clone()), row.patient);
        }
        let patient = Numbered { number: above, row: self.patients.get("patient", above)?.clone() };
        Ok(Some(Joined { patient, study, series, instance }))
    }

    fn instance(&self, uid: &SopInstanceUid) -> Result<Option<Numbered<InstanceRow>>, CatalogueError> {
        let Some(number) = self.instance_numbers.get(uid).copied() else { return Ok(None) };
        Ok(Some(Numbered { number, row: self.instances.get("instance", number)?.clone() }))
    }

    fn lookup_each(&self, uids: &[&SopInstanceUid]) -> Result<Vec<Option<Located>>, CatalogueError> {
        uids.iter().map(|uid| crate::find::lookup(self, uid)).collect()
    }

    fn versions(&self, instance: u64) -> Result<Vec<Version>, CatalogueError> {
        Ok(self.versions.get(&instance).cloned().unwrap_or_default())
    }

    fn with_versions(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Numbered<SopInstanceUid>>, CatalogueError> {
        let numbers = self.versions.range(after.saturating_add(1)..).map(|(number, _)| *number);
        let named =
            |number| Ok(Numbered { number, row: self.instances.get("instance", number)?.uid.clone() });
        numbers.take(limit).map(named).collect()
    }

    fn studies_of(&self, patient: u64) -> Result<Vec<StudyRow>, CatalogueError> {
        Ok(self.studies.0.values().filter(|study| study.patient == patient).cloned().collect())
    }

    fn record(&self, kind: RecordKind, key: &str) -> Result<Option<String>, CatalogueError> {
        Ok(self.records.get(&(kind, key.to_owned())).cloned())
    }

    fn records(
        &self,
        kind: RecordKind,
        after: &str,
        before: &str,
        limit: usize,
    ) -> Result<Vec<Record>, CatalogueError> {
        if after >= before {
            return Ok(Vec::new());
        }
        let found = self.records.range((kind, after.to_owned())..(kind, before.to_owned()));
        let found = found.filter(|((_, key), _)| key != after);
        Ok(found.take(limit).map(|((_, key), value)| (key.clone(), value.clone())).collect())
    }

    fn summary(&self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError> {
        let Some(Numbered { number, row }) = self.studies.find(|row| row.uid == *study) else {
            return Ok(None);
        };
        let series = self.series.0.values().filter(|series| series.study == number);
        let series = series.map(|row| SeriesSummary { series: row.uid.clone(), instances: row.instances });
        Ok(Some(StudySummary { instances: row.instances, series: series.collect() }))
    }

    fn counts(&self) -> Result<Counts, CatalogueError> {
        Ok(Counts {
            patients: self.patients.count(),
            studies: self.studies.count(),
            series: self.series.count(),
            instances: self.instances.count(),
            other_versions: self.versions.values().map(|versions| versions.len() as u64).sum(),
        })
    }

    fn check(&self) -> Result<Vec<String>, CatalogueError> {
        Ok(Vec::new())
    }
}

/// Handles that share one catalogue in memory; a leaf lock, never held while waiting.
#[derive(Debug, Clone, Default)]
pub(crate) struct SharedMemory(Arc<Mutex<MemoryCatalogue>>);

impl SharedMemory {
    fn with<T>(&self, work: impl FnOnce(&mut MemoryCatalogue) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Database for SharedMemory {
    fn change<T>(
        &mut self,
        _doing: &'static str,
        _wanted: impl Fn() -> Wanted,
        work: impl Fn(&mut dyn Tables) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        self.with(|catalogue| work(catalogue))
    }

    fn look<T>(
        &mut self,
        _doing: &'static str,
        look: impl Fn(&dyn View) -> Result<T, CatalogueError>,
    ) -> Result<T, CatalogueError> {
        self.with(|catalogue| look(catalogue))
    }

    fn handle(&self) -> Result<Box<dyn Catalogue>, CatalogueError> {
        Ok(Box::new(self.clone()))
    }
}
