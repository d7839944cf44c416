//! The identifier of C-FIND, C-GET and C-MOVE, and the wait for C-CANCEL that the three share.

use bytes::Bytes;
use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::IdentifierError;
use outrigger_dimse::{Association, AssociationError, Command, DataSet, Incoming, Outcome};
use outrigger_model::{Rules, SopClassUid, Status};

use super::association::{Interruption, Request};
use super::class::{Class, class_of};
use crate::service::FindRefusal;

/// Longest identifier read, in bytes: a list of 10,000 UIDs.
const IDENTIFIER_BYTES_MAX: usize = 1 << 20;

/// What is agreed on for queries, where it is asked for (PS3.4 table C.5-1): relational queries, combined matching of dates and
/// times; no fuzzy matching, no adjustment to time zones, which the index does not know, no conversion of multi-frame objects;
/// matching of empty values, and of each of multiple values.
const QUERIES: &[u8] = &[1, 1, 0, 0, 0, 1, 1];

/// What is agreed on for retrievals (PS3.4 table C.5-3): relational ones; no conversion of multi-frame objects.
const RETRIEVALS: &[u8] = &[1, 0];

/// What can be agreed on for a SOP class by extended negotiation.
pub(super) fn extended(class: &SopClassUid) -> &'static [u8] {
    match class_of(class) {
        Class::Find(_) => QUERIES,
        Class::Move(_) | Class::Get(_) => RETRIEVALS,
        Class::Verification | Class::Storage | Class::Commit | Class::Other => &[],
    }
}

/// The rules of queries by what was agreed on.
fn rules(agreed: &[u8]) -> Rules {
    let is_agreed = |place: usize| agreed.get(place).is_some_and(|byte| *byte == 1);
    Rules {
        relational: is_agreed(0),
        date_times: is_agreed(1),
        empty_values: is_agreed(5),
        multiple_values: is_agreed(6),
    }
}

/// An identifier as it came.
pub(super) struct Identifier {
    pub(super) form: Form,
    pub(super) bytes: Bytes,
    /// The abstract syntax of the context it came over.
    pub(super) sop_class: SopClassUid,
    /// What was agreed on for queries over that context.
    pub(super) rules: Rules,
}

/// Reads the identifier, or says what to answer.
pub(super) async fn read(
    association: &mut Association,
    request: Request,
) -> Result<Result<Identifier, Outcome>, AssociationError> {
    let context = association.context(request.context);
    let facts = context.and_then(|context| {
        let form = Form::of(&context.transfer_syntax)?;
        Some((form, context.abstract_syntax.clone(), rules(&context.extended)))
    });
    let Some((form, sop_class, rules)) = facts else {
        return Ok(Err(Outcome::of(Status::SOP_CLASS_NOT_SUPPORTED)));
    };
    match request.data_set {
        DataSet::Absent => Ok(Err(Outcome::with_comment(Status::DATA_SET_MISMATCH, "no identifier follows"))),
        DataSet::Follows => match association.data_set(IDENTIFIER_BYTES_MAX).await {
            Ok(bytes) => Ok(Ok(Identifier { form, bytes, sop_class, rules })),
            Err(AssociationError::DataSetTooLong { .. }) => {
                Ok(Err(Outcome::with_comment(Status::DATA_SET_MISMATCH, "the identifier is too long")))
            }
            Err(error) => Err(error),
        },
    }
}

/// What an identifier that cannot be understood is answered with.
pub(super) fn not_understood(error: &IdentifierError) -> Outcome {
    let offending = error.offending().into_iter().collect();
    Outcome { offending, ..Outcome::with_comment(Status::DATA_SET_MISMATCH, error.to_string()) }
}

/// What the service's refusal is answered with.
pub(super) fn refused(refusal: &FindRefusal) -> Outcome {
    tracing::warn!(error = refusal as &dyn std::error::Error, "a query or retrieval cannot be answered");
    Outcome::with_comment(refusal.status, refusal.text.clone())
}

/// Waits until the peer cancels the operation; anything else it says meanwhile interrupts it.
pub(super) async fn cancelled(association: &mut Association, message_id: u16) -> Result<(), Interruption> {
    loop {
        match association.receive().await? {
            Incoming::Message { command: Command::CCancelRq { message_id: cancelled }, .. } => {
                // One for an operation that is over crossed our last response.
                if cancelled == message_id {
                    return Ok(());
                }
            }
            Incoming::Message { .. } => return Err(Interruption::Unasked),
            Incoming::Release => return Err(Interruption::Released),
        }
    }
}
