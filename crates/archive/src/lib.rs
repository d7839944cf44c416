//! The embedded archive: objects as files, and a catalogue of them, behind a front door.
//!
//! An object is acknowledged when its file is synced under its name and the catalogue's transaction has committed, in that
//! order. So a file without a row is harmless, and a row without a file does not come to be.

mod archive;
mod blob;
mod blobs;
mod commit;
mod find;
mod intake;
mod open;
mod reader;
mod recovery;
mod retrieve;
mod store;
mod writer;

pub use archive::{Archive, ArchiveOptions, Health};
pub use blob::BlobError;
pub use open::OpenError;
pub use recovery::Recovered;
