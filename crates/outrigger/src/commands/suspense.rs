//! `outrigger suspense`: the list a person works.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::admin::client::Client;
use crate::cli::{AdminArgs, SuspenseArgs, SuspenseVerb, Which};
use crate::commands::resend::said;
use crate::commands::status::plain;
use crate::output::{self, Column};
use crate::process::{Failure, Finished};

// The text is the last: it is as long as a sentence.
const COLUMNS: [&str; 7] = ["id", "member", "reason", "status", "at", "sop_instance", "text"];
const REFUSED_COLUMNS: [&str; 7] = ["at", "calling_ae", "peer", "status", "sop_instance", "kept", "text"];

/// Carries out a verb.
pub(crate) fn run(args: &SuspenseArgs) -> Result<Finished, Failure> {
    match &args.verb {
        SuspenseVerb::List { member, refused, node } => list(member.as_deref(), *refused, node),
        SuspenseVerb::Show { id, node } => show(id, node),
        SuspenseVerb::Retry { which, node } => {
            let body = json!({"ids": ids(which), "member": which.member, "reason": which.reason_code});
            let answer: Value = Client::new(&node.admin).post("/suspense/retry", &body)?;
            said(&answer, node.json, "to be tried again");
            Ok(Finished::Good)
        }
        SuspenseVerb::WriteOff { which, by, reason, node } => {
            let body = json!({
                "ids": ids(which), "member": which.member, "reason_code": which.reason_code, "by": by, "reason": reason,
            });
            let answer: Value = Client::new(&node.admin).post("/suspense/write-off", &body)?;
            said(&answer, node.json, "written off");
            Ok(Finished::Good)
        }
    }
}

fn ids(which: &Which) -> Vec<&str> {
    which.id.as_deref().into_iter().collect()
}

fn asked(member: Option<&str>, path: &str, node: &AdminArgs) -> Result<Value, Failure> {
    let query: Vec<(&str, &str)> = member.map(|member| ("member", member)).into_iter().collect();
    Client::new(&node.admin).get(path, &query)
}

fn items(answer: &Value) -> &[Value] {
    answer.get("items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn list(member: Option<&str>, refused: bool, node: &AdminArgs) -> Result<Finished, Failure> {
    let (path, columns): (_, &[&str]) =
        if refused { ("/suspense/refused", &REFUSED_COLUMNS) } else { ("/suspense", &COLUMNS) };
    let answer = asked(member, path, node)?;
    if node.json {
        output::line(&answer.to_string());
        return Ok(Finished::Good);
    }
    let cells = |item: &Value| columns.iter().map(|key| plain(item.get(*key))).collect();
    let headings: Vec<Column<'_>> = columns.iter().map(|key| Column::Text(key)).collect();
    output::table(&headings, &items(&answer).iter().map(cells).collect::<Vec<_>>());
    for (reason, step) in steps(items(&answer)) {
        output::note(&format!("{reason}: {step}"));
    }
    Ok(Finished::Good)
}

/// What to do, once for each reason; of a second object under its UID by its id, as the step names the one before.
fn steps(items: &[Value]) -> BTreeMap<String, String> {
    let step = |item: &Value| {
        let has_earlier = item.get("earlier_entry").is_some();
        let of = if has_earlier { "id" } else { "reason" };
        Some((plain(item.get(of)), item.get("next_step")?.as_str()?.to_owned()))
    };
    items.iter().filter_map(step).collect()
}

fn show(id: &str, node: &AdminArgs) -> Result<Finished, Failure> {
    let answer: Value = Client::new(&node.admin).get("/suspense/item", &[("id", id)])?;
    let Some(item) = answer.get("item").filter(|item| item.is_object()) else {
        return Err(Failure::Refused {
            message: format!(
                "`{id}` is not in suspense, and was not written off; `outrigger suspense list` shows what is"
            ),
        });
    };
    if node.json {
        output::line(&item.to_string());
        return Ok(Finished::Good);
    }
    for (key, value) in item.as_object().into_iter().flatten() {
        match value.as_object() {
            Some(inner) => {
                let fields = inner.iter().map(|(key, value)| format!("{key} {}", plain(Some(value))));
                output::line(&format!("{key}: {}", fields.collect::<Vec<_>>().join(", ")));
            }
            None => output::line(&format!("{key}: {}", plain(Some(value)))),
        }
    }
    Ok(Finished::Good)
}
