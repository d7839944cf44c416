//! What became of postings that were worked on.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};

use outrigger_journal::RecordKind;
use outrigger_model::{ConfirmLevel, MemberNumber, Seq, SuspenseReason, WallTime};
use serde::{Deserialize, Serialize};

use crate::applier::desk::Desk;
use crate::applier::writer::{ReadBackLater, Writer};
use crate::entry::{EntryRow, LaneNumber, Standing};
use crate::error::LedgerError;
use crate::healing::{self, Healing};
use crate::ledger::Ledger;
use crate::note::{Note, NoteKind, NotesOf};
use crate::policy::Policies;
use crate::posting::{Attempt, PostingKey, PostingRow, Report, ReportOutcome, Stage};
use crate::record::{
    AtMember, Closed, ClosingRecord, Decision, DecisionRecord, ENTRIES_PER_RECORD_MAX, RECORD_VERSION,
};
use crate::steady::{READ_BACK_WAIT_MAX, RETRY_WAIT_MAX, Steady};
use crate::store::{Come, First, LedgerReads, StoreError, read};

/// Closed postings opened again by one decision at most; the rest follows in further ones.
const REOPENED_PER_DECISION: usize = ENTRIES_PER_RECORD_MAX;

/// Attempts kept of one posting beside its first: one that is tried for weeks must not drive out those of others.
pub(super) const ATTEMPTS_KEPT: usize = 20;

/// Levels at which an open posting can wait.
const WAITING_LEVELS: [ConfirmLevel; 3] =
    [ConfirmLevel::Accepted, ConfirmLevel::Present, ConfirmLevel::Committed];

/// What an attempt's note holds.
#[derive(Serialize, Deserialize)]
struct Body {
    route: String,
    status: Option<outrigger_model::Status>,
    text: String,
}

impl Attempt {
    fn note(&self, posting: PostingKey) -> Note {
        let body = Body { route: self.route.clone(), status: self.status, text: self.text.clone() };
        Note {
            id: 0,
            kind: NoteKind::Attempt,
            entry: Some(posting.entry),
            member: Some(posting.member),
            at: self.at,
            body: serde_json::to_string(&body).unwrap_or_else(|error| error.to_string()),
        }
    }

    /// Reads a note; one that is not readable says so.
    pub(crate) fn of_note(note: &Note) -> Self {
        let body = serde_json::from_str(&note.body).unwrap_or_else(|error: serde_json::Error| Body {
            route: String::new(),
            status: None,
            text: format!("this attempt cannot be read: {error}"),
        });
        Self { at: note.at, route: body.route, status: body.status, text: body.text }
    }
}

/// Reports, sorted by what they ask for.
#[derive(Debug, Default)]
struct Sorted {
    closed: BTreeMap<(MemberNumber, ConfirmLevel), Vec<Seq>>,
    decisions: Vec<Decision>,
    /// What stands in the database alone.
    others: Vec<Report>,
    /// Claims that end when the record that closes or suspends is applied.
    recorded: Vec<PostingKey>,
    /// Claims that end at once.
    free: Vec<PostingKey>,
}

/// What was reported, its records durable, and is still to be written to the database.
#[derive(Debug)]
pub(crate) struct Unnoted {
    /// The last of its records in the journal.
    last: Seq,
    /// When it was reported, by the steady clock, as are the times in its reports.
    at: WallTime,
    policies: Policies,
    reports: Vec<Report>,
    /// Claims that end when it is written: what is in doubt is not sent again.
    free: Vec<PostingKey>,
}

/// What became of reports.
#[derive(Debug)]
enum Noted {
    /// They stand in the books.
    InBooks,
    /// They are kept until the database takes them.
    Later(LedgerError),
}

impl Ledger {
    /// Takes reports in: what closes or suspends a posting is on stable storage and in the books when this returns, and every claim has ended.
    ///
    /// While the database takes nothing, the rest is kept in memory with its claims, and written as soon as it can be.
    pub async fn report(&self, reports: Vec<Report>) -> Result<(), LedgerError> {
        self.take_reports(reports).await.map(drop)
    }

