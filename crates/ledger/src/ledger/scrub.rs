//! Checking the books: the database as such, each row's seal, and whether accounts, marks and postings agree.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use outrigger_model::{MemberNumber, Seq};

use crate::account::Account;
use crate::entry::{EntryRow, Standing};
use crate::error::LedgerError;
use crate::finding::FindingKind;
use crate::ledger::Ledger;
use crate::ledger::damage::{Coverage, Harm};
use crate::posting::{PostingKey, Stage};
use crate::record::MemberState;
use crate::store::{EntryList, Interrupt, LedgerReader, LedgerReads, StoreError, read};

/// Faults named at most; one is enough to rebuild.
const FAULTS_MAX: usize = 100;

/// Entries read at once.
const ENTRIES_PER_PAGE: usize = 2_000;

impl Ledger {
    /// Checks the whole database and gives what is wrong with it, in words; each fault is a finding until a later check finds it no more.
    ///
    /// It reads beside the owner, by a connection of its own; dropped, it stops soon.
    pub async fn scrub(&self) -> Result<Vec<String>, LedgerError> {
        let opened = self.write(|writer| Ok(writer.store.reader()?)).await;
        let checked = match opened {
            Ok(reader) => self.checked(reader).await?,
            Err(error) => Err(error),
        };
        let faults = faults_of(checked)?;
        let harm = faults.iter().map(|fault| Harm::of_books(fault)).collect();
        if let Err(error) = self.note_damage(&[FindingKind::Books], harm, Coverage::Whole).await {
            let error = &error as &dyn std::error::Error;
            tracing::error!(error, ?faults, "what is wrong with the books could not be noted in them");
        }
        Ok(faults)
    }

    /// What a check gives, on a thread of its own.
    async fn checked(
        &self,
        reader: Box<dyn LedgerReader>,
    ) -> Result<Result<Vec<String>, LedgerError>, LedgerError> {
        let stop = Stop { is_asked: Arc::default(), interrupt: reader.interrupt() };
        let is_asked = stop.is_asked.clone();
        let work = move || -> Result<Vec<String>, LedgerError> {
            let mut faults = reader.integrity()?;
            if !is_asked.load(Ordering::Relaxed) {
                faults.extend(faults_of(Ok(read(&*reader, |books| disagreements(books, &is_asked))?))?);
            }
            faults.truncate(FAULTS_MAX);
            Ok(faults)
        };
        let checked = self.shared.threads.blocking("ledger scrub", work).await;
        drop(stop);
        checked.map_err(LedgerError::Scrub)
    }
}

/// Ends a check on another thread when whoever waits for it is gone.
struct Stop {
    is_asked: Arc<AtomicBool>,
    interrupt: Interrupt,
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.is_asked.store(true, Ordering::Relaxed);
        (self.interrupt)();
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
    read(store, |books| disagreements(books, &AtomicBool::new(false)))
}

/// Counts the books anew from entries and postings, and says where they disagree; stopped, it says nothing.
fn disagreements(books: &dyn LedgerReads, is_stopped: &AtomicBool) -> Result<Vec<String>, StoreError> {
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
        if is_stopped.load(Ordering::Relaxed) {
            return Ok(Vec::new());
        }
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
