//! `outrigger status`: how a node and its members are.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::admin::client::Client;
use crate::cli::AdminArgs;
use crate::output::{self, Column, counted};
use crate::process::{Failure, Finished};

/// Differences of the cross-check shown beside those that are reasons: what a person reads at once.
const DIFFERENCES_MAX: usize = 20;

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

/// How each copy of the journal stands; of several each by its engine.
fn copies(status: &Value) -> String {
    let copies = status.pointer("/journal/copies").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let of = |copy: &Value, key: &str| plain(copy.get(key));
    match copies {
        [only] => of(only, "state"),
        several => {
            let each = several.iter().map(|copy| format!("{} {}", of(copy, "engine"), of(copy, "state")));
            each.collect::<Vec<_>>().join(", ")
        }
    }
}

fn show(status: &Value) {
    let text = |pointer: &str| plain(status.pointer(pointer));
    let number = |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let state = text("/state");
    let shown = if output::coloured() { coloured(&state) } else { state };
    output::line(&format!("{}: {shown}", text("/node")));
    if let Some(reasons) = status.get("reasons").and_then(Value::as_array) {
        for reason in reasons {
            output::line(&format!("  {}", plain(Some(reason))));
        }
    }
    if let Some(archive) = status.get("archive") {
        return show_archive(archive);
    }
    output::line(&format!(
        "journal: {}, {} of {}, {}",
        counted(number("/journal/entries"), "record", "records"),
        output::size(number("/journal/bytes")),
        output::size(number("/journal/capacity")),
        copies(status),
    ));
    output::line(&format!("scrub: {}", scrubbed(status)));
    output::line(&format!("cross-check: {}", crosschecked(status)));
    for difference in differences(status) {
        output::line(&format!("  {difference}"));
    }
    if let Some(commitments) = commitments(status) {
        output::line(&commitments);
    }
    let rows = |key: &str| status.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let members: Vec<Vec<String>> = rows("members")
        .iter()
        .map(|member| {
            let of = |key: &str| plain(member.get(key));
            vec![of("name"), standing(member), of("owed"), of("oldest_owed_s"), of("suspense")]
        })
        .collect();
    let columns = [Column::Text("member"), Column::Text("state")];
    let counts = ["owed", "oldest (s)", "suspense"].map(Column::Count);
    output::table(&[&columns[..], &counts[..]].concat(), &members);
    for finding in findings(status) {
        output::line(&format!("  {finding}"));
    }
    let peers: Vec<Vec<String>> = rows("peers")
        .iter()
        .map(|peer| ["ae_title", "objects", "last_seen"].map(|key| plain(peer.get(key))).to_vec())
        .collect();
    if !peers.is_empty() {
        output::table(&[Column::Text("peer"), Column::Count("objects"), Column::Text("last seen")], &peers);
    }
}

fn show_archive(archive: &Value) {
    let adopted = archive.get("adopted_at_start").and_then(Value::as_u64).unwrap_or(0);
    let adopted = counted(adopted, "object", "objects");
    output::line(&format!("archive: {adopted} of the last run taken over at the start"));
    for unreadable in archive.get("unreadable_at_start").and_then(Value::as_array).into_iter().flatten() {
        output::line(&format!("  cannot be read: {}", plain(Some(unreadable))));
    }
}

/// How a member is, and since when it does not answer where that is known.
fn standing(member: &Value) -> String {
    let state = plain(member.get("state"));
    let silent = member.pointer("/queries/since").and_then(Value::as_str);
    match (state.as_str(), member.get("away_since").and_then(Value::as_str).or(silent)) {
        ("held" | "retired", _) | (_, None) => state,
        (_, Some(since)) => format!("{state}, no answer since {since}"),
    }
}

/// What members cannot do, where it is not among the reasons already.
fn findings(status: &Value) -> Vec<String> {
    let list =
        |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let reasons: Vec<String> = list(status, "reasons").iter().map(|reason| plain(Some(reason))).collect();
    let mut all = Vec::new();
    for member in list(status, "members") {
        let name = plain(member.get("name"));
        let told = list(&member, "findings")
            .into_iter()
            .map(|finding| format!("member {name}: {}", plain(Some(&finding))));
        all.extend(told.filter(|finding| !reasons.contains(finding)));
    }
    all
}

/// Requests for storage commitment, where there are any.
fn commitments(status: &Value) -> Option<String> {
    let count = |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    let (waiting, unreported) = (count("/commitments/waiting"), count("/commitments/unreported"));
    (waiting + unreported > 0).then(|| {
        let oldest = plain(status.pointer("/commitments/oldest"));
        format!("storage commitment: {waiting} waiting, {unreported} not told yet, the oldest since {oldest}")
    })
}

