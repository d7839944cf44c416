//! Index of patients, studies, series and instances, over unlike databases.
//!
//! [`Catalogue`] says what an index does; [`open()`] chooses one by its URL. What is in the rows, how they grow and what matches is
//! decided once, in pure code; a database only keeps rows and narrows the search.

mod attributes;
mod catalogue;
mod error;
mod find;
mod inherit;
mod instance;
mod items;
mod matching;
mod memory;
mod names;
mod narrow;
mod open;
mod plan;
mod put;
mod redb;
mod rows;
mod set_digest;
mod sieve;
pub mod sqlite;
mod tables;

pub use attributes::kept_at;
pub use catalogue::{Catalogue, Counts, Cursor, Page, SeriesSummary, StudySummary};
pub use error::{CatalogueError, OpenError};
pub use inherit::{Inheritance, SeenInstance, SeenSeries, SeenStudy};
pub use instance::{
    CatalogueInstance, Current, Inherited, Located, ParentNumbers, Put, PutOutcome, RowNumbers, Version,
};
pub use items::ItemsWanted;
pub use memory::MemoryCatalogue;
pub use open::open;
pub use set_digest::SetDigest;
pub use sieve::{Held, Sieve, is_single, normalised};
