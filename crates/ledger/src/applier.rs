//! The applier: what follows in the books from records of the journal.

use std::time::Duration;

use outrigger_catalogue::{CatalogueInstance, Put, PutOutcome, Version};
use outrigger_journal::{BodyFacts, Entry, Presence, Record, RecordKind};
use outrigger_model::{JournalId, MemberName, MemberNumber, MemberSet, Seq, Sha256Digest, WallTime};

use crate::account::Account;
use crate::applier::decide::CameAgain;
use crate::applier::desk::{Desk, Found};
use crate::applier::repeats::Repeat;
use crate::entry::{Bytes, EntryRow, InstanceIds, LaneNumber, Marks, Relation};
use crate::finding::{Finding, FindingKind};
use crate::peer::Peer;
use crate::posting::PostingKey;
use crate::record::{
    ClosingRecord, DecisionRecord, MemberRecord, MemberState, ObjectRecord, RecordError, decode,
};
use crate::store::{LedgerTx, MemberRow, StoreError};

pub(crate) mod decide;
pub(crate) mod desk;
mod promising;
pub(crate) mod repeats;
pub(crate) mod writer;

/// How long closings are remembered for [`crate::Ledger::reopen`], by the journal's clock.
pub(crate) const CLOSINGS_KEPT: Duration = Duration::from_secs(15 * 60);

/// A record of the journal, read.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// The position once it is applied.
    pub(crate) seq: Seq,
    /// When it was appended.
    pub(crate) at: WallTime,
    pub(crate) fact: Fact,
}

/// What a record says.
#[derive(Debug)]
pub(crate) enum Fact {
    Object(Box<ObjectRecord>, BodyFacts),
    Closing(ClosingRecord),
    Member(MemberRecord),
    Decision(DecisionRecord),
    /// Nothing the books follow from: the journal's own records.
    Nothing,
    /// It cannot be read.
    Unreadable(String),
}

impl Incoming {
    /// Reads what the journal gave; `None` for damage that touches no entry. A record of a newer version is an error: the books must not pass over it.
    pub(crate) fn read(entry: &Entry) -> Result<Option<Self>, RecordError> {
        let record = match entry {
            Entry::Record(record) => record,
            Entry::Damaged(damage) => {
                return Ok(damage.entries.map(|(_, last)| {
                    let fact = Fact::Unreadable(damage.to_string());
                    Self { seq: Seq(last.0), at: WallTime(0), fact }
                }));
            }
        };
        let fact = match read_fact(record) {
            Ok(fact) => fact,
            Err(RecordError::Malformed(error)) => {
                Fact::Unreadable(format!("the header of this {} is unreadable: {error}", record.kind))
            }
            Err(newer @ RecordError::Newer { .. }) => return Err(newer),
        };
        Ok(Some(Self { seq: Seq(record.seq.0), at: WallTime(record.at_us), fact }))
    }
}

fn read_fact(record: &Record) -> Result<Fact, RecordError> {
    Ok(match (record.kind, record.body) {
        (RecordKind::Object, Some(body)) => Fact::Object(Box::new(decode(&record.header)?), body),
        (RecordKind::Object, None) => Fact::Unreadable("this object's record names no bytes".to_owned()),
        (RecordKind::Closing, _) => Fact::Closing(decode(&record.header)?),
        (RecordKind::Member, _) => Fact::Member(decode(&record.header)?),
        (RecordKind::Decision, _) => Fact::Decision(decode(&record.header)?),
        (RecordKind::Release | RecordKind::Void, _) => Fact::Nothing,
    })
}

