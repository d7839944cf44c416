//! `outrigger status`: how a node and its members are.

use serde_json::Value;

use crate::admin::client::Client;
use crate::cli::AdminArgs;
use crate::output;
use crate::process::{Failure, Finished};

/// Shows the status.
pub(crate) fn run(args: &AdminArgs) -> Result<Finished, Failure> {
    let status: Value = Client::new(&args.admin).get("/status", &[])?;
    if args.json {
        output::line(&status.to_string());
    } else {
        show(&status);
    }
    let healthy = status.get("state").and_then(Value::as_str) == Some("healthy");
    Ok(if healthy { Finished::Good } else { Finished::Attention })
}

fn show(status: &Value) {
    let text = |pointer: &str| plain(status.pointer(pointer));
    let state = text("/state");
    let shown = if output::coloured() { coloured(&state) } else { state };
    output::line(&format!("{}: {shown}", text("/node")));
    if let Some(reasons) = status.get("reasons").and_then(Value::as_array) {
        for reason in reasons {
            output::line(&format!("  {}", plain(Some(reason))));
        }
    }
    output::line(&format!(
        "journal: {} entries, {} of {} bytes, {}",
        text("/journal/entries"),
        text("/journal/bytes"),
        text("/journal/capacity"),
        text("/journal/copies/0/state"),
    ));
    output::line(&format!("scrub: {}", scrubbed(status)));
    let rows = |key: &str| status.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let members: Vec<Vec<String>> = rows("members")
        .iter()
        .map(|member| {
            ["name", "state", "owed", "oldest_owed_s", "suspense"].map(|key| plain(member.get(key))).to_vec()
        })
        .collect();
    output::table(&["member", "state", "owed", "oldest (s)", "suspense"], &members);
    for member in rows("members") {
        for finding in member.get("findings").and_then(Value::as_array).into_iter().flatten() {
            output::line(&format!("  {}: {}", plain(member.get("name")), plain(Some(finding))));
        }
    }
    let peers: Vec<Vec<String>> = rows("peers")
        .iter()
        .map(|peer| ["ae_title", "objects", "last_seen"].map(|key| plain(peer.get(key))).to_vec())
        .collect();
    if !peers.is_empty() {
        output::table(&["peer", "objects", "last seen"], &peers);
    }
}

/// How scrubbing goes.
fn scrubbed(status: &Value) -> String {
    let of = |pointer: &str| plain(status.pointer(pointer));
    let is_there = |pointer: &str| status.pointer(pointer).is_some_and(|value| !value.is_null());
    if is_there("/scrub/running") {
        let (bytes, of_bytes) = (of("/scrub/running/bytes"), of("/scrub/running/of_bytes"));
        return format!("under way, {bytes} of {of_bytes} bytes");
    }
    if !is_there("/scrub/last") {
        return "none yet since the start".to_owned();
    }
    let found = status.pointer("/scrub/last/findings").and_then(Value::as_array).map_or(0, Vec::len);
    format!("ended {}, {found} findings", of("/scrub/last/ended_at"))
}

/// A value as a person reads it.
pub(crate) fn plain(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    }
}

fn coloured(state: &str) -> String {
    let colour = if state == "healthy" { 32 } else { 33 };
    format!("\u{1b}[{colour}m{state}\u{1b}[0m")
}
