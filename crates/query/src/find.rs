//! Answering queries: what members say, united with the catalogue, which is read page by page as fast as the answers are taken.

use std::sync::Arc;

use outrigger_catalogue::{Current, Cursor, Page};
use outrigger_ledger::LedgerError;
use outrigger_model::{Answer, Query, QueryKey, StudyUid, Tag, WallTime};
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::timeout;

use crate::answered::{Answering, Shortfall};
use crate::choose::Respondents;
use crate::gather::{Gathered, gather};
use crate::merge::{About, Beside, Merge, about, baseline, keyed, unique_key};
use crate::reader::{Reader, Shared};
use crate::short::ShortStudies;
use crate::show::show;

/// Answers read ahead of the one who takes them, a page: some 250 KB, and each page searches the index anew.
const ANSWERS_AHEAD_MAX: usize = 500;
/// Queries answered at once: each holds some thousand answers until they are taken, so that all of them hold some 200 MB; more
/// than the associations a front door has by default, and few for whoever would have all of the memory.
pub const ANSWERED_AT_ONCE_MAX: usize = 256;
/// What members named and the catalogue did not is looked up in it by so many at once.
const LOOKED_UP_AT_ONCE: usize = 100;

/// Keys that name what somebody knows to be there.
const NAMES: [Tag; 5] = [
    Tag::STUDY_INSTANCE_UID,
    Tag::SERIES_INSTANCE_UID,
    Tag::SOP_INSTANCE_UID,
    Tag::ACCESSION_NUMBER,
    Tag::PATIENT_ID,
];

/// Why a query was not answered to its end.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// The catalogue could not be read.
    #[error("the catalogue could not be read")]
    Catalogue(#[source] LedgerError),
    /// Others are answered, and none of them ended within the time there is.
    #[error("{ANSWERED_AT_ONCE_MAX} queries are being answered; try again later")]
    Busy,
    /// All that could be had was answered, and something may be missing.
    #[error("{0}")]
    Incomplete(Shortfall),
    /// Nothing was found of what is named, and it may have come to members since it was known what they hold.
    #[error("{0}")]
    Unsure(Shortfall),
}

/// Nobody takes the answers any more.
struct Untaken;

/// An answer on its way.
struct Giving<'a, E> {
    shared: &'a Arc<Shared>,
    query: &'a Query,
    keyed: Query,
    answers: &'a mpsc::Sender<Result<Answer, E>>,
    given: u64,
    of_catalogue: u64,
}

impl Reader {
    /// Begins to answer a query; it ends when all is answered, with an error where something is or may be missing, or when nobody
    /// takes the answers any more. An error is told in the words of whoever asks.
    pub fn find<E: Send + 'static>(
        &self,
        query: Query,
        told: impl FnOnce(FindError) -> E + Send + 'static,
    ) -> mpsc::Receiver<Result<Answer, E>> {
        let (answers, taken) = mpsc::channel(ANSWERS_AHEAD_MAX);
        let shared = Arc::clone(&self.shared);
        shared.note_served();
        tokio::spawn(async move {
            let answered = async {
                let _place = shared.place().await?;
                answer(&shared, &query, &answers).await
            };
            let ended = tokio::select! {
                biased;
                ended = answered => ended,
                // Whoever asked has gone: what members are still asked ends with it.
                () = answers.closed() => return tracing::debug!("a query is not waited for any more"),
            };
            shared.note_served();
            if let Err(error) = ended
                && answers.send(Err(told(error))).await.is_err()
            {
                tracing::debug!("nobody takes the answers of a query that failed");
            }
        });
        taken
    }

    /// Who answered the last queries, the newest first.
    pub fn lately(&self) -> Vec<Answering> {
        self.shared.lately.all()
    }
}

impl Shared {
    /// A place among the queries that are answered.
    async fn place(&self) -> Result<OwnedSemaphorePermit, FindError> {
        let place = timeout(self.timeout, Arc::clone(&self.answering).acquire_owned()).await;
        place.ok().and_then(Result::ok).ok_or(FindError::Busy)
    }
}

async fn answer<E>(
    shared: &Arc<Shared>,
    query: &Query,
    answers: &mpsc::Sender<Result<Answer, E>>,
) -> Result<(), FindError> {
    let begun = shared.clock.now();
    // A query sent right after the last acknowledgement sees what was acknowledged.
    shared.ledger.caught_up().await.map_err(FindError::Catalogue)?;
    let is_plain = shared.asked == Respondents::Catalogue && !ShortStudies::is_counted(query);
    let keyed = if is_plain { query.clone() } else { keyed(query) };
    let mut giving = Giving { shared, query, keyed, answers, given: 0, of_catalogue: 0 };
    let asked = async {
        match shared.asked {
            Respondents::Catalogue => Ok(None),
            Respondents::Members | Respondents::All => {
                gather(shared, &baseline(&giving.keyed)).await.map(Some)
            }
        }
    };
    // Members first: what the books say of them comes before the page in the same queue.
    let (gathering, first) = tokio::join!(asked, page(shared, &giving.keyed, Cursor::default()));
    let (mut gathering, first) = (gathering?, first?);
    // It may have come beside the front door to a member that was not asked.
    if let Some(gathering) = &mut gathering
        && first.items.is_empty()
        && gathering.is_nothing_found()
        && names_something(query)
    {
        gathering.ask_the_rest(shared, &baseline(&giving.keyed)).await;
    }
    let gathered =
        gathering.map_or_else(Gathered::default, |gathering| gathering.summed_up(shared, query.level));
    let Gathered { parts, replies, shortfall, unheard } = gathered;
    let mut merge = Merge::new(&giving.keyed);
    let mut places = Vec::new();
    for said in parts {
        merge.add(said.content, said.answers);
        // Kept until the answers have gone.
        places.push(said.held);
    }
    let given = giving.all(first, &mut merge).await?;
    for (study, shown) in std::mem::take(&mut merge.more) {
        if let Ok(study) = StudyUid::new(&study) {
            shared.more.note(study, shown, shared.clock.now());
        }
    }
    if given.is_err() {
        return Ok(());
    }
    let shortfall = ShortStudies::beside(shared, query, shortfall).await?;
    let unheard = unheard.filter(|_| giving.given == 0 && names_something(query));
    let answering = Answering {
        at: WallTime(shared.clock.wall_us()),
        root: query.root,
        level: query.level,
        answers: giving.given,
        catalogue: giving.of_catalogue,
        took: shared.clock.now().saturating_duration_since(begun),
        members: replies,
        left_out: merge.left_out,
        shortfall: shortfall.clone().or_else(|| unheard.clone()),
    };
    answering.log();
    shared.lately.note(answering);
    match (shortfall, unheard) {
        (Some(shortfall), _) => Err(FindError::Incomplete(shortfall)),
        (None, Some(unheard)) => Err(FindError::Unsure(unheard)),
        (None, None) => Ok(()),
    }
}

