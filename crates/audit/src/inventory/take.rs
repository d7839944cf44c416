//! Taking the inventory of one member, from where it was left, and again when it is time.

use std::time::Duration;

use outrigger_catalogue::{Cursor, SeenSeries, SeenStudy, SetDigest};
use outrigger_ledger::{CompleteInventory, Inventory, Ledger, LedgerError, Sighting};
use outrigger_model::{Answer, Level, Query, Tag, WallTime};
use outrigger_runtime::backoff::Backoff;
use outrigger_runtime::{Clock, Shutdown};
use serde::{Deserialize, Serialize};

use super::asking::{AskError, Asking, Source};
use super::day::Day;
use super::gone;
use super::listing::{Listed, StudyAnswer, list, query, value};
use super::shortfall;
use super::slice::Slice;
use super::sweep::{Ended, Learnt, Shown, Sweep};
use super::vanished::{self, Vanished};

/// How soon a member that does not answer is asked again.
const AGAIN: Backoff = Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(300) };

/// Refusals of one question after which it is given up: the member may have been busy.
const REFUSALS_MAX: u32 = 3;

/// Failures in a row after which a question is given up if the member is there all the same: some end or hang at what they dislike.
const FAILURES_MAX: u32 = 8;

/// Instances entered in one transaction: some 20 ms of the books' owner, for whom others wait.
const INSTANCES_PER_WRITE: usize = 500;

/// Studies of a part of which it is looked whether the member has shown one: enough to meet one where it has too many of them.
const KNOWN_MAX: usize = 1_000;

/// How inventories are taken.
#[derive(Clone)]
pub struct InventoryOptions {
    /// Where what is found is kept.
    pub ledger: Ledger,
    /// The members.
    pub sources: Vec<Source>,
    /// Time between two queries to one member.
    pub between: Duration,
    /// From the beginning of one inventory to that of the next.
    pub every: Duration,
    /// Time.
    pub clock: Clock,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// Why an inventory does not go on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TakeError {
    #[error("the member could not be asked")]
    Member(#[from] AskError),
    #[error("the books could not be written")]
    Ledger(#[from] LedgerError),
    #[error("the member refuses every query")]
    RefusesAll,
    #[error("the member does not answer in time")]
    Silent,
}

/// What is kept between two starts.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Progress {
    learnt: Learnt,
    sweep: Option<Sweep>,
}

/// Takes the inventory of every member, each by itself, until the node stops.
pub fn start(options: &InventoryOptions) {
    for source in &options.sources {
        let taker = Taker {
            ledger: options.ledger.clone(),
            source: source.clone(),
            between: options.between,
            every: options.every,
            clock: options.clock.clone(),
        };
        let mut shutdown = options.shutdown.clone();
        drop(tokio::spawn(async move {
            tokio::select! {
                biased;
                () = shutdown.stopping() => {}
                () = taker.run() => {}
            }
        }));
    }
}

struct Taker {
    ledger: Ledger,
    source: Source,
    between: Duration,
    every: Duration,
    clock: Clock,
}

impl Taker {
    /// Dropped at any wait, it goes on after the next start from the last part that was done.
    async fn run(self) {
        loop {
            let inventory = self.ledger.inventory(self.source.number);
            tokio::time::sleep(self.wait(&inventory)).await;
            let mut asking = Asking::new(&self.source, self.between, self.clock.clone());
            let mut refused = 0;
            while let Err(error) = self.take(&mut asking).await {
                asking.hang_up().await;
                refused = if matches!(error, TakeError::RefusesAll) { refused + 1 } else { 0 };
                let wait = AGAIN.after(asking.failures().max(refused), u8::MAX);
                tracing::info!(member = %self.source.name, error = &error as &dyn std::error::Error, wait_s = wait.as_secs(), "an inventory waits");
                tokio::time::sleep(wait).await;
            }
            asking.hang_up().await;
        }
    }

    /// How long until the next is due; one that is under way goes on at once.
    fn wait(&self, inventory: &Inventory) -> Duration {
        let is_under_way = read(inventory).sweep.is_some_and(|sweep| sweep.next().is_some());
        let last = inventory.began_at.or_else(|| inventory.complete.map(|complete| complete.began_at));
        match last {
            Some(last) if !is_under_way => {
                // A clock that was set back must not make it wait for longer than from one to the next.
                self.every.saturating_sub(self.now().since(last)).min(self.every)
            }
            Some(_) | None => Duration::ZERO,
        }
    }

    fn now(&self) -> WallTime {
        WallTime(self.clock.wall_us())
    }