    async fn take_reports(&self, reports: Vec<Report>) -> Result<Noted, LedgerError> {
        let policies = self.policies();
        let lost = self.lost_among(&reports).await?;
        let sorted = sort(&policies, &lost, reports);
        let last = self.record_sorted(&sorted).await;
        let Sorted { others, recorded, free, .. } = sorted;
        self.write(move |writer| match last {
            Ok(last) => {
                let (at, reports) = (writer.steady.now(), steadied(&writer.steady, others));
                writer.take(Unnoted { last, at, policies, reports, free })
            }
            Err(error) => {
                writer.claims.end_all(free.into_iter().chain(recorded));
                Err(error)
            }
        })
        .await
    }

    /// Opens postings again that a member confirmed since then: it may have forgotten what it acknowledged. Gives their number.
    ///
    /// What it did no more than accept stays closed: its word is all there is, bytes never go on it, and it is asked for in the
    /// background. What more it showed where acceptance is enough is put in doubt as elsewhere, or bytes would go on a copy that
    /// it has forgotten; the posting is closed again by the acceptance at once.
    pub async fn reopen(&self, member: MemberNumber, since: WallTime) -> Result<usize, LedgerError> {
        let Some(confirm) = self.policies().get(member).map(|policy| policy.confirm) else { return Ok(0) };
        let closed = self
            .write(move |writer| {
                let (span, now) = (writer.steady.wall().since(since), writer.steady.clock().now());
                let lately = writer.closed_lately.within(span, now, member).collect();
                Ok(read(&*writer.store, |books| still_closed(books, member, since, lately))?)
            })
            .await?;
        for entries in closed.chunks(REOPENED_PER_DECISION) {
            let reopened = Decision::Reopened(AtMember { member, entries: entries.to_vec() });
            self.decide(None, [reopened]).await?;
            if confirm == ConfirmLevel::Accepted {
                let by_its_word = |entry: &Seq| Report {
                    posting: PostingKey { entry: *entry, member },
                    attempt: None,
                    outcome: ReportOutcome::Reached(confirm),
                };
                self.report(entries.iter().map(by_its_word).collect()).await?;
            }
        }
        Ok(closed.len())
    }

    /// Closes postings that have reached what is asked now, where less is asked than was.
    pub(crate) async fn close_reached(&self) -> Result<(), LedgerError> {
        for (member, policy) in self.policies().iter() {
            let enough = WAITING_LEVELS.into_iter().filter(|level| *level >= policy.confirm);
            for level in enough {
                self.close_at(member, level).await?;
            }
        }
        Ok(())
    }

    async fn close_at(&self, member: MemberNumber, level: ConfirmLevel) -> Result<(), LedgerError> {
        loop {
            let (stage, ever) = (Stage::Stored(level), Come::by(WallTime(i64::MAX)));
            let reached = self
                .query(move |books| books.waiting(member, stage, ever, First::Longest, REOPENED_PER_DECISION))
                .await?;
            if reached.is_empty() {
                return Ok(());
            }
            let reports = reached.iter().map(|owed| Report {
                posting: owed.posting.key,
                attempt: None,
                outcome: ReportOutcome::Reached(level),
            });
            if let Noted::Later(error) = self.take_reports(reports.collect()).await? {
                return Err(error);
            }
        }
    }

    /// What is known of the postings that are to be sent again.
    async fn lost_among(&self, reports: &[Report]) -> Result<Lost, LedgerError> {
        let again = |report: &&Report| matches!(report.outcome, ReportOutcome::SendAgain { .. });
        let keys: Vec<PostingKey> = reports.iter().filter(again).map(|report| report.posting).collect();
        if keys.is_empty() {
            return Ok(Lost::default());
        }
        self.write(move |writer| {
            let now = writer.now();
            Ok(read(&*writer.store, |books| Lost::of(books, &keys, now))?)
        })
        .await
    }

