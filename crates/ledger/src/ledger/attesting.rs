//! Instances that were never stored here, and that a request for storage commitment waits for: members are asked to give them.

use std::time::Duration;

use outrigger_catalogue::Current;
use outrigger_model::{InstanceHeader, MemberSet, SopInstanceUid, TransactionUid};

use crate::error::LedgerError;
use crate::ledger::Ledger;
use crate::ledger::promises::Pair;
use crate::promise::{Attested, CommitPolicy, Copies, Demand, Rule, ToAttest, make_room};
use crate::store::{LedgerReads, StoreError};

/// How soon a request is gone through again in which there was nothing to ask members for: what they hold shows in the inventory.
const GO_THROUGH_AGAIN: Duration = Duration::from_secs(30);

impl Ledger {
    /// Instances that were never stored here and that requests wait for, at most `limit`, and who is to give them: without that
    /// nothing is promised.
    pub async fn to_attest(&self, policy: CommitPolicy, limit: usize) -> Result<Vec<ToAttest>, LedgerError> {
        if !make_room(&mut self.shared.waited_for.attested(), self.shared.clock.now()) {
            return Ok(Vec::new());
        }
        let waiting: Vec<(TransactionUid, Pair)> =
            self.shared.waited_for.known().iter().map(|(of, pair)| (of.clone(), pair.clone())).collect();
        let demand = Rule::new(policy, &self.policies()).demand();
        let mut all = Vec::new();
        for (transaction, pair) in waiting {
            if all.len() >= limit {
                break;
            }
            if !self.is_gone_through(&transaction, &pair) {
                continue;
            }
            let of = self.to_attest_of(transaction.clone(), pair.clone(), demand, limit).await?;
            if of.is_empty() {
                let at = self.shared.clock.now();
                self.shared.waited_for.asked_again().insert(transaction, (pair, at));
            }
            all.extend(of);
        }
        all.truncate(limit);
        Ok(all)
    }

    /// Whether a request waits for something else than when there was nothing to ask for, or that was long ago.
    fn is_gone_through(&self, transaction: &TransactionUid, pair: &Pair) -> bool {
        let again = self.shared.waited_for.asked_again();
        let now = self.shared.clock.now();
        again.get(transaction).is_none_or(|(before, at)| {
            before != pair || now.saturating_duration_since(*at) >= GO_THROUGH_AGAIN
        })
    }

    async fn to_attest_of(
        &self,
        transaction: TransactionUid,
        first: Pair,
        demand: Demand,
        limit: usize,
    ) -> Result<Vec<ToAttest>, LedgerError> {
        let (shared, now) = (self.shared.clone(), self.shared.clock.now());
        self.query(move |books| {
            let whom = |instance: &SopInstanceUid, seen| {
                let attested = shared.waited_for.attested().get(instance).copied();
                demand.whom(seen, attested.as_ref(), now)
            };
            // Most requests wait for what is on its way here.
            let Some(promise) =
                inherited(books, &first)?.map(|_| books.promise(&transaction)).transpose()?.flatten()
            else {
                return Ok(Vec::new());
            };
            let mut found = Vec::new();
            let pairs = promise.asked.each().map(|(class, instance)| (class.clone(), instance.clone()));
            for pair in pairs.skip_while(|pair| *pair != first) {
                if found.len() >= limit {
                    break;
                }
                let seen = inherited(books, &pair)?;
                let members = seen.and_then(|seen| whom(&pair.1, seen));
                found.extend(members.map(|members| ToAttest { instance: pair.1, members }));
            }
            Ok(found)
        })
        .await
    }

    /// Notes what members gave of an instance that was never stored here: those whose copies have the same content, and the header of
    /// one of them.
    pub fn attest(
        &self,
        instance: SopInstanceUid,
        gave: MemberSet,
        header: Option<&InstanceHeader>,
        copies: Copies,
    ) {
        let wanted = header.map(|header| self.policies().wanting_inherited(header)).unwrap_or_default();
        let at = self.shared.clock.now();
        let mut attestations = self.shared.waited_for.attested();
        let asked = attestations.get(&instance).map_or(0, |before| before.asked).saturating_add(1);
        if attestations.contains_key(&instance) || make_room(&mut attestations, at) {
            attestations.insert(instance, Attested { gave, wanted, copies, at, asked });
        }
    }
}

/// The members that were seen to have an instance of this class that was never stored here.
fn inherited(books: &dyn LedgerReads, (sop_class, instance): &Pair) -> Result<Option<MemberSet>, StoreError> {
    let located = books.lookup(instance)?.filter(|located| located.sop_class == *sop_class);
    Ok(located.and_then(|located| match located.current {
        Current::Inherited(inherited) => Some(inherited.members),
        Current::Kept(_) => None,
    }))
}
