//! What must hold, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_dataset::normal::{self, Fingerprint, Verdict};
use outrigger_journal::{Entry, JournalReader, Presence, RecordKind, Seq as JournalSeq};
use outrigger_ledger::entry::{EntryRow, Standing};
use outrigger_ledger::record::ObjectRecord;
use outrigger_ledger::store::{EntryList, LedgerReader, read};
use outrigger_ledger::{Ledger, LedgerStore, MemoryStore, PostingKey};
use outrigger_model::{MemberNumber, Seq, Sha256Digest, SopInstanceUid};
use sha2::{Digest, Sha256};

use super::archive::{Archive, Copy};
use super::plan::{Form, Object};

/// How a copy is found that is what it should be.
const SAME: &str = "the same";
/// Records read at once.
const PAGE: usize = 1_000;

/// An instance by its UID and the digest of its bytes.
pub(crate) type Held = (SopInstanceUid, Sha256Digest);

/// Whether the books could always say that an object is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LookedUp {
    Always,
    /// They were away at times, and what came then may have a second entry, which is moot.
    NotAlways,
}

/// What the journal says, read without the ledger.
#[derive(Debug, Default)]
pub(crate) struct Journaled {
    pub(crate) objects: BTreeMap<Held, Vec<Seq>>,
    pub(crate) wrong: Vec<String>,
}

/// Reads the journal: every record whole, its numbers without a gap that no void explains, its bytes as digested.
pub(crate) fn journaled(reader: &JournalReader) -> Journaled {
    let mut found = Journaled::default();
    let mut numbers = BTreeSet::new();
    let mut void = BTreeSet::new();
    let mut after = JournalSeq(0);
    loop {
        let entries = match reader.records(after, PAGE) {
            Ok(entries) if entries.is_empty() => break,
            Ok(entries) => entries,
            Err(error) => {
                found.wrong.push(format!("the journal cannot be read behind {}: {error:?}", after.0));
                return found;
            }
        };
        for entry in entries {
            let Entry::Record(record) = entry else {
                found.wrong.push(format!("the journal is damaged: {entry:?}"));
                return found;
            };
            if record.seq <= after {
                found.wrong.push(format!("record {} comes behind {}", record.seq.0, after.0));
            }
            after = record.seq;
            numbers.insert(record.seq.0);
            if record.kind == RecordKind::Void {
                void.extend(voided(&record.header));
            }
            if record.kind == RecordKind::Object
                && let Err(why) = object(reader, &record, &mut found.objects)
            {
                found.wrong.push(format!("object {}: {why}", record.seq.0));
            }
        }
    }
    let gaps: Vec<u64> = (1..=after.0).filter(|seq| !numbers.contains(seq) && !void.contains(seq)).collect();
    if !gaps.is_empty() {
        found.wrong.push(format!("no record explains why {gaps:?} are missing"));
    }
    found
}

fn object(
    reader: &JournalReader,
    record: &outrigger_journal::Record,
    objects: &mut BTreeMap<Held, Vec<Seq>>,
) -> Result<(), String> {
    let header: ObjectRecord = serde_json::from_slice(&record.header).map_err(|error| error.to_string())?;
    let body = record.body.ok_or("it has no bytes")?;
    if body.presence == Presence::Kept {
        let source = reader.body(record.seq).map_err(|error| format!("{error:?}"))?;
        let mut digest = Sha256::new();
        for index in 0.. {
            let block = source.read_block(index).map_err(|error| format!("{error:?}"))?;
            if block.is_empty() {
                break;
            }
            digest.update(&block);
        }
        if digest.finalize()[..] != body.sha256 {
            return Err("its bytes have another digest".to_owned());
        }
    }
    let held = (header.instance.sop_instance, Sha256Digest(body.sha256));
    let entries = objects.entry(held).or_default();
    // What stands for an entry that could not be read, or was let go, when the object came again is no second one.
    if header.renews.is_none() && header.revives.is_none() {
        entries.push(Seq(record.seq.0));
    }
    Ok(())
}

/// The numbers that a void record explains.
fn voided(header: &[u8]) -> BTreeSet<u64> {
    let header: serde_json::Value = serde_json::from_slice(header).unwrap();
    let ranges: Vec<(u64, u64)> = serde_json::from_value(header["void"].clone()).unwrap();
    ranges.into_iter().flat_map(|(first, last)| first..=last).collect()
}

/// Everything acknowledged is in the journal, and nothing is that must be refused.
pub(crate) fn safe<'a>(
    found: &Journaled,
    acknowledged: impl Iterator<Item = &'a Object>,
    sent: impl Iterator<Item = &'a Object>,
    looked_up: LookedUp,
) -> Vec<String> {
    let mut wrong = found.wrong.clone();
    for object in acknowledged {
        if !found.objects.contains_key(&held(object)) {
            wrong.push(format!(
                "LOST: {} was acknowledged and is not in the journal",
                object.header.sop_instance
            ));
        }
    }
    let mut known = BTreeSet::new();
    for object in sent {
        if object.form == Form::Truncated && found.objects.contains_key(&held(object)) {
            wrong.push(format!("CLAIMED: a truncated {} is in the journal", object.header.sop_instance));
        }
        known.insert(held(object));
    }
    let unknown = found.objects.keys().filter(|held| !known.contains(held));
    wrong.extend(unknown.map(|(uid, sha256)| format!("CLAIMED: nobody sent {uid} {sha256}")));
    if looked_up == LookedUp::Always {
        let twice = found.objects.iter().filter(|(_, seqs)| seqs.len() > 1);
        wrong.extend(twice.map(|((uid, _), seqs)| format!("TWICE: {uid} has the entries {seqs:?}")));
    }
    wrong
}

