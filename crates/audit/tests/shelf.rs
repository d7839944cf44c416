//! A member in memory that held studies before, and answers as well or badly as it is told.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use outrigger_catalogue::{CatalogueInstance, Cursor, MemoryCatalogue, Version};
use outrigger_member::{
    Ability, Answered, Arrived, AskSession, CommitAnswer, ConnectError, Found, Member, MemberError, Need,
    Returned, StoreSession, Wholeness,
};
use outrigger_model::{
    AeTitle, Answer, InstanceHeader, Level, Query, QueryKey, SeriesUid, Sha256Digest, SopClassUid,
    SopInstanceUid, Status, StudyUid, Tag, TransactionUid, TransferSyntaxUid, WallTime,
};
use outrigger_runtime::Body;

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";

/// How it answers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Manner {
    /// Most answers it gives, if it limits them.
    pub(crate) cap: Option<usize>,
    /// Answers beyond which it answers as if there were nothing.
    pub(crate) hides_beyond: Option<usize>,
    /// Attributes it does not give.
    pub(crate) without: Vec<Tag>,
    /// Questions after which it is away, until it is told to come back.
    pub(crate) away_after: Option<usize>,
    /// Studies of which it refuses to list anything.
    pub(crate) refuses: BTreeSet<String>,
    /// Whether it refuses every query.
    pub(crate) refuses_all: RefusesAll,
    /// Studies at whose listing it ends the connection.
    pub(crate) dies_of: BTreeSet<String>,
    /// Studies that it shows only to who names them.
    pub(crate) hides: BTreeSet<String>,
    /// Questions that name a study after which it answers these as if there were nothing.
    pub(crate) forgets_after: Option<usize>,
    /// How many instances it says every study has, whatever it has.
    pub(crate) says: Option<u64>,
    /// Instances that it leaves out of lists.
    pub(crate) omits: BTreeSet<SopInstanceUid>,
    /// What it answers to who names one of these.
    pub(crate) named: Named,
}

/// What a member answers to a question that names an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Named {
    /// What it has, also of what it leaves out of lists.
    #[default]
    Found,
    /// Nothing, whatever is named.
    Nothing,
    /// A failure, to who names what it leaves out of lists.
    EndsInFailure,
    /// The others of the series, to who names what it leaves out of lists.
    Others,
}

/// Whether every query is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum RefusesAll {
    #[default]
    No,
    Yes,
}

#[derive(Default)]
struct State {
    catalogue: MemoryCatalogue,
    manner: Manner,
    questions: Vec<Query>,
    /// Questions at STUDY level that named a study.
    named: usize,
}

/// The member; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Shelf(Arc<Mutex<State>>);

impl Shelf {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, instances: &[CatalogueInstance]) {
        self.state().catalogue.put_instances(instances).unwrap();
    }

    pub(crate) fn manner(&self, change: impl FnOnce(&mut Manner)) {
        change(&mut self.state().manner);
    }

    pub(crate) fn questions(&self) -> Vec<Query> {
        self.state().questions.clone()
    }

    pub(crate) fn asked_at(&self, level: Level) -> usize {
        self.state().questions.iter().filter(|query| query.level == level).count()
    }

    fn answer(&self, query: &Query, most: usize) -> Result<Answered, MemberError> {
        let mut state = self.state();
        if state.manner.away_after.is_some_and(|after| state.questions.len() >= after) {
            return Err(lost());
        }
        state.questions.push(query.clone());
        let study = query.keys.iter().find(|key| key.tag == Tag::STUDY_INSTANCE_UID);
        let study = study.map_or("", |key| &key.value);
        let is_listing = query.level != Level::Study;
        let refuses_all = state.manner.refuses_all == RefusesAll::Yes;
        if refuses_all || (is_listing && state.manner.refuses.contains(study)) {
            return Err(MemberError::Refused { operation: "C-FIND", status: Status(0xC001) });
        }
        if is_listing && state.manner.dies_of.contains(study) {
            return Err(lost());
        }
        let mut answers = all(&state.catalogue, query);
        if study.is_empty() {
            let is_hidden = |(tag, value): &(Tag, String)| {
                *tag == Tag::STUDY_INSTANCE_UID && state.manner.hides.contains(value)
            };
            answers.retain(|answer| !answer.attributes.iter().any(is_hidden));
        } else if query.level == Level::Study {
            state.named += 1;
            if state.manner.forgets_after.is_some_and(|after| state.named > after) {
                answers.clear();
            }
        }
        let mut ended = None;
        match query.level {
            Level::Image => ended = state.manner.of_instances(&state.catalogue, query, &mut answers),
            Level::Study => state.manner.says_of(&mut answers),
            Level::Patient | Level::Series => {}
        }
        if state.manner.hides_beyond.is_some_and(|most| answers.len() > most) {
            answers.clear();
        }
        answers.truncate(state.manner.cap.unwrap_or(usize::MAX));
        for answer in &mut answers {
            answer.attributes.retain(|(tag, _)| !state.manner.without.contains(tag));
        }
        let whole = if answers.len() > most { Wholeness::Cut } else { Wholeness::All };
        answers.truncate(most);
        Ok(Answered { answers, whole: ended.unwrap_or(whole) })
    }
}

impl Manner {
    fn says_of(&self, answers: &mut [Answer]) {
        let Some(says) = self.says else { return };
        for answer in answers {
            answer.attributes.retain(|(tag, _)| *tag != Tag::STUDY_RELATED_INSTANCES);
            answer.attributes.push((Tag::STUDY_RELATED_INSTANCES, says.to_string()));
        }
    }

