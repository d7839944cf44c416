//! The archive as what stands behind a front door.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use outrigger_front::{
    Accepts, Arrival, CommitRefusal, CommitRequest, Committing, FindRefusal, Opened, OtherSyntaxes,
    Retrievable, Service, StoreRefusal, Stored, StudyPatient,
};
use outrigger_model::{
    Answer, Query, Selection, Sha256Digest, SopClassUid, StudyUid, TransferSyntaxUid, WallTime, sop_class,
    transfer_syntax, with_causes,
};
use outrigger_runtime::disk::DiskFile;
use outrigger_runtime::{Clock, Spool, Threads};
use tokio::sync::{mpsc, oneshot};

use crate::away::Away;
use crate::blob::Facts;
use crate::blobs::{Blobs, Trouble};
use crate::findings::{Finding, Findings};
use crate::reader::Reader;
use crate::recovery::Recovered;
use crate::s3::S3Options;
use crate::store::{StoreError, refusal};
use crate::writer::{Item, Message, Stopped, stop_if_lasting};
use crate::{commit, find, retrieve};

/// Where an archive is and what it takes.
#[derive(Debug, Clone)]
pub struct ArchiveOptions {
    /// Directory of the archive's own files: its lock, its spool, and the objects where they are kept as files.
    pub directory: PathBuf,
    /// Where objects are kept.
    pub keeper: Keeper,
    /// URL of the catalogue, as `outrigger_catalogue::open` takes it.
    pub catalogue: String,
    /// An object larger than this is refused, in bytes.
    pub object_bytes_max: u64,
    /// Who opens it, for whoever wants it too.
    pub holder: String,
}

/// Where an archive keeps the bytes of objects.
#[derive(Debug, Clone)]
pub enum Keeper {
    /// As files in its directory.
    Files,
    /// In an S3-compatible object store.
    S3(Box<S3Options>),
}

/// Whether an archive takes objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Good,
    /// It does not while the catalogue's database is not as it should be, and will by itself.
    Troubled {
        /// What is wrong.
        why: String,
    },
    /// It does not until it is restarted.
    Stopped {
        /// What happened.
        why: String,
    },
}

/// An archive of files and a catalogue; threads of its own write and read the catalogue.
#[derive(Debug)]
pub struct Archive {
    pub(crate) blobs: Arc<dyn Blobs>,
    pub(crate) spool: Spool,
    pub(crate) clock: Clock,
    pub(crate) threads: Threads,
    pub(crate) writer: mpsc::Sender<Message>,
    pub(crate) reader: Reader,
    pub(crate) stopped: Stopped,
    pub(crate) away: Away,
    pub(crate) recovered: Recovered,
    pub(crate) findings: Findings,
    /// Where the scrub writes down how far it is.
    pub(crate) scrub_file: PathBuf,
    /// Fire when the threads have ended; a leaf lock, taken once.
    pub(crate) ends: Mutex<Vec<oneshot::Receiver<()>>>,
    /// Held as long as the archive is open.
    pub(crate) _lock: Arc<dyn DiskFile>,
}

impl Archive {
    /// What the last start found.
    pub fn recovered(&self) -> &Recovered {
        &self.recovered
    }

    /// Whether it takes objects.
    pub fn health(&self) -> Health {
        if let Some(error) = self.stopped.get() {
            return Health::Stopped { why: with_causes(&**error) };
        }
        self.away.words().map_or(Health::Good, |why| Health::Troubled { why })
    }

    /// Objects that a scrub found not to be as they were stored, and that were not stored again since.
    pub fn findings(&self) -> Vec<Finding> {
        self.findings.all()
    }

    /// Why the keeper of the objects does not answer, while that is so; nothing has to be done here when it does again.
    pub async fn trouble(&self) -> Option<Trouble> {
        self.blobs.trouble()?;
        // It may be over by now: nobody may have stored or read since.
        let blobs = self.blobs.clone();
        if let Err(error) = self.threads.blocking("look at the keeper", move || blobs.look()).await {
            tracing::warn!(%error, "whether the keeper of the objects answers again is not known");
        }
        self.blobs.trouble()
    }

