//! The SQLite engine: rows in a database for each segment, the bytes of objects in a file beside it. See docs/journal-format.md.
//!
//! As little as can be is shared with the log: another format, another order of writes, another judge of what is torn.

// The path of an append, outside in.
mod bodies;
mod copy;
mod open_segment;

// Letting go and making room.
pub(crate) mod carry;

// The format.
pub(crate) mod names;
mod row;
mod segment;
mod wal;

// Reading.
mod index;
mod reader;
mod shared;

// Starting again.
mod load;
mod recovery;
mod scrub;

pub(crate) use load::names_of;
pub(crate) use recovery::open;
