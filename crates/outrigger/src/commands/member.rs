//! `outrigger member`: list, hold, resume, retire.

use serde_json::{Value, json};

use crate::admin::client::Client;
use crate::cli::{AdminArgs, MemberArgs, MemberVerb};
use crate::commands::status::plain;
use crate::output::{self, Column};
use crate::process::{Failure, Finished};

/// Carries out a verb.
pub(crate) fn run(args: &MemberArgs) -> Result<Finished, Failure> {
    match &args.verb {
        MemberVerb::List { node } => list(node),
        MemberVerb::Hold { member, node } => order("hold", member, node),
        MemberVerb::Resume { member, node } => order("resume", member, node),
        MemberVerb::Retire { member, node } => order("retire", member, node),
    }
}

fn list(node: &AdminArgs) -> Result<Finished, Failure> {
    let answer: Value = Client::new(&node.admin).get("/members", &[])?;
    if node.json {
        output::line(&answer.to_string());
        return Ok(Finished::Good);
    }
    let members = answer.get("members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let keys = ["name", "number", "state", "confirm", "required", "inventory", "routes"];
    let cells = |member: &Value| keys.map(|key| plain(member.get(key))).to_vec();
    let columns = keys.map(|key| if key == "number" { Column::Count(key) } else { Column::Text(key) });
    output::table(&columns, &members.iter().map(cells).collect::<Vec<_>>());
    Ok(Finished::Good)
}

fn order(verb: &str, member: &str, node: &AdminArgs) -> Result<Finished, Failure> {
    let answer: Value =
        Client::new(&node.admin).post(&format!("/members/{verb}"), &json!({"member": member}))?;
    let state = plain(answer.get("state"));
    let told = match state.as_str() {
        "retired" => format!("{member}: retired; its [[member]] table can go from the configuration"),
        _ => format!("{member}: {state}"),
    };
    output::line(&if node.json { answer.to_string() } else { told });
    Ok(Finished::Good)
}