    /// Appends what must be on stable storage, and gives the last record's number.
    async fn record_sorted(&self, sorted: &Sorted) -> Result<Seq, LedgerError> {
        let mut last = Seq(0);
        for closed in records(&sorted.closed) {
            let record = ClosingRecord { v: RECORD_VERSION, closed };
            let durable = self.append(RecordKind::Closing, &record).await?;
            last = last.max(Seq(durable.seq().0));
        }
        for decision in &sorted.decisions {
            let record = DecisionRecord::of_system(decision.clone());
            let durable = self.append(RecordKind::Decision, &record).await?;
            last = last.max(Seq(durable.seq().0));
        }
        Ok(last)
    }
}

/// Postings whose object the member has lost.
#[derive(Debug, Default)]
struct Lost {
    /// Those that were closed: opening them again must be on stable storage.
    closed: BTreeSet<PostingKey>,
    /// Those whose study was stored there again often enough.
    often: BTreeSet<PostingKey>,
}

impl Lost {
    fn of(books: &dyn LedgerReads, keys: &[PostingKey], now: WallTime) -> Result<Self, StoreError> {
        let mut studies: BTreeMap<(MemberNumber, LaneNumber), Vec<Healing>> = BTreeMap::new();
        let mut lost = Self::default();
        for key in keys {
            let Some(entry) = books.entry(key.entry)? else { continue };
            if entry.marks.standing(key.member) == Standing::Confirmed {
                lost.closed.insert(*key);
            }
            let study = match studies.entry((key.member, entry.lane)) {
                Entry::Occupied(known) => known.into_mut(),
                Entry::Vacant(place) => place.insert(books.healings(key.member, entry.lane)?),
            };
            if healing::is_enough(study, *key, entry.lane, now) {
                lost.often.insert(*key);
            }
        }
        Ok(lost)
    }
}

fn still_closed(
    books: &dyn LedgerReads,
    member: MemberNumber,
    since: WallTime,
    lately: BTreeSet<Seq>,
) -> Result<Vec<Seq>, StoreError> {
    let mut closed = lately;
    closed.extend(books.closed_since(member, since, usize::MAX)?.into_iter().map(|(entry, _)| entry));
    let mut still = Vec::new();
    for seq in closed {
        let entry = books.entry(seq)?;
        let has_more = |entry: &EntryRow| entry.marks.level(member) > Some(ConfirmLevel::Accepted);
        if entry.is_some_and(|entry| entry.marks.standing(member) == Standing::Confirmed && has_more(&entry))
        {
            still.push(seq);
        }
    }
    Ok(still)
}

impl Writer {
    fn take(&mut self, unnoted: Unnoted) -> Result<Noted, LedgerError> {
        match self.put(&unnoted) {
            Err(error) if is_passing(&error) => {
                self.unnoted.push_back(unnoted);
                Ok(Noted::Later(error))
            }
            put => self.noted(&unnoted, put).map(|()| Noted::InBooks),
        }
    }

    /// Writes what was kept, in order; what no waiting helps is told of and left.
    pub(crate) fn note_kept(&mut self) -> Result<(), LedgerError> {
        while let Some(unnoted) = self.unnoted.pop_front() {
            match self.put(&unnoted) {
                Err(error) if is_passing(&error) => {
                    self.unnoted.push_front(unnoted);
                    return Err(error);
                }
                put => {
                    if let Err(error) = self.noted(&unnoted, put) {
                        tracing::warn!(
                            error = &error as &dyn std::error::Error,
                            "what was sent could not be noted; it will be sent again"
                        );
                    }
                }
            }
        }
        Ok(())
    }

    fn put(&mut self, unnoted: &Unnoted) -> Result<(), LedgerError> {
        self.follow(unnoted.last)?;
        let Unnoted { at, policies, reports, .. } = unnoted;
        if reports.is_empty() {
            return Ok(());
        }
        self.change(|desk| reports.iter().try_for_each(|report| take_in(desk, policies, *at, report)))
    }

    fn noted(&mut self, unnoted: &Unnoted, put: Result<(), LedgerError>) -> Result<(), LedgerError> {
        self.claims.end_all(unnoted.free.iter().copied());
        put.and_then(|()| self.note_read_backs(&unnoted.reports))
    }

