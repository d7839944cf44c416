//! Looking one study up at the members now: it, or more of it, may have come to one of them beside the front door since its last
//! inventory.

mod going;
mod looked;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use outrigger_ledger::{Inventoried, Ledger};
use outrigger_model::{
    Answer, Level, MemberName, Query, QueryKey, QueryRoot, SeriesUid, SopInstanceUid, StudyUid, Tag,
};
use outrigger_runtime::Clock;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::going::Going;
pub use self::looked::Looked;
use self::looked::Unheard;
use super::asking::{Asking, Source};
use super::listing::{StudyAnswer, list, query, value};
use super::shortfall;
use super::sweep::{Ended, Learnt};
use super::take::{TakeError, parts};

/// Studies looked up at once: each is a connection to every member, and whoever asks for what nobody has must not keep the others
/// from being asked for what somebody has.
const LOOKED_UP_AT_ONCE: usize = 4;
/// Studies that are looked up for one retrieval: more than a person asks for at once.
pub const STUDIES_LOOKED_UP_MAX: usize = 16;
/// UIDs put into one question: some 6 KB of them, which fit into a PDU and into the address of a request.
const NAMED_AT_ONCE_MAX: usize = 100;
/// Longest time in which a study that a member shows is listed: whoever retrieves waits for it.
const LISTED_WITHIN: Duration = Duration::from_secs(10);

/// Looks studies up at the members; clones share its bounds.
#[derive(Debug, Clone)]
pub struct Lookup {
    ledger: Ledger,
    sources: Arc<[Source]>,
    /// Longest wait for a member to say whether it has a study.
    patience: Duration,
    clock: Clock,
    places: Arc<Semaphore>,
    going: Arc<Going>,
}

/// What is asked for without a word of the study it is in.
#[derive(Debug, Clone, Copy)]
pub enum Named<'n> {
    /// Everything of a patient ID.
    Patient(&'n str),
    /// Series.
    Series(&'n [&'n SeriesUid]),
    /// Instances.
    Instances(&'n [&'n SopInstanceUid]),
}

/// What a member says of a study.
enum Said {
    /// It shows it, and what it shows is in the catalogue now.
    Entered,
    /// It has none.
    Nothing,
    /// It shows it, and what it shows could not be listed.
    Unlisted(TakeError),
    /// It shows none so far, and has not said all.
    NotAll,
}

impl Lookup {
    /// Over these members, which are waited for so long (`[query] timeout`).
    pub fn new(ledger: Ledger, sources: Vec<Source>, patience: Duration, clock: Clock) -> Self {
        let places = Arc::new(Semaphore::new(LOOKED_UP_AT_ONCE));
        let going = Arc::new(Going::new(clock.clone()));
        Self { ledger, sources: sources.into(), patience, clock, places, going }
    }

    /// Asks every member for a study of which nothing is known, and enters what is shown into the catalogue; who does not answer in
    /// time is left out, and named in what is returned. Whoever asks for a study that is being looked up waits for that.
    pub async fn look(&self, study: &StudyUid) -> Looked {
        match self.going.begin(study, self.nobody()) {
            Ok(under_way) => {
                let looked = self.look_everywhere(study).await;
                under_way.done(looked)
            }
            Err(ended) => ended.wait().await,
        }
    }

    /// As [`look`](Self::look), for a study of which something is known: not again and again.
    pub async fn look_again(&self, study: &StudyUid) -> Looked {
        if let Some(looked) = self.settled(study).await {
            return looked;
        }
        match self.going.lately(study) {
            Some(looked) => looked,
            None => self.look(study).await,
        }
    }

    /// Waits until a study that is being looked up has been.
    pub async fn settled(&self, study: &StudyUid) -> Option<Looked> {
        match self.going.under_way(study) {
            Some(ended) => Some(ended.wait().await),
            None => None,
        }
    }

    /// The members that may have what was looked up and not found, as they were not heard; none where "nobody has it" is final.
    pub fn may_have(&self, looked: Looked, was_shown: bool) -> Vec<MemberName> {
        let is_inventoried = |number| matches!(self.ledger.inventoried(number), Inventoried::Complete { .. });
        looked.may_have(is_inventoried, was_shown)
    }

