//! A member that keeps what it is sent, and answers questions about it only as far as it is told it can.

mod answers;
mod moving;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrigger_dimse::negotiate::{AcceptorPolicy, RequestorStores, Service};
use outrigger_dimse::{Roles, Settings, Verdict, accept};
use outrigger_model::{AeTitle, SopClassUid, SopInstanceUid, TransferSyntaxUid, sop_class};
use outrigger_runtime::net::{BoxStream, Net, Tcp};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::peers::Station;
use crate::taker::takes_uncompressed;

/// What such a member may be able to do besides storing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Can {
    /// To answer an IMAGE-level C-FIND.
    Query,
    /// To report on a storage commitment request, over the same association.
    Commit,
    /// To give instances back by C-GET.
    GiveBack,
    /// To give instances back by C-MOVE to [`Able::moves_to`].
    Move,
}

/// What it says to a service it cannot do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denies {
    /// It accepts no presentation context for it.
    InNegotiation,
    /// It accepts one, and answers requests with this status.
    With(u16),
}

/// How it gives an instance back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Gives {
    /// As it was kept.
    AsKept,
    /// With one bit of it changed.
    Altered,
    /// Without its end.
    Truncated,
    /// Another instance that it keeps, under the name of the one asked for.
    Another,
    /// Nothing, and says that it did.
    Nothing,
    /// Nothing, and says nothing.
    Hangs,
    /// By C-MOVE, after it has said that it did, and without saying for whom.
    Late,
    /// By C-MOVE, in the name of a request that nobody made.
    Misnamed,
}

/// A running member; it ends with this value.
#[derive(Debug)]
pub struct Able {
    station: Station,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    /// The locks are leaves, held for a look.
    can: Mutex<(BTreeSet<Can>, Denies)>,
    kept: Mutex<BTreeMap<SopInstanceUid, Kept>>,
    gives: Mutex<BTreeMap<SopInstanceUid, Gives>>,
    destination: Mutex<Option<Station>>,
    ae_title: AeTitle,
    count: watch::Sender<usize>,
    /// Associations in which it was asked something, by what was asked first.
    asked: AtomicUsize,
    /// Questions.
    questions: AtomicUsize,
}

/// An instance as it came.
#[derive(Debug, Clone)]
struct Kept {
    sop_class: SopClassUid,
    transfer_syntax: TransferSyntaxUid,
    bytes: Vec<u8>,
}

impl Able {
    /// Starts a member that can do this much.
    pub async fn start(ae_title: &AeTitle, can: &[Can], denies: Denies) -> io::Result<Self> {
        let listener = Tcp.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let station = Station { ae_title: ae_title.clone(), port: listener.local_addr()?.port() };
        let shared = Arc::new(Shared {
            can: Mutex::new((can.iter().copied().collect(), denies)),
            kept: Mutex::default(),
            gives: Mutex::default(),
            destination: Mutex::default(),
            ae_title: ae_title.clone(),
            count: watch::Sender::new(0),
            asked: AtomicUsize::new(0),
            questions: AtomicUsize::new(0),
        });
        let serving = Arc::clone(&shared);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(tokio::spawn(answer(stream, Arc::clone(&serving))));
            }
        });
        Ok(Self { station, shared, task })
    }

    /// Who it is, and where.
    pub fn station(&self) -> &Station {
        &self.station
    }

    /// From the next association on it can do this much.
    pub fn can(&self, can: &[Can]) {
        self.shared.abilities().0 = can.iter().copied().collect();
    }

    /// What it has.
    pub fn kept(&self) -> BTreeSet<SopInstanceUid> {
        self.shared.kept().keys().cloned().collect()
    }

    /// Gives these back so from now on, and all others as they are.
    pub fn gives(&self, gives: Gives, instances: impl IntoIterator<Item = SopInstanceUid>) {
        let given = instances.into_iter().map(|instance| (instance, gives)).collect();
        *self.shared.gives.lock().unwrap_or_else(PoisonError::into_inner) = given;
    }

    /// Sends there what it is asked to move, whatever the destination is called.
    pub fn moves_to(&self, destination: Station) {
        *self.shared.destination.lock().unwrap_or_else(PoisonError::into_inner) = Some(destination);
    }

    /// Loses everything it has.
    pub fn loses_all(&self) {
        self.shared.kept().clear();
    }

    /// Waits until it has so many instances.
    pub async fn keeps(&self, count: usize) {
        let mut counted = self.shared.count.subscribe();
        // The sender lives in `self`: the wait cannot fail.
        drop(counted.wait_for(|kept| *kept >= count).await);
    }

    /// Associations in which it was asked something, and questions in all.
    pub fn asked(&self) -> (usize, usize) {
        (self.shared.asked.load(Ordering::Relaxed), self.shared.questions.load(Ordering::Relaxed))
    }
}

