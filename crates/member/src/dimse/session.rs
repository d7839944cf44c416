//! Storing: an association that proposes just what is needed, and objects one after another.

use std::collections::BTreeSet;

use async_trait::async_trait;
use outrigger_dimse::settings::CONTEXTS_MAX;
use outrigger_dimse::{Association, Command, Context, Priority, ProposedContext};
use outrigger_model::{AeTitle, SopClassUid, TransferSyntaxUid};
use outrigger_runtime::Threads;

use super::DimseMember;
use super::call::{contexts, lost, response, unsent};
use crate::contract::{MemberError, Need, Outgoing, Reply, StoreSession};
use crate::learnt::{Learnt, Seen};

const OPERATION: &str = "C-STORE";

/// Needs that certainly fit into one association: each may take two presentation contexts.
pub const NEEDS_MAX: usize = CONTEXTS_MAX / 2;

/// A connection for storing.
pub(super) struct Session {
    association: Association,
    /// What was proposed by itself: of these alone it is known that the member does not take them.
    asked: BTreeSet<(SopClassUid, TransferSyntaxUid)>,
    threads: Threads,
}

/// Opens a connection for storing.
pub(super) async fn open(
    member: &DimseMember,
    needs: &[Need],
    calling: &AeTitle,
) -> Result<Session, MemberError> {
    let proposed = contexts(proposal(needs));
    let association = member.call(calling, proposed.clone(), Vec::new()).await?;
    learn(&member.learnt, &proposed, association.contexts());
    let alone = |context: &ProposedContext| match &context.transfer_syntaxes[..] {
        [syntax] => Some((context.abstract_syntax.clone(), syntax.clone())),
        _ => None,
    };
    Ok(Session { association, asked: proposed.iter().filter_map(alone).collect(), threads: member.threads })
}

/// For each need a context with the encoding of the bytes alone; then one with what they can be transcoded to.
///
/// In a context with several encodings the member would choose, and could choose worse than what is there.
fn proposal(needs: &[Need]) -> Vec<(SopClassUid, Vec<TransferSyntaxUid>)> {
    let own = needs.iter().map(|need| (need.sop_class.clone(), vec![need.transfer_syntax.clone()]));
    let others = needs
        .iter()
        .filter(|need| !need.alternatives.is_empty())
        .map(|need| (need.sop_class.clone(), need.alternatives.clone()));
    let mut seen = BTreeSet::new();
    own.chain(others).filter(|proposed| seen.insert(proposed.clone())).collect()
}

/// Only a context with one encoding says for certain what became of that encoding.
fn learn(learnt: &Learnt, proposed: &[ProposedContext], accepted: &[Context]) {
    for context in proposed {
        if let [syntax] = &context.transfer_syntaxes[..] {
            let taken = accepted.iter().any(|taken| taken.id == context.id);
            let seen = if taken { Seen::Accepted } else { Seen::Refused };
            learnt.note(&context.abstract_syntax, syntax, seen);
        }
    }
}

impl Session {
    fn context(&self, class: &SopClassUid, syntax: &TransferSyntaxUid) -> Option<&Context> {
        self.association.contexts().iter().find(|context| {
            context.abstract_syntax == *class && context.transfer_syntax == *syntax && context.roles.scu
        })
    }
}

#[async_trait]
impl StoreSession for Session {
    fn takes(&self, need: &Need) -> Option<TransferSyntaxUid> {
        let first = (need.sop_class.clone(), need.transfer_syntax.clone());
        if !self.asked.contains(&first) {
            // The association was made for others: what they can become says nothing of this one.
            return None;
        }
        std::iter::once(&need.transfer_syntax)
            .chain(&need.alternatives)
            .find(|syntax| self.context(&need.sop_class, syntax).is_some())
            .cloned()
    }

    async fn store(&mut self, object: &Outgoing) -> Result<Reply, MemberError> {
        let context = self.context(&object.sop_class, &object.transfer_syntax).map(|context| context.id);
        let context = context.ok_or_else(|| MemberError::NoContext {
            what: format!("{} in {}", object.sop_class, object.transfer_syntax),
        })?;
        let message_id = self.association.next_message_id();
        let command = Command::CStoreRq {
            message_id,
            sop_class: object.sop_class.clone(),
            sop_instance: object.sop_instance.clone(),
            priority: Priority::Medium,
            move_originator: None,
        };
        let sent = self.association.send_object(context, &command, &object.bytes, self.threads).await;
        sent.map_err(unsent(OPERATION))?;
        let outcome = response(&mut self.association, OPERATION, message_id).await?;
        Ok(Reply { status: outcome.status, comment: outcome.error_comment })
    }

    async fn release(self: Box<Self>) -> Result<(), MemberError> {
        self.association.release().await.map_err(lost("A-RELEASE"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn need(class: &str, syntax: &str, alternatives: &[&str]) -> Need {
        let uid = |text: &&str| TransferSyntaxUid::new(text).unwrap();
        Need {
            sop_class: SopClassUid::new(class).unwrap(),
            transfer_syntax: uid(&syntax),
            alternatives: alternatives.iter().map(uid).collect(),
        }
    }

    #[test]
    fn each_encoding_stands_alone_and_nothing_is_proposed_twice() {
        let needs = [
            need("1.2", "1.5", &["1.2.1", "1.2.0"]),
            need("1.2", "1.7", &["1.2.1", "1.2.0"]),
            need("1.4", "1.50", &[]),
            need("1.2", "1.5", &["1.2.1", "1.2.0"]),
        ];
        let proposed: Vec<_> = proposal(&needs)
            .into_iter()
            .map(|(class, syntaxes)| {
                let syntaxes: Vec<_> = syntaxes.iter().map(TransferSyntaxUid::as_str).collect();
                format!("{class}: {}", syntaxes.join(" "))
            })
            .collect();
        assert_eq!(proposed, ["1.2: 1.5", "1.2: 1.7", "1.4: 1.50", "1.2: 1.2.1 1.2.0"]);
    }

    #[test]
    fn no_more_contexts_than_ids_and_own_encodings_first() {
        let needs: Vec<_> = (0..200).map(|class| need(&format!("1.{class}"), "1.5", &["1.2.1"])).collect();
        let proposed = contexts(proposal(&needs));
        assert_eq!(proposed.len(), CONTEXTS_MAX);
        assert!(proposed.iter().all(|context| context.transfer_syntaxes[0].as_str() == "1.5"));
        let fit = contexts(proposal(&needs[..NEEDS_MAX]));
        assert_eq!(fit.iter().filter(|context| context.transfer_syntaxes[0].as_str() == "1.2.1").count(), 64);
    }
}