    /// Nobody is heard.
    fn nobody(&self) -> Looked {
        let silent = |source: &Source| (source.number, source.name.clone(), Err(Unheard::Silent));
        Looked::of(self.sources.iter().map(silent).collect())
    }

    /// The studies in which members show what is named, some of them where there are many; and who was heard.
    pub async fn studies_of(&self, named: Named<'_>) -> (Vec<StudyUid>, Looked) {
        let Some(question) = question(named) else { return (Vec::new(), Looked::default()) };
        let Ok(Ok(_place)) = timeout(self.patience, self.places.acquire()).await else {
            tracing::warn!("what a retrieval names is not looked up at the members: too much is at once");
            return (Vec::new(), self.nobody());
        };
        let mut asked = JoinSet::new();
        for source in self.sources.iter() {
            let (look, source, question) = (self.clone(), source.clone(), question.clone());
            asked.spawn(async move {
                let shown = look.shown_at(&source, &question).await;
                (source.number, source.name, shown)
            });
        }
        let (mut studies, mut said) = (BTreeSet::new(), Vec::new());
        for (number, name, (shown, whole)) in asked.join_all().await {
            studies.extend(shown);
            said.push((number, name, whole));
        }
        (studies.into_iter().take(STUDIES_LOOKED_UP_MAX).collect(), Looked::of(said))
    }

    /// The studies of a member's answers, and whether it was heard to the end.
    async fn shown_at(&self, source: &Source, question: &Query) -> (Vec<StudyUid>, Result<(), Unheard>) {
        let mut asking = Asking::new(source, Duration::ZERO, self.clock.clone());
        let answered = timeout(self.patience, asking.ask(question)).await;
        let shown = match answered {
            Ok(Ok((answers, ended))) => {
                let fitting = answers.iter().filter(|answer| is_named(question, answer));
                let uids = fitting.map(|answer| StudyUid::new(value(answer, Tag::STUDY_INSTANCE_UID)));
                let whole = if ended == Ended::AsAll { Ok(()) } else { Err(Unheard::Silent) };
                (uids.filter_map(Result::ok).collect(), whole)
            }
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::info!(member = %source.name, error, "a member does not say in which study it has what a retrieval names");
                (Vec::new(), Err(Unheard::Silent))
            }
            Err(_) => {
                tracing::warn!(member = %source.name, "a member does not say in time in which study it has what a retrieval names");
                (Vec::new(), Err(Unheard::Silent))
            }
        };
        asking.hang_up().await;
        shown
    }

    async fn look_everywhere(&self, study: &StudyUid) -> Looked {
        let Ok(Ok(_place)) = timeout(self.patience, self.places.acquire()).await else {
            tracing::warn!(%study, "a study is not looked up at the members: too many are at once");
            return self.nobody();
        };
        let mut asked = JoinSet::new();
        for source in self.sources.iter().cloned() {
            let (look, study) = (self.clone(), study.clone());
            asked.spawn(async move {
                let ended = timeout(look.patience + LISTED_WITHIN, look.look_at(&source, &study)).await;
                let heard = heard(ended.unwrap_or(Err(TakeError::Silent)), &source.name, &study);
                (source.number, source.name, heard)
            });
        }
        Looked::of(asked.join_all().await)
    }

    async fn look_at(&self, source: &Source, study: &StudyUid) -> Result<Said, TakeError> {
        let mut asking = Asking::new(source, Duration::ZERO, self.clock.clone());
        let said = self.entered(&mut asking, source, study).await;
        asking.hang_up().await;
        said
    }

    async fn entered(
        &self,
        asking: &mut Asking<'_>,
        source: &Source,
        study: &StudyUid,
    ) -> Result<Said, TakeError> {
        let key = QueryKey { tag: Tag::STUDY_INSTANCE_UID, value: study.as_str().to_owned() };
        let question = query(Level::Study, vec![key]);
        let Ok(answered) = timeout(self.patience, asking.ask(&question)).await else {
            return Err(TakeError::Silent);
        };
        let (answers, ended) = answered?;
        let Some(shown) = answers.iter().filter_map(StudyAnswer::read).find(|answer| answer.study == *study)
        else {
            return Ok(if ended == Ended::AsAll { Said::Nothing } else { Said::NotAll });
        };
        let listing = async {
            let listed = list(asking, &Learnt::default(), &shown, source.issuer.as_ref()).await?;
            for part in parts(&listed.seen) {
                self.ledger.inherit(source.number, part).await?;
            }
            shortfall::note(&self.ledger, source.number, &shown, &listed).await?;
            Ok(())
        };
        let listed = timeout(LISTED_WITHIN, listing).await.unwrap_or(Err(TakeError::Silent));
        Ok(listed.map_or_else(Said::Unlisted, |()| Said::Entered))
    }
}

