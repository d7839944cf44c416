//! A service that keeps objects in memory, and refuses what it is told to.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::{Bytes, BytesMut};
use outrigger_front::{
    Accepts, Arrival, CommitRefusal, CommitRequest, CommitResult, Committing, FindRefusal, Opened,
    OtherSyntaxes, Provenance, RefusalKind, Retrievable, Service, StoreRefusal, Stored,
};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{
    Answer, Query, Selection, SeriesUid, SopClassUid, SopInstanceUid, Status, TransferSyntaxUid, sop_class,
};
use outrigger_runtime::{BlockError, BlockSource, Content, Random, RealDisk, Spool, Threads};
use tokio::sync::{mpsc, watch};

use crate::destination::Gate;

/// Objects in memory, by place.
pub(crate) struct Shelf {
    spool: Spool,
    refusing: Mutex<Option<RefusalKind>>,
    /// What is opened waits until this says so; how many are waiting or were let through is counted.
    pub(crate) gate: watch::Sender<Gate>,
    pub(crate) asked: AtomicUsize,
    /// Objects by place of which a block cannot be read, and whether somebody else has them whole.
    pub(crate) scratched: Mutex<BTreeMap<usize, (u64, Elsewhere)>>,
    kept: Mutex<Vec<Kept>>,
}

/// Whether somebody else has an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Elsewhere {
    Whole,
    Nowhere,
}

/// Bytes of which one block cannot be read.
#[derive(Debug)]
pub(crate) struct Scratched {
    pub(crate) bytes: Bytes,
    pub(crate) block: u64,
}

impl BlockSource for Scratched {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        if index == self.block {
            return Err(BlockError::Damaged { what: "the object".to_owned(), index, found: 1, written: 2 });
        }
        self.bytes.read_block(index)
    }
}

/// One object.
#[derive(Clone)]
pub(crate) struct Kept {
    pub(crate) class: SopClassUid,
    pub(crate) instance: outrigger_model::SopInstanceUid,
    pub(crate) syntax: TransferSyntaxUid,
    pub(crate) origin: outrigger_model::Origin,
    pub(crate) bytes: Bytes,
    pub(crate) provenance: Provenance,
    pub(crate) series: Option<SeriesUid>,
}

impl Shelf {
    pub(crate) fn new(directory: &std::path::Path) -> Arc<Self> {
        let spool = Spool {
            disk: Arc::new(RealDisk),
            directory: directory.into(),
            threads: Threads::System,
            random: Random::System,
            memory_bytes_max: 1 << 20,
            object_bytes_max: 1 << 28,
        };
        Arc::new(Self {
            spool,
            refusing: Mutex::default(),
            gate: watch::Sender::new(Gate::Open),
            asked: AtomicUsize::new(0),
            scratched: Mutex::default(),
            kept: Mutex::default(),
        })
    }

    pub(crate) fn refuse(&self, kind: Option<RefusalKind>) {
        *self.refusing.lock().unwrap() = kind;
    }

    pub(crate) fn kept(&self) -> Vec<Kept> {
        self.kept.lock().unwrap().clone()
    }

    /// Puts an object there without the front.
    pub(crate) fn put(&self, kept: Kept) {
        self.kept.lock().unwrap().push(kept);
    }
}

fn bytes_of(content: &Content, length: u64) -> Bytes {
    match content {
        Content::Memory(pieces) => {
            let mut whole = BytesMut::new();
            for piece in pieces {
                whole.extend_from_slice(piece);
            }
            whole.freeze()
        }
        Content::File(file) => {
            let mut whole = vec![0; usize::try_from(length).unwrap()];
            file.file().read_at(&mut whole, 0).unwrap();
            whole.into()
        }
    }
}

#[async_trait]
impl Service for Shelf {
    fn accepts(&self) -> Accepts {
        let services = [
            sop_class::STUDY_ROOT_FIND,
            sop_class::STUDY_ROOT_MOVE,
            sop_class::STUDY_ROOT_GET,
            sop_class::PATIENT_ROOT_FIND,
            sop_class::STORAGE_COMMITMENT_PUSH,
        ];
        Accepts {
            preferred: [EXPLICIT_VR_LE, IMPLICIT_VR_LE].map(TransferSyntaxUid::known).to_vec(),
            others: OtherSyntaxes::Keep,
            services: services.map(SopClassUid::known).to_vec(),
        }
    }

