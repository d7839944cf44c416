//! Looking one study up at the members now: it, or more of it, may have come to one of them beside the front door since its last
//! inventory.

mod going;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use outrigger_ledger::Ledger;
use outrigger_model::{Answer, Level, Query, QueryKey, QueryRoot, SeriesUid, SopInstanceUid, StudyUid, Tag};
use outrigger_runtime::Clock;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use self::going::Going;
use super::asking::{Asking, Source};
use super::listing::{StudyAnswer, list, query, value};
use super::sweep::Learnt;
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
}

impl Lookup {
    /// Over these members, which are waited for so long (`[query] timeout`).
    pub fn new(ledger: Ledger, sources: Vec<Source>, patience: Duration, clock: Clock) -> Self {
        let places = Arc::new(Semaphore::new(LOOKED_UP_AT_ONCE));
        let going = Arc::new(Going::new(clock.clone()));
        Self { ledger, sources: sources.into(), patience, clock, places, going }
    }

    /// Asks every member for a study of which nothing is known, and enters what is shown into the catalogue; who does not answer in
    /// time is left out. Whoever asks for a study that is being looked up waits for that.
    pub async fn look(&self, study: &StudyUid) {
        match self.going.begin(study) {
            Ok(_under_way) => self.look_everywhere(study).await,
            Err(ended) => ended.wait().await,
        }
    }

    /// As [`look`](Self::look), for a study of which something is known: not again and again.
    pub async fn look_again(&self, study: &StudyUid) {
        if self.going.was_lately(study) {
            self.settled(study).await;
        } else {
            self.look(study).await;
        }
    }

    /// Waits until a study that is being looked up has been.
    pub async fn settled(&self, study: &StudyUid) {
        if let Some(ended) = self.going.under_way(study) {
            ended.wait().await;
        }
    }

    /// The studies in which members show what is named; some of them where there are many.
    pub async fn studies_of(&self, named: Named<'_>) -> Vec<StudyUid> {
        let Some(question) = question(named) else { return Vec::new() };
        let Ok(Ok(_place)) = timeout(self.patience, self.places.acquire()).await else {
            tracing::warn!("what a retrieval names is not looked up at the members: too much is at once");
            return Vec::new();
        };
        let mut asked = JoinSet::new();
        for source in self.sources.iter() {
            let (look, source, question) = (self.clone(), source.clone(), question.clone());
            asked.spawn(async move { look.shown_at(&source, &question).await });
        }
        let mut studies = BTreeSet::new();
        while let Some(shown) = asked.join_next().await {
            studies.extend(shown.unwrap_or_default());
        }
        studies.into_iter().take(STUDIES_LOOKED_UP_MAX).collect()
    }

    /// The studies of a member's answers; none where it does not answer.
    async fn shown_at(&self, source: &Source, question: &Query) -> Vec<StudyUid> {
        let mut asking = Asking::new(source, Duration::ZERO, self.clock.clone());
        let answered = timeout(self.patience, asking.ask(question)).await;
        let studies = match answered {
            Ok(Ok((answers, _))) => {
                let fitting = answers.iter().filter(|answer| is_named(question, answer));
                let uids = fitting.map(|answer| StudyUid::new(value(answer, Tag::STUDY_INSTANCE_UID)));
                uids.filter_map(Result::ok).collect()
            }
            Ok(Err(error)) => {
                let error = &error as &dyn std::error::Error;
                tracing::info!(member = %source.name, error, "a member does not say in which study it has what a retrieval names");
                Vec::new()
            }
            Err(_) => {
                tracing::warn!(member = %source.name, "a member does not say in time in which study it has what a retrieval names");
                Vec::new()
            }
        };
        asking.hang_up().await;
        studies
    }

    async fn look_everywhere(&self, study: &StudyUid) {
        let Ok(Ok(_place)) = timeout(self.patience, self.places.acquire()).await else {
            tracing::warn!(%study, "a study is not looked up at the members: too many are at once");
            return;
        };
        let mut asked = JoinSet::new();
        for source in self.sources.iter().cloned() {
            let (look, study) = (self.clone(), study.clone());
            asked.spawn(async move {
                let ended = timeout(look.patience + LISTED_WITHIN, look.look_at(&source, &study)).await;
                match ended {
                    Ok(Ok(Said::Entered)) => {
                        tracing::info!(member = %source.name, %study, "a member shows a study that came beside the front door");
                    }
                    Ok(Ok(Said::Nothing)) => {}
                    Ok(Err(error)) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(member = %source.name, %study, error, "a study cannot be looked up at a member");
                    }
                    Err(_) => {
                        tracing::warn!(member = %source.name, %study, "a study is not looked up at a member: it takes too long");
                    }
                }
            });
        }
        while asked.join_next().await.is_some() {}
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
        let (answers, _) = answered?;
        let Some(shown) = answers.iter().filter_map(StudyAnswer::read).find(|answer| answer.study == *study)
        else {
            return Ok(Said::Nothing);
        };
        let listed = list(asking, &Learnt::default(), &shown, source.issuer.as_ref()).await?;
        for part in parts(&listed.seen) {
            self.ledger.inherit(source.number, part).await?;
        }
        Ok(Said::Entered)
    }
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
