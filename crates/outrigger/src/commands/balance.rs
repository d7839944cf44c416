//! `outrigger balance`: what is in step, what is owed, what is in suspense.

use serde_json::Value;

use crate::admin::client::Client;
use crate::cli::{BalanceArgs, By};
use crate::output::{self, Column, counted};
use crate::process::{Failure, Finished};

const COLUMNS: [&str; 8] = [
    "accepted_entries",
    "confirmed",
    "pending",
    "suspense",
    "superseded",
    "not_wanted",
    "written_off",
    "difference",
];

/// Shows the trial balance.
pub(crate) fn run(args: &BalanceArgs) -> Result<Finished, Failure> {
    let by = match args.by {
        By::Member => "member",
        By::Day => "day",
        By::Study => "study",
    };
    let balance: Value = Client::new(&args.node.admin).get("/balance", &[("by", by)])?;
    if args.node.json {
        output::line(&balance.to_string());
    } else {
        show(&balance, by);
    }
    Ok(finished(&balance))
}

/// Suspense comes before owed; a difference is never balanced.
pub(crate) fn finished(balance: &Value) -> Finished {
    let members = balance.get("members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let any = |column: &str| {
        members
            .iter()
            .any(|member| member.get(column).and_then(Value::as_i64).is_some_and(|count| count != 0))
    };
    if any("suspense") {
        Finished::Suspense
    } else if balance.get("balanced").and_then(Value::as_bool) == Some(true) {
        Finished::Good
    } else {
        Finished::Attention
    }
}

fn show(balance: &Value, by: &str) {
    let groups = if by == "member" { "members" } else { "rows" };
    let rows = balance.get(groups).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut columns = vec![Column::Text("member")];
    if by != "member" {
        columns.insert(0, Column::Text(by));
    }
    let counts = [
        "accepted",
        "confirmed",
        "pending",
        "suspense",
        "superseded",
        "not wanted",
        "written off",
        "difference",
    ];
    columns.extend(counts.map(Column::Count));
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, by)).collect();
    output::table(&columns, &cells);
    output::line(&verdict(balance).join("\n"));
}

/// What the books come to, and what is waited for.
fn verdict(balance: &Value) -> Vec<String> {
    let members = balance.get("members").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let any = |column: &str| {
        members
            .iter()
            .any(|member| member.get(column).and_then(Value::as_i64).is_some_and(|count| count != 0))
    };
    let mut lines = Vec::new();
    if any("suspense") {
        lines.push("not balanced: something waits for a person, see `outrigger suspense list`".to_owned());
    }
    if any("pending") {
        lines.push("not balanced: something is owed".to_owned());
        let settling =
            balance.get("settling").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        lines.extend(settling.iter().map(settles));
    }
    if any("difference") {
        lines.push(
            "not balanced: the columns do not add up to what was accepted; this is damage, not something owed: \
             `outrigger scrub` names it, and `outrigger rebuild` makes the ledger anew"
                .to_owned(),
        );
    }
    if lines.is_empty() {
        lines.push("balanced".to_owned());
    }
    lines
}

/// What a member has stored and is asked for later.
fn settles(settling: &Value) -> String {
    let text = |key: &str| settling.get(key).and_then(Value::as_str).unwrap_or("?");
    let count = settling.get("count").and_then(Value::as_u64).unwrap_or(0);
    format!(
        "  {}: {} stored and waiting for the settling time before the confirmation is asked for, next at {}",
        text("name"),
        counted(count, "posting is", "postings are"),
        text("next_at")
    )
}

fn cells(row: &Value, by: &str) -> Vec<String> {
    let text = |key: &str| match row.get(key) {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    };
    let mut cells = if by == "member" { vec![text("name")] } else { vec![text(by), text("name")] };
    cells.extend(COLUMNS.iter().map(|column| text(column)));
    cells
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(pending: u64, suspense: u64, difference: i64, settling: &Value) -> String {
        let member = json!({"name": "a", "pending": pending, "suspense": suspense, "difference": difference});
        verdict(&json!({"members": [member], "settling": settling})).join("\n")
    }

    #[test]
    fn what_is_owed_what_settles_and_what_does_not_add_up_are_told_apart() {
        assert_eq!(told(0, 0, 0, &json!([])), "balanced");
        assert_eq!(told(2, 0, 0, &json!([])), "not balanced: something is owed");
        let settling = json!([{"name": "a", "count": 1, "next_at": "2026-01-01T00:01:00Z"}]);
        let waits = told(2, 0, 0, &settling);
        assert!(
            waits.contains("a: 1 posting is stored") && waits.ends_with("next at 2026-01-01T00:01:00Z"),
            "{waits}"
        );
        let damaged = told(0, 0, -1, &json!([]));
        assert!(damaged.contains("add up") && !damaged.contains("something is owed"), "{damaged}");
        let all = told(1, 1, 1, &settling);
        for words in ["is owed", "for a person", "add up", "settling"] {
            assert!(all.contains(words), "{words} is not in {all}");
        }
    }
}
