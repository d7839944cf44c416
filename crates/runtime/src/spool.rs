//! Taking an object in as it arrives: small ones stay in memory, large ones stream to a file.

use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use sha2::{Digest, Sha256};

use crate::body::{BLOCK_BYTES, Blocks, Body, Content, Fate, SpooledFile};
use crate::disk::ArcDisk;
use crate::random::{Random, RandomError};
use crate::threads::{Threads, WorkLost};

/// Where large objects stream to while they arrive: a directory on the file system they will stay on.
#[derive(Debug, Clone)]
pub struct Spool {
    /// The disk.
    pub disk: ArcDisk,
    /// An existing directory.
    pub directory: SpoolPlace,
    /// Where blocking writes run.
    pub threads: Threads,
    /// Names of files.
    pub random: Random,
    /// Up to this many bytes an object stays in memory.
    pub memory_bytes_max: usize,
    /// An object larger than this is refused.
    pub object_bytes_max: u64,
}

/// The directory that objects stream to, which may become another when its disk fails; clones are of the same one.
#[derive(Debug, Clone)]
pub struct SpoolPlace(Arc<RwLock<PathBuf>>);

impl From<PathBuf> for SpoolPlace {
    fn from(directory: PathBuf) -> Self {
        Self(Arc::new(RwLock::new(directory)))
    }
}

impl From<&Path> for SpoolPlace {
    fn from(directory: &Path) -> Self {
        directory.to_owned().into()
    }
}

impl From<&str> for SpoolPlace {
    fn from(directory: &str) -> Self {
        PathBuf::from(directory).into()
    }
}

