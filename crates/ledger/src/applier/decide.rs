//! What follows in the books from decisions.

use outrigger_model::{ConfirmLevel, MemberNumber, MemberSet, Seq, SuspenseReason, WallTime};

use crate::applier::desk::{Desk, Found};
use crate::applier::{note_unknown, origin, promising, wanting};
use crate::entry::{Bytes, EntryRow, Relation, Standing};
use crate::finding::{Finding, FindingKind};
use crate::note::{NoteKind, NotesOf};
use crate::posting::{PostingKey, PostingRow, Stage, Suspended};
use crate::record::{AtMember, Decider, Decision, DecisionRecord, MemberState, ObjectRecord};
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
        Decision::Retried(which) => {
            forget_healings(desk, which)?;
            each_again(desk, seq, at, which, retry)
        }
        Decision::WrittenOff(which) => written_off(desk, seq, at, which, by.as_ref()),
        Decision::Reopened(which) => each_again(desk, seq, at, which, reopen),
        Decision::Resent(which) => {
            forget_healings(desk, which)?;
            each_again(desk, seq, at, which, resend)
        }
        Decision::Healed(which) => healed(desk, seq, at, which),
        Decision::ReEncoded { entry } => re_encoded(desk, *entry),
        Decision::OtherContent { entry } => other_content(desk, *entry, at),
        Decision::GaveReEncoded { entry, member, copy } => {
            desk.changes.notes.push(copy.note(PostingKey { entry: *entry, member: *member }, at));
            Ok(())
        }
        Decision::MemberState { member, state } => {
            desk.set_member_state(*member, *state);
            if *state == MemberState::Retired { retire(desk, *member) } else { Ok(()) }
        }
        Decision::CommitmentAsked(asked) => promising::asked(desk, at, asked),
        Decision::CommitmentDecided { transaction, failed } => {
            promising::decided(desk, at, transaction, failed)
        }
        Decision::CommitmentReported { transaction, end: _ } => {
            desk.changes.promises_ended.push(transaction.clone());
            desk.flush()
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
///
/// A version is as old as the first entry of its bytes, wherever they came again: entries that repeat others are never looked at.
fn is_outdated(desk: &mut Desk<'_>, seq: Seq, key: PostingKey) -> Result<bool, StoreError> {
    let Some(instance) = desk.entry(key.entry)?.map(|row| row.header.sop_instance.clone()) else {
        return Ok(false);
    };
    let Some(located) = desk.reads().lookup(&instance)? else { return Ok(false) };
    // The catalogue may know of entries that come behind this record in the same transaction.
    let places = located.versions().map(|version| Seq(version.place));
    for later in places.filter(|place| *place > key.entry && *place < seq) {
        let Some(row) = desk.entry(later)? else { continue };
        // Another encoding of what came before is no later content.
        let is_other = !matches!(row.relation, Relation::ReEncodes(_));
        let standing = row.marks.standing(key.member);
        if is_other && matches!(standing, Standing::Confirmed | Standing::Pending) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// An entry that brought the bytes of another again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CameAgain {
    pub(crate) seq: Seq,
    pub(crate) at: WallTime,
    /// The other.
    pub(crate) of: Seq,
    /// Whether the journal has them still.
    pub(crate) kept: bool,
}

/// Has an entry sent again wherever it stands in suspense for want of its bytes, which have come again; to all who are to have it
/// where the journal had let them go.
pub(crate) fn bytes_came_again(
    desk: &mut Desk<'_>,
    again: &CameAgain,
    record: &ObjectRecord,
) -> Result<(), StoreError> {
    let CameAgain { seq, at, of: entry, kept } = *again;
    let was_let_go = desk.entry(entry)?.is_some_and(|row| row.bytes == Bytes::Released);
    // Taken while the books were away, it says nothing of what was there before.
    if record.revives.is_some() || (record.renews.is_none() && was_let_go && kept) {
        return revive(desk, again, record);
    }
    let suspense = desk.entry(entry)?.map_or(MemberSet::EMPTY, |row| row.marks.suspense);
    for member in suspense.iter() {
        let mut is_damaged = false;
        desk.alter(PostingKey { entry, member }, |_, posting| {
            let suspended = posting.as_ref().and_then(|posting| posting.suspense.as_ref());
            is_damaged = suspended.is_some_and(|suspended| suspended.reason == SuspenseReason::Damaged);
        })?;
        if is_damaged {
            each_again(desk, seq, at, &AtMember { member, entries: vec![entry] }, retry)?;
        }
    }
    Ok(())
}

/// Has an entry sent anew to all who are to have it, out of bytes that came again: nobody knows who has it still.
fn revive(desk: &mut Desk<'_>, again: &CameAgain, record: &ObjectRecord) -> Result<(), StoreError> {
    let CameAgain { seq, at, of: entry, kept } = *again;
    if kept {
        desk.alter_entry(entry, |row| row.bytes = Bytes::Kept)?;
    }
    let owed = wanting(desk, record).without(origin(desk, record));
    for member in owed.iter() {
        let key = PostingKey { entry, member };
        let standing = desk.entry(entry)?.map(|row| row.marks.standing(member));
        // Who has a later version, or is to have it, keeps that; what a person gave up stays so.
        if standing == Some(Standing::WrittenOff) || is_outdated(desk, seq, key)? {
            continue;
        }
        match desk.alter(key, |row, posting| resend(row, posting, key))? {
            Found::Here => desk.grew(key, (seq, at))?,
            Found::Nowhere => note_unknown(desk, seq, key, at),
        }
    }
    Ok(())
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

fn reopen(row: &mut EntryRow, posting: &mut Option<PostingRow>, key: PostingKey) {
    if row.marks.standing(key.member) == Standing::Confirmed {
        row.marks.reopen(key.member);
        let mut again = PostingRow::fresh(key, row.lane);
        again.reach(ConfirmLevel::Accepted, WallTime(0));
        *posting = Some(again);
    }
}

fn resend(row: &mut EntryRow, posting: &mut Option<PostingRow>, key: PostingKey) {
    if let Some(posting) = posting.as_mut().filter(|posting| posting.stage != Stage::Suspense) {
        posting.wait_no_more();
    } else {
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

/// Sends closed entries again that the member has lost, and counts it.
fn healed(desk: &mut Desk<'_>, seq: Seq, at: WallTime, which: &AtMember) -> Result<(), StoreError> {
    let standing = |desk: &mut Desk<'_>, entry: Seq| {
        Ok::<_, StoreError>(desk.entry(entry)?.map(|row| row.marks.standing(which.member)))
    };
    for entry in &which.entries {
        let before = standing(desk, *entry)?;
        each_again(desk, seq, at, &AtMember { member: which.member, entries: vec![*entry] }, heal)?;
        if (before, standing(desk, *entry)?) == (Some(Standing::Confirmed), Some(Standing::Pending)) {
            desk.heal(PostingKey { entry: *entry, member: which.member })?;
        }
    }
    Ok(())
}

fn forget_healings(desk: &mut Desk<'_>, which: &AtMember) -> Result<(), StoreError> {
    which
        .entries
        .iter()
        .try_for_each(|entry| desk.forget_healings(PostingKey { entry: *entry, member: which.member }))
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
        if !stands_earlier(desk, earlier, member)? {
            continue;
        }
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

/// Whether an entry, or one before it of the same instance, stands for itself at a member: where none does, a later one is all the
/// member gets.
fn stands_earlier(desk: &mut Desk<'_>, entry: Seq, member: MemberNumber) -> Result<bool, StoreError> {
    let mut next = Some(entry);
    while let Some(entry) = next {
        let Some(row) = desk.entry(entry)? else { return Ok(false) };
        if !matches!(row.marks.standing(member), Standing::Superseded | Standing::NotWanted) {
            return Ok(true);
        }
        next = row.relation.earlier();
    }
    Ok(false)
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

#[cfg(test)]
mod tests {
    use outrigger_catalogue::{CatalogueInstance, Version};
    use outrigger_model::{
        AeTitle, InstanceHeader, Sha256Digest, SopClassUid, SopInstanceUid, TransferSyntaxUid,
    };

    use super::*;
    use crate::changes::{Changes, EntryChange, EntryChangeKind};
    use crate::entry::{InstanceIds, LaneNumber, Marks};
    use crate::store::{LedgerStore as _, MemoryStore};

    const MEMBER: MemberNumber = MemberNumber(0);
    const FIRST: Seq = Seq(10);
    const SECOND: Seq = Seq(20);

    /// A version of the one instance, entered as entry `seq`.
    fn version(seq: Seq) -> CatalogueInstance {
        CatalogueInstance {
            header: InstanceHeader {
                sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
                sop_instance: SopInstanceUid::known("1.2.3"),
                study: None,
                series: None,
                attributes: Vec::new(),
            },
            issuer: None,
            version: Version {
                transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2"),
                sha256: Sha256Digest([u8::try_from(seq.0).unwrap(); 32]),
                length: 1,
                stored_at: WallTime(0),
                place: seq.0,
            },
        }
    }

    fn entry(seq: Seq, marks: Marks) -> EntryRow {
        let CatalogueInstance { header, version, .. } = version(seq);
        EntryRow {
            seq,
            at: WallTime(0),
            lane: LaneNumber(0),
            header: InstanceIds {
                sop_class: header.sop_class,
                sop_instance: header.sop_instance,
                study: None,
                series: None,
            },
            transfer_syntax: version.transfer_syntax,
            sha256: version.sha256,
            length: 1,
            calling_ae: AeTitle::new("CT1").unwrap(),
            balanced_at: None,
            relation: Relation::First,
            bytes: Bytes::Kept,
            marks,
        }
    }

    /// Whether `asked` is outdated by a record `at`, where the second version stands so at the member.
    fn outdated(second: Marks, asked: Seq, at: Seq) -> bool {
        let mut answer = None;
        let mut store = MemoryStore::default();
        let first = Marks { wanted: MemberSet::from_iter([MEMBER]), ..Marks::default() };
        let rows = [entry(FIRST, first), entry(SECOND, second)];
        let change = |row: EntryRow| (row.seq, EntryChange { kind: EntryChangeKind::New, row });
        let entries = Changes { entries: rows.into_iter().map(change).collect(), ..Changes::default() };
        store
            .transact(&mut |tx| {
                tx.put_instances(&[version(FIRST), version(SECOND)])?;
                tx.write(&entries)?;
                let mut desk = Desk::new(tx, WallTime(0))?;
                answer = Some(is_outdated(&mut desk, at, PostingKey { entry: asked, member: MEMBER })?);
                Ok(())
            })
            .unwrap();
        answer.unwrap()
    }

    #[test]
    fn an_entry_is_outdated_by_a_later_version_that_the_member_has_or_is_owed() {
        let member = || MemberSet::from_iter([MEMBER]);
        let wanted = Marks { wanted: member(), ..Marks::default() };
        for (second, expected) in [
            (wanted, true),
            (Marks { confirmed: member(), ..wanted }, true),
            (Marks { suspense: member(), ..wanted }, false),
            (Marks { superseded: member(), ..wanted }, false),
            (Marks { written_off: member(), ..wanted }, false),
            (Marks::default(), false),
        ] {
            let standing = second.standing(MEMBER);
            assert_eq!(outdated(second, FIRST, Seq(30)), expected, "{standing:?}");
            assert!(!outdated(second, SECOND, Seq(30)), "an earlier version outdates nothing: {standing:?}");
        }
        let confirmed = Marks { confirmed: member(), ..wanted };
        assert!(!outdated(confirmed, FIRST, SECOND), "a version that came behind the record");
        assert!(!outdated(confirmed, Seq(5), Seq(30)), "an entry that is not there");
    }
}
