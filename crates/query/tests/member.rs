//! A member that shows what it is told to, in the way it is told to.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use outrigger_catalogue::{Held, Sieve};
use outrigger_member::{
    Ability, Answered, Arrived, AskSession, CommitAnswer, ConnectError, Found, Member, MemberError, Need,
    Returned, StoreSession, Wholeness,
};
use outrigger_model::{
    AeTitle, Answer, Query, SeriesUid, SopClassUid, SopInstanceUid, Status, StudyUid, Tag, TransactionUid,
    TransferSyntaxUid,
};
use outrigger_runtime::Body;
use tokio::time::sleep;

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Conduct {
    /// As the standard says.
    #[default]
    Well,
    /// So long after it was asked.
    After(Duration),
    /// Not at all.
    Hangs,
    /// It takes no connection.
    Away,
    /// Now it takes a connection, now it does not.
    Flaps,
    /// Each match twice.
    Twice,
    /// So many matches, and then success.
    Capped(usize),
    /// So many matches, and then this status.
    EndsWith(usize, u16),
    /// This status at once.
    Refuses(u16),
    /// Everything it has, whatever is asked.
    IgnoresKeys,
    /// So many instances in every study.
    Counts(u64),
}

/// The member; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Scripted(Arc<State>);

#[derive(Debug, Default)]
struct State {
    conduct: Mutex<Conduct>,
    shown: Mutex<Vec<Answer>>,
    connections: AtomicUsize,
    asked: AtomicUsize,
    /// Objects it was asked for, and whether it says nothing to that.
    fetched: AtomicUsize,
    withholds: AtomicBool,
    /// Being answered now, and the most of them so far.
    under_way: AtomicUsize,
    most_under_way: AtomicUsize,
}

impl Scripted {
    /// It answers so from now on.
    pub(crate) fn conduct(&self, conduct: Conduct) {
        *self.0.conduct.lock().unwrap() = conduct;
    }

    /// It shows this beside what it shows already.
    pub(crate) fn shows(&self, attributes: &[(Tag, &str)]) {
        let attributes = attributes.iter().map(|(tag, value)| (*tag, (*value).to_owned()));
        self.shown().push(Answer { attributes: attributes.collect() });
    }

    fn shown(&self) -> MutexGuard<'_, Vec<Answer>> {
        self.0.shown.lock().unwrap()
    }

    /// Queries it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.0.asked.load(Ordering::Relaxed)
    }

    /// From now on it says nothing to who asks for an object, whatever its conduct with queries.
    pub(crate) fn withholds(&self) {
        self.0.withholds.store(true, Ordering::Relaxed);
    }

    /// Objects it was asked for.
    pub(crate) fn fetched(&self) -> usize {
        self.0.fetched.load(Ordering::Relaxed)
    }

    /// Queries it is answering now, and the most at once so far.
    pub(crate) fn under_way(&self) -> (usize, usize) {
        (self.0.under_way.load(Ordering::Relaxed), self.0.most_under_way.load(Ordering::Relaxed))
    }

    fn matches(&self, query: &Query, conduct: Conduct) -> Vec<Answer> {
        let sieve = Sieve::of(query);
        let mut found = Vec::new();
        for shown in self.shown().iter() {
            if conduct != Conduct::IgnoresKeys && sieve.hold(shown) == Held::Fails {
                continue;
            }
            let mut answer = shown.clone();
            answer.attributes.retain(|(tag, _)| query.keys.iter().any(|key| key.tag == *tag));
            if let Conduct::Counts(count) = conduct {
                answer.attributes.retain(|(tag, _)| *tag != Tag::STUDY_RELATED_INSTANCES);
                answer.attributes.push((Tag::STUDY_RELATED_INSTANCES, count.to_string()));
            }
            found.extend(std::iter::repeat_n(answer, if conduct == Conduct::Twice { 2 } else { 1 }));
        }
        found
    }
}

/// Counts a query as being answered until it is dropped.
struct UnderWay(Arc<State>);

impl UnderWay {
    fn begin(state: &Arc<State>) -> Self {
        let now = state.under_way.fetch_add(1, Ordering::Relaxed) + 1;
        state.most_under_way.fetch_max(now, Ordering::Relaxed);
        Self(Arc::clone(state))
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.0.under_way.fetch_sub(1, Ordering::Relaxed);
    }
}

fn unused() -> MemberError {
    MemberError::NotFound
}

#[async_trait]
impl Member for Scripted {
    async fn health(&self) -> Result<(), MemberError> {
        Err(unused())
    }

    async fn open(&self, _: &[Need], _: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        Err(unused())
    }

    async fn ask(&self, _: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        let connection = self.0.connections.fetch_add(1, Ordering::Relaxed);
        let conduct = *self.0.conduct.lock().unwrap();
        if conduct == Conduct::Away || (conduct == Conduct::Flaps && !connection.is_multiple_of(3)) {
            let source = Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
            return Err(MemberError::Connect(ConnectError::Network { address: "a:104".to_owned(), source }));
        }
        Ok(Box::new(self.clone()))
    }

    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError> {
        Err(unused())
    }

    async fn commit(
        &self,
        _: &TransactionUid,
        _: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError> {
        Err(unused())
    }
}

#[async_trait]
impl AskSession for Scripted {
    fn is_open(&self) -> bool {
        !matches!(*self.0.conduct.lock().unwrap(), Conduct::Away | Conduct::Flaps)
    }

    fn gives(&self, _: &SopClassUid) -> bool {
        false
    }

    fn arrived(&self) -> Arrived {
        Arrived::default()
    }

    async fn present(&mut self, _: &StudyUid, _: &SeriesUid) -> Result<Found, MemberError> {
        Err(unused())
    }

    async fn find(&mut self, query: &Query, most: usize) -> Result<Answered, MemberError> {
        self.0.asked.fetch_add(1, Ordering::Relaxed);
        let _under_way = UnderWay::begin(&self.0);
        let conduct = *self.0.conduct.lock().unwrap();
        match conduct {
            Conduct::After(wait) => sleep(wait).await,
            Conduct::Hangs => pending().await,
            Conduct::Refuses(status) => {
                return Err(MemberError::Refused { operation: "C-FIND", status: Status(status) });
            }
            _ => {}
        }
        let mut answers = self.matches(query, conduct);
        let mut whole = Wholeness::All;
        match conduct {
            Conduct::Capped(cap) => answers.truncate(cap),
            Conduct::EndsWith(count, status) => {
                answers.truncate(count);
                whole = Wholeness::Ended(Status(status));
            }
            _ if answers.len() > most => {
                answers.truncate(most);
                whole = Wholeness::Cut;
            }
            _ => {}
        }
        Ok(Answered { answers, whole })
    }

    async fn fetch(
        &mut self,
        _: &StudyUid,
        _: &SeriesUid,
        _: &SopInstanceUid,
        _: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        self.0.fetched.fetch_add(1, Ordering::Relaxed);
        if self.0.withholds.load(Ordering::Relaxed) {
            pending::<()>().await;
        }
        Err(unused())
    }

    async fn release(self: Box<Self>) {}
}
