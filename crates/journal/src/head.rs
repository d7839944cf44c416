//! The head file: two equal lines, each with its checksum, replaced as a whole.

use std::io;
use std::path::Path;

use outrigger_runtime::Disk;
use outrigger_runtime::disk::{read_small, replace};
use serde::{Deserialize, Serialize};

use crate::engine::EngineKind;
use crate::ids::{Epoch, JournalId, Seq};

/// The newest format that this version reads and writes.
pub(crate) const FORMAT: u32 = 1;
/// A head larger than this is not one of ours.
const HEAD_BYTES_MAX: u64 = 1 << 16;

/// What the head says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Head {
    /// Version of the format of everything in the directory.
    pub(crate) format: u32,
    /// The journal's name, 32 hex digits.
    pub(crate) journal: String,
    /// Which of the copies this is, by its name.
    pub(crate) copy: String,
    /// Grows whenever a copy is dropped or added.
    pub(crate) generation: u64,
    /// All copies of this generation.
    pub(crate) copies: Vec<Copy>,
    /// The last start.
    pub(crate) epoch: Epoch,
    /// Segments up to this number are on the disk for certain; the one behind it is not, until the journal is closed in order.
    pub(crate) certain: u32,
    /// Every body up to this number is let go.
    pub(crate) release_mark: Seq,
}

/// Copies that are all needed at a start, and how often that set has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Generation {
    pub(crate) number: u64,
    pub(crate) copies: Vec<Copy>,
}

impl Generation {
    /// These copies, in the order of their names, so that every head lists them alike.
    pub(crate) fn new(number: u64, mut copies: Vec<Copy>) -> Self {
        copies.sort_by(|one, other| one.name.cmp(&other.name));
        Self { number, copies }
    }
}

/// The generation of a copy that is still being made: it never counts.
pub(crate) const UNFINISHED: u64 = 0;

/// One copy of the journal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Copy {
    /// Its random name, 16 hex digits.
    pub(crate) name: String,
    /// How it is kept.
    pub(crate) engine: String,
}

/// What was found where the head ought to be.
#[derive(Debug)]
pub(crate) enum FoundHead {
    /// No file.
    Nothing,
    /// A head; some of its lines may be damaged, from this byte on.
    Head { head: Head, damaged_at: Option<u64> },
    /// A file of a newer format.
    Newer(u32),
    /// Nothing readable.
    Unreadable,
}

impl Head {
    /// The head of a new journal with one copy.
    pub(crate) fn new(journal: JournalId, copy: u64, engine: EngineKind) -> Self {
        let name = format!("{copy:016x}");
        Self {
            format: FORMAT,
            journal: journal.to_string(),
            copy: name.clone(),
            generation: 1,
            copies: vec![Copy { name, engine: engine.name().to_owned() }],
            epoch: Epoch(0),
            certain: 0,
            release_mark: Seq(0),
        }
    }

    /// The head of a copy that is being made from others of a journal.
    pub(crate) fn unfinished(journal: JournalId, copy: u64, engine: EngineKind) -> Self {
        Self { generation: UNFINISHED, ..Self::new(journal, copy, engine) }
    }

    /// The copies it was written with.
    pub(crate) fn generation(&self) -> Generation {
        Generation::new(self.generation, self.copies.clone())
    }

    /// The copy it is the head of; heads of the first versions may not list it.
    pub(crate) fn own(&self) -> Copy {
        Copy { name: self.copy.clone(), engine: self.engine().to_owned() }
    }

    /// The journal's name, if it is one.
    pub(crate) fn journal(&self) -> Option<JournalId> {
        u128::from_str_radix(&self.journal, 16).ok().map(JournalId)
    }

    /// The engine that keeps this copy; heads of the first versions name only that.
    pub(crate) fn engine(&self) -> &str {
        let own = self.copies.iter().find(|copy| copy.name == self.copy);
        own.map_or(EngineKind::Log.name(), |copy| &copy.engine)
    }

    /// Replaces the head on disk.
    pub(crate) fn write(&self, disk: &dyn Disk, path: &Path) -> io::Result<()> {
        let json = serde_json::to_string(self).map_err(io::Error::other)?;
        let line = format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes()));
        replace(disk, path, format!("{line}{line}").as_bytes())
    }

    /// Reads the head.
    pub(crate) fn read(disk: &dyn Disk, path: &Path) -> io::Result<FoundHead> {
        match read_small(disk, path, HEAD_BYTES_MAX) {
            Ok(bytes) => Ok(parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(FoundHead::Nothing),
            Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Ok(FoundHead::Unreadable),
            Err(error) => Err(error),
        }
    }
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

fn parse(bytes: &[u8]) -> FoundHead {
    let half = bytes.len() / 2;
    let (first, second) = bytes.split_at(half);
    let sound = [first, second].map(sound_json);
    let damaged_at = match sound {
        [Some(_), Some(_)] => None,
        [None, _] => Some(0),
        [Some(_), None] => Some(half as u64),
    };
    let Some(json) = sound.into_iter().flatten().next() else { return FoundHead::Unreadable };
    match serde_json::from_slice::<Format>(json) {
        Ok(Format { format }) if format > FORMAT => return FoundHead::Newer(format),
        Ok(_) | Err(_) => {}
    }
    match serde_json::from_slice(json) {
        Ok(head) => FoundHead::Head { head, damaged_at },
        Err(_) => FoundHead::Unreadable,
    }
}

fn sound_json(line: &[u8]) -> Option<&[u8]> {
    let (crc, json) = line.strip_suffix(b"\n")?.split_first_chunk::<9>()?;
    let crc = std::str::from_utf8(crc).ok()?.strip_suffix(' ')?;
    // Compared as text, so that a flipped bit that only turns a letter's case is seen too.
    (crc == format!("{:08x}", crc32c::crc32c(json))).then_some(json)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> Vec<u8> {
        let json = serde_json::to_string(&Head::new(JournalId(7), 9, EngineKind::Log)).unwrap();
        let line = format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes()));
        format!("{line}{line}").into_bytes()
    }

    #[test]
    fn any_flipped_bit_is_seen_and_the_head_still_stands() {
        let bytes = written();
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let FoundHead::Head { head, damaged_at } = parse(&flipped) else { panic!("bit {bit}") };
            assert_eq!(head, Head::new(JournalId(7), 9, EngineKind::Log));
            assert_eq!(damaged_at, Some(if bit / 8 < bytes.len() / 2 { 0 } else { bytes.len() as u64 / 2 }));
        }
    }

    #[test]
    fn a_newer_format_is_told_from_damage() {
        let json = r#"{"format":2,"shape":"unheard of"}"#;
        let line = format!("{:08x} {json}\n", crc32c::crc32c(json.as_bytes()));
        assert!(matches!(parse(format!("{line}{line}").as_bytes()), FoundHead::Newer(2)));
        assert!(matches!(parse(b"nonsense"), FoundHead::Unreadable));
    }
}