/// What an object is known by.
pub(crate) fn held(object: &Object) -> Held {
    (object.header.sop_instance.clone(), object.sha256)
}

/// The books are sound, equal what the journal says, and tell the truth about the members.
pub(crate) fn sound(
    store: &MemoryStore,
    ledger: &Ledger,
    reader: &JournalReader,
    found: &Journaled,
    archives: &[Archive],
    sent: &BTreeMap<Held, &Object>,
) -> Vec<String> {
    let mut wrong = Vec::new();
    let entries = read(store, |books| books.entries(EntryList::All, Seq(0), usize::MAX)).unwrap();
    let known: BTreeSet<Held> = entries.iter().map(held_of).collect();
    let missing = found.objects.keys().filter(|held| !known.contains(held));
    wrong.extend(missing.map(|(uid, _)| format!("the books lack {uid}")));
    for member in read(store, |books| books.members()).unwrap() {
        if member.account.difference() != 0 || member.account.accepted != entries.len() as u64 {
            wrong.push(format!("the account of {} does not add up: {:?}", member.name, member.account));
        }
    }
    for (number, archive) in archives.iter().enumerate() {
        let name = archive.name.to_lowercase();
        let member =
            ledger.policies().iter().find(|(_, policy)| policy.name.as_str() == name).map(|(n, _)| n);
        let Some(member) = member else {
            wrong.push(format!("member {number} has no number"));
            continue;
        };
        wrong.extend(at_member(store, &entries, member, archive, sent));
    }
    let mut anew = MemoryStore::default();
    match Ledger::rebuild(reader, &mut anew as &mut dyn LedgerStore) {
        Ok(_) => wrong.extend(differences(&dump(store), &dump(&anew))),
        Err(error) => wrong.push(format!("the books cannot be made anew: {error:?}")),
    }
    wrong
}

fn held_of(entry: &EntryRow) -> Held {
    (entry.header.sop_instance.clone(), entry.sha256)
}

/// What the books say of one member holds there.
fn at_member(
    store: &MemoryStore,
    entries: &[EntryRow],
    member: MemberNumber,
    archive: &Archive,
    sent: &BTreeMap<Held, &Object>,
) -> Vec<String> {
    let inventory = archive.inventory();
    let mut latest: BTreeMap<&SopInstanceUid, &EntryRow> = BTreeMap::new();
    let mut wrong = Vec::new();
    for entry in entries {
        let uid = &entry.header.sop_instance;
        if entry.marks.standing(member) != Standing::Superseded {
            latest.insert(uid, entry);
        }
    }
    let moot = entries.iter().map(|entry| &entry.header.sop_instance).filter(|uid| !latest.contains_key(uid));
    wrong.extend(moot.map(|uid| format!("every version of {uid} is moot at {}", archive.name)));
    for (uid, entry) in &latest {
        match entry.marks.standing(member) {
            Standing::Confirmed => {
                let there =
                    inventory.get(uid).map_or("nothing".to_owned(), |copy| same(copy, sent[&held_of(entry)]));
                if there != SAME || !archive.shows(uid) {
                    wrong.push(format!("NOT AT THE MEMBER: {uid} at {}: {there}", archive.name));
                }
            }
            Standing::Suspense => {
                let key = PostingKey { entry: entry.seq, member };
                let posting = read(store, |books| books.posting(key, entry.lane)).unwrap();
                let reason = posting.and_then(|posting| posting.suspense);
                if reason.is_none_or(|suspended| suspended.text.is_empty()) {
                    wrong.push(format!("{key} stands in suspense without a reason"));
                }
            }
            standing @ (Standing::Pending
            | Standing::Superseded
            | Standing::NotWanted
            | Standing::WrittenOff) => {
                wrong.push(format!("{uid} is {standing:?} at {} in the end", archive.name));
            }
        }
    }
    let unclaimed = inventory.keys().filter(|uid| !latest.contains_key(uid));
    wrong.extend(unclaimed.map(|uid| format!("{} has {uid}, and the books do not know it", archive.name)));
    wrong
}

/// How a member's copy compares with what was sent: equal bytes, or equal content in another encoding.
fn same(copy: &Copy, sent: &Object) -> String {
    if copy.sha256 == sent.sha256 {
        return SAME.to_owned();
    }
    let ours = Fingerprint::of(&sent.transfer_syntax, sent.bytes.clone());
    let theirs = Fingerprint::of(&copy.transfer_syntax, copy.bytes.clone());
    match normal::compare(&ours, &theirs) {
        Verdict::Identical | Verdict::ReEncoded => SAME.to_owned(),
        verdict => format!("{verdict:?}"),
    }
}

fn dump(store: &dyn LedgerReader) -> Vec<String> {
    read(store, |books| {
        let mut lines = vec![format!("{:?}", books.position()?)];
        lines.extend(books.members()?.iter().map(|member| format!("{member:?}")));
        for entry in books.entries(EntryList::All, Seq(0), usize::MAX)? {
            lines.push(format!("{entry:?}"));
            lines.push(format!("{:?}", books.lookup(&entry.header.sop_instance)?));
        }
        Ok(lines)
    })
    .unwrap()
}

fn differences(ours: &[String], anew: &[String]) -> Vec<String> {
    let mut differ: Vec<String> = ours
        .iter()
        .zip(anew)
        .filter(|(ours, anew)| ours != anew)
        .map(|(ours, anew)| format!("REBUILD differs:\n   is {ours}\n anew {anew}"))
        .collect();
    if ours.len() != anew.len() {
        differ.push(format!("REBUILD has {} rows, not {}", anew.len(), ours.len()));
    }
    differ
}