    /// The inventory that was begun and where it is, or a new one.
    async fn begin(&self) -> Result<(Inventory, WallTime, Sweep), TakeError> {
        let before = self.ledger.inventory(self.source.number);
        let progress = read(&before);
        if let (Some(began_at), Some(sweep)) = (before.began_at, progress.sweep)
            && sweep.next().is_some()
        {
            return Ok((before, began_at, sweep));
        }
        let sweep = Sweep::new(progress.learnt, Day::of_us(self.clock.wall_us()));
        let began_at = self.now();
        let inventory = Inventory {
            began_at: Some(began_at),
            complete: before.complete,
            progress: written(&sweep),
            ..Inventory::never(self.source.number)
        };
        self.ledger.note_inventory(inventory.clone()).await?;
        Ok((inventory, began_at, sweep))
    }

    /// Takes an inventory, or goes on with one that was begun, to its end.
    async fn take(&self, asking: &mut Asking<'_>) -> Result<(), TakeError> {
        let (mut inventory, began_at, mut sweep) = self.begin().await?;
        while let Some(slice) = sweep.next() {
            let before = sweep.unlisted;
            let asked = self.patiently(asking, &query(Level::Study, slice.keys())).await?;
            if let Some((answers, Ended::AsAll)) = &asked
                && answers.is_empty()
                && sweep.doubts_next()
                && self.knows(slice).await?
            {
                sweep.hidden();
            } else if let Some((answers, ended)) = asked {
                let mut next = sweep.clone();
                next.answered(&answers.iter().map(shown).collect::<Vec<_>>(), ended);
                for answer in &answers {
                    self.take_study(asking, &next.learnt, answer, began_at, &mut inventory).await?;
                }
                sweep = next;
            } else {
                tracing::info!(member = %self.source.name, part = %slice, "a member does not answer for a part of it, and is asked for smaller ones");
                sweep.refused();
            }
            inventory.unlisted += sweep.unlisted - before;
            inventory.progress = written(&sweep);
            self.ledger.note_inventory(inventory.clone()).await?;
        }
        if sweep.answered == 0 {
            // It is begun anew, and nothing is known of the member by it.
            inventory.progress = written(&Sweep::new(sweep.learnt, Day::of_us(self.clock.wall_us())));
            self.ledger.note_inventory(inventory).await?;
            return Err(TakeError::RefusesAll);
        }
        if sweep.unlisted == 0 {
            self.take_out_vanished(asking, began_at).await;
            inventory.complete = Some(CompleteInventory { began_at, ended_at: self.now() });
            inventory.began_at = None;
        }
        tracing::info!(
            member = %self.source.name,
            studies = inventory.studies,
            instances = inventory.instances,
            unlisted = inventory.unlisted,
            parts_unlisted = sweep.unlisted,
            queries = sweep.asked,
            "the inventory of a member has come to its end"
        );
        Ok(self.ledger.note_inventory(inventory).await?)
    }

