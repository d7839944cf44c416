//! `outrigger scrub`: a running node reads its journal and its ledger again, and says what is not as it was written.

use serde_json::{Value, json};

use crate::admin::client::Client;
use crate::cli::AdminArgs;
use crate::commands::status::plain;
use crate::output;
use crate::process::{Failure, Finished};

/// How far it got is said so often, in parts of the whole.
const PROGRESS_PARTS: u64 = 10;

/// An archive says how far it got each time it has read so many objects.
const OBJECTS_TOLD: u64 = 1_000;

/// Asks for a scrub and waits for its end.
pub(crate) fn run(args: &AdminArgs) -> Result<Finished, Failure> {
    let client = Client::new(&args.admin);
    let begun: Value = client.post("/scrub", &json!({}))?;
    let number = begun.get("number").and_then(Value::as_u64).unwrap_or_default();
    let last = ended(&client, number)?;
    if args.json {
        output::line(&last.to_string());
    } else {
        show(&last);
    }
    if let Some(failed) = last.get("failed").and_then(Value::as_str) {
        return Err(Failure::Refused { message: format!("the scrub did not look at everything: {failed}") });
    }
    Ok(if findings(&last).is_empty() { Finished::Good } else { Finished::Findings })
}

/// Waits for the end of a scrub and says how far it is; the node itself lets each question wait a second.
fn ended(client: &Client, number: u64) -> Result<Value, Failure> {
    let asked = number.to_string();
    let mut part = 0;
    loop {
        let mut seen: Value = client.get("/scrub", &[("number", &asked)])?;
        let of = |pointer: &str| seen.pointer(pointer).and_then(Value::as_u64);
        if of("/last/number").is_some_and(|last| last >= number) {
            return Ok(seen.get_mut("last").map(Value::take).unwrap_or_default());
        }
        if let Some(objects) = of("/running/objects") {
            // How many there are is not known before they were all looked at.
            let now = objects / OBJECTS_TOLD;
            if now > part {
                part = now;
                let bytes = output::size(of("/running/bytes").unwrap_or(0));
                output::note(&format!("{}, {bytes} read", output::counted(objects, "object", "objects")));
            }
            continue;
        }
        let (Some(bytes), Some(of_bytes)) = (of("/running/bytes"), of("/running/of_bytes")) else {
            let message = "the node was started again meanwhile; ask again".to_owned();
            return Err(Failure::Refused { message });
        };
        let now = bytes.saturating_mul(PROGRESS_PARTS).checked_div(of_bytes).unwrap_or(0);
        if now > part {
            part = now;
            output::note(&format!(
                "{} of {} of the journal read",
                output::size(bytes),
                output::size(of_bytes)
            ));
        }
    }
}

fn findings(last: &Value) -> &[Value] {
    last.get("findings").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn show(last: &Value) {
    for finding in findings(last) {
        output::line(&plain(Some(finding)));
    }
    let found = findings(last).len() as u64 + last.get("more_findings").and_then(Value::as_u64).unwrap_or(0);
    let bytes = last.get("bytes").and_then(Value::as_u64).unwrap_or(0);
    let read = match last.get("objects").and_then(Value::as_u64) {
        Some(objects) => {
            format!("{} of {} read", output::size(bytes), output::counted(objects, "object", "objects"))
        }
        None => format!("{} of the journal and the ledger read", output::size(bytes)),
    };
    output::line(&match found {
        0 => format!("sound: {read}"),
        _ => format!("{}: {read}", output::counted(found, "finding", "findings")),
    });
}
