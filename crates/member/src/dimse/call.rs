//! Calling a member, and what goes wrong on the way, in the words of the contract.

use std::collections::BTreeSet;
use std::time::Duration;

use outrigger_dimse::rejection::RejectResult;
use outrigger_dimse::{
    Association, AssociationError, Command, Incoming, Outcome, Proposal, ProposedContext, RequestError,
    RoleSelection, SendObjectError,
};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{AeTitle, SopClassUid, Status, TransferSyntaxUid, sop_class};
use outrigger_runtime::tls::dial;

use super::DimseMember;
use crate::contract::{ConnectError, Denial, MemberError};

/// How long a connection may take where nothing else is configured.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The encodings of identifiers, both proposed in one context.
pub(super) fn plain() -> Vec<TransferSyntaxUid> {
    [EXPLICIT_VR_LE, IMPLICIT_VR_LE].into_iter().map(TransferSyntaxUid::known).collect()
}

/// Presentation contexts in the order given, with the ids 1, 3, 5 ...; what has no id left is not proposed.
pub(super) fn contexts(
    proposed: impl IntoIterator<Item = (SopClassUid, Vec<TransferSyntaxUid>)>,
) -> Vec<ProposedContext> {
    let ids = (1..=u8::MAX).step_by(2);
    proposed
        .into_iter()
        .zip(ids)
        .map(|((abstract_syntax, transfer_syntaxes), id)| ProposedContext {
            id,
            abstract_syntax,
            transfer_syntaxes,
        })
        .collect()
}

impl DimseMember {
    /// Opens an association with the contexts given.
    pub(super) async fn call(
        &self,
        calling: &AeTitle,
        contexts: Vec<ProposedContext>,
        roles: Vec<RoleSelection>,
    ) -> Result<Association, MemberError> {
        let route = &self.route;
        let stream = dial(&*self.net, &route.address, route.tls.as_ref(), route.connect_timeout)
            .await
            .map_err(|source| self.unreachable(source))?;
        let proposal = Proposal { calling: calling.clone(), called: route.ae_title.clone(), contexts, roles };
        outrigger_dimse::request(stream, &route.settings, proposal).await.map_err(|error| match error {
            RequestError::Rejected(rejection) => MemberError::Connect(ConnectError::Rejected {
                address: route.address.clone(),
                permanent: rejection.result == RejectResult::Permanent,
                reason: rejection.to_string(),
            }),
            RequestError::Association(error) => self.unreachable(error),
        })
    }

    fn unreachable(&self, source: impl std::error::Error + Send + Sync + 'static) -> MemberError {
        let address = self.route.address.clone();
        MemberError::Connect(ConnectError::Network { address, source: Box::new(source) })
    }

    /// Opens an association for one SOP class with identifiers, and for verification, which every archive accepts: some
    /// reject an association of which they accept nothing.
    pub(super) async fn call_for(&self, class: &'static str) -> Result<Association, MemberError> {
        let classes = BTreeSet::from([class, sop_class::VERIFICATION]);
        let proposed = contexts(classes.into_iter().map(|class| (SopClassUid::known(class), plain())));
        self.call(&self.route.calling, proposed, Vec::new()).await
    }
}

/// The connection was lost during an operation.
pub(super) fn lost(operation: &'static str) -> impl Fn(AssociationError) -> MemberError {
    move |error| MemberError::Lost { operation, source: Box::new(error) }
}

/// An object could not be sent whole.
pub(super) fn unsent(operation: &'static str) -> impl Fn(SendObjectError) -> MemberError {
    move |error| match error {
        SendObjectError::NotBegun(source) | SendObjectError::Source { source, .. } => {
            MemberError::Source(source)
        }
        SendObjectError::Association(error) => lost(operation)(error),
        error @ (SendObjectError::Thread(_) | SendObjectError::Short { .. }) => {
            MemberError::Lost { operation, source: Box::new(error) }
        }
    }
}

/// The member answered something else than what it was asked.
#[derive(Debug, thiserror::Error)]
#[error("the member answered with something that was not asked for")]
pub(super) struct Unasked;

/// The member's answer makes no sense.
pub(super) fn unasked(operation: &'static str) -> MemberError {
    MemberError::Lost { operation, source: Box::new(Unasked) }
}

/// The next message, which must be the response to a request.
pub(super) async fn response(
    association: &mut Association,
    operation: &'static str,
    message_id: u16,
) -> Result<Outcome, MemberError> {
    match association.receive().await.map_err(lost(operation))? {
        Incoming::Message { command, .. } if command.message_id() == message_id => {
            command.outcome().cloned().ok_or_else(|| unasked(operation))
        }
        Incoming::Message { .. } | Incoming::Release => Err(unasked(operation)),
    }
}

/// The member does not know the SOP class, or the operation, that it was asked for (PS3.7 annex C).
///
/// Nor does a member move anything that does not know where to (PS3.4 table C.4-2).
const NOT_KNOWN: [Status; 5] = [
    Status(0x0118), // no such SOP class
    Status(0x0122), // SOP class not supported
    Status(0x0123), // no such action type
    Status(0x0211), // unrecognized operation
    Status(0xA801), // move destination unknown
];

/// The member answered an operation with a failure: of this request, or because it does not know the operation at all.
pub(super) fn refused(operation: &'static str, status: Status) -> MemberError {
    if NOT_KNOWN.contains(&status) {
        return MemberError::Unable { operation, denial: Denial::Answered(status) };
    }
    MemberError::Refused { operation, status }
}

/// The id of the accepted context for a SOP class in which we invoke an operation.
pub(super) fn context_of(
    association: &Association,
    class: &str,
    operation: &'static str,
) -> Result<u8, MemberError> {
    let context = association
        .contexts()
        .iter()
        .find(|context| context.abstract_syntax.as_str() == class && context.roles.scu);
    context
        .map(|context| context.id)
        .ok_or_else(|| MemberError::Unable { operation, denial: Denial::NoContext(class.to_owned()) })
}

/// Ends an association whose work is done; how that goes is of no consequence.
pub(super) async fn hang_up(association: Association) {
    if let Err(error) = association.release().await {
        tracing::debug!(error = &error as &dyn std::error::Error, "a member did not release in order");
    }
}

/// Answers a request we do not perform.
pub(super) async fn refuse(
    association: &mut Association,
    context: u8,
    command: &Command,
    operation: &'static str,
) -> Result<(), MemberError> {
    match command.refusal(Outcome::of(Status::UNRECOGNIZED_OPERATION)) {
        Some(refusal) => association.send(context, &refusal).await.map_err(lost(operation)),
        None => Err(unasked(operation)),
    }
}
