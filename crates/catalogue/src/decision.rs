//! What was decided of instances that are kept: hidden, restored, deleted, a version chosen. Decisions are numbered, and kept apart
//! from the catalogue, which can be made anew from objects and decisions.

use outrigger_model::{
    InstanceHeader, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid, StudyUid, WallTime,
};
use serde::{Deserialize, Serialize};

use crate::Edit;

/// One decision; applied in the order of the numbers, each once.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Who decided it, when and why.
    #[serde(flatten)]
    pub mark: DecisionMark,
    /// What.
    pub ruling: Ruling,
}

/// Who decided something, when and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecisionMark {
    /// Counted from 1, without a gap.
    pub number: u64,
    /// When.
    pub at: WallTime,
    /// The person, or what acted by itself.
    pub by: String,
    /// Why, in words.
    pub reason: String,
}

/// What was decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Ruling {
    /// Not shown any more; the bytes stay.
    Hide {
        /// The code of the rejection, where it is one (IHE RAD-66).
        rejection: Option<Rejection>,
        /// The instances, known or not.
        instances: Vec<Named>,
    },
    /// Not shown any more, and the bytes go later.
    Delete {
        /// The code of the rejection, where it is one.
        rejection: Option<Rejection>,
        /// When the bytes go; until then it can be undone.
        due: WallTime,
        /// The instances.
        instances: Vec<Named>,
    },
    /// Shown again, and taken again where the bytes have gone.
    Restore {
        /// The instances.
        instances: Vec<Named>,
    },
    /// Studies and series are said to be otherwise than their objects say.
    Edit {
        /// Which change it is, in a word.
        change: String,
        /// Each of them.
        edits: Vec<Edit>,
    },
    /// One of several versions stands for an instance from now on.
    Choose {
        /// The digest of its bytes.
        sha256: Sha256Digest,
        /// What it says of itself.
        header: Box<InstanceHeader>,
        /// Default issuer of patient ID of where it came from.
        issuer: Option<String>,
    },
}

/// An instance as a decision names it: enough to know it by when its bytes have gone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// SOP Class UID, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sop_class: Option<SopClassUid>,
    /// Study Instance UID, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub study: Option<StudyUid>,
    /// Series Instance UID, where it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesUid>,
    /// The digests of its versions, that which stood for it first.
    #[serde(default)]
    pub sha256: Vec<Sha256Digest>,
}

/// Why instances are rejected: the title of the note that says so (PS3.16 CID 7011, IHE RAD TF-3 4.66).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Rejection {
    /// Rejected for Quality Reasons.
    #[serde(rename = "113001")]
    Quality,
    /// Rejected for Patient Safety Reasons.
    #[serde(rename = "113037")]
    Safety,
    /// Incorrect Modality Worklist Entry.
    #[serde(rename = "113038")]
    WorklistEntry,
    /// Data Retention Policy Expired.
    #[serde(rename = "113039")]
    RetentionExpired,
}

impl Rejection {
    const ALL: [Self; 4] = [Self::Quality, Self::Safety, Self::WorklistEntry, Self::RetentionExpired];

    /// Its code value in the DICOM Controlled Terminology (PS3.16 Annex D).
    pub fn code(self) -> &'static str {
        match self {
            Self::Quality => "113001",
            Self::Safety => "113037",
            Self::WorklistEntry => "113038",
            Self::RetentionExpired => "113039",
        }
    }

    /// Its meaning in that terminology.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Quality => "Rejected for Quality Reasons",
            Self::Safety => "Rejected for Patient Safety Reasons",
            Self::WorklistEntry => "Incorrect Modality Worklist Entry",
            Self::RetentionExpired => "Data Retention Policy Expired",
        }
    }

    /// The rejection with a code value.
    pub fn from_code(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rejection| rejection.code() == code)
    }
}
