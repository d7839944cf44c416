//! Applying decisions to rows: an instance that is not shown is taken out of its study and series, and its row stays.

use std::collections::BTreeSet;

use outrigger_model::{InstanceHeader, MemberSet, Sha256Digest, SopInstanceUid, StudyUid, Tag, WallTime};

use crate::error::CatalogueError;
use crate::feed::{ChangeKind, Noted, Notes, Subject};
use crate::instance::{Current, Inherited, ParentNumbers};
use crate::put::{Held, placed};
use crate::record::{self, RecordKind, due_key, place_key};
use crate::rows::{InstanceRow, Numbered};
use crate::tables::{Tables, View};
use crate::{Decision, DecisionMark, Fate, Named, Rejection, RowNumbers, Ruling, Withheld};

/// The record that has the number of the last decision applied.
pub(crate) const LAST: &str = "decisions";

/// The number of the last decision applied; 0 before the first.
pub(crate) fn last(view: &dyn View) -> Result<u64, CatalogueError> {
    Ok(record::look(view, RecordKind::Position, LAST)?.unwrap_or(0))
}

/// Applies a decision; one that was applied before changes nothing.
pub(crate) fn decide(tables: &mut dyn Tables, decision: &Decision) -> Result<(), CatalogueError> {
    let mark = &decision.mark;
    let before: u64 = record::read(tables, RecordKind::Position, LAST)?.unwrap_or(0);
    if mark.number <= before {
        return Ok(());
    }
    let mut work = Work::new(Noted::Changes);
    match &decision.ruling {
        Ruling::Hide { rejection, instances } => {
            work.withhold(tables, mark, *rejection, Fate::Hidden, instances)?;
        }
        Ruling::Delete { rejection, due, instances } => {
            work.withhold(tables, mark, *rejection, Fate::Deleted { due: *due }, instances)?;
        }
        Ruling::Restore { instances } => {
            for named in instances {
                work.restore(tables, mark, named)?;
            }
        }
        Ruling::Edit { edits, .. } => {
            for edit in edits {
                work.edit(tables, mark, edit)?;
            }
        }
        Ruling::Choose { sha256, header, issuer } => {
            work.choose(tables, mark, sha256, header, issuer.as_ref())?;
        }
    }
    work.finish(tables)?;
    record::write(tables, RecordKind::Position, LAST, &mark.number)
}

/// Rows that change with a decision, and what is noted of it.
pub(crate) struct Work {
    pub(crate) held: Held,
    touched: BTreeSet<StudyUid>,
    pub(crate) notes: Notes,
}

impl Work {
    pub(crate) fn new(noted: Noted) -> Self {
        Self { held: Held::default(), touched: BTreeSet::new(), notes: Notes::new(noted) }
    }

    /// Writes the rows that changed, with what follows for their studies.
    pub(crate) fn finish(mut self, tables: &mut dyn Tables) -> Result<(), CatalogueError> {
        self.held.save(tables)?;
        for study in &self.touched {
            if let Some(study) = self.held.studies.get_mut(study) {
                recount(tables, study)?;
            }
        }
        self.notes.save(tables)
    }

    fn withhold(
        &mut self,
        tables: &mut dyn Tables,
        mark: &DecisionMark,
        rejection: Option<Rejection>,
        fate: Fate,
        instances: &[Named],
    ) -> Result<(), CatalogueError> {
        let kind = if fate == Fate::Hidden { ChangeKind::Hidden } else { ChangeKind::Deleted };
        for named in instances {
            let earlier = state(tables, &named.sop_instance)?;
            let gone = earlier.as_ref().filter(|earlier| matches!(earlier.fate, Fate::Going | Fate::Gone));
            let fate = gone.map_or(fate, |gone| gone.fate);
            let parents = match &earlier {
                Some(earlier) => earlier.parents,
                None => self.detach(tables, &named.sop_instance)?,
            };
            if let Some(earlier) = &earlier {
                forget(tables, earlier)?;
            }
            let (mark, named) = (mark.clone(), named.clone());
            note(tables, &Withheld { mark: mark.clone(), rejection, fate, named: named.clone(), parents })?;
            let subject = Subject::Instance(named.sop_instance);
            self.notes.add(mark.at, kind, subject, Some(mark.number));
        }
        Ok(())
    }

