//! Reading rows from a server.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use outrigger_model::{Level, SopInstanceUid, StudyUid};

use super::asked;
use super::decode::{Cells, numbered};
use super::numbers::Numbers;
use super::session::Session;
use super::statement::{Cell, Row, Statement};
use super::table::{INSTANCE, PATIENT, SERIES, STUDY, Table, VERSION};
use super::{Kind, failed};
use crate::error::CatalogueError;
use crate::find::FINDINGS_MAX;
use crate::instance::ParentNumbers;
use crate::narrow::Narrow;
use crate::record::{self, Record, RecordKind};
use crate::rows::{InstanceRow, Joined, Numbered, PatientRow, SeriesRow, StudyRow};
use crate::tables::View;
use crate::{Counts, Located, RowNumbers, SeriesSummary, StudySummary, Version};

/// Rows of one page when all are checked: some hundred kilobytes.
const CHECKED_AT_ONCE: u64 = 1000;

/// A connection to read from.
pub(super) struct Looking<'s> {
    kind: Kind,
    session: RefCell<&'s mut dyn Session>,
    /// Of rows that were read together.
    patients: RefCell<BTreeSet<u64>>,
    /// By patient.
    studies: RefCell<BTreeMap<u64, Vec<StudyRow>>>,
}

impl<'s> Looking<'s> {
    pub(super) fn new(kind: Kind, session: &'s mut dyn Session) -> Self {
        Self {
            kind,
            session: RefCell::new(session),
            patients: RefCell::default(),
            studies: RefCell::default(),
        }
    }

    fn ask(&self, doing: &'static str, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, CatalogueError> {
        self.session.borrow_mut().run(statements).map_err(failed(doing))
    }

    fn ask_one(&self, doing: &'static str, statement: Statement) -> Result<Vec<Row>, CatalogueError> {
        Ok(self.ask(doing, vec![statement])?.pop().unwrap_or_default())
    }

    fn check_table(&self, table: &Table, findings: &mut Vec<String>) -> Result<(), CatalogueError> {
        let mut after = 0;
        loop {
            let page = asked::page(self.kind, table, after, CHECKED_AT_ONCE);
            let rows = self.ask_one("checking rows", page)?;
            let read = rows.len() as u64;
            for row in rows {
                let mut cells = Cells::of(row);
                after = cells.number()?;
                if !is_whole(table, after, &mut cells) {
                    findings
                        .push(format!("row {after} of table `{}` is not as it was written", table.called));
                }
            }
            if read < CHECKED_AT_ONCE || findings.len() >= FINDINGS_MAX {
                return Ok(());
            }
        }
    }
}

impl Looking<'_> {
    fn check_records(&self, kind: RecordKind, findings: &mut Vec<String>) -> Result<(), CatalogueError> {
        let mut after = Vec::new();
        loop {
            let page = asked::records_behind(self.kind, kind, &after, CHECKED_AT_ONCE);
            let rows = self.ask_one("checking records", page)?;
            let read = rows.len() as u64;
            for row in rows {
                if let Some(Cell::Bytes(name)) = row.get(1) {
                    after.clone_from(name);
                }
                if record(row, kind).is_err() {
                    let number = kind.number();
                    findings.push(format!("row {number} of table `record` is not as it was written"));
                }
            }
            if read < CHECKED_AT_ONCE || findings.len() >= FINDINGS_MAX {
                return Ok(());
            }
        }
    }
}

fn is_whole(table: &Table, number: u64, cells: &mut Cells) -> bool {
    match table.called {
        "patient" => cells.content::<PatientRow>(table, number).is_ok(),
        "study" => cells.content::<StudyRow>(table, number).is_ok(),
        "series" => cells.content::<SeriesRow>(table, number).is_ok(),
        "version" => cells.content::<Version>(table, number).is_ok(),
        _ => cells.content::<InstanceRow>(table, number).is_ok(),
    }
}

