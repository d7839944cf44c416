//! A workstation of our own: retrieves studies by C-GET and C-MOVE, and notes each object that comes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::{read_failed, write_selection};
use outrigger_dimse::negotiate::RequestorStores;
use outrigger_dimse::{
    Association, Command, DataSet, Incoming, Outcome, Priority, Proposal, ProposedContext, RoleSelection,
    Roles, Settings, SubOperations, Timers, Verdict, accept,
};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{
    AeTitle, Selection, SopClassUid, SopInstanceUid, Status, StudyUid, TransferSyntaxUid, sop_class,
};
use outrigger_runtime::net::{Net, Tcp};
use outrigger_sim::peers::Station;
use outrigger_sim::taker::takes_uncompressed;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::door::ae;
use crate::modality::Object;

/// Longest object or identifier taken here.
const BYTES_MAX: usize = 1 << 28;
/// Longest wait for the next message of a retrieval: longer than anything that is judged here.
const PATIENCE: Duration = Duration::from_secs(60);

/// How a retrieval ended, and what came.
#[derive(Debug)]
pub(crate) struct Retrieved {
    pub(crate) status: Status,
    pub(crate) counted: SubOperations,
    pub(crate) failed: Vec<SopInstanceUid>,
    pub(crate) came: Vec<Came>,
    /// The longest time in which nothing came.
    pub(crate) silent: Duration,
}

/// An object as it came.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) instance: SopInstanceUid,
    pub(crate) transfer_syntax: TransferSyntaxUid,
    pub(crate) originator: Option<(AeTitle, u16)>,
    pub(crate) bytes: Bytes,
    pub(crate) at: Instant,
}

impl Retrieved {
    /// Everything that is wrong with it, if all of these had to come, and once.
    pub(crate) fn wrong(&self, expected: &[Object]) -> Vec<String> {
        let mut wrong = Vec::new();
        let counted = SubOperations { remaining: None, ..counted(expected.len(), 0) };
        if self.status != Status::SUCCESS || self.counted != counted || !self.failed.is_empty() {
            wrong.push(format!("{} {:?} {:?}", self.status, self.counted, self.failed));
        }
        wrong.extend(self.wrong_objects(expected));
        wrong
    }

    /// What came and was not to come, or came twice or altered, and what did not come.
    pub(crate) fn wrong_objects(&self, expected: &[Object]) -> Vec<String> {
        wrong_objects(&self.came, expected)
    }
}

/// What came and was not to come, or came twice or altered, and what did not come.
pub(crate) fn wrong_objects(objects: &[Came], expected: &[Object]) -> Vec<String> {
    let mut came: BTreeMap<&SopInstanceUid, Vec<&Came>> = BTreeMap::new();
    for object in objects {
        came.entry(&object.instance).or_default().push(object);
    }
    let mut wrong = Vec::new();
    for object in expected {
        let uid = &object.header.sop_instance;
        match came.remove(uid).as_deref() {
            Some([one]) if one.bytes == object.bytes && one.transfer_syntax == object.transfer_syntax => {}
            Some([one]) => wrong.push(format!("{uid} came in other bytes, in {}", one.transfer_syntax)),
            Some(several) => wrong.push(format!("{uid} came {} times", several.len())),
            None => wrong.push(format!("{uid} did not come")),
        }
    }
    wrong.extend(came.keys().map(|uid| format!("{uid} was not asked for")));
    wrong
}

/// The longest time in which nothing came, of those that ended after a moment.
pub(crate) fn silent_since(came: &[Came], moment: Instant) -> Duration {
    let times = came.iter().zip(came.iter().skip(1));
    let after = times.filter(|(_, after)| after.at >= moment);
    after.map(|(before, after)| after.at - before.at).max().unwrap_or_default()
}

/// Counters of so many instances; what 16 bits cannot hold stays at their end.
pub(crate) fn counted(completed: usize, failed: usize) -> SubOperations {
    let held = |count| Some(u16::try_from(count).unwrap_or(u16::MAX));
    SubOperations { remaining: None, completed: held(completed), failed: held(failed), warning: Some(0) }
}

fn study(objects: &[Object]) -> StudyUid {
    objects[0].header.study.clone().unwrap()
}

/// How far a retrieval is, for those who interfere.
pub(crate) type Progress = watch::Sender<usize>;

