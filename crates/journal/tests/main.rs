//! What the journal promises, tried from outside.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests damage files on purpose")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod copies;
mod crash;
mod flips;
mod gate;
mod head;
mod kit;
mod model;
mod pair;
mod promises;
mod queue;
mod reader;
mod records;
mod room;
mod scrubbing;
mod service;
mod sqlite;
mod surgery;
