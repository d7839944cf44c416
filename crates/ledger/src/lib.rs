//! The ledger: what was accepted, what every member owes for it, and whether the books balance.
//!
//! [`Ledger`] is the handle. An accepted object is appended to the journal; one applier follows the journal and writes catalogue,
//! postings and its own position in one transaction. Whatever closes a posting is appended to the journal first, so that the books
//! can be made anew from it. Decisions about the books are pure ([`entry`], [`posting`], [`order`], [`scope`]); a store only keeps
//! rows.

pub mod account;
pub mod entry;
pub mod member_set;
pub mod order;
pub mod policy;
pub mod posting;
pub mod record;
pub mod scope;

pub mod changes;
pub mod commitment;
pub mod finding;
pub mod note;
pub mod peer;
pub mod store;

mod apply;
mod calendar;
mod claims;
mod decide;
mod desk;
mod tail;
mod worker;
mod writer;

mod accept;
mod books;
mod commitments;
mod due;
mod error;
mod find;
mod health;
mod ledger;
mod members;
mod notes;
mod object;
mod rebuild;
mod release;
mod report;
mod scrub;
mod suspense;
mod why;

pub use accept::{AcceptError, Acceptance, Accepted};
pub use books::{BalanceBy, BalanceOf, BalanceRow, MemberFacts, StatusFacts};
pub use calendar::rfc3339;
pub use due::{Due, DueAsk, Lane};
pub use error::{LedgerError, ObjectError};
pub use health::{Cure, LedgerHealth};
pub use ledger::{Ledger, LedgerOpenError, LedgerOptions};
pub use member_set::MemberSet;
pub use members::Resend;
pub use notes::{Compared, FindingShown, Refusal, RefusalShown};
pub use object::{EntryFacts, StoredObject};
pub use peer::Peer;
pub use policy::{MemberPolicy, Need, Policies};
pub use posting::{Attempt, PostingKey, Report, ReportOutcome};
pub use rebuild::{RebuildError, RebuildReport};
pub use record::{Decider, MemberState};
pub use release::ReleaseMode;
pub use scrub::check;
pub use store::{LedgerStore, MemoryStore, SqliteStore};
pub use suspense::{SuspenseFilter, SuspenseItem};
pub use why::{Why, WhyAnswer, WhyAttempt, WhyInstance, WhyMember, WhyStudy};