fn settings() -> Settings {
    let timers = Timers { response: PATIENCE, inactivity: PATIENCE, ..Timers::STANDARD };
    Settings { timers, ..Settings::STANDARD }
}

async fn called(door: &Station, contexts: Vec<ProposedContext>, roles: Vec<RoleSelection>) -> Association {
    let stream = Tcp.connect(&door.address().to_string()).await.unwrap();
    let proposal = Proposal { calling: ae("WS1"), called: door.ae_title.clone(), contexts, roles };
    outrigger_dimse::request(stream, &settings(), proposal).await.unwrap()
}

fn context(id: u8, class: &SopClassUid, syntaxes: &[TransferSyntaxUid]) -> ProposedContext {
    ProposedContext { id, abstract_syntax: class.clone(), transfer_syntaxes: syntaxes.to_vec() }
}

fn explicit() -> [TransferSyntaxUid; 1] {
    [TransferSyntaxUid::known(EXPLICIT_VR_LE)]
}

/// Retrieves the study of these objects by C-GET.
pub(crate) async fn get(door: &Station, objects: &[Object], progress: &Progress) -> Retrieved {
    let root = SopClassUid::known(sop_class::STUDY_ROOT_GET);
    let mut classes: Vec<_> = objects.iter().map(|object| object.header.sop_class.clone()).collect();
    classes.sort();
    classes.dedup();
    let mut contexts = vec![context(1, &root, &explicit())];
    let ids = (3..).step_by(2);
    contexts.extend(classes.iter().zip(ids).map(|(class, id)| context(id, class, &explicit())));
    let receiver = Roles { scu: false, scp: true };
    let roles = classes.into_iter().map(|sop_class| RoleSelection { sop_class, roles: receiver }).collect();
    let mut association = called(door, contexts, roles).await;
    let request = Command::CGetRq { message_id: 5, sop_class: root, priority: Priority::Medium };
    ask(&mut association, &request, objects).await;
    let began = Instant::now();
    let mut came = Vec::new();
    let (status, counted, failed) = loop {
        let Incoming::Message { context, command, data_set } = association.receive().await.unwrap() else {
            panic!("a release in the middle of a retrieval");
        };
        match command {
            Command::CStoreRq { message_id, sop_class, sop_instance, move_originator, .. } => {
                let bytes = association.data_set(BYTES_MAX).await.unwrap();
                let transfer_syntax = association.context(context).unwrap().transfer_syntax.clone();
                let (instance, at) = (sop_instance.clone(), Instant::now());
                came.push(Came { instance, transfer_syntax, originator: move_originator, bytes, at });
                progress.send_modify(|count| *count += 1);
                let response = stored(message_id, sop_class, sop_instance);
                association.send(context, &response).await.unwrap();
            }
            other => {
                if let Some(ended) = ended(&mut association, other, data_set).await {
                    break ended;
                }
            }
        }
    };
    let silent = longest(began, &came);
    association.release().await.unwrap();
    Retrieved { status, counted, failed, came, silent }
}

fn stored(message_id: u16, sop_class: SopClassUid, sop_instance: SopInstanceUid) -> Command {
    let (sop_class, sop_instance) = (Some(sop_class), Some(sop_instance));
    Command::CStoreRsp { message_id, sop_class, sop_instance, outcome: Outcome::of(Status::SUCCESS) }
}

async fn ask(association: &mut Association, request: &Command, objects: &[Object]) {
    let identifier = write_selection(Form::ExplicitLittle, &Selection::Studies(vec![study(objects)]));
    association.send_with(1, request, identifier.into()).await.unwrap();
}

type Ended = (Status, SubOperations, Vec<SopInstanceUid>);

/// The end of a retrieval, if a response is the last.
async fn ended(association: &mut Association, response: Command, data_set: DataSet) -> Option<Ended> {
    let (Command::CGetRsp { outcome, sub_operations, .. }
    | Command::CMoveRsp { outcome, sub_operations, .. }) = response
    else {
        panic!("{response:?}");
    };
    if outcome.status == Status::PENDING {
        return None;
    }
    let failed = match data_set {
        DataSet::Absent => Vec::new(),
        DataSet::Follows => {
            let list = association.data_set(BYTES_MAX).await.unwrap();
            read_failed(Form::ExplicitLittle, &list).unwrap()
        }
    };
    Some((outcome.status, sub_operations, failed))
}

