//! `outrigger archive`: an embedded archive in the foreground, and what is done with one that is stopped.

mod export;
mod import;
mod migrate;

use std::sync::Arc;

use outrigger_archive::{Archive, ArchiveOptions, Keeper, Scrub};
use outrigger_runtime::{RealDisk, Shutdown};

use crate::admin::server::{self, ArchiveAdmin};
use crate::cli::{ArchiveArgs, ArchiveVerb};
use crate::commands::read_config;
use crate::config::{self, ArchiveConfig, BlobsAt};
use crate::logging;
use crate::process::{Failure, Finished};
use crate::serve::{Callers, Ready, Signal, Signals, World, holder, lock_archive, open_fronts};

/// Runs an archive until it is told to stop, or does something with one that is stopped.
pub(crate) fn run(args: &ArchiveArgs) -> Result<Finished, Failure> {
    match (&args.verb, &args.config) {
        (Some(verb), _) => beside(verb),
        (None, Some(file)) => {
            let (file, config) = read(file)?;
            logging::start(config.base.log);
            super::runtime()?.block_on(serve(config, &file))?;
            Ok(Finished::Good)
        }
        (None, None) => Err(Failure::Argument {
            what: "no configuration is given".to_owned(),
            instead: "`--config FILE` is expected".to_owned(),
        }),
    }
}

fn read(file: &std::path::Path) -> Result<(String, ArchiveConfig), Failure> {
    let (file, text) = read_config(file)?;
    let config = config::read_archive(&file, &text, &RealDisk).map_err(Failure::Configuration)?;
    Ok((file, config))
}

/// Does something with an archive that is stopped: one that runs is told of by its lock.
fn beside(verb: &ArchiveVerb) -> Result<Finished, Failure> {
    match verb {
        ArchiveVerb::Import(args) => {
            let (_, config) = read(&args.config)?;
            import::checked(&args.directory, &own(&config))?;
            opened(&config, async |archive| import::run(args, archive).await)
        }
        ArchiveVerb::Export(args) => {
            let (_, config) = read(&args.config)?;
            opened(&config, async |archive| export::run(args, archive).await)
        }
        ArchiveVerb::Migrate(args) => migrate::run(args),
    }
}

/// Opens an archive for one piece of work.
fn opened(
    config: &ArchiveConfig,
    work: impl AsyncFnOnce(&Archive) -> Result<Finished, Failure>,
) -> Result<Finished, Failure> {
    logging::start(config.base.log);
    super::runtime()?.block_on(async {
        let world = World::real();
        let _locks = lock_archive(&world, config)?;
        let archive = open(&world, config).await?;
        let outcome = work(&archive).await;
        archive.close().await;
        outcome
    })
}

/// The directories of an archive.
fn own(config: &ArchiveConfig) -> Vec<std::path::PathBuf> {
    let mut own = vec![config.base.data.clone()];
    if let BlobsAt::Directory(directory) = &config.blobs {
        own.push(directory.clone());
    }
    own
}

async fn serve(config: ArchiveConfig, file: &str) -> Result<(), Failure> {
    let world = World::real();
    for warning in config.warnings(world.clock.wall_us()) {
        tracing::warn!("{warning}");
    }
    server::install_metrics()?;
    let mut signals = Signals::listen()?;
    let _locks = lock_archive(&world, &config)?;
    let archive = open(&world, &config).await?;
    let (mut node, node_stops) = Shutdown::pair();
    let (mut doors, doors_stop) = Shutdown::pair();
    let service = Arc::new(archive);
    let (_, legs) = tokio::sync::mpsc::channel(1);
    let fronts = open_fronts(&world, &config.base, &doors_stop, legs, |_| service.clone()).await?;
    // An archive lists refusals in its log; it has no books to note them in.
    let mut refusals = fronts.refusals;
    let refused = tokio::spawn(async move {
        while let Some(event) = refusals.recv().await {
            tracing::warn!(sop_instance = ?event.sop_instance, status = %event.status, text = %event.text, "an object was refused");
        }
    });
    let scrub = Scrub::start(service.clone(), config.scrub, node_stops.clone()).await;
    let admin = ArchiveAdmin { name: config.base.name.to_string(), archive: service.clone(), scrub };
    let admin = server::start_archive(config.base.admin.listen, admin, node_stops.clone()).await?;
    Ready { doors: fronts.doors, members: None, admin }.announce()?;
    loop {
        match signals.next().await {
            Signal::Stop => break,
            Signal::Reload => reload(file, &fronts.callers),
        }
    }
    doors.stop();
    drop(doors_stop);
    doors.all_gone().await;
    fronts.audit_ended.await;
    refused.await.map_err(|error| Failure::of("the recorder of refusals ended badly", error))?;
    node.stop();
    drop(node_stops);
    node.all_gone().await;
    service.close().await;
    Ok(())
}

async fn open(world: &World, config: &ArchiveConfig) -> Result<Archive, Failure> {
    let (disk, clock, random) = (world.disk.clone(), world.clock.clone(), world.random.clone());
    Archive::open(options(config), disk, clock, random, world.threads)
        .await
        .map_err(|error| Failure::of("the archive cannot be opened", error))
}

fn options(config: &ArchiveConfig) -> ArchiveOptions {
    let (directory, keeper) = match &config.blobs {
        BlobsAt::Directory(directory) => (directory.clone(), Keeper::Files),
        BlobsAt::S3(options) => (config.base.data.join("archive"), Keeper::S3(options.clone())),
    };
    ArchiveOptions {
        directory,
        keeper,
        catalogue: config.catalogue.clone(),
        object_bytes_max: config.base.max_object(),
        holder: holder("archive", &config.base),
    }
}

/// Who may call, with which tokens, where C-MOVE goes to and the log level change at once; all else with the next start.
fn reload(file: &str, callers: &Callers) {
    let read = read_config(std::path::Path::new(file)).and_then(|(file, text)| {
        config::read_archive(&file, &text, &RealDisk).map_err(Failure::Configuration)
    });
    match read {
        Ok(config) => {
            logging::set_level(config.base.log);
            callers.renew(&config.base);
            tracing::info!("peers, tokens and log level are read again");
        }
        Err(error) => tracing::error!(%error, "the configuration is bad; the old one stays in force"),
    }
}
