//! A log and a SQLite copy of one journal: what one has lost comes from the other, and what cannot be known is refused.

use std::path::{Path, PathBuf};

use outrigger_journal::{
    Append, Certainty, CopyStanding, EngineKind, Entry, Journal, JournalReader, OpenError, Opened, Options,
    Place, Presence, Seq,
};
use outrigger_runtime::{Clock, Random};
use sha2::{Digest, Sha256};

use crate::kit::{all_of, append, bytes, closing, listed, object, options, real_disk, scrubbed};

/// SHA-256 of bytes that were read.
type Digested = [u8; 32];

const LARGE: usize = (1 << 20) + 100;

/// Two places, of a log and of SQLite.
struct Pair {
    directory: tempfile::TempDir,
}

impl Pair {
    fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    fn place(&self, engine: EngineKind) -> PathBuf {
        self.directory.path().join(engine.name())
    }

    fn options(&self, engines: &[EngineKind]) -> Options {
        let copies = engines.iter().map(|engine| Place::new(*engine, self.place(*engine))).collect();
        Options { copies, ..options(self.directory.path()) }
    }

    fn try_open(&self, applied: u64, accepted_by: Option<&str>) -> Result<Opened, OpenError> {
        let accept_loss = accepted_by.map(ToOwned::to_owned);
        opened(Options { accept_loss, ..self.options(&EngineKind::ALL) }, applied)
    }

    fn open(&self) -> Journal {
        self.try_open(0, None).unwrap().journal
    }

    /// The directory that the copy of an engine is in now.
    fn copy(&self, engine: EngineKind) -> PathBuf {
        let place = self.place(engine);
        let later = listed(&place).into_iter().find(|path| path.join("head").is_file());
        later.unwrap_or(place)
    }

    /// What stands in a place, aside.
    fn kept(&self, engine: EngineKind) -> tempfile::TempDir {
        let aside = tempfile::tempdir().unwrap();
        copy_all(&self.place(engine), aside.path());
        aside
    }

    fn put_back(&self, engine: EngineKind, aside: &Path) {
        std::fs::remove_dir_all(self.place(engine)).unwrap();
        copy_all(aside, &self.place(engine));
    }
}

fn opened(options: Options, applied: u64) -> Result<Opened, OpenError> {
    Journal::open(real_disk(), Clock::System, Random::System, options, Seq(applied))
}

fn copy_all(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for path in listed(from) {
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy_all(&path, &target);
        } else {
            std::fs::copy(&path, target).unwrap();
        }
    }
}

/// Small ones, large ones, closings, and some bodies let go.
fn life(journal: &mut Journal, from: u64) {
    append(journal, vec![object(from, 3000), closing(from)]);
    append(journal, vec![object(from + 1, LARGE)]);
    let gone = append(journal, vec![object(from + 2, 20_000), object(from + 3, LARGE)]);
    journal.release(&gone.iter().map(outrigger_journal::Durable::seq).collect::<Vec<_>>()).unwrap();
    append(journal, vec![object(from + 4, 40_000), closing(from + 5)]);
}

/// All that readers are given: each entry, and its bytes where they are kept.
fn all(reader: &JournalReader) -> Vec<(Entry, Option<Digested>)> {
    let entries = reader.records(Seq(0), 10_000).unwrap();
    let bytes = |entry: &Entry| match entry {
        Entry::Record(record) => {
            let is_kept = record.body.is_some_and(|facts| facts.presence == Presence::Kept);
            is_kept.then(|| Sha256::digest(all_of(&*reader.body(record.seq).unwrap())).into())
        }
        Entry::Damaged(damage) => panic!("{damage}"),
    };
    entries.iter().map(|entry| (entry.clone(), bytes(entry))).collect()
}

fn standings(journal: &Journal) -> Vec<CopyStanding> {
    journal.state().copies.into_iter().map(|copy| copy.standing).collect()
}

