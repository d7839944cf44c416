//! What a transaction changes: decided in pure code, written by a store.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_model::{AeTitle, JournalId, MemberNumber, Seq, SopInstanceUid, TransactionUid, WallTime};

use crate::account::AccountChange;
use crate::commitment::Commitment;
use crate::entry::{EntryRow, LaneNumber};
use crate::healing::Healing;
use crate::inventory::{Inventory, Shortfall, Sighting};
use crate::note::{Note, NoteKind};
use crate::peer::Peer;
use crate::posting::{PostingKey, PostingRow, Stage};
use crate::promise::{Promise, PromiseHead};
use crate::record::MemberState;
use crate::store::MemberRow;

/// What a transaction changes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// How far the books follow the journal now.
    pub position: Option<(JournalId, Seq)>,
    /// Entries, by number.
    pub entries: BTreeMap<Seq, EntryChange>,
    /// Open postings.
    pub postings: BTreeMap<PostingKey, PostingChange>,
    /// Accounts of members.
    pub accounts: BTreeMap<MemberNumber, AccountChange>,
    /// Studies at members.
    pub lanes: BTreeMap<(MemberNumber, LaneNumber), LaneChange>,
    /// Members that got a number.
    pub members: Vec<MemberRow>,
    /// Members whose state changed; a retired one loses its open postings.
    pub member_states: BTreeMap<MemberNumber, MemberState>,
    /// Postings closed by confirmation, and when: remembered for a while, so that they can be confirmed again.
    pub closings: Vec<(PostingKey, WallTime)>,
    /// Closings older than this are forgotten.
    pub closings_forgotten: Option<WallTime>,
    /// Senders seen.
    pub peers: BTreeMap<AeTitle, Peer>,
    /// Things noted.
    pub notes: Vec<Note>,
    /// Notes that are closed.
    pub notes_closed: Vec<(NoteKind, u64)>,
    /// Studies at members whose healings are forgotten, before `healings`.
    pub healings_forgotten: BTreeSet<(MemberNumber, LaneNumber)>,
    /// Postings whose object was sent again after the member had lost it.
    pub healings: BTreeMap<PostingKey, Healing>,
    /// How far inventories of members are.
    pub inventories: BTreeMap<MemberNumber, Inventory>,
    /// Studies that members show.
    pub sightings: Vec<Sighting>,
    /// Studies that members do not list whole, or now do.
    pub shortfalls: Vec<Shortfall>,
    /// Storage commitment transactions begun.
    pub commitments_begun: Vec<Commitment>,
    /// Storage commitment transactions ended.
    pub commitments_ended: Vec<TransactionUid>,
    /// Requests for storage commitment taken or decided, whole.
    pub promises: Vec<Promise>,
    /// Requests whose report was tried: where they stand now.
    pub promise_heads: Vec<PromiseHead>,
    /// Requests whose result was reported.
    pub promises_ended: Vec<TransactionUid>,
    /// Instances whose bytes stay for a request.
    pub pinned: Vec<(SopInstanceUid, TransactionUid)>,
    /// Instances whose bytes need not stay, after `pinned`.
    pub unpinned: Vec<Unpinned>,
}

/// An instance whose bytes need not stay any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unpinned {
    /// For one request: it was not promised, or its bytes were gone.
    ByRequest {
        /// The instance.
        instance: SopInstanceUid,
        /// The request.
        transaction: TransactionUid,
    },
    /// For all: its bytes were let go.
    Released {
        /// The instance.
        instance: SopInstanceUid,
    },
}

/// An entry that is new or altered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryChange {
    /// Whether it was there before.
    pub kind: EntryChangeKind,
    /// The entry as it is now.
    pub row: EntryRow,
}

/// Whether an entry was there before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EntryChangeKind {
    /// It was not.
    New,
    /// It was; relation, bytes and marks may differ now.
    Altered,
    /// It was, and nothing differs: it was only read.
    Same,
}

/// An open posting before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PostingChange {
    /// Where it stood, if it was open.
    pub before: Option<Place>,
    /// What it is now, if it is open.
    pub after: Option<PostingRow>,
}

/// Where an open posting stands in the order of work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Its study.
    pub lane: LaneNumber,
    /// How far it got.
    pub stage: Stage,
}

/// What changes for a study at a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LaneChange {
    /// Change of the number of postings never sent.
    pub untried: i64,
    /// The newest of them, and when it was accepted.
    pub newest: Option<(Seq, WallTime)>,
    /// Whether it goes before everything from now on.
    pub urgency: Option<Urgency>,
}

/// Whether a study goes before everything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// In its turn.
    Usual,
    /// Before everything.
    Expedited,
}