impl View for Looking<'_> {
    fn candidates(
        &self,
        level: Level,
        narrow: &Narrow,
        after: u64,
        limit: usize,
    ) -> Result<Vec<u64>, CatalogueError> {
        let statement = asked::candidates(self.kind, level, narrow, after, limit);
        let rows = self.ask_one("looking for candidates", statement)?;
        rows.into_iter().map(|row| Cells::of(row).number()).collect()
    }

    fn joined(&self, level: Level, number: u64) -> Result<Option<Joined>, CatalogueError> {
        Ok(self.joined_each(level, &[number])?.pop().map(|(_, row)| row))
    }

    fn joined_each(&self, level: Level, numbers: &[u64]) -> Result<Vec<(u64, Joined)>, CatalogueError> {
        let rows = self.ask_one("reading rows", asked::joined(self.kind, level, numbers))?;
        let mut rows = rows.into_iter().map(|row| joined(level, row)).collect::<Result<Vec<_>, _>>()?;
        rows.sort_by_key(|(number, _)| *number);
        *self.patients.borrow_mut() = rows.iter().map(|(_, row)| row.patient.number).collect();
        self.studies.borrow_mut().clear();
        Ok(rows)
    }

    fn instance(&self, uid: &SopInstanceUid) -> Result<Option<Numbered<InstanceRow>>, CatalogueError> {
        let rows = self.ask_one("looking an instance up", asked::bare_instances(self.kind, uid))?;
        rows.into_iter().next().map(|row| numbered(&INSTANCE, row)).transpose()
    }

    fn lookup_each(&self, uids: &[&SopInstanceUid]) -> Result<Vec<Option<Located>>, CatalogueError> {
        let named = asked::bytes(uids.iter().map(|uid| uid.as_str()));
        let states: Vec<_> = uids.iter().map(|uid| (RecordKind::State, uid.to_string())).collect();
        let statements = vec![
            asked::instances(self.kind, named.clone()),
            asked::versions_of_named(self.kind, named),
            asked::records_named(self.kind, states.iter()),
        ];
        let mut answers = self.ask("looking instances up", statements)?.into_iter();
        let (instances, versions) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
        let mut states = BTreeMap::new();
        for row in answers.next().unwrap_or_default() {
            let (uid, state) = record(row, RecordKind::State)?;
            states.insert(uid, state);
        }
        let mut others: BTreeMap<u64, Vec<Version>> = BTreeMap::new();
        for row in versions {
            let Numbered { number, row } = numbered(&VERSION, row)?;
            others.entry(number).or_default().push(row);
        }
        let mut found = BTreeMap::new();
        for row in instances {
            let mut located = located(row, &mut others)?;
            if let Some(state) = states.get(located.sop_instance.as_str()).filter(|_| located.study.is_none())
            {
                located.withheld = Some(Box::new(record::parsed(RecordKind::State, state)?));
            }
            found.insert(located.sop_instance.clone(), located);
        }
        Ok(uids.iter().map(|uid| found.get(*uid).cloned()).collect())
    }

    fn versions(&self, instance: u64) -> Result<Vec<Version>, CatalogueError> {
        let rows =
            self.ask_one("reading the versions of an instance", asked::versions(self.kind, instance))?;
        rows.into_iter().map(|row| Ok(numbered(&VERSION, row)?.row)).collect()
    }

    fn with_versions(
        &self,
        after: u64,
        limit: usize,
    ) -> Result<Vec<Numbered<SopInstanceUid>>, CatalogueError> {
        let statement = asked::with_versions(self.kind, after, limit as u64);
        let rows = self.ask_one("looking for instances with versions", statement)?;
        let named = |row| {
            let Numbered { number, row } = numbered::<InstanceRow>(&INSTANCE, row)?;
            Ok(Numbered { number, row: row.uid })
        };
        rows.into_iter().map(named).collect()
    }

    /// Where rows were read together their patients are asked for together.
    fn studies_of(&self, patient: u64) -> Result<Vec<StudyRow>, CatalogueError> {
        let mut known = self.studies.borrow_mut();
        if let Some(studies) = known.get(&patient) {
            return Ok(studies.clone());
        }
        let mut patients = std::mem::take(&mut *self.patients.borrow_mut());
        patients.insert(patient);
        known.extend(patients.iter().map(|patient| (*patient, Vec::new())));
        let asked = asked::studies_of(self.kind, patients);
        for row in self.ask_one("counting what patients have", asked)? {
            let study = numbered::<StudyRow>(&STUDY, row)?.row;
            known.entry(study.patient).or_default().push(study);
        }
        Ok(known.get(&patient).cloned().unwrap_or_default())
    }

    fn has_records(&self, kinds: &[RecordKind]) -> Result<bool, CatalogueError> {
        let statements = kinds.iter().map(|of| asked::records_behind(self.kind, *of, b"", 1)).collect();
        Ok(self.ask("looking for records", statements)?.iter().any(|rows| !rows.is_empty()))
    }

    fn record(&self, kind: RecordKind, key: &str) -> Result<Option<String>, CatalogueError> {
        let place = (kind, key.to_owned());
        let statement = asked::records_named(self.kind, std::iter::once(&place));
        let row = self.ask_one("reading a record", statement)?.into_iter().next();
        row.map(|row| Ok(record(row, kind)?.1)).transpose()
    }

    fn records(
        &self,
        kind: RecordKind,
        after: &str,
        before: &str,
        limit: usize,
    ) -> Result<Vec<Record>, CatalogueError> {
        let statement = asked::records(self.kind, kind, after, before, limit as u64);
        self.ask_one("reading records", statement)?.into_iter().map(|row| record(row, kind)).collect()
    }

    fn summary(&self, study: &StudyUid) -> Result<Option<StudySummary>, CatalogueError> {
        let statements = vec![
            asked::named(self.kind, &STUDY, asked::bytes([study.as_str()])),
            asked::series_of(self.kind, study.as_str()),
        ];
        let mut answers = self.ask("reading what a study holds", statements)?.into_iter();
        let (found, series) = (answers.next().unwrap_or_default(), answers.next().unwrap_or_default());
        let Some(found) = found.into_iter().next() else { return Ok(None) };
        let study: StudyRow = numbered(&STUDY, found)?.row;
        let series = series.into_iter().map(|row| {
            let row: SeriesRow = numbered(&SERIES, row)?.row;
            Ok(SeriesSummary { series: row.uid, instances: row.instances })
        });
        Ok(Some(StudySummary {
            instances: study.instances,
            series: series.collect::<Result<_, CatalogueError>>()?,
        }))
    }

    fn counts(&self) -> Result<Counts, CatalogueError> {
        Ok(Numbers::of(self.ask_one("counting rows", asked::numbers(self.kind, ""))?)?.counts)
    }

    fn check(&self) -> Result<Vec<String>, CatalogueError> {
        let mut findings = Vec::new();
        for table in [&PATIENT, &STUDY, &SERIES, &INSTANCE, &VERSION] {
            self.check_table(table, &mut findings)?;
        }
        for kind in RecordKind::ALL {
            self.check_records(kind, &mut findings)?;
        }
        Ok(findings)
    }
}

