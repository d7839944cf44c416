//! The archives behind Outrigger, and how each is spoken to.
//!
//! Knows protocols; never the journal, the ledger or a database.

pub mod contract;

pub use contract::{
    CommitAnswer, CommitReport, ConnectError, Found, Member, MemberError, Need, Outgoing, Reply, StoreSession,
};
