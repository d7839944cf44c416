//! How a node and its members are.

use axum::Json;
use axum::extract::State;
use outrigger_delivery::StandingState;
use outrigger_journal::{CopyStanding, CopyState, Health, JournalState};
use outrigger_ledger::{MemberFacts, MemberState, StatusFacts};
use outrigger_model::{MemberNumber, WallTime};
use serde_json::{Value, json};

use super::Refusal;
use super::commitments;
use super::crosscheck;
use super::inventory;
use super::node::NodeAdmin;
use super::queries::{self, Answers};
use super::scrub;
use crate::moment::rfc3339;
use crate::output::counted;

/// A journal fuller than this is worth a person's look, in percent: verified bytes went early before.
const JOURNAL_FULL_PERCENT: u64 = 80;

/// The words for how a member is.
pub(super) const STATES: [&str; 5] = ["up", "shaky", "away", "held", "retired"];

/// Members, breakers, backlog, journal, peers, and why the node is degraded if it is.
pub(crate) async fn status(State(admin): State<NodeAdmin>) -> Result<Json<Value>, Refusal> {
    let facts = admin.ledger.status().await.map_err(|error| Refusal::not_now(&error))?;
    let now = WallTime(admin.clock.wall_us());
    let mut reasons = Vec::new();
    let members: Vec<Value> =
        admin.members.keys().map(|number| member(&admin, &facts, *number, now, &mut reasons)).collect();
    let journal = journal(&admin, &mut reasons);
    let loaded = admin.loaded();
    if loaded.bad.is_some() {
        reasons.push("a newer configuration has mistakes and is not in force".to_owned());
    }
    let seen = admin.scrubber.seen();
    reasons.extend(scrub::reasons(&facts, &seen));
    reasons.extend(crosscheck::reasons(&facts));
    let audit = audit(&admin, &mut reasons);
    let commitments = commitments::shown(&admin.ledger).await;
    if let Some(trouble) = &facts.trouble {
        reasons.push(format!("the ledger's database: {trouble}"));
    }
    let peer = |peer: &outrigger_ledger::Peer| json!({"ae_title": peer.ae_title, "last_seen": moment(peer.last_seen), "objects": peer.objects});
    Ok(Json(json!({
        "node": loaded.config.base.name,
        "version": env!("CARGO_PKG_VERSION"),
        "state": if reasons.is_empty() { "healthy" } else { "degraded" },
        "reasons": reasons,
        "config_loaded_at": moment(loaded.at),
        "config_mistakes": loaded.bad,
        "journal": journal,
        "members": members,
        "peers": facts.peers.iter().map(peer).collect::<Vec<_>>(),
        "findings": facts.findings,
        "scrub": scrub::shown(&seen),
        "crosscheck": crosscheck::shown(&admin, &facts),
        "audit": audit,
        "commitments": commitments,
    })))
}

