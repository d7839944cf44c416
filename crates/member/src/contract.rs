//! What delivery asks of a member, whatever protocol it speaks.

use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use outrigger_model::{
    AeTitle, Answer, Query, SeriesUid, SopClassUid, SopInstanceUid, Status, StudyUid, TransactionUid,
    TransferSyntaxUid,
};
use outrigger_runtime::{BlockSource, Body};
use tokio::sync::mpsc;

use crate::arrived::Arrived;
use crate::http::HttpRefusal;

/// What a queued object needs of a connection.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Need {
    /// SOP Class UID.
    pub sop_class: SopClassUid,
    /// The encoding of the bytes.
    pub transfer_syntax: TransferSyntaxUid,
    /// Encodings it could be transcoded to losslessly, best first.
    pub alternatives: Vec<TransferSyntaxUid>,
}

/// One object on its way to a member, its bytes already in the encoding the session takes.
#[derive(Debug, Clone)]
pub struct Outgoing {
    /// SOP Class UID.
    pub sop_class: SopClassUid,
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// The encoding of `bytes`.
    pub transfer_syntax: TransferSyntaxUid,
    /// The data set.
    pub bytes: Arc<dyn BlockSource>,
}

/// A member's answer to a store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Its status.
    pub status: Status,
    /// Its error comment (0000,0902), if any.
    pub comment: Option<String>,
}

/// Why a connection to a member could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The network said no or nothing.
    #[error("no connection to {address}")]
    Network {
        /// Where.
        address: String,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The association was rejected (PS3.8 section 9.3.4).
    #[error("the association with {address} was {reason}")]
    Rejected {
        /// Where.
        address: String,
        /// Whether the rejection is permanent, and not transient.
        permanent: bool,
        /// The standard's words for source and reason.
        reason: String,
    },
}

/// Why an operation at a member failed on the way, without a status of its own.
#[derive(Debug, thiserror::Error)]
pub enum MemberError {
    /// No connection.
    #[error("it could not be reached")]
    Connect(#[source] ConnectError),
    /// The connection was lost or the peer broke the protocol; what was in flight has an unknown outcome.
    #[error("the connection was lost during {operation}")]
    Lost {
        /// What was being done.
        operation: &'static str,
        /// The cause.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// No accepted presentation context fits.
    #[error("the member accepts no presentation context for {what}")]
    NoContext {
        /// SOP class and encoding.
        what: String,
    },
    /// The member does not have the instance.
    #[error("the member does not have the instance")]
    NotFound,
    /// What the member has under the SOP Instance UID is of another SOP class, and so another object.
    #[error("the member shows this SOP Instance UID with SOP class {shown}, and it was sent with {sent}")]
    OtherClass {
        /// The class with which it shows it.
        shown: SopClassUid,
        /// The class that was asked for.
        sent: SopClassUid,
    },
    /// The member refused the operation.
    #[error("the member answered {operation} with {status} ({})", status.text())]
    Refused {
        /// What was being done.
        operation: &'static str,
        /// Its status.
        status: Status,
    },
    /// Bytes of ours could not be read.
    #[error("the object's bytes could not be read")]
    Source(#[source] outrigger_runtime::BlockError),
    /// The member cannot do this at all, whatever the object.
    #[error("the member knows no {operation}: {denial}")]
    Unable {
        /// What was asked.
        operation: &'static str,
        /// What it said to that.
        denial: Denial,
    },
    /// Its web server answered the operation with a status that is no success.
    #[error(transparent)]
    Http(Box<HttpRefusal>),
    /// An instance outside studies, which no query or retrieval of the Study Root model names (PS3.4 section C.6.2).
    #[error("an instance outside studies can be neither queried nor retrieved")]
    OutsideStudies,
}

/// How a member said that it cannot do something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Denial {
    /// It accepts no presentation context for the SOP class; a negotiation shows when it does.
    NoContext(String),
    /// It accepted one, and answered the request with a status that says so.
    Answered(Status),
    /// It took so many requests for storage commitment in a row, and reported on none.
    Unreported(u32),
    /// The protocol of the route has no such service as it is spoken here.
    NoService(&'static str),
}

impl fmt::Display for Denial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoContext(class) => write!(f, "it accepts no presentation context for {class}"),
            Self::Answered(status) => write!(f, "it answers {status} ({})", status.text()),
            Self::NoService(words) => f.write_str(words),
            Self::Unreported(1) => {
                write!(f, "it took one more request and sent no N-EVENT-REPORT, as with those before")
            }
            Self::Unreported(requests) => {
                write!(f, "it took {requests} requests in a row and sent no N-EVENT-REPORT")
            }
        }
    }
}

/// What a member may be able to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ability {
    /// To answer a C-ECHO.
    Echo,
    /// To answer an IMAGE-level query.
    Query,
    /// To commit to instances.
    Commit,
    /// To give instances back, in the way its route is set up for.
    ReadBack,
}

/// Instances of a class that are to be read back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Returned {
    /// SOP Class UID.
    pub sop_class: SopClassUid,
    /// Encodings they may come in.
    pub encodings: Vec<TransferSyntaxUid>,
}

/// An instance as a member gave it back.
#[derive(Debug)]
pub struct CameBack {
    /// SOP Class UID.
    pub sop_class: SopClassUid,
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// The encoding it came in.
    pub transfer_syntax: TransferSyntaxUid,
    /// The data set.
    pub body: Body,
}

/// What a member shows of a series.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Found {
    /// SOP Instance UIDs an IMAGE-level query gave.
    pub instances: Vec<SopInstanceUid>,
}

