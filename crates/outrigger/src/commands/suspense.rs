//! `outrigger suspense`: the list a person works.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::admin::client::Client;
use crate::cli::{AdminArgs, SuspenseArgs, SuspenseVerb, Which};
use crate::commands::resend::said;
use crate::commands::status::plain;
use crate::output;
use crate::process::{Failure, Finished};

const COLUMNS: [&str; 7] = ["id", "member", "reason", "status", "text", "at", "sop_instance"];
const REFUSED_COLUMNS: [&str; 7] = ["at", "calling_ae", "peer", "status", "text", "sop_instance", "kept"];

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
    output::table(columns, &items(&answer).iter().map(cells).collect::<Vec<_>>());
    let steps: BTreeMap<String, String> = items(&answer)
        .iter()
        .filter_map(|item| Some((plain(item.get("reason")), item.get("next_step")?.as_str()?.to_owned())))
        .collect();
    for (reason, step) in steps {
        output::note(&format!("{reason}: {step}"));
    }
    Ok(Finished::Good)
}

fn show(id: &str, node: &AdminArgs) -> Result<Finished, Failure> {
    let answer: Value = Client::new(&node.admin).get("/suspense/item", &[("id", id)])?;
    let Some(item) = answer.get("item").filter(|item| item.is_object()) else {
        output::note(&format!(
            "`{id}` is not in suspense, and was not written off; `outrigger suspense list` shows what is"
        ));
        return Ok(Finished::Unknown);
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
