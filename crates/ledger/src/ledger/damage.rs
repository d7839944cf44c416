//! Damage in the journal and in the books: noted once however often it is found, and closed when it is no more.

use std::collections::BTreeSet;

use outrigger_journal::{Damage, DamagedPart};
use outrigger_model::{Seq, WallTime};
use serde::{Deserialize, Serialize};

use crate::error::LedgerError;
use crate::finding::{Finding, FindingKind};
use crate::ledger::Ledger;
use crate::note::{Note, NoteKind, NotesOf};
use crate::store::{StoreError, read};

/// What is not as it was written, as it is noted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Harm {
    /// What kind.
    pub kind: FindingKind,
    /// The first and last entry concerned.
    pub entries: Option<(Seq, Seq)>,
    /// What makes it the same when it is found again.
    pub about: String,
    /// What, where, and what to do, in words.
    pub text: String,
}

/// How much was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coverage {
    /// Everything: what was not found is no more.
    Whole,
    /// Some of it: what was not found may still be.
    Part,
}

/// Kinds of findings that a look at the whole journal opens and closes.
pub const JOURNAL_DAMAGE: &[FindingKind] =
    &[FindingKind::Unreadable, FindingKind::DamagedBytes, FindingKind::DamagedFile];

/// The part of such a finding's note that says which damage it is; the rest is as in every finding.
#[derive(Serialize, Deserialize)]
struct Body {
    kind: FindingKind,
    text: String,
    #[serde(default)]
    about: Option<String>,
}

impl Harm {
    /// Damage that the journal names.
    pub fn of_journal(damage: &Damage) -> Self {
        let kind = match (damage.part, damage.entries) {
            (DamagedPart::Body, Some(_)) => FindingKind::DamagedBytes,
            (_, Some(_)) => FindingKind::Unreadable,
            (_, None) => FindingKind::DamagedFile,
        };
        Self {
            kind,
            entries: damage.entries.map(|(first, last)| (Seq(first.0), Seq(last.0))),
            about: format!("{:?} {} {}", damage.part, damage.offset, damage.file.display()),
            text: format!("{damage}; {}", advice(damage)),
        }
    }

    /// A fault of the books.
    pub fn of_books(fault: &str) -> Self {
        let text = if fault.contains(REBUILD) { fault.to_owned() } else { format!("{fault}; {REBUILDS}") };
        Self { kind: FindingKind::Books, entries: None, about: fault.to_owned(), text }
    }

    fn note(&self, at: WallTime) -> Note {
        let entry = self.entries.map(|(first, _)| first);
        let finding = Finding { kind: self.kind, entry, member: None, text: self.text.clone(), at };
        let body = Body { kind: self.kind, text: self.text.clone(), about: Some(self.about.clone()) };
        let body = serde_json::to_string(&body).unwrap_or_else(|error| error.to_string());
        Note { body, ..finding.note() }
    }

    /// Whether the applier noted this when it met it: its notes do not say where.
    fn was_met(&self, finding: &Finding) -> bool {
        let (Some(entry), Some((first, last))) = (finding.entry, self.entries) else { return false };
        self.kind == finding.kind && finding.member.is_none() && (first..=last).contains(&entry)
    }
}

/// What mends the books.
const REBUILD: &str = "outrigger rebuild";
const REBUILDS: &str = "stop the node and run `outrigger rebuild`";

/// What is said of books that only a rebuild mends.
pub(crate) fn with_cure(text: String) -> String {
    if text.contains(REBUILD) { text } else { format!("{text}; {REBUILDS}") }
}

fn advice(damage: &Damage) -> &'static str {
    match (damage.part, damage.entries) {
        (DamagedPart::Body, Some(_)) => {
            "it is not delivered: send it again from its source, or put the file back from a backup; `outrigger why` says which members have it"
        }
        (_, Some(_)) => {
            "put the file back from a backup with the node stopped, or send the objects again from their source; `outrigger why` says which members have them"
        }
        (DamagedPart::Head, None) => {
            "no entry is lost; restart the node, which writes it anew, and look at the disk"
        }
        (DamagedPart::Gone, None) => {
            "no entry is lost yet; restart the node, which writes it anew as it stops, and find out who removed it"
        }
        (DamagedPart::Hash, None) => {
            "every entry in it can be read, but it is not the file that was sealed: put it back from a backup with the node stopped"
        }
        (DamagedPart::Misplaced, None) => {
            "no entry is lost; give the file its name back with the node stopped"
        }
        (_, None) => "no entry is lost; look at the disk",
    }
}

impl Ledger {
    /// Notes what is damaged; what stands there already stays as it is, and after a look at everything what was not found is closed.
    ///
    /// `kinds` are those that the look was about.
    pub async fn note_damage(
        &self,
        kinds: &'static [FindingKind],
        found: Vec<Harm>,
        coverage: Coverage,
    ) -> Result<(), LedgerError> {
        self.write(move |writer| {
            let notes = read(&*writer.store, |books| {
                books.notes(NoteKind::Finding, NotesOf::Anything, all_findings())
            })?;
            let now = writer.now();
            let (opened, closed) = settle(kinds, &found, coverage, &notes, now);
            if opened.is_empty() && closed.is_empty() {
                return Ok(());
            }
            let changed = writer.change(|desk| {
                desk.changes.notes.extend(opened.iter().cloned());
                desk.changes.notes_closed.extend(closed.iter().copied());
                Ok(())
            });
            Ok::<(), StoreError>(changed?).map_err(LedgerError::from)
        })
        .await
    }
}

