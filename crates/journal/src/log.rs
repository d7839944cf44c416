//! The log engine: segments of frames, appended and never changed, and a file for each large object. See docs/journal-format.md.

// The path of an append, outside in.
mod append;
mod copy;
mod large;
mod open_segment;
mod roll;

// Letting go and making room.
pub(crate) mod carry;
mod release;

// The format.
mod frame;
mod seal;

// Reading.
mod body;
mod index;
mod reader;
mod segment;
mod shared;
mod table;
mod window;

// Starting again.
mod contents;
pub(crate) mod objects;
pub(crate) mod recovery;
mod scan;
mod scrub;

pub(crate) use body::FileBody;
pub(crate) use large::{About, Orphan, Prepared, PreparedBody, Source, read_object};
pub(crate) use seal::hex;
