//! What is answered to a C-STORE that is not taken (PS3.4 table B.2-1, PS3.7 Annex C).

use outrigger_dataset::scan::ScanError;
use outrigger_dimse::Outcome;
use outrigger_model::{InstanceHeader, SopClassUid, SopInstanceUid, Status, Tag};
use outrigger_runtime::spool::SpoolError;

use crate::service::{RefusalKind, StoreRefusal};

/// Why an object is refused, for the peer and for the list of refusals.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) status: Status,
    pub(super) text: String,
    pub(super) offending: Vec<Tag>,
}

impl Refusal {
    pub(super) fn new(status: Status, text: impl Into<String>) -> Self {
        Self { status, text: text.into(), offending: Vec::new() }
    }

    pub(super) fn outcome(&self) -> Outcome {
        Outcome {
            status: self.status,
            error_comment: Some(self.text.clone()),
            offending: self.offending.clone(),
        }
    }
}

/// The service's refusal.
pub(super) fn of_service(refusal: &StoreRefusal) -> Refusal {
    let status = match refusal.kind {
        RefusalKind::OutOfResources => Status::OUT_OF_RESOURCES,
        RefusalKind::NotAuthorized | RefusalKind::Rejected => Status::NOT_AUTHORIZED,
        RefusalKind::ClassNotSupported => Status::SOP_CLASS_NOT_SUPPORTED,
        RefusalKind::Failed => Status::PROCESSING_FAILURE,
    };
    Refusal::new(status, refusal.text.clone())
}

/// An object that could not be taken in: the sender may try again when there is room.
pub(super) fn of_spool(error: &SpoolError) -> Refusal {
    Refusal::new(Status::OUT_OF_RESOURCES, error.to_string())
}

/// Bytes that cannot be understood, or that lack what identifies an object.
pub(super) fn of_scan(error: &ScanError) -> Refusal {
    let offending = match error {
        ScanError::MissingUid { tag } | ScanError::BadUid { tag, .. } => vec![*tag],
        ScanError::Truncated { .. }
        | ScanError::Unfinished { .. }
        | ScanError::BadLength { .. }
        | ScanError::Misplaced { .. }
        | ScanError::Inflate(_) => Vec::new(),
    };
    Refusal { status: error.refusal(), text: error.to_string(), offending }
}

/// The UIDs of command and data set must be the same.
pub(super) fn of_identity(
    sop_class: &SopClassUid,
    sop_instance: &SopInstanceUid,
    header: &InstanceHeader,
) -> Result<(), Refusal> {
    let mut offending = Vec::new();
    if header.sop_class != *sop_class {
        offending.push(Tag::SOP_CLASS_UID);
    }
    if header.sop_instance != *sop_instance {
        offending.push(Tag::SOP_INSTANCE_UID);
    }
    if offending.is_empty() {
        return Ok(());
    }
    let text = "UIDs of command and data set differ".to_owned();
    Err(Refusal { status: Status::DATA_SET_MISMATCH, text, offending })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn differing_uids_are_named() {
        let class = |uid| SopClassUid::new(uid).unwrap();
        let instance = |uid| SopInstanceUid::new(uid).unwrap();
        let header = InstanceHeader {
            sop_class: class("1.2"),
            sop_instance: instance("1.2.3"),
            study: None,
            series: None,
            attributes: Vec::new(),
        };
        for (sop_class, sop_instance, offending) in [
            ("1.2", "1.2.3\0", vec![]),
            ("1.9", "1.2.3", vec![Tag::SOP_CLASS_UID]),
            ("1.2", "1.2.4", vec![Tag::SOP_INSTANCE_UID]),
            ("1.9", "1.2.4", vec![Tag::SOP_CLASS_UID, Tag::SOP_INSTANCE_UID]),
        ] {
            let outcome = of_identity(&class(sop_class), &instance(sop_instance), &header);
            assert_eq!(outcome.err().map(|refusal| refusal.offending).unwrap_or_default(), offending);
        }
    }

    #[test]
    fn every_kind_has_a_failure_of_its_own_class() {
        for (kind, status) in [
            (RefusalKind::OutOfResources, 0xA700),
            (RefusalKind::NotAuthorized, 0x0124),
            (RefusalKind::ClassNotSupported, 0x0122),
            (RefusalKind::Rejected, 0x0124),
            (RefusalKind::Failed, 0x0110),
        ] {
            let refusal = StoreRefusal { kind, text: "why".into(), source: None };
            assert_eq!(of_service(&refusal), Refusal::new(Status(status), "why"));
        }
    }
}
