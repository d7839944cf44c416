//! The ledger: what was accepted, what every member owes for it, and whether the books balance.
//!
//! [`Ledger`] is the handle. An accepted object is appended to the journal; one applier follows the journal and writes catalogue,
//! postings and its own position in one transaction. Whatever closes a posting is appended to the journal first, so that the books
//! can be made anew from it. Decisions about them are pure ([`entry`], [`posting`], [`order`], [`scope`]); a store keeps rows.

// What the books are made of.
pub mod account;
pub mod changes;
pub mod commitment;
pub mod entry;
pub mod finding;
pub mod healing;
pub mod inventory;
pub mod note;
pub mod order;
pub mod peer;
pub mod policy;
pub mod posting;
pub mod promise;
pub mod record;
pub mod scope;
pub mod store;
mod write_off;

// Who keeps them.
mod applier;
mod calendar;
mod claims;
mod closed_lately;
mod difference;
mod followers;
mod steady;
mod tail;
mod worker;

// What others ask.
mod error;
mod health;
mod ledger;

pub use calendar::rfc3339;
pub use error::{LedgerError, ObjectError};
pub use health::{Cure, LedgerHealth};
pub use inventory::{CompleteInventory, Inventoried, Inventory, Seen, Short, Shortfall, Sighting};
pub use ledger::{
    AcceptError, Acceptance, Accepted, BalanceBy, BalanceOf, BalanceRow, Compared, Coverage, Due, DueAsk,
    FindingShown, Harm, JOURNAL_DAMAGE, Lane, Ledger, LedgerOpenError, LedgerOptions, MemberFacts, Noted,
    Passed, PromiseError, PromiseFacts, Promised, REPORT_AGAIN_MAX, RebuildError, RebuildReport, Refusal,
    RefusalShown, ReleaseMode, Resend, Settling, StatusFacts, StoredObject, SuspenseFilter, SuspenseItem,
    Unshown, Why, WhyAnswer, WhyAttempt, WhyInstance, WhyMember, WhyStudy, Within, WriteOffShown, check,
};
pub use outrigger_model::MemberSet;
pub use peer::Peer;
pub use policy::{MemberPolicy, Need, Policies};
pub use posting::{Attempt, PostingKey, Report, ReportOutcome};
pub use promise::{Asked, CommitPolicy, Promise, ReportEnd};
pub use record::{Decider, MemberCopy, MemberState};
pub use steady::RETRY_WAIT_MAX;
pub use store::{LedgerStore, MemoryStore, SqliteStore, beside};