/// Each copy alone, with what the other has accepted as lost, holds all of it.
fn each_holds(pair: &Pair, expected: &[(Entry, Option<Digested>)]) {
    for engine in EngineKind::ALL {
        let (other, place) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        copy_all(&pair.copy(engine), place.path());
        let alone = Options {
            copies: vec![Place::new(engine, place.path())],
            accept_loss: Some("Ada".to_owned()),
            ..options(other.path())
        };
        let Opened { journal, report } = opened(alone, 0).unwrap();
        assert_eq!(report.damaged, [], "{engine:?}");
        assert_eq!(all(&journal.reader()), expected, "{engine:?}");
        assert_eq!(scrubbed(&journal.reader()), [], "{engine:?}");
    }
}

#[test]
fn every_copy_holds_all_of_it_over_starts_and_ends() {
    let pair = Pair::new();
    let mut journal = pair.open();
    assert_eq!(standings(&journal), [CopyStanding::Healthy, CopyStanding::Healthy]);
    life(&mut journal, 1);
    let expected = all(&journal.reader());
    drop(journal);
    each_holds(&pair, &expected);
    let mut journal = pair.open();
    assert_eq!(all(&journal.reader()), expected);
    life(&mut journal, 10);
    while let outrigger_journal::Carried::Some = journal.carry_forward().unwrap() {}
    let expected = all(&journal.reader());
    assert_eq!(scrubbed(&journal.reader()), []);
    journal.close().unwrap();
    each_holds(&pair, &expected);
    let generation = pair.open().state().generation;
    assert_eq!(pair.open().state().generation, generation, "nothing changed");
}

#[test]
fn a_second_place_is_filled_from_the_first() {
    let pair = Pair::new();
    for first in EngineKind::ALL {
        let pair_of_one = Pair::new();
        let mut journal = opened(pair_of_one.options(&[first]), 0).unwrap().journal;
        life(&mut journal, 1);
        let expected = all(&journal.reader());
        drop(journal);
        let mut journal = pair_of_one.open();
        let missing =
            standings(&journal).into_iter().filter(|standing| matches!(standing, CopyStanding::Out(_)));
        assert_eq!(
            missing.count(),
            1,
            "{first:?}: it holds something, so the other is made beside the service"
        );
        assert_eq!(journal.remake().unwrap(), 1);
        assert_eq!(standings(&journal), [CopyStanding::Healthy, CopyStanding::Healthy]);
        assert_eq!(all(&journal.reader()), expected);
        life(&mut journal, 20);
        let expected = all(&journal.reader());
        drop(journal);
        each_holds(&pair_of_one, &expected);
        assert_eq!(all(&pair_of_one.open().reader()), expected);
    }
    drop(pair);
}

#[test]
fn a_lost_copy_stops_the_start_until_a_person_accepts_it() {
    for lost in EngineKind::ALL {
        let pair = Pair::new();
        let mut journal = pair.open();
        life(&mut journal, 1);
        let expected = all(&journal.reader());
        drop(journal);
        std::fs::remove_dir_all(pair.place(lost)).unwrap();
        let refused = pair.try_open(0, None).unwrap_err();
        assert!(matches!(refused, OpenError::CopyMissing { .. }), "{refused}");
        let Opened { mut journal, report } = pair.try_open(0, Some("Ada Lovelace")).unwrap();
        let loss = report.loss.unwrap();
        assert_eq!(loss.accepted_by, "Ada Lovelace");
        assert!(loss.copies[0].starts_with(lost.name()), "{:?}", loss.copies);
        assert_eq!(all(&journal.reader()), expected);
        journal.remake().unwrap();
        drop(journal);
        each_holds(&pair, &expected);
        assert_eq!(all(&pair.open().reader()), expected);
    }
}

#[test]
fn a_copy_restored_from_an_older_backup_takes_what_it_lacks() {
    for old in EngineKind::ALL {
        for applied in [0, 14] {
            let pair = Pair::new();
            let mut journal = pair.open();
            life(&mut journal, 1);
            journal.close().unwrap();
            let backup = pair.kept(old);
            let mut journal = pair.open();
            life(&mut journal, 10);
            let expected = all(&journal.reader());
            drop(journal);
            pair.put_back(old, backup.path());
            let Opened { mut journal, report } = pair.try_open(applied, None).unwrap();
            assert!(report.damaged.iter().all(|damage| damage.certainty == Certainty::NoEntry), "{report:?}");
            assert_eq!(all(&journal.reader()), expected, "{old:?} {applied}");
            // Where the books knew of entries that it lacks, it is made anew.
            assert_eq!(journal.remake().unwrap(), u64::from(applied > 0), "{old:?}");
            life(&mut journal, 20);
            let expected = all(&journal.reader());
            drop(journal);
            each_holds(&pair, &expected);
        }
    }
}

