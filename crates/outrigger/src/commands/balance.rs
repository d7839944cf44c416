//! `outrigger balance`: what is in step, what is owed, what is in suspense.

use serde_json::Value;

use crate::admin::client::Client;
use crate::cli::{BalanceArgs, By};
use crate::output;
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
    let mut heading = vec!["member"];
    if by != "member" {
        heading.insert(0, by);
    }
    heading.extend([
        "accepted",
        "confirmed",
        "pending",
        "suspense",
        "superseded",
        "not wanted",
        "written off",
        "difference",
    ]);
    let cells: Vec<Vec<String>> = rows.iter().map(|row| cells(row, by)).collect();
    output::table(&heading, &cells);
    let verdict = match finished(balance) {
        Finished::Good => "balanced",
        Finished::Suspense => "not balanced: something waits for a person, see `outrigger suspense list`",
        _ => "not balanced: something is owed",
    };
    output::line(verdict);
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
