//! Telling a member that does not answer, or not this time, from one that says no.

use std::error::Error;
use std::io;

use outrigger_dimse::AssociationError;

use crate::contract::{ConnectError, MemberError};

impl MemberError {
    /// Whether no association came about because the member did not answer in time: neither the network, nor, where that
    /// took the connection, the archive behind it.
    pub fn is_silence(&self) -> bool {
        let Self::Connect(ConnectError::Network { source, .. }) = self else { return false };
        let source: &(dyn Error + 'static) = &**source;
        let unanswered = source.downcast_ref::<AssociationError>();
        let unconnected = source.downcast_ref::<io::Error>();
        matches!(unanswered, Some(AssociationError::TimedOut { .. }))
            || unconnected.is_some_and(|error| error.kind() == io::ErrorKind::TimedOut)
    }

    /// Whether the member was there and the answer says nothing of what was asked for: the connection broke, or its web server was
    /// short of something.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Lost { .. } => true,
            Self::Http(refusal) => PASSING.contains(&refusal.code),
            _ => false,
        }
    }
}

/// What a web server or a proxy before it answers when it or the archive behind is overloaded, restarts or cannot be reached
/// (RFC 6585 section 4, RFC 9110 sections 15.6.3 to 15.6.5).
const PASSING: [u16; 4] = [429, 502, 503, 504];

#[cfg(test)]
mod tests {
    use outrigger_dimse::Waiting;

    use super::*;
    use crate::http::HttpRefusal;

    #[test]
    fn only_a_time_out_before_the_association_is_silence() {
        let network = |source| {
            let address = "127.0.0.1:104".to_owned();
            MemberError::Connect(ConnectError::Network { address, source })
        };
        let timed_out = || AssociationError::TimedOut { waiting: Waiting::Answer };
        assert!(network(Box::new(timed_out())).is_silence());
        assert!(network(Box::new(io::Error::from(io::ErrorKind::TimedOut))).is_silence());
        assert!(!network(Box::new(io::Error::from(io::ErrorKind::ConnectionRefused))).is_silence());
        assert!(!network(Box::new(AssociationError::Closed)).is_silence());
        let lost = MemberError::Lost { operation: "C-STORE", source: Box::new(timed_out()) };
        assert!(!lost.is_silence(), "one object may be what it cannot answer");
    }

    #[test]
    fn a_web_server_that_is_short_of_something_may_give_later_what_it_refuses() {
        let refused = |code| {
            let (operation, url, words) = ("WADO-RS", String::new(), String::new());
            MemberError::Http(Box::new(HttpRefusal { operation, url, code, words, retry_after: None }))
        };
        assert!([429, 502, 503, 504].map(refused).iter().all(MemberError::may_pass));
        assert!(![403, 404, 410, 500].map(refused).iter().any(MemberError::may_pass));
        let source = Box::new(AssociationError::Closed);
        assert!(MemberError::Lost { operation: "C-GET", source }.may_pass());
        assert!(!MemberError::NotFound.may_pass());
    }
}
