//! The embedded archive: objects as files or in an object store, and a catalogue of them, behind a front door.
//!
//! An object is acknowledged when it is on stable storage under its name and the catalogue's transaction has committed, in that
//! order. So an object without a row is harmless, and a row without an object does not come to be.

mod archive;
mod away;
mod blob;
mod blobs;
mod commit;
mod files;
mod find;
mod findings;
mod migrate;
mod open;
mod places;
mod reader;
mod recovery;
mod retrieve;
mod s3;
mod scrub;
mod source;
mod store;
mod writer;

pub use archive::{Archive, ArchiveOptions, Health, Keeper};
pub use blob::BlobError;
pub use blobs::Trouble;
pub use findings::Finding;
pub use migrate::{MigrateError, MigrateWorld, Moved, migrate};
pub use open::OpenError;
pub use recovery::Recovered;
pub use s3::{Call, ProbeError, S3Credentials, S3Error, S3Options, Secret, probe};
pub use scrub::{Scrub, ScrubEnded, ScrubOptions, ScrubRunning, ScrubSeen, ScrubStopping};
