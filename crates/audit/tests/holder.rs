//! A member in memory that has objects, shows and gives them, and may hide, alter or lose some, or be away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use outrigger_catalogue::{CatalogueInstance, Cursor, MemoryCatalogue, Version};
use outrigger_dataset::phantom::Phantom;
use outrigger_member::{
    Ability, Answered, Arrived, AskSession, CommitAnswer, ConnectError, Found, Member, MemberError, Need,
    Returned, StoreSession, Wholeness,
};
use outrigger_model::{
    AeTitle, Query, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid, Status, StudyUid, Tag,
    TransactionUid, TransferSyntaxUid, WallTime,
};
use outrigger_runtime::{Body, Content};
use sha2::{Digest, Sha256};
use tokio::time::Instant;

/// A question, with when it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    Find(Query),
    Present(StudyUid),
    Fetch(SopInstanceUid, u64),
}

#[derive(Default)]
struct State {
    objects: BTreeMap<SopInstanceUid, Phantom>,
    /// Says of every study that it has this description.
    description: Option<String>,
    /// Instances it gives otherwise than they are.
    altered: BTreeSet<SopInstanceUid>,
    /// Instances it leaves out of lists, and shows when asked for by name.
    unlisted: BTreeSet<SopInstanceUid>,
    is_away: bool,
    manner: Manner,
    heard: Vec<(Instant, Heard)>,
    /// Connections that were asked for, and those that are open.
    knocks: usize,
    open: usize,
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Manner {
    #[default]
    Well,
    /// Not at all.
    Silent,
    /// Queries are refused; what is in a series is shown.
    RefusesQueries,
    /// Queries end in a failure behind all that it found.
    EndsInFailure,
    /// Queries end in a failure before anything.
    FindsNothing,
    /// Each connection is ended behind so many questions, at the next one.
    Dies(usize),
}

/// The member; clones share it.
#[derive(Clone, Default)]
pub(crate) struct Holder(Arc<Mutex<State>>);

impl Holder {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn put(&self, phantom: &Phantom) {
        self.state().objects.insert(phantom.header.sop_instance.clone(), phantom.clone());
    }

    pub(crate) fn lose(&self, phantom: &Phantom) {
        self.state().objects.remove(&phantom.header.sop_instance).unwrap();
    }

    pub(crate) fn alter(&self, phantom: &Phantom) {
        self.state().altered.insert(phantom.header.sop_instance.clone());
    }

    pub(crate) fn mend(&self) {
        let mut state = self.state();
        state.altered.clear();
        state.description = None;
    }

    pub(crate) fn leave_out(&self, phantom: &Phantom) {
        self.state().unlisted.insert(phantom.header.sop_instance.clone());
    }

    pub(crate) fn describe(&self, description: &str) {
        self.state().description = Some(description.to_owned());
    }

    pub(crate) fn leave(&self) {
        self.state().is_away = true;
    }

    pub(crate) fn come_back(&self) {
        self.state().is_away = false;
    }

    pub(crate) fn answers(&self, manner: Manner) {
        self.state().manner = manner;
    }

    /// Connections that were asked for, and those that are open.
    pub(crate) fn connections(&self) -> (usize, usize) {
        let state = self.state();
        (state.knocks, state.open)
    }

    pub(crate) fn heard(&self) -> Vec<(Instant, Heard)> {
        self.state().heard.clone()
    }

    fn hear(&self, heard: Heard) -> Result<MutexGuard<'_, State>, MemberError> {
        let mut state = self.state();
        if state.is_away {
            let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
            return Err(MemberError::Lost { operation: "a question", source });
        }
        state.heard.push((Instant::now(), heard));
        Ok(state)
    }
}

impl State {
    fn find(&self, query: &Query) -> Answered {
        let mut catalogue = MemoryCatalogue::default();
        let instances: Vec<_> = self.objects.values().map(|phantom| self.instance(phantom)).collect();
        catalogue.put_instances(&instances).unwrap();
        let answers = catalogue.find(query, Cursor::default(), 1_000).unwrap().items;
        Answered { answers, whole: Wholeness::All }
    }

    fn instance(&self, phantom: &Phantom) -> CatalogueInstance {
        let mut header = phantom.header.clone();
        if let Some(description) = &self.description {
            header.attributes.retain(|(tag, _)| *tag != Tag::STUDY_DESCRIPTION);
            header.attributes.push((Tag::STUDY_DESCRIPTION, description.clone()));
        }
        let version = Version {
            transfer_syntax: phantom.transfer_syntax.clone(),
            sha256: Sha256Digest([0; 32]),
            length: 1,
            stored_at: WallTime(0),
            place: 0,
        };
        CatalogueInstance { header, issuer: None, version }
    }
}

