//! Asking members at once, and those that are left when the preferred one does not answer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use outrigger_ledger::{Inventoried, Within};
use outrigger_member::{Answered, Wholeness};
use outrigger_model::{Answer, Level, Query, StudyUid, Tag, UidError};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::answered::{Reply, Shortfall, in_words};
use crate::ask::{Allowed, LeftAlone, Overrun, Respondent, Unanswered};
use crate::choose::{Books, Call, Choice, Content, Standing, choose};
use crate::find::FindError;
use crate::merge::{unique_key, unique_value};
use crate::reader::Shared;

/// Fewer answers than this are all there are: no archive limits its answers to fewer, as inventories have it too.
const SURELY_WHOLE: usize = 10;

/// Matches read of one member for one query: a series of the longest CT, or the studies of years of a patient. What the
/// catalogue knows beyond that is answered all the same.
pub const MATCHES_MAX: usize = 5_000;
/// Matches of members held for all queries together, some 100 MB: twenty members being read at once, and what slow clients
/// have not taken yet.
pub const MATCHES_HELD_MAX: usize = 100_000;
/// What is left at least for the members that are asked when the preferred one did not answer, as a part of the time-out.
const SECOND_CHANCE: u32 = 4;
/// A member that had all of the time-out but one part in so many had it.
const MOST: u32 = 4;

/// What the members said to a query.
#[derive(Default)]
pub(crate) struct Gathered {
    pub(crate) parts: Vec<Said>,
    pub(crate) replies: Vec<Reply>,
    pub(crate) shortfall: Option<Shortfall>,
    /// Who was not heard, or not to the end, whatever is known of its content.
    pub(crate) unheard: Option<Shortfall>,
}

/// What one member said.
pub(crate) struct Said {
    pub(crate) content: Content,
    pub(crate) books: Books,
    pub(crate) answers: Vec<Answer>,
    /// Their place among all that are held.
    pub(crate) held: Option<OwnedSemaphorePermit>,
}

struct Heard {
    place: usize,
    answered: Result<Answered, Unanswered>,
    held: Option<OwnedSemaphorePermit>,
    took: Duration,
}

/// Members being asked one query.
pub(crate) struct Gathering {
    standings: Vec<Standing>,
    heard: Vec<Heard>,
    begun: Instant,
    /// Who was not asked, as others answered.
    unasked: Vec<usize>,
}

/// Asks whom the choice names.
pub(crate) async fn gather(shared: &Arc<Shared>, query: &Query) -> Result<Gathering, FindError> {
    let standings = standings(shared, query).await?;
    let Choice { first, then } = choose(shared.asked, &standings);
    let begun = shared.clock.now();
    let preferred = first.first().copied();
    let left_alone = LeftAlone::Spared;
    let allowed = Allowed { until: begun + shared.timeout, overrun: Overrun::Silent, left_alone };
    let mut heard = ask_all(shared, query, &first, allowed).await;
    let mut unasked = then;
    if !unasked.is_empty() && !heard.iter().any(|heard| Some(heard.place) == preferred && is_whole(heard)) {
        let now = shared.clock.now();
        let until = (begun + shared.timeout).max(now + shared.timeout / SECOND_CHANCE);
        let allowed = Allowed { until, overrun: Overrun::Nothing, left_alone };
        heard.extend(ask_all(shared, query, &std::mem::take(&mut unasked), allowed).await);
    }
    Ok(Gathering { standings, heard, begun, unasked })
}

impl Gathering {
    /// Whether nobody who was asked shows anything.
    pub(crate) fn is_nothing_found(&self) -> bool {
        let is_nothing =
            |heard: &Heard| heard.answered.as_ref().map_or(true, |answered| answered.answers.is_empty());
        self.heard.iter().all(is_nothing)
    }

    /// Asks those who were not asked; where nobody answered, those that are left alone.
    pub(crate) async fn ask_the_rest(&mut self, shared: &Arc<Shared>, query: &Query) {
        let (mut rest, mut left_alone) = (std::mem::take(&mut self.unasked), LeftAlone::Spared);
        if !self.heard.iter().any(|heard| heard.answered.is_ok()) {
            let standings = self.standings.iter().enumerate();
            left_alone = LeftAlone::AskedToo;
            rest.extend(standings.filter(|(_, of)| of.call == Call::LeftAlone).map(|(place, _)| place));
        }
        let now = shared.clock.now();
        let until = (self.begun + shared.timeout).max(now + shared.timeout / SECOND_CHANCE);
        // Whoever has most of the time is silent if it uses it up.
        let is_most = until.saturating_duration_since(now) >= shared.timeout / MOST * (MOST - 1);
        let overrun = if is_most { Overrun::Silent } else { Overrun::Nothing };
        self.heard.extend(ask_all(shared, query, &rest, Allowed { until, overrun, left_alone }).await);
    }

    /// What all of them said.
    pub(crate) fn summed_up(mut self, shared: &Shared, level: Level) -> Gathered {
        self.heard.sort_by_key(|heard| heard.place);
        summed_up(shared, level, &self.standings, self.heard)
    }
}

/// How the members stand toward the query, the preferred first.
async fn standings(shared: &Shared, query: &Query) -> Result<Vec<Standing>, FindError> {
    let numbers = shared.respondents.iter().map(|member| member.source.number).collect();
    let owing = shared.ledger.owing(numbers, within(query)).await.map_err(FindError::Catalogue)?;
    let standing = |member: &Arc<Respondent>| Standing {
        call: if member.is_left_alone() { Call::LeftAlone } else { Call::May },
        books: if owing.contains(member.source.number) { Books::Owes } else { Books::OwesNothing },
        content: match shared.ledger.inventoried(member.source.number) {
            Inventoried::Complete { .. } => Content::Inventoried,
            Inventoried::Never | Inventoried::Running { .. } => Content::Unknown,
        },
    };
    Ok(shared.respondents.iter().map(standing).collect())
}