/// Applies records in one transaction, position included; gives the entries among them whose bytes had come before.
pub(crate) fn apply(
    tx: &mut dyn LedgerTx,
    journal: JournalId,
    entries: u64,
    batch: &[Incoming],
) -> Result<Vec<Repeat>, StoreError> {
    let mut repeats = Vec::new();
    let Some(last) = batch.last() else { return Ok(repeats) };
    let instances: Vec<CatalogueInstance> = batch.iter().filter_map(catalogue_instance).collect();
    let mut outcomes = tx.put_instances(&instances)?.into_iter();
    let mut desk = Desk::new(tx, last.at)?;
    // From the first write on; the transaction makes it one with the rest.
    desk.changes.position = Some((journal, last.seq));
    let mut entries = entries;
    for incoming in batch {
        let Incoming { seq, at, fact } = incoming;
        desk.at = *at;
        match fact {
            Fact::Object(record, body) => {
                let Some(outcome) = outcomes.next() else { continue };
                for member in &record.wanted {
                    name_member(&mut desk, entries, member.number, &member.name);
                }
                let relation = enter_object(&mut desk, *seq, *at, record, body, outcome)?;
                if let Relation::RepeatOf(of) = relation {
                    let again = CameAgain { seq: *seq, at: *at, of, kept: body.presence == Presence::Kept };
                    decide::bytes_came_again(&mut desk, &again, record)?;
                    repeats.push(Repeat { entry: *seq, of });
                }
                entries += 1;
            }
            Fact::Closing(record) => close(&mut desk, *seq, *at, record)?,
            Fact::Member(record) => name_member(&mut desk, entries, record.number, &record.name),
            Fact::Decision(record) => decide::decide(&mut desk, *seq, *at, record)?,
            Fact::Unreadable(text) => {
                let finding = Finding::of_entry(FindingKind::Unreadable, *seq, text.clone(), *at);
                desk.changes.notes.push(finding.note());
            }
            Fact::Nothing => {}
        }
    }
    if !desk.changes.closings.is_empty() {
        desk.changes.closings_forgotten = Some(before(last.at, CLOSINGS_KEPT));
    }
    desk.flush()?;
    Ok(repeats)
}

fn before(at: WallTime, duration: Duration) -> WallTime {
    WallTime(at.0.saturating_sub(i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)))
}

fn catalogue_instance(incoming: &Incoming) -> Option<CatalogueInstance> {
    match &incoming.fact {
        Fact::Object(record, body) => Some(CatalogueInstance {
            header: record.instance.clone(),
            issuer: record.origin.issuer.clone(),
            version: Version {
                transfer_syntax: record.transfer_syntax.clone(),
                sha256: Sha256Digest(body.sha256),
                length: body.length,
                stored_at: incoming.at,
                place: incoming.seq.0,
            },
        }),
        Fact::Closing(_) | Fact::Member(_) | Fact::Decision(_) | Fact::Nothing | Fact::Unreadable(_) => None,
    }
}

fn enter_object(
    desk: &mut Desk<'_>,
    seq: Seq,
    at: WallTime,
    record: &ObjectRecord,
    body: &BodyFacts,
    outcome: PutOutcome,
) -> Result<Relation, StoreError> {
    let sha256 = Sha256Digest(body.sha256);
    let relation = relation(desk, seq, record, &sha256, outcome.put)?;
    let instance = &record.instance;
    let row = EntryRow {
        seq,
        at,
        lane: LaneNumber(outcome.rows.parents.map_or(0, |parents| parents.study)),
        header: InstanceIds {
            sop_class: instance.sop_class.clone(),
            sop_instance: instance.sop_instance.clone(),
            study: instance.study.clone(),
            series: instance.series.clone(),
        },
        transfer_syntax: record.transfer_syntax.clone(),
        sha256,
        length: body.length,
        calling_ae: record.origin.calling_ae.clone(),
        balanced_at: None,
        relation,
        bytes: match body.presence {
            Presence::Kept => Bytes::Kept,
            Presence::Released => Bytes::Released,
        },
        marks: first_marks(desk, record, relation),
    };
    desk.enter(row);
    let peer = desk.changes.peers.entry(record.origin.calling_ae.clone()).or_insert_with(|| Peer {
        ae_title: record.origin.calling_ae.clone(),
        last_seen: at,
        objects: 0,
    });
    peer.objects += 1;
    peer.last_seen = at;
    if let Relation::Uncompared(earlier) = relation {
        let text = format!("other bytes than entry {earlier} under the same SOP Instance UID");
        desk.changes.notes.push(Finding::of_entry(FindingKind::OtherBytes, seq, text, at).note());
    }
    Ok(relation)
}

