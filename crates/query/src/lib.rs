//! Readers: one archive out of the catalogue, the journal and the members.
//!
//! A query is answered from the catalogue; a retrieval takes each instance from the journal while it has the bytes, and then from the
//! members, the preferred one first. Never changes a member.

mod find;
mod lines;
mod open;
mod plan;
mod reader;

pub use find::FindError;
pub use open::{OpenError, Opened};
pub use plan::{INSTANCES_MAX, Keeping, PlanError, Planned};
pub use reader::{Reader, ReaderOptions, Source};
