//! What goes into the catalogue, and what comes out for one instance.

use outrigger_model::{
    InstanceHeader, MemberSet, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid, StudyUid,
    TransferSyntaxUid, WallTime,
};
use serde::{Deserialize, Serialize};

use crate::Withheld;

/// An instance to be entered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CatalogueInstance {
    /// Its identifying attributes.
    pub header: InstanceHeader,
    /// Issuer of patient ID that holds where the header names none.
    pub issuer: Option<String>,
    /// Its bytes.
    pub version: Version,
}

/// The bytes kept of an instance; two versions differ in their digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Version {
    /// The encoding they are in.
    pub transfer_syntax: TransferSyntaxUid,
    /// Their digest.
    pub sha256: Sha256Digest,
    /// Their length.
    pub length: u64,
    /// When they were stored.
    pub stored_at: WallTime,
    /// Where their keeper finds them: a sequence in a journal, or nothing of meaning where the digest itself is the address.
    pub place: u64,
}

/// What entering an instance came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Put {
    /// First of its SOP Instance UID.
    New,
    /// These bytes were entered before; nothing changed.
    Same,
    /// Other bytes under a known SOP Instance UID: entered as a further version, the one there was stays current.
    Other,
}

/// What entering an instance came to, and in which rows it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PutOutcome {
    /// What it came to.
    pub put: Put,
    /// Its rows.
    pub rows: RowNumbers,
}

/// The rows an instance stands in; a number is never used again in one catalogue, and entering the same instances in the
/// same order gives the same numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RowNumbers {
    /// Its own.
    pub instance: u64,
    /// Its series, study and patient; absent for an instance outside patients and studies (PS3.4 Annex GG).
    pub parents: Option<ParentNumbers>,
}

/// The rows above an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParentNumbers {
    /// Its series.
    pub series: u64,
    /// Its study.
    pub study: u64,
    /// Its patient.
    pub patient: u64,
}

/// An instance the catalogue has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located {
    /// Its rows.
    pub rows: RowNumbers,
    /// SOP Class UID.
    pub sop_class: SopClassUid,
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// Study Instance UID, where it stands in a study.
    pub study: Option<StudyUid>,
    /// Series Instance UID, where it stands in a series.
    pub series: Option<SeriesUid>,
    /// The bytes that stand for it, or who else has it.
    pub current: Current,
    /// Other bytes that came under the same SOP Instance UID, in the order they came.
    pub others: Vec<Version>,
    /// Why it is not shown, where it is not.
    pub withheld: Option<Box<Withheld>>,
}

impl Located {
    /// The bytes kept of it: those that stand for it first; none of an instance that was only seen.
    pub fn versions(&self) -> impl Iterator<Item = &Version> {
        self.current.kept().into_iter().chain(&self.others)
    }
}

/// What stands for an instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Current {
    /// Bytes that are kept.
    Kept(Version),
    /// None: it was never stored here, and others were seen to have it.
    Inherited(Inherited),
}

impl Current {
    /// The bytes, where they are kept.
    pub fn kept(&self) -> Option<&Version> {
        match self {
            Self::Kept(version) => Some(version),
            Self::Inherited(_) => None,
        }
    }
}

/// Who was seen to have an instance that was never stored here.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inherited {
    /// The members.
    pub members: MemberSet,
    /// When it was first seen.
    pub seen_at: WallTime,
}