    /// Finishes what was begun and ends the threads; whatever comes later is refused.
    pub async fn close(&self) {
        if self.writer.send(Message::Stop).await.is_err() {
            tracing::debug!("the writer of the archive has ended already");
        }
        self.reader.stop().await;
        let ends = std::mem::take(&mut *self.ends.lock().unwrap_or_else(PoisonError::into_inner));
        for end in ends {
            if end.await.is_err() {
                tracing::debug!("a thread of the archive had ended before");
            }
        }
    }

    async fn store(&self, arrival: Arrival) -> Result<Stored, Arc<StoreError>> {
        if let Some(since) = self.stopped.get() {
            return Err(Arc::new(StoreError::Stopped { since: since.clone() }));
        }
        let Arrival { header, transfer_syntax, body, origin, oddities: _ } = arrival;
        let facts = Facts {
            header,
            transfer_syntax,
            sha256: Sha256Digest(body.sha256),
            length: body.length,
            stored_at: WallTime(self.clock.wall_us()),
            issuer: origin.issuer,
        };
        let blobs = self.blobs.clone();
        let written = self.threads.blocking("blob write", move || (blobs.write(&facts, body), facts)).await;
        let (pending, facts) = written.map_err(|lost| Arc::new(StoreError::Thread(lost)))?;
        let pending = pending.map_err(|error| {
            let error = Arc::new(error);
            stop_if_lasting(&self.stopped, &error);
            error
        })?;
        let sha256 = facts.sha256;
        let (answer, answered) = oneshot::channel();
        let closing = || Arc::new(StoreError::Closing);
        let item = Message::Store(Box::new(Item { facts, pending, answer }));
        self.writer.send(item).await.map_err(|_| closing())?;
        let stored = answered.await.map_err(|_| closing())??;
        self.findings.heal(&sha256);
        Ok(stored)
    }
}

#[async_trait]
impl Service for Archive {
    fn accepts(&self) -> Accepts {
        Accepts {
            preferred: PREFERRED.iter().map(|uid| TransferSyntaxUid::known(uid)).collect(),
            others: OtherSyntaxes::Keep,
            services: SERVICES.iter().map(|uid| SopClassUid::known(uid)).collect(),
        }
    }

    fn spool(&self) -> Spool {
        self.spool.clone()
    }

    async fn accept(&self, arrival: Arrival) -> Result<Stored, StoreRefusal> {
        self.store(arrival).await.map_err(refusal)
    }

    async fn find(&self, query: Query) -> Result<mpsc::Receiver<Result<Answer, FindRefusal>>, FindRefusal> {
        Ok(find::find(self.reader.clone(), query))
    }

    async fn plan(&self, selection: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
        retrieve::plan(&self.reader, selection).await
    }

    async fn patient_of(&self, study: &StudyUid) -> Option<StudyPatient> {
        retrieve::patient_of(&self.reader, study).await
    }

    async fn open(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        retrieve::open(self.blobs.clone(), self.threads, instance).await
    }

    async fn commit(&self, request: CommitRequest) -> Result<Committing, CommitRefusal> {
        commit::commit(self, request).await
    }
}

/// What every reader reads comes first; any other syntax is kept as it comes.
const PREFERRED: &[&str] = &[
    transfer_syntax::EXPLICIT_VR_LE,
    transfer_syntax::IMPLICIT_VR_LE,
    transfer_syntax::DEFLATED,
    transfer_syntax::EXPLICIT_VR_BE,
];

const SERVICES: &[&str] = &[
    sop_class::PATIENT_ROOT_FIND,
    sop_class::PATIENT_ROOT_MOVE,
    sop_class::PATIENT_ROOT_GET,
    sop_class::STUDY_ROOT_FIND,
    sop_class::STUDY_ROOT_MOVE,
    sop_class::STUDY_ROOT_GET,
    sop_class::STORAGE_COMMITMENT_PUSH,
];
