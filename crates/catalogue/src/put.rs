//! Entering instances: how rows come to be and how they grow, the same over every database.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use outrigger_model::{InstanceHeader, SeriesUid, StudyUid};

use crate::attributes::{ByLevel, Filled};
use crate::decide::{self, Work};
use crate::error::CatalogueError;
use crate::feed::{ChangeKind, Noted, Subject};
use crate::instance::ParentNumbers;
use crate::rows::{InstanceRow, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow};
use crate::tables::Tables;
use crate::{CatalogueInstance, Current, Put, PutOutcome, RowNumbers, Version};

/// Enters instances one after another; rows that grow with each are written once, at the end.
pub(crate) fn put(
    tables: &mut dyn Tables,
    instances: &[CatalogueInstance],
    noted: Noted,
) -> Result<Vec<PutOutcome>, CatalogueError> {
    let mut work = Work::new(noted);
    let outcomes = instances.iter().map(|instance| put_one(tables, &mut work, instance));
    let outcomes = outcomes.collect::<Result<_, _>>()?;
    work.finish(tables)?;
    Ok(outcomes)
}

/// Enters one instance and notes it; one that is not to be shown is held back.
fn put_one(
    tables: &mut dyn Tables,
    work: &mut Work,
    instance: &CatalogueInstance,
) -> Result<PutOutcome, CatalogueError> {
    let outcome = enter(tables, &mut work.held, instance)?;
    let kind = match outcome.put {
        Put::New => ChangeKind::Stored,
        Put::Other => ChangeKind::NewVersion,
        Put::Same => return Ok(outcome),
    };
    if work.notes.noted() == Noted::Nothing {
        return Ok(outcome);
    }
    let uid = &instance.header.sop_instance;
    work.notes.add(instance.version.stored_at, kind, Subject::Instance(uid.clone()), None);
    if outcome.put == Put::New
        && let Some(withheld) = decide::state(tables, uid)?
    {
        work.hold_back(tables, withheld)?;
    }
    Ok(outcome)
}

impl Held {
    /// Writes the rows that grew.
    pub(crate) fn save(&self, tables: &mut dyn Tables) -> Result<(), CatalogueError> {
        for Numbered { number, row } in self.studies.values() {
            tables.save_study(*number, row)?;
        }
        for Numbered { number, row } in self.series.values() {
            tables.save_series(*number, row)?;
        }
        Ok(())
    }

    /// The rows above an instance, as they have grown so far.
    pub(crate) fn above(
        &mut self,
        tables: &mut dyn Tables,
        parents: ParentNumbers,
    ) -> Result<(&mut StudyRow, &mut SeriesRow), CatalogueError> {
        let (study, series) = tables.above(parents)?;
        let key = (parents.study, series.uid.clone());
        let study =
            self.studies.entry(study.uid.clone()).or_insert(Numbered { number: parents.study, row: study });
        let series = self.series.entry(key).or_insert(Numbered { number: parents.series, row: series });
        Ok((&mut study.row, &mut series.row))
    }
}

/// Rows that grow while a batch is entered.
#[derive(Debug, Default)]
pub(crate) struct Held {
    pub(crate) studies: BTreeMap<StudyUid, Numbered<StudyRow>>,
    pub(crate) series: BTreeMap<(u64, SeriesUid), Numbered<SeriesRow>>,
}

fn enter(
    tables: &mut dyn Tables,
    held: &mut Held,
    instance: &CatalogueInstance,
) -> Result<PutOutcome, CatalogueError> {
    let version = &instance.version;
    match tables.instance(&instance.header.sop_instance)? {
        None => enter_new(tables, held, instance),
        Some((rows, row)) if matches!(row.current, Current::Inherited(_)) => {
            replace_inherited(tables, held, instance, rows, &row)
        }
        Some((rows, row)) if row.current.kept().is_some_and(|kept| kept.sha256 == version.sha256) => {
            Ok(PutOutcome { put: Put::Same, rows })
        }
        Some((rows, mut row)) => {
            let is_same = |known: &Version| known.sha256 == version.sha256;
            if row.other_versions > 0 && tables.versions(rows.instance)?.iter().any(is_same) {
                return Ok(PutOutcome { put: Put::Same, rows });
            }
            row.other_versions += 1;
            tables.add_version(rows.instance, &row, version)?;
            Ok(PutOutcome { put: Put::Other, rows })
        }
    }
}