fn member(
    admin: &NodeAdmin,
    facts: &StatusFacts,
    number: MemberNumber,
    now: WallTime,
    reasons: &mut Vec<String>,
) -> Value {
    let Some(setup) = admin.members.get(&number) else { return Value::Null };
    let known = facts.members.iter().find(|member| member.number == number);
    let (standing, since, error) = standing(admin, number);
    let queries = queries::standing(&admin.reader, number);
    let gives_nothing = admin.reader.gives_nothing_since(number);
    let state = state_word(facts, known, (standing, queries.answering, gives_nothing));
    match (state, &error) {
        ("away", Some(error)) => reasons.push(format!("member {} is away: {error}", setup.name)),
        ("away" | "held", _) => reasons.push(format!("member {} is {state}", setup.name)),
        ("shaky", _) if standing == StandingState::TakesNothing => {
            reasons.push(takes_nothing(admin, setup, error.as_deref()));
        }
        _ => {}
    }
    // Who is away is named above.
    if let (Answers::NotSince(since), true) = (queries.answering, state != "away") {
        let since = since.map_or_else(String::new, |since| format!(" since {}", moment(since)));
        reasons
            .push(format!("member {} has not answered queries{since}, and is not asked for now", setup.name));
    }
    if let (Some(since), true) = (gives_nothing, state != "away") {
        let since = moment(since);
        reasons
            .push(format!("member {} has not given objects that were asked for since {since}", setup.name));
    }
    let cannot = known.map(|member| member.cannot.as_slice()).unwrap_or_default();
    // A lack of what nobody asks of it, say of giving objects back where it need not, is no reason to look.
    let asked = cannot.iter().filter(|(level, _)| *level <= setup.confirm);
    reasons.extend(asked.map(|(_, text)| format!("member {}: {text}", setup.name)));
    let suspense = known.map_or(0, |member| member.suspense);
    if suspense > 0 {
        let postings = counted(suspense, "posting", "postings");
        let are = if suspense == 1 { "is" } else { "are" };
        reasons.push(format!("{postings} of member {} {are} in suspense", setup.name));
    }
    let inventory = admin.ledger.inventory(number);
    reasons.extend(inventory::reason(&inventory, setup.name.as_str()));
    let delivery = admin.delivery.standing(setup.number);
    let resting = |number| delivery.and_then(|delivery| delivery.routes().resting(number, admin.clock.now()));
    let route = |(number, route): (usize, &outrigger_delivery::Route)| {
        let protocol = route.label.split_once(' ').map_or(route.label.as_str(), |(protocol, _)| protocol);
        let failed = resting(number);
        json!({
            "protocol": protocol, "implementation": "native", "address": route.label,
            "state": if failed.is_some() { "away" } else { state }, "error": failed,
        })
    };
    json!({
        "name": setup.name,
        "state": state,
        "away_since": since.map(moment),
        "error": error,
        "owed": known.map_or(0, |member| member.owed),
        "oldest_owed_s": known.and_then(|member| member.oldest_owed).map(|oldest| now.since(oldest).as_secs()),
        "suspense": suspense,
        "queries": queries.shown,
        "inventory": inventory::shown(&inventory),
        "findings": cannot.iter().map(|(_, text)| text).collect::<Vec<_>>(),
        "routes": setup.routes.iter().enumerate().map(route).collect::<Vec<_>>(),
    })
}

/// Why a member that answers is not well.
fn takes_nothing(admin: &NodeAdmin, setup: &outrigger_delivery::MemberSetup, error: Option<&str>) -> String {
    let refusals = admin.delivery.standing(setup.number).and_then(outrigger_delivery::Standing::refusals);
    match refusals {
        Some(refusals) => format!(
            "member {} has refused {} in a row since {}: {}",
            setup.name,
            counted(refusals.count, "store", "stores"),
            moment(refusals.since),
            refusals.words
        ),
        None => {
            format!("member {} answers and loses what it is sent: {}", setup.name, error.unwrap_or_default())
        }
    }
}

/// Whether a member is reached, since when it is not, and why.
pub(super) fn standing(
    admin: &NodeAdmin,
    number: MemberNumber,
) -> (StandingState, Option<WallTime>, Option<String>) {
    let standing = admin.delivery.standing(number);
    standing.map_or((StandingState::Up, None, None), outrigger_delivery::Standing::state)
}

/// How a member is, by the books first; one of [`STATES`].
pub(super) fn state_word(
    facts: &StatusFacts,
    known: Option<&MemberFacts>,
    (standing, answering, gives_nothing): (StandingState, Answers, Option<WallTime>),
) -> &'static str {
    match (known.map(|member| member.state), standing) {
        (Some(MemberState::Held), _) => "held",
        (Some(MemberState::Retired), _) => "retired",
        // The books list members until they are retired.
        (None, _) if facts.trouble.is_none() => "retired",
        (_, StandingState::Away) => "away",
        // Where nothing is owed to it, queries alone show that it hangs.
        _ if answering != Answers::Yes || gives_nothing.is_some() => "shaky",
        (_, StandingState::Up) => "up",
        // What it did not take was written off or went to suspense: nothing waits for it.
        (Some(_), StandingState::TakesNothing) if known.is_some_and(|member| member.owed == 0) => "up",
        (_, StandingState::Shaky | StandingState::TakesNothing) => "shaky",
    }
}

