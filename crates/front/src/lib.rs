//! Listeners and handlers that modalities, workstations and the RIS connect to.
//!
//! Knows protocols and one trait, [`Service`]; never members, delivery or the journal.

pub mod admit;
pub mod audit;
mod certificate;
pub mod dimse;
mod intake;
pub mod outbox;
pub mod quarantine;
pub mod service;
mod sound;
pub mod versions;
pub mod web;
mod whole;

pub use admit::{Destination, NoDestination, Peer, Peers, Permission, WhenIncomplete};
pub use audit::{AuditEvent, Party, StudyTally, Unserved};
pub use dimse::{DimseFront, DimseOptions, Listening, ReportError, Reporter};
pub use outbox::Outbox;
pub use outrigger_runtime::permits::Limits;
pub use quarantine::{Quarantine, RefusalEvent};
pub use service::{
    Accepts, Arrival, CommitRefusal, CommitRequest, CommitResult, Committing, FindRefusal, Opened,
    OtherSyntaxes, Provenance, RefusalKind, Retrievable, Service, StoreRefusal, Stored, StudyPatient,
};
pub use web::{
    Access, Origins, RenewedTokens, Right, TokenError, Tokens, WebFront, WebOptions, WebServer, WebTimers,
};