/// How scrubbing goes.
fn scrubbed(status: &Value) -> String {
    let of = |pointer: &str| plain(status.pointer(pointer));
    let is_there = |pointer: &str| status.pointer(pointer).is_some_and(|value| !value.is_null());
    if is_there("/scrub/running") {
        let size = |pointer: &str| output::size(status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0));
        let (bytes, of_bytes) = (size("/scrub/running/bytes"), size("/scrub/running/of_bytes"));
        return format!("under way, {bytes} of {of_bytes}");
    }
    if !is_there("/scrub/last") {
        return "none yet since the start".to_owned();
    }
    let found = status.pointer("/scrub/last/findings").and_then(Value::as_array).map_or(0, Vec::len);
    format!("ended {}, {}", of("/scrub/last/ended_at"), counted(found as u64, "finding", "findings"))
}

/// How the cross-check goes.
fn crosschecked(status: &Value) -> String {
    let number = |pointer: &str| status.pointer(pointer).and_then(Value::as_u64).unwrap_or(0);
    if status.get("crosscheck").is_none_or(Value::is_null) {
        return "off".to_owned();
    }
    let open: u64 = ["altered", "forgotten", "disagree"]
        .iter()
        .map(|kind| number(&format!("/crosscheck/open/{kind}")))
        .sum();
    let found = counted(open, "difference open", "differences open");
    let round = number("/crosscheck/round");
    if round == 0 {
        return format!("none yet since the start, {found}");
    }
    let studies = counted(number("/crosscheck/studies"), "study", "studies");
    match status.pointer("/crosscheck/ended_at").and_then(Value::as_str) {
        Some(ended) => format!("round {round} ended {ended}, {studies}, {found}"),
        None => format!("round {round} under way, {studies}, {found}"),
    }
}

/// The differences that stand open, where they are not among the reasons already.
fn differences(status: &Value) -> Vec<String> {
    let list = |pointer: &str| {
        let found = status.pointer(pointer).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        found.iter().map(|value| plain(Some(value))).collect::<Vec<_>>()
    };
    let reasons: BTreeSet<String> = list("/reasons").into_iter().collect();
    let all = list("/crosscheck/differences").into_iter();
    let mut rest: Vec<String> =
        all.filter(|difference| !reasons.contains(&format!("cross-check: {difference}"))).collect();
    let more = rest.len().saturating_sub(DIFFERENCES_MAX);
    rest.truncate(DIFFERENCES_MAX);
    if more > 0 {
        rest.push(format!("and {more} more: `outrigger status --json`"));
    }
    rest
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_difference_is_listed_once_and_what_has_no_room_is_counted() {
        let told = |number: usize| format!("difference {number}");
        let status = |count: usize| {
            let all: Vec<String> = (0..count).map(told).collect();
            serde_json::json!({"reasons": ["cross-check: difference 0"], "crosscheck": {"differences": all}})
        };
        assert_eq!(differences(&status(0)), Vec::<String>::new());
        assert_eq!(differences(&status(3)), [told(1), told(2)], "the first is a reason");
        let all = differences(&status(DIFFERENCES_MAX + 4));
        assert_eq!(all.len(), DIFFERENCES_MAX + 1);
        assert_eq!(all.last().map(String::as_str), Some("and 3 more: `outrigger status --json`"));
    }

    #[test]
    fn the_table_says_since_when_a_member_does_not_answer() {
        let at = "2026-01-01T00:00:00.000Z";
        let (asked, silent) =
            (serde_json::json!({"state": "asked"}), serde_json::json!({"state": "left alone", "since": at}));
        let told = |state: &str, away: Option<&str>, queries: &Value| {
            standing(&serde_json::json!({"state": state, "away_since": away, "queries": queries}))
        };
        assert_eq!(told("up", None, &asked), "up");
        assert_eq!(told("shaky", None, &silent), format!("shaky, no answer since {at}"));
        assert_eq!(told("away", Some(at), &asked), format!("away, no answer since {at}"));
        assert_eq!(told("held", None, &silent), "held");
        assert_eq!(told("shaky", None, &asked), "shaky");
    }

    #[test]
    fn what_a_member_cannot_do_is_said_once() {
        let status = serde_json::json!({
            "reasons": ["member a: no query"],
            "members": [{"name": "a", "findings": ["no query", "no commitment"]}, {"name": "b", "findings": ["no query"]}],
        });
        assert_eq!(findings(&status), ["member a: no commitment", "member b: no query"]);
    }
}