    /// Leaves instances out, or what it answers to who names them; how it ends, if not as it does else.
    fn of_instances(
        &self,
        catalogue: &MemoryCatalogue,
        query: &Query,
        answers: &mut Vec<Answer>,
    ) -> Option<Wholeness> {
        let omitted = |answer: &Answer| {
            let is_one = |uid: &str| self.omits.iter().any(|omitted| omitted.as_str() == uid);
            answer.attributes.iter().any(|(tag, value)| *tag == Tag::SOP_INSTANCE_UID && is_one(value))
        };
        let is_named = query.keys.iter().any(|key| key.tag == Tag::SOP_INSTANCE_UID && !key.value.is_empty());
        if !is_named {
            answers.retain(|answer| !omitted(answer));
            return None;
        }
        if self.named == Named::Nothing {
            answers.clear();
        }
        if !answers.iter().any(omitted) || self.named == Named::Found {
            return None;
        }
        answers.clear();
        if self.named == Named::EndsInFailure {
            return Some(Wholeness::Ended(Status(0xC001)));
        }
        let mut all_of_series = query.clone();
        all_of_series.keys.retain(|key| key.tag != Tag::SOP_INSTANCE_UID);
        all_of_series.keys.push(QueryKey { tag: Tag::SOP_INSTANCE_UID, value: String::new() });
        answers.extend(all(catalogue, &all_of_series).into_iter().filter(|answer| !omitted(answer)));
        None
    }
}

fn all(catalogue: &MemoryCatalogue, query: &Query) -> Vec<Answer> {
    let mut found = Vec::new();
    let mut next = Some(Cursor::default());
    while let Some(after) = next {
        let page = catalogue.find(query, after, 1_000).unwrap();
        found.extend(page.items);
        next = page.next;
    }
    found
}

fn lost() -> MemberError {
    let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    MemberError::Lost { operation: "C-FIND", source: Box::new(source) }
}

/// Nothing of this is ever to be asked of a member by those who only read.
fn never<T>(what: &str) -> T {
    panic!("an audit never asks a member to {what}")
}

#[async_trait]
impl Member for Shelf {
    async fn health(&self) -> Result<(), MemberError> {
        self.ask(&[]).await.map(drop)
    }

    async fn open(&self, _needs: &[Need], _calling: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        never("store")
    }

    async fn ask(&self, _returned: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        let state = self.state();
        if state.manner.away_after.is_some_and(|after| state.questions.len() >= after) {
            let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
            return Err(MemberError::Connect(ConnectError::Network { address: "here".to_owned(), source }));
        }
        drop(state);
        Ok(Box::new(Session { shelf: self.clone(), is_open: true }))
    }

    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError> {
        Ok(BTreeSet::new())
    }

    async fn commit(
        &self,
        _transaction: &TransactionUid,
        _instances: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError> {
        never("commit")
    }
}

struct Session {
    shelf: Shelf,
    is_open: bool,
}

#[async_trait]
impl AskSession for Session {
    fn is_open(&self) -> bool {
        self.is_open
    }

    fn gives(&self, _class: &SopClassUid) -> bool {
        false
    }

    fn arrived(&self) -> Arrived {
        Arrived::default()
    }

    async fn present(&mut self, _study: &StudyUid, _series: &SeriesUid) -> Result<Found, MemberError> {
        never("show a series in this way")
    }

    async fn find(&mut self, query: &Query, most: usize) -> Result<Answered, MemberError> {
        let answered = self.shelf.answer(query, most);
        self.is_open = !matches!(answered, Err(MemberError::Lost { .. }));
        answered
    }

    async fn fetch(
        &mut self,
        _study: &StudyUid,
        _series: &SeriesUid,
        _instance: &SopInstanceUid,
        _class: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        Err(MemberError::NotFound)
    }

    async fn release(self: Box<Self>) {}
}

/// An instance as a modality would store it.
pub(crate) fn instance(study: u32, series: u32, number: u32) -> CatalogueInstance {
    let attributes = vec![
        (Tag::STUDY_DATE, format!("20{:02}{:02}{:02}", study % 20, study % 12 + 1, study % 28 + 1)),
        (Tag::STUDY_TIME, format!("{:02}3000", study % 24)),
        (Tag::ACCESSION_NUMBER, format!("A{study}")),
        (Tag::MODALITY, "CT".to_owned()),
        (Tag::PATIENT_NAME, format!("DOE^{study}")),
        (Tag::PATIENT_ID, format!("P{study}")),
        (Tag::SERIES_NUMBER, series.to_string()),
        (Tag::INSTANCE_NUMBER, number.to_string()),
    ];
    let header = InstanceHeader {
        sop_class: SopClassUid::known(CT),
        sop_instance: SopInstanceUid::new(&format!("1.2.{study}.{series}.{number}")).unwrap(),
        study: Some(StudyUid::new(&format!("1.2.{study}")).unwrap()),
        series: Some(SeriesUid::new(&format!("1.2.{study}.{series}")).unwrap()),
        attributes,
    };
    let version = Version {
        transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2.1"),
        sha256: Sha256Digest([7; 32]),
        length: 1,
        stored_at: WallTime(0),
        place: 0,
    };
    CatalogueInstance { header, issuer: None, version }
}

/// The keys of a query that are not empty.
pub(crate) fn asked(query: &Query) -> Vec<&QueryKey> {
    query.keys.iter().filter(|key| !key.value.is_empty()).collect()
}
