//! What a second copy of the journal in SQLite costs beside the log, by where it keeps the bytes of objects: docs/journal-layout.md.
//!
//! Bytes and syncs only, as `layout` has them: one committer, groups of one and of four objects, each copy on a thread of its own.
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    clippy::unwrap_used,
    reason = "a bench measures real time and real disks, and prints"
)]

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::time::{ClockId, clock_gettime};

/// One side, once.
const ROUND: Duration = Duration::from_millis(400);
const ROUNDS: usize = 7;
/// The WAL is put into the database when it has grown to this.
const CHECKPOINT_BYTES: u64 = 16 << 20;
const PAYLOADS: [usize; 4] = [500, 39_000, 131_000, 531_000];
const GROUPS: [usize; 2] = [1, 4];

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    /// Frames in one file: the log.
    Log,
    /// In rows of SQLite.
    Rows,
    /// In a file beside, synced before the rows are committed.
    Beside,
    /// In a file beside, synced while the rows are committed.
    AtOnce,
    LogAndRows,
    LogAndBeside,
    LogAndAtOnce,
    TwoLogs,
}

const SIDES: [Side; 8] = [
    Side::Log,
    Side::Rows,
    Side::Beside,
    Side::AtOnce,
    Side::LogAndRows,
    Side::LogAndBeside,
    Side::LogAndAtOnce,
    Side::TwoLogs,
];

/// When the file beside is synced.
enum Synced {
    Before,
    /// By another thread, which is asked and answers.
    Beside(mpsc::SyncSender<()>, mpsc::Receiver<std::io::Result<()>>),
}

/// What one thread keeps.
enum Keeper {
    Log { file: File, at: u64 },
    Rows { database: Connection, wal: std::path::PathBuf, seq: i64 },
    Beside { database: Connection, wal: std::path::PathBuf, seq: i64, file: File, at: u64, sync: Synced },
}

fn log(directory: &Path, name: &str) -> Outcome<Keeper> {
    Ok(Keeper::Log { file: File::create(directory.join(name))?, at: 0 })
}

fn database(directory: &Path) -> Outcome<(Connection, std::path::PathBuf)> {
    let path = directory.join("segment.sqlite");
    let database = Connection::open(&path)?;
    database.execute_batch(
        "PRAGMA page_size=4096; PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; \
         PRAGMA wal_autocheckpoint=0; \
         CREATE TABLE record(seq INTEGER PRIMARY KEY, header BLOB, sha256 BLOB, at INTEGER, crc INTEGER, body BLOB)",
    )?;
    Ok((database, directory.join("segment.sqlite-wal")))
}

impl Keeper {
    fn commit(&mut self, body: &[u8], group: usize) -> Outcome<()> {
        let header = [b'h'; 400];
        match self {
            Self::Log { file, at } => {
                for _ in 0..group {
                    file.write_all_at(&header, *at)?;
                    file.write_all_at(body, *at + 512)?;
                    *at += (body.len() as u64 + 1024).next_multiple_of(8);
                }
                *at = at.next_multiple_of(4096);
                file.sync_data()?;
            }
            Self::Rows { database, wal, seq } => {
                insert(database, seq, &header, &vec![Some(body); group])?;
                checkpoint(database, wal)?;
            }
            Self::Beside { database, wal, seq, file, at, sync } => {
                for _ in 0..group {
                    file.write_all_at(body, *at)?;
                    *at += body.len() as u64;
                }
                match sync {
                    Synced::Before => {
                        file.sync_data()?;
                        insert(database, seq, &header, &vec![None; group])?;
                    }
                    Synced::Beside(ask, done) => {
                        ask.send(())?;
                        insert(database, seq, &header, &vec![None; group])?;
                        done.recv()??;
                    }
                }
                checkpoint(database, wal)?;
            }
        }
        Ok(())
    }
}

fn syncing(file: File) -> Synced {
    let (ask, asked) = mpsc::sync_channel::<()>(1);
    let (told, done) = mpsc::sync_channel(1);
    std::thread::spawn(move || {
        while asked.recv().is_ok() {
            if told.send(file.sync_data()).is_err() {
                return;
            }
        }
    });
    Synced::Beside(ask, done)
}

