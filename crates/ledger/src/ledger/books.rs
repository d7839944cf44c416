//! The trial balance, and the facts that `status` shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;

use outrigger_model::{ConfirmLevel, MemberName, MemberNumber, Seq, WallTime};
use serde::{Deserialize, Serialize};

use crate::account::{Account, Balance, MemberBalance};
use crate::calendar::{Day, rfc3339};
use crate::entry::{EntryRow, LaneNumber};
use crate::error::LedgerError;
use crate::finding::FindingKind;
use crate::health::{Cure, LedgerHealth};
use crate::ledger::damage::with_cure;
use crate::ledger::{Ledger, in_words};
use crate::note::{NoteKind, NotesOf};
use crate::peer::Peer;
use crate::record::MemberState;
use crate::store::{EntryList, LedgerReads, MemberRow, StoreError};

/// Entries read at once while the books are gone through, so that others have their turn between.
const ENTRIES_PER_PAGE: usize = 2_000;

/// Groups of a balance at most; what is beyond is the oldest.
const GROUPS_MAX: usize = 10_000;

/// Open findings counted at most.
const FINDINGS_COUNTED_MAX: usize = 10_000;

/// By what the balance is broken down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BalanceBy {
    /// Days of acceptance, in UTC.
    Day,
    /// Studies in which something is open.
    Study,
}

/// The part of a balance that one day or study has at one member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BalanceRow {
    /// The day or study.
    #[serde(flatten)]
    pub of: BalanceOf,
    /// Its part.
    #[serde(flatten)]
    pub balance: MemberBalance,
}

/// What a part of a balance is of.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum BalanceOf {
    /// A day of acceptance in UTC, as YYYY-MM-DD.
    Day(String),
    /// A Study Instance UID; empty for instances outside studies.
    Study(String),
}

/// What `status` shows of the ledger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusFacts {
    /// Why it does not follow the journal, in words; `None` if it does.
    pub trouble: Option<String>,
    /// How far.
    pub applied: Seq,
    /// The end of the journal.
    pub tail: Seq,
    /// Entries accepted.
    pub entries: u64,
    /// Objects that came again with the same bytes since the start.
    pub repeated: u64,
    /// Every member that is not retired.
    pub members: Vec<MemberFacts>,
    /// Those who sent objects.
    pub peers: Vec<Peer>,
    /// Open findings, up to some thousands.
    pub findings: u64,
    /// Those of damage in journal and books, the newest first, in words.
    pub damage: Vec<(FindingKind, String)>,
    /// Those of cross-checks, the newest first, in words.
    pub differences: Vec<(FindingKind, String)>,
}

/// What `status` shows of a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberFacts {
    /// Its number.
    pub number: MemberNumber,
    /// Its name.
    pub name: MemberName,
    /// Whether it is delivered to.
    pub state: MemberState,
    /// Postings owed.
    pub owed: u64,
    /// When the oldest of them was accepted.
    pub oldest_owed: Option<WallTime>,
    /// Postings in suspense.
    pub suspense: u64,
    /// Levels it cannot be confirmed at by its kind, each in words.
    pub cannot: Vec<(ConfirmLevel, String)>,
}

/// What a member has stored and is not asked for yet, as its settling time has not passed or it is asked again later.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settling {
    /// The member.
    pub name: MemberName,
    /// Its postings that wait for it.
    pub count: u64,
    /// When the first of them is asked for, as RFC 3339.
    pub next_at: String,
}

impl Ledger {
    /// What waits to be asked for, member by member; those with nothing are left out.
    pub async fn settling(&self) -> Result<Vec<Settling>, LedgerError> {
        let (steady, policies) = (self.shared.steady.clone(), self.policies());
        self.query(move |books| {
            let mut settling = Vec::new();
            for member in books.members()? {
                if member.state == MemberState::Retired {
                    continue;
                }
                let settle = policies.settle(member.number);
                if let (count, Some(next)) = books.settling(member.number, steady.come(settle))? {
                    let next = steady.shown(next);
                    settling.push(Settling { name: member.name, count, next_at: rfc3339(next) });
                }
            }
            Ok(settling)
        })
        .await
    }

    /// The trial balance, member by member, retired ones left out.
    pub async fn balance(&self) -> Result<Balance, LedgerError> {
        let members = self.query(|books| books.members()).await?;
        let listed = members.iter().filter(|member| member.state != MemberState::Retired);
        Ok(Balance::new(
            listed.map(|member| MemberBalance::new(member.name.clone(), &member.account)).collect(),
        ))
    }

