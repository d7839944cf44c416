//! Asking a member again in the background, so that no client's query has to find out that it is still away.

use std::sync::{Arc, Weak};

use outrigger_member::breaker::Permit;
use outrigger_model::{Level, Query, QueryKey, QueryRoot, Tag};
use tokio::time::sleep_until;

use crate::ask::Respondent;

/// A study that there is not: whoever answers, answers this at once. From a UUID of zeros (PS3.5 section B.2).
const NO_STUDY: &str = "2.25.0";

/// Tries a member again and again, until it is back or nobody reads any more.
pub(crate) fn until_back(respondent: &Arc<Respondent>) {
    let respondent = Arc::downgrade(respondent);
    tokio::spawn(async move { while try_again(&respondent).await == Tried::StillAway {} });
}

#[derive(PartialEq, Eq)]
enum Tried {
    Back,
    StillAway,
    NobodyReads,
}

async fn try_again(respondent: &Weak<Respondent>) -> Tried {
    let Some(member) = respondent.upgrade() else { return Tried::NobodyReads };
    match member.permit() {
        Permit::Wait(until) => {
            // Not held while waiting: the reader may go meanwhile.
            drop(member);
            sleep_until(until).await;
            Tried::StillAway
        }
        Permit::Call if member.ask_again(&light()).await => Tried::Back,
        // Closed by a query that was under way when it opened.
        Permit::Call if !member.is_left_alone() => Tried::Back,
        Permit::Call => Tried::StillAway,
    }
}

/// A query and not an echo: an archive whose database hangs still echoes.
fn light() -> Query {
    let keys = vec![QueryKey { tag: Tag::STUDY_INSTANCE_UID, value: NO_STUDY.to_owned() }];
    Query::new(QueryRoot::Study, Level::Study, keys)
}
