//! Whether the process may open as many files as its configuration can ask for.

use outrigger_runtime::{descriptors, listen};

use crate::config::Base;

/// Files beside the connections of modalities: connections to members and readers of the journal, blobs and databases.
const BESIDE: usize = 512;

/// Raises the limit of open files to what the configuration can need; says in the log where the system does not let it.
pub(super) fn allow(base: &Base) {
    let connections = |front: &crate::config::DimseFront| front.max_associations + listen::OPENING_MAX;
    let associations: usize = base.fronts.iter().map(|front| front.max_associations).sum();
    let webs = base.webs.iter().map(|web| web.max_connections + listen::OPENING_MAX);
    let needed = (base.fronts.iter().map(connections).chain(webs).sum::<usize>() + BESIDE) as u64;
    match descriptors::allow(needed) {
        Ok(allowed) if allowed >= needed => {}
        Ok(allowed) => tracing::warn!(
            "this process may open {allowed} files, and {associations} associations and the web's connections can need {needed}: beyond the limit \
             connections wait; raise it (LimitNOFILE= of the unit, `ulimit -n`) or lower `max_associations` and `max_connections`"
        ),
        Err(error) => tracing::warn!(%error, needed, "the limit of open files cannot be raised"),
    }
}
