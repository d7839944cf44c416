//! What decides requests for storage commitment and tells their results.

use outrigger_front::Reporter;
use outrigger_gateway::{Keeper, KeeperOptions};
use outrigger_query::Reader;
use outrigger_runtime::Shutdown;

use super::{Storage, World};
use crate::config::NodeConfig;

/// Starts it; it ends with the node.
pub(super) fn start(
    world: &World,
    config: &NodeConfig,
    storage: &Storage,
    reader: Reader,
    reporter: Reporter,
    shutdown: &Shutdown,
) {
    let options = KeeperOptions {
        ledger: storage.ledger.clone(),
        reader,
        reporter,
        policy: config.commit.policy,
        wait: config.commit.wait,
        random: world.random.clone(),
    };
    // Whoever waits for the end of the node waits for this one by its shutdown.
    drop(Keeper::start(options, shutdown.clone()));
}
