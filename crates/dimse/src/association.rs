//! An established association, of either role: messages in, messages out.

mod pace;
mod receive;
mod send;

use bytes::{Bytes, BytesMut};
use outrigger_model::AeTitle;

use crate::associate::{ContextRefusal, UserInformation};
use crate::error::AssociationError;
use crate::link::Link;
use crate::machine::Event;
use crate::negotiate::Context;
use crate::pdu::PDV_HEADER_BYTES;
use crate::settings::{PDU_LENGTH_OFFERED, PDU_LENGTH_SMALLEST};

pub use receive::Incoming;

/// An established association. Dropping it closes the connection without release.
pub struct Association {
    link: Link,
    peer: Peer,
    contexts: Vec<Context>,
    refused: Vec<(u8, ContextRefusal)>,
    /// Bytes of the longest fragment the peer takes, even.
    fragment_max: usize,
    reception: receive::Reception,
    pace: pace::Pace,
    /// What is left of the P-DATA-TF being taken apart.
    body: Bytes,
    sending: Option<send::Sending>,
    /// Whole messages that go out before the next one.
    queued: BytesMut,
    /// Requests of ours without their last response.
    outstanding: u32,
    last_message_id: u16,
}

/// Who the peer is, as it said.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Calling AE title of the association.
    pub calling: AeTitle,
    /// Called AE title of the association.
    pub called: AeTitle,
    /// Implementation Class UID of the peer, empty where it gave none.
    pub implementation_class: String,
    /// Implementation Version Name of the peer.
    pub implementation_version: Option<String>,
    /// The longest P-DATA-TF PDU the peer takes, in bytes; 0 is no limit.
    pub max_pdu: u32,
}

impl Peer {
    pub(crate) fn new(calling: AeTitle, called: AeTitle, user: &UserInformation) -> Self {
        Self {
            calling,
            called,
            implementation_class: user.implementation_class.clone(),
            implementation_version: user.implementation_version.clone(),
            max_pdu: user.max_pdu,
        }
    }
}

impl Association {
    pub(crate) fn new(
        link: Link,
        peer: Peer,
        contexts: Vec<Context>,
        refused: Vec<(u8, ContextRefusal)>,
    ) -> Self {
        let fragment_max = fragment_max(peer.max_pdu);
        Self {
            link,
            peer,
            contexts,
            refused,
            fragment_max,
            reception: receive::Reception::idle(),
            pace: pace::Pace::default(),
            body: Bytes::new(),
            sending: None,
            queued: BytesMut::new(),
            outstanding: 0,
            last_message_id: 0,
        }
    }

    /// The accepted presentation contexts.
    pub fn contexts(&self) -> &[Context] {
        &self.contexts
    }

    /// The accepted presentation context with an id.
    pub fn context(&self, id: u8) -> Option<&Context> {
        self.contexts.iter().find(|context| context.id == id)
    }

    /// The ids of the refused presentation contexts, and why each was refused.
    pub fn refused(&self) -> &[(u8, ContextRefusal)] {
        &self.refused
    }

    /// Who the peer is.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// A message id for the next request, never 0.
    pub fn next_message_id(&mut self) -> u16 {
        self.last_message_id = self.last_message_id.checked_add(1).unwrap_or(1);
        self.last_message_id
    }

    /// Asks for release and waits until the peer grants it.
    pub async fn release(mut self) -> Result<(), AssociationError> {
        self.link.release().await
    }

    /// Grants the release asked for by `Incoming::Release` and waits for the peer to close.
    pub async fn answer_release(mut self) -> Result<(), AssociationError> {
        self.link.answer_release().await
    }

    /// Aborts as the service user and waits, no longer than ARTIM, for the peer to close.
    pub async fn abort(mut self) -> Result<(), AssociationError> {
        self.link.act(Event::AbortAsked, &[]).await
    }
}

/// Bytes of the longest fragment for a peer that takes P-DATA-TF PDUs of `max_pdu` bytes (PS3.8 section D.1).
fn fragment_max(max_pdu: u32) -> usize {
    let length = match max_pdu {
        0 => PDU_LENGTH_OFFERED,
        limit => limit.clamp(PDU_LENGTH_SMALLEST, PDU_LENGTH_OFFERED),
    };
    (length as usize - PDV_HEADER_BYTES) & !1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fragments_are_even_and_fit_what_the_peer_takes() {
        for (max_pdu, fragment) in
            [(0, 131_066), (128, 122), (129, 122), (16_384, 16_378), (u32::MAX, 131_066), (1, 2)]
        {
            assert_eq!(fragment_max(max_pdu), fragment, "{max_pdu}");
        }
    }
}
