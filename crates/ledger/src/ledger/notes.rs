//! Findings and refusals: kept in the database, not in the journal.

use std::net::IpAddr;

use outrigger_model::{AeTitle, MemberName, Seq, SopInstanceUid, Status, StudyUid, WallTime};
use serde::{Deserialize, Serialize};

use crate::calendar::rfc3339;
use crate::entry::{EntryRow, Relation};
use crate::error::LedgerError;
use crate::finding::{Finding, FindingKind};
use crate::ledger::Ledger;
use crate::ledger::crosscheck::{Crosschecked, Witness};
use crate::note::{Note, NoteKind, NotesOf};
use crate::record::{Decision, RecordError};

/// An object that was refused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// When.
    pub at: WallTime,
    /// Who sent it.
    pub calling_ae: AeTitle,
    /// Where it called from.
    pub peer: IpAddr,
    /// Its SOP Instance UID, where it could be read.
    pub sop_instance: Option<SopInstanceUid>,
    /// The status it was answered with.
    pub status: Status,
    /// Why, in words.
    pub text: String,
    /// The file in quarantine that holds its bytes, if one does.
    pub kept: Option<String>,
}

/// A refused object, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusalShown {
    /// When, as RFC 3339.
    pub at: String,
    /// Who sent it.
    pub calling_ae: AeTitle,
    /// Where it called from.
    pub peer: IpAddr,
    /// Its SOP Instance UID, where it could be read.
    pub sop_instance: Option<SopInstanceUid>,
    /// The status it was answered with, as four hexadecimal digits.
    pub status: String,
    /// Why, in words.
    pub text: String,
    /// The file in quarantine that holds its bytes, if one does.
    pub kept: Option<String>,
}

/// A finding, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FindingShown {
    /// What kind.
    pub kind: FindingKind,
    /// The entry concerned.
    pub entry: Option<Seq>,
    /// The member concerned.
    pub member: Option<MemberName>,
    /// The study, where a cross-check found it.
    pub study: Option<StudyUid>,
    /// The instance, where a cross-check found it.
    pub instance: Option<SopInstanceUid>,
    /// Who decided, where a cross-check found it.
    pub witness: Option<Witness>,
    /// In words.
    pub text: String,
    /// When it was noticed, as RFC 3339.
    pub at: String,
    /// When a cross-check last saw it, to the hour, as RFC 3339.
    #[serde(default)]
    pub last_seen: Option<String>,
    /// How often a cross-check saw something else there while it stood open.
    #[serde(default)]
    pub changes: u64,
    /// When that was last, as RFC 3339.
    #[serde(default)]
    pub changed_at: Option<String>,
}

/// Notes shown at once, the newest: a person works a list, not a database.
const SHOWN_MAX: usize = 10_000;

/// What a comparison of an entry with an earlier one of the same SOP Instance UID gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compared {
    /// The same content in another encoding.
    ReEncoded,
    /// Another content.
    OtherContent,
}

impl Ledger {
    /// Notes a finding.
    pub async fn finding(&self, finding: Finding) -> Result<(), LedgerError> {
        let note = finding.note();
        self.note(note).await
    }

    /// Lists open findings, the newest first.
    pub async fn findings(&self) -> Result<Vec<FindingShown>, LedgerError> {
        self.query(|books| {
            let members = books.members()?;
            let name = |number| members.iter().find(|row| row.number == number).map(|row| row.name.clone());
            let notes = books.notes(NoteKind::Finding, NotesOf::Anything, SHOWN_MAX)?;
            let shown = notes.iter().map(|note| {
                let (finding, said) = (Finding::of_note(note), Crosschecked::of_note(note));
                FindingShown {
                    kind: finding.kind,
                    entry: finding.entry,
                    member: finding.member.and_then(name),
                    study: said.as_ref().map(|said| said.study.clone()),
                    instance: said.as_ref().and_then(|said| said.instance.clone()),
                    witness: said.as_ref().map(|said| said.witness),
                    text: said.as_ref().map(|said| said.told(&finding.text)).unwrap_or(finding.text),
                    at: rfc3339(finding.at),
                    last_seen: said.as_ref().and_then(|said| said.last_seen).map(rfc3339),
                    changes: said.as_ref().map_or(0, |said| said.changes),
                    changed_at: said.and_then(|said| said.changed_at).map(rfc3339),
                }
            });
            Ok(shown.collect())
        })
        .await
    }

    /// Notes a refused object.
    pub async fn refused(&self, refusal: Refusal) -> Result<(), LedgerError> {
        let body = serde_json::to_string(&refusal).map_err(RecordError::Malformed)?;
        let note = Note { id: 0, kind: NoteKind::Refusal, entry: None, member: None, at: refusal.at, body };
        self.note(note).await
    }

    /// Lists refused objects, the newest first.
    pub async fn refusals(&self) -> Result<Vec<RefusalShown>, LedgerError> {
        let notes = self.query(|books| books.notes(NoteKind::Refusal, NotesOf::Anything, SHOWN_MAX)).await?;
        let read = notes.iter().map(|note| serde_json::from_str::<Refusal>(&note.body));
        let shown = read.map(|refusal| {
            refusal.map(|refusal| RefusalShown {
                at: rfc3339(refusal.at),
                calling_ae: refusal.calling_ae,
                peer: refusal.peer,
                sop_instance: refusal.sop_instance,
                status: refusal.status.to_string(),
                text: refusal.text,
                kept: refusal.kept,
            })
        });
        Ok(shown.collect::<Result<_, _>>().map_err(RecordError::Malformed)?)
    }

    async fn note(&self, note: Note) -> Result<(), LedgerError> {
        self.write(move |writer| {
            writer.change(|desk| {
                desk.changes.notes.push(note.clone());
                Ok(())
            })
        })
        .await
    }

    /// Lists entries with other bytes than an earlier one of the same SOP Instance UID that nobody has compared, with that earlier one.
    pub async fn uncompared(&self, limit: usize) -> Result<Vec<(Seq, Seq)>, LedgerError> {
        self.query(move |books| {
            let notes = books.notes(NoteKind::Finding, NotesOf::Anything, SHOWN_MAX)?;
            let mut found = Vec::new();
            for note in notes.iter().filter(|note| Finding::of_note(note).kind == FindingKind::OtherBytes) {
                let entry = note.entry.map(|seq| books.entry(seq)).transpose()?.flatten();
                found.extend(entry.as_ref().and_then(uncompared));
                if found.len() >= limit {
                    break;
                }
            }
            Ok(found)
        })
        .await
    }

    /// Settles what an entry is to the earlier one: a re-encoding is moot, another content stays a finding.
    pub async fn compared(&self, entry: Seq, compared: Compared) -> Result<(), LedgerError> {
        let decision = match compared {
            Compared::ReEncoded => Decision::ReEncoded { entry },
            Compared::OtherContent => Decision::OtherContent { entry },
        };
        self.decide(None, [decision]).await
    }
}

fn uncompared(entry: &EntryRow) -> Option<(Seq, Seq)> {
    match entry.relation {
        Relation::Uncompared(earlier) => Some((entry.seq, earlier)),
        Relation::First | Relation::RepeatOf(_) | Relation::ReEncodes(_) | Relation::Contradicts(_) => None,
    }
}
