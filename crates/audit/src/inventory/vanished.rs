//! Studies that a member showed once and does not show at all any more: it is taken out of those who hold them, once that is sure.
//!
//! An inventory that came to its end without them says so once; each is asked for by itself then, and so is one that was shown, which the
//! member must find before and behind them. A member that has nothing left is thus believed nothing: it may stand empty for an hour.

use outrigger_ledger::{Ledger, Seen, Shortfall, Sighting};
use outrigger_model::{Level, MemberNumber, QueryKey, StudyUid, Tag, WallTime};

use super::asking::{AskError, Asking};
use super::gone;
use super::listing::{query, value};
use super::sweep::Ended;
use super::take::TakeError;

/// Studies asked for in one inventory: some minutes of it at the usual rate; the next one goes on.
const ASKED_MAX: usize = 1_000;

/// Studies asked for between two questions for one that is there: what is lost of a member's answers shows behind so many.
const PER_CONTROL: usize = 20;

/// What the member says of a study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    /// It does not have it.
    Nothing,
    /// It has it, or may have it.
    Perhaps,
}

/// What became of the studies that an inventory did not see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Vanished {
    pub(super) studies: u64,
    pub(super) instances: u64,
}

/// Takes the member out of those who hold studies that were not seen since this time.
pub(super) async fn take_out(
    ledger: &Ledger,
    member: MemberNumber,
    asking: &mut Asking<'_>,
    began_at: WallTime,
) -> Result<Vanished, TakeError> {
    let mut vanished = Vanished::default();
    let unseen = ledger.sightings(member, Seen::Before(began_at), ASKED_MAX).await?;
    let there = ledger.sightings(member, Seen::Since(began_at), 1).await?;
    let (false, Some(there)) = (unseen.is_empty(), there.first()) else { return Ok(vanished) };
    if says(asking, &there.study).await? == Said::Nothing {
        return Ok(vanished);
    }
    for some in unseen.chunks(PER_CONTROL) {
        let mut denied = Vec::new();
        for sighting in some {
            if says(asking, &sighting.study).await? == Said::Nothing {
                denied.push(sighting);
            }
        }
        if says(asking, &there.study).await? == Said::Nothing {
            break;
        }
        for sighting in denied {
            vanished.instances += take_out_one(ledger, member, sighting).await?;
            vanished.studies += 1;
        }
    }
    Ok(vanished)
}

async fn take_out_one(ledger: &Ledger, member: MemberNumber, sighting: &Sighting) -> Result<u64, TakeError> {
    let held = gone::held(ledger, member, &sighting.study).await?;
    let held = held.into_iter().map(|found| found.sop_instance).collect();
    let count = ledger.departed(member, held).await?;
    tracing::info!(study = %sighting.study, count, "a study that a member showed once is there no more");
    // None of it is there: should it come back, it is listed anew.
    let none = Sighting { instances: 0, identities: 0, ..sighting.clone() };
    ledger.sighted(none, ledger.inventory(member)).await?;
    ledger.fell_short(Shortfall { study: sighting.study.clone(), member, says: 0 }).await?;
    Ok(count)
}

/// Whether the member has a study: an answer that was cut short says nothing against it, nor does a question that it refuses.
async fn says(asking: &mut Asking<'_>, study: &StudyUid) -> Result<Said, AskError> {
    let key = QueryKey { tag: Tag::STUDY_INSTANCE_UID, value: study.as_str().to_owned() };
    let (answers, ended) = match asking.ask(&query(Level::Study, vec![key])).await {
        Ok(answered) => answered,
        Err(error) if error.is_of_question() => return Ok(Said::Perhaps),
        Err(error) => return Err(error),
    };
    let is_it = |uid: &str| uid == study.as_str();
    let has_it = answers.iter().any(|answer| is_it(value(answer, Tag::STUDY_INSTANCE_UID)));
    Ok(if has_it || ended == Ended::Short { Said::Perhaps } else { Said::Nothing })
}
