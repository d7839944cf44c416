//! What members held before anything came through here, and how far that is known.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use outrigger_catalogue::{Cursor, Inheritance, SeenStudy};
use outrigger_model::{Level, MemberNumber, Query, QueryKey, QueryRoot, SopInstanceUid, StudyUid, Tag};

use crate::error::LedgerError;
use crate::inventory::{Inventoried, Inventory, Seen, Short, Shortfall, Sighting};
use crate::ledger::Ledger;
use crate::record::MemberState;
use crate::store::{LedgerReads, StoreError};

/// The inventories as the database has them, so that every query can ask; a leaf lock.
#[derive(Debug, Default)]
pub(crate) struct Inventories(Mutex<BTreeMap<MemberNumber, Inventory>>);

impl Inventories {
    pub(crate) fn new(rows: Vec<Inventory>) -> Self {
        Self(Mutex::new(rows.into_iter().map(|row| (row.member, row)).collect()))
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<MemberNumber, Inventory>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ledger {
    /// How far it is known what a member holds.
    pub fn inventoried(&self, member: MemberNumber) -> Inventoried {
        let known = self.shared.inventories.known();
        known.get(&member).map_or(Inventoried::Never, Inventory::inventoried)
    }

    /// The inventory of a member.
    pub fn inventory(&self, member: MemberNumber) -> Inventory {
        let known = self.shared.inventories.known();
        known.get(&member).cloned().unwrap_or_else(|| Inventory::never(member))
    }

    /// Keeps how far the inventory of a member is.
    pub async fn note_inventory(&self, inventory: Inventory) -> Result<(), LedgerError> {
        let noted = inventory.clone();
        self.write(move |writer| {
            writer.change(|desk| {
                desk.changes.inventories.insert(noted.member, noted.clone());
                Ok(())
            })
        })
        .await?;
        self.shared.inventories.known().insert(inventory.member, inventory);
        Ok(())
    }

    /// Enters a study, or a part of one, that a member shows; what was stored here is not touched.
    pub async fn inherit(&self, member: MemberNumber, seen: SeenStudy) -> Result<Inheritance, LedgerError> {
        self.write(move |writer| writer.inherit(member, &seen)).await
    }

    /// Takes a member out of those that were seen to hold these instances, as it shows them no more; gives of how many. What was
    /// stored here is not touched, and an instance that nobody is known to hold any more stays known.
    pub async fn departed(
        &self,
        member: MemberNumber,
        gone: Vec<SopInstanceUid>,
    ) -> Result<u64, LedgerError> {
        self.write(move |writer| writer.depart(member, &gone)).await
    }

    /// Notes how a member shows a study now, and how far its inventory is by that; when the study was seen there first stays.
    pub async fn sighted(&self, sighting: Sighting, inventory: Inventory) -> Result<(), LedgerError> {
        let noted = inventory.clone();
        self.write(move |writer| {
            writer.change(|desk| {
                desk.changes.inventories.insert(noted.member, noted.clone());
                let before = desk.reads().sighting(&sighting.study, sighting.member)?;
                let first_seen = before.map_or(sighting.first_seen, |before| before.first_seen);
                desk.changes.sightings.push(Sighting { first_seen, ..sighting.clone() });
                Ok(())
            })
        })
        .await?;
        self.shared.inventories.known().insert(inventory.member, inventory);
        Ok(())
    }

    /// Notes what a member says it has of a study and does not list, or that it lists all of it now.
    pub async fn fell_short(&self, shortfall: Shortfall) -> Result<(), LedgerError> {
        self.write(move |writer| {
            writer.change(|desk| {
                let known = desk.reads().shortfalls(&shortfall.study)?;
                let before =
                    known.iter().find(|row| row.member == shortfall.member).map_or(0, |row| row.says);
                if before != shortfall.says {
                    desk.changes.shortfalls.push(shortfall.clone());
                }
                Ok(())
            })
        })
        .await
    }

    /// The most instances that a member in service says it has of a study and does not list, if one does.
    pub async fn said_of(&self, study: StudyUid) -> Result<Option<u64>, LedgerError> {
        Ok(self.said(vec![study]).await?.iter().map(|row| row.says).max())
    }

    /// Those of these studies of which a member in service says it has more instances than are known, each once.
    pub async fn short_of(&self, studies: Vec<StudyUid>) -> Result<Vec<Short>, LedgerError> {
        let mut said = self.said(studies).await?;
        if said.is_empty() {
            return Ok(Vec::new());
        }
        said.sort_by(|one, other| (&one.study, other.says).cmp(&(&other.study, one.says)));
        said.dedup_by(|next, first| next.study == first.study);
        self.query(move |books| {
            let mut short = Vec::new();
            for Shortfall { study, member, says } in said {
                let listed = listed(books, &study)?;
                if says > listed {
                    short.push(Short { study, member, says, listed });
                }
            }
            Ok(short)
        })
        .await
    }

    /// What members in service say they have of studies and do not list.
    async fn said(&self, studies: Vec<StudyUid>) -> Result<Vec<Shortfall>, LedgerError> {
        let said = self.query(move |books| {
            let mut said = Vec::new();
            for study in &studies {
                said.extend(books.shortfalls(study)?);
            }
            Ok(said)
        });
        let mut said = said.await?;
        if !said.is_empty() {
            let states = self.member_states().await?;
            said.retain(|row| states.get(&row.member) != Some(&MemberState::Retired));
        }
        Ok(said)
    }

    /// How a member showed a study when it was last seen there.
    pub async fn sighting(
        &self,
        study: StudyUid,
        member: MemberNumber,
    ) -> Result<Option<Sighting>, LedgerError> {
        self.query(move |books| books.sighting(&study, member)).await
    }

    /// Studies of which a member showed instances, seen there last at such a time, at most `limit`.
    pub async fn sightings(
        &self,
        member: MemberNumber,
        seen: Seen,
        limit: usize,
    ) -> Result<Vec<Sighting>, LedgerError> {
        self.query(move |books| books.sightings(member, seen, limit)).await
    }
}

/// How many instances of a study are known.
fn listed(books: &dyn LedgerReads, study: &StudyUid) -> Result<u64, StoreError> {
    let keys = [(Tag::STUDY_INSTANCE_UID, study.as_str()), (Tag::STUDY_RELATED_INSTANCES, "")];
    let keys = keys.map(|(tag, value)| QueryKey { tag, value: value.to_owned() }).to_vec();
    let page = books.find(&Query::new(QueryRoot::Study, Level::Study, keys), Cursor::default(), 1)?;
    let counted = page.items.iter().flat_map(|answer| &answer.attributes);
    let mut counts = counted.filter(|(tag, _)| *tag == Tag::STUDY_RELATED_INSTANCES);
    Ok(counts.next().and_then(|(_, count)| count.trim().parse().ok()).unwrap_or(0))
}