    /// Takes an instance out of its study and series; gives the rows it stood in.
    fn detach(
        &mut self,
        tables: &mut dyn Tables,
        uid: &SopInstanceUid,
    ) -> Result<Option<ParentNumbers>, CatalogueError> {
        let Some((rows, mut row)) = tables.instance(uid)? else { return Ok(None) };
        let Some(parents) = rows.parents else { return Ok(None) };
        self.leave(tables, parents, &row)?;
        row.series = None;
        tables.move_instance(rows.instance, Some(parents.series), &row)?;
        Ok(Some(parents))
    }

    /// Takes an instance that has just been entered out again, since it was not to be shown before it came.
    pub(crate) fn hold_back(
        &mut self,
        tables: &mut dyn Tables,
        mut withheld: Withheld,
    ) -> Result<(), CatalogueError> {
        withheld.parents = self.detach(tables, &withheld.named.sop_instance.clone())?;
        note(tables, &withheld)
    }

    fn leave(
        &mut self,
        tables: &mut dyn Tables,
        parents: ParentNumbers,
        row: &InstanceRow,
    ) -> Result<(), CatalogueError> {
        let (study, series) = self.held.above(tables, parents)?;
        study.instances.leave_out(row);
        series.instances.leave_out(row);
        self.touched.insert(study.uid.clone());
        Ok(())
    }

    fn restore(
        &mut self,
        tables: &mut dyn Tables,
        mark: &DecisionMark,
        named: &Named,
    ) -> Result<(), CatalogueError> {
        let Some(withheld) = state(tables, &named.sop_instance)? else { return Ok(()) };
        forget(tables, &withheld)?;
        let found = tables.instance(&named.sop_instance)?;
        if let (Some((rows, mut row)), Some(parents)) = (found, withheld.parents)
            && row.current.kept().is_some()
        {
            let (study, series) = self.held.above(tables, parents)?;
            study.instances.take_in(&row);
            series.instances.take_in(&row);
            self.touched.insert(study.uid.clone());
            row.series = Some(parents.series);
            tables.move_instance(rows.instance, None, &row)?;
        }
        let subject = Subject::Instance(named.sop_instance.clone());
        self.notes.add(mark.at, ChangeKind::Restored, subject, Some(mark.number));
        Ok(())
    }

    /// Puts a version in the place of the one that stood for its instance, under the rows that it names itself.
    fn choose(
        &mut self,
        tables: &mut dyn Tables,
        mark: &DecisionMark,
        sha256: &Sha256Digest,
        header: &InstanceHeader,
        issuer: Option<&String>,
    ) -> Result<(), CatalogueError> {
        let uid = &header.sop_instance;
        let Some((rows, row)) = tables.instance(uid)? else { return Ok(()) };
        let versions = tables.versions(rows.instance)?;
        let chosen = versions.into_iter().find(|version| version.sha256 == *sha256);
        if let (Some(chosen), Current::Kept(before)) = (chosen, &row.current) {
            if let Some(parents) = rows.parents {
                self.leave(tables, parents, &row)?;
            }
            let current = Current::Kept(chosen.clone());
            let (mut fresh, _) = placed(tables, &mut self.held, header, issuer, current)?;
            fresh.other_versions = row.other_versions;
            self.touched.extend(header.study.clone());
            tables.exchange_version(rows.instance, &chosen, before)?;
            tables.move_instance(rows.instance, row.series, &fresh)?;
        }
        let settled = Settled { decision: mark.number, others: row.other_versions };
        record::write(tables, RecordKind::Chosen, uid.as_str(), &settled)?;
        let subject = Subject::Instance(uid.clone());
        self.notes.add(mark.at, ChangeKind::Chosen, subject, Some(mark.number));
        Ok(())
    }
}

