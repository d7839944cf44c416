//! A service that stores on a shelf and finds what it is told to.

use std::future::pending;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use outrigger_front::{
    Accepts, Arrival, CommitRefusal, CommitRequest, Committing, FindRefusal, Opened, Retrievable, Service,
    StoreRefusal, Stored,
};
use outrigger_model::{Answer, Query, Requestor, Selection, Status, Tag, TransactionUid};
use outrigger_runtime::Spool;
use tokio::sync::mpsc;

use crate::shelf::Shelf;

/// Answers, and the queries that asked for them.
pub(crate) struct Listed {
    pub(crate) shelf: Arc<Shelf>,
    pub(crate) answers: Mutex<Vec<Answer>>,
    pub(crate) queries: Mutex<Vec<Query>>,
    pub(crate) ends: Mutex<Ends>,
    /// How many who asked for what never ends are there.
    pub(crate) waiting: AtomicUsize,
    /// Requests for storage commitment that were taken.
    pub(crate) asked: Mutex<Vec<CommitRequest>>,
    /// Whether they are decided, by what is on the shelf.
    pub(crate) decides: AtomicBool,
}

/// What comes behind the answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Ends {
    #[default]
    Well,
    Failed,
    Incomplete,
    /// Neither an answer nor a commit comes.
    Never,
}

/// One who waits for what never ends.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn begin(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::SeqCst);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Ends {
    fn refusal(self) -> Option<FindRefusal> {
        match self {
            Self::Well | Self::Never => None,
            Self::Failed => {
                let status = Status::OUT_OF_RESOURCES;
                Some(FindRefusal { status, text: "nobody answers".into(), source: None })
            }
            Self::Incomplete => Some(FindRefusal::incomplete("incomplete: \"b\" is away".into(), None)),
        }
    }
}

/// A study as a query answers it.
pub(crate) fn study(number: usize, date: &str) -> Answer {
    let attributes = vec![
        (Tag::STUDY_INSTANCE_UID, format!("1.2.{number}")),
        (Tag::STUDY_DATE, date.to_owned()),
        (Tag::PATIENT_NAME, "M\u{fc}ller^J\u{f6}rg".to_owned()),
        (Tag::RETRIEVE_AE_TITLE, "SOMEBODY".to_owned()),
        (Tag(0x0008, 0x1190), "http://member/elsewhere".to_owned()),
    ];
    Answer { attributes }
}

impl Listed {
    async fn wait_where_told(&self) {
        if *self.ends.lock().unwrap() == Ends::Never {
            let _waiting = Waiting::begin(&self.waiting);
            pending::<()>().await;
        }
    }
}

#[async_trait]
impl Service for Listed {
    fn accepts(&self) -> Accepts {
        self.shelf.accepts()
    }

    fn spool(&self) -> Spool {
        self.shelf.spool()
    }

    async fn accept(&self, arrival: Arrival) -> Result<Stored, StoreRefusal> {
        self.wait_where_told().await;
        self.shelf.accept(arrival).await
    }

    async fn find(&self, query: Query) -> Result<mpsc::Receiver<Result<Answer, FindRefusal>>, FindRefusal> {
        self.queries.lock().unwrap().push(query);
        self.wait_where_told().await;
        let refusal = self.ends.lock().unwrap().refusal();
        let answers = self.answers.lock().unwrap().clone();
        let (sender, receiver) = mpsc::channel(4);
        tokio::spawn(async move {
            let all = answers.into_iter().map(Ok).chain(refusal.map(Err));
            for answer in all {
                if sender.send(answer).await.is_err() {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    async fn plan(&self, selection: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
        self.shelf.plan(selection).await
    }

    async fn open(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        self.shelf.open(instance).await
    }

    async fn commit(&self, request: CommitRequest) -> Result<Committing, CommitRefusal> {
        let (requestor, transaction) = (request.requestor.clone(), request.transaction.clone());
        let other = |asked: &CommitRequest| asked.transaction == transaction && *asked != request;
        if self.asked.lock().unwrap().iter().any(other) {
            return Err(CommitRefusal { status: Status(0x0131), text: "in use".into(), source: None });
        }
        self.asked.lock().unwrap().push(request);
        Ok(self.commitment(&requestor, &transaction).await?.unwrap())
    }

    async fn commitment(
        &self,
        requestor: &Requestor,
        transaction: &TransactionUid,
    ) -> Result<Option<Committing>, CommitRefusal> {
        let of = |asked: &&CommitRequest| asked.requestor == *requestor && asked.transaction == *transaction;
        let asked = self.asked.lock().unwrap().iter().find(of).cloned();
        match asked {
            Some(request) if self.decides.load(Ordering::SeqCst) => {
                self.shelf.commit(request).await.map(Some)
            }
            Some(_) => Ok(Some(Committing::Kept)),
            None => Ok(None),
        }
    }
}
