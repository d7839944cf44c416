//! Choosing a catalogue by its URL.

use std::path::Path;

use crate::memory::SharedMemory;
use crate::redb::RedbCatalogue;
use crate::server::{Kind, ServerCatalogue};
use crate::sqlite::SqliteCatalogue;
use crate::{Catalogue, OpenError};

/// Opens the catalogue a URL names, made if it is missing: `sqlite:PATH`, `redb:PATH`,
/// `postgres://USER:PASSWORD@HOST:PORT/DATABASE`, the same with `mysql`, or `memory:` (kept nowhere).
pub fn open(url: &str) -> Result<Box<dyn Catalogue>, OpenError> {
    let (scheme, rest) = url.split_once(':').unwrap_or((url, ""));
    let unknown = || OpenError::UnknownUrl { scheme: scheme.to_owned() };
    match (scheme, rest) {
        ("memory", "") => Ok(Box::new(SharedMemory::default())),
        (_, "") => Err(unknown()),
        ("sqlite", path) => Ok(Box::new(SqliteCatalogue::open(Path::new(path))?)),
        ("redb", path) => Ok(Box::new(RedbCatalogue::open(Path::new(path))?)),
        ("postgres", _) => Ok(Box::new(ServerCatalogue::open(Kind::Postgres, url)?)),
        ("mysql", _) => Ok(Box::new(ServerCatalogue::open(Kind::MariaDb, url)?)),
        _ => Err(unknown()),
    }
}
