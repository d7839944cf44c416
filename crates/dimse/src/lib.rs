//! DICOM upper layer and DIMSE, both roles; enforces every limit.

pub mod associate;
pub mod command;
mod cursor;
pub mod settings;

pub use associate::{AssociateRequest, ProposedContext, RoleSelection, Roles};
pub use command::{Command, DataSet, Outcome, Priority, SubOperations};
pub use settings::{Settings, Timers};
