//! The words the other crates share: identifiers, AE titles, statuses, instances, entries and postings.
//!
//! No I/O, no clock, no async. Names are the standards' terms.

mod ae;
mod association;
mod causes;
mod digest;
mod entry;
mod instance;
mod items;
mod member;
mod member_set;
mod posting;
mod query;
mod requestor;
mod series_place;
pub mod sop_class;
mod status;
mod tag;
pub mod transfer_syntax;
mod uid;

pub use ae::{AeTitle, AeTitleError};
pub use association::{AssociationId, Origin};
pub use causes::with_causes;
pub use digest::Sha256Digest;
pub use entry::{Epoch, JournalId, Seq, WallTime};
pub use instance::{InstanceHeader, Oddity};
pub use items::{Item, Items};
pub use member::{MemberName, MemberNameError, MemberNumber};
pub use member_set::MemberSet;
pub use posting::{ConfirmLevel, PostingState, SuspenseReason};
pub use query::{Answer, Level, Query, QueryKey, QueryRoot, Rules, Selection};
pub use requestor::{Requestor, WebClient};
pub use series_place::SeriesPlace;
pub use status::{Status, StatusClass};
pub use tag::Tag;
pub use uid::{
    SeriesUid, SopClassUid, SopInstanceUid, StudyUid, TransactionUid, TransferSyntaxUid, UidError,
};