fn relation(
    desk: &Desk<'_>,
    seq: Seq,
    record: &ObjectRecord,
    sha256: &Sha256Digest,
    put: Put,
) -> Result<Relation, StoreError> {
    if put == Put::New {
        return Ok(Relation::First);
    }
    let Some(located) = desk.reads().lookup(&record.instance.sop_instance)? else {
        return Ok(Relation::First);
    };
    let earlier = located.versions().filter(|version| version.place < seq.0);
    let found = match put {
        Put::New => None,
        Put::Same => earlier
            .filter(|version| version.sha256 == *sha256)
            .map(|version| Relation::RepeatOf(Seq(version.place)))
            .next(),
        Put::Other => {
            earlier.map(|version| version.place).max().map(|place| Relation::Uncompared(Seq(place)))
        }
    };
    Ok(found.unwrap_or(Relation::First))
}

/// Where a new entry stands: owed to those who want it, closed where it came from, moot where it repeats an earlier one.
///
/// One that came because that one is damaged is moot too: it brings bytes and no version. What is owed stays owed by the earlier
/// entry, in its place before the versions that came since, as if nothing had been damaged.
fn first_marks(desk: &Desk<'_>, record: &ObjectRecord, relation: Relation) -> Marks {
    let origin = origin(desk, record);
    let wanted = wanting(desk, record).and(origin);
    let superseded = match relation {
        Relation::RepeatOf(_) => wanted.without(origin),
        Relation::First | Relation::Uncompared(_) | Relation::ReEncodes(_) | Relation::Contradicts(_) => {
            MemberSet::EMPTY
        }
    };
    Marks { wanted, origin, confirmed: origin, present: origin, superseded, ..Marks::default() }
}

/// The members in service that want an object.
fn wanting(desk: &Desk<'_>, record: &ObjectRecord) -> MemberSet {
    let active: MemberSet = desk.active().map(|member| member.number).collect();
    record.wanted.iter().map(|member| member.number).collect::<MemberSet>().common(active)
}

/// The member in service that an object came from, if it is one.
fn origin(desk: &Desk<'_>, record: &ObjectRecord) -> MemberSet {
    let of = desk.active().filter(|member| record.origin.member.as_ref() == Some(&member.name));
    of.map(|member| member.number).collect()
}

fn close(desk: &mut Desk<'_>, seq: Seq, at: WallTime, record: &ClosingRecord) -> Result<(), StoreError> {
    for closed in &record.closed {
        for entry in &closed.entries {
            let key = PostingKey { entry: *entry, member: closed.member };
            let found = desk.alter(key, |row, posting| {
                row.marks.close(key.member, closed.level);
                *posting = None;
            })?;
            match found {
                Found::Here => desk.changes.closings.push((key, at)),
                Found::Nowhere => note_unknown(desk, seq, key, at),
            }
            supersede_earlier(desk, key)?;
        }
    }
    Ok(())
}

/// A closed posting makes those of earlier entries of the same instance moot at that member: they must not be sent after it.
fn supersede_earlier(desk: &mut Desk<'_>, key: PostingKey) -> Result<(), StoreError> {
    let mut next = desk.entry(key.entry)?.and_then(|entry| entry.relation.earlier());
    while let Some(entry) = next {
        let key = PostingKey { entry, member: key.member };
        desk.alter(key, |row, posting| {
            if posting.take().is_some() {
                row.marks.superseded.insert(key.member);
            }
        })?;
        next = desk.entry(entry)?.and_then(|entry| entry.relation.earlier());
    }
    Ok(())
}

/// A record speaks of an entry that is not there: its own record must have been damaged.
pub(crate) fn note_unknown(desk: &mut Desk<'_>, seq: Seq, key: PostingKey, at: WallTime) {
    let text = format!("record {seq} speaks of entry {}, which cannot be read", key.entry);
    let finding =
        Finding { kind: FindingKind::Unreadable, entry: Some(key.entry), member: Some(key.member), text, at };
    desk.changes.notes.push(finding.note());
}

/// Takes a member in that is not known yet: by its own record, or, where that one is lost, by an object it wants.
fn name_member(desk: &mut Desk<'_>, entries: u64, number: MemberNumber, name: &MemberName) {
    if !desk.knows(number, name) {
        desk.name_member(MemberRow {
            number,
            name: name.clone(),
            state: MemberState::Active,
            account: Account::joining(entries),
        });
    }
}