    /// The balance broken down, counted from the entries themselves.
    pub async fn balance_by(&self, by: BalanceBy) -> Result<Vec<BalanceRow>, LedgerError> {
        let members = self.query(|books| books.members()).await?;
        let members: Vec<MemberRow> =
            members.into_iter().filter(|member| member.state != MemberState::Retired).collect();
        let mut open = BTreeSet::new();
        if by == BalanceBy::Study {
            self.each_entry(|entry| {
                if !entry.marks.open().is_empty() {
                    open.insert(entry.lane);
                }
            })
            .await?;
        }
        let mut groups: BTreeMap<BalanceOf, Vec<Account>> = BTreeMap::new();
        self.each_entry(|entry| {
            let Some(key) = of(by, &open, entry) else { return };
            let accounts = groups.entry(key).or_insert_with(|| vec![Account::default(); members.len()]);
            for (account, member) in accounts.iter_mut().zip(&members) {
                account.count(entry.marks.standing(member.number));
            }
            if groups.len() > GROUPS_MAX {
                groups.pop_first();
            }
        })
        .await?;
        Ok(groups.iter().flat_map(|(of, accounts)| rows(of, &members, accounts)).collect())
    }

    /// Goes through all entries, page by page.
    async fn each_entry(&self, mut visit: impl FnMut(&EntryRow)) -> Result<(), LedgerError> {
        let mut after = Seq(0);
        loop {
            let page =
                self.query(move |books| books.entries(EntryList::All, after, ENTRIES_PER_PAGE)).await?;
            let Some(last) = page.last() else { return Ok(()) };
            after = last.seq;
            page.iter().for_each(&mut visit);
        }
    }

    /// The facts that `status` shows; while the database is away, what is known without it.
    pub async fn status(&self) -> Result<StatusFacts, LedgerError> {
        let health = self.shared.health.borrow().clone();
        let read = self.query(Facts::read).await;
        let mut trouble = match health {
            LedgerHealth::Up => None,
            LedgerHealth::Down { text, cure: Cure::Rebuild, .. } => Some(with_cure(text)),
            LedgerHealth::Down { text, cure: Cure::Wait, .. } => Some(text),
        };
        let facts = match read {
            Ok(facts) => facts,
            Err(_) if trouble.is_some() => Facts::default(),
            Err(LedgerError::Store(error)) if error.is_damage() => {
                trouble = Some(with_cure(crate::health::in_words(&error)));
                Facts::default()
            }
            Err(error) => return Err(error),
        };
        Ok(StatusFacts {
            trouble,
            applied: self.shared.followers.applied(),
            tail: Seq(self.shared.journal.tail().0),
            entries: facts.entries,
            repeated: self.shared.repeated.load(Ordering::Relaxed),
            members: facts.members,
            peers: facts.peers,
            findings: facts.findings,
            damage: facts.damage,
            differences: facts.differences,
        })
    }
}

/// What an entry counts for; `None` if for nothing that is asked about.
fn of(by: BalanceBy, open: &BTreeSet<LaneNumber>, entry: &EntryRow) -> Option<BalanceOf> {
    match by {
        BalanceBy::Day => Some(BalanceOf::Day(Day::of(entry.at).to_string())),
        BalanceBy::Study if open.contains(&entry.lane) => {
            let study = entry.header.study.as_ref();
            Some(BalanceOf::Study(study.map_or_else(String::new, |study| study.as_str().to_owned())))
        }
        BalanceBy::Study => None,
    }
}

fn rows<'a>(
    of: &'a BalanceOf,
    members: &'a [MemberRow],
    accounts: &'a [Account],
) -> impl Iterator<Item = BalanceRow> + 'a {
    members.iter().zip(accounts).map(|(member, account)| BalanceRow {
        of: of.clone(),
        balance: MemberBalance::new(member.name.clone(), account),
    })
}

fn cannot_of(
    all: &[(MemberNumber, ConfirmLevel, String)],
    member: MemberNumber,
) -> Vec<(ConfirmLevel, String)> {
    let of_member = all.iter().filter(|(of, ..)| *of == member);
    of_member.map(|(_, level, text)| (*level, text.clone())).collect()
}

#[derive(Default)]
struct Facts {
    entries: u64,
    members: Vec<MemberFacts>,
    peers: Vec<Peer>,
    findings: u64,
    damage: Vec<(FindingKind, String)>,
    differences: Vec<(FindingKind, String)>,
}

impl Facts {
    fn read(books: &dyn LedgerReads) -> Result<Self, StoreError> {
        let mut members = Vec::new();
        let cannot = in_words(books)?;
        for member in books.members()? {
            if member.state == MemberState::Retired {
                continue;
            }
            members.push(MemberFacts {
                number: member.number,
                oldest_owed: books.oldest_owed(member.number)?,
                owed: member.account.pending,
                suspense: member.account.suspense,
                state: member.state,
                cannot: cannot_of(&cannot, member.number),
                name: member.name,
            });
        }
        let notes = books.notes(NoteKind::Finding, NotesOf::Anything, FINDINGS_COUNTED_MAX)?;
        Ok(Self {
            entries: books.position()?.map_or(0, |position| position.entries),
            members,
            peers: books.peers()?,
            findings: notes.len() as u64,
            damage: crate::ledger::damage::in_words(&notes),
            differences: crate::ledger::crosscheck::in_words(&notes),
        })
    }
}