/// What a query is about: named studies, or anything.
fn within(query: &Query) -> Within {
    match studies_named(query).collect::<Result<Vec<_>, _>>() {
        Ok(studies) if !studies.is_empty() => Within::Studies(studies),
        Ok(_) | Err(_) => Within::Anything,
    }
}

/// The studies that a query names, as far as they are UIDs.
pub(crate) fn studies_named(query: &Query) -> impl Iterator<Item = Result<StudyUid, UidError>> {
    let named = query.keys.iter().find(|key| key.tag == Tag::STUDY_INSTANCE_UID && !key.value.is_empty());
    named.into_iter().flat_map(|key| key.value.split('\\').map(StudyUid::new))
}

async fn ask_all(shared: &Arc<Shared>, query: &Query, places: &[usize], allowed: Allowed) -> Vec<Heard> {
    // All in the task of whoever waits: with that gone they end, and their connections with them.
    let members = places.iter().filter_map(|place| Some((*place, shared.respondents.get(*place)?)));
    join_all(members.map(|(place, member)| ask(shared, member, place, query, allowed))).await
}

async fn ask(
    shared: &Shared,
    member: &Arc<Respondent>,
    place: usize,
    query: &Query,
    allowed: Allowed,
) -> Heard {
    let begun = shared.clock.now();
    let took = || shared.clock.now().saturating_duration_since(begun);
    let Some(mut held) = room(&shared.held, allowed.until).await else {
        return Heard { place, answered: Err(Unanswered::Busy), held: None, took: took() };
    };
    let answered = member.ask(query, MATCHES_MAX, allowed).await;
    let count = answered.as_ref().map_or(0, |answered| answered.answers.len());
    drop(held.split(MATCHES_MAX.saturating_sub(count)));
    Heard { place, answered, held: Some(held), took: took() }
}

async fn room(held: &Arc<Semaphore>, until: Instant) -> Option<OwnedSemaphorePermit> {
    let most = u32::try_from(MATCHES_MAX).unwrap_or(u32::MAX);
    timeout_at(until, Arc::clone(held).acquire_many_owned(most)).await.ok()?.ok()
}

fn is_whole(heard: &Heard) -> bool {
    matches!(&heard.answered, Ok(answered) if answered.whole == Wholeness::All)
}

fn summed_up(shared: &Shared, level: Level, standings: &[Standing], heard: Vec<Heard>) -> Gathered {
    let mut gathered = Gathered::default();
    let (mut missing, mut unheard) = (Vec::new(), Vec::new());
    let mut heard = heard.into_iter().peekable();
    for (place, (member, standing)) in shared.respondents.iter().zip(standings).enumerate() {
        let name = &member.source.name;
        let why = match heard.next_if(|heard| heard.place == place) {
            None if standing.call == Call::LeftAlone => Some(in_words(&Unanswered::LeftAlone)),
            // It was not chosen.
            None => None,
            Some(Heard { answered, held, took, .. }) => {
                let not_whole = why_not_whole(shared, level, *standing, member, &answered);
                let answers = answered.map_or_else(|_| Vec::new(), |answered| answered.answers);
                let (matches, not_whole_too) = (answers.len(), not_whole.clone());
                gathered.replies.push(Reply {
                    member: name.clone(),
                    matches,
                    took,
                    not_whole: not_whole_too,
                });
                let Standing { content, books, .. } = *standing;
                gathered.parts.push(Said { content, books, answers, held });
                not_whole
            }
        };
        if let Some(why) = why {
            if standing.content == Content::Unknown {
                missing.push((name.clone(), why.clone()));
            }
            unheard.push((name.clone(), why));
        }
    }
    // Who was not given the last of it speaks of what was before.
    gathered.parts.sort_by_key(|said| said.books == Books::Owes);
    let shortfall = |members: Vec<_>| (!members.is_empty()).then_some(Shortfall { members });
    (gathered.shortfall, gathered.unheard) = (shortfall(missing), shortfall(unheard));
    gathered
}

/// Why what a member answered may not be all.
fn why_not_whole(
    shared: &Shared,
    level: Level,
    standing: Standing,
    member: &Respondent,
    answered: &Result<Answered, Unanswered>,
) -> Option<String> {
    let answered = match answered {
        Ok(answered) => answered,
        Err(error) => return Some(in_words(error)),
    };
    // Its inventory could not list all that it has: it gives only so many answers.
    let is_short =
        standing.content == Content::Unknown && shared.ledger.inventory(member.source.number).unlisted > 0;
    let count = answered.answers.len();
    let perhaps = (is_short && count >= SURELY_WHOLE)
        .then(|| format!("it gives only so many answers, and these {count} may not be all"));
    not_whole(answered.whole).or(perhaps).or_else(|| nameless(level, &answered.answers))
}

/// That it has something which nobody can be told of, as it does not say what. Patients without an ID are no such thing.
fn nameless(level: Level, answers: &[Answer]) -> Option<String> {
    let is_nameless = |answer: &&Answer| level != Level::Patient && unique_value(level, answer).is_none();
    let count = answers.iter().filter(is_nameless).count();
    (count > 0).then(|| {
        format!("{count} of its answers do not say what they are about: {} is empty", unique_key(level))
    })
}

fn not_whole(whole: Wholeness) -> Option<String> {
    match whole {
        Wholeness::All => None,
        Wholeness::Cut => Some(format!("it has more than {MATCHES_MAX} matches")),
        Wholeness::Ended(status) => Some(format!("it ended with {status} ({})", status.text())),
    }
}
