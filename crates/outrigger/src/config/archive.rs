//! The configuration of an embedded archive: `outrigger archive`.

use std::path::PathBuf;

use outrigger_runtime::Disk;
use toml::de::DeTable;

use super::claims::Claim;
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
    /// The file it is in.
    pub(crate) catalogue_file: PathBuf,
}

/// Reads the configuration of an embedded archive, or gives every mistake in it.
pub(crate) fn read_archive(file: &str, text: &str, disk: &dyn Disk) -> Result<ArchiveConfig, Mistakes> {
    read(file, text, disk, |root| {
        let base = read_base(root);
        let section = root.table(&keys::ARCHIVE);
        let blobs = read_blobs(&section);
        if let Some(blobs) = &blobs {
            section.take_directory(&keys::ARCHIVE_BLOBS, Claim::Place(blobs.clone()));
        }
        let catalogue = read_catalogue(&section);
        let file = catalogue.as_deref().and_then(|url| Some(PathBuf::from(url.split_once(':')?.1)));
        if let Some(file) = &file {
            section.take_file(&keys::ARCHIVE_CATALOGUE, file, base.data());
        }
        section.end();
        Some(ArchiveConfig {
            base: base.finish()?,
            blobs: blobs?,
            catalogue: catalogue?,
            catalogue_file: file?,
        })
    })
}

/// Whether a text configures an archive: it has an `[archive]` table; any other configures a node.
pub(crate) fn is_archive(text: &str) -> bool {
    let (table, _) = DeTable::parse_recoverable(text);
    table.get_ref().contains_key(keys::ARCHIVE.name)
}

fn after<'t>(text: &'t str, prefix: &str) -> Option<&'t str> {
    text.strip_prefix(prefix).filter(|rest| !rest.is_empty())
}

fn read_blobs(section: &Section<'_>) -> Option<PathBuf> {
    let url = section.text(&keys::ARCHIVE_BLOBS)?;
    let directory = after(&url, "file:").map(PathBuf::from);
    match directory {
        Some(_) => {}
        None if url.starts_with("s3:") => {
            section.not_in_this_version(&keys::ARCHIVE_BLOBS, "an archive in an object store");
        }
        None => section.wrong(&keys::ARCHIVE_BLOBS, format!("`{url}` stands here")),
    }
    directory
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
