//! `outrigger why`: where each object is, what was tried, by which route, with which status, when next.

use serde_json::Value;

use crate::admin::client::Client;
use crate::cli::WhyArgs;
use crate::commands::status::plain;
use crate::output;
use crate::process::{Failure, Finished};

/// Shows it.
pub(crate) fn run(args: &WhyArgs) -> Result<Finished, Failure> {
    let given = [("uid", &args.uid), ("accession", &args.accession), ("issuer", &args.issuer)];
    let query: Vec<(&str, &str)> =
        given.iter().filter_map(|(key, value)| Some((*key, value.as_deref()?))).collect();
    let answer: Value = Client::new(&args.node.admin).get("/why", &query)?;
    let studies = answer.get("studies").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    if args.node.json {
        output::line(&answer.to_string());
    } else {
        studies.iter().for_each(study);
    }
    if !studies.is_empty() {
        return Ok(Finished::Good);
    }
    output::note("nothing is known under that name");
    Ok(Finished::Unknown)
}

fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn study(study: &Value) {
    output::line(&format!("study {}", plain(study.get("study_uid"))));
    for instance in items(study, "instances") {
        let journal =
            if instance.get("journal").and_then(Value::as_bool) == Some(true) { "yes" } else { "no" };
        output::line(&format!("  instance {}", plain(instance.get("sop_uid"))));
        output::line(&format!(
            "    digest {}, bytes in the journal: {journal}",
            plain(instance.get("digest"))
        ));
        items(instance, "members").iter().for_each(member);
    }
}

fn member(member: &Value) {
    let field = |key: &str| plain(member.get(key));
    let mut text = format!("    {}: {}", field("name"), field("state"));
    for (key, words) in [("level", "level"), ("next_at", "next")] {
        if !matches!(member.get(key), None | Some(Value::Null)) {
            text.push_str(&format!(", {words} {}", field(key)));
        }
    }
    output::line(&text);
    let given = |key: &str| member.get(key).filter(|value| !value.is_null());
    let below = |text: &str| output::line(&format!("      {text}"));
    if let Some(reason) = given("reason") {
        below(&plain(Some(reason)));
    }
    if let Some(given_up) = given("written_off") {
        let field = |key: &str| plain(given_up.get(key));
        below(&format!("written off {} by {}: {}", field("at"), field("by"), field("reason")));
    }
    if let Some(unreached) = given("unreached") {
        let field = |key: &str| plain(unreached.get(key));
        below(&format!("not reached since {}: {}", field("since"), field("text")));
    }
    for finding in items(member, "findings") {
        below(&plain(Some(finding)));
    }
    for attempt in items(member, "attempts") {
        let field = |key: &str| plain(attempt.get(key));
        below(&format!("{} {} {} {}", field("at"), field("route"), field("status"), field("text")));
    }
    if let Some(step) = given("next_step") {
        below(&format!("next: {}", plain(Some(step))));
    }
}
