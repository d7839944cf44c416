//! Opening an archive: lock, directories, catalogue, recovery, threads.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use outrigger_catalogue::{Catalogue, CatalogueError};
use outrigger_runtime::disk::{self, ArcDisk, DiskFile, LockError};
use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{Clock, Random, Spool, Threads};
use tokio::sync::mpsc;

use crate::archive::{Archive, ArchiveOptions, Keeper};
use crate::away::Away;
use crate::blobs::Blobs;
use crate::files::Files;
use crate::findings::Findings;
use crate::migrate::is_unfinished;
use crate::places::Places;
use crate::reader::Reader;
use crate::recovery::{RecoverError, Recovered, recover};
use crate::s3::{Bucket, S3, S3Error};
use crate::writer::{QUEUE_MAX, Stopped, Writer};

/// Up to this many bytes an object stays in memory while it arrives: a CT or MR image does, a hundred of them fit.
const MEMORY_BYTES_MAX: usize = 1 << 20;

/// Why an archive could not be opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Its directory belongs to somebody else.
    #[error("{directory} is in use; stop that one first, or give this archive a directory of its own")]
    InUse {
        /// The directory.
        directory: PathBuf,
        /// Who has it.
        #[source]
        source: LockError,
    },
    /// The disk failed.
    #[error("{path} could not be made ready")]
    Disk {
        /// The file or directory.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// An archive is being moved there.
    #[error(
        "an archive is being moved to {directory} and is not all there; run `outrigger archive migrate` again until it is done"
    )]
    Unfinished {
        /// The directory.
        directory: PathBuf,
    },
    /// The object store cannot be called as it is configured.
    #[error("the object store of the archive cannot be used")]
    ObjectStore(#[source] S3Error),
    /// The catalogue could not be opened.
    #[error("the catalogue of the archive could not be opened")]
    Catalogue(#[source] outrigger_catalogue::OpenError),
    /// The catalogue is damaged; the objects it is of are files of their own.
    #[error(
        "the catalogue of the archive is damaged; move its file away, and the next start makes it anew from the objects in {blobs}"
    )]
    Damaged {
        /// Where the objects are.
        blobs: PathBuf,
        /// The cause.
        #[source]
        source: outrigger_catalogue::OpenError,
    },
    /// The catalogue could not be opened a second time, for reading.
    #[error("the catalogue of the archive could not be opened for reading")]
    CatalogueReader(#[source] CatalogueError),
    /// What the last run left could not be sorted out.
    #[error("what the last run left could not be sorted out")]
    Recover(#[source] RecoverError),
    /// A thread could not be started.
    #[error("a thread of the archive could not be started")]
    Thread(#[source] io::Error),
    /// A thread ended early.
    #[error("the archive could not be opened")]
    Lost(#[source] WorkLost),
}

/// What opening on a blocking thread gives.
pub(crate) struct Opened {
    pub(crate) lock: Arc<dyn DiskFile>,
    pub(crate) catalogue: Box<dyn Catalogue>,
    reading: Box<dyn Catalogue>,
    pub(crate) blobs: Arc<dyn Blobs>,
    recovered: Recovered,
}

impl Archive {
    /// Opens an archive, made if it is missing, and sorts out what the last run left.
    pub async fn open(
        options: ArchiveOptions,
        disk: ArcDisk,
        clock: Clock,
        random: Random,
        threads: Threads,
    ) -> Result<Self, OpenError> {
        let places = Places::new(&options.directory);
        let (opening, at, object_bytes_max) = (disk.clone(), places.clone(), options.object_bytes_max);
        let (naming, telling) = (random.clone(), clock.clone());
        let opened =
            threads.blocking("archive open", move || prepare(&opening, &at, naming, telling, &options)).await;
        let Opened { lock, catalogue, reading, blobs, recovered } = opened.map_err(OpenError::Lost)??;
        tracing::info!(
            removed = recovered.removed,
            adopted = recovered.adopted,
            duplicates = recovered.duplicates,
            unreadable = recovered.unreadable.len(),
            "the archive is open"
        );
        let (stopped, away) = (Stopped::default(), Away::default());
        let (messages, received) = mpsc::channel(QUEUE_MAX);
        let writer = Writer { catalogue, blobs: blobs.clone(), stopped: stopped.clone(), away: away.clone() };
        let writer_end = threads.dedicated("archive-writer", writer.run(received));
        let (reader, reading) = Reader::new(reading);
        let reader_end = threads.dedicated("archive-reader", reading);
        let ends = vec![writer_end.map_err(OpenError::Thread)?, reader_end.map_err(OpenError::Thread)?];
        let spool = spool_of(&disk, &places, threads, &random, object_bytes_max);
        Ok(Self {
            blobs,
            spool,
            clock,
            threads,
            writer: messages,
            reader,
            stopped,
            away,
            recovered,
            findings: Findings::default(),
            scrub_file: places.scrub(),
            ends: Mutex::new(ends),
            _lock: lock,
        })
    }
}

/// Opens an archive that is all there.
fn prepare(
    disk: &ArcDisk,
    places: &Places,
    random: Random,
    clock: Clock,
    options: &ArchiveOptions,
) -> Result<Opened, OpenError> {
    let unfinished = is_unfinished(disk, places);
    if unfinished.map_err(|source| OpenError::Disk { path: places.unfinished(), source })? {
        return Err(OpenError::Unfinished { directory: places.root().to_owned() });
    }
    prepare_any(disk, places, random, clock, options)
}

/// The spool of an archive.
pub(crate) fn spool_of(
    disk: &ArcDisk,
    places: &Places,
    threads: Threads,
    random: &Random,
    object_bytes_max: u64,
) -> Spool {
    Spool {
        disk: disk.clone(),
        directory: places.spool().into(),
        threads,
        random: random.clone(),
        memory_bytes_max: MEMORY_BYTES_MAX,
        object_bytes_max,
    }
}

/// Opens an archive, all there or not.
pub(crate) fn prepare_any(
    disk: &ArcDisk,
    places: &Places,
    random: Random,
    clock: Clock,
    options: &ArchiveOptions,
) -> Result<Opened, OpenError> {
    let make = |path: &Path| {
        disk.create_directory(path).map_err(|source| OpenError::Disk { path: path.to_owned(), source })
    };
    make(places.root())?;
    let lock = disk::lock_as(&**disk, &places.lock(), &options.holder).map_err(|error| match error {
        held @ LockError::Held { .. } => {
            OpenError::InUse { directory: places.root().to_owned(), source: held }
        }
        LockError::Disk { path, source } => OpenError::Disk { path, source },
    })?;
    make(&places.spool())?;
    let mut catalogue = outrigger_catalogue::open(&options.catalogue).map_err(|source| {
        if source.is_damage() {
            OpenError::Damaged { blobs: places.blobs(), source }
        } else {
            OpenError::Catalogue(source)
        }
    })?;
    let blobs = keeper(disk, places, random, clock, &options.keeper)?;
    let recovered = recover(&**disk, places, &*blobs, &mut *catalogue).map_err(OpenError::Recover)?;
    let reading = catalogue.another().map_err(OpenError::CatalogueReader)?;
    Ok(Opened { lock, catalogue, reading, blobs, recovered })
}

/// Chooses where objects are kept.
fn keeper(
    disk: &ArcDisk,
    places: &Places,
    random: Random,
    clock: Clock,
    keeper: &Keeper,
) -> Result<Arc<dyn Blobs>, OpenError> {
    match keeper {
        Keeper::Files => {
            let made = disk.create_directory(&places.blobs());
            let files = made.and_then(|()| Files::open(disk.clone(), places.clone(), random));
            Ok(Arc::new(files.map_err(|source| OpenError::Disk { path: places.blobs(), source })?))
        }
        Keeper::S3(options) => {
            let bucket = Bucket::new(options, clock).map_err(OpenError::ObjectStore)?;
            Ok(Arc::new(S3::new(bucket, disk.clone(), places.clone())))
        }
    }
}
