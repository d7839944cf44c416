//! What a member says it has of a study and does not list: who retrieves the study is not to be told that this was all.

use outrigger_ledger::{Ledger, LedgerError, Shortfall};
use outrigger_model::MemberNumber;

use super::listing::{Listed, StudyAnswer};

/// Notes what a study was listed short of, or that nothing is any more.
pub(super) async fn note(
    ledger: &Ledger,
    member: MemberNumber,
    shown: &StudyAnswer,
    listed: &Listed,
) -> Result<(), LedgerError> {
    let says = match listed.unlisted {
        0 => 0,
        unlisted => shown.instances.unwrap_or(listed.instances.count + unlisted),
    };
    if says == 0 && ledger.said_of(shown.study.clone()).await?.is_none() {
        return Ok(());
    }
    ledger.fell_short(Shortfall { study: shown.study.clone(), member, says }).await
}
