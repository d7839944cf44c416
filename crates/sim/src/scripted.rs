//! A member that does as it is told: keeps objects, or goes wrong in one of the ways archives do.

mod breaking;

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrigger_dimse::negotiate::{AcceptorPolicy, RequestorStores, Service};
use outrigger_dimse::{
    Association, AssociationError, Command, Incoming, Outcome, Rejection, Roles, Settings, Verdict, accept,
};
use outrigger_model::{AeTitle, SopClassUid, SopInstanceUid, Status, StatusClass, sop_class};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex as Turn, watch};
use tokio::task::JoinHandle;

use self::breaking::Breaking;
use crate::peers::Station;
use crate::taker::{OBJECT_BYTES_MAX, find, takes_uncompressed};

/// How a scripted member deals with stores, from the next one on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Conduct {
    /// Keeps the object and says so.
    Keeps,
    /// Answers with a status, and keeps the object if that is a warning.
    Answers(u16),
    /// Takes the object and says nothing more.
    Hangs,
    /// Resets the connection when it has read half of a PDU of the object.
    ResetsReading,
    /// Keeps the object and resets the connection when it has sent half of the PDU that says so.
    ResetsAnswering,
    /// Keeps the object and closes the connection instead of answering.
    LosesResponse,
    /// Says success, and does not have the object afterwards.
    Forgets,
    /// Rejects every association.
    Rejects(Rejection),
}

/// A running scripted member; it ends with this value.
#[derive(Debug)]
pub struct Scripted {
    station: Station,
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Debug)]
struct Shared {
    conduct: watch::Sender<Conduct>,
    /// How often each instance was kept; the lock is a leaf, held for a look.
    kept: Mutex<BTreeMap<SopInstanceUid, usize>>,
    count: watch::Sender<usize>,
    /// Instances on which it aborts the association; the lock is a leaf, held for a look.
    chokes_on: Mutex<BTreeSet<SopInstanceUid>>,
    /// Whether it aborts on C-ECHO.
    is_deaf: AtomicBool,
    /// Connections it has reset.
    resets: AtomicUsize,
    /// Held while an object is dealt with, where members share one window.
    turn: Option<Arc<Turn<()>>>,
}

impl Scripted {
    /// Starts a member that keeps what it is sent.
    pub async fn start(ae_title: &AeTitle) -> io::Result<Self> {
        Self::start_in(ae_title, None).await
    }

    /// Starts two members with one window: while one deals with an object, the other does not.
    ///
    /// This is what a healthy member beside a faulty one must never look like.
    pub async fn start_entangled(titles: [&AeTitle; 2]) -> io::Result<[Self; 2]> {
        let turn = Arc::new(Turn::new(()));
        let [one, other] = titles.map(|title| Self::start_in(title, Some(Arc::clone(&turn))));
        Ok([one.await?, other.await?])
    }

