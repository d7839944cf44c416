//! The archives behind Outrigger, and how each is spoken to.
//!
//! Knows protocols; never the journal, the ledger or a database.

pub mod answers;
mod arrived;
pub mod breaker;
pub mod contract;
pub mod dicomweb;
pub mod dimse;
mod encodings;
mod file;
pub mod http;
pub mod learnt;
pub mod orthanc;
mod report;
pub mod routes;
mod series;
mod silence;
pub mod status;

pub use answers::{Answers, AnswersOptions, Expectations};
pub use arrived::Arrived;
pub use contract::{
    Ability, Answered, AskSession, CameBack, CommitAnswer, CommitReport, ConnectError, Denial, Found, Member,
    MemberError, Need, Outgoing, Reply, Returned, StoreSession, Wholeness,
};
pub use dicomweb::DicomwebMember;
pub use dimse::{DimseMember, DimseRoute, ReadBack};
pub use encodings::encodings;
pub use learnt::{Learnt, Seen};
pub use orthanc::OrthancMember;
pub use status::{Outcome, StatusRules, classify};
