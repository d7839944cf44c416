//! `[journal]` and `[ledger]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys;
use super::section::Section;
use super::units;

/// `[journal]`, with its one copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalConfig {
    /// The copy's directory.
    pub(crate) directory: PathBuf,
    /// How long bytes stay after balance.
    pub(crate) retention: Duration,
    /// Room it may use, in bytes.
    pub(crate) max_size: u64,
    /// Free space kept, in bytes.
    pub(crate) reserve: u64,
    /// Size of a segment, in bytes.
    pub(crate) segment_size: u64,
    /// Between two scrubs; zero: only when asked for.
    pub(crate) scrub: Duration,
    /// A scrub reads so much in a second, in bytes.
    pub(crate) scrub_rate: u64,
}

/// Reads `[journal]`.
pub(crate) fn read_journal(section: Section<'_>, data: &Path) -> Option<JournalConfig> {
    let retention = section.duration(&keys::RETENTION);
    let max_size = section.size(&keys::MAX_SIZE);
    let reserve = section.size(&keys::RESERVE);
    let segment_size = section.size(&keys::SEGMENT_SIZE);
    let (scrub, scrub_rate) = (section.duration(&keys::SCRUB), section.size(&keys::SCRUB_RATE));
    let copies = section.each(&keys::COPY, read_copy);
    if copies.as_ref().is_some_and(|copies| copies.len() > 1) {
        section.not_in_this_version(&keys::COPY, "a second copy of the journal");
    }
    section.end();
    let directory = copies?.pop().unwrap_or_else(|| data.join("journal"));
    Some(JournalConfig {
        directory,
        retention: retention?,
        max_size: max_size?,
        reserve: reserve?,
        segment_size: segment_size?,
        scrub: scrub?,
        scrub_rate: scrub_rate?,
    })
}

fn read_copy(section: Section<'_>) -> Option<PathBuf> {
    let engine = section.read(&keys::COPY_ENGINE, |text| match text {
        "log" => Some(()),
        _ => None,
    });
    let path = section.path(&keys::COPY_PATH);
    section.end();
    engine.and(path)
}

/// Reads `[ledger]`: the path of its SQLite database.
pub(crate) fn read_ledger(section: Section<'_>, data: &Path) -> Option<PathBuf> {
    let path = if section.has(&keys::LEDGER_URL) {
        section.text(&keys::LEDGER_URL).and_then(|url| read_url(&section, &url))
    } else {
        Some(data.join("ledger.db"))
    };
    section.end();
    path
}

fn read_url(section: &Section<'_>, url: &str) -> Option<PathBuf> {
    let url = match units::substituted(url, |name| std::env::var(name).ok()) {
        Ok(url) => url,
        Err(missing) => {
            section.wrong(&keys::LEDGER_URL, missing.to_string());
            return None;
        }
    };
    match url.strip_prefix("sqlite:") {
        Some(path) if !path.is_empty() => return Some(PathBuf::from(path)),
        _ if url.starts_with("postgres:") || url.starts_with("mysql:") => {
            section.not_in_this_version(&keys::LEDGER_URL, "a ledger on a database server");
        }
        _ => section.wrong(&keys::LEDGER_URL, format!("`{url}` stands here")),
    }
    None
}
