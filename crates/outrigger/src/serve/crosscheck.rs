//! What compares the members with one another.

use outrigger_audit::crosscheck::{
    Activity, CrosscheckOptions, Kept, Progress, Suspects, start as start_rounds,
};
use outrigger_delivery::MemberSetup;
use outrigger_query::Reader;
use outrigger_runtime::Shutdown;
use tokio::sync::watch;

use super::{Storage, World, inventory};
use crate::config::{Crosscheck, NodeConfig};

/// The file beside the ledger that says how far a round is; without it the next begins anew.
const KEPT_IN: &str = "crosscheck.json";

/// Begins, or goes on, to compare these members; gives how it goes, or `None` where they are not compared.
pub(super) fn start(
    world: &World,
    config: &NodeConfig,
    storage: &Storage,
    members: &[MemberSetup],
    reader: &Reader,
    shutdown: &Shutdown,
) -> Option<watch::Receiver<Progress>> {
    let Crosscheck::On(crosscheck) = config.crosscheck else {
        tracing::info!("members are not cross-checked: where they differ is not seen here");
        return None;
    };
    let (journal, reader) = (storage.journal.clone(), reader.clone());
    // Whatever is stored or delivered goes through the journal; both only grow.
    let retrieving = reader.clone();
    let activity = Activity::new(move || journal.tail().0.wrapping_add(reader.served()));
    Some(start_rounds(CrosscheckOptions {
        ledger: storage.ledger.clone(),
        sources: members.iter().map(|member| inventory::source(config, member)).collect(),
        budget: crosscheck.budget,
        share: crosscheck.share,
        every: crosscheck.every,
        again: crosscheck.again,
        suspects: Suspects::new(move || retrieving.take_suspects()),
        idle: crosscheck.idle,
        activity,
        kept: Kept { disk: world.disk.clone(), path: config.base.data.join(KEPT_IN) },
        clock: world.clock.clone(),
        threads: world.threads,
        random: world.random.clone(),
        shutdown: shutdown.clone(),
    }))
}
