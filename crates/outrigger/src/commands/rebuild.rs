//! `outrigger rebuild`: catalogue and ledger anew from the journal.

use outrigger_journal::Seq;
use outrigger_ledger::Ledger;
use outrigger_runtime::RealDisk;
use outrigger_runtime::disk::ArcDisk;

use crate::cli::ConfigArgs;
use crate::commands::read_config;
use crate::config::{self, NodeConfig};
use crate::logging;
use crate::output;
use crate::process::{Failure, Finished};
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
    set_aside(&world.disk, config)?;
    let (journal, _) = open_node_journal(&world, config, Seq(0))?;
    output::note(&format!("reading {} records from the journal", journal.tail().0));
    let mut store = open_store(&config.ledger)?;
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

/// Renames the database and its companions, so that nothing is lost if the rebuild cannot finish.
fn set_aside(disk: &ArcDisk, config: &NodeConfig) -> Result<(), Failure> {
    for suffix in ["", "-wal", "-shm"] {
        let mut name = config.ledger.clone().into_os_string();
        name.push(suffix);
        let mut aside = name.clone();
        aside.push(".before-rebuild");
        match disk.rename(name.as_ref(), aside.as_ref()) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let shown = config.ledger.display();
                return Err(Failure::of(format!("the ledger {shown} cannot be set aside"), error));
            }
            _ => {}
        }
    }
    Ok(())
}
