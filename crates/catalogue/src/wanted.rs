//! What a batch may touch, known before anything is read.

use std::collections::BTreeSet;

use outrigger_model::{SeriesUid, SopInstanceUid, StudyUid, Tag};

use crate::attributes::ByLevel;
use crate::record::RecordKind;
use crate::rows::PatientKey;
use crate::{CatalogueInstance, Decision, Ruling, SeenStudy};
use crate::{decide, feed};

/// The numbers that go up with each batch.
const POSITIONS: [&str; 2] = [decide::LAST, feed::LAST];

/// The rows that a batch may touch, by their keys.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) instances: BTreeSet<SopInstanceUid>,
    pub(crate) studies: BTreeSet<StudyUid>,
    pub(crate) series: BTreeSet<SeriesUid>,
    pub(crate) patients: BTreeSet<PatientKey>,
    pub(crate) records: BTreeSet<(RecordKind, String)>,
}

impl Wanted {
    /// What entering instances may touch.
    pub(crate) fn by_put(instances: &[CatalogueInstance]) -> Self {
        let mut wanted = Self::by_states(instances.iter().map(|instance| &instance.header.sop_instance));
        for CatalogueInstance { header, issuer, .. } in instances {
            wanted.series.extend(header.series.clone());
            if let Some(study) = &header.study {
                let named = header.attributes.iter().filter(|(tag, _)| is_of_key(*tag));
                wanted.study(study, &ByLevel::of(named, issuer.as_ref()));
            }
        }
        wanted
    }

    /// What entering a study that a member shows may touch.
    pub(crate) fn by_inherit(seen: &SeenStudy) -> Self {
        let mut wanted = Self::default();
        wanted.study(&seen.study, &ByLevel::of(&seen.attributes, seen.issuer.as_ref()));
        for series in &seen.series {
            wanted.series.insert(series.series.clone());
            wanted.instances.extend(series.instances.iter().map(|instance| instance.sop_instance.clone()));
        }
        wanted
    }

    /// What a decision, or the end of what was deleted, may touch of these instances, as far as it is foreseen.
    pub(crate) fn by_states<'i>(instances: impl IntoIterator<Item = &'i SopInstanceUid>) -> Self {
        let mut wanted = Self::default();
        for uid in instances {
            wanted.instances.insert(uid.clone());
            wanted.records.insert((RecordKind::State, uid.to_string()));
        }
        wanted.records.extend(POSITIONS.map(|name| (RecordKind::Position, name.to_owned())));
        wanted
    }

    /// What a decision may touch.
    pub(crate) fn by_decision(decision: &Decision) -> Self {
        match &decision.ruling {
            Ruling::Hide { instances, .. }
            | Ruling::Delete { instances, .. }
            | Ruling::Restore { instances } => {
                Self::by_states(instances.iter().map(|named| &named.sop_instance))
            }
            Ruling::Edit { .. } => Self::by_states([]),
            Ruling::Choose { header, .. } => Self::by_states([&header.sop_instance]),
        }
    }

    /// What taking a member out of instances may touch.
    pub(crate) fn by_depart(gone: &[SopInstanceUid]) -> Self {
        Self { instances: gone.iter().cloned().collect(), ..Self::default() }
    }

    fn study(&mut self, study: &StudyUid, split: &ByLevel) {
        self.patients.insert(PatientKey::of(&split.patient, study));
        self.studies.insert(study.clone());
    }
}

/// Whether an attribute says which patient it is.
fn is_of_key(tag: Tag) -> bool {
    [Tag::PATIENT_ID, Tag::ISSUER_OF_PATIENT_ID].contains(&tag)
}
