//! Reading what a batch touches.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid};

use super::{Rows, Touched};
use crate::Version;
use crate::error::CatalogueError;
use crate::record::RecordKind;
use crate::rows::{InstanceRow, Numbered, PatientKey, PatientRow, SeriesRow, StudyRow};
use crate::server::decode::{Cells, numbered};
use crate::server::numbers::Numbers;
use crate::server::session::Session;
use crate::server::statement::{Row, Statement};
use crate::server::table::{INSTANCE, PATIENT, SERIES, STUDY, VERSION};
use crate::server::{Kind, asked, failed};
use crate::wanted::Wanted;

/// Keys in one statement that reads: far below the parameters that a statement may have, 65,535.
const KEYS_MAX: usize = 4096;

const DOING: &str = "reading what a batch touches";

/// What the rows of an answer are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Of {
    Studies,
    Patients,
    Series,
    Instances,
    Versions,
    Records,
}

impl<'s> Touched<'s> {
    /// Begins a transaction, waits for whoever else writes and reads what a batch may touch.
    pub(in crate::server) fn read(
        session: &'s mut dyn Session,
        kind: Kind,
        wanted: &Wanted,
    ) -> Result<Self, CatalogueError> {
        let mut statements = vec![Statement::Control("BEGIN"), asked::numbers(kind, "FOR UPDATE")];
        let mut of = Vec::new();
        for (what, statement) in asked_for(kind, wanted) {
            of.push(what);
            statements.push(statement);
        }
        let mut answers = session.run(statements).map_err(failed(DOING))?.into_iter().skip(1);
        let numbers = Numbers::of(answers.next().unwrap_or_default())?;
        let mut touched = Self::empty(session, kind, numbers);
        for (of, rows) in of.into_iter().zip(answers) {
            touched.take(of, rows)?;
        }
        touched.note_asked(wanted);
        Ok(touched)
    }

    fn empty(session: &'s mut dyn Session, kind: Kind, numbers: Numbers) -> Self {
        Self {
            kind,
            session,
            read: numbers,
            numbers,
            patients: Rows::default(),
            studies: Rows::default(),
            series: Rows::default(),
            series_read: BTreeSet::new(),
            instances: Rows::default(),
            versions: BTreeMap::new(),
            changed_versions: BTreeSet::new(),
            dropped_versions: BTreeSet::new(),
            left_names: BTreeSet::new(),
            new_names: BTreeSet::new(),
            records: BTreeMap::new(),
            changed_records: BTreeSet::new(),
        }
    }

    /// What was asked for and not found is not there.
    fn note_asked(&mut self, wanted: &Wanted) {
        for uid in &wanted.instances {
            self.instances.asked(uid.clone());
        }
        for uid in &wanted.studies {
            self.studies.asked(uid.clone());
        }
        for key in &wanted.patients {
            self.patients.asked(key.clone());
        }
        for number in self.instances.by_number.keys() {
            self.versions.entry(*number).or_default();
        }
        for place in &wanted.records {
            self.records.entry(place.clone()).or_insert(None);
        }
        self.series_read.extend(wanted.series.iter().cloned());
    }

    fn ask(&mut self, of: Of, statement: Statement) -> Result<(), CatalogueError> {
        let rows = self.session.run(vec![statement]).map_err(failed(DOING))?.pop().unwrap_or_default();
        self.take(of, rows)
    }

    fn take(&mut self, of: Of, rows: Vec<Row>) -> Result<(), CatalogueError> {
        for row in rows {
            match of {
                Of::Studies => {
                    let Numbered { number, row }: Numbered<StudyRow> = numbered(&STUDY, row)?;
                    self.studies.take(row.uid.clone(), number, row);
                }
                Of::Patients => {
                    let Numbered { number, row }: Numbered<PatientRow> = numbered(&PATIENT, row)?;
                    self.patients.take(row.key.clone(), number, row);
                }
                Of::Series => {
                    let Numbered { number, row }: Numbered<SeriesRow> = numbered(&SERIES, row)?;
                    self.series.take((row.study, row.uid.clone()), number, row);
                }
                Of::Instances => self.take_instance(row)?,
                Of::Versions => self.take_version(row)?,
                Of::Records => self.take_record(row)?,
            }
        }
        Ok(())
    }

    /// An instance, and what it stands in, which may change with it.
    fn take_instance(&mut self, row: Row) -> Result<(), CatalogueError> {
        let mut cells = Cells::of(row);
        let number = cells.number()?;
        let row: InstanceRow = cells.content(&INSTANCE, number)?;
        self.instances.take(row.uid.clone(), number, row);
        let series = cells.perhaps_number()?;
        let row: Option<SeriesRow> = cells.perhaps_content(&SERIES, series.unwrap_or(0))?;
        if let Some((number, row)) = series.zip(row) {
            self.series.take((row.study, row.uid.clone()), number, row);
        }
        let study = cells.perhaps_number()?;
        let row: Option<StudyRow> = cells.perhaps_content(&STUDY, study.unwrap_or(0))?;
        if let Some((number, row)) = study.zip(row) {
            self.studies.take(row.uid.clone(), number, row);
        }
        Ok(())
    }