fn longest(began: Instant, came: &[Came]) -> Duration {
    let times: Vec<Instant> = std::iter::once(began).chain(came.iter().map(|came| came.at)).collect();
    let gaps = times.iter().zip(times.iter().skip(1)).map(|(before, after)| *after - *before);
    gaps.max().unwrap_or_default()
}

/// Takes what C-MOVE sends.
pub(crate) struct Receiver {
    ae_title: AeTitle,
    address: SocketAddr,
    came: mpsc::UnboundedReceiver<Came>,
    progress: watch::Sender<usize>,
    task: JoinHandle<()>,
}

impl Receiver {
    /// Listens on a port of its own.
    pub(crate) async fn start() -> Self {
        Self::taking(&[EXPLICIT_VR_LE, IMPLICIT_VR_LE]).await
    }

    /// Takes these encodings and no others.
    pub(crate) async fn taking(syntaxes: &[&str]) -> Self {
        let listener = Tcp.listen(SocketAddr::from(([127, 0, 0, 1], 0))).await.unwrap();
        let address = listener.local_addr().unwrap();
        let mut policy = takes_uncompressed(Vec::new(), RequestorStores::Refused);
        if let Some(storage) = &mut policy.storage {
            storage.syntaxes.native =
                syntaxes.iter().map(|uid| TransferSyntaxUid::new(uid).unwrap()).collect();
        }
        let (told, came) = mpsc::unbounded_channel();
        let progress = watch::Sender::new(0);
        let counting = progress.clone();
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let verdict = Verdict::Accept(Box::new(policy.clone()));
                let (told, counting) = (told.clone(), counting.clone());
                tokio::spawn(async move {
                    let association = accept(stream, &settings(), |_| verdict).await.unwrap();
                    received(association, &told, &counting).await;
                });
            }
        });
        Self { ae_title: ae("WS1"), address, came, progress, task }
    }

    /// The same under another title.
    pub(crate) fn titled(mut self, ae_title: &str) -> Self {
        self.ae_title = ae(ae_title);
        self
    }

    /// Its table in the configuration of a front door, and that of who stores.
    pub(crate) fn table(&self) -> String {
        self.own_table() + "[[peer]]\nae_title = \"CT1\"\n"
    }

    /// Its table alone.
    pub(crate) fn own_table(&self) -> String {
        format!("[[peer]]\nae_title = \"{}\"\naddress = \"{}\"\n", self.ae_title, self.address)
    }

    /// How much came since the last retrieval began.
    pub(crate) fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Retrieves the study of these objects by C-MOVE to here.
    pub(crate) async fn move_(&mut self, door: &Station, objects: &[Object]) -> Retrieved {
        let root = SopClassUid::known(sop_class::STUDY_ROOT_MOVE);
        let mut association = called(door, vec![context(1, &root, &explicit())], Vec::new()).await;
        let (priority, destination) = (Priority::Medium, self.ae_title.clone());
        let request = Command::CMoveRq { message_id: 7, sop_class: root, priority, destination };
        ask(&mut association, &request, objects).await;
        let began = Instant::now();
        let (status, counted, failed) = loop {
            let Incoming::Message { command, data_set, .. } = association.receive().await.unwrap() else {
                panic!("a release in the middle of a retrieval");
            };
            if let Some(ended) = ended(&mut association, command, data_set).await {
                break ended;
            }
        };
        association.release().await.unwrap();
        let mut came = Vec::new();
        while let Ok(object) = self.came.try_recv() {
            came.push(object);
        }
        let silent = longest(began, &came);
        Retrieved { status, counted, failed, came, silent }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn received(
    mut association: Association,
    told: &mpsc::UnboundedSender<Came>,
    progress: &watch::Sender<usize>,
) {
    while let Ok(Incoming::Message { context, command, .. }) = association.receive().await {
        let Command::CStoreRq { message_id, sop_class, sop_instance, move_originator, .. } = command else {
            panic!("only stores are expected here");
        };
        let bytes = association.data_set(BYTES_MAX).await.unwrap();
        let transfer_syntax = association.context(context).unwrap().transfer_syntax.clone();
        let (instance, at) = (sop_instance.clone(), Instant::now());
        told.send(Came { instance, transfer_syntax, originator: move_originator, bytes, at }).unwrap();
        progress.send_modify(|count| *count += 1);
        association.send(context, &stored(message_id, sop_class, sop_instance)).await.unwrap();
    }
    // Whoever ended it otherwise than in order does not wait for this.
    drop(association.answer_release().await);
}