fn insert(database: &mut Connection, seq: &mut i64, header: &[u8], bodies: &[Option<&[u8]>]) -> Outcome<()> {
    let transaction = database.transaction()?;
    {
        let mut statement = transaction.prepare_cached(
            "INSERT INTO record(seq, header, sha256, at, crc, body) VALUES (?1, ?2, ?3, 0, 0, ?4)",
        )?;
        for body in bodies {
            *seq += 1;
            statement.execute(rusqlite::params![*seq, header, &[7_u8; 32][..], body])?;
        }
    }
    transaction.commit()?;
    Ok(())
}

fn checkpoint(database: &Connection, wal: &Path) -> Outcome<()> {
    if std::fs::metadata(wal)?.len() > CHECKPOINT_BYTES {
        database.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(()))?;
    }
    Ok(())
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// Objects a second and CPU milliseconds an object.
fn measure(side: Side, payload: usize, group: usize) -> Outcome<(f64, f64)> {
    let directory = tempfile::tempdir_in(".")?;
    let path = directory.path();
    let rows = || -> Outcome<Keeper> {
        let (database, wal) = database(path)?;
        Ok(Keeper::Rows { database, wal, seq: 0 })
    };
    let beside = |at_once: bool| -> Outcome<Keeper> {
        let (database, wal) = database(path)?;
        let file = File::create(path.join("bodies"))?;
        let sync = if at_once { syncing(file.try_clone()?) } else { Synced::Before };
        Ok(Keeper::Beside { database, wal, seq: 0, file, at: 0, sync })
    };
    let keepers = match side {
        Side::Log => vec![log(path, "a")?],
        Side::Rows => vec![rows()?],
        Side::Beside => vec![beside(false)?],
        Side::AtOnce => vec![beside(true)?],
        Side::LogAndRows => vec![log(path, "a")?, rows()?],
        Side::LogAndBeside => vec![log(path, "a")?, beside(false)?],
        Side::LogAndAtOnce => vec![log(path, "a")?, beside(true)?],
        Side::TwoLogs => vec![log(path, "a")?, log(path, "b")?],
    };
    let body = vec![3_u8; payload];
    let (begun, before, mut objects) = (Instant::now(), cpu(), 0);
    std::thread::scope(|scope| -> Outcome<()> {
        let mut lines = Vec::new();
        for keeper in keepers {
            let (ask, asked) = mpsc::sync_channel::<()>(1);
            let (told, done) = mpsc::sync_channel(1);
            let body = &body;
            scope.spawn(move || keep(keeper, body, group, &asked, &told));
            lines.push((ask, done));
        }
        while begun.elapsed() < ROUND {
            for (ask, _) in &lines {
                ask.send(())?;
            }
            for (_, done) in &lines {
                done.recv()??;
            }
            objects += group;
        }
        Ok(())
    })?;
    let objects = objects as f64;
    Ok((objects / begun.elapsed().as_secs_f64(), (cpu() - before) * 1e3 / objects))
}

/// Commits whenever it is asked to.
fn keep(
    mut keeper: Keeper,
    body: &[u8],
    group: usize,
    asked: &mpsc::Receiver<()>,
    told: &mpsc::SyncSender<Outcome<()>>,
) {
    while asked.recv().is_ok() {
        if told.send(keeper.commit(body, group)).is_err() {
            return;
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Outcome<()> {
    println!("| payload, group | {} |", SIDES.map(|side| format!("{side:?}")).join(" | "));
    println!("|{}", "---|".repeat(SIDES.len() + 1));
    for payload in PAYLOADS {
        for group in GROUPS {
            let mut taken = vec![Vec::new(); SIDES.len()];
            for round in 0..ROUNDS {
                let mut order: Vec<_> = SIDES.iter().zip(&mut taken).collect();
                if round % 2 == 1 {
                    order.reverse();
                }
                for (side, taken) in order {
                    taken.push(measure(*side, payload, group)?);
                }
            }
            let cells = taken.into_iter().map(|side| {
                let (rates, cpus): (Vec<_>, Vec<_>) = side.into_iter().unzip();
                format!("{:.0} ({:.2})", median(rates), median(cpus))
            });
            println!("| {payload}, {group} | {} |", cells.collect::<Vec<_>>().join(" | "));
        }
    }
    Ok(())
}
