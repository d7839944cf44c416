//! What a SOP class is for.

use outrigger_model::{QueryRoot, SopClassUid, sop_class};

/// The UIDs of the standard.
const STANDARD: &str = "1.2.840.10008.";
/// Where the standard keeps its composite storage classes; new ones appear here each year.
const STORAGE: &str = "1.2.840.10008.5.1.4.1.1.";
/// Queries and retrievals of protocols and inventories, which stand among the storage classes.
const NOT_STORED: &[&str] = &[
    "1.2.840.10008.5.1.4.1.1.200.4",
    "1.2.840.10008.5.1.4.1.1.200.5",
    "1.2.840.10008.5.1.4.1.1.200.6",
    "1.2.840.10008.5.1.4.1.1.201.2",
    "1.2.840.10008.5.1.4.1.1.201.3",
    "1.2.840.10008.5.1.4.1.1.201.4",
    "1.2.840.10008.5.1.4.1.1.201.5",
    "1.2.840.10008.5.1.4.1.1.201.6",
];

/// What a SOP class is for, as far as a front serves it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// C-ECHO.
    Verification,
    /// C-STORE: known storage classes, new ones of the standard, and private ones.
    Storage,
    /// C-FIND.
    Find(QueryRoot),
    /// C-MOVE.
    Move(QueryRoot),
    /// C-GET.
    Get(QueryRoot),
    /// Storage commitment: N-ACTION, N-EVENT-REPORT.
    Commit,
    /// Anything else of the standard.
    Other,
}

/// What a SOP class is for.
pub(super) fn class_of(uid: &SopClassUid) -> Class {
    match uid.as_str() {
        sop_class::VERIFICATION => Class::Verification,
        sop_class::PATIENT_ROOT_FIND => Class::Find(QueryRoot::Patient),
        sop_class::STUDY_ROOT_FIND => Class::Find(QueryRoot::Study),
        sop_class::PATIENT_ROOT_MOVE => Class::Move(QueryRoot::Patient),
        sop_class::STUDY_ROOT_MOVE => Class::Move(QueryRoot::Study),
        sop_class::PATIENT_ROOT_GET => Class::Get(QueryRoot::Patient),
        sop_class::STUDY_ROOT_GET => Class::Get(QueryRoot::Study),
        sop_class::STORAGE_COMMITMENT_PUSH => Class::Commit,
        _ if sop_class::storage_name(uid).is_some() => Class::Storage,
        text if NOT_STORED.contains(&text) => Class::Other,
        text if text.starts_with(STORAGE) || !text.starts_with(STANDARD) => Class::Storage,
        _ => Class::Other,
    }
}
