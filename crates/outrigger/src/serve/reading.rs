//! What answers queries and gives instances.

use std::sync::Arc;

use outrigger_delivery::MemberSetup;
use outrigger_query::{Reader, ReaderOptions, Source};

use super::{Storage, World};
use crate::config::NodeConfig;

/// The reader over catalogue, journal and these members.
pub(super) fn reader(
    world: &World,
    config: &NodeConfig,
    storage: &Storage,
    members: &[MemberSetup],
) -> Reader {
    Reader::new(ReaderOptions {
        ledger: storage.ledger.clone(),
        sources: members.iter().map(source).collect(),
        respondents: config.query.source,
        timeout: config.query.timeout,
        clock: world.clock.clone(),
        threads: world.threads,
    })
}

/// A member as readers see it.
fn source(member: &MemberSetup) -> Source {
    Source {
        number: member.number,
        name: member.name.clone(),
        preference: member.preference,
        routes: member.routes.iter().map(|route| Arc::clone(&route.member)).collect(),
        connections: member.connections,
    }
}
