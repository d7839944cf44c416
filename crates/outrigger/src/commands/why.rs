//! `outrigger why`: where each object is, what was tried, by which route, with which status, when next.

use std::collections::BTreeSet;

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
        for finding in cannot(studies) {
            output::line(&finding);
        }
    }
    if !studies.is_empty() {
        return Ok(Finished::Good);
    }
    output::note(&unknown(args));
    Ok(Finished::Unknown)
}

fn unknown(args: &WhyArgs) -> String {
    match (&args.accession, &args.uid) {
        (Some(accession), _) => {
            let issuer =
                args.issuer.as_ref().map(|issuer| format!(" of issuer `{issuer}`")).unwrap_or_default();
            format!(
                "no object with accession number `{accession}`{issuer} came through this node; it is compared letter by letter, the issuer too"
            )
        }
        (None, uid) => format!(
            "no object with study, series or SOP Instance UID `{}` came through this node; `outrigger suspense list --refused` shows what was refused",
            uid.as_deref().unwrap_or_default()
        ),
    }
}

fn items<'v>(value: &'v Value, key: &str) -> &'v [Value] {
    value.get(key).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

fn study(study: &Value) {
    output::line(&format!("study {}", plain(study.get("study_uid"))));
    for finding in items(study, "findings") {
        output::line(&format!("  {}", plain(Some(finding))));
    }
    for instance in items(study, "instances") {
        let journal =
            if instance.get("journal").and_then(Value::as_bool) == Some(true) { "yes" } else { "no" };
        let field = |key: &str| plain(instance.get(key));
        output::line(&format!("  instance {}", field("sop_uid")));
        output::line(&format!("    entry {}, accepted {}", field("entry"), field("accepted_at")));
        output::line(&format!("    digest {}, bytes in the journal: {journal}", field("digest")));
        for finding in items(instance, "findings") {
            output::line(&format!("    {}", plain(Some(finding))));
        }
        items(instance, "members").iter().for_each(member);
    }
}

/// What members cannot be confirmed at by their kind: of all objects alike, so said once.
fn cannot(studies: &[Value]) -> BTreeSet<String> {
    let instances = studies.iter().flat_map(|study| items(study, "instances"));
    let members = instances.flat_map(|instance| items(instance, "members"));
    let told = |member: &Value| {
        let name = plain(member.get("name"));
        let findings = items(member, "findings").iter();
        findings.map(|finding| format!("member {name}: {}", plain(Some(finding)))).collect::<Vec<_>>()
    };
    members.flat_map(told).collect()
}

fn member(member: &Value) {
    let field = |key: &str| plain(member.get(key));
    let mut text = format!("    {}: {}", field("name"), field("state"));
    for (key, words) in [("suspense_id", "id"), ("level", "level"), ("next_at", "next")] {
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
    for attempt in items(member, "attempts") {
        let field = |key: &str| plain(attempt.get(key));
        below(&format!("{} {} {} {}", field("at"), field("route"), field("status"), field("text")));
    }
    if let Some(step) = given("next_step") {
        below(&format!("next: {}", plain(Some(step))));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_member_cannot_do_is_said_once_for_all_objects() {
        let instance =
            json!({"members": [{"name": "a", "findings": ["no query"]}, {"name": "b", "findings": []}]});
        let studies = [json!({"instances": [instance, instance]}), json!({"instances": [instance]})];
        assert_eq!(cannot(&studies).into_iter().collect::<Vec<_>>(), ["member a: no query"]);
    }
}
