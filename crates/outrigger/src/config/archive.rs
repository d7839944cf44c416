//! The configuration of an embedded archive: `outrigger archive`.

use std::path::PathBuf;

use super::document::Mistakes;
use super::keys;
use super::node::{Base, read, read_base};
use super::section::Section;
use super::units;

/// The whole configuration of an embedded archive.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveConfig {
    /// What every process has.
    pub(crate) base: Base,
    /// Directory of object bytes.
    pub(crate) blobs: PathBuf,
    /// URL of the catalogue's database.
    pub(crate) catalogue: String,
}

/// Reads the configuration of an embedded archive, or gives every mistake in it.
pub(crate) fn read_archive(file: &str, text: &str) -> Result<ArchiveConfig, Mistakes> {
    read(file, text, |root| {
        let base = read_base(root);
        let section = root.table(&keys::ARCHIVE);
        let blobs = section.read(&keys::ARCHIVE_BLOBS, |text| after(text, "file:").map(PathBuf::from));
        let catalogue = read_catalogue(&section);
        section.end();
        Some(ArchiveConfig { base: base?, blobs: blobs?, catalogue: catalogue? })
    })
}

fn after<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    text.strip_prefix(prefix).filter(|rest| !rest.is_empty())
}

fn read_catalogue(section: &Section<'_>) -> Option<String> {
    let url = section.text(&keys::ARCHIVE_CATALOGUE)?;
    let url = match units::substituted(&url, |name| std::env::var(name).ok()) {
        Ok(url) => url,
        Err(missing) => {
            section.wrong(&keys::ARCHIVE_CATALOGUE, missing.to_string());
            return None;
        }
    };
    if ["sqlite:", "redb:"].iter().any(|scheme| after(&url, scheme).is_some()) {
        return Some(url);
    }
    if url.starts_with("postgres:") || url.starts_with("mysql:") {
        section.not_in_this_version(&keys::ARCHIVE_CATALOGUE, "a catalogue on a database server");
    } else {
        section.wrong(&keys::ARCHIVE_CATALOGUE, format!("`{url}` stands here"));
    }
    None
}
