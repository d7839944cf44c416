//! A connection over which one question is asked after another, whatever they are asked in.

use outrigger_runtime::Spool;

use super::client::Connection;
use crate::arrived::Arrived;
use crate::contract::MemberError;

/// A connection for questions, and where what it gives back goes.
pub(crate) struct Questions {
    pub(crate) connection: Connection,
    pub(crate) spool: Spool,
    is_open: bool,
}

impl Questions {
    pub(crate) fn new(connection: Connection, spool: Spool) -> Self {
        Self { connection, spool, is_open: true }
    }

    /// Whether more can be asked.
    pub(crate) fn is_open(&self) -> bool {
        self.is_open
    }

    /// Counts what comes of the answers.
    pub(crate) fn arrived(&self) -> Arrived {
        self.connection.arrived()
    }

    /// An answer; after a lost connection nothing more is asked.
    pub(crate) fn noting<T>(&mut self, answer: Result<T, MemberError>) -> Result<T, MemberError> {
        self.is_open = !matches!(answer, Err(MemberError::Lost { .. } | MemberError::Connect(_)));
        answer
    }
}
