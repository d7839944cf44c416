//! `[journal]` and `[ledger]`.

use std::path::{Path, PathBuf};
use std::time::Duration;

use outrigger_journal::{EngineKind, Options, OptionsError, Place, SEGMENT_BYTES};
use outrigger_runtime::disk::Disk;

use super::claims::Claim;
use super::keys;
use super::section::Section;
use super::units;
use crate::output;

/// `[journal]`, with its copies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct JournalConfig {
    /// What it is opened with.
    pub(crate) options: Options,
    /// How long bytes stay after balance.
    pub(crate) retention: Duration,
    /// Between two scrubs; zero: only when asked for.
    pub(crate) scrub: Duration,
    /// A scrub reads so much in a second, in bytes.
    pub(crate) scrub_rate: u64,
}

impl JournalConfig {
    /// In a sentence each which disk of a copy has less than the copy may take.
    pub(crate) fn beyond_disk(&self, disk: &dyn Disk) -> Vec<String> {
        let Options { copies, max_size_bytes, .. } = &self.options;
        let beyond = |place: &Place| {
            // The copy's own directory may still have to be made.
            let space = place.directory.ancestors().find_map(|place| disk.space(place).ok())?;
            let [wanted, total] = [*max_size_bytes, space.total].map(output::size);
            (*max_size_bytes > space.total).then(|| {
                format!(
                    "`journal.max_size` is {wanted}, and the disk of {} has {total}; what the disk holds counts",
                    place.directory.display()
                )
            })
        };
        copies.iter().filter_map(beyond).collect()
    }

    /// In a sentence that one engine keeps several copies, where it does: what is wrong with it is wrong with all of them.
    pub(crate) fn alike(&self) -> Option<String> {
        let copies = &self.options.copies;
        let twice = copies
            .iter()
            .enumerate()
            .find_map(|(at, place)| copies.iter().skip(at + 1).find(|other| other.engine == place.engine))?;
        Some(format!(
            "two copies of the journal are kept by engine `{}`: a fault of it, or of the format, would be in both; give one of them the other engine",
            twice.engine.name()
        ))
    }
}

/// Reads `[journal]`; `data` is the node's directory.
pub(crate) fn read_journal(section: Section<'_>, data: Option<&Path>) -> Option<JournalConfig> {
    let retention = section.duration(&keys::RETENTION);
    let max_size = section.room(&keys::MAX_SIZE);
    let reserve = section.room(&keys::RESERVE);
    let segment_size = section.room(&keys::SEGMENT_SIZE);
    let (scrub, scrub_rate) = (section.duration(&keys::SCRUB), section.room(&keys::SCRUB_RATE));
    let copies = section.each(&keys::COPY, read_copy);
    let copies = copies.and_then(|copies| {
        if copies.is_empty() { by_default(&section, data).map(|place| vec![place]) } else { Some(copies) }
    });
    if section.has(&keys::SEGMENT_SIZE)
        && segment_size.zip(max_size).is_some_and(|(segment, whole)| segment > whole)
    {
        let wrong =
            "a segment may become larger than the whole journal, which then is full before one is done";
        section.wrong_as(&keys::SEGMENT_SIZE, wrong, "a size well below `max_size` is expected");
    }
    // A mistake in one of them does not hide what is wrong with the others.
    let options = max_size.zip(reserve).map(|(max_size_bytes, reserve_bytes)| Options {
        // A mistake in a copy is told where it stands.
        copies: copies.clone().unwrap_or_else(|| vec![Place::new(EngineKind::Log, "")]),
        accept_loss: None,
        segment_bytes_max: segment_size.unwrap_or(SEGMENT_BYTES),
        reserve_bytes,
        max_size_bytes,
    });
    match options.as_ref().map(Options::check) {
        Some(Err(error @ OptionsError::Segment)) => section.wrong(&keys::SEGMENT_SIZE, error.to_string()),
        Some(Err(error @ OptionsError::NoCopy)) => section.wrong(&keys::COPY, error.to_string()),
        Some(Err(error @ OptionsError::NoRoom)) => {
            section.wrong_as(&keys::MAX_SIZE, error.to_string(), "a size well above `reserve` is expected");
        }
        None | Some(Ok(())) => {}
    }
    section.end();
    copies.and(segment_size)?;
    Some(JournalConfig { options: options?, retention: retention?, scrub: scrub?, scrub_rate: scrub_rate? })
}

/// The journal in the node's directory, where no copy is configured.
fn by_default(section: &Section<'_>, data: Option<&Path>) -> Option<Place> {
    let directory = data?.join("journal");
    section.take_directory(&keys::COPY, Claim::Place(directory.clone()));
    Some(Place::new(EngineKind::Log, directory))
}

fn read_copy(section: Section<'_>) -> Option<Place> {
    let engine = read_engine(&section);
    let path = section.path(&keys::COPY_PATH);
    if let Some(path) = &path {
        section.take_directory(&keys::COPY_PATH, Claim::Place(path.clone()));
    }
    section.end();
    engine.zip(path).map(|(engine, directory)| Place { engine, directory })
}

fn read_engine(section: &Section<'_>) -> Option<EngineKind> {
    let name = section.text(&keys::COPY_ENGINE)?;
    let found = EngineKind::ALL.into_iter().find(|engine| engine.name() == name);
    if found.is_none() {
        section.wrong(&keys::COPY_ENGINE, format!("`{name}` stands here"));
    }
    found
}

/// Reads `[ledger]`: the path of its SQLite database; `data` is the node's directory.
pub(crate) fn read_ledger(section: Section<'_>, data: Option<&Path>) -> Option<PathBuf> {
    let path = if section.has(&keys::LEDGER_URL) {
        section.text(&keys::LEDGER_URL).and_then(|url| read_url(&section, &url))
    } else {
        data.map(|data| data.join("ledger.db"))
    };
    if let Some(path) = &path {
        section.take_file(&keys::LEDGER_URL, path, data);
    }
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
