//! Moving an archive to another catalogue and another keeper of objects, while it answers queries and gives objects.
//!
//! A mark in the new archive's directory keeps it from being opened before all is there and was read back. Every object is copied
//! with what is known of it and then entered, as a store does; what the new archive has already is passed over, so a move that was
//! cut off goes on. The old archive is only read.

mod compare;
mod copy;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use outrigger_catalogue::{CatalogueError, Counts};
use outrigger_model::{Sha256Digest, SopInstanceUid, StudyUid};
use outrigger_runtime::disk::{ArcDisk, Kind};
use outrigger_runtime::spool::SpoolError;
use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{Clock, Random, Spool, Threads};
use tokio::sync::mpsc;

use crate::archive::{Archive, ArchiveOptions};
use crate::blob::BlobError;
use crate::blobs::{Blobs, Kept, Span};
use crate::open::{Opened, spool_of};
use crate::places::Places;
use crate::reader::{ReadError, Reader};
use crate::recovery::RecoverError;
use crate::store::StoreError;
use crate::{OpenError, open};

/// Parts of the listing that wait: each is a directory or a page of some thousand.
const PARTS_AHEAD: usize = 2;

/// How far a move is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Moved {
    /// Objects copied by this run.
    pub copied: u64,
    /// Objects that were there already.
    pub there: u64,
    /// Objects read back in the new archive.
    pub verified: u64,
}

