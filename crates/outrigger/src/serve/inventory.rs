//! What takes the inventories of the members.

use std::sync::Arc;
use std::time::Duration;

use outrigger_audit::inventory::{InventoryOptions, Lookup, Source, start as start_inventories};
use outrigger_delivery::MemberSetup;
use outrigger_query::{Reader, Respondents};
use outrigger_runtime::Shutdown;
use tokio::time::sleep;

use super::{Storage, World};
use crate::config::{NodeConfig, Taken};

/// Time between two look-ups that nobody waits for: members answer others meanwhile.
const BETWEEN_LOOKS: Duration = Duration::from_secs(1);

/// Begins, or goes on, to take the inventories of these members.
pub(super) fn start(
    world: &World,
    config: &NodeConfig,
    storage: &Storage,
    members: &[MemberSetup],
    shutdown: &Shutdown,
) {
    if config.inventory.taken == Taken::No {
        tracing::info!("no inventories are taken: what members held before is not seen here");
        return;
    }
    start_inventories(&InventoryOptions {
        ledger: storage.ledger.clone(),
        sources: members.iter().map(|member| source(config, member)).collect(),
        between: config.inventory.between,
        every: config.inventory.every,
        clock: world.clock.clone(),
        shutdown: shutdown.clone(),
    });
}

/// What looks up at the members a study that a retrieval names and nobody knows; `None` where members are not asked.
pub(super) fn lookup(
    world: &World,
    config: &NodeConfig,
    storage: &Storage,
    members: &[MemberSetup],
) -> Option<Lookup> {
    let is_asked = match config.query.source {
        Respondents::Members | Respondents::All => true,
        Respondents::Catalogue => false,
    };
    let sources = || members.iter().map(|member| source(config, member)).collect();
    let (ledger, patience) = (storage.ledger.clone(), config.query.timeout);
    is_asked.then(|| Lookup::new(ledger, sources(), patience, world.clock.clone()))
}

/// Looks up, one after another, the studies of which members showed more in answers to queries than the catalogue knows.
pub(super) fn look_up_what_is_shown(lookup: Option<Lookup>, reader: Reader, mut shutdown: Shutdown) {
    let Some(lookup) = lookup else { return };
    tokio::spawn(async move {
        let looking = async {
            loop {
                lookup.look(&reader.shown_more().await).await;
                sleep(BETWEEN_LOOKS).await;
            }
        };
        tokio::select! {
            () = looking => {}
            () = shutdown.stopping() => {}
        }
    });
}

/// A member as one that is only read.
pub(super) fn source(config: &NodeConfig, member: &MemberSetup) -> Source {
    let written = config.members.iter().find(|written| written.name == member.name);
    Source {
        number: member.number,
        name: member.name.clone(),
        issuer: written.and_then(|written| written.issuer.clone()),
        routes: member.routes.iter().map(|route| Arc::clone(&route.member)).collect(),
    }
}
