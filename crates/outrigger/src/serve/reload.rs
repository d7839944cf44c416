//! Reading the configuration again: what changes at once, and what needs a restart.

use outrigger_front::Access;
use outrigger_runtime::RealDisk;
use serde_json::{Value, json};

use super::webs::{tokens, unrenewed};
use crate::admin::server::NodeAdmin;
use crate::commands::read_config;
use crate::config::{self, Base, NodeConfig};
use crate::logging;
use crate::process::Failure;

/// SIGHUP: the answer goes to the log.
pub(crate) fn told(admin: &NodeAdmin) {
    let answer = reload(admin);
    tracing::info!(%answer, "configuration read again");
}

/// Reads it again and says what is in force now, what needs a restart, or which mistakes keep the old one in force.
pub(crate) fn reload(admin: &NodeAdmin) -> Value {
    let read = read_config(admin.file.as_ref())
        .and_then(|(file, text)| config::read_node(&file, &text, &RealDisk).map_err(Failure::Configuration));
    match read {
        Ok(fresh) => applied(admin, &fresh),
        Err(error) => {
            admin.note_bad_configuration(error.to_string());
            json!({"mistakes": error.to_string()})
        }
    }
}

fn applied(admin: &NodeAdmin, fresh: &NodeConfig) -> Value {
    let old = admin.loaded().config;
    let in_force = in_force(old.clone(), fresh);
    let mut now = Vec::new();
    if old.base.log.level != in_force.base.log.level {
        logging::set_level(in_force.base.log);
        now.push("log.level");
    }
    if old.base.peers != in_force.base.peers {
        now.push("peer");
    }
    if tokens(&old.base) != tokens(&in_force.base) {
        now.push("front.web.tokens_file");
    }
    admin.callers.renew(&in_force.base);
    let later = needs_restart(&old, fresh);
    admin.note_configuration(in_force);
    json!({"applied": now, "needs_restart": later})
}

/// The old configuration with what of the fresh one changes at once: what waits for a restart is not in force, and is named again
/// by the next reading.
fn in_force(mut config: NodeConfig, fresh: &NodeConfig) -> NodeConfig {
    config.base.log.level = fresh.base.log.level;
    config.base.peers.clone_from(&fresh.base.peers);
    let renewed = tokens(&fresh.base);
    for web in &mut config.base.webs {
        if let (Access::Tokens(old), Some(fresh)) = (&mut web.access, renewed.get(&web.listen)) {
            old.clone_from(fresh);
        }
    }
    config
}

/// Tables and keys that differ and are read at start only. Each field is named, so that none that is added can be forgotten.
fn needs_restart(old: &NodeConfig, fresh: &NodeConfig) -> Vec<&'static str> {
    let NodeConfig { base, journal, ledger, members_listen, members, query, commit, inventory, crosscheck } =
        fresh;
    // Peers change at once.
    let Base { name, data, log, admin, audit, fronts, webs: _, peers: _, viewer } = base;
    let was = &old.base;
    let differs = [
        ("node", was.name != *name || was.data != *data),
        ("log.format", was.log.format != log.format),
        ("admin", was.admin != *admin),
        ("audit", was.audit != *audit),
        ("front.dimse", was.fronts != *fronts),
        ("front.web", unrenewed(was) != unrenewed(base)),
        ("viewer", was.viewer != *viewer),
        ("journal", old.journal != *journal),
        ("ledger", old.ledger != *ledger),
        ("query", old.query != *query),
        ("commit", old.commit != *commit),
        ("inventory", old.inventory != *inventory),
        ("crosscheck", old.crosscheck != *crosscheck),
        ("members", old.members_listen != *members_listen),
        ("member", old.members != *members),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(table, _)| table).collect()
}
