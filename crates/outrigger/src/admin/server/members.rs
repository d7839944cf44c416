//! The members.

use axum::Json;
use axum::extract::State;
use outrigger_ledger::MemberState;
use serde::Deserialize;
use serde_json::{Value, json};

use super::Refusal;
use super::inventory;
use super::node::NodeAdmin;

/// The member meant.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Order {
    member: String,
}

/// The members.
pub(crate) async fn list(State(admin): State<NodeAdmin>) -> Result<Json<Value>, Refusal> {
    let states = admin.ledger.member_states().await.map_err(|error| Refusal::not_now(&error))?;
    let config = admin.loaded().config;
    let shown = |member: &crate::config::MemberConfig| {
        let number = admin.number(member.name.as_str());
        let state = number.and_then(|number| states.get(&number));
        json!({
            "name": member.name,
            "number": number,
            "state": state.map_or("unknown", |state| word(*state)),
            "confirm": member.confirm,
            "required": member.required,
            "stack": member.stack,
            "inventory": number.map(|number| inventory::in_words(&admin.ledger.inventory(number))),
            "routes": member.routes.iter().map(crate::config::RouteConfig::label).collect::<Vec<_>>().join(", "),
        })
    };
    Ok(Json(json!({"members": config.members.iter().map(shown).collect::<Vec<_>>()})))
}

/// The word for a member's state.
pub(crate) fn word(state: MemberState) -> &'static str {
    match state {
        MemberState::Active => "active",
        MemberState::Held => "held",
        MemberState::Retired => "retired",
    }
}

/// Stops delivery.
pub(crate) async fn hold(state: State<NodeAdmin>, order: Json<Order>) -> Result<Json<Value>, Refusal> {
    change(state, order, MemberState::Held).await
}

/// Goes on with delivery.
pub(crate) async fn resume(state: State<NodeAdmin>, order: Json<Order>) -> Result<Json<Value>, Refusal> {
    change(state, order, MemberState::Active).await
}

/// Takes it out of the books.
pub(crate) async fn retire(state: State<NodeAdmin>, order: Json<Order>) -> Result<Json<Value>, Refusal> {
    change(state, order, MemberState::Retired).await
}

async fn change(
    State(admin): State<NodeAdmin>,
    Json(order): Json<Order>,
    to: MemberState,
) -> Result<Json<Value>, Refusal> {
    let number = admin.number(&order.member).ok_or_else(|| Refusal::no_member(&order.member))?;
    admin.ledger.change_member(number, to).await.map_err(|error| Refusal::not_now(&error))?;
    Ok(Json(json!({"member": order.member, "state": word(to)})))
}