#[test]
fn a_copy_that_went_on_alone_is_not_merged_with_one_that_was_given_up() {
    let pair = Pair::new();
    let mut journal = pair.open();
    life(&mut journal, 1);
    drop(journal);
    let given_up = pair.kept(EngineKind::Sqlite);
    std::fs::remove_dir_all(pair.place(EngineKind::Sqlite)).unwrap();
    let mut journal = pair.try_open(0, Some("Ada")).unwrap().journal;
    life(&mut journal, 10);
    let expected = all(&journal.reader());
    drop(journal);
    // The lost one comes back as it was: it counts no more, and is made anew.
    copy_all(given_up.path(), &pair.place(EngineKind::Sqlite));
    let mut journal = pair.try_open(0, None).unwrap().journal;
    assert!(matches!(standings(&journal)[1], CopyStanding::Out(_)));
    assert_eq!(all(&journal.reader()), expected);
    journal.remake().unwrap();
    assert!(!pair.place(EngineKind::Sqlite).join("head").exists(), "what it held is removed");
    drop(journal);
    each_holds(&pair, &expected);

    // Each went on without the other: nobody can know.
    let apart = Pair::new();
    let mut journal = apart.open();
    life(&mut journal, 1);
    drop(journal);
    for engine in EngineKind::ALL {
        let alone = Options { accept_loss: Some("Ada".to_owned()), ..apart.options(&[engine]) };
        append(&mut opened(alone, 0).unwrap().journal, vec![closing(50)]);
    }
    let refused = apart.try_open(0, Some("Ada")).unwrap_err();
    assert!(matches!(refused, OpenError::Diverged { .. }), "{refused}");
}

#[test]
fn a_clone_in_the_other_place_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let places = ["one", "two"].map(|name| Place::new(EngineKind::Log, directory.path().join(name)));
    let of = |copies: &[Place]| Options { copies: copies.to_vec(), ..options(directory.path()) };
    let mut journal = opened(of(&places[..1]), 0).unwrap().journal;
    append(&mut journal, vec![closing(1)]);
    drop(journal);
    copy_all(&places[0].directory, &places[1].directory);
    let refused = opened(of(&places), 0).unwrap_err();
    assert!(matches!(refused, OpenError::Cloned { .. }), "{refused}");
}

/// The case of the write-ahead log: one flipped bit takes what SQLite committed behind it, all acknowledged, and says nothing of it.
#[test]
fn with_both_copies_a_flipped_bit_in_the_write_ahead_log_loses_nothing() {
    let pair = Pair::new();
    let mut journal = pair.open();
    for seed in 0..200 {
        append(&mut journal, vec![closing(seed)]);
    }
    let expected = all(&journal.reader());
    let aside = pair.kept(EngineKind::Sqlite);
    let log = pair.kept(EngineKind::Log);
    let wal = |place: &Path| {
        let segments = listed(&place.join("segments"));
        segments.into_iter().find(|path| path.to_str().unwrap().ends_with("-wal")).unwrap()
    };
    let length = std::fs::metadata(wal(aside.path())).unwrap().len();
    drop(journal);
    for part in 1..20_u64 {
        for applied in [0, 200] {
            pair.put_back(EngineKind::Sqlite, aside.path());
            pair.put_back(EngineKind::Log, log.path());
            let path = wal(&pair.place(EngineKind::Sqlite));
            let at = usize::try_from(length * part / 25).unwrap();
            let mut content = std::fs::read(&path).unwrap();
            content[at] ^= 1 << (part % 8);
            std::fs::write(&path, content).unwrap();
            let Opened { mut journal, report } = pair.try_open(applied, None).unwrap();
            assert!(report.levelled > 0 || applied > 0, "byte {at}: SQLite drops what stands behind it");
            assert!(!report.damaged.is_empty(), "byte {at}: it is said");
            assert_eq!(all(&journal.reader()), expected, "byte {at}, applied {applied}");
            journal.remake().unwrap();
            assert_eq!(scrubbed(&journal.reader()), [], "byte {at}");
            drop(journal);
            each_holds(&pair, &expected);
        }
    }
}