/// The key and the value of a record, whose kind was asked for.
fn record(row: Row, kind: RecordKind) -> Result<Record, CatalogueError> {
    let mut cells = Cells::of(row);
    cells.number()?;
    cells.record(kind)
}

fn joined(level: Level, row: Row) -> Result<(u64, Joined), CatalogueError> {
    let mut cells = Cells::of(row);
    let number = cells.number()?;
    let patient = cells.number()?;
    let patient = Numbered { number: patient, row: cells.content(&PATIENT, patient)? };
    let mut read = Joined { patient, study: None, series: None, instance: None };
    if level >= Level::Study {
        let study = cells.number()?;
        read.study = Some(cells.content(&STUDY, study)?);
    }
    if level >= Level::Series {
        let series = cells.number()?;
        read.series = Some(cells.content(&SERIES, series)?);
    }
    if level >= Level::Image {
        read.instance = Some(Numbered { number, row: cells.content(&INSTANCE, number)? });
    }
    Ok((number, read))
}

fn located(row: Row, others: &mut BTreeMap<u64, Vec<Version>>) -> Result<Located, CatalogueError> {
    let mut cells = Cells::of(row);
    let number = cells.number()?;
    let instance: InstanceRow = cells.content(&INSTANCE, number)?;
    let series_number = cells.perhaps_number()?;
    let series: Option<SeriesRow> = cells.perhaps_content(&SERIES, series_number.unwrap_or(0))?;
    let study_number = cells.perhaps_number()?;
    let study: Option<StudyRow> = cells.perhaps_content(&STUDY, study_number.unwrap_or(0))?;
    let parents = match (series_number, study_number, &study) {
        (Some(series), Some(study), Some(row)) => Some(ParentNumbers { series, study, patient: row.patient }),
        _ => None,
    };
    if let Some(row) = instance.series.filter(|_| parents.is_none()) {
        return Err(CatalogueError::MissingRow { table: "series", row });
    }
    Ok(Located {
        rows: RowNumbers { instance: number, parents },
        sop_class: instance.sop_class,
        sop_instance: instance.uid,
        study: study.map(|study| study.uid),
        series: series.map(|series| series.uid),
        current: instance.current,
        others: others.remove(&number).unwrap_or_default(),
        withheld: None,
    })
}
