//! What an inventory lists: studies with count and digests, what is not shown, and conflicts between versions.

use outrigger_model::{Level, Sha256Digest, SopInstanceUid, StudyUid, Tag, WallTime};

use crate::decide::Settled;
use crate::error::CatalogueError;
use crate::narrow::Narrow;
use crate::record::{self, RecordKind, due_key, end_of, start_of};
use crate::tables::View;
use crate::{Cursor, Fate, Page, SetDigest, Withheld};

/// Withheld instances counted of one study: more are as many as no study has.
const COUNTED_MAX: usize = 100_000;

/// A study in an inventory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StudyEntry {
    /// Study Instance UID.
    pub study: StudyUid,
    /// Patient ID; empty where there is none.
    pub patient_id: String,
    /// Issuer of patient ID; empty where there is none.
    pub issuer: String,
    /// Patient's name as the study has it.
    pub patient_name: String,
    /// How many series are shown.
    pub series: u64,
    /// The instances that are shown.
    pub instances: SetDigest,
    /// How many are not.
    pub withheld: u64,
}

/// An instance of which there is more than one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conflict {
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// The decision that settled it; with a further version it is open again.
    pub settled: Option<u64>,
    /// The digest of the bytes that stand for it.
    pub current: Option<Sha256Digest>,
    /// The digests of the others, in the order they came.
    pub others: Vec<Sha256Digest>,
}

/// Lists studies from `after` on.
pub(crate) fn studies(
    view: &dyn View,
    after: Cursor,
    limit: usize,
) -> Result<Page<StudyEntry>, CatalogueError> {
    let numbers = view.candidates(Level::Study, &Narrow::All, after.0, limit)?;
    let mut items = Vec::with_capacity(numbers.len());
    for number in &numbers {
        let Some(row) = view.joined(Level::Study, *number)? else { continue };
        let Some(study) = row.study else { continue };
        let start = start_of(&study.uid);
        let withheld = view.records(RecordKind::Withheld, &start, &end_of(&start), COUNTED_MAX)?;
        items.push(StudyEntry {
            patient_id: row.patient.row.key.patient_id,
            issuer: row.patient.row.key.issuer,
            patient_name: study.attributes.get(Tag::PATIENT_NAME).unwrap_or("").to_owned(),
            study: study.uid,
            series: study.series,
            instances: study.instances,
            withheld: withheld.len() as u64,
        });
    }
    let more = numbers.last().filter(|_| numbers.len() >= limit);
    Ok(Page { items, next: more.map(|last| Cursor(*last)) })
}

/// Lists what is withheld of a study, or everywhere, behind a key, at most `limit`; each with its key.
pub(crate) fn withheld(
    view: &dyn View,
    study: Option<&StudyUid>,
    after: &str,
    limit: usize,
) -> Result<Vec<(String, Withheld)>, CatalogueError> {
    let start = study.map(start_of).unwrap_or_default();
    let after = after.max(&start);
    let mut found = Vec::new();
    for (key, value) in view.records(RecordKind::Withheld, after, &end_of(&start), limit)? {
        let uid: SopInstanceUid = record::parsed(RecordKind::Withheld, &value)?;
        found.extend(record::look(view, RecordKind::State, uid.as_str())?.map(|state| (key, state)));
    }
    Ok(found)
}

/// Lists deleted instances whose time has come, and those whose bytes were being removed, at most `limit`.
pub(crate) fn due(view: &dyn View, now: WallTime, limit: usize) -> Result<Vec<Withheld>, CatalogueError> {
    let first = SopInstanceUid::known("0");
    let before = due_key(WallTime(now.0.saturating_add(1)), &first);
    let mut found = Vec::new();
    for (_, value) in view.records(RecordKind::Due, "", &before, limit)? {
        let uid: SopInstanceUid = record::parsed(RecordKind::Due, &value)?;
        let state: Option<Withheld> = record::look(view, RecordKind::State, uid.as_str())?;
        found.extend(state.filter(|state| matches!(state.fate, Fate::Deleted { .. } | Fate::Going)));
    }
    Ok(found)
}

/// Lists instances with more than one version from `after` on.
pub(crate) fn conflicts(
    view: &dyn View,
    after: Cursor,
    limit: usize,
) -> Result<Page<Conflict>, CatalogueError> {
    let numbered = view.with_versions(after.0, limit)?;
    let mut items = Vec::with_capacity(numbered.len());
    for instance in &numbered {
        let Some(located) = crate::find::lookup(view, &instance.row)? else { continue };
        let settled: Option<Settled> = record::look(view, RecordKind::Chosen, instance.row.as_str())?;
        let settled = settled.filter(|settled| settled.others == located.others.len() as u64);
        items.push(Conflict {
            sop_instance: located.sop_instance,
            settled: settled.map(|settled| settled.decision),
            current: located.current.kept().map(|version| version.sha256),
            others: located.others.iter().map(|version| version.sha256).collect(),
        });
    }
    let more = numbered.last().filter(|_| numbered.len() >= limit);
    Ok(Page { items, next: more.map(|last| Cursor(last.number)) })
}
