//! Reading a write-ahead log of SQLite's before SQLite does: what is torn at its end is told from damage in its middle.
//!
//! SQLite takes the frames of a log up to the first that does not hold, and drops the rest without a word: one flipped bit takes all
//! commits behind it, and what is left is in order. Each frame's checksum begins with that of the frame before as it stands in the file
//! (<https://sqlite.org/fileformat2.html#walformat>), so that a frame can be checked though the one before is damaged.

use std::io;

use outrigger_runtime::DiskFile;
use outrigger_runtime::disk::read_exact_at;

use crate::damage::Certainty;

const HEADER_BYTES: usize = 32;
const FRAME_HEADER_BYTES: usize = 24;
/// The first number, but for its last bit, which says in which order the checksums take their bytes.
const MAGIC: u32 = 0x377f_0682;
/// Page sizes there are.
const PAGE_BYTES: std::ops::RangeInclusive<u32> = 512..=65_536;

/// What stands in a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wal {
    /// Nothing: it is empty, or its header was never whole.
    Empty,
    /// Whole commits, and behind them at most what was never committed.
    Sound,
    /// A frame that does not hold, with whole ones of the same log behind it.
    Damaged {
        /// Where that frame begins, in bytes from the start of the file.
        offset: u64,
        /// Commits behind it that SQLite will drop.
        commits: u64,
        /// Whether they had been acknowledged.
        certainty: Certainty,
    },
}

/// The checksum of a log, over pairs of 32-bit words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Checksum {
    one: u32,
    two: u32,
}

/// In which order the words of a checksum are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Little,
    Big,
}

impl Checksum {
    fn over(self, bytes: &[u8], order: Order) -> Self {
        let word = |bytes: [u8; 4]| match order {
            Order::Little => u32::from_le_bytes(bytes),
            Order::Big => u32::from_be_bytes(bytes),
        };
        let (pairs, _) = bytes.as_chunks::<8>();
        pairs.iter().fold(self, |Self { one, two }, [a, b, c, d, e, f, g, h]| {
            let one = one.wrapping_add(word([*a, *b, *c, *d])).wrapping_add(two);
            let two = two.wrapping_add(word([*e, *f, *g, *h])).wrapping_add(one);
            Self { one, two }
        })
    }
}

/// Big-endian numbers, one after the other.
fn number(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}

fn checksum_at(bytes: &[u8], at: usize) -> Option<Checksum> {
    Some(Checksum { one: number(bytes, at)?, two: number(bytes, at + 4)? })
}

/// What the header of a log says.
struct Header {
    order: Order,
    page_bytes: usize,
    /// Those of its frames; any, where they are not known.
    salts: Option<(u32, u32)>,
    checksum: Checksum,
}

impl Header {
    /// Reads a header; `None` where it does not hold, as SQLite then takes the whole log for empty.
    fn read(bytes: &[u8]) -> Option<Self> {
        let magic = number(bytes, 0)?;
        let order = if magic & 1 == 0 { Order::Little } else { Order::Big };
        let page_bytes =
            number(bytes, 8).filter(|size| PAGE_BYTES.contains(size) && size.is_power_of_two())?;
        let salts = Some((number(bytes, 16)?, number(bytes, 20)?));
        let checksum = checksum_at(bytes, 24)?;
        let computed = Checksum { one: 0, two: 0 }.over(bytes.get(..24)?, order);
        let holds = magic & !1 == MAGIC && computed == checksum;
        holds.then_some(Self { order, page_bytes: usize::try_from(page_bytes).ok()?, salts, checksum })
    }
}

/// How frames are read where the header does not say it: as they are written here.
const USUAL: Header =
    Header { order: Order::Little, page_bytes: 4096, salts: None, checksum: Checksum { one: 0, two: 0 } };

/// Looks a log through, frame by frame.
pub(crate) fn look(file: &dyn DiskFile) -> io::Result<Wal> {
    let length = file.length()?;
    if length <= HEADER_BYTES as u64 {
        return Ok(Wal::Empty);
    }
    let header = Header::read(&read_exact_at(file, 0, HEADER_BYTES)?);
    let seen = frames(file, length, header.as_ref().unwrap_or(&USUAL))?;
    let bad = if header.is_some() { seen.bad } else { Some(0) };
    Ok(match bad {
        Some(offset) if seen.commits > 0 => {
            Wal::Damaged { offset, commits: seen.commits, certainty: seen.certainty() }
        }
        None | Some(_) => Wal::Sound,
    })
}

/// What is found of the frames of a log.
#[derive(Debug, Default)]
struct Seen {
    /// The first frame that does not hold.
    bad: Option<u64>,
    /// Commits that hold, behind it.
    commits: u64,
    /// Frames that hold behind the first of those.
    later: u64,
}

impl Seen {
    /// A transaction begins when the one before is on the disk. Of a single one, a disk that lost its power may keep the last page and
    /// not the first.
    fn certainty(&self) -> Certainty {
        if self.later > 0 { Certainty::Acknowledged } else { Certainty::Perhaps }
    }
}