/// The audit trail's collector; nothing where there is none.
fn audit(admin: &NodeAdmin, reasons: &mut Vec<String>) -> Value {
    let Some(now) = admin.collector.as_ref().map(crate::audit::Collector::now) else { return Value::Null };
    if let Some(away) = &now.away {
        reasons.push(format!(
            "the audit collector {} is away: {}; not sent so far: {}, all in the audit file",
            now.to,
            away.error,
            counted(now.unsent, "message", "messages")
        ));
    }
    json!({
        "collector": now.to,
        "state": if now.away.is_some() { "away" } else { "up" },
        "away_since": now.away.as_ref().map(|away| moment(WallTime(away.since_us))),
        "error": now.away.as_ref().map(|away| &away.error),
        "unsent": now.unsent,
    })
}

fn journal(admin: &NodeAdmin, reasons: &mut Vec<String>) -> Value {
    let state = admin.journal.state();
    if state.health == Health::Full {
        reasons.push(format!(
            "the journal takes no objects: a disk of it is full but for the reserve, or it has reached max_size; free space on the disk of {}, or raise max_size",
            places(&state, &CopyStanding::Full)
        ));
    } else if state.health == Health::Failed {
        reasons.push(format!(
            "the journal's disk under {} failed; replace or repair it and start the node again",
            places(&state, &CopyStanding::Failed)
        ));
    } else if state.bytes.saturating_mul(100) > state.capacity.saturating_mul(JOURNAL_FULL_PERCENT) {
        reasons.push(format!("the journal is over {JOURNAL_FULL_PERCENT} % full"));
    }
    let copies: Vec<Value> =
        state.copies.iter().map(|copy| journal_copy(copy, state.generation, reasons)).collect();
    json!({
        "copies": copies,
        "entries": state.entries,
        "bytes": state.bytes,
        "capacity": state.capacity,
        "forecast_hours": admin.forecast_hours(state.bytes, state.capacity),
    })
}

/// The places of copies that stand so, or all.
fn places(state: &JournalState, standing: &CopyStanding) -> String {
    let so = state.copies.iter().filter(|copy| copy.standing == *standing);
    let places: Vec<String> = so.map(|copy| copy.directory.display().to_string()).collect();
    places.join(" and ")
}

fn journal_copy(copy: &CopyState, generation: u64, reasons: &mut Vec<String>) -> Value {
    let (state, error) = match &copy.standing {
        CopyStanding::Healthy => ("healthy", None),
        CopyStanding::Full => ("full", None),
        CopyStanding::Failed => ("failed", None),
        CopyStanding::Out(why) => ("out", Some(why)),
        CopyStanding::Rebuilding => ("rebuilding", None),
    };
    let place = copy.directory.display();
    match &copy.standing {
        CopyStanding::Out(why) => reasons.push(format!(
            "the copy of the journal in {place} is out: {why}; it is made anew from the others as soon as its disk takes it"
        )),
        CopyStanding::Rebuilding => {
            reasons.push(format!("the copy of the journal in {place} is being made anew from the others"));
        }
        CopyStanding::Healthy | CopyStanding::Full | CopyStanding::Failed => {}
    }
    json!({
        "engine": copy.engine.name(), "path": copy.directory, "state": state, "generation": generation, "error": error,
    })
}

/// A time as RFC 3339.
pub(crate) fn moment(at: WallTime) -> String {
    rfc3339(at.0).unwrap_or_else(|| at.0.to_string())
}
