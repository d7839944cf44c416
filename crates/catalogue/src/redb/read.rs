//! Reading rows from one snapshot.

use ::redb::{AccessGuard, ReadOnlyTable, ReadTransaction, StorageError, TableError};
use outrigger_model::{Level, SopInstanceUid, StudyUid};
use serde::de::DeserializeOwned;

use super::failed;
use super::layout::{self, count, number, row};
use crate::error::CatalogueError;
use crate::find::FINDINGS_MAX;
use crate::matching::Range;
use crate::narrow::Narrow;
use crate::record::{Record, RecordKind};
use crate::rows::{InstanceRow, Joined, Numbered, PatientRow, SeriesRow, StudyRow};
use crate::sealed::{KeptRecord, from_sealed_json, record_value};
use crate::tables::View;
use crate::{Counts, Located, SeriesSummary, StudySummary, Version};

/// Every table, as it stood when the transaction began.
pub(super) struct ReadTables {
    patients: ReadOnlyTable<u64, &'static [u8]>,
    studies: ReadOnlyTable<u64, &'static [u8]>,
    series: ReadOnlyTable<u64, &'static [u8]>,
    instances: ReadOnlyTable<u64, &'static [u8]>,
    versions: ReadOnlyTable<(u64, u64), &'static [u8]>,
    patient_keys: ReadOnlyTable<(&'static str, &'static str, &'static str), u64>,
    study_uids: ReadOnlyTable<&'static str, u64>,
    series_uids: ReadOnlyTable<(&'static str, u64), u64>,
    instance_uids: ReadOnlyTable<&'static str, u64>,
    studies_of: ReadOnlyTable<(u64, u64), ()>,
    series_of: ReadOnlyTable<(u64, u64), ()>,
    instances_of: ReadOnlyTable<(u64, u64), ()>,
    dates: ReadOnlyTable<(&'static str, u64), ()>,
    accessions: ReadOnlyTable<(&'static str, u64), ()>,
    names: ReadOnlyTable<(&'static str, u64), ()>,
    records: ReadOnlyTable<(u64, &'static str), &'static [u8]>,
}

impl ReadTables {
    pub(super) fn open(transaction: &ReadTransaction) -> Result<Self, TableError> {
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

    fn rows(&self, level: Level) -> &ReadOnlyTable<u64, &'static [u8]> {
        match level {
            Level::Patient => &self.patients,
            Level::Study => &self.studies,
            Level::Series => &self.series,
            Level::Image => &self.instances,
        }
    }

    /// The rows an index names, and their level.
    fn narrowed(&self, narrow: &Narrow) -> Result<Option<(Level, Vec<u64>)>, CatalogueError> {
        let exactly = |text: &String| Range { from: text.clone(), to: text.clone() };
        Ok(Some(match narrow {
            Narrow::All => return Ok(None),
            Narrow::PatientId(id) => (Level::Patient, self.patients_of(id)?),
            Narrow::Studies(uids) => {
                (Level::Study, each(uids, |uid| number(&self.study_uids, uid.as_str()))?)
            }
            Narrow::Instances(uids) => {
                (Level::Image, each(uids, |uid| number(&self.instance_uids, uid.as_str()))?)
            }
            Narrow::Series(uids) => (Level::Series, self.series_named(uids)?),
            Narrow::Accession(value) => (Level::Study, indexed(&self.accessions, &exactly(value))?),
            Narrow::StudyDates(range) => (Level::Study, indexed(&self.dates, range)?),
            Narrow::Names(range) => (Level::Study, indexed(&self.names, range)?),
        }))
    }

    fn patients_of(&self, id: &str) -> Result<Vec<u64>, CatalogueError> {
        let doing = "looking a patient up";
        let mut found = Vec::new();
        for entry in self.patient_keys.range((id, "", "")..).map_err(failed(doing))? {
            let (key, number) = entry.map_err(failed(doing))?;
            if key.value().0 != id {
                break;
            }
            found.push(number.value());
        }
        Ok(found)
    }

    fn series_named(&self, uids: &[String]) -> Result<Vec<u64>, CatalogueError> {
        let doing = "looking a series up";
        let mut found = Vec::new();
        for uid in uids {
            let range = self.series_uids.range((uid.as_str(), 0)..=(uid.as_str(), u64::MAX));
            for entry in range.map_err(failed(doing))? {
                found.push(entry.map_err(failed(doing))?.1.value());
            }
        }
        Ok(found)
    }

    /// From rows at one level to those at another.
    fn descend(&self, from: Level, to: Level, numbers: Vec<u64>) -> Result<Vec<u64>, CatalogueError> {
        let below = match from {
            Level::Study if to == Level::Patient => {
                return numbers.iter().map(|number| Ok(self.study(*number)?.patient)).collect();
            }
            _ if from >= to => return Ok(numbers),
            Level::Patient => (Level::Study, &self.studies_of),
            Level::Study => (Level::Series, &self.series_of),
            Level::Series | Level::Image => (Level::Image, &self.instances_of),
        };
        let (level, index) = below;
        let mut found = Vec::new();
        for number in numbers {
            children(index, number, &mut found)?;
        }
        self.descend(level, to, found)
    }

    fn study(&self, number: u64) -> Result<StudyRow, CatalogueError> {
        row(&self.studies, "study", number)
    }
}

/// What iterating over rows gives.
type Entry<'g, K> = Result<(AccessGuard<'g, K>, AccessGuard<'g, &'static [u8]>), StorageError>;

impl View for ReadTables {
    fn candidates(
        &self,
        level: Level,
        narrow: &Narrow,
        after: u64,
        limit: usize,
    ) -> Result<Vec<u64>, CatalogueError> {
        let doing = "looking for candidates";
        let Some((from, numbers)) = self.narrowed(narrow)? else {
            let rows = self.rows(level).range(after.saturating_add(1)..).map_err(failed(doing))?;
            let numbers = rows.take(limit).map(|entry| Ok(entry.map_err(failed(doing))?.0.value()));
            return numbers.collect();
        };
        let mut numbers = self.descend(from, level, numbers)?;
        numbers.retain(|number| *number > after);
        numbers.sort_unstable();
        numbers.dedup();
        numbers.truncate(limit);
        Ok(numbers)
    }

    fn joined(&self, level: Level, number: u64) -> Result<Option<Joined>, CatalogueError> {
        let mut above = number;
        let (mut study, mut series, mut instance) = (None, None, None);
        if level == Level::Image {
            let found: InstanceRow = row(&self.instances, "instance", above)?;
            let Some(number) = found.series else { return Ok(None) };
            instance = Some(Numbered { number: above, row: found });
            above = number;
        }
        if level >= Level::Series {
            let found: SeriesRow = row(&self.series, "series", above)?;
            above = found.study;
            series = Some(found);
        }
        if level >= Level::Study {
            let found = self.study(above)?;
            above = found.patient;
            study = Some(found);
        }
        let patient = Numbered { number: above, row: row(&self.patients, "patient", above)? };
        Ok(Some(Joined { patient, study, series, instance }))
    }

    fn instance(&self, uid: &SopInstanceUid) -> Result<Option<Numbered<InstanceRow>>, CatalogueError> {
        let Some(number) = number(&self.instance_uids, uid.as_str())? else { return Ok(None) };
        Ok(Some(Numbered { number, row: row(&self.instances, "instance", number)? }))
    }

    fn lookup_each(&self, uids: &[&SopInstanceUid]) -> Result<Vec<Option<Located>>, CatalogueError> {
        uids.iter().map(|uid| crate::find::lookup(self, uid)).collect()
    }

    fn versions(&self, instance: u64) -> Result<Vec<Version>, CatalogueError> {
        super::write::versions(&self.versions, instance)
    }

    fn with_versions(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Numbered<SopInstanceUid>>, CatalogueError> {
        let doing = "looking for instances with versions";
        let mut found: Vec<Numbered<SopInstanceUid>> = Vec::new();
        for entry in self.versions.range((after.saturating_add(1), 0)..).map_err(failed(doing))? {
            let number = entry.map_err(failed(doing))?.0.value().0;
            if found.last().is_some_and(|last| last.number == number) {
                continue;
            }
            if found.len() >= limit {
                break;
            }
            let instance: InstanceRow = row(&self.instances, "instance", number)?;
            found.push(Numbered { number, row: instance.uid });
        }
        Ok(found)
    }

    fn studies_of(&self, patient: u64) -> Result<Vec<StudyRow>, CatalogueError> {
        let mut studies = Vec::new();
        children(&self.studies_of, patient, &mut studies)?;
        studies.into_iter().map(|number| self.study(number)).collect()
    }

    fn record(&self, kind: RecordKind, key: &str) -> Result<Option<String>, CatalogueError> {
        layout::record(&self.records, kind, key)
    }

    fn records(
        &self,
        kind: RecordKind,
        after: &str,
        before: &str,
        limit: usize,
    ) -> Result<Vec<Record>, CatalogueError> {
        let doing = "reading records";
        if after >= before {
            return Ok(Vec::new());
        }
        let range =
            self.records.range((kind.number(), after)..(kind.number(), before)).map_err(failed(doing))?;
        let mut found = Vec::new();
        for entry in range {
            let (key, bytes) = entry.map_err(failed(doing))?;
            if found.len() >= limit {
                break;
            }
            if key.value().1 != after {
                found.push((key.value().1.to_owned(), record_value(bytes.value(), kind, key.value().1)?));
            }
        }
        Ok(found)
    }

    fn summary(&self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError> {
        let Some(number) = number(&self.study_uids, study.as_str())? else { return Ok(None) };
        let mut numbers = Vec::new();
        children(&self.series_of, number, &mut numbers)?;
        let series = numbers.into_iter().map(|number| {
            let found: SeriesRow = row(&self.series, "series", number)?;
            Ok(SeriesSummary { series: found.uid, instances: found.instances })
        });
        Ok(Some(StudySummary {
            series: series.collect::<Result<_, _>>()?,
            instances: self.study(number)?.instances,
        }))
    }

    fn counts(&self) -> Result<Counts, CatalogueError> {
        Ok(Counts {
            patients: count(&self.patients)?,
            studies: count(&self.studies)?,
            series: count(&self.series)?,
            instances: count(&self.instances)?,
            other_versions: count(&self.versions)?,
        })
    }

    fn check(&self) -> Result<Vec<String>, CatalogueError> {
        let mut findings = Vec::new();
        let doing = "checking rows";
        let rows = |level| self.rows(level).range(0..).map_err(failed(doing));
        let owned = |entry: Entry<u64>| entry.map(|(number, bytes)| (number.value(), bytes.value().to_vec()));
        check_rows::<PatientRow>(rows(Level::Patient)?.map(owned), "patient", &mut findings)?;
        check_rows::<StudyRow>(rows(Level::Study)?.map(owned), "study", &mut findings)?;
        check_rows::<SeriesRow>(rows(Level::Series)?.map(owned), "series", &mut findings)?;
        check_rows::<InstanceRow>(rows(Level::Image)?.map(owned), "instance", &mut findings)?;
        let versions = self.versions.range((0, 0)..).map_err(failed(doing))?;
        let of = |entry: Entry<(u64, u64)>| entry.map(|(key, bytes)| (key.value().0, bytes.value().to_vec()));
        check_rows::<Version>(versions.map(of), "version", &mut findings)?;
        let records = self.records.range((0, "")..).map_err(failed(doing))?;
        let kind = |entry: Entry<(u64, &'static str)>| {
            entry.map(|(key, bytes)| (key.value().0, bytes.value().to_vec()))
        };
        check_rows::<KeptRecord>(records.map(kind), "record", &mut findings)?;
        Ok(findings)
    }
}

fn each(
    keys: &[String],
    look: impl Fn(&String) -> Result<Option<u64>, CatalogueError>,
) -> Result<Vec<u64>, CatalogueError> {
    keys.iter().filter_map(|key| look(key).transpose()).collect()
}

fn indexed(
    table: &ReadOnlyTable<(&'static str, u64), ()>,
    range: &Range<String>,
) -> Result<Vec<u64>, CatalogueError> {
    let doing = "searching an index";
    if range.from > range.to {
        return Ok(Vec::new());
    }
    let entries =
        table.range((range.from.as_str(), 0)..=(range.to.as_str(), u64::MAX)).map_err(failed(doing))?;
    entries.map(|entry| Ok(entry.map_err(failed(doing))?.0.value().1)).collect()
}

fn children(
    table: &ReadOnlyTable<(u64, u64), ()>,
    above: u64,
    found: &mut Vec<u64>,
) -> Result<(), CatalogueError> {
    let doing = "searching an index";
    for entry in table.range((above, 0)..=(above, u64::MAX)).map_err(failed(doing))? {
        found.push(entry.map_err(failed(doing))?.0.value().1);
    }
    Ok(())
}

/// Reads rows, each with its seal.
fn check_rows<R: DeserializeOwned>(
    rows: impl Iterator<Item = Result<(u64, Vec<u8>), StorageError>>,
    table: &'static str,
    findings: &mut Vec<String>,
) -> Result<(), CatalogueError> {
    for row in rows {
        let (number, bytes) = row.map_err(failed("checking rows"))?;
        if from_sealed_json::<R>(&bytes, table, number).is_err() {
            findings.push(format!("row {number} of table `{table}` is not as it was written"));
        }
        if findings.len() >= FINDINGS_MAX {
            break;
        }
    }
    Ok(())
}
