//! Telling a member that does not answer from one that says no.

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
}

#[cfg(test)]
mod tests {
    use outrigger_dimse::Waiting;

    use super::*;

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
}
