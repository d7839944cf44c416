//! What stands in the headers of journal records, as JSON.
//!
//! Everything that the books follow from stands here, so that they can be made anew from the journal alone. Attempts, timers and
//! levels below the one a member must reach do not.

use bytes::Bytes;
use outrigger_model::{
    ConfirmLevel, InstanceHeader, MemberName, MemberNumber, Oddity, Origin, Seq, Sha256Digest, Status,
    SuspenseReason, TransactionUid, TransferSyntaxUid,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::promise::{Asked, Failing, ReportEnd};

/// The version of what is written; a record of a newer one is not read.
pub const RECORD_VERSION: u32 = 1;

/// Entries named by one record at most: keeps its header far below the journal's limit of 1 MiB.
pub const ENTRIES_PER_RECORD_MAX: usize = 16_384;

/// The header of an object's record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRecord {
    /// [`RECORD_VERSION`].
    pub v: u32,
    /// Identifying attributes.
    pub instance: InstanceHeader,
    /// The encoding of the bytes.
    pub transfer_syntax: TransferSyntaxUid,
    /// Where it came from.
    pub origin: Origin,
    /// What is odd about it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub oddities: Vec<Oddity>,
    /// Members whose scope it fell into when it came.
    pub wanted: Vec<Wanting>,
    /// The entry of the same bytes that made this one necessary, as the journal could not read it any more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renews: Option<Seq>,
    /// The entry of the same bytes that the journal had let go when they came again: it is owed anew, out of these.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revives: Option<Seq>,
}

/// A member that wants an object, by number and name: the object is owed there even if the record that gave the name its
/// number is lost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanting {
    /// Its permanent number.
    pub number: MemberNumber,
    /// The name that owns it.
    pub name: MemberName,
}

/// The header of a record of closed postings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClosingRecord {
    /// [`RECORD_VERSION`].
    pub v: u32,
    /// What was closed.
    pub closed: Vec<Closed>,
}

/// Postings of one member closed at the same level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Closed {
    /// The member.
    pub member: MemberNumber,
    /// The level reached.
    pub level: ConfirmLevel,
    /// The entries.
    pub entries: Vec<Seq>,
}

/// The header of a record that gives a member's name its number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberRecord {
    /// [`RECORD_VERSION`].
    pub v: u32,
    /// The number, permanent.
    pub number: MemberNumber,
    /// The name that owns it.
    pub name: MemberName,
}

/// The header of a record of a decision.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionRecord {
    /// [`RECORD_VERSION`].
    pub v: u32,
    /// Who decided, and why; absent where the system did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Decider>,
    /// What was decided.
    pub decision: Decision,
}

/// A person who decided something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decider {
    /// The person's name.
    pub name: String,
    /// The reason given.
    pub reason: String,
}

/// Something that was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// A posting was set aside for a person to look at.
    Suspended {
        /// The posting's entry.
        entry: Seq,
        /// The posting's member.
        member: MemberNumber,
        /// Why.
        reason: SuspenseReason,
        /// The member's own status, if it gave one.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        status: Option<Status>,
        /// In words.
        text: String,
    },
    /// Postings in suspense are tried again.
    Retried(AtMember),
    /// Postings were given up.
    WrittenOff(AtMember),
    /// Closed postings are to be confirmed again: the member may have forgotten what it acknowledged.
    Reopened(AtMember),
    /// Entries are sent again, or for the first time where the member did not want them.
    Resent(AtMember),
    /// Closed postings whose objects the member has lost: they are sent again.
    Healed(AtMember),
    /// A new version turned out to be the same content in another encoding: what is still open of it is moot.
    ReEncoded {
        /// The later entry.
        entry: Seq,
    },
    /// A new version is really another content, and a person must know.
    OtherContent {
        /// The later entry.
        entry: Seq,
    },
    /// A member gave an entry back in other bytes that say the same: bytes may go on that copy, and it may have to be delivered.
    GaveReEncoded {
        /// The entry.
        entry: Seq,
        /// The member.
        member: MemberNumber,
        /// Its copy.
        copy: MemberCopy,
    },
    /// Delivery to a member stopped, went on, or ended for good.
    MemberState {
        /// The member.
        member: MemberNumber,
        /// Its state from now on.
        state: MemberState,
    },
    /// A modality asked for storage commitment, and was answered that it will be told (PS3.4 Annex J).
    CommitmentAsked(Asked),
    /// What such a request ends with: all that did not fail is committed.
    CommitmentDecided {
        /// The request.
        transaction: TransactionUid,
        /// What is not committed.
        failed: Vec<Failing>,
    },
    /// The result of such a request was reported, or will not be.
    CommitmentReported {
        /// The request.
        transaction: TransactionUid,
        /// How that ended.
        end: ReportEnd,
    },
}

/// The bytes a member gave back of an entry, when they said the same as the journal's and were others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberCopy {
    /// The encoding they were in.
    pub transfer_syntax: TransferSyntaxUid,
    /// Their digest.
    pub sha256: Sha256Digest,
}

/// Postings of one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AtMember {
    /// The member.
    pub member: MemberNumber,
    /// The entries.
    pub entries: Vec<Seq>,
}

/// Whether a member is delivered to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// It is.
    Active,
    /// Not for the time being; what it is owed adds up.
    Held,
    /// Never again; it is out of the books.
    Retired,
}

/// Why the header of a record cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// Not the JSON expected.
    #[error("the header of the record is not what this version writes")]
    Malformed(#[source] serde_json::Error),
    /// A newer version wrote it.
    #[error(
        "the record has version {found}, and this program knows only {RECORD_VERSION}; start the newer program"
    )]
    Newer {
        /// The version found.
        found: u32,
    },
}

/// The part of every header that is read first.
#[derive(Deserialize)]
struct Versioned {
    v: u32,
}

/// Writes a header.
pub(crate) fn encode<T: Serialize>(record: &T) -> Result<Bytes, RecordError> {
    serde_json::to_vec(record).map(Bytes::from).map_err(RecordError::Malformed)
}

/// Reads a header.
pub(crate) fn decode<T: DeserializeOwned>(header: &[u8]) -> Result<T, RecordError> {
    serde_json::from_slice(header).map_err(|error| match serde_json::from_slice::<Versioned>(header) {
        Ok(Versioned { v }) if v > RECORD_VERSION => RecordError::Newer { found: v },
        Ok(_) | Err(_) => RecordError::Malformed(error),
    })
}

impl DecisionRecord {
    pub(crate) fn of_system(decision: Decision) -> Self {
        Self { v: RECORD_VERSION, by: None, decision }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_goes_there_and_back() {
        let record = DecisionRecord {
            v: RECORD_VERSION,
            by: Some(Decider { name: "A. Person".to_owned(), reason: "lost disk".to_owned() }),
            decision: Decision::Suspended {
                entry: Seq(7),
                member: MemberNumber(1),
                reason: SuspenseReason::Refused,
                status: Some(Status(0xC000)),
                text: "cannot understand".to_owned(),
            },
        };
        let header = encode(&record).unwrap();
        assert_eq!(decode::<DecisionRecord>(&header).unwrap(), record);
    }

    #[test]
    fn a_newer_version_is_told_from_rubbish() {
        let newer = decode::<ClosingRecord>(br#"{"v":2,"shut":[]}"#);
        assert!(matches!(newer, Err(RecordError::Newer { found: 2 })), "{newer:?}");
        assert!(matches!(decode::<ClosingRecord>(b"{"), Err(RecordError::Malformed(_))));
    }
}
