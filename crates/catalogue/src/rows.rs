//! What the rows hold, whatever database keeps them.

use std::collections::BTreeSet;

use outrigger_model::{SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag};
use serde::{Deserialize, Serialize};

use crate::attributes::{Attributes, ByLevel};
use crate::{Current, SetDigest};

/// What makes two patients one: Patient ID and issuer; where no ID is given, every study has a patient of its own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct PatientKey {
    pub(crate) patient_id: String,
    pub(crate) issuer: String,
    pub(crate) sole_study: String,
}

impl PatientKey {
    pub(crate) fn of(attributes: &Attributes, study: &StudyUid) -> Self {
        let issuer = attributes.get(Tag::ISSUER_OF_PATIENT_ID).unwrap_or("").to_owned();
        match attributes.get(Tag::PATIENT_ID) {
            Some(id) => Self { patient_id: id.to_owned(), issuer, sole_study: String::new() },
            None => Self { patient_id: String::new(), issuer, sole_study: study.as_str().to_owned() },
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PatientRow {
    pub(crate) key: PatientKey,
    pub(crate) attributes: Attributes,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct StudyRow {
    pub(crate) uid: StudyUid,
    pub(crate) patient: u64,
    /// Of the study, and of the patient as this study names them.
    pub(crate) attributes: Attributes,
    pub(crate) modalities: BTreeSet<String>,
    pub(crate) sop_classes: BTreeSet<String>,
    pub(crate) series: u64,
    pub(crate) instances: SetDigest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeriesRow {
    pub(crate) uid: SeriesUid,
    pub(crate) study: u64,
    pub(crate) attributes: Attributes,
    pub(crate) instances: SetDigest,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct InstanceRow {
    pub(crate) uid: SopInstanceUid,
    pub(crate) series: Option<u64>,
    pub(crate) sop_class: SopClassUid,
    pub(crate) current: Current,
    pub(crate) other_versions: u64,
    pub(crate) attributes: Attributes,
}

impl StudyRow {
    pub(crate) fn new(uid: StudyUid, patient: u64, split: &ByLevel) -> Self {
        let mut attributes = split.study.clone();
        attributes.fill_from(&split.patient);
        Self {
            uid,
            patient,
            attributes,
            modalities: BTreeSet::new(),
            sop_classes: BTreeSet::new(),
            series: 0,
            instances: SetDigest::default(),
        }
    }

    /// Takes one more instance in: what the study lacks is filled, what it has stays, and whose study it is stays too.
    pub(crate) fn add(&mut self, instance: &InstanceRow, split: &ByLevel) {
        self.fill_from(split);
        self.note_modality(split);
        if !self.sop_classes.contains(instance.sop_class.as_str()) {
            self.sop_classes.insert(instance.sop_class.as_str().to_owned());
        }
        self.instances.take_in(instance);
    }

    /// Takes over what is known of the study and lacking here.
    pub(crate) fn fill_from(&mut self, split: &ByLevel) {
        self.attributes.fill_from(&split.study);
    }

    /// Takes the modality of a series in.
    pub(crate) fn note_modality(&mut self, split: &ByLevel) {
        self.note_modalities(split.series.get(Tag::MODALITY).unwrap_or(""));
    }

    /// Takes the values of the modality of a series in.
    pub(crate) fn note_modalities(&mut self, modality: &str) {
        for modality in modality.split('\\').filter(|modality| !modality.is_empty()) {
            if !self.modalities.contains(modality) {
                self.modalities.insert(modality.to_owned());
            }
        }
    }
}

impl SeriesRow {
    pub(crate) fn new(uid: SeriesUid, study: u64, split: &ByLevel) -> Self {
        Self { uid, study, attributes: split.series.clone(), instances: SetDigest::default() }
    }

    /// Takes one more instance in.
    pub(crate) fn add(&mut self, instance: &InstanceRow, split: &ByLevel) {
        self.attributes.fill_from(&split.series);
        self.instances.take_in(instance);
    }
}

impl SetDigest {
    /// Takes the instance of a row in.
    pub(crate) fn take_in(&mut self, instance: &InstanceRow) {
        match &instance.current {
            Current::Kept(version) => self.add(&instance.uid, &version.sha256),
            Current::Inherited(_) => self.add_unread(&instance.uid),
        }
    }

    /// Takes the instance of a row out.
    pub(crate) fn leave_out(&mut self, instance: &InstanceRow) {
        match &instance.current {
            Current::Kept(version) => self.remove(&instance.uid, &version.sha256),
            Current::Inherited(_) => self.remove_unread(&instance.uid),
        }
    }
}

/// A set as an attribute of several values.
pub(crate) fn list_text(values: &BTreeSet<String>) -> String {
    values.iter().map(String::as_str).collect::<Vec<_>>().join("\\")
}

/// A row and its number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Numbered<R> {
    pub(crate) number: u64,
    pub(crate) row: R,
}

/// A row with the rows above it; what is below the level asked for is absent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Joined {
    pub(crate) patient: Numbered<PatientRow>,
    pub(crate) study: Option<StudyRow>,
    pub(crate) series: Option<SeriesRow>,
    pub(crate) instance: Option<Numbered<InstanceRow>>,
}
