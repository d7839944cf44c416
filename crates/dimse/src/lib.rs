//! DICOM upper layer and DIMSE, both roles; enforces every limit.
//!
//! Pure parts first (PDUs, negotiation, the protocol machine, commands), then the thin async shell over a stream.

pub mod settings;

mod cursor;
pub mod pdu;
pub mod rejection;

pub mod associate;
pub mod negotiate;

pub mod machine;

pub mod command;

mod error;
mod link;
mod wire;

mod accept;
mod association;
mod object;
mod request;

pub use accept::{AcceptError, Verdict, accept};
pub use associate::{AssociateRequest, ContextRefusal, ProposedContext, RoleSelection, Roles};
pub use association::{Association, Incoming, Peer};
pub use command::{Command, DataSet, Outcome, Priority, SubOperations};
pub use error::{AssociationError, Violation, Waiting};
pub use negotiate::{AcceptorPolicy, Context};
pub use object::SendObjectError;
pub use pdu::{AbortReason, AbortSource, Part};
pub use rejection::Rejection;
pub use request::{Proposal, RequestError, request, request_extended};
pub use settings::{Settings, Timers};
