//! `outrigger resend`: post a study, or everything since a time, again.

use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::admin::client::Client;
use crate::cli::ResendArgs;
use crate::output;
use crate::process::{Failure, Finished};

/// Posts again.
pub(crate) fn run(args: &ResendArgs) -> Result<Finished, Failure> {
    let since = args.since.as_deref().map(micros).transpose()?;
    let body = json!({"study": args.study, "since_us": since, "to": args.to});
    let answer: Value = Client::new(&args.node.admin).post("/resend", &body)?;
    said(&answer, args.node.json, "posted again");
    Ok(Finished::Good)
}

/// Shows how many postings an order concerned.
pub(crate) fn said(answer: &Value, json: bool, what: &str) {
    if json {
        output::line(&answer.to_string());
    } else {
        let count = answer.get("count").and_then(Value::as_u64).unwrap_or(0);
        output::line(&format!("{count} {what}"));
    }
}

fn micros(text: &str) -> Result<i64, Failure> {
    let wrong = |_| Failure::Argument {
        what: format!("`{text}` is no time"),
        instead: "RFC 3339 is expected, such as 2026-11-24T06:00:00Z".to_owned(),
    };
    let time = OffsetDateTime::parse(text, &Rfc3339).map_err(wrong)?;
    i64::try_from(time.unix_timestamp_nanos() / 1000)
        .map_err(|error| Failure::of("the time is out of bounds", error))
}
