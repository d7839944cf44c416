//! Readers: one archive out of the catalogue, the journal and the members.
//!
//! A query is answered by members, united with the catalogue; a retrieval takes each instance from the journal while it has the
//! bytes, and then from the members, the preferred one first. Never changes a member.
//!
//! Reading order of a query: `find` is the whole of it, `choose` says which members are asked, `gather` asks them, `ask` is one
//! member with its connections and its breaker, `again` tries it when it was away, `merge` and `unite` make one answer of many,
//! `show` is what every answer passes, `answered` remembers who answered. What a member gives wrong is kept in `suspect`.

mod again;
mod answered;
mod ask;
mod attest;
mod choose;
mod find;
mod gather;
mod judge;
mod lines;
mod merge;
mod more;
mod open;
mod plan;
mod reader;
mod retrieval;
mod shelf;
mod short;
mod show;
mod suspect;
mod unite;
mod version;

pub use answered::{Answering, REMEMBERED_MAX, Reply, Shortfall};
pub use attest::Attestation;
pub use choose::{Respondents, RespondentsError};
pub use find::{ANSWERED_AT_ONCE_MAX, FindError};
pub use gather::{MATCHES_HELD_MAX, MATCHES_MAX};
pub use open::{OpenError, Opened};
pub use plan::{INSTANCES_MAX, Keeping, PlanError, Planned};
pub use reader::{Reader, ReaderOptions, Source};
pub use retrieval::Retrieval;
