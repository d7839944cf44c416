//! A service that gives what lies on it, fails where it is told to, and a door before it.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use outrigger_dataset::phantom::Phantom;
use outrigger_dataset::transcode::transcode;
use outrigger_front::{
    Accepts, Access, Arrival, AuditEvent, FindRefusal, Limits, Listening, Opened, Origins, OtherSyntaxes,
    Outbox, Provenance, Quarantine, RefusalEvent, Retrievable, Service, StoreRefusal, Stored, StudyPatient,
    WebFront, WebOptions, WebServer, WebTimers,
};
use outrigger_model::{AeTitle, Answer, Query, Selection, Status, StudyUid, Tag, TransferSyntaxUid};
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::net::Tcp;
use outrigger_runtime::{
    BlockError, BlockSource, Clock, Random, RealDisk, Shutdown, ShutdownGuard, Spool, Threads,
};
use tokio::sync::mpsc;

use crate::shelf::Scratched;

/// One object.
#[derive(Debug, Clone)]
pub(crate) struct Lying {
    pub(crate) phantom: Phantom,
    pub(crate) transfer_syntax: TransferSyntaxUid,
    pub(crate) bytes: Bytes,
    pub(crate) state: State,
}

/// What becomes of who takes it. The second block is the only one of a small object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It is there.
    There,
    /// Nobody gives it.
    Gone,
    /// Its second block cannot be read, and nobody else has it.
    Damaged,
    /// Its second block cannot be read, and somebody else has the same bytes.
    DamagedHere,
    /// Its second block cannot be read, and somebody else has it in another transfer syntax.
    OtherElsewhere,
    /// Its second block cannot be read, nor that of anybody else.
    DamagedEverywhere,
    /// Its first block can be read once, and somebody else has the same bytes.
    OnceHere,
    /// One keeper alone vouches for it.
    Unproven,
    /// Its blocks but the first take a while to be read by who begins anew.
    Slow,
    /// The keeper who alone has it answers nothing; it is waited for once in a retrieval.
    Silent,
}

/// How long is waited for a keeper who answers nothing.
pub(crate) const SILENCE: Duration = Duration::from_millis(500);

impl Lying {
    /// A phantom as it is.
    pub(crate) fn of(phantom: Phantom) -> Self {
        let (transfer_syntax, bytes) = (phantom.transfer_syntax.clone(), phantom.data_set.clone());
        Self { phantom, transfer_syntax, bytes, state: State::There }
    }

    /// A phantom in another transfer syntax.
    pub(crate) fn transcoded(phantom: Phantom, to: &str) -> Self {
        let to = TransferSyntaxUid::new(to).unwrap();
        let bytes = transcode(phantom.data_set.clone(), &phantom.transfer_syntax, &to).unwrap().into();
        Self { phantom, transfer_syntax: to, bytes, state: State::There }
    }

    pub(crate) fn but(self, state: State) -> Self {
        Self { state, ..self }
    }

    /// Its path below the base of the service.
    pub(crate) fn path(&self) -> String {
        let header = &self.phantom.header;
        let (study, series) = (header.study.as_ref().unwrap(), header.series.as_ref().unwrap());
        format!("/studies/{study}/series/{series}/instances/{}", header.sop_instance)
    }

    /// The path of its study.
    pub(crate) fn study(&self) -> String {
        format!("/studies/{}", self.phantom.header.study.as_ref().unwrap())
    }
}

/// A rack of objects; clones share it.
#[derive(Clone)]
pub(crate) struct Rack {
    spool: Spool,
    objects: Arc<Mutex<Vec<Lying>>>,
    readers: Arc<Readers>,
    /// Whether it was found in this retrieval that a keeper answers nothing.
    retrieval: Option<Arc<AtomicBool>>,
}

/// Who reads slow objects.
#[derive(Debug, Default)]
pub(crate) struct Readers {
    now: AtomicUsize,
    most: AtomicUsize,
}