    fn spool(&self) -> Spool {
        self.spool.clone()
    }

    async fn accept(&self, arrival: Arrival) -> Result<Stored, StoreRefusal> {
        if let Some(kind) = *self.refusing.lock().unwrap() {
            return Err(StoreRefusal { kind, text: "told to".into(), source: None });
        }
        let bytes = bytes_of(&arrival.body.content, arrival.body.length);
        assert_eq!(bytes.len() as u64, arrival.body.length);
        self.put(Kept {
            class: arrival.header.sop_class,
            instance: arrival.header.sop_instance,
            syntax: arrival.transfer_syntax,
            origin: arrival.origin,
            bytes,
            provenance: Provenance::Proven,
            series: None,
        });
        Ok(Stored::New)
    }

    async fn commit(&self, request: CommitRequest) -> Result<Committing, CommitRefusal> {
        if self.refusing.lock().unwrap().is_some() {
            return Err(CommitRefusal { status: Status(0x0131), text: "told to".into(), source: None });
        }
        let CommitRequest { transaction, requestor, called, instances, places } = request;
        let kept = self.kept();
        let has = |(class, instance): &(SopClassUid, SopInstanceUid)| {
            kept.iter().any(|kept| kept.class == *class && kept.instance == *instance)
        };
        let (committed, missing): (Vec<_>, Vec<_>) = instances.into_iter().partition(has);
        let failed = missing.into_iter().map(|pair| (pair, 0x0112)).collect();
        Ok(Committing::Decided(CommitResult { transaction, requestor, called, committed, failed, places }))
    }

    async fn find(&self, query: Query) -> Result<mpsc::Receiver<Result<Answer, FindRefusal>>, FindRefusal> {
        let (answers, receiver) = mpsc::channel(4);
        let kept = self.kept();
        tokio::spawn(async move {
            // A patient named `endless` never stops coming.
            let endless = query.keys.iter().any(|key| key.value == "endless");
            loop {
                for kept in &kept {
                    let tag = outrigger_model::Tag::SOP_INSTANCE_UID;
                    let attributes = vec![(tag, kept.instance.as_str().to_owned())];
                    if answers.send(Ok(Answer { attributes })).await.is_err() {
                        return;
                    }
                }
                if !endless {
                    return;
                }
            }
        });
        Ok(receiver)
    }

    async fn plan(&self, _: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
        let planned = self.kept().into_iter().enumerate().map(|(place, kept)| Retrievable {
            sop_class: kept.class,
            sop_instance: kept.instance,
            study: None,
            series: kept.series,
            transfer_syntax: kept.syntax,
            length: kept.bytes.len() as u64,
            place: place.to_string(),
        });
        Ok(planned.collect())
    }

    async fn open(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        let gone = || FindRefusal { status: Status::PROCESSING_FAILURE, text: "gone".into(), source: None };
        self.asked.fetch_add(1, Ordering::Relaxed);
        let mut gate = self.gate.subscribe();
        gate.wait_for(|gate| *gate == Gate::Open).await.map_err(|_| gone())?;
        let place: usize = instance.place.parse().map_err(|_| gone())?;
        let kept = self.kept.lock().unwrap().get(place).cloned().ok_or_else(gone)?;
        if kept.bytes.is_empty() {
            return Err(gone());
        }
        let Kept { syntax: transfer_syntax, bytes, provenance, .. } = kept;
        let bytes: Arc<dyn BlockSource> = match self.scratched.lock().unwrap().get(&place) {
            Some((block, _)) => Arc::new(Scratched { bytes, block: *block }),
            None => Arc::new(bytes),
        };
        Ok(Opened { transfer_syntax, bytes, provenance })
    }

    async fn open_elsewhere(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        let place: usize = instance.place.parse().unwrap();
        let Some((_, Elsewhere::Whole)) = self.scratched.lock().unwrap().get(&place).copied() else {
            return Err(FindRefusal {
                status: Status::PROCESSING_FAILURE,
                text: "gone".into(),
                source: None,
            });
        };
        let Kept { syntax: transfer_syntax, bytes, provenance, .. } = self.kept()[place].clone();
        Ok(Opened { transfer_syntax, bytes: Arc::new(bytes), provenance })
    }
}
