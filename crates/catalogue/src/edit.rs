//! Attributes of studies and series, and of the patients whose they are, as they were decided to be: rows show them, and what they
//! were before stands beside.

use std::collections::BTreeMap;

use outrigger_dataset::identifier::level_of;
use outrigger_model::{Level, SeriesUid, StudyUid, Tag};
use serde::{Deserialize, Serialize};

use crate::DecisionMark;
use crate::attributes::{Attributes, ByLevel, Kind, kind};
use crate::decide::Work;
use crate::error::CatalogueError;
use crate::feed::{ChangeKind, Subject};
use crate::record::{self, RecordKind, series_key};
use crate::rows::{Numbered, PatientKey, PatientRow, StudyRow};
use crate::tables::{Tables, View};

/// Values by attribute; an empty one takes the value away.
pub type Values = BTreeMap<Tag, String>;

/// What an entity is to be like from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edit {
    /// Study Instance UID.
    pub study: StudyUid,
    /// Series Instance UID, where it is one of the series that is edited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesUid>,
    /// Its values: of a study also those of its patient.
    pub values: Values,
}

/// What became of an entity by edits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Edited {
    /// What its objects say from now on.
    pub effective: Values,
    /// Each edit, in order.
    pub history: Vec<Edition>,
}

/// A value before and after an edit; none is empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// What it was.
    pub old: String,
    /// What it is.
    pub new: String,
}

/// One edit of an entity.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// Who decided it, when and why.
    pub mark: DecisionMark,
    /// What each value was, in the catalogue, and is.
    pub values: BTreeMap<Tag, Replaced>,
}

/// An attribute that is not edited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{tag} is no attribute of a {level} that can be corrected")]
pub struct NotEditable {
    /// The attribute.
    pub tag: Tag,
    /// `study` (a patient's attributes are its studies') or `series`.
    pub level: &'static str,
}

impl Edit {
    /// Says which of its attributes cannot be edited: identifiers, sequences, what is counted, and what was acquired.
    pub fn check(&self) -> Result<(), NotEditable> {
        let level = if self.series.is_some() { "series" } else { "study" };
        match self.values.keys().find(|tag| !self.is_editable(**tag)) {
            Some(tag) => Err(NotEditable { tag: *tag, level }),
            None => Ok(()),
        }
    }

    fn is_editable(&self, tag: Tag) -> bool {
        let is_of = match (level_of(tag), &self.series) {
            (Some(Level::Patient | Level::Study), None) => true,
            (Some(Level::Series), Some(_)) => tag != Tag::MODALITY,
            _ => false,
        };
        let is_counted = [Tag::MODALITIES_IN_STUDY, Tag::SOP_CLASSES_IN_STUDY].contains(&tag);
        is_of && !is_counted && !matches!(kind(tag), Kind::Uid | Kind::Items)
    }

    fn key(&self) -> String {
        key(&self.study, self.series.as_ref())
    }
}

fn key(study: &StudyUid, series: Option<&SeriesUid>) -> String {
    series.map_or_else(|| study.to_string(), |series| series_key(study, series))
}

/// What became of a study, or of one of its series, by edits; `None` where there were none.
pub(crate) fn edited(
    view: &dyn View,
    study: &StudyUid,
    series: Option<&SeriesUid>,
) -> Result<Option<Edited>, CatalogueError> {
    record::look(view, RecordKind::Edited, &key(study, series))
}

impl Work {
    /// Changes a row, and notes what it was; a study or series that is not there is none to be changed.
    pub(crate) fn edit(
        &mut self,
        tables: &mut dyn Tables,
        mark: &DecisionMark,
        edit: &Edit,
    ) -> Result<(), CatalogueError> {
        let Some(Numbered { number, row: before }) = tables.study(&edit.study)? else { return Ok(()) };
        let old = match &edit.series {
            None => {
                let mut row = before.clone();
                let old = replaced(&mut row.attributes, &edit.values);
                row.patient = patient_of(tables, &row)?;
                tables.move_study(number, &before, &row)?;
                old
            }
            Some(series) => {
                let Some(Numbered { number, mut row }) = tables.series(number, series)? else {
                    return Ok(());
                };
                let old = replaced(&mut row.attributes, &edit.values);
                tables.save_series(number, &row)?;
                old
            }
        };
        let mut edited: Edited = record::read(tables, RecordKind::Edited, &edit.key())?.unwrap_or_default();
        edited.effective.extend(edit.values.clone());
        let values =
            edit.values.iter().zip(old).map(|((tag, new), old)| (*tag, Replaced { old, new: new.clone() }));
        edited.history.push(Edition { mark: mark.clone(), values: values.collect() });
        record::write(tables, RecordKind::Edited, &edit.key(), &edited)?;
        let subject = Subject::Study(edit.study.clone());
        self.notes.add(mark.at, ChangeKind::Edited, subject, Some(mark.number));
        Ok(())
    }
}

/// The patient a study names, made where there is none; their row says what this study says of them.
fn patient_of(tables: &mut dyn Tables, study: &StudyRow) -> Result<u64, CatalogueError> {
    let attributes = study.attributes.iter().map(|(tag, value)| (tag, value.to_owned())).collect::<Vec<_>>();
    let own = ByLevel::of(&attributes, None).patient;
    let key = PatientKey::of(&own, &study.uid);
    match tables.patient(&key)? {
        None => tables.add_patient(&PatientRow { key, attributes: own }),
        Some(Numbered { number, row }) => {
            if row.attributes != own {
                tables.save_patient(number, &PatientRow { key, attributes: own })?;
            }
            Ok(number)
        }
    }
}

/// Puts values in the place of others; gives what they were, in the order of the attributes.
fn replaced(attributes: &mut Attributes, values: &Values) -> Vec<String> {
    values.iter().map(|(tag, value)| attributes.replace(*tag, value)).collect()
}