fn frames(file: &dyn DiskFile, length: u64, header: &Header) -> io::Result<Seen> {
    let frame_bytes = FRAME_HEADER_BYTES + header.page_bytes;
    let mut before = header.checksum;
    let mut at = HEADER_BYTES as u64;
    let mut seen = Seen::default();
    while at.saturating_add(frame_bytes as u64) <= length {
        let frame = read_exact_at(file, at, frame_bytes)?;
        let salts = number(&frame, 8).zip(number(&frame, 12));
        let is_ours = header.salts.is_none_or(|ours| salts == Some(ours));
        let Some(stored) = checksum_at(&frame, 16) else { break };
        let head = frame.get(..8).unwrap_or_default();
        let page = frame.get(FRAME_HEADER_BYTES..).unwrap_or_default();
        let holds = is_ours && before.over(head, header.order).over(page, header.order) == stored;
        match seen.bad {
            None if !holds => seen.bad = Some(at),
            Some(_) if holds => {
                seen.later += u64::from(seen.commits > 0);
                seen.commits += u64::from(number(&frame, 4).is_some_and(|pages| pages > 0));
            }
            None | Some(_) => {}
        }
        before = stored;
        at += frame_bytes as u64;
    }
    Ok(seen)
}

#[cfg(test)]
mod tests {
    use std::io::IoSlice;

    use outrigger_runtime::disk::{Access, Disk as _, RealDisk};
    use rusqlite::Connection;

    use super::*;

    const ROWS: i64 = 40;

    /// A database with so many commits in its log, and none of them in the database yet.
    fn committed(directory: &std::path::Path) -> Connection {
        let database = Connection::open(directory.join("d.sqlite")).unwrap();
        database
            .execute_batch(
                "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; \
                 CREATE TABLE t(n INTEGER PRIMARY KEY, b BLOB)",
            )
            .unwrap();
        for row in 0..ROWS {
            database.execute("INSERT INTO t VALUES (?1, zeroblob(3000))", [row]).unwrap();
        }
        database
    }

    fn looked(path: &std::path::Path) -> Wal {
        look(&*RealDisk.open(path, Access::Read).unwrap()).unwrap()
    }

    /// Copies database and log as a crash would leave them, with the log changed, and counts the rows that SQLite then finds.
    fn crashed(from: &std::path::Path, change: impl FnOnce(&mut Vec<u8>)) -> (Wal, i64) {
        let other = tempfile::tempdir().unwrap();
        std::fs::copy(from.join("d.sqlite"), other.path().join("d.sqlite")).unwrap();
        let whole = RealDisk.open(&from.join("d.sqlite-wal"), Access::Read).unwrap();
        let mut log = whole.read_new(0, usize::try_from(whole.length().unwrap()).unwrap()).unwrap();
        change(&mut log);
        let path = other.path().join("d.sqlite-wal");
        RealDisk.create(&path).unwrap().write_at(&[IoSlice::new(&log)], 0).unwrap();
        let found = looked(&path);
        let database = Connection::open(other.path().join("d.sqlite")).unwrap();
        let rows = database.query_row("SELECT count(*) FROM t", [], |row| row.get(0));
        // Without its table there is not even a row to count.
        (found, rows.unwrap_or(0))
    }

    #[test]
    fn one_bit_in_the_middle_takes_all_commits_behind_it_and_is_found() {
        let directory = tempfile::tempdir().unwrap();
        let _open = committed(directory.path());
        assert_eq!(crashed(directory.path(), |_| ()), (Wal::Sound, ROWS), "the control");
        let length = std::fs::metadata(directory.path().join("d.sqlite-wal")).unwrap().len();
        for step in 1..40 {
            let at = usize::try_from(length * step / 50).unwrap();
            let (found, rows) = crashed(directory.path(), |log| log[at] ^= 1 << (step % 8));
            assert!(rows < ROWS, "SQLite drops what stands behind byte {at}");
            let Wal::Damaged { offset, commits, certainty } = found else { panic!("byte {at}: {found:?}") };
            assert_eq!(certainty, Certainty::Acknowledged, "byte {at}");
            assert!(offset <= at as u64, "byte {at}: {found:?}");
            assert!(commits > 0 && commits <= ROWS.unsigned_abs() + 1, "byte {at}: {found:?}");
        }
    }

    #[test]
    fn an_end_that_was_never_whole_is_no_damage() {
        let directory = tempfile::tempdir().unwrap();
        let _open = committed(directory.path());
        for cut in [1, 24, 2000, 4120, 5000] {
            let (found, rows) = crashed(directory.path(), |log| log.truncate(log.len() - cut));
            assert_eq!(found, Wal::Sound, "cut by {cut}");
            assert!(rows >= ROWS - 2, "cut by {cut}: {rows}");
        }
        let (found, _) = crashed(directory.path(), |log| {
            let last = log.len() - 100;
            log[last] ^= 1;
        });
        assert_eq!(found, Wal::Sound, "the last commit alone cannot be told from a torn one");
        // Of the last two, the first may be the beginning of a transaction of which only the end came to the disk.
        let (found, _) = crashed(directory.path(), |log| {
            let before = log.len() - 4120 - 100;
            log[before] ^= 1;
        });
        assert!(matches!(found, Wal::Damaged { commits: 1, certainty: Certainty::Perhaps, .. }), "{found:?}");
    }

    #[test]
    fn a_header_that_does_not_hold_before_frames_is_damage() {
        let directory = tempfile::tempdir().unwrap();
        let _open = committed(directory.path());
        for at in [0, 9, 17, 30] {
            let (found, rows) = crashed(directory.path(), |log| log[at] ^= 1);
            let Wal::Damaged { offset: 0, certainty: Certainty::Acknowledged, .. } = found else {
                panic!("byte {at}: {found:?}");
            };
            assert_eq!(rows, 0, "SQLite takes none of it");
        }
        assert_eq!(crashed(directory.path(), Vec::clear), (Wal::Empty, 0));
    }
}
