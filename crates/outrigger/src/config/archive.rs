//! The configuration of an embedded archive: `outrigger archive`.

use std::path::PathBuf;

use outrigger_archive::{S3Options, ScrubOptions};
use outrigger_runtime::Disk;
use toml::de::DeTable;

use super::claims::Claim;
use super::document::Mistakes;
use super::keys;
use super::node::{Base, read, read_base};
use super::s3::{bucket, read_s3};
use super::secrets;
use super::section::Section;
use super::units;

/// The whole configuration of an embedded archive.
#[derive(Debug, Clone)]
pub(crate) struct ArchiveConfig {
    /// What every process has.
    pub(crate) base: Base,
    /// Where object bytes are kept.
    pub(crate) blobs: BlobsAt,
    /// How objects are scrubbed.
    pub(crate) scrub: ScrubOptions,
    /// URL of the catalogue's database.
    pub(crate) catalogue: String,
    /// The file it is in, where it is in one.
    pub(crate) catalogue_file: Option<PathBuf>,
}

/// Where object bytes are kept.
#[derive(Debug, Clone)]
pub(crate) enum BlobsAt {
    /// In a directory.
    Directory(PathBuf),
    /// In an object store.
    S3(Box<S3Options>),
}

/// Reads the configuration of an embedded archive, or gives every mistake in it.
pub(crate) fn read_archive(file: &str, text: &str, disk: &dyn Disk) -> Result<ArchiveConfig, Mistakes> {
    read(file, text, disk, |root| {
        let base = read_base(root);
        let section = root.table(&keys::ARCHIVE);
        let blobs = read_blobs(&section);
        let catalogue = read_catalogue(&section);
        let file = catalogue.as_deref().and_then(file_of);
        if let Some(file) = &file {
            section.take_file(&keys::ARCHIVE_CATALOGUE, file, base.data());
        }
        let every = section.duration(&keys::ARCHIVE_SCRUB);
        let rate = section.room(&keys::ARCHIVE_SCRUB_RATE);
        section.end();
        Some(ArchiveConfig {
            base: base.finish()?,
            blobs: blobs?,
            scrub: ScrubOptions { every: every?, bytes_per_second: rate? },
            catalogue: catalogue?,
            catalogue_file: file,
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

fn read_blobs(section: &Section<'_>) -> Option<BlobsAt> {
    let url = section.text(&keys::ARCHIVE_BLOBS);
    let store = section.table(&keys::ARCHIVE_S3);
    let url = url?;
    if let Some(directory) = after(&url, "file:").map(PathBuf::from) {
        if store.is_given() {
            let right = "leave it out, or `blobs = \"s3://BUCKET/PREFIX\"` is expected";
            section.wrong_as(&keys::ARCHIVE_S3, "`blobs` names a directory", right);
        }
        section.take_directory(&keys::ARCHIVE_BLOBS, Claim::Place(directory.clone()));
        return Some(BlobsAt::Directory(directory));
    }
    let bucket = bucket(&url);
    if bucket.is_none() {
        section.wrong(&keys::ARCHIVE_BLOBS, format!("`{url}` stands here"));
    }
    if !url.starts_with("s3:") {
        return None;
    }
    read_s3(store, bucket).map(|options| BlobsAt::S3(Box::new(options)))
}

/// The file of a database that is embedded.
fn file_of(url: &str) -> Option<PathBuf> {
    EMBEDDED.iter().find_map(|scheme| after(url, scheme)).map(PathBuf::from)
}

const EMBEDDED: [&str; 2] = ["sqlite:", "redb:"];
const SERVERS: [&str; 2] = ["postgres://", "mysql://"];

fn read_catalogue(section: &Section<'_>) -> Option<String> {
    let text = section.text(&keys::ARCHIVE_CATALOGUE)?;
    let is_of = |schemes: &[&str]| schemes.iter().any(|scheme| after(&text, scheme).is_some());
    let url = if is_of(&SERVERS) {
        secrets::put_in(section, &text)
    } else {
        units::substituted(&text, |name| std::env::var(name).ok())
    };
    match url {
        Ok(url) if is_of(&EMBEDDED) || is_of(&SERVERS) => return Some(url),
        // What was put in may be secret.
        Ok(_) => section.wrong(&keys::ARCHIVE_CATALOGUE, format!("`{text}` stands here")),
        Err(missing) => {
            section.wrong(&keys::ARCHIVE_CATALOGUE, outrigger_model::with_causes(&missing));
        }
    }
    None
}
