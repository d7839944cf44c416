//! `outrigger rebuild`: catalogue and ledger anew from the journal.

use std::io;
use std::path::{Path, PathBuf};

use outrigger_journal::{Certainty, Damage, DamagedPart, HeadRestored, Seq, restore_head};
use outrigger_ledger::{Ledger, LedgerStore, SqliteStore, beside};
use outrigger_runtime::RealDisk;
use outrigger_runtime::disk::{Access, ArcDisk};

use crate::cli::ConfigArgs;
use crate::commands::read_config;
use crate::config::{self, NodeConfig};
use crate::logging;
use crate::output;
use crate::process::{Failure, Finished, with_causes};
use crate::serve::{World, lock_node, open_node_journal, open_store};

/// Rebuilds, with the node stopped; the old database stays beside the new one.
pub(crate) fn run(args: &ConfigArgs) -> Result<Finished, Failure> {
    let (file, text) = read_config(&args.config)?;
    let config = config::read_node(&file, &text, &RealDisk).map_err(Failure::Configuration)?;
    logging::start(config.base.log);
    super::runtime()?.block_on(rebuild(&config))?;
    Ok(Finished::Good)
}

async fn rebuild(config: &NodeConfig) -> Result<(), Failure> {
    let world = World::real();
    let _locks = lock_node(&world, config)?;
    let options = &config.journal.options;
    let head = restore_head(&world.disk, &world.random, &options.copies)
        .map_err(|error| Failure::of("the journal cannot be opened", error))?;
    if let HeadRestored::FromSegments { journal, segments } = head {
        output::note(&format!(
            "the journal's head was lost; it is made anew: {segments} segments name {journal}"
        ));
    }
    let applied = applied_before(&world.disk, config, head)?;
    let (journal, damaged) = open_node_journal(&world, config, applied, None)?;
    if let Some(why) = only_book(&damaged, applied, config) {
        let closed = journal.close().await;
        closed.map_err(|error| Failure::of("the journal did not close in good order", error))?;
        return Err(Failure::Refused { message: why });
    }
    set_aside(&world.disk, config)?;
    output::note(&format!("reading {} records from the journal", journal.tail().0));
    let mut store: Box<dyn LedgerStore> = Box::new(open_store(&config.ledger)?);
    let reader = journal.reader();
    let rebuilt = world.threads.blocking("rebuild", move || Ledger::rebuild(&reader, &mut *store)).await;
    let report = rebuilt
        .map_err(|error| Failure::of("the rebuild did not finish", error))?
        .map_err(|error| Failure::of("the ledger cannot be rebuilt", error))?;
    journal.close().await.map_err(|error| Failure::of("the journal did not close in good order", error))?;
    output::line(&format!(
        "rebuilt: {} objects, {} closings, {} decisions; {} entries of the journal are damaged",
        report.objects, report.closings, report.decisions, report.damaged
    ));
    Ok(())
}

/// Why the books before must stay: they alone know of entries whose records the journal has lost.
fn only_book(damaged: &[Damage], applied: Seq, config: &NodeConfig) -> Option<String> {
    let is_lost =
        |damage: &&Damage| damage.part != DamagedPart::Body && damage.certainty != Certainty::NoEntry;
    let known = damaged.iter().filter(is_lost).filter_map(|damage| damage.entries);
    let known: Vec<(Seq, Seq)> = known
        .filter(|(first, _)| *first <= applied)
        .map(|(first, last)| (first, last.min(applied)))
        .collect();
    let count: u64 = known.iter().map(|(first, last)| last.0.saturating_sub(first.0).saturating_add(1)).sum();
    let (first, last) =
        (known.iter().map(|(first, _)| first.0).min()?, known.iter().map(|(_, last)| last.0).max()?);
    let ledger = config.ledger.display();
    Some(format!(
        "the journal has lost the records of {count} entries between {first} and {last}, and the ledger {ledger} is the only book that knows them: \
         it is left as it is; put the journal's files back from a backup, or start the node, which sets what is owed of them aside in suspense. \
         To rebuild without them all the same, move {ledger} and its companions away first"
    ))
}

/// How far the books before followed this journal: what they had applied is damage where it cannot be read, never a torn end.
///
/// Where there is no journal, opening refuses to begin one over books that had followed any: its disk may not be mounted.
fn applied_before(disk: &ArcDisk, config: &NodeConfig, head: HeadRestored) -> Result<Seq, Failure> {
    match disk.open(&config.ledger, Access::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Seq(0)),
        _ => {}
    }
    let position = open_store(&config.ledger).and_then(|store| {
        let store: &dyn LedgerStore = &store;
        store
            .position()
            .map_err(|error| Failure::of("the position of the books before cannot be read", error))
    });
    let ours = match head {
        HeadRestored::FromSegments { journal, .. } => Some(journal),
        HeadRestored::NotNeeded { journal } => journal,
    };
    match (position, ours) {
        (Ok(Some(position)), Some(ours)) if ours.0 != position.journal.0 => Ok(Seq(0)),
        (Ok(Some(position)), _) => Ok(Seq(position.applied.0)),
        (Ok(None), _) => Ok(Seq(0)),
        (Err(error), None) => {
            let places = config.journal.options.copies.iter();
            let places: Vec<_> = places.map(|place| place.directory.display().to_string()).collect();
            let places = places.join(" and ");
            Err(Failure::of(format!("there is no journal in {places} to rebuild from"), error))
        }
        (Err(error), Some(_)) => {
            output::note(&format!("warning: {}", with_causes(&error)));
            Ok(Seq(0))
        }
    }
}

/// Renames the database and its companions, so that nothing is lost if the rebuild cannot finish, nor by a second one.
fn set_aside(disk: &ArcDisk, config: &NodeConfig) -> Result<(), Failure> {
    let shown = config.ledger.display();
    let failed = |error| Failure::of(format!("the ledger {shown} cannot be set aside"), error);
    let aside = free_name(disk, &config.ledger).map_err(failed)?;
    // All of them by the new name: opened as it is, the old one is whole.
    for suffix in SqliteStore::FILES {
        match disk.rename(&beside(&config.ledger, suffix), &beside(&aside, suffix)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
    }
    Ok(())
}

/// `ledger.db.before-rebuild`, or the first such name with a number that is free.
fn free_name(disk: &ArcDisk, ledger: &Path) -> io::Result<PathBuf> {
    let mut number = 1_u32;
    loop {
        let suffix = if number == 1 { String::new() } else { format!("-{number}") };
        let name = beside(ledger, &format!(".before-rebuild{suffix}"));
        match disk.open(&name, Access::Read) {
            Ok(_) => number = number.saturating_add(1),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(name),
            Err(error) => return Err(error),
        }
    }
}
