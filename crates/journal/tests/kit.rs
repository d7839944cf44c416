//! What the tests share: journals, bodies and what they ought to be.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use outrigger_journal::{
    Append, Damage, Durable, EngineKind, Journal, JournalReader, OpenError, Opened, Options, Place,
    RecordKind, Seq,
};
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::disk::ArcDisk;
use outrigger_runtime::{BlockSource, Body, Clock, Content, Random, RealDisk};
use sha2::{Digest, Sha256};

/// Small segments, so that a test sees many.
pub(crate) fn options(directory: &Path) -> Options {
    options_of(EngineKind::Log, directory)
}

pub(crate) fn options_of(engine: EngineKind, directory: &Path) -> Options {
    Options {
        copies: vec![Place::new(engine, directory)],
        accept_loss: None,
        segment_bytes_max: 64 << 10,
        reserve_bytes: 64 << 10,
        max_size_bytes: 64 << 20,
    }
}

pub(crate) fn real_disk() -> ArcDisk {
    Arc::new(RealDisk)
}

pub(crate) fn open_on(disk: &ArcDisk, directory: &Path, applied: Seq) -> Opened {
    Journal::open(disk.clone(), Clock::System, Random::System, options(directory), applied).unwrap()
}

/// Tries to open what an engine keeps.
pub(crate) fn try_open_of(engine: EngineKind, directory: &Path, applied: Seq) -> Result<Opened, OpenError> {
    Journal::open(real_disk(), Clock::System, Random::System, options_of(engine, directory), applied)
}

pub(crate) fn open_of(engine: EngineKind, directory: &Path, applied: Seq) -> Opened {
    try_open_of(engine, directory, applied).unwrap()
}

pub(crate) fn open(directory: &Path) -> Journal {
    open_on(&real_disk(), directory, Seq(0)).journal
}

/// `length` bytes that no other `seed` gives.
pub(crate) fn bytes(seed: u64, length: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut bytes = Vec::with_capacity(length + 8);
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes.into()
}

pub(crate) fn body(bytes: &Bytes) -> Body {
    let half = bytes.len() / 2;
    Body {
        length: bytes.len() as u64,
        sha256: Sha256::digest(bytes).into(),
        block_crcs: bytes.chunks(BLOCK_BYTES).map(crc32c::crc32c).collect(),
        content: Content::Memory(vec![bytes.slice(..half), bytes.slice(half..)]),
    }
}

pub(crate) fn object(seed: u64, length: usize) -> Append {
    let header = Bytes::from(format!(r#"{{"object":{seed}}}"#));
    Append { kind: RecordKind::Object, header, body: Some(body(&bytes(seed, length))) }
}

pub(crate) fn closing(seed: u64) -> Append {
    Append { kind: RecordKind::Closing, header: Bytes::from(format!(r#"{{"closing":{seed}}}"#)), body: None }
}

/// Appends in one commit, and expects every receipt.
pub(crate) fn append(journal: &mut Journal, batch: Vec<Append>) -> Vec<Durable> {
    journal.append(batch).into_iter().map(Result::unwrap).collect()
}

/// What a scrub of everything finds damaged.
pub(crate) fn scrubbed(reader: &JournalReader) -> Vec<Damage> {
    let mut scrub = reader.scrub();
    std::iter::from_fn(|| scrub.step()).flat_map(|step| step.damaged).collect()
}

/// Everything a body holds.
pub(crate) fn all_of(body: &dyn BlockSource) -> Bytes {
    let blocks = body.length().div_ceil(BLOCK_BYTES as u64);
    let all = (0..blocks).map(|index| body.read_block(index).unwrap()).collect::<Vec<_>>().concat();
    assert_eq!(all.len() as u64, body.length());
    all.into()
}

/// The segments of a journal, in order.
pub(crate) fn segments(directory: &Path) -> Vec<PathBuf> {
    listed(&directory.join("segments"))
}

/// The files of a directory, in order of their names.
pub(crate) fn listed(directory: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}
