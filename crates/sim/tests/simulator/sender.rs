//! A modality: sends its objects in order, again until each is answered for good.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use outrigger_dimse::Settings;
use outrigger_member::dimse::CONNECT_TIMEOUT;
use outrigger_member::{DimseMember, DimseRoute, Member, Need, Outgoing, ReadBack, StoreSession};
use outrigger_model::{AeTitle, Status};
use outrigger_runtime::Spool;
use outrigger_runtime::net::ArcNet;

use super::dice::Dice;
use super::events::Events;
use super::node::{NODE_AE, NODE_PORT};
use super::plan::{Form, Object};

/// Longest wait before it is tried again, in milliseconds.
const AGAIN_MS: u64 = 2_000;
/// Longest pause between two objects, in milliseconds.
const PAUSE_MS: u64 = 100;

/// What was sent and what was answered, over all lives of the node.
#[derive(Debug, Default)]
pub(crate) struct Sent {
    /// Acknowledged: the sender's number and the object's.
    pub(crate) acknowledged: Vec<(usize, usize)>,
    /// How many objects of each sender are done with.
    pub(crate) done: Vec<usize>,
    /// What must not be.
    pub(crate) wrong: Vec<String>,
}

/// A sender, as it works within one life of the node.
pub(crate) struct Sender {
    pub(crate) number: usize,
    pub(crate) objects: Arc<Vec<Object>>,
    pub(crate) sent: Arc<Mutex<Sent>>,
    pub(crate) net: ArcNet,
    pub(crate) spool: Spool,
    pub(crate) dice: Dice,
    pub(crate) events: Events,
}

impl Sender {
    /// Sends what is left.
    pub(crate) async fn run(self) {
        let node = self.node();
        let mut session = None;
        while let Some((index, object)) = self.next() {
            tokio::time::sleep(Duration::from_millis(self.dice.below(PAUSE_MS))).await;
            let answer = self.send(&node, &mut session, object).await;
            self.events.put(&format!("sender {} object {index}: {answer:?}", self.number));
            // Refused for what it is, or taken.
            let refused = matches!(answer, Some(Status(0xA900..=0xA9FF | 0xC000..=0xCFFF)));
            if answer == Some(Status::SUCCESS) || refused && object.form == Form::Truncated {
                self.note(index, object, answer);
            } else {
                session = None;
                tokio::time::sleep(Duration::from_millis(self.dice.below(AGAIN_MS))).await;
            }
        }
    }

    fn node(&self) -> DimseMember {
        let route = DimseRoute {
            address: format!("127.0.0.1:{NODE_PORT}"),
            ae_title: AeTitle::new(NODE_AE).unwrap(),
            calling: AeTitle::new(&format!("CT{}", self.number)).unwrap(),
            tls: None,
            connect_timeout: CONNECT_TIMEOUT,
            settings: Settings::STANDARD,
            read_back: ReadBack::Get,
        };
        DimseMember::new(route, self.net.clone(), self.spool.clone())
    }

    fn next(&self) -> Option<(usize, &Object)> {
        let index = self.sent.lock().unwrap_or_else(PoisonError::into_inner).done[self.number];
        Some((index, self.objects.get(index)?))
    }

    fn note(&self, index: usize, object: &Object, answer: Option<Status>) {
        let mut sent = self.sent.lock().unwrap_or_else(PoisonError::into_inner);
        sent.done[self.number] += 1;
        if answer == Some(Status::SUCCESS) {
            sent.acknowledged.push((self.number, index));
            if object.form == Form::Truncated {
                sent.wrong.push(format!("a truncated {} was acknowledged", object.header.sop_instance));
            }
        }
    }

    async fn send(
        &self,
        node: &DimseMember,
        session: &mut Option<Box<dyn StoreSession>>,
        object: &Object,
    ) -> Option<Status> {
        let need = Need {
            sop_class: object.header.sop_class.clone(),
            transfer_syntax: object.transfer_syntax.clone(),
            alternatives: Vec::new(),
        };
        if session.as_ref().is_none_or(|session| session.takes(&need).is_none()) {
            if let Some(old) = session.take() {
                drop(old.release().await);
            }
            let calling = AeTitle::new(&format!("CT{}", self.number)).unwrap();
            *session = node.open(&[need], &calling).await.ok();
        }
        let outgoing = Outgoing {
            sop_class: object.header.sop_class.clone(),
            sop_instance: object.header.sop_instance.clone(),
            transfer_syntax: object.transfer_syntax.clone(),
            bytes: Arc::new(object.bytes.clone()),
        };
        Some(session.as_mut()?.store(&outgoing).await.ok()?.status)
    }
}