fn all_findings() -> usize {
    usize::try_from(NoteKind::Finding.kept()).unwrap_or(usize::MAX)
}

/// Which notes are written and which are closed.
fn settle(
    kinds: &[FindingKind],
    found: &[Harm],
    coverage: Coverage,
    notes: &[Note],
    now: WallTime,
) -> (Vec<Note>, Vec<(NoteKind, u64)>) {
    let abouts: BTreeSet<&str> = found.iter().map(|harm| harm.about.as_str()).collect();
    let (mut known, mut met, mut closed) = (BTreeSet::new(), Vec::new(), Vec::new());
    for note in notes {
        let Ok(body) = serde_json::from_str::<Body>(&note.body) else { continue };
        let finding = Finding::of_note(note);
        match body.about {
            _ if !kinds.contains(&body.kind) => {}
            Some(about) if abouts.contains(about.as_str()) && !known.contains(&about) => {
                known.insert(about);
            }
            Some(_) if coverage == Coverage::Whole => closed.push((note.kind, note.id)),
            None if found.iter().any(|harm| harm.was_met(&finding)) => {
                closed.push((note.kind, note.id));
                met.push(finding);
            }
            Some(_) | None => {}
        }
    }
    let fresh = found.iter().filter(|harm| known.insert(harm.about.clone()));
    // It is as old as it was.
    let since = |harm: &Harm| met.iter().filter(|was| harm.was_met(was)).map(|was| was.at).min();
    let opened = fresh.map(|harm| harm.note(since(harm).filter(|at| at.0 > 0).unwrap_or(now))).collect();
    (opened, closed)
}

/// Findings of damage among notes, the newest first, in words.
pub(crate) fn in_words(notes: &[Note]) -> Vec<(FindingKind, String)> {
    let is_damage = |kind| JOURNAL_DAMAGE.contains(&kind) || kind == FindingKind::Books;
    let findings = notes.iter().map(Finding::of_note).filter(|finding| is_damage(finding.kind));
    findings.map(|finding| (finding.kind, finding.text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn harm(about: &str, entry: u64) -> Harm {
        let (kind, entries) = (FindingKind::Unreadable, Some((Seq(entry), Seq(entry))));
        Harm { kind, entries, about: about.to_owned(), text: about.to_uppercase() }
    }

    /// The notes after one more look, numbered as a database numbers them.
    fn after(notes: &[Note], found: &[Harm], coverage: Coverage, now: i64) -> Vec<Note> {
        let (opened, closed) = settle(JOURNAL_DAMAGE, found, coverage, notes, WallTime(now));
        let next = notes.iter().map(|note| note.id).max().unwrap_or(0) + 1;
        let kept = notes.iter().filter(|note| !closed.contains(&(note.kind, note.id))).cloned();
        kept.chain(opened.into_iter().zip(next..).map(|(note, id)| Note { id, ..note })).collect()
    }

    fn texts(notes: &[Note]) -> Vec<(String, i64)> {
        notes.iter().map(|note| (Finding::of_note(note).text, note.at.0)).collect()
    }

    #[test]
    fn what_is_found_again_is_one_finding_and_what_is_not_is_closed_by_a_whole_look_alone() {
        let first = after(&[], &[harm("a", 1), harm("b", 2), harm("b", 2)], Coverage::Whole, 10);
        assert_eq!(texts(&first), [("A".to_owned(), 10), ("B".to_owned(), 10)]);
        let again = after(&first, &[harm("b", 2)], Coverage::Part, 20);
        assert_eq!(texts(&again), texts(&first));
        let whole = after(&first, &[harm("b", 2), harm("c", 3)], Coverage::Whole, 30);
        assert_eq!(texts(&whole), [("B".to_owned(), 10), ("C".to_owned(), 30)]);
        assert_eq!(texts(&after(&whole, &[], Coverage::Whole, 40)), []);
    }

    #[test]
    fn what_the_applier_met_is_told_better_and_what_others_noted_stays() {
        let met = Finding::of_entry(FindingKind::Unreadable, Seq(7), "met".to_owned(), WallTime(5)).note();
        let other =
            Finding::of_entry(FindingKind::OtherBytes, Seq(7), "other".to_owned(), WallTime(6)).note();
        let spoken = Finding { member: Some(outrigger_model::MemberNumber(1)), ..Finding::of_note(&met) };
        let notes = [met, other, spoken.note()].into_iter().zip(1..).map(|(note, id)| Note { id, ..note });
        let notes: Vec<Note> = notes.collect();
        let told = after(&notes, &[harm("a", 7)], Coverage::Whole, 10);
        let expected = [("other".to_owned(), 6), ("met".to_owned(), 5), ("A".to_owned(), 5)];
        assert_eq!(texts(&told), expected);
        assert_eq!(texts(&after(&told, &[], Coverage::Whole, 20)), expected[..2]);
    }
}
