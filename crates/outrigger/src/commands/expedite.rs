//! `outrigger expedite`: a study before everything else.

use serde_json::{Value, json};

use crate::admin::client::Client;
use crate::cli::StudyArgs;
use crate::commands::resend::said;
use crate::process::{Failure, Finished};

/// Puts a study first.
pub(crate) fn run(args: &StudyArgs) -> Result<Finished, Failure> {
    let answer: Value = Client::new(&args.node.admin).post("/expedite", &json!({"study": args.study}))?;
    said(&answer, args.node.json, "expedited");
    Ok(Finished::Good)
}
