//! Measures the journal itself: appends through the handle, opening after a kill, reading.
//!
//! `durable --directory DIR [--bytes N] [--writers N] [--objects N]`; DIR must be empty and on the disk in question.

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outrigger_journal::{Append, Journal, JournalHandle, Options, RecordKind, SEGMENT_BYTES, Seq};
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::{Body, Clock, Content, Random, RealDisk, Threads};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Pieces in which a body arrives.
const PIECE_BYTES: usize = 128 << 10;

fn main() -> Result<(), Failure> {
    let mut directory = None;
    let (mut bytes, mut writers, mut objects) = (531_000, 1, 2000);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--directory" => directory = Some(PathBuf::from(value)),
            "--bytes" => bytes = value.parse()?,
            "--writers" => writers = value.parse()?,
            "--objects" => objects = value.parse()?,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    let directory = directory.ok_or("--directory is needed")?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(measure(directory, bytes, writers, objects))
}

async fn measure(directory: PathBuf, bytes: usize, writers: usize, objects: usize) -> Result<(), Failure> {
    let mut out = io::stdout().lock();
    let options = Options {
        copies: vec![outrigger_journal::Place::new(outrigger_journal::EngineKind::Log, directory)],
        accept_loss: None,
        segment_bytes_max: SEGMENT_BYTES,
        reserve_bytes: 64 << 20,
        max_size_bytes: 200 << 30,
    };
    let clock = Clock::System;
    let open = || Journal::open(Arc::new(RealDisk), Clock::System, Random::System, options.clone(), Seq(0));
    let journal = open()?.journal.start(Threads::System)?;
    let pieces = pieces(bytes);
    let begun = clock.now();
    let cpu = cpu();
    let tasks: Vec<_> = (0..writers)
        .map(|_| tokio::spawn(write(journal.clone(), pieces.clone(), objects / writers)))
        .collect();
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await??);
    }
    let (elapsed, cpu_used) = (begun.elapsed(), self::cpu().saturating_sub(cpu));
    latencies.sort();
    let at = |share: usize| latencies.get(latencies.len() * share / 100).copied().unwrap_or_default();
    let count = u32::try_from(latencies.len())?;
    writeln!(
        out,
        "{count} objects of {bytes} bytes, {writers} writers: {:.0} a second, median {:?}, p99 {:?}, CPU {:?} each",
        f64::from(count) / elapsed.as_secs_f64(),
        at(50),
        at(99),
        cpu_used / count,
    )?;
    drop(journal);
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = clock.now();
    let opened = open()?;
    writeln!(out, "opened after a stop in {:?}: {} entries", begun.elapsed(), opened.report.entries)?;
    let begun = clock.now();
    let reader = opened.journal.reader();
    let (mut after, mut seen) = (Seq(0), 0_u32);
    loop {
        let records = reader.records(after, 256)?;
        let Some(outrigger_journal::Entry::Record(last)) = records.last() else { break };
        after = last.seq;
        seen += u32::try_from(records.len())?;
    }
    writeln!(out, "listed {seen} records in {:?}", begun.elapsed())?;
    opened.journal.close()?;
    let begun = clock.now();
    drop(open()?);
    writeln!(out, "opened after a close in {:?}", begun.elapsed())?;
    Ok(())
}

async fn write(
    journal: JournalHandle,
    pieces: Arc<Vec<Bytes>>,
    objects: usize,
) -> Result<Vec<Duration>, Failure> {
    let clock = Clock::System;
    let block_crcs = block_crcs(&pieces);
    let length = pieces.iter().map(|piece| piece.len() as u64).sum();
    let mut latencies = Vec::with_capacity(objects);
    for _ in 0..objects {
        let content = Content::Memory(pieces.to_vec());
        let body = Body { length, sha256: [7; 32], block_crcs: block_crcs.clone(), content };
        let header = Bytes::from_static(&[b' '; 400]);
        let begun = clock.now();
        journal.append(Append { kind: RecordKind::Object, header, body: Some(body) }).await?;
        latencies.push(begun.elapsed());
    }
    Ok(latencies)
}

fn pieces(bytes: usize) -> Arc<Vec<Bytes>> {
    let whole: Vec<u8> = (0..bytes).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    Arc::new(whole.chunks(PIECE_BYTES).map(Bytes::copy_from_slice).collect())
}

fn block_crcs(pieces: &[Bytes]) -> Vec<u32> {
    pieces.concat().chunks(BLOCK_BYTES).map(crc32c::crc32c).collect()
}

/// CPU time of all threads of this process.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}
