//! Index of patients, studies, series and instances, over unlike databases.
//!
//! [`Catalogue`] says what an index does; [`open()`] chooses one by its URL. What is in the rows, how they grow and what matches is
//! decided once, in pure code; a database only keeps rows and narrows the search.

mod attributes;
mod catalogue;
mod database;
mod decide;
mod decision;
mod edit;
mod error;
mod feed;
mod find;
mod inherit;
mod instance;
mod inventory;
mod items;
mod matching;
mod memory;
mod names;
mod narrow;
mod open;
mod plan;
mod put;
mod record;
mod redb;
mod rows;
mod sealed;
mod server;
mod set_digest;
mod shown;
mod sieve;
pub mod sqlite;
mod tables;
mod wanted;
mod withheld;

pub use attributes::kept_at;
pub use catalogue::{Catalogue, Counts, Cursor, Page, SeriesSummary, StudySummary};
pub use decide::Purge;
pub use decision::{Decision, DecisionMark, Named, Rejection, Ruling};
pub use edit::{Edit, Edited, Edition, NotEditable, Replaced, Values};
pub use error::{CatalogueError, OpenError};
pub use feed::{Change, ChangeKind, Subject};
pub use inherit::{Inheritance, SeenInstance, SeenSeries, SeenStudy};
pub use instance::{
    CatalogueInstance, Current, Inherited, Located, ParentNumbers, Put, PutOutcome, RowNumbers, Version,
};
pub use inventory::{Conflict, StudyEntry};
pub use items::ItemsWanted;
pub use memory::MemoryCatalogue;
pub use open::open;
pub use server::{ServerError, ServerTrouble};
pub use set_digest::SetDigest;
pub use sieve::{Held, Sieve, is_single, normalised};
pub use withheld::{Fate, Readmission, Withheld};
