//! Choosing a catalogue by its URL.

use std::path::Path;

use crate::memory::SharedMemory;
use crate::redb::RedbCatalogue;
use crate::sqlite::SqliteCatalogue;
use crate::{Catalogue, OpenError};

/// Opens the catalogue a URL names, made if it is missing: `sqlite:PATH`, `redb:PATH`, or `memory:` (kept nowhere).
pub fn open(url: &str) -> Result<Box<dyn Catalogue>, OpenError> {
    let unknown = || OpenError::UnknownUrl { url: url.to_owned() };
    match url.split_once(':').ok_or_else(unknown)? {
        ("memory", "") => Ok(Box::new(SharedMemory::default())),
        (_, "") => Err(unknown()),
        ("sqlite", path) => Ok(Box::new(SqliteCatalogue::open(Path::new(path))?)),
        ("redb", path) => Ok(Box::new(RedbCatalogue::open(Path::new(path))?)),
        _ => Err(unknown()),
    }
}
