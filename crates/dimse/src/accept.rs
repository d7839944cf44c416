//! The acceptor's side of association establishment.

use outrigger_runtime::net::BoxStream;

use crate::associate::{AssociateError, AssociateRequest};
use crate::association::{Association, Peer};
use crate::error::{AssociationError, Violation, Waiting};
use crate::link::{Link, Received};
use crate::machine::{Acceptable, Event, Side};
use crate::negotiate::{AcceptorPolicy, admit, negotiate};
use crate::rejection::Rejection;
use crate::settings::Settings;

/// What the user answers to a request.
#[derive(Debug, Clone)]
pub enum Verdict {
    /// It is accepted; each context is negotiated by the policy.
    Accept(Box<AcceptorPolicy>),
    /// It is rejected.
    Reject(Rejection),
}

/// Why no association was established.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// We rejected it.
    #[error("the association was {rejection}")]
    Rejected {
        /// What the A-ASSOCIATE-RJ said.
        rejection: Rejection,
        /// The request, where it could be read.
        request: Option<Box<AssociateRequest>>,
    },
    /// The request did not come, or the connection failed.
    #[error(transparent)]
    Association(#[from] AssociationError),
}

/// Reads the request of a peer that has just connected, asks `decide`, and answers.
pub async fn accept(
    stream: BoxStream,
    settings: &Settings,
    decide: impl FnOnce(&AssociateRequest) -> Verdict + Send,
) -> Result<Association, AcceptError> {
    let mut link = Link::new(stream, Side::Acceptor, settings);
    link.act(Event::PeerConnected, &[]).await?;
    let request = match read_request(&mut link).await? {
        Ok(request) => request,
        Err(rejection) => {
            let event = Event::RequestReceived(Acceptable::No);
            return Err(reject(&mut link, event, rejection, None).await);
        }
    };
    if let Err(rejection) = admit(&request) {
        let event = Event::RequestReceived(Acceptable::No);
        return Err(reject(&mut link, event, rejection, Some(request)).await);
    }
    link.act(Event::RequestReceived(Acceptable::Yes), &[]).await?;
    let policy = match decide(&request) {
        Verdict::Accept(policy) => policy,
        Verdict::Reject(rejection) => {
            return Err(reject(&mut link, Event::Rejected, rejection, Some(request)).await);
        }
    };
    let negotiated = negotiate(&request, &policy, settings);
    let answer = negotiated.answer.write().map_err(AssociationError::from)?;
    link.act(Event::Accepted, &answer).await?;
    let refused = negotiated.answer.contexts.iter();
    let refused = refused.filter_map(|result| Some((result.id, result.outcome.as_ref().err().copied()?)));
    let refused = refused.collect();
    let peer = Peer::new(request.calling, request.called, &request.user);
    Ok(Association::new(link, peer, negotiated.contexts, refused))
}

/// The request within ARTIM, or the rejection it calls for by itself.
async fn read_request(link: &mut Link) -> Result<Result<AssociateRequest, Rejection>, AssociationError> {
    let artim = link.timers().artim;
    let received = tokio::time::timeout(artim, link.receive(artim, Waiting::Request)).await;
    let body = match received {
        Ok(Ok(Received::Request(body))) => body,
        // The machine lets nothing else through before the request.
        Ok(Ok(_)) => return Err(AssociationError::Closed),
        Ok(Err(error)) => return Err(error),
        Err(_) => return Err(link.timed_out(Waiting::Request).await),
    };
    match AssociateRequest::read(body) {
        Ok(request) => Ok(Ok(request)),
        Err(AssociateError::CallingAe(_)) => Ok(Err(Rejection::CALLING_AE)),
        Err(AssociateError::CalledAe(_)) => Ok(Err(Rejection::CALLED_AE)),
        Err(error) => Err(link.violated(Violation::Associate(error)).await),
    }
}

/// Sends A-ASSOCIATE-RJ and waits for the peer to close.
async fn reject(
    link: &mut Link,
    event: Event,
    rejection: Rejection,
    request: Option<AssociateRequest>,
) -> AcceptError {
    match link.act(event, &rejection.write()).await {
        Ok(()) => AcceptError::Rejected { rejection, request: request.map(Box::new) },
        Err(error) => AcceptError::Association(error),
    }
}