/// Every file of a copy, damaged in its middle: readers are given what the other has, a scrub says it, and the copy is made anew.
#[test]
fn damage_in_one_copy_is_read_from_the_other_and_mended() {
    for engine in EngineKind::ALL {
        let pair = Pair::new();
        let mut journal = pair.open();
        life(&mut journal, 1);
        life(&mut journal, 10);
        let expected = all(&journal.reader());
        journal.close().unwrap();
        let kept = EngineKind::ALL.map(|engine| (engine, pair.kept(engine)));
        let files: Vec<PathBuf> =
            ["segments", "objects"].iter().flat_map(|sub| listed(&pair.place(engine).join(sub))).collect();
        for file in files {
            for (engine, aside) in &kept {
                pair.put_back(*engine, aside.path());
            }
            let mut content = std::fs::read(&file).unwrap();
            let middle = content.len() / 2;
            for byte in &mut content[middle..] {
                *byte = !*byte;
            }
            std::fs::write(&file, content).unwrap();
            let Opened { mut journal, report } = match pair.try_open(0, None) {
                Ok(opened) => opened,
                // A database that cannot be opened at all: that is said, and the copy given up by a person.
                Err(_) if engine == EngineKind::Sqlite => pair.try_open(0, Some("Ada")).unwrap(),
                Err(error) => panic!("{}: {error}", file.display()),
            };
            assert_eq!(all(&journal.reader()), expected, "{}", file.display());
            let found = scrubbed(&journal.reader());
            let is_lost = |damage: &&outrigger_journal::Damage| damage.certainty != Certainty::NoEntry;
            assert_eq!(report.damaged.iter().chain(&found).find(is_lost), None, "{}", file.display());
            journal.remake().unwrap();
            assert_eq!(scrubbed(&journal.reader()), [], "{} after it was made anew", file.display());
            drop(journal);
            each_holds(&pair, &expected);
        }
    }
}

#[test]
fn a_journal_of_the_first_version_takes_a_second_copy() {
    let pair = Pair::new();
    let mut journal = opened(pair.options(&[EngineKind::Log]), 0).unwrap().journal;
    let sent = vec![object(1, 100)];
    append(&mut journal, sent);
    drop(journal);
    let mut journal = pair.open();
    journal.remake().unwrap();
    let next: Vec<Append> = vec![object(2, 100)];
    let seq = append(&mut journal, next)[0].seq();
    assert_eq!(all_of(&*journal.reader().body(seq).unwrap()), bytes(2, 100));
}

/// A disk that cannot be used stops a start only where its copy is needed; where it counts no more, the place is filled when it can be.
#[test]
fn a_place_that_cannot_be_used_is_done_without_where_its_copy_counts_no_more() {
    let pair = Pair::new();
    let mut journal = pair.open();
    life(&mut journal, 1);
    let expected = all(&journal.reader());
    drop(journal);
    let place = pair.place(EngineKind::Sqlite);
    std::fs::remove_dir_all(&place).unwrap();
    std::fs::write(&place, "no directory").unwrap();
    let refused = pair.try_open(0, None).unwrap_err();
    assert!(matches!(refused, OpenError::CopyMissing { .. }), "{refused}");
    drop(pair.try_open(0, Some("Ada")).unwrap());
    let mut journal = pair.try_open(0, None).unwrap().journal;
    assert!(matches!(standings(&journal)[1], CopyStanding::Out(_)));
    assert_eq!(all(&journal.reader()), expected);
    assert!(journal.remake().is_err(), "it cannot be made where there is no directory");
    append(&mut journal, vec![closing(100)]);
    std::fs::remove_file(&place).unwrap();
    assert_eq!(journal.remake().unwrap(), 1);
    let expected = all(&journal.reader());
    drop(journal);
    each_holds(&pair, &expected);
}
