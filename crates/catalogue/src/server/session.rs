//! A connection to a database server.

use super::error::ServerError;
use super::statement::{Row, Statement};

/// A connection to a database server, ready for use.
pub(super) trait Session: Send {
    /// Runs statements one after another, in as few round trips as the protocol has, and gives the rows of each; after an error
    /// the connection is of no more use.
    fn run(&mut self, statements: Vec<Statement>) -> Result<Vec<Vec<Row>>, ServerError>;
}

/// What a connection is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// The one that writes: it holds the lock that says so.
    Writer,
    /// One of those that only read.
    Reader,
}
