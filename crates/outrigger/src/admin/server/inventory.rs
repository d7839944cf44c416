//! How far it is known what members held before.

use outrigger_ledger::{Inventoried, Inventory};
use serde_json::{Value, json};

use super::status::moment;
use crate::output::counted;

/// An inventory as `status` shows it.
pub(super) fn shown(inventory: &Inventory) -> Value {
    json!({
        "state": state(inventory),
        "since": inventory.began_at.map(moment),
        "complete_as_of": inventory.complete.map(|complete| moment(complete.began_at)),
        "complete_at": inventory.complete.map(|complete| moment(complete.ended_at)),
        "studies": inventory.studies,
        "instances": inventory.instances,
        "unlisted": inventory.unlisted,
    })
}

fn state(inventory: &Inventory) -> &'static str {
    match inventory.inventoried() {
        Inventoried::Never => "never",
        Inventoried::Running { .. } => "running",
        Inventoried::Complete { .. } => "complete",
    }
}

/// The same in words.
pub(super) fn in_words(inventory: &Inventory) -> String {
    match inventory.inventoried() {
        Inventoried::Never => "never".to_owned(),
        Inventoried::Running { studies, .. } if inventory.unlisted > 0 => {
            format!("running: {studies} studies, {} unlisted", inventory.unlisted)
        }
        Inventoried::Running { studies, .. } => format!("running: {studies} studies"),
        Inventoried::Complete { as_of } if inventory.unlisted > 0 => {
            format!("complete as of {}, {} unlisted", moment(as_of), inventory.unlisted)
        }
        Inventoried::Complete { as_of } => format!("complete as of {}", moment(as_of)),
    }
}

/// What is to be looked at: priors that nobody can find.
pub(super) fn reason(inventory: &Inventory, member: &str) -> Option<String> {
    (inventory.unlisted > 0).then(|| {
        format!(
            "member {member} has {} that it does not list, or shows without a SOP class; what is there is neither found nor \
             given here: raise the number of answers that it gives to a query, if it has a limit",
            counted(inventory.unlisted, "series, instance or part", "series, instances or parts")
        )
    })
}
