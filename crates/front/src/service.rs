//! What stands behind a front door: the pair, or an embedded archive.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use outrigger_model::{
    AeTitle, Answer, InstanceHeader, Level, Oddity, Origin, Query, QueryKey, QueryRoot, Requestor, Selection,
    SeriesPlace, SeriesUid, SopClassUid, SopInstanceUid, Status, StudyUid, Tag, TransactionUid,
    TransferSyntaxUid,
};
use outrigger_runtime::{BlockSource, Body, Spool};

/// Which SOP classes and transfer syntaxes are taken, as things stand now.
#[derive(Debug, Clone)]
pub struct Accepts {
    /// Transfer syntaxes in order of preference: those most required members take as they are, then those that can be transcoded losslessly for them.
    pub preferred: Vec<TransferSyntaxUid>,
    /// What happens to a syntax that is not in `preferred`.
    pub others: OtherSyntaxes,
    /// SOP classes beside storage and verification that are served: Query/Retrieve, storage commitment.
    pub services: Vec<SopClassUid>,
}

/// What happens to a transfer syntax that nobody behind the door takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OtherSyntaxes {
    /// Any whose bytes can be kept is accepted; the object then waits in suspense.
    Keep,
    /// The presentation context is refused.
    Refuse,
}

/// One object that has arrived complete, with readable UIDs.
#[derive(Debug)]
pub struct Arrival {
    /// Identifying attributes.
    pub header: InstanceHeader,
    /// What is odd about it.
    pub oddities: Vec<Oddity>,
    /// The encoding of its bytes.
    pub transfer_syntax: TransferSyntaxUid,
    /// The data set exactly as transferred.
    pub body: Body,
    /// Where it came from.
    pub origin: Origin,
}

/// How an object was taken; it is on stable storage in every case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stored {
    /// First of its SOP Instance UID.
    New,
    /// The same bytes were here already.
    Repeated,
    /// Other bytes under a SOP Instance UID that was here already; both are kept.
    NewVersion,
}

impl Stored {
    /// Its word in metrics.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Repeated => "repeated",
            Self::NewVersion => "new-version",
        }
    }
}

/// Why an object was not taken: nothing of it may be claimed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefusalKind {
    /// No room, or not soon enough: the sender shall try again.
    OutOfResources,
    /// The sender may not do this.
    NotAuthorized,
    /// The SOP class is not taken.
    ClassNotSupported,
    /// The instance was rejected earlier and may not come back.
    Rejected,
    /// Something of ours failed.
    Failed,
}

/// A refused store.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct StoreRefusal {
    /// What kind.
    pub kind: RefusalKind,
    /// In words, for the error comment and the log.
    pub text: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// A query or a retrieval that cannot be answered.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct FindRefusal {
    /// The status that says so (PS3.4 tables C.4-1 to C.4-3).
    pub status: Status,
    /// In words.
    pub text: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// The status inside of a refusal that ends an answer which is not whole; no peer sees it (PS3.4 table C.4-1 has no warning).
const INCOMPLETE: Status = Status(0xB001);
/// The same where nothing was found and the catalogue knows what the members held: no failure for anybody.
const UNSURE: Status = Status(0xB002);

impl FindRefusal {
    /// What ends an answer that is good as far as it goes, where more may be missing; `text` says what.
    pub fn incomplete(text: String, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { status: INCOMPLETE, text, source }
    }

    /// What ends an answer without matches that is good by all that is known, where something may have come to whom `text` names.
    pub fn unsure(text: String, source: Option<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self { status: UNSURE, text, source }
    }

    /// Whether the answers before it stand, and more may be missing.
    pub fn is_incomplete(&self) -> bool {
        [INCOMPLETE, UNSURE].contains(&self.status)
    }

    /// Whether it [is incomplete](Self::is_incomplete), and that is no failure for anybody.
    pub fn is_unsure(&self) -> bool {
        self.status == UNSURE
    }
}

/// An instance that can be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Retrievable {
    /// SOP Class UID.
    pub sop_class: SopClassUid,
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
    /// Study Instance UID, where it stands in a study.
    pub study: Option<StudyUid>,
    /// Series Instance UID, where it stands in a series.
    pub series: Option<SeriesUid>,
    /// The encoding it is kept in.
    pub transfer_syntax: TransferSyntaxUid,
    /// Length of the data set in bytes.
    pub length: u64,
    /// Where the service keeps it.
    pub place: String,
}

/// The patient of a study.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StudyPatient {
    /// Patient ID.
    pub id: Option<String>,
    /// Patient's Name.
    pub name: Option<String>,
}

impl StudyPatient {
    /// What a catalogue is asked for the patient of a study.
    pub fn query(study: &StudyUid) -> Query {
        let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
        let keys = vec![
            key(Tag::STUDY_INSTANCE_UID, study.as_str()),
            key(Tag::PATIENT_ID, ""),
            key(Tag::PATIENT_NAME, ""),
        ];
        Query::new(QueryRoot::Study, Level::Study, keys)
    }

    /// The patient that an answer to [`query`](Self::query) names.
    pub fn named(answer: &Answer) -> Self {
        let value = |tag| answer.value(tag).filter(|value| !value.is_empty()).map(str::to_owned);
        Self { id: value(Tag::PATIENT_ID), name: value(Tag::PATIENT_NAME) }
    }
}

