//! Writing what a batch changed.

use std::collections::BTreeMap;

use outrigger_model::Tag;

use super::{Rows, Touched};
use crate::attributes::study_date;
use crate::error::CatalogueError;
use crate::names;
use crate::record::RecordKind;
use crate::rows::{InstanceRow, PatientRow, SeriesRow, StudyRow};
use crate::sealed::{sealed_json, sealed_record};
use crate::server::statement::{Cell, Row, Statement};
use crate::server::table::{INSTANCE, PATIENT, PERSON_NAME, RECORD, SERIES, STUDY, VERSION};
use crate::server::{asked, failed};

impl Touched<'_> {
    /// Writes what came to be and what changed, and commits.
    pub(in crate::server) fn write(self) -> Result<(), CatalogueError> {
        let mut statements = self.removals();
        let records = self.changed_records.iter().filter_map(|place| {
            let value = self.records.get(place)?.as_ref()?;
            Some(record_cells(place.0, &place.1, value))
        });
        let names = self.new_names.iter().map(|(study, name)| vec![Cell::Bytes(name.clone()), id(*study)]);
        for (table, rows) in [
            (PATIENT, self.patients.entered(patient_cells)?),
            (STUDY, self.studies.entered(study_cells)?),
            (PERSON_NAME, names.collect()),
            (SERIES, self.series.entered(series_cells)?),
            (INSTANCE, self.instances.entered(instance_cells)?),
            (VERSION, self.version_rows()?),
            (RECORD, records.collect::<Result<_, _>>()?),
        ] {
            statements.extend(table.enter(self.kind, rows));
        }
        if self.numbers != self.read {
            statements.push(self.numbers.saved(self.kind));
        }
        statements.push(Statement::Control("COMMIT"));
        self.session.run(statements).map_err(failed("writing what a batch changed")).map(drop)
    }

    /// What goes, before anything is entered in its place.
    fn removals(&self) -> Vec<Statement> {
        let mut statements = Vec::new();
        if !self.left_names.is_empty() {
            statements.push(asked::remove_names(self.kind, self.left_names.iter()));
        }
        if !self.dropped_versions.is_empty() {
            statements.push(asked::remove_versions(self.kind, self.dropped_versions.iter().copied()));
        }
        let mut gone: BTreeMap<RecordKind, Vec<&str>> = BTreeMap::new();
        for place in &self.changed_records {
            if self.records.get(place).is_some_and(Option::is_none) {
                gone.entry(place.0).or_default().push(&place.1);
            }
        }
        statements.extend(gone.into_iter().map(|(of, keys)| asked::remove_records(self.kind, of, keys)));
        statements
    }

    fn version_rows(&self) -> Result<Vec<Row>, CatalogueError> {
        let changed = self.changed_versions.iter().filter_map(|(instance, own)| {
            let versions = self.versions.get(instance)?;
            let (_, version) = versions.iter().find(|(number, _)| number == own)?;
            Some((*own, *instance, version))
        });
        let cells = |(own, instance, version)| {
            let json = sealed_json(version, "version", instance)?;
            Ok(vec![id(own), id(instance), Cell::Bytes(json)])
        };
        changed.map(cells).collect()
    }
}

impl<R, K> Rows<R, K> {
    /// What must be written, as rows of a table.
    fn entered(
        &self,
        cells: impl Fn(u64, &R) -> Result<Row, CatalogueError>,
    ) -> Result<Vec<Row>, CatalogueError> {
        let changed = self.changed.iter().filter_map(|number| Some((*number, self.by_number.get(number)?)));
        changed.map(|(number, row)| cells(number, row)).collect()
    }
}

/// What a study is looked up by of its patient's name.
pub(super) fn names_of(study: u64, row: &StudyRow) -> impl Iterator<Item = (u64, Vec<u8>)> {
    let groups = names::groups(row.attributes.get(Tag::PATIENT_NAME).unwrap_or(""));
    groups.into_iter().filter(|name| !name.is_empty()).map(move |name| (study, asked::indexed(&name)))
}

fn patient_cells(number: u64, row: &PatientRow) -> Result<Row, CatalogueError> {
    Ok(vec![
        id(number),
        Cell::Bytes(asked::indexed(&row.key.patient_id)),
        bytes(&row.key.sole_study),
        Cell::Bytes(sealed_json(row, "patient", number)?),
    ])
}

fn study_cells(number: u64, row: &StudyRow) -> Result<Row, CatalogueError> {
    Ok(vec![
        id(number),
        bytes(row.uid.as_str()),
        id(row.patient),
        asked::perhaps_indexed(study_date(&row.attributes).as_deref()),
        asked::perhaps_indexed(row.attributes.get(Tag::ACCESSION_NUMBER)),
        Cell::Bytes(sealed_json(row, "study", number)?),
    ])
}

fn series_cells(number: u64, row: &SeriesRow) -> Result<Row, CatalogueError> {
    let json = sealed_json(row, "series", number)?;
    Ok(vec![id(number), bytes(row.uid.as_str()), id(row.study), Cell::Bytes(json)])
}

fn instance_cells(number: u64, row: &InstanceRow) -> Result<Row, CatalogueError> {
    let json = sealed_json(row, "instance", number)?;
    Ok(vec![id(number), bytes(row.uid.as_str()), row.series.map_or(Cell::Null, id), Cell::Bytes(json)])
}

fn record_cells(kind: RecordKind, key: &str, value: &str) -> Result<Row, CatalogueError> {
    Ok(vec![id(kind.number()), bytes(key), Cell::Bytes(sealed_record(kind, key, value)?)])
}

fn id(number: u64) -> Cell {
    Cell::Number(number.cast_signed())
}

fn bytes(text: &str) -> Cell {
    Cell::Bytes(text.as_bytes().to_vec())
}
