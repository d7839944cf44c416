//! `outrigger archive migrate`: an archive moves to another catalogue and another keeper of objects.
//!
//! Meanwhile this process is the old archive at its own addresses: it answers queries and gives objects, and refuses to store, so
//! that a sender tries again later, when the new one is started.

use std::sync::Arc;

use async_trait::async_trait;
use outrigger_archive::{Archive, MigrateWorld, Moved, migrate};
use outrigger_front::{
    Accepts, Arrival, CommitRefusal, CommitRequest, Committing, FindRefusal, Opened, RefusalKind,
    Retrievable, Service, StoreRefusal, Stored, StudyPatient,
};
use outrigger_model::{Answer, Query, Selection, StudyUid};
use outrigger_runtime::{Shutdown, Spool};
use tokio::sync::mpsc;

use super::{open, options, read};
use crate::cli::MigrateArgs;
use crate::config::{ArchiveConfig, BlobsAt};
use crate::output;
use crate::process::{Failure, Finished};
use crate::serve::{Ready, World, lock_archive, open_fronts};

/// Progress is told each time so many more objects have been copied or read back.
const OBJECTS_TOLD: u64 = 1000;

/// Moves an archive.
pub(super) fn run(args: &MigrateArgs) -> Result<Finished, Failure> {
    let ((_, from), (_, to)) = (read(&args.config)?, read(&args.to)?);
    apart(&from, &to)?;
    crate::logging::start(from.base.log);
    crate::commands::runtime()?.block_on(moved(&from, &to))
}

/// Both need places of their own.
fn apart(from: &ArchiveConfig, to: &ArchiveConfig) -> Result<(), Failure> {
    let same_blobs = match (&from.blobs, &to.blobs) {
        (BlobsAt::Directory(from), BlobsAt::Directory(to)) => from == to,
        (BlobsAt::S3(from), BlobsAt::S3(to)) => {
            (&from.endpoint, &from.bucket, &from.prefix) == (&to.endpoint, &to.bucket, &to.prefix)
        }
        (BlobsAt::Directory(_), BlobsAt::S3(_)) | (BlobsAt::S3(_), BlobsAt::Directory(_)) => false,
    };
    let shared = [
        (from.base.data == to.base.data, "node.data"),
        (same_blobs, "archive.blobs"),
        (from.catalogue == to.catalogue, "archive.catalogue"),
    ];
    match shared.iter().find(|(shared, _)| *shared) {
        None => Ok(()),
        Some((_, key)) => Err(Failure::Argument {
            what: format!("`{key}` is the same in both configurations"),
            instead: "each archive needs a place of its own".to_owned(),
        }),
    }
}

async fn moved(from: &ArchiveConfig, to: &ArchiveConfig) -> Result<Finished, Failure> {
    let world = World::real();
    let _locks = [lock_archive(&world, from)?, lock_archive(&world, to)?];
    let archive = Arc::new(open(&world, from).await?);
    let (mut doors, doors_stop) = Shutdown::pair();
    let (_, legs) = mpsc::channel(1);
    let service = Arc::new(ReadOnly(archive.clone()));
    let fronts = open_fronts(&world, &from.base, &doors_stop, legs, |_| service.clone()).await?;
    let mut refusals = fronts.refusals;
    drop(tokio::spawn(async move { while refusals.recv().await.is_some() {} }));
    let here = Ready { doors: fronts.doors, members: None, admin: from.base.admin.listen };
    output::note(&format!("the archive answers queries and gives objects meanwhile: {}", here.line()));
    let migrating = MigrateWorld {
        disk: world.disk.clone(),
        clock: world.clock.clone(),
        random: world.random.clone(),
        threads: world.threads,
    };
    let mut told = 0;
    let outcome = migrate(&archive, options(to), migrating, |moved: Moved| {
        let sum = moved.copied + moved.there + moved.verified;
        if sum / OBJECTS_TOLD > told {
            told = sum / OBJECTS_TOLD;
            output::note(&format!(
                "{} objects copied, {} there already, {} read back",
                moved.copied, moved.there, moved.verified
            ));
        }
    })
    .await;
    doors.stop();
    drop(doors_stop);
    doors.all_gone().await;
    fronts.audit_ended.await;
    archive.close().await;
    let moved = outcome.map_err(|error| Failure::of("the archive is not moved", error))?;
    output::line(&format!(
        "moved: {} objects copied, {} there already, {} read back and right; start the new archive, and the old one no more",
        moved.copied, moved.there, moved.verified
    ));
    Ok(Finished::Good)
}

/// The old archive while it is moved.
struct ReadOnly(Arc<Archive>);

#[async_trait]
impl Service for ReadOnly {
    fn accepts(&self) -> Accepts {
        self.0.accepts()
    }

    fn spool(&self) -> Spool {
        self.0.spool()
    }

    async fn accept(&self, _arrival: Arrival) -> Result<Stored, StoreRefusal> {
        Err(StoreRefusal {
            kind: RefusalKind::OutOfResources,
            text: "the archive is being moved and takes no objects; try again later".to_owned(),
            source: None,
        })
    }

    async fn find(&self, query: Query) -> Result<mpsc::Receiver<Result<Answer, FindRefusal>>, FindRefusal> {
        self.0.find(query).await
    }

    async fn plan(&self, selection: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
        self.0.plan(selection).await
    }

    async fn patient_of(&self, study: &StudyUid) -> Option<StudyPatient> {
        self.0.patient_of(study).await
    }

    async fn open(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        self.0.open(instance).await
    }

    async fn commit(&self, request: CommitRequest) -> Result<Committing, CommitRefusal> {
        self.0.commit(request).await
    }
}