impl Readers {
    /// How many read at once, at most.
    pub(crate) fn most(&self) -> usize {
        self.most.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Service for Rack {
    fn accepts(&self) -> Accepts {
        Accepts { preferred: Vec::new(), others: OtherSyntaxes::Refuse, services: Vec::new() }
    }

    fn spool(&self) -> Spool {
        self.spool.clone()
    }

    async fn accept(&self, _: Arrival) -> Result<Stored, StoreRefusal> {
        panic!("nothing is stored here");
    }

    async fn find(&self, _: Query) -> Result<mpsc::Receiver<Result<Answer, FindRefusal>>, FindRefusal> {
        panic!("nothing is asked here");
    }

    async fn plan(&self, selection: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
        let is_selected = |lying: &Lying| {
            let header = &lying.phantom.header;
            match &selection {
                Selection::Studies(studies) => {
                    studies.iter().any(|study| header.study.as_ref() == Some(study))
                }
                Selection::Series { series, .. } => {
                    series.iter().any(|series| header.series.as_ref() == Some(series))
                }
                Selection::Instances { instances, .. } => instances.contains(&header.sop_instance),
                Selection::Patient { .. } => panic!("DICOMweb selects no patients"),
            }
        };
        let objects = self.objects.lock().unwrap();
        let found = objects.iter().enumerate().filter(|(_, lying)| is_selected(lying));
        let retrievable = |(place, lying): (usize, &Lying)| Retrievable {
            sop_class: lying.phantom.header.sop_class.clone(),
            sop_instance: lying.phantom.header.sop_instance.clone(),
            study: lying.phantom.header.study.clone(),
            series: lying.phantom.header.series.clone(),
            transfer_syntax: lying.transfer_syntax.clone(),
            length: lying.bytes.len() as u64,
            place: place.to_string(),
        };
        Ok(found.map(retrievable).collect())
    }

    async fn patient_of(&self, study: &StudyUid) -> Option<StudyPatient> {
        let objects = self.objects.lock().unwrap();
        let header =
            &objects.iter().find(|lying| lying.phantom.header.study.as_ref() == Some(study))?.phantom.header;
        let value = |tag| header.attribute(tag).map(str::to_owned);
        Some(StudyPatient { id: value(Tag::PATIENT_ID), name: value(Tag::PATIENT_NAME) })
    }

    async fn open(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        let place: usize = instance.place.parse().unwrap();
        let Lying { transfer_syntax, bytes, state, .. } = self.objects.lock().unwrap()[place].clone();
        let status = Status::CANNOT_PERFORM_SUBOPERATIONS;
        let source: Arc<dyn BlockSource> = match state {
            State::Gone => return Err(FindRefusal { status, text: "nobody has it".into(), source: None }),
            State::Damaged | State::DamagedHere | State::OtherElsewhere | State::DamagedEverywhere => {
                Arc::new(scratched(bytes))
            }
            State::OnceHere => Arc::new(Once { bytes, is_read: AtomicBool::new(false) }),
            State::There | State::Unproven => Arc::new(bytes),
            State::Slow => {
                Arc::new(Slow { bytes, readers: Arc::clone(&self.readers), beginnings: AtomicUsize::new(0) })
            }
            State::Silent => {
                let is_known = self.retrieval.as_ref().is_some_and(|known| known.load(Ordering::SeqCst));
                if !is_known {
                    tokio::time::sleep(SILENCE).await;
                    self.retrieval.iter().for_each(|known| known.store(true, Ordering::SeqCst));
                }
                return Err(FindRefusal { status, text: "it was left alone".into(), source: None });
            }
        };
        let provenance = match state {
            State::Unproven => Provenance::Unproven { keeper: "one".to_owned() },
            _ => Provenance::Proven,
        };
        Ok(Opened { transfer_syntax, bytes: source, provenance })
    }

    fn retrieving(&self, _: &[Retrievable]) -> Option<Arc<dyn Service>> {
        Some(Arc::new(Self { retrieval: Some(Arc::default()), ..self.clone() }))
    }

    async fn open_elsewhere(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        let place: usize = instance.place.parse().unwrap();
        let Lying { transfer_syntax, bytes, state, .. } = self.objects.lock().unwrap()[place].clone();
        let provenance = Provenance::Proven;
        match state {
            State::DamagedHere | State::OnceHere => {
                Ok(Opened { transfer_syntax, bytes: Arc::new(bytes), provenance })
            }
            State::DamagedEverywhere => {
                Ok(Opened { transfer_syntax, bytes: Arc::new(scratched(bytes)), provenance })
            }
            State::OtherElsewhere => {
                let to = TransferSyntaxUid::new(super::RLE).unwrap();
                let packed: Bytes = transcode(bytes, &transfer_syntax, &to).unwrap().into();
                Ok(Opened { transfer_syntax: to, bytes: Arc::new(packed), provenance })
            }
            _ => {
                let status = Status::CANNOT_PERFORM_SUBOPERATIONS;
                Err(FindRefusal { status, text: "nobody else has it".into(), source: None })
            }
        }
    }
}

fn scratched(bytes: Bytes) -> Scratched {
    Scratched { block: u64::from(bytes.len() > BLOCK_BYTES), bytes }
}

/// Bytes of which the first block can be read once.
#[derive(Debug)]
struct Once {
    bytes: Bytes,
    is_read: AtomicBool,
}

impl BlockSource for Once {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        if index == 0 && self.is_read.swap(true, Ordering::SeqCst) {
            return Err(BlockError::Damaged { what: "the object".to_owned(), index, found: 1, written: 2 });
        }
        self.bytes.read_block(index)
    }
}

/// Bytes whose blocks but the first take a while to be read once the first was read again: objects are read once to see that they
/// are sound, and looked over for a moment before much room is taken for it.
#[derive(Debug)]
struct Slow {
    bytes: Bytes,
    readers: Arc<Readers>,
    beginnings: AtomicUsize,
}

impl BlockSource for Slow {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        if index == 0 {
            self.beginnings.fetch_add(1, Ordering::SeqCst);
        } else if self.beginnings.load(Ordering::SeqCst) > 1 {
            let now = self.readers.now.fetch_add(1, Ordering::SeqCst) + 1;
            self.readers.most.fetch_max(now, Ordering::SeqCst);
            std::thread::sleep(Duration::from_millis(100));
            self.readers.now.fetch_sub(1, Ordering::SeqCst);
        }
        self.bytes.read_block(index)
    }
}