fn enter_new(
    tables: &mut dyn Tables,
    held: &mut Held,
    instance: &CatalogueInstance,
) -> Result<PutOutcome, CatalogueError> {
    let current = Current::Kept(instance.version.clone());
    let (row, parents) = placed(tables, held, &instance.header, instance.issuer.as_ref(), current)?;
    let instance = tables.add_instance(&row)?;
    Ok(PutOutcome { put: Put::New, rows: RowNumbers { instance, parents } })
}

/// Puts what came with its bytes in the place of what was only seen at members; it keeps its number.
fn replace_inherited(
    tables: &mut dyn Tables,
    held: &mut Held,
    instance: &CatalogueInstance,
    rows: RowNumbers,
    seen: &InstanceRow,
) -> Result<PutOutcome, CatalogueError> {
    if let Some(parents) = rows.parents {
        let (study, series) = held.above(tables, parents)?;
        study.instances.remove_unread(&seen.uid);
        series.instances.remove_unread(&seen.uid);
    }
    let current = Current::Kept(instance.version.clone());
    let (row, parents) = placed(tables, held, &instance.header, instance.issuer.as_ref(), current)?;
    if row.series == seen.series {
        tables.save_instance(rows.instance, &row)?;
    } else {
        tables.move_instance(rows.instance, seen.series, &row)?;
    }
    Ok(PutOutcome { put: Put::New, rows: RowNumbers { instance: rows.instance, parents } })
}

/// The row of an instance that is not in the catalogue, or is there no more, and the rows above it, which take it in.
pub(crate) fn placed(
    tables: &mut dyn Tables,
    held: &mut Held,
    header: &InstanceHeader,
    issuer: Option<&String>,
    current: Current,
) -> Result<(InstanceRow, Option<ParentNumbers>), CatalogueError> {
    let mut split = ByLevel::of(&header.attributes, issuer);
    let mut above = match (&header.study, &header.series) {
        (Some(study), Some(series)) => {
            let study = held_study(tables, &mut held.studies, study, &split)?;
            let series = held_series(tables, &mut held.series, study, series, &split)?;
            Some((study, series))
        }
        _ => None,
    };
    let row = InstanceRow {
        uid: header.sop_instance.clone(),
        series: above.as_ref().map(|(_, series)| series.number),
        sop_class: header.sop_class.clone(),
        current,
        other_versions: 0,
        attributes: std::mem::take(&mut split.image),
    };
    if let Some((study, series)) = &mut above {
        study.row.add(&row, &split);
        series.row.add(&row, &split);
    }
    let parents = above.map(|(study, series)| ParentNumbers {
        series: series.number,
        study: study.number,
        patient: study.row.patient,
    });
    Ok((row, parents))
}

pub(crate) fn held_study<'h>(
    tables: &mut dyn Tables,
    held: &'h mut BTreeMap<StudyUid, Numbered<StudyRow>>,
    uid: &StudyUid,
    split: &ByLevel,
) -> Result<&'h mut Numbered<StudyRow>, CatalogueError> {
    let free = match held.entry(uid.clone()) {
        Entry::Occupied(found) => return Ok(found.into_mut()),
        Entry::Vacant(free) => free,
    };
    if let Some(found) = tables.study(uid)? {
        return Ok(free.insert(found));
    }
    let row = StudyRow::new(uid.clone(), patient_of(tables, uid, split)?, split);
    Ok(free.insert(Numbered { number: tables.add_study(&row)?, row }))
}

fn patient_of(tables: &mut dyn Tables, study: &StudyUid, split: &ByLevel) -> Result<u64, CatalogueError> {
    let key = PatientKey::of(&split.patient, study);
    let Some(Numbered { number, mut row }) = tables.patient(&key)? else {
        return tables.add_patient(&PatientRow { key, attributes: split.patient.clone() });
    };
    if row.attributes.fill_from(&split.patient) == Filled::Changed {
        tables.save_patient(number, &row)?;
    }
    Ok(number)
}

pub(crate) fn held_series<'h>(
    tables: &mut dyn Tables,
    held: &'h mut BTreeMap<(u64, SeriesUid), Numbered<SeriesRow>>,
    study: &mut Numbered<StudyRow>,
    uid: &SeriesUid,
    split: &ByLevel,
) -> Result<&'h mut Numbered<SeriesRow>, CatalogueError> {
    let free = match held.entry((study.number, uid.clone())) {
        Entry::Occupied(found) => return Ok(found.into_mut()),
        Entry::Vacant(free) => free,
    };
    if let Some(found) = tables.series(study.number, uid)? {
        return Ok(free.insert(found));
    }
    study.row.series += 1;
    let row = SeriesRow::new(uid.clone(), study.number, split);
    Ok(free.insert(Numbered { number: tables.add_series(&row)?, row }))
}