/// The bytes of an instance.
#[derive(Debug, Clone)]
pub struct Opened {
    /// The encoding they could be had in, which need not be the one that was planned.
    pub transfer_syntax: TransferSyntaxUid,
    /// The data set.
    pub bytes: Arc<dyn BlockSource>,
    /// What says that they are the version that was planned.
    pub provenance: Provenance,
}

/// What says that the bytes of an instance are the version that was planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Provenance {
    /// Their digest, or their content.
    Proven,
    /// The word of one keeper alone, which gave other bytes than were accepted.
    Unproven {
        /// Who it is.
        keeper: String,
    },
}

/// A request for storage commitment (PS3.4 Annex J, PS3.18 section 13).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitRequest {
    /// Transaction UID (0008,1195).
    pub transaction: TransactionUid,
    /// Who asks: an AE title is told the result, a client of the web comes for it.
    pub requestor: Requestor,
    /// The AE title of ours that it asks.
    pub called: AeTitle,
    /// What is to be committed.
    pub instances: Vec<(SopClassUid, SopInstanceUid)>,
    /// The series that they are named in, where they are named by study (PS3.18 table J.1-1): so is then the result.
    pub places: BTreeMap<SopInstanceUid, SeriesPlace>,
}

/// What a request for storage commitment ends with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitResult {
    /// Transaction UID (0008,1195).
    pub transaction: TransactionUid,
    /// Who asked.
    pub requestor: Requestor,
    /// Whom it asked; what is committed can be retrieved there.
    pub called: AeTitle,
    /// What is committed.
    pub committed: Vec<(SopClassUid, SopInstanceUid)>,
    /// What is not, each with its Failure Reason (PS3.3 section C.14.1.1).
    pub failed: Vec<((SopClassUid, SopInstanceUid), u16)>,
    /// The series that the request named them in.
    pub places: BTreeMap<SopInstanceUid, SeriesPlace>,
}

/// How a request for storage commitment was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Committing {
    /// It is kept over restarts, and reported by whoever keeps it, or there to be looked at.
    Kept,
    /// It is decided, and to be reported by the front door.
    Decided(CommitResult),
}

/// A request for storage commitment that is not taken.
#[derive(Debug, thiserror::Error)]
#[error("{text}")]
pub struct CommitRefusal {
    /// The status that says so.
    pub status: Status,
    /// In words.
    pub text: String,
    /// The cause.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

/// What stands behind a front door.
#[async_trait]
pub trait Service: Send + Sync + 'static {
    /// Which SOP classes and transfer syntaxes are taken now, asked at each association.
    fn accepts(&self) -> Accepts;

    /// Where an arriving object streams to when it is too large for memory.
    fn spool(&self) -> Spool;

    /// Takes an object; success means that it is on stable storage.
    async fn accept(&self, arrival: Arrival) -> Result<Stored, StoreRefusal>;

    /// Answers a query; answers come in a bounded channel and stop when its receiver is dropped. The last item may be a refusal that
    /// [is incomplete](FindRefusal::is_incomplete): what came before it stands.
    async fn find(
        &self,
        query: Query,
    ) -> Result<tokio::sync::mpsc::Receiver<Result<Answer, FindRefusal>>, FindRefusal>;

    /// Lists the instances of a selection, each once.
    async fn plan(&self, selection: Selection) -> Result<Vec<Retrievable>, FindRefusal>;

    /// How many instances members say they have of a selection beside those planned, and do not list, so that nobody can ask for them.
    async fn unlisted(&self, _selection: &Selection, _planned: &[Retrievable]) -> Result<u64, FindRefusal> {
        Ok(0)
    }

    /// Whose a study is, as far as it is known here; nobody else is asked.
    async fn patient_of(&self, _study: &StudyUid) -> Option<StudyPatient> {
        None
    }

    /// Opens the bytes of an instance.
    async fn open(&self, instance: &Retrievable) -> Result<Opened, FindRefusal>;

    /// The service for one retrieval, whose instances are then opened in about this order: who gives many of them at once can be asked
    /// for them together. `None` where that is the same as opening each by itself.
    fn retrieving(&self, _instances: &[Retrievable]) -> Option<Arc<dyn Service>> {
        None
    }

    /// Opens the bytes of an instance from somebody else: those that [`open`](Self::open) gave turned out not to be readable.
    async fn open_elsewhere(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        let text = format!("nobody else here has {}", instance.sop_instance);
        Err(FindRefusal { status: Status::CANNOT_PERFORM_SUBOPERATIONS, text, source: None })
    }

    /// Takes a request for storage commitment; asked only where [`Accepts::services`] names it.
    async fn commit(&self, request: CommitRequest) -> Result<Committing, CommitRefusal> {
        let text = format!("transaction {}: storage commitment is not served here", request.transaction);
        Err(CommitRefusal { status: Status::SOP_CLASS_NOT_SUPPORTED, text, source: None })
    }

    /// How a request stands that this requestor made before; `None` where none is known of its.
    async fn commitment(
        &self,
        _requestor: &Requestor,
        _transaction: &TransactionUid,
    ) -> Result<Option<Committing>, CommitRefusal> {
        Ok(None)
    }
}