    /// Remembers which closed postings could not be read back, how often, and until when another member is asked instead.
    fn note_read_backs(&mut self, reports: &[Report]) -> Result<(), LedgerError> {
        for report in reports {
            let ReportOutcome::RetryAt { at } = report.outcome else {
                continue;
            };
            let entry = read(&*self.store, |books| books.entry(report.posting.entry))?;
            if entry.is_some_and(|entry| entry.marks.confirmed.contains(report.posting.member)) {
                let failed = self.read_back_later.get(&report.posting).map_or(0, |later| later.failed);
                let later = ReadBackLater { at, failed: failed.saturating_add(1) };
                self.read_back_later.insert(report.posting, later);
            }
        }
        Ok(())
    }
}

/// Reports whose waits end by the steady clock; delivery tells them by the wall clock.
fn steadied(steady: &Steady, mut reports: Vec<Report>) -> Vec<Report> {
    for report in &mut reports {
        if let ReportOutcome::RetryAt { at } | ReportOutcome::SendAgain { at } = &mut report.outcome {
            *at = steady.wait_until(*at, READ_BACK_WAIT_MAX);
        }
    }
    reports
}

/// Whether the database may take it later.
fn is_passing(error: &LedgerError) -> bool {
    matches!(error, LedgerError::Store(error) if !error.is_damage())
}

/// Groups closings into records that are not too long.
fn records(closed: &BTreeMap<(MemberNumber, ConfirmLevel), Vec<Seq>>) -> Vec<Vec<Closed>> {
    let parts = closed.iter().flat_map(|((member, level), entries)| {
        entries.chunks(ENTRIES_PER_RECORD_MAX).map(|entries| Closed {
            member: *member,
            level: *level,
            entries: entries.to_vec(),
        })
    });
    let mut records: Vec<Vec<Closed>> = Vec::new();
    let mut room = 0;
    for part in parts {
        if let Some(record) = records.last_mut().filter(|_| part.entries.len() <= room) {
            room -= part.entries.len();
            record.push(part);
        } else {
            room = ENTRIES_PER_RECORD_MAX - part.entries.len();
            records.push(vec![part]);
        }
    }
    records
}

fn sort(policies: &Policies, lost: &Lost, reports: Vec<Report>) -> Sorted {
    let mut sorted = Sorted::default();
    for report in reports {
        let PostingKey { entry, member } = report.posting;
        match &report.outcome {
            ReportOutcome::Reached(level) if closes(policies, member, *level) => {
                sorted.closed.entry((member, *level)).or_default().push(entry);
                sorted.recorded.push(report.posting);
            }
            ReportOutcome::Settled(level) => {
                sorted.closed.entry((member, *level)).or_default().push(entry);
                sorted.recorded.push(report.posting);
            }
            ReportOutcome::Suspend(reason) => {
                sorted.decisions.push(suspended(&report, reason, ""));
                sorted.recorded.push(report.posting);
            }
            ReportOutcome::SendAgain { .. } if lost.often.contains(&report.posting) => {
                sorted.decisions.push(suspended(&report, &SuspenseReason::Lost, healing::TOO_OFTEN));
                sorted.recorded.push(report.posting);
            }
            ReportOutcome::SendAgain { .. } if lost.closed.contains(&report.posting) => {
                sorted.decisions.push(Decision::Healed(AtMember { member, entries: vec![entry] }));
                sorted.recorded.push(report.posting);
            }
            ReportOutcome::Reached(_)
            | ReportOutcome::RetryAt { .. }
            | ReportOutcome::SendAgain { .. }
            | ReportOutcome::Released => sorted.free.push(report.posting),
        }
        if report.attempt.is_some() || report.outcome != ReportOutcome::Released {
            sorted.others.push(report);
        }
    }
    sorted
}

/// Whether a level closes a posting; where nobody asks the member for a level any more, any does.
fn closes(policies: &Policies, member: MemberNumber, level: ConfirmLevel) -> bool {
    policies.get(member).is_none_or(|policy| level >= policy.confirm)
}