    /// Whether the member has shown a study of a part before.
    async fn knows(&self, slice: &Slice) -> Result<bool, TakeError> {
        let question = query(Level::Study, slice.keys());
        let page = self.ledger.find(question, Cursor::default(), KNOWN_MAX).await?;
        for study in page.items.iter().filter_map(StudyAnswer::read) {
            if self.ledger.sighting(study.study, self.source.number).await?.is_some() {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks again where a member refuses a question, as it may be busy; `None` where it never answers this one.
    async fn patiently(
        &self,
        asking: &mut Asking<'_>,
        question: &Query,
    ) -> Result<Option<(Vec<Answer>, Ended)>, AskError> {
        for refusals in 0.. {
            match asking.ask(question).await {
                Ok(answered) => return Ok(Some(answered)),
                Err(error) if error.is_of_question() && refusals + 1 < REFUSALS_MAX => {
                    tokio::time::sleep(AGAIN.after(refusals, u8::MAX)).await;
                }
                Err(error) if error.is_of_question() => return Ok(None),
                // It is there, and ends or keeps silent at this one each time.
                Err(_) if asking.failures() >= FAILURES_MAX && asking.is_there().await => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }

    /// Enters a study, unless this inventory has already; it is not listed again where the member shows as many instances of it as before.
    async fn take_study(
        &self,
        asking: &mut Asking<'_>,
        learnt: &Learnt,
        answer: &Answer,
        began_at: WallTime,
        inventory: &mut Inventory,
    ) -> Result<(), TakeError> {
        let Some(study) = StudyAnswer::read(answer) else {
            inventory.unlisted += 1;
            return Ok(());
        };
        let member = self.source.number;
        let before = self.ledger.sighting(study.study.clone(), member).await?;
        if before.as_ref().is_some_and(|before| before.last_seen >= began_at) {
            return Ok(());
        }
        let now = self.now();
        let sighting = match &before {
            Some(before) if study.instances.is_some_and(|shown| shown > 0 && shown == before.instances) => {
                Sighting { last_seen: now, ..before.clone() }
            }
            _ => {
                let listed = self.list(asking, learnt, &study).await?;
                for part in parts(&listed.seen) {
                    self.ledger.inherit(member, part).await?;
                }
                if before.is_some() {
                    let count = gone::take_out(&self.ledger, member, asking, &study, &listed).await?;
                    self.tell_gone(&study, count);
                }
                shortfall::note(&self.ledger, member, &study, &listed).await?;
                let Listed { instances, unlisted, .. } = listed;
                inventory.unlisted += unlisted;
                let (first_seen, last_seen) = (now, now);
                let SetDigest { count, identities, .. } = instances;
                Sighting { study: study.study, member, first_seen, last_seen, instances: count, identities }
            }
        };
        inventory.studies += 1;
        inventory.instances += sighting.instances;
        Ok(self.ledger.sighted(sighting, inventory.clone()).await?)
    }

    fn tell_gone(&self, study: &StudyAnswer, count: u64) {
        if count > 0 {
            tracing::info!(member = %self.source.name, study = %study.study, count, "instances that a member showed once are there no more");
        }
    }

    /// Takes out what is gone as a whole; what cannot be asked now is left to the next inventory, as this one has all that is there.
    async fn take_out_vanished(&self, asking: &mut Asking<'_>, began_at: WallTime) {
        let member = &self.source.name;
        match vanished::take_out(&self.ledger, self.source.number, asking, began_at).await {
            Ok(Vanished { studies: 0, .. }) => {}
            Ok(Vanished { studies, instances }) => {
                tracing::info!(%member, studies, instances, "studies that a member showed once are there no more");
            }
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(%member, error, "whether studies that a member showed once are there still is not known");
            }
        }
    }

    /// Lists a study; one that the member refuses to list is entered as far as it is known.
    async fn list(
        &self,
        asking: &mut Asking<'_>,
        learnt: &Learnt,
        study: &StudyAnswer,
    ) -> Result<Listed, AskError> {
        for refusals in 0.. {
            let error = match list(asking, learnt, study, self.source.issuer.as_ref()).await {
                Ok(listed) => return Ok(listed),
                Err(error) => error,
            };
            let is_stubborn = asking.failures() >= FAILURES_MAX && asking.is_there().await;
            if error.is_of_question() && refusals + 1 < REFUSALS_MAX {
                tokio::time::sleep(AGAIN.after(refusals, u8::MAX)).await;
            } else if error.is_of_question() || is_stubborn {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(member = %self.source.name, study = %study.study, error, "a member shows a study and does not list it");
                break;
            } else {
                return Err(error);
            }
        }
        Ok(study.unlisted(self.source.issuer.as_ref()))
    }
}

/// A study in parts that are entered one after another, at least one.
pub(super) fn parts(seen: &SeenStudy) -> Vec<SeenStudy> {
    let mut parts = vec![SeenStudy { series: Vec::new(), ..seen.clone() }];
    let mut room = INSTANCES_PER_WRITE;
    for series in &seen.series {
        let mut chunks: Vec<_> = series.instances.chunks(INSTANCES_PER_WRITE).map(<[_]>::to_vec).collect();
        if chunks.is_empty() {
            chunks.push(Vec::new());
        }
        for instances in chunks {
            if instances.len() > room {
                parts.push(SeenStudy { series: Vec::new(), ..seen.clone() });
                room = INSTANCES_PER_WRITE;
            }
            room -= instances.len();
            if let Some(part) = parts.last_mut() {
                let (uid, attributes) = (series.series.clone(), series.attributes.clone());
                part.series.push(SeenSeries { series: uid, attributes, instances });
            }
        }
    }
    parts
}

fn shown(answer: &Answer) -> Shown {
    Shown {
        uid: value(answer, Tag::STUDY_INSTANCE_UID).to_owned(),
        date: Day::read(value(answer, Tag::STUDY_DATE)),
        patient_id: value(answer, Tag::PATIENT_ID).to_owned(),
        patient_name: value(answer, Tag::PATIENT_NAME).to_owned(),
        accession: value(answer, Tag::ACCESSION_NUMBER).to_owned(),
    }
}

/// What was kept; of another version, or not readable, it begins anew.
fn read(inventory: &Inventory) -> Progress {
    if inventory.progress.is_empty() {
        return Progress::default();
    }
    serde_json::from_str(&inventory.progress).unwrap_or_else(|error| {
        tracing::warn!(%error, member = inventory.member.0, "how far an inventory was cannot be read; it begins anew");
        Progress::default()
    })
}

fn written(sweep: &Sweep) -> String {
    let learnt = sweep.learnt.clone();
    serde_json::to_string(&Progress { learnt, sweep: Some(sweep.clone()) }).unwrap_or_else(|error| {
        tracing::error!(%error, "how far an inventory is cannot be written");
        String::new()
    })
}