/// Whether a member was heard of a study, which the log is told.
fn heard(said: Result<Said, TakeError>, member: &MemberName, study: &StudyUid) -> Result<(), Unheard> {
    let (error, unheard) = match said {
        Ok(Said::Entered) => {
            tracing::info!(%member, %study, "a member shows a study that came beside the front door");
            return Ok(());
        }
        Ok(Said::Nothing) => return Ok(()),
        Ok(Said::NotAll) => {
            tracing::warn!(%member, %study, "a member does not say to the end whether it has a study");
            return Err(Unheard::Silent);
        }
        Ok(Said::Unlisted(error)) => (error, Unheard::Unlisted),
        Err(error) => (error, Unheard::Silent),
    };
    let error = &error as &dyn std::error::Error;
    tracing::warn!(%member, %study, error, "a study cannot be looked up at a member");
    Err(unheard)
}

/// The question for the studies of what is named; `None` where it cannot be asked for.
fn question(named: Named<'_>) -> Option<Query> {
    fn list<'u>(uids: impl Iterator<Item = &'u str>) -> String {
        uids.take(NAMED_AT_ONCE_MAX).collect::<Vec<_>>().join("\\")
    }
    let (level, tag, value) = match named {
        // It would be taken for many (PS3.4 section C.2.2.2.4).
        Named::Patient(id) if id.contains(['*', '?', '\\']) => return None,
        Named::Patient(id) => (Level::Study, Tag::PATIENT_ID, id.to_owned()),
        Named::Series(uids) => {
            (Level::Series, Tag::SERIES_INSTANCE_UID, list(uids.iter().map(|uid| uid.as_str())))
        }
        Named::Instances(uids) => {
            (Level::Image, Tag::SOP_INSTANCE_UID, list(uids.iter().map(|uid| uid.as_str())))
        }
    };
    let key = |tag, value| QueryKey { tag, value };
    let keys = vec![key(tag, value), key(Tag::STUDY_INSTANCE_UID, String::new())];
    let is_named = keys.iter().any(|key| !key.value.is_empty());
    is_named.then(|| Query::new(QueryRoot::Study, level, keys))
}

/// Whether an answer is about what the first key of a question names: some members answer other questions than they are asked.
fn is_named(question: &Query, answer: &Answer) -> bool {
    let names = |key: &QueryKey| key.value.split('\\').any(|name| name.trim() == value(answer, key.tag));
    question.keys.first().is_some_and(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_about_something_else_says_nothing_of_what_is_named() {
        let [one, other] = ["1.2.3", "1.2.4"].map(SopInstanceUid::known);
        let question = question(Named::Instances(&[&one, &other])).unwrap();
        let answer = |uid: &str| Answer {
            attributes: vec![
                (Tag::STUDY_INSTANCE_UID, "1.2".to_owned()),
                (Tag::SOP_INSTANCE_UID, uid.to_owned()),
            ],
        };
        assert!(is_named(&question, &answer("1.2.3")) && is_named(&question, &answer("1.2.4 ")));
        assert!(!is_named(&question, &answer("1.2.5")) && !is_named(&question, &answer("")));
    }
}
