//! What follows in the books from decisions.

use outrigger_model::{ConfirmLevel, MemberNumber, Seq, WallTime};

use crate::applier::desk::{Desk, Found};
use crate::applier::note_unknown;
use crate::entry::{EntryRow, Relation, Standing};
use crate::finding::{Finding, FindingKind};
use crate::note::{NoteKind, NotesOf};
use crate::posting::{PostingKey, PostingRow, Stage, Suspended};
use crate::record::{AtMember, Decider, Decision, DecisionRecord, MemberState};
use crate::store::StoreError;
use crate::write_off::WriteOff;

/// Postings closed between two writes while a member is taken out of the books: bounds the memory that takes.
const RETIRED_PER_WRITE: usize = 1_000;

/// Findings of one entry that a comparison closes at most; there is one for each later version.
const FINDINGS_OF_ENTRY_MAX: usize = 100;

/// Applies a decision.
pub(crate) fn decide(
    desk: &mut Desk<'_>,
    seq: Seq,
    at: WallTime,
    DecisionRecord { by, decision, .. }: &DecisionRecord,
) -> Result<(), StoreError> {
    match decision {
        Decision::Suspended { entry, member, reason, status, text } => {
            let suspended = Suspended { reason: reason.clone(), status: *status, text: text.clone(), at };
            let key = PostingKey { entry: *entry, member: *member };
            let outdated = is_outdated(desk, seq, key)?;
            let found = desk.alter(key, |row, posting| match posting {
                None if outdated => supersede(row, posting, key),
                _ => suspend(row, posting, key, suspended),
            })?;
            if found == Found::Nowhere {
                note_unknown(desk, seq, key, at);
            }
            Ok(())
        }
        Decision::Retried(which) => each_again(desk, seq, at, which, retry),
        Decision::WrittenOff(which) => written_off(desk, seq, at, which, by.as_ref()),
        Decision::Reopened(which) => each_again(desk, seq, at, which, reopen(at)),
        Decision::Resent(which) => each_again(desk, seq, at, which, resend),
        Decision::Healed(which) => each_again(desk, seq, at, which, heal),
        Decision::ReEncoded { entry } => re_encoded(desk, *entry),
        Decision::OtherContent { entry } => other_content(desk, *entry, at),
        Decision::MemberState { member, state } => {
            desk.set_member_state(*member, *state);
            if *state == MemberState::Retired { retire(desk, *member) } else { Ok(()) }
        }
    }
}

fn each(
    desk: &mut Desk<'_>,
    seq: Seq,
    at: WallTime,
    which: &AtMember,
    alter: impl Fn(&mut EntryRow, &mut Option<PostingRow>, PostingKey),
) -> Result<(), StoreError> {
    for entry in &which.entries {
        let key = PostingKey { entry: *entry, member: which.member };
        if desk.alter(key, |row, posting| alter(row, posting, key))? == Found::Nowhere {
            note_unknown(desk, seq, key, at);
        }
    }
    Ok(())
}

/// Has entries sent, or asked about, again; those of which the member is to have a later version by now are moot.
fn each_again(
    desk: &mut Desk<'_>,
    seq: Seq,
    at: WallTime,
    which: &AtMember,
    alter: impl Fn(&mut EntryRow, &mut Option<PostingRow>, PostingKey),
) -> Result<(), StoreError> {
    for entry in &which.entries {
        let one = AtMember { member: which.member, entries: vec![*entry] };
        if is_outdated(desk, seq, PostingKey { entry: *entry, member: which.member })? {
            each(desk, seq, at, &one, supersede)?;
        } else {
            each(desk, seq, at, &one, &alter)?;
        }
    }
    Ok(())
}

