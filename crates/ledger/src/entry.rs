//! Entries: one accepted object each, and where it stands at every member.

use outrigger_model::{
    AeTitle, ConfirmLevel, MemberNumber, MemberSet, Seq, SeriesUid, Sha256Digest, SopClassUid,
    SopInstanceUid, StudyUid, TransferSyntaxUid, WallTime,
};

/// The study an entry belongs to, by its row in the catalogue; 0 for instances outside studies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct LaneNumber(pub u64);

/// An accepted object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntryRow {
    /// Its number in the journal.
    pub seq: Seq,
    /// When it was accepted.
    pub at: WallTime,
    /// Its study.
    pub lane: LaneNumber,
    /// What it is.
    pub header: InstanceIds,
    /// The encoding of its bytes.
    pub transfer_syntax: TransferSyntaxUid,
    /// Digest of its bytes.
    pub sha256: Sha256Digest,
    /// Length of its bytes.
    pub length: u64,
    /// Who sent it.
    pub calling_ae: AeTitle,
    /// When its last open posting was closed; `None` while one is open.
    pub balanced_at: Option<WallTime>,
    /// What it is to earlier entries.
    pub relation: Relation,
    /// Whether the journal still has its bytes.
    pub bytes: Bytes,
    /// Where it stands at the members.
    pub marks: Marks,
}

/// What an instance is known by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceIds {
    /// SOP Class UID.
    pub sop_class: SopClassUid,
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// Study Instance UID.
    pub study: Option<StudyUid>,
    /// Series Instance UID.
    pub series: Option<SeriesUid>,
}

/// What an entry is to earlier ones of the same SOP Instance UID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Relation {
    /// There is no earlier one.
    First,
    /// The same bytes came before; it was accepted only because the database could not be asked.
    RepeatOf(Seq),
    /// Other bytes came before, and nobody has compared what they mean.
    Uncompared(Seq),
    /// Another encoding of the same content came before.
    ReEncodes(Seq),
    /// Another content came before.
    Contradicts(Seq),
}

impl EntryRow {
    /// Notes when the last open posting was closed, or that one is open again.
    pub(crate) fn note_balance(&mut self, at: WallTime) {
        self.balanced_at = match self.balanced_at {
            _ if !self.marks.open().is_empty() => None,
            None => Some(at),
            balanced => balanced,
        };
    }
}

impl Relation {
    /// The earlier entry, if there is one.
    pub fn earlier(self) -> Option<Seq> {
        match self {
            Self::First => None,
            Self::RepeatOf(seq) | Self::Uncompared(seq) | Self::ReEncodes(seq) | Self::Contradicts(seq) => {
                Some(seq)
            }
        }
    }
}

/// Whether the journal still has an entry's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Bytes {
    /// It has.
    Kept,
    /// They were let go.
    Released,
}

/// Where an entry stands at every member, one bit each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Marks {
    /// Those who want it.
    pub wanted: MemberSet,
    /// Those it came from.
    pub origin: MemberSet,
    /// Those whose posting was closed by confirmation.
    pub confirmed: MemberSet,
    /// Those that showed it to a query.
    pub present: MemberSet,
    /// Those that committed to it.
    pub committed: MemberSet,
    /// Those it was read back from, with the same content.
    pub verified: MemberSet,
    /// Those where a person must look.
    pub suspense: MemberSet,
    /// Those where another entry of the same instance stands for it.
    pub superseded: MemberSet,
    /// Those where it was given up.
    pub written_off: MemberSet,
    /// Those it was sent to again after they had lost it.
    pub healed: MemberSet,
}

/// Where an entry stands at one member: exactly one of these, which is what makes the books balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Standing {
    /// Closed by confirmation, or it came from there.
    Confirmed,
    /// Owed.
    Pending,
    /// A person must look.
    Suspense,
    /// Another entry of the same instance stands for it.
    Superseded,
    /// Outside the member's scope.
    NotWanted,
    /// Given up by a named person.
    WrittenOff,
}

impl Marks {
    /// Where the entry stands at `member`.
    pub fn standing(&self, member: MemberNumber) -> Standing {
        if !self.wanted.contains(member) {
            Standing::NotWanted
        } else if self.written_off.contains(member) {
            Standing::WrittenOff
        } else if self.superseded.contains(member) {
            Standing::Superseded
        } else if self.confirmed.contains(member) {
            Standing::Confirmed
        } else if self.suspense.contains(member) {
            Standing::Suspense
        } else {
            Standing::Pending
        }
    }

    /// Members whose posting is open: owed or in suspense.
    pub fn open(&self) -> MemberSet {
        self.wanted.without(self.confirmed.and(self.superseded).and(self.written_off))
    }

    /// The highest level confirmed at `member`, where its posting is closed.
    pub fn level(&self, member: MemberNumber) -> Option<ConfirmLevel> {
        use ConfirmLevel::{Accepted, Committed, Present, Verified};
        [
            (self.verified, Verified),
            (self.committed, Committed),
            (self.present, Present),
            (self.confirmed, Accepted),
        ]
        .into_iter()
        .find(|(set, _)| set.contains(member))
        .map(|(_, level)| level)
    }

    /// Notes that `member` has the entry up to `level`, and closes its posting.
    pub(crate) fn close(&mut self, member: MemberNumber, level: ConfirmLevel) {
        use ConfirmLevel::{Committed, Present, Verified};
        self.confirmed.insert(member);
        self.suspense.remove(member);
        for (set, reached) in
            [(&mut self.present, Present), (&mut self.committed, Committed), (&mut self.verified, Verified)]
        {
            if level >= reached {
                set.insert(member);
            }
        }
    }

    /// Forgets what is known of `member`: the entry is owed there again.
    pub(crate) fn reopen(&mut self, member: MemberNumber) {
        for set in [
            &mut self.origin,
            &mut self.confirmed,
            &mut self.present,
            &mut self.committed,
            &mut self.verified,
            &mut self.suspense,
            &mut self.superseded,
            &mut self.written_off,
            &mut self.healed,
        ] {
            set.remove(member);
        }
        self.wanted.insert(member);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_and_reopening_leave_one_standing() {
        let member = MemberNumber(3);
        let mut marks = Marks::default();
        assert_eq!(marks.standing(member), Standing::NotWanted);
        marks.wanted.insert(member);
        assert_eq!(marks.standing(member), Standing::Pending);
        marks.suspense.insert(member);
        assert_eq!(marks.standing(member), Standing::Suspense);
        marks.close(member, ConfirmLevel::Committed);
        assert_eq!(marks.standing(member), Standing::Confirmed);
        assert_eq!(marks.level(member), Some(ConfirmLevel::Committed));
        assert!(marks.present.contains(member) && !marks.verified.contains(member));
        assert!(marks.open().is_empty());
        marks.reopen(member);
        assert_eq!((marks.standing(member), marks.level(member)), (Standing::Pending, None));
    }
}