/// Sets a posting aside by what was tried last; `more` is added to its words.
fn suspended(report: &Report, reason: &SuspenseReason, more: &str) -> Decision {
    let attempt = report.attempt.as_ref();
    let text = attempt.map_or_else(String::new, |attempt| attempt.text.clone());
    let text =
        [text.as_str(), more].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
    Decision::Suspended {
        entry: report.posting.entry,
        member: report.posting.member,
        reason: reason.clone(),
        status: attempt.and_then(|attempt| attempt.status),
        text,
    }
}

/// Takes in what stands in the database alone; what closes or suspends has come through the journal.
fn take_in(
    desk: &mut Desk<'_>,
    policies: &Policies,
    now: WallTime,
    report: &Report,
) -> Result<(), StoreError> {
    if let Some(attempt) = &report.attempt {
        desk.changes.notes.push(attempt.note(report.posting));
        if report.outcome != ReportOutcome::Reached(ConfirmLevel::Accepted) {
            thin_out(desk, report.posting)?;
        }
    }
    let policy = policies.get(report.posting.member);
    let mut had = None;
    desk.alter(report.posting, |_, posting| {
        let Some(posting) = posting else { return };
        had = posting.level();
        posting.take_in(report, policy.map(|policy| policy.settle), now);
    })?;
    match report.outcome {
        ReportOutcome::SendAgain { .. } if had.is_some() => desk.heal(report.posting),
        _ => Ok(()),
    }
}

/// Lets the attempts in the middle go where there are many: the first says how it began, the newest how it stands.
fn thin_out(desk: &mut Desk<'_>, posting: PostingKey) -> Result<(), StoreError> {
    let kept = desk.reads().notes(NoteKind::Attempt, NotesOf::Posting(posting), 2 * ATTEMPTS_KEPT)?;
    if kept.len() > ATTEMPTS_KEPT {
        // Newest first; the one that is added now is not among them.
        let middle = kept.get(ATTEMPTS_KEPT - 1..kept.len() - 1).unwrap_or_default();
        desk.changes.notes_closed.extend(middle.iter().map(|note| (note.kind, note.id)));
    }
    Ok(())
}

impl PostingRow {
    fn take_in(&mut self, report: &Report, settle: Option<std::time::Duration>, now: WallTime) {
        if self.stage == Stage::Suspense {
            // Only a decision, which a rebuild finds again, takes it out of there.
            return;
        }
        // What did not reach the member says nothing of the object.
        if report.attempt.is_some() && report.outcome != ReportOutcome::Released {
            self.attempts = self.attempts.saturating_add(1);
        }
        match &report.outcome {
            ReportOutcome::Reached(level) => {
                let settled = settle.filter(|_| *level == ConfirmLevel::Accepted).unwrap_or_default();
                self.attempts = 0;
                self.reach(*level, now.after(settled));
            }
            ReportOutcome::RetryAt { at } => self.retry((*at).min(now.after(RETRY_WAIT_MAX))),
            ReportOutcome::SendAgain { at } => self.send_again((*at).min(now.after(RETRY_WAIT_MAX))),
            ReportOutcome::Settled(_) | ReportOutcome::Suspend(_) | ReportOutcome::Released => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closings_are_split_into_records_that_are_not_too_long() {
        let entries = |count: usize| (0..count as u64).map(Seq).collect::<Vec<_>>();
        let closed = BTreeMap::from([
            ((MemberNumber(0), ConfirmLevel::Accepted), entries(ENTRIES_PER_RECORD_MAX + 1)),
            ((MemberNumber(1), ConfirmLevel::Verified), entries(5)),
        ]);
        let records = records(&closed);
        let lengths: Vec<usize> =
            records.iter().map(|record| record.iter().map(|part| part.entries.len()).sum()).collect();
        assert_eq!(lengths, [ENTRIES_PER_RECORD_MAX, 6]);
        assert!(super::records(&BTreeMap::new()).is_empty());
    }
}
