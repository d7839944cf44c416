//! What brings entries to the members.

use outrigger_delivery::{Delivery, DeliveryOptions};
use outrigger_runtime::Shutdown;

use super::members::Members;
use super::{Storage, World};
use crate::config::NodeConfig;

/// Starts the delivery to these members.
pub(super) fn start(
    world: &World,
    config: &NodeConfig,
    storage: &Storage,
    members: Members,
    shutdown: &Shutdown,
) -> Delivery {
    Delivery::start(DeliveryOptions {
        ledger: storage.ledger.clone(),
        journal: storage.journal.clone(),
        members: members.setups,
        reports: members.reports,
        retention: config.journal.retention,
        clock: world.clock.clone(),
        random: world.random.clone(),
        threads: world.threads,
        shutdown: shutdown.clone(),
    })
}
