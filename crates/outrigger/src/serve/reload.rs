//! Reading the configuration again: what changes at once, and what needs a restart.

use outrigger_runtime::RealDisk;
use serde_json::{Value, json};

use super::webs::{tokens, unrenewed};
use crate::admin::server::NodeAdmin;
use crate::commands::read_config;
use crate::config::{self, NodeConfig};
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
    let mut now = Vec::new();
    if old.base.log.level != fresh.base.log.level {
        logging::set_level(fresh.base.log);
        now.push("log.level");
    }
    if old.base.peers != fresh.base.peers {
        now.push("peer");
    }
    if tokens(&old.base) != tokens(&fresh.base) {
        now.push("front.web.tokens_file");
    }
    admin.callers.renew(&fresh.base);
    let later = needs_restart(&old, fresh);
    admin.note_configuration(fresh.clone());
    json!({"applied": now, "needs_restart": later})
}

/// Tables and keys that differ and are read at start only.
fn needs_restart(old: &NodeConfig, fresh: &NodeConfig) -> Vec<&'static str> {
    let differs = [
        ("node", old.base.name != fresh.base.name || old.base.data != fresh.base.data),
        ("log.format", old.base.log.format != fresh.base.log.format),
        ("admin", old.base.admin != fresh.base.admin),
        ("audit", old.base.audit != fresh.base.audit),
        ("front.dimse", old.base.fronts != fresh.base.fronts),
        ("front.web", unrenewed(&old.base) != unrenewed(&fresh.base)),
        ("journal", old.journal != fresh.journal),
        ("ledger", old.ledger != fresh.ledger),
        ("commit", old.commit != fresh.commit),
        ("members", old.members_listen != fresh.members_listen),
        ("member", old.members != fresh.members),
    ];
    differs.into_iter().filter(|(_, differs)| *differs).map(|(table, _)| table).collect()
}
