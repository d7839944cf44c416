//! Abstract syntaxes of the standard that are no storage classes (PS3.6 table A-1), so that everything else may be
//! one.

use outrigger_model::{SopClassUid, sop_class};

/// Whether a UID is known to name something that C-STORE does not carry.
pub(super) fn contains(uid: &SopClassUid) -> bool {
    sop_class::storage_name(uid).is_none()
        && (CLASSES.contains(&uid.as_str()) || ARCS.iter().any(|arc| uid.as_str().starts_with(arc)))
}

/// Single classes, among them Media Storage Directory, which stands on media only.
const CLASSES: &[&str] = &[
    "1.2.840.10008.1.1",
    "1.2.840.10008.1.3.10",
    "1.2.840.10008.1.9",
    "1.2.840.10008.1.40",
    "1.2.840.10008.1.42",
    "1.2.840.10008.4.2",
    "1.2.840.10008.5.1.4.1.1.200.4",
    "1.2.840.10008.5.1.4.1.1.200.5",
    "1.2.840.10008.5.1.4.1.1.200.6",
    "1.2.840.10008.5.1.4.1.1.201.2",
    "1.2.840.10008.5.1.4.1.1.201.3",
    "1.2.840.10008.5.1.4.1.1.201.4",
    "1.2.840.10008.5.1.4.1.1.201.5",
    "1.2.840.10008.5.1.4.1.1.201.6",
    "1.2.840.10008.5.1.4.31",
    "1.2.840.10008.5.1.4.33",
    "1.2.840.10008.5.1.4.41",
    "1.2.840.10008.5.1.4.42",
];

/// Whole arcs: storage commitment, management and procedure step classes, printing, query and retrieve, work lists,
/// relevant patient information, and the query classes of templates and protocols.
const ARCS: &[&str] = &[
    "1.2.840.10008.1.20.",
    "1.2.840.10008.3.1.2.",
    "1.2.840.10008.5.1.1.",
    "1.2.840.10008.5.1.4.1.2.",
    "1.2.840.10008.5.1.4.32.",
    "1.2.840.10008.5.1.4.34.",
    "1.2.840.10008.5.1.4.37.",
    "1.2.840.10008.5.1.4.38.",
    "1.2.840.10008.5.1.4.39.",
    "1.2.840.10008.5.1.4.43.",
    "1.2.840.10008.5.1.4.44.",
    "1.2.840.10008.5.1.4.45.",
    "1.2.840.10008.10.",
];