/// Whether the member has, or is owed, a later version of the same instance accepted before record `seq`: an earlier one
/// must not be sent after it, and what is read back is the later one.
fn is_outdated(desk: &mut Desk<'_>, seq: Seq, key: PostingKey) -> Result<bool, StoreError> {
    let Some(instance) = desk.entry(key.entry)?.map(|row| row.header.sop_instance.clone()) else {
        return Ok(false);
    };
    let Some(located) = desk.reads().lookup(&instance)? else { return Ok(false) };
    // The catalogue may know of entries that come behind this record in the same transaction.
    let places = std::iter::once(&located.current).chain(&located.others).map(|version| Seq(version.place));
    for later in places.filter(|place| *place > key.entry && *place < seq) {
        let standing = desk.entry(later)?.map(|row| row.marks.standing(key.member));
        if matches!(standing, Some(Standing::Confirmed | Standing::Pending)) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn supersede(row: &mut EntryRow, posting: &mut Option<PostingRow>, key: PostingKey) {
    if posting.take().is_some() || row.marks.standing(key.member) == Standing::Confirmed {
        row.marks.reopen(key.member);
        row.marks.superseded.insert(key.member);
    }
}

fn retry(row: &mut EntryRow, posting: &mut Option<PostingRow>, key: PostingKey) {
    if posting.as_ref().is_some_and(|posting| posting.stage == Stage::Suspense) {
        *posting = Some(PostingRow::fresh(key, row.lane));
    }
}

/// Gives postings up, and notes by whom and why, and what they stood in suspense for.
fn written_off(
    desk: &mut Desk<'_>,
    seq: Seq,
    at: WallTime,
    which: &AtMember,
    by: Option<&Decider>,
) -> Result<(), StoreError> {
    for entry in &which.entries {
        let key = PostingKey { entry: *entry, member: which.member };
        let mut given_up = None;
        let found = desk.alter(key, |row, posting| {
            given_up = posting.as_ref().map(|posting| WriteOff::of(posting, by, at));
            write_off(row, posting, key);
        })?;
        if found == Found::Nowhere {
            note_unknown(desk, seq, key, at);
        }
        desk.changes.notes.extend(given_up.map(|given_up| given_up.note(key)));
    }
    Ok(())
}

fn write_off(row: &mut EntryRow, posting: &mut Option<PostingRow>, key: PostingKey) {
    if posting.take().is_some() {
        row.marks.written_off.insert(key.member);
    }
}

fn reopen(at: WallTime) -> impl Fn(&mut EntryRow, &mut Option<PostingRow>, PostingKey) {
    move |row, posting, key| {
        if row.marks.standing(key.member) == Standing::Confirmed {
            row.marks.reopen(key.member);
            let mut again = PostingRow::fresh(key, row.lane);
            again.reach(ConfirmLevel::Accepted, at);
            *posting = Some(again);
        }
    }
}

fn resend(row: &mut EntryRow, posting: &mut Option<PostingRow>, key: PostingKey) {
    let underway = posting.as_ref().is_some_and(|posting| posting.stage != Stage::Suspense);
    if !underway {
        row.marks.reopen(key.member);
        *posting = Some(PostingRow::fresh(key, row.lane));
    }
}

/// Sets a posting aside; one that was closed is open again, as it has turned out not to be settled.
fn suspend(row: &mut EntryRow, posting: &mut Option<PostingRow>, key: PostingKey, suspended: Suspended) {
    if row.marks.standing(key.member) == Standing::Confirmed {
        let healed = row.marks.healed;
        row.marks.reopen(key.member);
        row.marks.healed = healed;
        *posting = Some(PostingRow::fresh(key, row.lane));
    }
    if let Some(posting) = posting {
        posting.suspend(suspended);
    }
}

fn heal(row: &mut EntryRow, posting: &mut Option<PostingRow>, key: PostingKey) {
    if row.marks.standing(key.member) == Standing::Confirmed {
        row.marks.reopen(key.member);
        row.marks.healed.insert(key.member);
        *posting = Some(PostingRow::fresh(key, row.lane));
    }
}

fn re_encoded(desk: &mut Desk<'_>, entry: Seq) -> Result<(), StoreError> {
    let Some(row) = desk.entry(entry)? else { return Ok(()) };
    let Some(earlier) = row.relation.earlier() else { return Ok(()) };
    let open = row.marks.open();
    desk.alter_entry(entry, |row| row.relation = Relation::ReEncodes(earlier))?;
    for member in open.iter() {
        desk.alter(PostingKey { entry, member }, |row, posting| {
            *posting = None;
            row.marks.superseded.insert(member);
        })?;
    }
    desk.flush()?;
    let notes = desk.reads().notes(NoteKind::Finding, NotesOf::Entry(entry), FINDINGS_OF_ENTRY_MAX)?;
    let about_bytes = notes.iter().filter(|note| Finding::of_note(note).kind == FindingKind::OtherBytes);
    let closed: Vec<(NoteKind, u64)> = about_bytes.map(|note| (note.kind, note.id)).collect();
    desk.changes.notes_closed.extend(closed);
    Ok(())
}

fn other_content(desk: &mut Desk<'_>, entry: Seq, at: WallTime) -> Result<(), StoreError> {
    let Some(earlier) = desk.entry(entry)?.and_then(|row| row.relation.earlier()) else { return Ok(()) };
    desk.alter_entry(entry, |row| row.relation = Relation::Contradicts(earlier))?;
    let text = format!("another content than entry {earlier} under the same SOP Instance UID; both are kept");
    desk.changes.notes.push(Finding::of_entry(FindingKind::OtherBytes, entry, text, at).note());
    Ok(())
}

/// Takes a member out of the books: nothing is owed to it any more.
fn retire(desk: &mut Desk<'_>, member: MemberNumber) -> Result<(), StoreError> {
    loop {
        desk.flush()?;
        let open = desk.reads().open_postings(member, RETIRED_PER_WRITE)?;
        if open.is_empty() {
            return Ok(());
        }
        for entry in open {
            let key = PostingKey { entry, member };
            desk.alter(key, |row, posting| write_off(row, posting, key))?;
        }
    }
}
