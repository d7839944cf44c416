//! The audit trail: who did what with patients' data, as DICOM audit messages (PS3.15 section A.5).
//!
//! The local file is the truth, one message a line; a syslog collector is fed from it beside it and catches up by itself.

mod connection;
mod feed;
mod file;
mod legs;
mod message;
mod syslog;
mod tally;
mod trail;

pub(crate) use feed::Collector;
pub(crate) use legs::Audited;
pub(crate) use tally::{Ends, Leg};
pub(crate) use trail::{AuditTrail, Sources, start};
