//! A member of the simulation: the shipped front over a small archive in memory that goes wrong as it is told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use outrigger_catalogue::{CatalogueInstance, Cursor, MemoryCatalogue, Version};
use outrigger_dataset::commitment::{Failed, InstanceRef, Report, Request};
use outrigger_front::{
    Accepts, Arrival, FindRefusal, Opened, OtherSyntaxes, Provenance, RefusalKind, Retrievable, Service,
    StoreRefusal, Stored,
};
use outrigger_model::SopClassUid;
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{
    Answer, Query, Selection, Sha256Digest, SopInstanceUid, Status, TransferSyntaxUid, WallTime, sop_class,
};
use outrigger_runtime::{BlockSource, Spool};
use tokio::sync::mpsc;

use super::events::Events;

/// How it deals with stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// Keeps the object and says so.
    Keeps,
    /// The same, after so many milliseconds.
    Slow(u64),
    /// Refuses for now: A700.
    Full,
    /// Refuses: 0110.
    Fails,
    /// Refuses for good: 0124 is a matter of its configuration, 0122 of the object's class.
    Refuses(RefusalKind),
    /// Says success, and does not have the object.
    Forgets,
}

/// What an archive says when it is asked to commit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Word {
    /// The truth.
    True,
    /// That it has everything.
    Claims,
}

/// No such object instance (PS3.3 section C.14.1.1).
const NO_SUCH_INSTANCE: u16 = 0x0112;

/// One archive, which lives through the crashes of the node; clones are the same one.
#[derive(Debug, Clone)]
pub(crate) struct Archive {
    pub(crate) name: &'static str,
    spool: Spool,
    events: Events,
    kept: Arc<Mutex<Kept>>,
}

/// An instance as an archive has it.
#[derive(Debug, Clone)]
pub(crate) struct Copy {
    pub(crate) transfer_syntax: TransferSyntaxUid,
    pub(crate) bytes: Bytes,
    pub(crate) sha256: Sha256Digest,
    instance: CatalogueInstance,
}

#[derive(Debug)]
struct Kept {
    conduct: Conduct,
    word: Word,
    /// What it has said it has, by whatever way: that it does not lose.
    affirmed: BTreeSet<SopInstanceUid>,
    /// Reports that nobody has taken yet.
    owed: Vec<Report>,
    catalogue: MemoryCatalogue,
    objects: BTreeMap<SopInstanceUid, Copy>,
    stores: u64,
}

impl Archive {
    pub(crate) fn new(name: &'static str, spool: Spool, events: Events) -> Self {
        let kept = Kept {
            conduct: Conduct::Keeps,
            word: Word::True,
            affirmed: BTreeSet::new(),
            owed: Vec::new(),
            catalogue: MemoryCatalogue::default(),
            objects: BTreeMap::new(),
            stores: 0,
        };
        Self { name, spool, events, kept: Arc::new(Mutex::new(kept)) }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Deals with stores so from now on.
    pub(crate) fn behave(&self, conduct: Conduct) {
        self.lock().conduct = conduct;
    }

    /// Answers so when it is asked to commit from now on.
    pub(crate) fn says(&self, word: Word) {
        self.lock().word = word;
    }

    /// Loses everything that it never said it has.
    pub(crate) fn loses_unaffirmed(&self) {
        let mut kept = self.lock();
        let kept = &mut *kept;
        let before = kept.objects.len();
        kept.objects.retain(|uid, _| kept.affirmed.contains(uid));
        let lost = before - kept.objects.len();
        if lost == 0 {
            return;
        }
        kept.catalogue = MemoryCatalogue::default();
        let left: Vec<_> = kept.objects.values().map(|copy| copy.instance.clone()).collect();
        kept.catalogue.put_instances(&left).unwrap();
        self.events.put(&format!("{} loses {lost}", self.name));
        self.events.count("objects lost by a member", lost as u64);
    }

    /// What it has of what it is asked to commit to.
    pub(crate) fn committed(&self, Request { transaction, instances }: Request) -> Report {
        let mut kept = self.lock();
        let has = |of: &InstanceRef| kept.word == Word::Claims || kept.objects.contains_key(&of.sop_instance);
        let (committed, missing): (Vec<_>, Vec<_>) = instances.into_iter().partition(has);
        let affirmed = committed.iter().map(|of| of.sop_instance.clone());
        kept.affirmed.extend(affirmed);
        let failed = missing.into_iter().map(|instance| Failed { instance, reason: NO_SUCH_INSTANCE });
        Report { transaction, committed, failed: failed.collect() }
    }

    /// Has a report to send, over its own restarts and the node's.
    pub(crate) fn owe(&self, report: Report) {
        self.lock().owed.push(report);
    }

    /// A report was taken.
    pub(crate) fn paid(&self, report: &Report) {
        self.lock().owed.retain(|owed| owed.transaction != report.transaction);
    }

    /// The reports it has to send.
    pub(crate) fn owed(&self) -> Vec<Report> {
        self.lock().owed.clone()
    }

    /// What it has.
    pub(crate) fn inventory(&self) -> BTreeMap<SopInstanceUid, Copy> {
        self.lock().objects.clone()
    }

    /// Whether its catalogue shows an instance.
    pub(crate) fn shows(&self, instance: &SopInstanceUid) -> bool {
        self.lock().catalogue.lookup(instance).unwrap().is_some()
    }

    fn keep(&self, arrival: Arrival, bytes: Bytes) -> Stored {
        let mut kept = self.lock();
        kept.stores += 1;
        let sha256 = Sha256Digest(arrival.body.sha256);
        let uid = arrival.header.sop_instance.clone();
        self.events.put(&format!("{} keeps {uid} {sha256}", self.name));
        let version = Version {
            transfer_syntax: arrival.transfer_syntax.clone(),
            sha256,
            length: bytes.len() as u64,
            stored_at: WallTime(0),
            place: kept.stores,
        };
        let instance = CatalogueInstance { header: arrival.header, issuer: None, version };
        kept.catalogue.put_instances(std::slice::from_ref(&instance)).unwrap();
        let transfer_syntax = arrival.transfer_syntax;
        let copy = Copy { transfer_syntax, bytes, sha256, instance };
        if kept.objects.insert(uid.clone(), copy).is_some_and(|before| before.sha256 != sha256) {
            kept.affirmed.remove(&uid);
        }
        Stored::New
    }
}

fn refused(kind: RefusalKind) -> StoreRefusal {
    StoreRefusal { kind, text: "as the seed says".to_owned(), source: None }
}

fn whole(source: &dyn BlockSource) -> Bytes {
    let mut bytes = Vec::new();
    for index in 0.. {
        let block = source.read_block(index).unwrap();
        if block.is_empty() {
            break;
        }
        bytes.extend_from_slice(&block);
    }
    bytes.into()
}

#[async_trait]
impl Service for Archive {
    fn accepts(&self) -> Accepts {
        Accepts {
            preferred: [EXPLICIT_VR_LE, IMPLICIT_VR_LE].map(TransferSyntaxUid::known).to_vec(),
            others: OtherSyntaxes::Refuse,
            services: [sop_class::STUDY_ROOT_FIND, sop_class::STUDY_ROOT_GET, sop_class::STUDY_ROOT_MOVE]
                .map(SopClassUid::known)
                .to_vec(),
        }
    }

