//! `outrigger check --probe`: a C-ECHO to each route of each member, and to each peer with an address.

use outrigger_member::answers::Expectations;
use outrigger_member::{DimseMember, DimseRoute, Member, MemberError, ReadBack};
use outrigger_model::AeTitle;
use outrigger_runtime::Spool;
use serde_json::json;

use crate::cli::CheckArgs;
use crate::config::{ArchiveConfig, Base, NodeConfig};
use crate::output;
use crate::process::Failure;
use crate::serve::{World, adapter};

/// What a probe showed.
pub(crate) struct Probe {
    /// Whom it asked.
    who: String,
    /// Whether it answered.
    pub(crate) outcome: Result<(), MemberError>,
}

/// Probes the members and peers of a node.
pub(crate) async fn node(config: &NodeConfig) -> Result<Vec<Probe>, Failure> {
    let world = World::real();
    let spool = spool(&world, &config.base);
    let own = &config.members_listen;
    let mut probes = Vec::new();
    for member in &config.members {
        for route in &member.routes {
            let adapter =
                adapter(&world, own, own.ae_title.clone(), route, &spool, &Expectations::default());
            let who = format!("member {} by dimse at {}", member.name, route.address);
            probes.push(Probe { who, outcome: adapter.health().await });
        }
    }
    probes.extend(peers(&world, &config.base, &spool).await);
    Ok(probes)
}

/// Probes the peers of an archive.
pub(crate) async fn archive(config: &ArchiveConfig) -> Result<Vec<Probe>, Failure> {
    let world = World::real();
    Ok(peers(&world, &config.base, &spool(&world, &config.base)).await)
}

async fn peers(world: &World, base: &Base, spool: &Spool) -> Vec<Probe> {
    let calling = base.fronts.first().and_then(|front| front.ae_titles.first());
    let Some(calling) = calling else { return Vec::new() };
    let mut probes = Vec::new();
    for peer in &base.peers {
        for address in [&peer.address, &peer.commit_address].into_iter().flatten() {
            let outcome = echo(world, address, &peer.ae_title, calling, spool).await;
            probes.push(Probe { who: format!("peer {} at {address}", peer.ae_title), outcome });
        }
    }
    probes
}

async fn echo(
    world: &World,
    address: &str,
    called: &AeTitle,
    calling: &AeTitle,
    spool: &Spool,
) -> Result<(), MemberError> {
    let route = DimseRoute {
        address: address.to_owned(),
        ae_title: called.clone(),
        calling: calling.clone(),
        tls: None,
        connect_timeout: outrigger_member::dimse::CONNECT_TIMEOUT,
        settings: outrigger_dimse::Settings::STANDARD,
        read_back: ReadBack::Get,
    };
    DimseMember::new(route, world.net.clone(), spool.clone()).health().await
}

/// An echo brings no object: nothing is written here.
fn spool(world: &World, base: &Base) -> Spool {
    Spool {
        disk: world.disk.clone(),
        directory: base.data.clone(),
        threads: world.threads,
        random: world.random.clone(),
        memory_bytes_max: 0,
        object_bytes_max: 0,
    }
}

/// Shows what each probe said.
pub(crate) fn show(probes: &[Probe], args: &CheckArgs) {
    let words = |probe: &Probe| match &probe.outcome {
        Ok(()) => "answers".to_owned(),
        Err(error) => outrigger_delivery::send::chain(error),
    };
    if args.json {
        let shown =
            |probe: &Probe| json!({"who": probe.who, "good": probe.outcome.is_ok(), "text": words(probe)});
        let all: Vec<_> = probes.iter().map(shown).collect();
        output::line(&json!({"good": true, "mistakes": [], "probes": all}).to_string());
        return;
    }
    let rows: Vec<Vec<String>> = probes.iter().map(|probe| vec![probe.who.clone(), words(probe)]).collect();
    output::table(&["asked", "answer"], &rows);
}