/// Whether a query names what it is about, so that nothing found is worth to be made sure of.
fn names_something(query: &Query) -> bool {
    let is_name = |key: &QueryKey| {
        NAMES.contains(&key.tag) && !key.value.trim().is_empty() && !key.value.contains(['*', '?', '"'])
    };
    query.keys.iter().any(is_name)
}

async fn page(shared: &Shared, query: &Query, after: Cursor) -> Result<Page<Answer>, FindError> {
    shared.ledger.find(query.clone(), after, ANSWERS_AHEAD_MAX).await.map_err(FindError::Catalogue)
}

impl<E> Giving<'_, E> {
    /// Gives what the catalogue has in its order, each with what members say of it, and then what only members have, by UID.
    async fn all(
        &mut self,
        first: Page<Answer>,
        merge: &mut Merge,
    ) -> Result<Result<(), Untaken>, FindError> {
        let mut page_read = first;
        loop {
            let short = ShortStudies::counted(self.shared, self.query, &page_read.items).await?;
            for answer in page_read.items {
                self.of_catalogue += 1;
                let mut answer = merge.with_members(answer);
                short.count_in(&mut answer);
                if self.give(answer).await.is_err() {
                    return Ok(Err(Untaken));
                }
            }
            match page_read.next {
                Some(next) if !self.answers.is_closed() => {
                    page_read = page(self.shared, &self.keyed, next).await?;
                }
                _ => break,
            }
        }
        self.rest(merge).await
    }

    /// Gives what only members have, by UID.
    async fn rest(&mut self, merge: &mut Merge) -> Result<Result<(), Untaken>, FindError> {
        let mut undecided = Vec::new();
        for some in merge.rest().chunks(LOOKED_UP_AT_ONCE) {
            let mut known = self.known(some).await?;
            for about in some {
                let at = known.iter().position(|(found, _)| found.is_like(about));
                let known = at.map(|at| known.swap_remove(at).1);
                let answer = match merge.without(about, known.as_ref()) {
                    Beside::Answer(answer) => answer,
                    Beside::UnlessAccepted(answer) => {
                        undecided.push((about.clone(), answer));
                        continue;
                    }
                    Beside::No => continue,
                };
                if self.give(answer).await.is_err() {
                    return Ok(Err(Untaken));
                }
            }
        }
        self.undecided(undecided, merge).await
    }

    /// Gives what can only be judged by the archive that found it, unless that also found what is known to be no answer: then it does
    /// not match by the key at all.
    async fn undecided(
        &mut self,
        undecided: Vec<(About, Answer)>,
        merge: &mut Merge,
    ) -> Result<Result<(), Untaken>, FindError> {
        for (about, _) in &undecided {
            if self.is_accepted(about).await? {
                merge.left_out += undecided.len();
                return Ok(Ok(()));
            }
        }
        for (_, answer) in undecided {
            if self.give(answer).await.is_err() {
                return Ok(Err(Untaken));
            }
        }
        Ok(Ok(()))
    }

    /// What the catalogue knows of these, though it is no answer to the query by what it knows.
    async fn known(&self, abouts: &[About]) -> Result<Vec<(About, Answer)>, FindError> {
        let (level, unique) = (self.query.level, unique_key(self.query.level));
        let ids: Vec<&str> = abouts.iter().map(|about| about.id.as_str()).collect();
        let keys = self.keyed.keys.iter().map(|key| QueryKey {
            tag: key.tag,
            value: if key.tag == unique { ids.join("\\") } else { String::new() },
        });
        let query = Query::new(self.keyed.root, level, keys.collect());
        let found = page(self.shared, &query, Cursor::default()).await?;
        Ok(found.items.into_iter().filter_map(|answer| Some((about(level, &answer)?, answer))).collect())
    }

    /// Whether anything of it was accepted here, so that the catalogue has its attributes from the objects themselves.
    async fn is_accepted(&self, about: &About) -> Result<bool, FindError> {
        let Some(selection) = about.selection(self.query.level) else { return Ok(false) };
        let listed = self.shared.ledger.select(selection, Cursor::default(), 1).await;
        let listed = listed.map_err(FindError::Catalogue)?.items;
        Ok(listed.iter().any(|located| matches!(located.current, Current::Kept(_))))
    }

    async fn give(&mut self, answer: Answer) -> Result<(), Untaken> {
        let Some(answer) = show(self.query, answer) else { return Ok(()) };
        self.given += 1;
        self.answers.send(Ok(answer)).await.map_err(|_| Untaken)
    }
}