/// Nothing of this is ever to be asked of a member by those who only read.
fn never<T>(what: &str) -> T {
    panic!("an audit never asks a member to {what}")
}

#[async_trait]
impl Member for Holder {
    async fn health(&self) -> Result<(), MemberError> {
        Ok(())
    }

    async fn open(&self, _needs: &[Need], _calling: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        never("store")
    }

    async fn ask(&self, _returned: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        self.state().knocks += 1;
        if self.state().is_away {
            let source = std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into();
            return Err(MemberError::Connect(ConnectError::Network { address: "here".to_owned(), source }));
        }
        self.state().open += 1;
        Ok(Box::new(Session { holder: self.clone(), asked: 0 }))
    }

    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError> {
        Ok(BTreeSet::new())
    }

    async fn commit(
        &self,
        _transaction: &TransactionUid,
        _instances: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError> {
        never("commit")
    }
}

struct Session {
    holder: Holder,
    asked: usize,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.holder.state().open -= 1;
    }
}

impl Session {
    /// Hears a question, as the manner is.
    async fn hear(&mut self, heard: Heard) -> Result<MutexGuard<'_, State>, MemberError> {
        let manner = self.holder.state().manner;
        self.asked += 1;
        if manner == Manner::Silent {
            std::future::pending::<()>().await;
        }
        if matches!(manner, Manner::Dies(after) if self.asked > after) {
            let source = std::io::Error::from(std::io::ErrorKind::ConnectionReset).into();
            return Err(MemberError::Lost { operation: "a question", source });
        }
        self.holder.hear(heard)
    }
}

#[async_trait]
impl AskSession for Session {
    fn is_open(&self) -> bool {
        !self.holder.state().is_away
    }

    fn gives(&self, _class: &SopClassUid) -> bool {
        true
    }

    fn arrived(&self) -> Arrived {
        Arrived::default()
    }

    async fn present(&mut self, study: &StudyUid, series: &SeriesUid) -> Result<Found, MemberError> {
        let state = self.hear(Heard::Present(study.clone())).await?;
        let of_series =
            state.objects.values().filter(|phantom| phantom.header.series.as_ref() == Some(series));
        let instances = of_series.map(|phantom| phantom.header.sop_instance.clone());
        Ok(Found { instances: instances.filter(|uid| !state.unlisted.contains(uid)).collect() })
    }

    async fn find(&mut self, query: &Query, _most: usize) -> Result<Answered, MemberError> {
        let state = self.hear(Heard::Find(query.clone())).await?;
        match state.manner {
            Manner::RefusesQueries => {
                Err(MemberError::Refused { operation: "C-FIND", status: Status(0xC001) })
            }
            Manner::EndsInFailure => {
                Ok(Answered { whole: Wholeness::Ended(Status(0xC001)), ..state.find(query) })
            }
            Manner::FindsNothing => {
                Ok(Answered { answers: Vec::new(), whole: Wholeness::Ended(Status(0xC001)) })
            }
            Manner::Well | Manner::Silent | Manner::Dies(_) => Ok(state.find(query)),
        }
    }

    async fn fetch(
        &mut self,
        _study: &StudyUid,
        _series: &SeriesUid,
        instance: &SopInstanceUid,
        _class: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        let length = {
            let state = self.holder.state();
            state.objects.get(instance).map_or(0, |phantom| phantom.data_set.len() as u64)
        };
        let state = self.hear(Heard::Fetch(instance.clone(), length)).await?;
        let phantom = state.objects.get(instance).ok_or(MemberError::NotFound)?;
        let mut bytes = phantom.data_set.to_vec();
        if state.altered.contains(instance) {
            *bytes.last_mut().unwrap() ^= 1;
        }
        Ok((phantom.transfer_syntax.clone(), body(bytes)))
    }

    async fn release(self: Box<Self>) {}
}

fn body(bytes: Vec<u8>) -> Body {
    Body {
        length: bytes.len() as u64,
        sha256: Sha256::digest(&bytes).into(),
        block_crcs: Vec::new(),
        content: Content::Memory(vec![Bytes::from(bytes)]),
    }
}