impl SpoolPlace {
    /// The directory as it is now.
    pub fn now(&self) -> PathBuf {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Has objects that begin to stream from now on go to another.
    pub fn set(&self, directory: &Path) {
        directory.clone_into(&mut self.0.write().unwrap_or_else(PoisonError::into_inner));
    }
}

/// Why an object could not be taken in.
#[derive(Debug, thiserror::Error)]
pub enum SpoolError {
    /// Larger than this place takes.
    #[error("the object is larger than {limit} bytes")]
    TooLarge {
        /// The limit, in bytes.
        limit: u64,
    },
    /// The disk failed.
    #[error("the spool file {path} could not be written")]
    Write {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// No random name.
    #[error("the spool file could not be named")]
    Name(#[source] RandomError),
    /// The writing thread is gone.
    #[error("the spool file could not be written")]
    Thread(#[source] WorkLost),
    /// The digesting thread is gone.
    #[error("the object could not be digested")]
    Digest(#[source] WorkLost),
}

/// One object arriving.
#[derive(Debug)]
pub struct BodyWriter {
    spool: Spool,
    digesting: Digesting,
    length: u64,
    sha256: Sha256,
    blocks: Blocks,
    held: Vec<Bytes>,
    held_bytes: usize,
    file: Option<(SpooledFile, u64)>,
}

/// When the bytes of an object are digested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Digesting {
    /// While they are warm.
    AsTheyCome,
    /// On a thread of its own, so that whoever brings them brings the next object meanwhile.
    AtTheEnd,
}

impl Spool {
    /// Begins to take an object in.
    pub fn begin(&self) -> BodyWriter {
        self.begin_digesting(Digesting::AsTheyCome)
    }

    /// Begins to take an object in that is passed on: while it stays in memory it has no CRCs of blocks, and it is digested when it is
    /// whole, beside whatever comes next.
    pub fn begin_passing_on(&self) -> BodyWriter {
        self.begin_digesting(Digesting::AtTheEnd)
    }

    fn begin_digesting(&self, digesting: Digesting) -> BodyWriter {
        BodyWriter {
            spool: self.clone(),
            digesting,
            length: 0,
            sha256: Sha256::new(),
            blocks: Blocks::default(),
            held: Vec::new(),
            held_bytes: 0,
            file: None,
        }
    }
}

impl BodyWriter {
    /// Takes the next bytes; they are written when enough are held.
    pub async fn push(&mut self, bytes: Bytes) -> Result<(), SpoolError> {
        self.length = self.length.saturating_add(bytes.len() as u64);
        if self.length > self.spool.object_bytes_max {
            return Err(SpoolError::TooLarge { limit: self.spool.object_bytes_max });
        }
        if self.digesting == Digesting::AsTheyCome {
            self.digest(&bytes);
        }
        self.held_bytes += bytes.len();
        self.held.push(bytes);
        let limit = if self.file.is_some() { BLOCK_BYTES } else { self.spool.memory_bytes_max };
        if self.held_bytes > limit { self.write_held().await } else { Ok(()) }
    }

    /// Bytes taken so far.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The whole object.
    pub async fn finish(mut self) -> Result<Body, SpoolError> {
        if self.file.is_some() && self.held_bytes > 0 {
            self.write_held().await?;
        }
        let content = match self.file {
            Some((file, _)) => Content::File(file),
            None if self.digesting == Digesting::AtTheEnd => return self.digested().await,
            None => Content::Memory(self.held),
        };
        let sha256 = self.sha256.finalize().into();
        Ok(Body { length: self.length, sha256, block_crcs: self.blocks.finish(), content })
    }

    fn digest(&mut self, bytes: &[u8]) {
        self.sha256.update(bytes);
        self.blocks.add(bytes);
    }

    async fn digested(self) -> Result<Body, SpoolError> {
        let Self { spool, length, held, .. } = self;
        let digest = move || {
            let mut sha256 = Sha256::new();
            for piece in &held {
                sha256.update(piece);
            }
            let (sha256, content) = (sha256.finalize().into(), Content::Memory(held));
            Body { length, sha256, block_crcs: Vec::new(), content }
        };
        spool.threads.blocking("digest of an object", digest).await.map_err(SpoolError::Digest)
    }

    async fn write_held(&mut self) -> Result<(), SpoolError> {
        let (file, offset) = match self.file.take() {
            Some(open) => open,
            None => (self.create().await?, 0),
        };
        let held = std::mem::take(&mut self.held);
        if self.digesting == Digesting::AtTheEnd {
            // What lies in a file is checked by its CRCs, and is not read again to be digested.
            for piece in &held {
                self.digest(piece);
            }
            self.digesting = Digesting::AsTheyCome;
        }
        let written = offset + std::mem::take(&mut self.held_bytes) as u64;
        let target = file.file.clone();
        let outcome = self.spool.threads.blocking("spool write", move || {
            let parts: Vec<IoSlice<'_>> = held.iter().map(|piece| IoSlice::new(piece)).collect();
            target.write_at(&parts, offset)
        });
        let outcome = outcome.await.map_err(SpoolError::Thread)?;
        outcome.map_err(|source| SpoolError::Write { path: file.path.clone(), source })?;
        self.file = Some((file, written));
        Ok(())
    }

    async fn create(&self) -> Result<SpooledFile, SpoolError> {
        let name = self.spool.random.u128().map_err(SpoolError::Name)?;
        let path = self.spool.directory.now().join(format!("{name:032x}.part"));
        let disk = self.spool.disk.clone();
        let made = path.clone();
        let file = self.spool.threads.blocking("spool create", move || disk.create(&made)).await;
        let file = file
            .map_err(SpoolError::Thread)?
            .map_err(|source| SpoolError::Write { path: path.clone(), source })?;
        Ok(SpooledFile { disk: self.spool.disk.clone(), path, file, fate: Fate::Discard })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::body::{BlockError, BlockSource};
    use crate::disk::{Disk, RealDisk};
    use std::sync::Arc;

    fn spool(directory: &std::path::Path) -> Spool {
        Spool {
            disk: Arc::new(RealDisk),
            directory: directory.to_owned().into(),
            threads: Threads::System,
            random: Random::seeded(7),
            memory_bytes_max: 1 << 16,
            object_bytes_max: 1 << 24,
        }
    }

    async fn taken(spool: &Spool, length: usize, piece: usize) -> Body {
        let bytes: Bytes = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect::<Vec<_>>().into();
        let mut writer = spool.begin();
        for start in (0..length).step_by(piece) {
            writer.push(bytes.slice(start..length.min(start + piece))).await.unwrap();
        }
        writer.finish().await.unwrap()
    }

    #[tokio::test]
    async fn digests_do_not_depend_on_the_pieces_or_the_place() {
        let directory = tempfile::tempdir().unwrap();
        let spool = spool(directory.path());
        for length in [0, 1, 1 << 16, (1 << 16) + 1, BLOCK_BYTES, BLOCK_BYTES * 2 + 5] {
            let whole = taken(&spool, length, length.max(1)).await;
            let pieces = taken(&spool, length, 4093).await;
            assert_eq!(whole.sha256, pieces.sha256);
            assert_eq!(whole.block_crcs, pieces.block_crcs);
            assert_eq!(whole.block_crcs.len(), length.div_ceil(BLOCK_BYTES));
            assert_eq!(matches!(pieces.content, Content::File(_)), length > 1 << 16, "{length}");
            if let Content::File(file) = &pieces.content {
                assert_eq!(file.file().length().unwrap(), length as u64);
            }
        }
    }

    #[tokio::test]
    async fn what_is_passed_on_is_digested_alike() {
        let directory = tempfile::tempdir().unwrap();
        let spool = spool(directory.path());
        for length in [0, 1, 1 << 16, (1 << 16) + 1, BLOCK_BYTES * 2 + 5] {
            let bytes = Bytes::from((0..length).map(|i| u8::try_from(i % 251).unwrap()).collect::<Vec<_>>());
            let mut writer = spool.begin_passing_on();
            for piece in bytes.chunks(4093) {
                writer.push(Bytes::copy_from_slice(piece)).await.unwrap();
            }
            let (passed, taken) = (writer.finish().await.unwrap(), taken(&spool, length, 4093).await);
            assert_eq!((passed.length, passed.sha256), (taken.length, taken.sha256), "{length}");
            let in_file = matches!(passed.content, Content::File(_));
            assert_eq!(in_file, length > 1 << 16, "{length}");
            assert_eq!(passed.block_crcs.is_empty(), !in_file || length == 0, "{length}");
            assert_eq!(&*passed.crcs_of_blocks(), taken.block_crcs, "{length}");
            assert_eq!(passed.read_block(0).unwrap(), bytes.slice(..length.min(BLOCK_BYTES)), "{length}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_back_block_by_block_wherever_it_lies() {
        let directory = tempfile::tempdir().unwrap();
        for memory_bytes_max in [0, usize::MAX >> 1] {
            let spool = Spool { memory_bytes_max, ..spool(directory.path()) };
            let length = BLOCK_BYTES * 2 + 5;
            let body = taken(&spool, length, 4093).await;
            let mut read = Vec::new();
            for index in 0..4 {
                read.extend_from_slice(&body.read_block(index).unwrap());
            }
            let mut at_hand = Vec::new();
            while let Some(piece) = body.at_hand(at_hand.len() as u64).filter(|piece| !piece.is_empty()) {
                at_hand.extend_from_slice(&piece);
            }
            let is_in_memory = matches!(body.content, Content::Memory(_));
            assert_eq!(at_hand, if is_in_memory { read.clone() } else { Vec::new() });
            assert!(read.iter().enumerate().all(|(i, byte)| usize::from(*byte) == i % 251));
            assert_eq!(read.len(), length);
        }
    }

    #[tokio::test]
    async fn a_flipped_bit_in_the_spool_is_not_served() {
        let directory = tempfile::tempdir().unwrap();
        let body = taken(&Spool { memory_bytes_max: 0, ..spool(directory.path()) }, 100_000, 4096).await;
        let Content::File(file) = &body.content else { panic!("it lies in a file") };
        file.file().write_at(&[IoSlice::new(&[255])], 500).unwrap();
        assert!(matches!(body.read_block(0), Err(BlockError::Damaged { index: 0, .. })));
    }

    #[tokio::test]
    async fn an_object_given_up_leaves_no_file() {
        let directory = tempfile::tempdir().unwrap();
        let body = taken(&spool(directory.path()), 1 << 20, 8192).await;
        assert_eq!(RealDisk.list(directory.path()).unwrap().len(), 1);
        drop(body);
        assert_eq!(RealDisk.list(directory.path()).unwrap().len(), 0);
    }

    #[tokio::test]
    async fn the_limit_holds() {
        let directory = tempfile::tempdir().unwrap();
        let spool = Spool { object_bytes_max: 10, ..spool(directory.path()) };
        let refused = spool.begin().push(Bytes::from_static(&[0; 11])).await;
        assert!(matches!(refused, Err(SpoolError::TooLarge { limit: 10 })));
    }
}
