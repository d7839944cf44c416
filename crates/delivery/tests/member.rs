//! A member that can do as much as it is told, and counts what it is asked; what it is to give back it refuses, unless told.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use outrigger_member::{
    Ability, Answered, Arrived, AskSession, CommitAnswer, CommitReport, ConnectError, Denial, Found, Member,
    MemberError, Need, Outgoing, Reply, Returned, StoreSession, Wholeness,
};
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{
    AeTitle, Answer, Query, SeriesUid, SopClassUid, SopInstanceUid, Status, StudyUid, Tag, TransactionUid,
    TransferSyntaxUid,
};
use outrigger_runtime::Body;

/// What it was asked so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Asked {
    pub(crate) negotiations: usize,
    pub(crate) connections: usize,
    pub(crate) queries: usize,
    pub(crate) commitments: usize,
    pub(crate) retrievals: usize,
    pub(crate) stores: usize,
}

/// Whether it reports on storage commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Reports {
    /// In its answer.
    #[default]
    AtOnce,
    /// When it is told to, if ever.
    Later,
}

/// The member; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    can: BTreeSet<Ability>,
    shown: BTreeSet<SopInstanceUid>,
    given: BTreeMap<SopInstanceUid, (TransferSyntaxUid, Body)>,
    /// It breaks off whatever it is to give.
    is_torn: bool,
    /// What it was sent.
    stored: BTreeMap<SopInstanceUid, Bytes>,
    /// The encodings in which it was sent each, one attempt after the other.
    tried: BTreeMap<SopInstanceUid, Vec<TransferSyntaxUid>>,
    /// The status it answers stores with, if not success.
    refuses: Option<u16>,
    /// Which of them it refuses with A700.
    refuses_these: BTreeSet<SopInstanceUid>,
    /// On which of them it loses the connection.
    chokes_on: BTreeSet<SopInstanceUid>,
    /// What it finds nothing of when it is asked for it by its UIDs.
    unfound: BTreeSet<SopInstanceUid>,
    /// How long it takes to give anything back.
    hesitates: Duration,
    is_deaf: bool,
    is_gone: bool,
    reports: Reports,
    unreported: Vec<CommitReport>,
    asked: Asked,
}

impl Told {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    pub(crate) fn can(&self, can: &[Ability]) {
        self.state().can = can.iter().copied().collect();
    }

    /// It has this from now on.
    pub(crate) fn has(&self, instance: SopInstanceUid) {
        self.state().shown.insert(instance);
    }

    /// It gives this no more, whatever it shows.
    pub(crate) fn finds_nothing_of(&self, instance: &str) {
        self.state().unfound.insert(SopInstanceUid::new(instance).unwrap());
    }

    /// It refuses this for now whenever it is sent.
    pub(crate) fn refuses_this(&self, instance: &str) {
        self.state().refuses_these.insert(SopInstanceUid::new(instance).unwrap());
    }

    /// It loses the connection whenever it is sent this.
    pub(crate) fn chokes_on(&self, instance: &str) {
        self.state().chokes_on.insert(SopInstanceUid::new(instance).unwrap());
    }

    /// It answers no C-ECHO any more.
    pub(crate) fn goes_deaf(&self) {
        self.state().is_deaf = true;
    }

    /// It takes no connection any more.
    pub(crate) fn goes_away(&self) {
        let mut state = self.state();
        (state.is_deaf, state.is_gone) = (true, true);
    }

    /// It takes connections again, and answers C-ECHO.
    pub(crate) fn comes_back(&self) {
        let mut state = self.state();
        (state.is_deaf, state.is_gone) = (false, false);
    }

    /// It reports on storage commitment so from now on.
    pub(crate) fn reports(&self, reports: Reports) {
        self.state().reports = reports;
    }

    /// What it has not reported yet, oldest first.
    pub(crate) fn unreported(&self) -> Vec<CommitReport> {
        std::mem::take(&mut self.state().unreported)
    }

    /// It has this no more.
    pub(crate) fn loses(&self, instance: &SopInstanceUid) {
        self.state().shown.remove(instance);
    }

    /// It takes so long to give anything back from now on.
    pub(crate) fn hesitates(&self, time: Duration) {
        self.state().hesitates = time;
    }

    /// It gives this back, once.
    pub(crate) fn gives(&self, instance: SopInstanceUid, body: Body) {
        self.gives_in(EXPLICIT_VR_LE, instance, body);
    }

    /// It gives this back in this encoding, once.
    pub(crate) fn gives_in(&self, encoding: &'static str, instance: SopInstanceUid, body: Body) {
        self.state().given.insert(instance, (TransferSyntaxUid::known(encoding), body));
    }

    /// It breaks off whatever it is to give, or does so no more.
    pub(crate) fn is_torn(&self, is_torn: bool) {
        self.state().is_torn = is_torn;
    }

    /// It chokes on nothing any more.
    pub(crate) fn is_mended(&self) {
        self.state().chokes_on.clear();
    }

    /// The encodings in which it was sent this, one attempt after the other.
    pub(crate) fn tried(&self, instance: &str) -> Vec<TransferSyntaxUid> {
        self.state().tried.get(&SopInstanceUid::new(instance).unwrap()).cloned().unwrap_or_default()
    }