/// Why an archive is not moved; the new one stays closed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The new archive cannot be opened.
    #[error("the new archive cannot be opened")]
    Open(#[source] OpenError),
    /// It has objects and is not the beginning of this move.
    #[error("the new archive has {instances} instances already; move into an empty one")]
    NotEmpty {
        /// How many.
        instances: u64,
    },
    /// Decisions of people stand in the old one.
    #[error("instances of the archive are hidden, deleted or edited, which this version cannot move")]
    Decided,
    /// The mark could not be written or removed.
    #[error("{path} could not be written")]
    Mark {
        /// The file.
        path: PathBuf,
        /// The cause.
        #[source]
        source: io::Error,
    },
    /// A catalogue failed.
    #[error("a catalogue failed")]
    Catalogue(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The objects of the old archive could not be listed.
    #[error("the objects of the archive could not be listed")]
    List(#[source] Box<RecoverError>),
    /// An object of the old archive cannot be read.
    #[error("instance {sop_instance} cannot be read; send it again to heal it, and move the archive then")]
    Object {
        /// The instance.
        sop_instance: SopInstanceUid,
        /// The cause.
        #[source]
        source: Box<BlobError>,
    },
    /// The bytes of an object are not those that were stored.
    #[error("instance {sop_instance} has other bytes than SHA-256 {sha256}")]
    Otherwise {
        /// The instance.
        sop_instance: SopInstanceUid,
        /// What was stored.
        sha256: Sha256Digest,
    },
    /// An object could not be taken into the spool of the new archive.
    #[error("an object could not be copied")]
    Spool(#[source] SpoolError),
    /// The new archive did not take an object.
    #[error("the new archive did not take an object")]
    Store(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Something is not in the new archive.
    #[error("instance {sop_instance} is not in the new archive as it is in the old one")]
    Missing {
        /// The instance.
        sop_instance: SopInstanceUid,
    },
    /// The new archive holds an object that is not as it was copied.
    #[error("instance {sop_instance} is not in the new archive as it was copied")]
    BadCopy {
        /// The instance.
        sop_instance: SopInstanceUid,
        /// The cause.
        #[source]
        source: Box<BlobError>,
    },
    /// Both catalogues count differently.
    #[error("the catalogues differ: {old:?} in the old one, {new:?} in the new one; run the move again")]
    Counts {
        /// The old one's.
        old: Counts,
        /// The new one's.
        new: Counts,
    },
    /// A study is another.
    #[error("study {study} is not in the new archive as it is in the old one")]
    Study {
        /// The study.
        study: StudyUid,
    },
    /// A thread ended early.
    #[error("the archive is not moved")]
    Lost(#[source] WorkLost),
}

/// The world a move runs in.
pub struct MigrateWorld {
    /// Files.
    pub disk: ArcDisk,
    /// Time.
    pub clock: Clock,
    /// Randomness.
    pub random: Random,
    /// Where blocking work runs.
    pub threads: Threads,
}

/// Both sides of a move.
pub(crate) struct Sides {
    pub(crate) old: Arc<dyn Blobs>,
    pub(crate) old_reader: Reader,
    pub(crate) new: Arc<dyn Blobs>,
    pub(crate) new_catalogue: Reader,
    pub(crate) spool: Spool,
    pub(crate) threads: Threads,
}

/// Moves an archive; nothing may be stored in it meanwhile. `told` hears how far it is.
pub async fn migrate(
    archive: &Archive,
    to: ArchiveOptions,
    world: MigrateWorld,
    mut told: impl FnMut(Moved) + Send,
) -> Result<Moved, MigrateError> {
    let places = Places::new(&to.directory);
    let decided = archive.reader.ask(|catalogue| catalogue.decided()).await.map_err(catalogue)?;
    if decided > 0 {
        return Err(MigrateError::Decided);
    }
    let spool = spool_of(&world.disk, &places, world.threads, &world.random, to.object_bytes_max);
    let MigrateWorld { disk, clock, random, threads } = world;
    let (opening, at) = (disk.clone(), places.clone());
    let opened = threads.blocking("new archive", move || begin(&opening, &at, random, clock, &to)).await;
    let Opened { lock, catalogue: new, blobs, .. } = opened.map_err(MigrateError::Lost)??;
    let (new_catalogue, work) = Reader::new(new);
    let ended =
        threads.dedicated("new-catalogue", work).map_err(OpenError::Thread).map_err(MigrateError::Open)?;
    let sides = Sides {
        old: archive.blobs.clone(),
        old_reader: archive.reader.clone(),
        new: blobs,
        new_catalogue: new_catalogue.clone(),
        spool,
        threads,
    };
    let moved = moved(&sides, &mut told).await;
    new_catalogue.stop().await;
    if ended.await.is_err() {
        tracing::debug!("the thread of the new catalogue had ended before");
    }
    let moved = moved?;
    let finished = threads.blocking("end of a move", move || {
        let path = places.unfinished();
        let removed = disk.remove(&path).and_then(|()| disk.sync_directory(places.root()));
        removed.map_err(|source| MigrateError::Mark { path, source })
    });
    finished.await.map_err(MigrateError::Lost)??;
    drop(lock);
    Ok(moved)
}

async fn moved(sides: &Sides, told: &mut (impl FnMut(Moved) + Send)) -> Result<Moved, MigrateError> {
    let mut moved = Moved::default();
    let (mut parts, listing) = listed(sides);
    while let Some(part) = parts.recv().await {
        copy::part(sides, part, &mut moved).await?;
        told(moved);
    }
    listing.await?;
    compare::catalogues(sides).await?;
    let (mut parts, listing) = listed(sides);
    while let Some(part) = parts.recv().await {
        compare::objects(sides, part, &mut moved).await?;
        told(moved);
    }
    listing.await?;
    Ok(moved)
}

/// Lists every object of the old archive, a part at a time.
fn listed(
    sides: &Sides,
) -> (mpsc::Receiver<Vec<Kept>>, impl Future<Output = Result<(), MigrateError>> + use<>) {
    let (parts, taken) = mpsc::channel(PARTS_AHEAD);
    let (old, threads) = (sides.old.clone(), sides.threads);
    let listing = tokio::spawn(threads.blocking("listing of objects", move || {
        old.unsettled(Span::All, &mut |part| {
            if parts.blocking_send(part).is_err() {
                tracing::debug!("nobody takes the list of objects any more");
            }
            Ok(())
        })
    }));
    let ended = async move {
        match listing.await {
            Ok(Ok(outcome)) => outcome.map_err(|error| MigrateError::List(Box::new(error))),
            Ok(Err(lost)) => Err(MigrateError::Lost(lost)),
            Err(error) => Err(MigrateError::Catalogue(Box::new(error))),
        }
    };
    (taken, ended)
}

/// Opens the new archive: an empty one, which is marked, or one that is marked already.
fn begin(
    disk: &ArcDisk,
    places: &Places,
    random: Random,
    clock: Clock,
    to: &ArchiveOptions,
) -> Result<Opened, MigrateError> {
    let path = places.unfinished();
    let begun =
        is_unfinished(disk, places).map_err(|source| MigrateError::Mark { path: path.clone(), source })?;
    let mut opened = open::prepare_any(disk, places, random, clock, to).map_err(MigrateError::Open)?;
    let counts = opened.catalogue.counts().map_err(|error| MigrateError::Catalogue(Box::new(error)))?;
    if !begun {
        if counts.instances > 0 {
            return Err(MigrateError::NotEmpty { instances: counts.instances });
        }
        let marked = disk.create(&path).and_then(|_| disk.sync_directory(places.root()));
        marked.map_err(|source| MigrateError::Mark { path, source })?;
    }
    Ok(opened)
}

/// Whether an archive is the beginning of a move.
pub(crate) fn is_unfinished(disk: &ArcDisk, places: &Places) -> io::Result<bool> {
    let mark = places.unfinished();
    match disk.list(places.root()) {
        Ok(listed) => Ok(listed.iter().any(|listed| listed.kind == Kind::File && listed.path == mark)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

pub(crate) fn catalogue(error: ReadError) -> MigrateError {
    MigrateError::Catalogue(Box::new(error))
}

pub(crate) fn not_taken(error: StoreError) -> CatalogueOrStore {
    CatalogueOrStore::Store(error)
}

/// What may fail where objects are entered.
pub(crate) enum CatalogueOrStore {
    Catalogue(CatalogueError),
    Store(StoreError),
}

impl From<CatalogueOrStore> for MigrateError {
    fn from(error: CatalogueOrStore) -> Self {
        match error {
            CatalogueOrStore::Catalogue(error) => Self::Catalogue(Box::new(error)),
            CatalogueOrStore::Store(error) => Self::Store(Box::new(error)),
        }
    }
}