/// What a member answers to a query, as far as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Answered {
    /// Its matches, decoded, in its order.
    pub answers: Vec<Answer>,
    /// Whether these are all.
    pub whole: Wholeness,
}

/// Whether a member gave all it has to say to a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Wholeness {
    /// It ended with success, after fewer matches than were to be read.
    #[default]
    All,
    /// There were more than were to be read; the member was told to stop.
    Cut,
    /// It ended with a warning or a failure after some matches: what came stands, and more may be missing.
    Ended(Status),
}

/// The result of a storage commitment request (PS3.4 section J.3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitReport {
    /// Transaction UID (0008,1195) of the request.
    pub transaction: TransactionUid,
    /// Instances the member commits to.
    pub committed: Vec<SopInstanceUid>,
    /// Instances it does not commit to, with Failure Reason (0008,1197).
    pub failed: Vec<(SopInstanceUid, u16)>,
}

/// What came at once of a storage commitment request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitAnswer {
    /// The request was taken; the report comes to our listener.
    Later,
    /// The report came over the same association.
    Now(CommitReport),
}

/// An archive behind Outrigger.
#[async_trait]
pub trait Member: Send + Sync + 'static {
    /// Asks whether it is there (C-ECHO).
    async fn health(&self) -> Result<(), MemberError>;

    /// Opens a connection for storing that proposes just what is needed: of more needs than
    /// [`NEEDS_MAX`](crate::dimse::NEEDS_MAX) some may find no place in it.
    ///
    /// `calling` is the AE title to call with.
    async fn open(&self, needs: &[Need], calling: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError>;

    /// Opens a connection for questions: queries, and reading instances of these classes back.
    ///
    /// Of more classes than fit into one association the last find no place in it.
    async fn ask(&self, returned: &[Returned]) -> Result<Box<dyn AskSession>, MemberError>;

    /// Asks what it can do, by what it accepts in a negotiation; what it then answers is another matter.
    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError>;

    /// Whether it gives the instances of a series back in one answer, which costs it far less than one question for each.
    fn gives_series(&self) -> bool {
        false
    }

    /// Asks which instances of a series it shows, over a connection of its own.
    async fn present(&self, study: &StudyUid, series: &SeriesUid) -> Result<Found, MemberError> {
        let mut session = self.ask(&[]).await?;
        let found = session.present(study, series).await;
        session.release().await;
        found
    }

    /// Reads an instance back over a connection of its own, in the encoding it is kept in where the member gives that;
    /// `NotFound` where it has none.
    async fn fetch(
        &self,
        study: &StudyUid,
        series: &SeriesUid,
        instance: &SopInstanceUid,
        class: &SopClassUid,
        encodings: &[TransferSyntaxUid],
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        let returned = Returned { sop_class: class.clone(), encodings: encodings.to_vec() };
        let mut session = self.ask(std::slice::from_ref(&returned)).await?;
        let fetched = session.fetch(study, series, instance, class).await;
        session.release().await;
        fetched
    }

    /// Asks it to commit to instances (N-ACTION).
    async fn commit(
        &self,
        transaction: &TransactionUid,
        instances: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError>;
}

/// A connection on which objects are stored one after another.
#[async_trait]
pub trait StoreSession: Send {
    /// The encoding this connection takes an object in: its own, else the best alternative; `None` if neither.
    fn takes(&self, need: &Need) -> Option<TransferSyntaxUid>;

    /// Stores one object; after an error the session is of no more use.
    async fn store(&mut self, object: &Outgoing) -> Result<Reply, MemberError>;

    /// Ends the connection in good order.
    async fn release(self: Box<Self>) -> Result<(), MemberError>;
}

/// A connection over which one question is asked after another.
#[async_trait]
pub trait AskSession: Send {
    /// Whether it may still be used: after a connection was lost it may not.
    fn is_open(&self) -> bool;

    /// Whether instances of a class can be read back over it, as far as its negotiation says.
    fn gives(&self, class: &SopClassUid) -> bool;

    /// Counts what comes of the answers, so that a member that is slow is told from one that hangs.
    fn arrived(&self) -> Arrived;

    /// Asks which instances of a series the member shows.
    async fn present(&mut self, study: &StudyUid, series: &SeriesUid) -> Result<Found, MemberError>;

    /// Puts a query and reads at most so many of its matches (C-FIND, PS3.4 section C.4.1; QIDO-RS, PS3.18 section 10.6).
    ///
    /// A failure before the first match is an error.
    async fn find(&mut self, query: &Query, most: usize) -> Result<Answered, MemberError>;

    /// Reads an instance back, in the encoding it is kept in where the member gives that; `NotFound` where it has none.
    async fn fetch(
        &mut self,
        study: &StudyUid,
        series: &SeriesUid,
        instance: &SopInstanceUid,
        class: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError>;

    /// Reads the instances of a series back, in the order in which the member gives them, and hands each over when it has come
    /// whole; ends when all came, or nobody takes them any more. Asked only of members that
    /// [give series](Member::gives_series).
    async fn fetch_series(
        &mut self,
        _study: &StudyUid,
        _series: &SeriesUid,
        _taken: &mpsc::Sender<CameBack>,
    ) -> Result<(), MemberError> {
        let denial = Denial::NoService("instances are asked for one by one");
        Err(MemberError::Unable { operation: "retrieval of a series", denial })
    }

    /// Ends the connection in good order, if it can be.
    async fn release(self: Box<Self>);
}