    /// The bytes it was sent of this.
    pub(crate) fn stored(&self, instance: &str) -> Option<Bytes> {
        self.state().stored.get(&SopInstanceUid::new(instance).unwrap()).cloned()
    }

    /// It answers stores with this status from now on; with none it takes them.
    pub(crate) fn refuses(&self, status: Option<u16>) {
        self.state().refuses = status;
    }

    pub(crate) fn asked(&self) -> Asked {
        self.state().asked
    }

    fn denies(&self, ability: Ability, operation: &'static str) -> Result<(), MemberError> {
        if self.state().can.contains(&ability) {
            return Ok(());
        }
        Err(MemberError::Unable { operation, denial: Denial::NoContext("1.2".to_owned()) })
    }

    fn connects(&self) -> Result<(), MemberError> {
        if !self.state().is_gone {
            return Ok(());
        }
        let source = Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
        Err(MemberError::Connect(ConnectError::Network { address: "member:104".to_owned(), source }))
    }
}

#[async_trait]
impl Member for Told {
    async fn health(&self) -> Result<(), MemberError> {
        if self.state().is_deaf { Err(lost("C-ECHO")) } else { Ok(()) }
    }

    async fn open(&self, _: &[Need], _: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        self.connects()?;
        Ok(Box::new(self.clone()))
    }

    async fn ask(&self, _: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        self.state().asked.connections += 1;
        self.connects()?;
        Ok(Box::new(self.clone()))
    }

    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError> {
        let mut state = self.state();
        state.asked.negotiations += 1;
        Ok(state.can.clone())
    }

    async fn commit(
        &self,
        transaction: &TransactionUid,
        instances: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError> {
        self.state().asked.commitments += 1;
        self.denies(Ability::Commit, "storage commitment")?;
        let committed = instances.iter().map(|(_, instance)| instance.clone()).collect();
        let report = CommitReport { transaction: transaction.clone(), committed, failed: Vec::new() };
        let mut state = self.state();
        match state.reports {
            Reports::AtOnce => Ok(CommitAnswer::Now(report)),
            Reports::Later => {
                state.unreported.push(report);
                Ok(CommitAnswer::Later)
            }
        }
    }
}

fn lost(operation: &'static str) -> MemberError {
    let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
    MemberError::Lost { operation, source: Box::new(source) }
}

#[async_trait]
impl StoreSession for Told {
    fn takes(&self, need: &Need) -> Option<TransferSyntaxUid> {
        Some(need.transfer_syntax.clone())
    }

    async fn store(&mut self, object: &Outgoing) -> Result<Reply, MemberError> {
        let mut state = self.state();
        state.asked.stores += 1;
        let bytes = object.bytes.read_block(0).map_err(MemberError::Source)?;
        state.tried.entry(object.sop_instance.clone()).or_default().push(object.transfer_syntax.clone());
        let this = state.refuses_these.contains(&object.sop_instance).then_some(0xA700);
        if let Some(status) = state.refuses.or(this) {
            return Ok(Reply { status: Status(status), comment: Some("as it was told".to_owned()) });
        }
        if state.chokes_on.contains(&object.sop_instance) {
            return Err(lost("C-STORE"));
        }
        state.stored.insert(object.sop_instance.clone(), bytes);
        state.shown.insert(object.sop_instance.clone());
        Ok(Reply { status: Status::SUCCESS, comment: None })
    }

    async fn release(self: Box<Self>) -> Result<(), MemberError> {
        Ok(())
    }
}

#[async_trait]
impl AskSession for Told {
    fn is_open(&self) -> bool {
        true
    }

    fn gives(&self, _: &SopClassUid) -> bool {
        true
    }

    fn arrived(&self) -> Arrived {
        Arrived::default()
    }

    async fn present(&mut self, _: &StudyUid, _: &SeriesUid) -> Result<Found, MemberError> {
        self.state().asked.queries += 1;
        self.denies(Ability::Query, "C-FIND")?;
        Ok(Found { instances: self.state().shown.iter().cloned().collect() })
    }

    async fn find(&mut self, _: &Query, _: usize) -> Result<Answered, MemberError> {
        self.state().asked.queries += 1;
        self.denies(Ability::Query, "C-FIND")?;
        let answer =
            |uid: &SopInstanceUid| Answer { attributes: vec![(Tag::SOP_INSTANCE_UID, uid.to_string())] };
        let answers = self.state().shown.iter().map(answer).collect();
        Ok(Answered { answers, whole: Wholeness::All })
    }

    async fn fetch(
        &mut self,
        _: &StudyUid,
        _: &SeriesUid,
        instance: &SopInstanceUid,
        _: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        self.state().asked.retrievals += 1;
        self.denies(Ability::ReadBack, "C-GET")?;
        let hesitates = self.state().hesitates;
        tokio::time::sleep(hesitates).await;
        if self.state().unfound.contains(instance) {
            return Err(MemberError::NotFound);
        }
        if self.state().is_torn {
            return Err(lost("C-GET"));
        }
        if let Some(given) = self.state().given.remove(instance) {
            return Ok(given);
        }
        Err(MemberError::Refused { operation: "C-GET", status: Status(0xA702) })
    }

    async fn release(self: Box<Self>) {}
}
