//! Measures the choices of the journal's layout: bytes and syncs only.
//!
//! `layout [--directory DIR] [--rounds N] [--milliseconds N] [--json]`; DIR must lie on the disk in question.

use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use outrigger_runtime::disk::{ArcDisk, Disk, DiskFile, RealDisk};
use outrigger_runtime::{Clock, Random};
use serde::Serialize;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Pieces in which a body arrives: one P-DATA-TF PDU of DCMTK's greatest length each.
const PIECE_BYTES: usize = 128 << 10;
/// Bounds of one group commit.
const GROUP_ENTRIES_MAX: usize = 256;
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Head, record header and trailer of a frame, about.
const FRAME_OVERHEAD_BYTES: usize = 700;
const SEGMENT_BYTES: u64 = 128 << 20;
const STEP_BYTES: u64 = 16 << 20;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Place {
    Frame,
    FileOfItsOwn,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Room {
    None,
    Fallocate,
    FallocateInSteps,
    Zeros,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Step {
    Byte8,
    Page,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Variant {
    question: &'static str,
    place: Place,
    room: Room,
    step: Step,
    files: usize,
    writers: usize,
    payload: usize,
}

#[derive(Debug, Serialize)]
struct Row {
    #[serde(flatten)]
    variant: Variant,
    objects_per_second: Spread,
    median_ms: Spread,
    p99_ms: Spread,
    cpu_ms: Spread,
}

#[derive(Debug, Clone, Copy, Serialize)]
struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

struct Sample {
    objects_per_second: f64,
    median_ms: f64,
    p99_ms: f64,
    cpu_ms: f64,
}

struct Arguments {
    directory: PathBuf,
    rounds: usize,
    time: Duration,
    json: bool,
}

fn main() -> Result<(), Failure> {
    let arguments = arguments()?;
    let variants = variants();
    let mut samples: Vec<Vec<Sample>> = variants.iter().map(|_| Vec::new()).collect();
    for round in 0..arguments.rounds {
        let mut order: Vec<_> = variants.iter().zip(samples.iter_mut()).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (variant, samples) in order {
            samples.push(measure(*variant, &arguments)?);
        }
    }
    let rows: Vec<Row> =
        variants.into_iter().zip(samples).map(|(variant, samples)| row(variant, &samples)).collect();
    let mut out = io::stdout().lock();
    if arguments.json {
        serde_json::to_writer_pretty(&mut out, &rows)?;
        writeln!(out)?;
        return Ok(());
    }
    writeln!(
        out,
        "| question | payload | place | room | step | files | writers | objects/s | median ms | p99 ms | CPU ms |"
    )?;
    writeln!(out, "|---|---|---|---|---|---|---|---|---|---|---|")?;
    for row in rows {
        let Row { variant: v, objects_per_second: rate, .. } = &row;
        writeln!(
            out,
            "| {} | {} KB | {:?} | {:?} | {:?} | {} | {} | {:.0} ({:.0}-{:.0}) | {:.3} | {:.3} | {:.3} |",
            v.question,
            v.payload / 1000,
            v.place,
            v.room,
            v.step,
            v.files,
            v.writers,
            rate.median,
            rate.min,
            rate.max,
            row.median_ms.median,
            row.p99_ms.median,
            row.cpu_ms.median,
        )?;
    }
    Ok(())
}

fn arguments() -> Result<Arguments, Failure> {
    let mut arguments = Arguments {
        directory: PathBuf::from("target/layout"),
        rounds: 7,
        time: Duration::from_millis(250),
        json: false,
    };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let mut value = || given.next().ok_or(format!("{name} needs a value"));
        match name.as_str() {
            "--directory" => arguments.directory = value()?.into(),
            "--rounds" => arguments.rounds = value()?.parse()?,
            "--milliseconds" => arguments.time = Duration::from_millis(value()?.parse()?),
            "--json" => arguments.json = true,
            other => return Err(format!("unknown argument {other}").into()),
        }
    }
    Ok(arguments)
}

fn variants() -> Vec<Variant> {
    let base = Variant {
        question: "limit",
        place: Place::Frame,
        room: Room::None,
        step: Step::Page,
        files: 1,
        writers: 1,
        payload: 531_000,
    };
    let mut all = Vec::new();
    for payload in [4_000, 39_000, 131_000, 262_000, 531_000, 1_048_000, 2_097_000, 4_194_000] {
        for writers in [1, 4, 64] {
            for place in [Place::Frame, Place::FileOfItsOwn] {
                all.push(Variant { place, writers, payload, ..base });
            }
        }
    }
    for payload in [39_000, 531_000] {
        for writers in [1, 4, 64] {
            for room in [Room::None, Room::Fallocate, Room::FallocateInSteps, Room::Zeros] {
                all.push(Variant { question: "room", payload, writers, room, ..base });
            }
            for files in [1, 2] {
                all.push(Variant { question: "files", payload, writers, files, ..base });
            }
            for step in [Step::Byte8, Step::Page] {
                all.push(Variant { question: "step", payload, writers, step, ..base });
            }
        }
    }
    all
}

fn measure(variant: Variant, arguments: &Arguments) -> Result<Sample, Failure> {
    let disk: ArcDisk = Arc::new(RealDisk);
    let name = Random::System.u64()?;
    let directory = arguments.directory.join(format!("{name:016x}"));
    disk.create_directory(&directory)?;
    let sample = run(variant, &disk, &directory, arguments.time);
    remove(&*disk, &directory)?;
    sample
}

/// Empties the directory; the empty directory itself stays behind, as a disk has no call to remove one.
fn remove(disk: &dyn Disk, directory: &Path) -> io::Result<()> {
    disk.list(directory)?.iter().try_for_each(|listed| disk.remove(&listed.path))
}

struct Request {
    pieces: Arc<Vec<Vec<u8>>>,
    done: Sender<()>,
}

fn run(variant: Variant, disk: &ArcDisk, directory: &Path, time: Duration) -> Result<Sample, Failure> {
    let mut queues = Vec::new();
    let mut committers = Vec::new();
    for number in 0..variant.files {
        let (queue, requests) = channel();
        let log = Log::create(disk.clone(), directory.join(format!("{number}.0")), variant)?;
        queues.push(queue);
        committers.push(std::thread::spawn(move || commit_all(log, &requests)));
    }
    let clock = Clock::System;
    let begun = clock.now();
    let cpu = cpu_ms();
    let named = Arc::new(AtomicUsize::new(0));
    let mut writers = Vec::new();
    for (number, queue) in queues.iter().cycle().take(variant.writers).enumerate() {
        let (queue, disk, directory, named) =
            (queue.clone(), disk.clone(), directory.to_owned(), named.clone());
        let pieces = Arc::new(pieces(variant.payload, number));
        let file_of_its_own = move |pieces: &[Vec<u8>]| match variant.place {
            Place::Frame => Ok(None),
            Place::FileOfItsOwn => {
                let name = named.fetch_add(1, Ordering::Relaxed);
                write_file(&*disk, &directory, name, pieces).map(Some)
            }
        };
        writers.push(std::thread::spawn(move || -> Result<Vec<f64>, Failure> {
            let mut latencies = Vec::new();
            while begun.elapsed() < time {
                let start = Clock::System.now();
                let is_written = file_of_its_own(&pieces)?.is_some();
                let sent = if is_written { Arc::new(Vec::new()) } else { pieces.clone() };
                let (done, answered) = channel();
                queue.send(Request { pieces: sent, done })?;
                answered.recv()?;
                latencies.push(start.elapsed().as_secs_f64() * 1000.0);
            }
            Ok(latencies)
        }));
    }
    drop(queues);
    let mut latencies = Vec::new();
    for writer in writers {
        latencies.extend(writer.join().map_err(|_| "a writer panicked")??);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let cpu = cpu_ms() - cpu;
    for committer in committers {
        committer.join().map_err(|_| "a committer panicked")??;
    }
    latencies.sort_by(f64::total_cmp);
    let count = latencies.len();
    Ok(Sample {
        objects_per_second: to_float(count) / elapsed,
        median_ms: at(&latencies, count / 2),
        p99_ms: at(&latencies, count * 99 / 100),
        cpu_ms: cpu / to_float(count),
    })
}

/// Two syncs: the file and its directory; the frame that names it is the third.
fn write_file(disk: &dyn Disk, directory: &Path, name: usize, pieces: &[Vec<u8>]) -> io::Result<()> {
    let arriving = directory.join(format!("{name}.part"));
    let file = disk.create(&arriving)?;
    let parts: Vec<IoSlice<'_>> = pieces.iter().map(|piece| IoSlice::new(piece)).collect();
    file.write_at(&parts, 0)?;
    file.sync_data()?;
    disk.rename(&arriving, &directory.join(format!("{name}.object")))?;
    disk.sync_directory(directory)
}

fn commit_all(mut log: Log, requests: &Receiver<Request>) -> io::Result<()> {
    while let Ok(first) = requests.recv() {
        let mut bytes = length(&first.pieces);
        let mut group = vec![first];
        while group.len() < GROUP_ENTRIES_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(next) = requests.try_recv() else { break };
            bytes += length(&next.pieces);
            group.push(next);
        }
        log.commit(&group)?;
        for request in group {
            request.done.send(()).map_err(io::Error::other)?;
        }
    }
    Ok(())
}

struct Log {
    disk: ArcDisk,
    path: PathBuf,
    file: Arc<dyn DiskFile>,
    variant: Variant,
    end: u64,
    room: u64,
    overhead: Vec<u8>,
}

impl Log {
    fn create(disk: ArcDisk, path: PathBuf, variant: Variant) -> io::Result<Self> {
        let file = disk.create(&path)?;
        let log =
            Self { disk, path, file, variant, end: 0, room: 0, overhead: vec![7; FRAME_OVERHEAD_BYTES] };
        log.make_room()?;
        Ok(log)
    }

    fn make_room(&self) -> io::Result<()> {
        match self.variant.room {
            Room::None | Room::FallocateInSteps => {}
            Room::Fallocate => self.file.allocate(SEGMENT_BYTES)?,
            Room::Zeros => {
                let zeros = vec![0; 1 << 20];
                for offset in (0..SEGMENT_BYTES).step_by(zeros.len()) {
                    self.file.write_at(&[IoSlice::new(&zeros)], offset)?;
                }
            }
        }
        self.file.sync_data()?;
        self.disk.sync_directory(self.path.parent().unwrap_or(Path::new(".")))
    }

    fn commit(&mut self, group: &[Request]) -> io::Result<()> {
        let mut parts = Vec::new();
        for request in group {
            parts.push(IoSlice::new(&self.overhead));
            parts.extend(request.pieces.iter().map(|piece| IoSlice::new(piece)));
        }
        let bytes: usize = parts.iter().map(|part| part.len()).sum();
        let padding = match self.variant.step {
            Step::Byte8 => vec![0; bytes.next_multiple_of(8) - bytes],
            Step::Page => vec![0; bytes.next_multiple_of(4096) - bytes],
        };
        parts.push(IoSlice::new(&padding));
        let end = self.end + (bytes + padding.len()) as u64;
        if self.variant.room == Room::FallocateInSteps && end > self.room {
            self.room = end.next_multiple_of(STEP_BYTES);
            self.file.allocate(self.room)?;
        }
        self.file.write_at(&parts, self.end)?;
        self.file.sync_data()?;
        self.end = end;
        if self.end > SEGMENT_BYTES - GROUP_BYTES_MAX as u64 * 2 {
            self.path.set_extension(format!(
                "{}",
                self.end + Random::System.u64().map_err(io::Error::other)? % 1_000_000
            ));
            self.file = self.disk.create(&self.path)?;
            self.make_room()?;
            (self.end, self.room) = (0, 0);
        }
        Ok(())
    }
}

fn pieces(payload: usize, seed: usize) -> Vec<Vec<u8>> {
    let byte = |at: usize| u8::try_from((at.wrapping_mul(2_654_435_761) >> 7 ^ seed) & 0xFF).unwrap_or(0);
    let whole: Vec<u8> = (0..payload).map(byte).collect();
    whole.chunks(PIECE_BYTES).map(<[u8]>::to_vec).collect()
}

fn length(pieces: &[Vec<u8>]) -> usize {
    pieces.iter().map(Vec::len).sum()
}

/// CPU time of all threads of this process.
fn cpu_ms() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
        .as_secs_f64()
        * 1000.0
}

fn row(variant: Variant, samples: &[Sample]) -> Row {
    let spread = |of: fn(&Sample) -> f64| {
        let mut values: Vec<f64> = samples.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        Spread {
            median: at(&values, values.len() / 2),
            min: at(&values, 0),
            max: at(&values, values.len() - 1),
        }
    };
    Row {
        variant,
        objects_per_second: spread(|sample| sample.objects_per_second),
        median_ms: spread(|sample| sample.median_ms),
        p99_ms: spread(|sample| sample.p99_ms),
        cpu_ms: spread(|sample| sample.cpu_ms),
    }
}

fn at(values: &[f64], index: usize) -> f64 {
    values.get(index.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

fn to_float(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::MAX, f64::from)
}
