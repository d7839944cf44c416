//! What the files of the SQLite engine are called.

use std::path::{Path, PathBuf};

use crate::paths::{Paths, SegmentKey};

/// The extension of a segment's database.
pub(crate) const DATABASE: &str = "sqlite";
/// The extension of the file with the bytes of its objects.
pub(crate) const BODIES: &str = "bodies";
/// The extension of a database that is being written anew, without meaning until it is renamed.
pub(crate) const UNFINISHED: &str = "unfinished";

pub(crate) fn database(paths: &Paths, number: u32) -> PathBuf {
    paths.segments.join(format!("{number:010}.{DATABASE}"))
}

/// SQLite's own name for the write-ahead log of a database.
pub(crate) fn write_ahead(paths: &Paths, number: u32) -> PathBuf {
    paths.segments.join(format!("{number:010}.{DATABASE}-wal"))
}

/// Where a write-ahead log that was found damaged is kept.
pub(crate) fn damaged(paths: &Paths, number: u32) -> PathBuf {
    paths.segments.join(format!("{number:010}.{DATABASE}-wal-damaged"))
}

pub(crate) fn bodies(paths: &Paths, key: SegmentKey) -> PathBuf {
    paths.segments.join(format!("{:010}-{}.{BODIES}", key.number, key.rewrites))
}

pub(crate) fn unfinished(paths: &Paths, number: u32) -> PathBuf {
    paths.segments.join(format!("{number:010}.{UNFINISHED}"))
}

/// What a file in the directory of segments is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Named {
    /// The database of a segment.
    Database(u32),
    /// The bytes of its objects.
    Bodies(SegmentKey),
    /// What a crash left of something that never counted.
    Leftover,
    /// A file that goes with a database, by SQLite.
    OfSqlite,
    /// Not ours.
    Other,
}

pub(crate) fn named(path: &Path) -> Named {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    match path.extension().and_then(|extension| extension.to_str()).unwrap_or_default() {
        DATABASE => stem.parse().map_or(Named::Other, Named::Database),
        BODIES => key(stem).map_or(Named::Other, Named::Bodies),
        UNFINISHED => Named::Leftover,
        extension if extension.starts_with(DATABASE) => Named::OfSqlite,
        extension if extension.starts_with(UNFINISHED) => Named::Leftover,
        _ => Named::Other,
    }
}

fn key(stem: &str) -> Option<SegmentKey> {
    let (number, rewrites) = stem.split_once('-')?;
    Some(SegmentKey { number: number.parse().ok()?, rewrites: rewrites.parse().ok()? })
}
