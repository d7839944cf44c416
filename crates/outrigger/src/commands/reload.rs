//! `outrigger reload`: a running node reads its configuration again.

use serde_json::{Value, json};

use crate::admin::client::Client;
use crate::cli::AdminArgs;
use crate::output;
use crate::process::{Failure, Finished};

/// Asks for it; a bad configuration leaves the old one in force and is an error of the configuration (2).
pub(crate) fn run(args: &AdminArgs) -> Result<Finished, Failure> {
    let answer: Value = Client::new(&args.admin).post("/reload", &json!({}))?;
    if let Some(mistakes) = answer.get("mistakes").and_then(Value::as_str) {
        return Err(Failure::Argument {
            what: mistakes.to_owned(),
            instead: "the old configuration stays in force".to_owned(),
        });
    }
    output::line(&if args.json { answer.to_string() } else { told(&answer) });
    Ok(Finished::Good)
}

fn told(answer: &Value) -> String {
    let list = |key: &str| {
        let items = answer.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    let (now, later) = (list("applied"), list("needs_restart"));
    match (now.is_empty(), later.is_empty()) {
        (true, true) => "nothing has changed".to_owned(),
        (false, true) => format!("in force now: {now}"),
        (true, false) => format!("in force after a restart: {later}"),
        (false, false) => format!("in force now: {now}; after a restart: {later}"),
    }
}