    fn take_version(&mut self, row: Row) -> Result<(), CatalogueError> {
        let mut cells = Cells::of(row);
        let instance = cells.number()?;
        let version: Version = cells.content(&VERSION, instance)?;
        self.versions.entry(instance).or_default().push((cells.number()?, version));
        Ok(())
    }

    fn take_record(&mut self, row: Row) -> Result<(), CatalogueError> {
        let mut cells = Cells::of(row);
        let number = cells.number()?;
        let Some(kind) = RecordKind::ALL.into_iter().find(|kind| kind.number() == number) else {
            return Ok(());
        };
        let (key, value) = cells.record(kind)?;
        self.records.entry((kind, key)).or_insert(Some(value));
        Ok(())
    }

    pub(super) fn read_instances<'u>(
        &mut self,
        uids: impl IntoIterator<Item = &'u SopInstanceUid>,
    ) -> Result<(), CatalogueError> {
        let uids: Vec<_> = uids.into_iter().collect();
        let named = asked::bytes(uids.iter().map(|uid| uid.as_str()));
        self.ask(Of::Instances, asked::instances(self.kind, named))?;
        for uid in uids {
            self.instances.asked(uid.clone());
        }
        Ok(())
    }

    pub(super) fn read_patient(&mut self, key: &PatientKey) -> Result<(), CatalogueError> {
        self.ask(Of::Patients, asked::patients(self.kind, std::iter::once(key)))?;
        self.patients.asked(key.clone());
        Ok(())
    }

    pub(super) fn read_study(&mut self, uid: &StudyUid) -> Result<(), CatalogueError> {
        self.ask(Of::Studies, asked::named(self.kind, &STUDY, asked::bytes([uid.as_str()])))?;
        self.studies.asked(uid.clone());
        Ok(())
    }

    pub(super) fn read_series(&mut self, uid: &SeriesUid) -> Result<(), CatalogueError> {
        self.series_read.insert(uid.clone());
        self.ask(Of::Series, asked::named(self.kind, &SERIES, asked::bytes([uid.as_str()])))
    }

    pub(super) fn read_record(&mut self, kind: RecordKind, key: &str) -> Result<(), CatalogueError> {
        let place = (kind, key.to_owned());
        self.ask(Of::Records, asked::records_named(self.kind, std::iter::once(&place)))?;
        self.records.entry(place).or_insert(None);
        Ok(())
    }

    pub(super) fn read_series_of(&mut self, study: u64) -> Result<(), CatalogueError> {
        self.ask(Of::Series, asked::series_below(self.kind, study))
    }

    pub(super) fn read_instances_of(&mut self, study: u64) -> Result<(), CatalogueError> {
        self.ask(Of::Instances, asked::instances_below(self.kind, study))
    }

    pub(super) fn versions_of(&mut self, instance: u64) -> Result<&[(u64, Version)], CatalogueError> {
        if !self.versions.contains_key(&instance) {
            self.ask(Of::Versions, asked::versions(self.kind, instance))?;
        }
        Ok(self.versions.entry(instance).or_default())
    }

    pub(super) fn study_numbered(&mut self, number: u64) -> Result<StudyRow, CatalogueError> {
        if !self.studies.by_number.contains_key(&number) {
            self.ask(Of::Studies, asked::numbered(self.kind, &STUDY, number))?;
        }
        self.studies.get("study", number).cloned()
    }

    pub(super) fn series_numbered(&mut self, number: u64) -> Result<SeriesRow, CatalogueError> {
        if !self.series.by_number.contains_key(&number) {
            self.ask(Of::Series, asked::numbered(self.kind, &SERIES, number))?;
        }
        self.series.get("series", number).cloned()
    }
}

fn asked_for(kind: Kind, wanted: &Wanted) -> Vec<(Of, Statement)> {
    let mut statements = Vec::new();
    let studies: Vec<_> = wanted.studies.iter().map(StudyUid::as_str).collect();
    let series: Vec<_> = wanted.series.iter().map(SeriesUid::as_str).collect();
    let instances: Vec<_> = wanted.instances.iter().map(SopInstanceUid::as_str).collect();
    let patients: Vec<_> = wanted.patients.iter().collect();
    let records: Vec<_> = wanted.records.iter().collect();
    let named = |some: &[&str]| asked::bytes(some.iter().copied());
    for some in studies.chunks(KEYS_MAX) {
        statements.push((Of::Studies, asked::named(kind, &STUDY, named(some))));
    }
    for some in patients.chunks(KEYS_MAX) {
        statements.push((Of::Patients, asked::patients(kind, some.iter().copied())));
    }
    for some in series.chunks(KEYS_MAX) {
        statements.push((Of::Series, asked::named(kind, &SERIES, named(some))));
    }
    for some in instances.chunks(KEYS_MAX) {
        statements.push((Of::Instances, asked::instances(kind, named(some))));
        statements.push((Of::Versions, asked::versions_of_named(kind, named(some))));
    }
    for some in records.chunks(KEYS_MAX) {
        statements.push((Of::Records, asked::records_named(kind, some.iter().copied())));
    }
    statements
}
