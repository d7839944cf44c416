//! What storage commitment carries (PS3.4 Annex J): the action information of a request, the event information of a
//! report.

use bytes::Bytes;
use outrigger_model::{AeTitle, SopClassUid, SopInstanceUid, Tag, TransactionUid, UidError};

use crate::element::{DataSet, Element, Vr};
use crate::form::Form;
use crate::read::{ReadError, read_form};
use crate::write::write;

const REFERENCED_SOP_CLASS: Tag = Tag(0x0008, 0x1150);
const REFERENCED_SOP_INSTANCE: Tag = Tag(0x0008, 0x1155);
const TRANSACTION: Tag = Tag(0x0008, 0x1195);
const FAILURE_REASON: Tag = Tag(0x0008, 0x1197);
const FAILED_SEQUENCE: Tag = Tag(0x0008, 0x1198);
const REFERENCED_SEQUENCE: Tag = Tag(0x0008, 0x1199);

/// An instance by reference.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstanceRef {
    /// Referenced SOP Class UID.
    pub sop_class: SopClassUid,
    /// Referenced SOP Instance UID.
    pub sop_instance: SopInstanceUid,
}

/// Asks to commit (N-ACTION, action type 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Names the request until its report has come.
    pub transaction: TransactionUid,
    /// What is to be committed.
    pub instances: Vec<InstanceRef>,
}

/// Says what was committed (N-EVENT-REPORT).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The request it answers.
    pub transaction: TransactionUid,
    /// What is committed.
    pub committed: Vec<InstanceRef>,
    /// What is not.
    pub failed: Vec<Failed>,
}

/// An instance that was not committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The instance.
    pub instance: InstanceRef,
    /// Failure Reason, a code of PS3.3 section C.14.1.1.
    pub reason: u16,
}

/// Why commitment information cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum CommitmentError {
    /// It is no data set.
    #[error("the storage commitment information cannot be read")]
    Unreadable(#[source] ReadError),
    /// A UID is absent or cannot be one.
    #[error("{tag} in the storage commitment information is no UID")]
    BadUid {
        /// The attribute.
        tag: Tag,
        /// What is wrong with it.
        #[source]
        source: UidError,
    },
    /// A failed instance has no reason.
    #[error("an instance that failed to commit has no Failure Reason (0008,1197)")]
    NoReason,
}

impl Request {
    /// Reads action information.
    pub fn read(form: Form, bytes: &[u8]) -> Result<Self, CommitmentError> {
        let data_set = parse(form, bytes)?;
        let instances = data_set.items(REFERENCED_SEQUENCE).iter().map(instance).collect::<Result<_, _>>()?;
        Ok(Self { transaction: uid(&data_set, TRANSACTION, TransactionUid::from_bytes)?, instances })
    }

    /// Writes action information.
    pub fn write(&self, form: Form) -> Vec<u8> {
        let mut data_set = transaction(&self.transaction);
        data_set.put(Element::sequence(REFERENCED_SEQUENCE, self.instances.iter().map(item).collect()));
        write(&data_set, form)
    }
}

impl Report {
    /// The event type: 1 when everything is committed, 2 when something failed.
    pub fn event_type(&self) -> u16 {
        if self.failed.is_empty() { 1 } else { 2 }
    }

    /// Reads event information.
    pub fn read(form: Form, bytes: &[u8]) -> Result<Self, CommitmentError> {
        let data_set = parse(form, bytes)?;
        let transaction = uid(&data_set, TRANSACTION, TransactionUid::from_bytes)?;
        let committed = data_set.items(REFERENCED_SEQUENCE).iter().map(instance).collect::<Result<_, _>>()?;
        let failed = data_set.items(FAILED_SEQUENCE).iter().map(failed).collect::<Result<_, _>>()?;
        Ok(Self { transaction, committed, failed })
    }

    /// Writes event information; a sequence without items is left out.
    pub fn write(&self, form: Form) -> Vec<u8> {
        write(&self.data_set(), form)
    }

    /// Writes event information that says where all that is committed can be retrieved.
    pub fn write_retrievable(&self, form: Form, from: &AeTitle) -> Vec<u8> {
        let mut data_set = self.data_set();
        data_set.put(Element::text(Tag::RETRIEVE_AE_TITLE, Vr::AE, from.as_str()));
        write(&data_set, form)
    }

    fn data_set(&self) -> DataSet {
        let mut data_set = transaction(&self.transaction);
        if !self.committed.is_empty() {
            data_set.put(Element::sequence(REFERENCED_SEQUENCE, self.committed.iter().map(item).collect()));
        }
        if !self.failed.is_empty() {
            data_set.put(Element::sequence(FAILED_SEQUENCE, self.failed.iter().map(failed_item).collect()));
        }
        data_set
    }
}

fn parse(form: Form, bytes: &[u8]) -> Result<DataSet, CommitmentError> {
    read_form(form, Bytes::copy_from_slice(bytes)).map_err(CommitmentError::Unreadable)
}

fn uid<U>(
    data_set: &DataSet,
    tag: Tag,
    take: impl FnOnce(&[u8]) -> Result<U, UidError>,
) -> Result<U, CommitmentError> {
    let value = data_set.bytes(tag).map_or(&b""[..], |bytes| bytes);
    take(value).map_err(|source| CommitmentError::BadUid { tag, source })
}

fn instance(item: &DataSet) -> Result<InstanceRef, CommitmentError> {
    Ok(InstanceRef {
        sop_class: uid(item, REFERENCED_SOP_CLASS, SopClassUid::from_bytes)?,
        sop_instance: uid(item, REFERENCED_SOP_INSTANCE, SopInstanceUid::from_bytes)?,
    })
}

fn failed(item: &DataSet) -> Result<Failed, CommitmentError> {
    let reason = item.unsigned_short(FAILURE_REASON).ok_or(CommitmentError::NoReason)?;
    Ok(Failed { instance: instance(item)?, reason })
}

fn transaction(transaction: &TransactionUid) -> DataSet {
    [Element::text(TRANSACTION, Vr::UI, transaction.as_str())].into_iter().collect()
}

fn item(instance: &InstanceRef) -> DataSet {
    [
        Element::text(REFERENCED_SOP_CLASS, Vr::UI, instance.sop_class.as_str()),
        Element::text(REFERENCED_SOP_INSTANCE, Vr::UI, instance.sop_instance.as_str()),
    ]
    .into_iter()
    .collect()
}

fn failed_item(failed: &Failed) -> DataSet {
    let mut item = item(&failed.instance);
    item.put(Element::new(FAILURE_REASON, Vr::US, failed.reason.to_le_bytes().to_vec()));
    item
}
