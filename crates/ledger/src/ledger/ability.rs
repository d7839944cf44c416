//! Levels that a member cannot be confirmed at by its kind: noted once, shown, and closed when it can again.

use outrigger_model::{ConfirmLevel, MemberNumber, WallTime};
use serde::{Deserialize, Serialize};

use crate::applier::writer::Writer;
use crate::error::LedgerError;
use crate::finding::{Finding, FindingKind};
use crate::ledger::Ledger;
use crate::note::{Note, NoteKind, NotesOf};
use crate::store::{LedgerReads, StoreError, read};

/// Whether something was noted that was not before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It was.
    New,
    /// It stood there already.
    Before,
}

/// The part of such a finding's note that says which level; the rest is as in every finding.
#[derive(Serialize, Deserialize)]
struct Body {
    kind: FindingKind,
    text: String,
    #[serde(default)]
    level: Option<ConfirmLevel>,
}

impl Ledger {
    /// Notes that a member cannot be confirmed at a level, in words, unless that stands there already.
    pub async fn cannot_confirm(
        &self,
        member: MemberNumber,
        level: ConfirmLevel,
        text: String,
    ) -> Result<Noted, LedgerError> {
        self.write(move |writer| {
            if writer.unable.contains(&(member, level)) {
                return Ok(Noted::Before);
            }
            let note = note(member, level, text, writer.now());
            writer.change(|desk| {
                desk.changes.notes.push(note.clone());
                Ok(())
            })?;
            writer.unable.insert((member, level));
            Ok(Noted::New)
        })
        .await
    }

    /// Closes what was noted of a member and a level: it can be confirmed so, or is not asked to.
    pub async fn can_confirm(&self, member: MemberNumber, level: ConfirmLevel) -> Result<(), LedgerError> {
        self.write(move |writer| {
            if !writer.unable.contains(&(member, level)) {
                return Ok(());
            }
            let found = read(&*writer.store, unable)?;
            let closed: Vec<(NoteKind, u64)> = found
                .iter()
                .filter(|(_, of, at)| (*of, *at) == (member, level))
                .map(|(note, ..)| (note.kind, note.id))
                .collect();
            writer.change(|desk| {
                desk.changes.notes_closed.extend(closed.iter().copied());
                Ok(())
            })?;
            writer.unable.remove(&(member, level));
            Ok(())
        })
        .await
    }

    /// The levels that a member is known to be unable to be confirmed at.
    pub async fn unable(&self, member: MemberNumber) -> Result<Vec<ConfirmLevel>, LedgerError> {
        self.write(move |writer| {
            let of_member = writer.unable.iter().filter(|(of, _)| *of == member);
            Ok(of_member.map(|(_, level)| *level).collect())
        })
        .await
    }
}

impl Writer {
    /// Takes up what was noted before the start.
    pub(crate) fn learn_unable(&mut self) -> Result<(), StoreError> {
        let found = read(&*self.store, unable)?;
        self.unable = found.into_iter().map(|(_, member, level)| (member, level)).collect();
        Ok(())
    }
}

fn note(member: MemberNumber, level: ConfirmLevel, text: String, at: WallTime) -> Note {
    let finding = Finding { kind: FindingKind::CannotConfirm, entry: None, member: Some(member), text, at };
    let body = Body { kind: finding.kind, text: finding.text.clone(), level: Some(level) };
    let body = serde_json::to_string(&body).unwrap_or_else(|error| error.to_string());
    Note { body, ..finding.note() }
}

/// Every such finding that is open.
fn unable(books: &dyn LedgerReads) -> Result<Vec<(Note, MemberNumber, ConfirmLevel)>, StoreError> {
    let all = usize::try_from(NoteKind::Finding.kept()).unwrap_or(usize::MAX);
    let notes = books.notes(NoteKind::Finding, NotesOf::NoEntry, all)?;
    let of_member = notes.into_iter().filter_map(|note| {
        let body: Body = serde_json::from_str(&note.body).ok()?;
        let (member, level) = (note.member?, body.level?);
        (body.kind == FindingKind::CannotConfirm).then_some((note, member, level))
    });
    Ok(of_member.collect())
}

/// What each member cannot be confirmed at, in words, with the level.
pub(crate) fn in_words(
    books: &dyn LedgerReads,
) -> Result<Vec<(MemberNumber, ConfirmLevel, String)>, StoreError> {
    let found = unable(books)?;
    Ok(found.iter().map(|(note, member, level)| (*member, *level, Finding::of_note(note).text)).collect())
}
