//! Looking one study up at the members now: it may have come to one of them beside the front door since its last inventory.

use std::sync::Arc;
use std::time::Duration;

use outrigger_ledger::Ledger;
use outrigger_model::{Level, QueryKey, StudyUid, Tag};
use outrigger_runtime::Clock;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::asking::{Asking, Source};
use super::listing::{StudyAnswer, list, query};
use super::sweep::Learnt;
use super::take::{TakeError, parts};

/// Studies looked up at once: each is a connection to every member, and whoever asks for what nobody has must not keep the others
/// from being asked for what somebody has.
const LOOKED_UP_AT_ONCE: usize = 4;
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
        Self { ledger, sources: sources.into(), patience, clock, places }
    }

    /// Asks every member for a study and enters what is shown into the catalogue; who does not answer in time is left out.
    pub async fn look(&self, study: &StudyUid) {
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