/// A web door before a rack.
pub(crate) struct Counter {
    pub(crate) readers: Arc<Readers>,
    pub(crate) listening: Listening,
    pub(crate) audit: mpsc::Receiver<AuditEvent>,
    _refusals: mpsc::Receiver<RefusalEvent>,
    _guard: ShutdownGuard,
    _directory: tempfile::TempDir,
}

impl Counter {
    pub(crate) async fn with(server: WebServer, objects: &[Lying]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let readers = Arc::<Readers>::default();
        let rack = Rack {
            spool: spool(directory.path()),
            objects: Arc::new(Mutex::new(objects.to_vec())),
            readers: Arc::clone(&readers),
            retrieval: None,
        };
        let (audit_box, audit) = Outbox::new("audit");
        let (refusal_box, refusals) = Outbox::new("refusal");
        let front = WebFront {
            service: Arc::new(rack),
            net: Arc::new(Tcp),
            clock: Clock::System,
            threads: Threads::System,
            quarantine: Quarantine {
                disk: Arc::new(RealDisk),
                directory: directory.path().to_owned(),
                threads: Threads::System,
                bytes_max: 1 << 20,
                files_max: 1,
            },
            refusals: refusal_box,
            audit: audit_box,
            connections: Arc::default(),
            viewer: None,
            renewed: tokio::sync::watch::channel(std::collections::BTreeMap::new()).1,
        };
        let (guard, shutdown) = Shutdown::pair();
        let listening = front.listen(options(server), shutdown).await.unwrap();
        Self { readers, listening, audit, _refusals: refusals, _guard: guard, _directory: directory }
    }
}

fn spool(directory: &Path) -> Spool {
    Spool {
        disk: Arc::new(RealDisk),
        directory: directory.into(),
        threads: Threads::System,
        random: Random::System,
        memory_bytes_max: 1 << 20,
        object_bytes_max: 1 << 28,
    }
}

fn options(server: WebServer) -> WebOptions {
    let seconds = Duration::from_secs(20);
    WebOptions {
        server,
        listen: SocketAddr::from(([127, 0, 0, 1], 0)),
        ae_title: AeTitle::new("OUTRIGGER").unwrap(),
        issuer: None,
        access: Access::Loopback,
        hosts: Vec::new(),
        origins: Origins::These(Vec::new()),
        url: None,
        limits: Limits { associations: 100, associations_per_address: 100 },
        object_bytes_max: 1 << 30,
        request_bytes_max: 1 << 30,
        timers: WebTimers { head: seconds, inactivity: seconds },
        tls: None,
    }
}