/// A conflict between versions that a person has settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Settled {
    pub(crate) decision: u64,
    /// How many other versions there were; with one more it is a conflict again.
    pub(crate) others: u64,
}

/// Why an instance is not shown; `None` if it is, or was never heard of.
pub(crate) fn state(
    tables: &mut dyn Tables,
    uid: &SopInstanceUid,
) -> Result<Option<Withheld>, CatalogueError> {
    record::read(tables, RecordKind::State, uid.as_str())
}

/// The same for reading.
pub(crate) fn look(view: &dyn View, uid: &SopInstanceUid) -> Result<Option<Withheld>, CatalogueError> {
    record::look(view, RecordKind::State, uid.as_str())
}

fn note(tables: &mut dyn Tables, withheld: &Withheld) -> Result<(), CatalogueError> {
    let uid = withheld.sop_instance();
    record::write(tables, RecordKind::State, uid.as_str(), withheld)?;
    if let (Some(study), Some(series)) = (&withheld.named.study, &withheld.named.series) {
        record::write(tables, RecordKind::Withheld, &place_key(study, series, uid), uid)?;
    }
    match withheld.due() {
        Some(due) => record::write(tables, RecordKind::Due, &due_key(due, uid), uid),
        None => Ok(()),
    }
}

fn forget(tables: &mut dyn Tables, withheld: &Withheld) -> Result<(), CatalogueError> {
    let uid = withheld.sop_instance();
    tables.drop_record(RecordKind::State, uid.as_str())?;
    if let (Some(study), Some(series)) = (&withheld.named.study, &withheld.named.series) {
        tables.drop_record(RecordKind::Withheld, &place_key(study, series, uid))?;
    }
    match withheld.due() {
        Some(due) => tables.drop_record(RecordKind::Due, &due_key(due, uid)),
        None => Ok(()),
    }
}

/// A step of removing the bytes of a deleted instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purge {
    /// They are about to go: from now on the deletion cannot be undone.
    Begin,
    /// They are gone.
    End,
}

/// Notes a step of a purge; whatever is not as far changes nothing.
pub(crate) fn purge(
    tables: &mut dyn Tables,
    at: WallTime,
    step: Purge,
    instances: &[SopInstanceUid],
) -> Result<(), CatalogueError> {
    let mut notes = Notes::new(Noted::Changes);
    for uid in instances {
        let Some(mut withheld) = state(tables, uid)? else { continue };
        let fate = match (step, withheld.fate) {
            (Purge::Begin, Fate::Deleted { .. }) => Fate::Going,
            (Purge::End, Fate::Going) => Fate::Gone,
            _ => continue,
        };
        forget(tables, &withheld)?;
        withheld.fate = fate;
        note(tables, &withheld)?;
        if fate == Fate::Gone {
            if let Some((RowNumbers { instance, .. }, mut row)) = tables.instance(uid)? {
                row.current = Current::Inherited(Inherited { members: MemberSet(0), seen_at: at });
                row.other_versions = 0;
                tables.drop_versions(instance)?;
                tables.save_instance(instance, &row)?;
            }
            let subject = Subject::Instance(uid.clone());
            notes.add(at, ChangeKind::Purged, subject, Some(withheld.mark.number));
        }
    }
    notes.save(tables)
}

/// Says anew of a study what its instances say of it: only what is shown counts.
fn recount(
    tables: &mut dyn Tables,
    study: &mut Numbered<crate::rows::StudyRow>,
) -> Result<(), CatalogueError> {
    let series = tables.series_of(study.number)?;
    let shown = series.iter().filter(|series| series.row.instances.count > 0);
    study.row.modalities.clear();
    study.row.series = 0;
    for series in shown {
        study.row.series += 1;
        study.row.note_modalities(series.row.attributes.get(Tag::MODALITY).unwrap_or(""));
    }
    study.row.sop_classes = tables.sop_classes_of(study.number)?;
    tables.save_study(study.number, &study.row)
}