    fn spool(&self) -> Spool {
        self.spool.clone()
    }

    async fn accept(&self, arrival: Arrival) -> Result<Stored, StoreRefusal> {
        let conduct = self.lock().conduct;
        let bytes = whole(&arrival.body);
        match conduct {
            Conduct::Keeps => Ok(self.keep(arrival, bytes)),
            Conduct::Slow(ms) => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                Ok(self.keep(arrival, bytes))
            }
            Conduct::Full => Err(refused(RefusalKind::OutOfResources)),
            Conduct::Fails => Err(refused(RefusalKind::Failed)),
            Conduct::Refuses(kind) => Err(refused(kind)),
            Conduct::Forgets => {
                self.events.put(&format!("{} forgets {}", self.name, arrival.header.sop_instance));
                Ok(Stored::New)
            }
        }
    }

    async fn find(&self, query: Query) -> Result<mpsc::Receiver<Result<Answer, FindRefusal>>, FindRefusal> {
        let mut kept = self.lock();
        let page = kept.catalogue.find(&query, Cursor::default(), usize::MAX).unwrap();
        let shown: Vec<_> = kept.objects.keys().cloned().collect();
        kept.affirmed.extend(shown);
        drop(kept);
        let (answers, taken) = mpsc::channel(page.items.len().max(1));
        for answer in page.items {
            answers.try_send(Ok(answer)).unwrap();
        }
        Ok(taken)
    }

    async fn plan(&self, selection: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
        let kept = self.lock();
        let page = kept.catalogue.select(&selection, Cursor::default(), usize::MAX).unwrap();
        let listed = page.items.into_iter().map(|located| {
            let copy = &kept.objects[&located.sop_instance];
            Retrievable {
                sop_class: located.sop_class,
                sop_instance: located.sop_instance,
                study: located.study,
                series: located.series,
                transfer_syntax: copy.transfer_syntax.clone(),
                length: copy.bytes.len() as u64,
                place: String::new(),
            }
        });
        Ok(listed.collect())
    }

    async fn open(&self, instance: &Retrievable) -> Result<Opened, FindRefusal> {
        let mut kept = self.lock();
        kept.affirmed.insert(instance.sop_instance.clone());
        match kept.objects.get(&instance.sop_instance) {
            Some(copy) => Ok(Opened {
                transfer_syntax: copy.transfer_syntax.clone(),
                bytes: Arc::new(copy.bytes.clone()),
                provenance: Provenance::Proven,
            }),
            None => Err(FindRefusal {
                status: Status::CANNOT_PERFORM_SUBOPERATIONS,
                text: "it is not here".to_owned(),
                source: None,
            }),
        }
    }
}