    async fn start_in(ae_title: &AeTitle, turn: Option<Arc<Turn<()>>>) -> io::Result<Self> {
        let listener = TcpListener::bind(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await?;
        let station = Station { ae_title: ae_title.clone(), port: listener.local_addr()?.port() };
        let shared = Arc::new(Shared {
            conduct: watch::Sender::new(Conduct::Keeps),
            kept: Mutex::default(),
            count: watch::Sender::new(0),
            chokes_on: Mutex::default(),
            is_deaf: AtomicBool::new(false),
            resets: AtomicUsize::new(0),
            turn,
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

    /// Behaves so from now on; what hangs goes on hanging until it is told otherwise.
    pub fn behave(&self, conduct: Conduct) {
        self.shared.conduct.send_replace(conduct);
    }

    /// Aborts the association whenever it is sent one of these, from now on.
    pub fn chokes_on(&self, instances: impl IntoIterator<Item = SopInstanceUid>) {
        self.shared.chokes_on.lock().unwrap_or_else(PoisonError::into_inner).extend(instances);
    }

    /// Aborts the association on C-ECHO too, from now on: a member that does so is not well, whatever it is sent.
    pub fn goes_deaf(&self) {
        self.shared.is_deaf.store(true, Ordering::Relaxed);
    }

    /// How often it has kept each instance.
    pub fn kept(&self) -> BTreeMap<SopInstanceUid, usize> {
        self.shared.lock().clone()
    }

    /// How many connections it has reset in the middle of a PDU.
    pub fn resets(&self) -> usize {
        self.shared.resets.load(Ordering::Relaxed)
    }

    /// Waits until it keeps so many instances.
    pub async fn keeps(&self, count: usize) {
        let mut counted = self.shared.count.subscribe();
        // The sender lives in `self`: the wait cannot fail.
        drop(counted.wait_for(|kept| *kept >= count).await);
    }
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<SopInstanceUid, usize>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, instance: &SopInstanceUid) {
        let mut kept = self.lock();
        *kept.entry(instance.clone()).or_default() += 1;
        self.count.send_replace(kept.len());
    }

    fn is_choked_by(&self, command: &Command) -> bool {
        match command {
            Command::CStoreRq { sop_instance, .. } => {
                self.chokes_on.lock().unwrap_or_else(PoisonError::into_inner).contains(sop_instance)
            }
            Command::CEchoRq { .. } => self.is_deaf.load(Ordering::Relaxed),
            _ => false,
        }
    }

    fn note_reset(&self) {
        self.resets.fetch_add(1, Ordering::Relaxed);
    }
}

async fn answer(stream: TcpStream, shared: Arc<Shared>) {
    if let Err(error) = stream.set_nodelay(true) {
        return tracing::debug!(%error, "a scripted member lost a connection at once");
    }
    let conduct = *shared.conduct.borrow();
    let stream = Box::new(Breaking::new(stream, Arc::clone(&shared)));
    let verdict = match conduct {
        Conduct::Rejects(rejection) => Verdict::Reject(rejection),
        _ => Verdict::Accept(Box::new(policy())),
    };
    let ended = match accept(stream, &Settings::STANDARD, |_| verdict).await {
        Ok(association) => serve(association, &shared).await,
        Err(error) => return tracing::debug!(%error, "a scripted member has no association"),
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "an association of a scripted member ended");
    }
}

fn policy() -> AcceptorPolicy {
    let service = |uid| Service {
        abstract_syntax: SopClassUid::known(uid),
        requestor: Roles::DEFAULT,
        extended: Vec::new().into(),
    };
    let services = vec![service(sop_class::VERIFICATION), service(sop_class::STUDY_ROOT_FIND)];
    takes_uncompressed(services, RequestorStores::Refused)
}

/// Answers message after message, until the peer or the script ends the association.
async fn serve(mut association: Association, shared: &Shared) -> Result<(), AssociationError> {
    while let Incoming::Message { context, command, .. } = association.receive().await? {
        if shared.is_choked_by(&command) {
            return association.abort().await;
        }
        let response = match command {
            Command::CStoreRq { message_id, sop_class, sop_instance, .. } => {
                let Some(outcome) = store(&mut association, shared, &sop_instance).await? else {
                    return Ok(());
                };
                let (sop_class, sop_instance) = (Some(sop_class), Some(sop_instance));
                Command::CStoreRsp { message_id, sop_class, sop_instance, outcome }
            }
            Command::CEchoRq { message_id } => {
                Command::CEchoRsp { message_id, outcome: Outcome::of(Status::SUCCESS) }
            }
            Command::CFindRq { message_id, .. } => {
                let kept = || shared.lock().keys().cloned().collect();
                find(&mut association, kept, context, message_id).await?
            }
            other => match other.refusal(Outcome::of(Status::UNRECOGNIZED_OPERATION)) {
                Some(refusal) => refusal,
                None => continue,
            },
        };
        association.send(context, &response).await?;
    }
    association.answer_release().await
}

/// Takes an object as the script has it; gives the answer, or `None` where the connection is to be dropped.
async fn store(
    association: &mut Association,
    shared: &Shared,
    instance: &SopInstanceUid,
) -> Result<Option<Outcome>, AssociationError> {
    let conduct = *shared.conduct.borrow();
    association.data_set(OBJECT_BYTES_MAX).await?;
    let _turn = match &shared.turn {
        Some(turn) => Some(turn.lock().await),
        None => None,
    };
    let status = match conduct {
        Conduct::Answers(status) => Status(status),
        Conduct::Keeps
        | Conduct::LosesResponse
        | Conduct::Forgets
        | Conduct::ResetsReading
        | Conduct::ResetsAnswering => Status::SUCCESS,
        Conduct::Rejects(_) => return Ok(None),
        Conduct::Hangs => {
            let mut told = shared.conduct.subscribe();
            tokio::select! {
                _ = told.wait_for(|conduct| *conduct != Conduct::Hangs) => {}
                // The peer gave up.
                _ = association.receive() => {}
            }
            return Ok(None);
        }
    };
    let keeps = matches!(status.class(), StatusClass::Success | StatusClass::Warning);
    if keeps && conduct != Conduct::Forgets {
        shared.keep(instance);
    }
    let answers = conduct != Conduct::LosesResponse;
    Ok(answers.then(|| Outcome::with_comment(status, "as the script says")))
}
