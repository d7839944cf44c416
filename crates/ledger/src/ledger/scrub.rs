//! Checking the books: the database as such, each row's seal, and whether accounts, marks and postings agree.

use std::collections::BTreeMap;

use outrigger_model::{MemberNumber, Seq};

use crate::account::Account;
use crate::entry::{EntryRow, Standing};
use crate::error::LedgerError;
use crate::finding::{Finding, FindingKind};
use crate::ledger::Ledger;
use crate::posting::{PostingKey, Stage};
use crate::record::MemberState;
use crate::store::{EntryList, LedgerReader, LedgerReads, StoreError, read};

/// Faults named at most; one is enough to rebuild.
const FAULTS_MAX: usize = 100;

/// Entries read at once.
const ENTRIES_PER_PAGE: usize = 2_000;

impl Ledger {
    /// Checks the whole database and gives what is wrong with it, in words; each becomes a finding. `outrigger rebuild` makes the books anew.
    pub async fn scrub(&self) -> Result<Vec<String>, LedgerError> {
        let checked = self.write(|writer| Ok(writer.store.integrity()?)).await;
        let mut faults = faults_of(checked)?;
        let recounted = self.query(disagreements).await;
        faults.extend(faults_of(recounted)?);
        faults.truncate(FAULTS_MAX);
        for fault in &faults {
            let finding = Finding {
                kind: FindingKind::Books,
                entry: None,
                member: None,
                text: fault.clone(),
                at: self.now(),
            };
            if let Err(error) = self.finding(finding).await {
                tracing::error!(
                    error = &error as &dyn std::error::Error,
                    %fault,
                    "a fault of the books could not be noted in them"
                );
            }
        }
        Ok(faults)
    }
}

/// Damage is what was looked for: it is an answer, not a failure.
fn faults_of(checked: Result<Vec<String>, LedgerError>) -> Result<Vec<String>, LedgerError> {
    match checked {
        Err(LedgerError::Store(error)) if error.is_damage() => Ok(vec![crate::health::in_words(&error)]),
        checked => checked,
    }
}

/// Checks a database that nobody has open: what `outrigger check` and a rebuild want to know.
pub fn check(store: &dyn LedgerReader) -> Result<Vec<String>, StoreError> {
    read(store, disagreements)
}

/// Counts the books anew from entries and postings, and says where they disagree.
fn disagreements(books: &dyn LedgerReads) -> Result<Vec<String>, StoreError> {
    let members = books.members()?;
    let mut accounts: BTreeMap<MemberNumber, Account> = members
        .iter()
        .filter(|member| member.state != MemberState::Retired)
        .map(|member| (member.number, Account::default()))
        .collect();
    let mut faults = Vec::new();
    let mut entries = 0;
    let mut after = Seq(0);
    loop {
        let page = books.entries(EntryList::All, after, ENTRIES_PER_PAGE)?;
        let Some(last) = page.last() else { break };
        after = last.seq;
        entries += page.len() as u64;
        for entry in &page {
            for (number, account) in &mut accounts {
                account.count(entry.marks.standing(*number));
                check_posting(books, entry, *number, &mut faults)?;
            }
        }
    }
    let known = books.position()?.map_or(0, |position| position.entries);
    if known != entries {
        faults.push(format!("{known} entries were counted, and {entries} are there"));
    }
    for member in &members {
        match accounts.get(&member.number) {
            Some(counted) if *counted != member.account => {
                faults.push(format!(
                    "the account of {} says {:?}, counted were {counted:?}",
                    member.name, member.account
                ));
            }
            Some(_) | None => {}
        }
    }
    faults.truncate(FAULTS_MAX);
    Ok(faults)
}

fn check_posting(
    books: &dyn LedgerReads,
    entry: &EntryRow,
    member: MemberNumber,
    faults: &mut Vec<String>,
) -> Result<(), StoreError> {
    let standing = entry.marks.standing(member);
    let open = matches!(standing, Standing::Pending | Standing::Suspense);
    if !open || faults.len() >= FAULTS_MAX {
        return Ok(());
    }
    let key = PostingKey { entry: entry.seq, member };
    let stage = books.posting(key, entry.lane)?.map(|posting| posting.stage);
    let agrees = match stage {
        None => false,
        Some(Stage::Suspense) => standing == Standing::Suspense,
        Some(Stage::Untried | Stage::Retry | Stage::Stored(_)) => standing == Standing::Pending,
    };
    if !agrees {
        faults.push(format!("posting {key} is {} and its row says {stage:?}", standing.word()));
    }
    Ok(())
}
