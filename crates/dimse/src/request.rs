//! The requestor's side of association establishment.

use bytes::Bytes;
use outrigger_model::AeTitle;
use outrigger_runtime::net::BoxStream;

use crate::associate::{
    APPLICATION_CONTEXT, AssociateAccept, AssociateRequest, ContextRefusal, ExtendedNegotiation,
    ProposedContext, Protocol, RoleSelection, Roles, UserInformation,
};
use crate::association::{Association, Peer};
use crate::error::{AssociationError, Violation, Waiting};
use crate::link::{Link, Received};
use crate::machine::{Event, Side};
use crate::negotiate::Context;
use crate::rejection::Rejection;
use crate::settings::Settings;

/// What a requestor proposes.
#[derive(Debug, Clone)]
pub struct Proposal {
    /// Calling AE title: ours.
    pub calling: AeTitle,
    /// Called AE title: the peer's.
    pub called: AeTitle,
    /// The presentation contexts, with distinct odd ids.
    pub contexts: Vec<ProposedContext>,
    /// The roles we want where they are not the default ones.
    pub roles: Vec<RoleSelection>,
}

/// Why no association was established.
#[derive(Debug, thiserror::Error)]
pub enum RequestError {
    /// The peer rejected it.
    #[error("the association was {0}")]
    Rejected(Rejection),
    /// The peer aborted, did not answer, or the connection failed.
    #[error(transparent)]
    Association(#[from] AssociationError),
}

/// Asks the peer at the other end of a fresh connection for an association.
pub async fn request(
    stream: BoxStream,
    settings: &Settings,
    proposal: Proposal,
) -> Result<Association, RequestError> {
    request_extended(stream, settings, proposal, Vec::new()).await
}

/// The same with extended negotiation: each context then holds what the peer answered for its abstract syntax.
pub async fn request_extended(
    stream: BoxStream,
    settings: &Settings,
    proposal: Proposal,
    extended: Vec<ExtendedNegotiation>,
) -> Result<Association, RequestError> {
    let mut link = Link::new(stream, Side::Requestor, settings);
    link.act(Event::AssociateAsked, &[]).await?;
    let request = AssociateRequest {
        calling: proposal.calling,
        called: proposal.called,
        protocol: Protocol { version: 1, application_context: APPLICATION_CONTEXT.to_owned() },
        contexts: proposal.contexts,
        user: UserInformation { roles: proposal.roles, extended, ..UserInformation::ours(settings) },
    };
    let pdu = request.write().map_err(AssociationError::from)?;
    link.act(Event::Connected, &pdu).await?;
    let acse = link.timers().acse;
    let body = match link.receive(acse, Waiting::Answer).await? {
        Received::Accept(body) => body,
        Received::Reject(rejection) => return Err(RequestError::Rejected(rejection)),
        // The machine lets nothing else through before the answer.
        Received::Request(_) | Received::Data(_) | Received::ReleaseRequest | Received::ReleaseReply => {
            return Err(AssociationError::Closed.into());
        }
    };
    let answer = match AssociateAccept::read(body) {
        Ok(answer) => answer,
        Err(error) => return Err(link.violated(Violation::Associate(error)).await.into()),
    };
    link.act(Event::AcceptReceived, &[]).await?;
    let (contexts, refused) = settle(&request, &answer);
    let peer = Peer::new(request.calling, request.called, &answer.user);
    Ok(Association::new(link, peer, contexts, refused))
}

/// What became of each proposed context; one without a usable answer counts as refused.
fn settle(request: &AssociateRequest, answer: &AssociateAccept) -> (Vec<Context>, Vec<(u8, ContextRefusal)>) {
    let mut contexts = Vec::new();
    let mut refused = Vec::new();
    for proposed in &request.contexts {
        let result = answer.contexts.iter().find(|result| result.id == proposed.id);
        match result.map(|result| &result.outcome) {
            Some(Ok(syntax)) if proposed.transfer_syntaxes.contains(syntax) => contexts.push(Context {
                id: proposed.id,
                abstract_syntax: proposed.abstract_syntax.clone(),
                transfer_syntax: syntax.clone(),
                roles: granted(request, answer, proposed),
                extended: agreed(answer, proposed),
            }),
            // A transfer syntax that was not proposed cannot be used (PS3.8 section 9.3.3.2).
            Some(Ok(_)) | None => refused.push((proposed.id, ContextRefusal::NoReason)),
            Some(Err(refusal)) => refused.push((proposed.id, *refusal)),
        }
    }
    (contexts, refused)
}

/// What the peer answered to extended negotiation for a context.
fn agreed(answer: &AssociateAccept, proposed: &ProposedContext) -> Bytes {
    let found = answer.user.extended.iter().find(|agreed| agreed.sop_class == proposed.abstract_syntax);
    found.map_or_else(Bytes::new, |agreed| agreed.information.clone())
}

/// Our roles: what was asked for and granted, or the default ones (PS3.7 section D.3.3.4).
fn granted(request: &AssociateRequest, answer: &AssociateAccept, proposed: &ProposedContext) -> Roles {
    let of = |user: &UserInformation| {
        let found = user.roles.iter().find(|selection| selection.sop_class == proposed.abstract_syntax);
        found.map(|selection| selection.roles)
    };
    match (of(&request.user), of(&answer.user)) {
        (Some(asked), Some(granted)) => {
            Roles { scu: asked.scu && granted.scu, scp: asked.scp && granted.scp }
        }
        (Some(_) | None, None) | (None, Some(_)) => Roles::DEFAULT,
    }
}