impl Drop for Able {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn abilities(&self) -> MutexGuard<'_, (BTreeSet<Can>, Denies)> {
        self.can.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> MutexGuard<'_, BTreeMap<SopInstanceUid, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, instance: SopInstanceUid, kept: Kept) {
        let mut all = self.kept();
        all.insert(instance, kept);
        self.count.send_replace(all.len());
    }

    /// What it gives for an instance, and how.
    fn given(&self, instance: &SopInstanceUid) -> Option<(Gives, Kept)> {
        let gives = self.gives.lock().unwrap_or_else(PoisonError::into_inner).get(instance).copied();
        let gives = gives.unwrap_or(Gives::AsKept);
        let kept = self.kept();
        let mut given = match gives {
            Gives::Another => kept.iter().find(|(uid, _)| *uid != instance)?.1.clone(),
            _ => kept.get(instance)?.clone(),
        };
        match gives {
            Gives::Altered => *given.bytes.last_mut()? ^= 1,
            Gives::Truncated => given.bytes.truncate(given.bytes.len() / 2),
            Gives::AsKept
            | Gives::Another
            | Gives::Nothing
            | Gives::Hangs
            | Gives::Late
            | Gives::Misnamed => {}
        }
        Some((gives, given))
    }

    /// The status with which a question is denied, if it is.
    fn denied(&self, question: Can) -> Option<u16> {
        let (can, denies) = &*self.abilities();
        match denies {
            Denies::With(status) if !can.contains(&question) => Some(*status),
            Denies::With(_) | Denies::InNegotiation => None,
        }
    }
}

async fn answer(stream: BoxStream, shared: Arc<Shared>) {
    let verdict = Verdict::Accept(Box::new(policy(&shared)));
    let ended = match accept(stream, &Settings::STANDARD, |_| verdict).await {
        Ok(association) => answers::serve(association, &shared).await,
        Err(error) => return tracing::debug!(%error, "a member of a test has no association"),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an association of a member of a test ended");
    }
}

fn policy(shared: &Shared) -> AcceptorPolicy {
    let service = |uid| Service {
        abstract_syntax: SopClassUid::known(uid),
        requestor: Roles::DEFAULT,
        extended: Vec::new().into(),
    };
    let (can, denies) = &*shared.abilities();
    let classes = [
        (Can::Query, sop_class::STUDY_ROOT_FIND),
        (Can::Commit, sop_class::STORAGE_COMMITMENT_PUSH),
        (Can::GiveBack, sop_class::STUDY_ROOT_GET),
        (Can::Move, sop_class::STUDY_ROOT_MOVE),
    ];
    let accepted = classes.iter().filter(|(of, _)| can.contains(of) || matches!(denies, Denies::With(_)));
    let services = accepted.map(|(_, class)| service(class)).chain([service(sop_class::VERIFICATION)]);
    takes_uncompressed(services.collect(), RequestorStores::Allowed)
}
