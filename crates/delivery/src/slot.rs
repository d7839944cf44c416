//! One connection to a member: asks for work, sends it, reports, for ever.

use std::time::Duration;

use outrigger_ledger::finding::Finding;
use outrigger_ledger::{Due, DueAsk, Ledger, LedgerError, Report, ReportOutcome};
use outrigger_member::breaker::{AWAY, Permit};
use outrigger_runtime::Shutdown;
use tokio::time::Instant;

use crate::lanes;
use crate::lines::LinePermit;
use crate::parcel::{self, Parcel, ParcelError};
use crate::plan::{self, Ending, Next, Others};
use crate::send::{Line, Sender, Unread, chain, hang_up};

/// Objects asked for at once: enough that noting them costs little by the object, few enough that a fresh object never
/// waits long behind them.
const BATCH: usize = 32;

/// Longest wait for something new before the ledger is asked again, for postings whose waiting time is over.
const ASK_AGAIN: Duration = Duration::from_secs(1);

/// A connection without work is ended after this: archives count idle associations.
const IDLE: Duration = Duration::from_secs(2);

/// Wait after what was sent could not be noted: a journal that failed stays so until a restart, and until then the same
/// objects would go out again and again.
const NOTED_AGAIN: Duration = Duration::from_secs(30);

/// One connection's loop.
pub struct Slot {
    /// The ledger.
    pub ledger: Ledger,
    /// What it sends with.
    pub sender: Sender,
    /// When to stop.
    pub shutdown: Shutdown,
}

impl Slot {
    /// Works until the node stops; what is claimed then is given back.
    pub async fn run(mut self) {
        let mut line: Option<Line> = None;
        let mut permit: Option<LinePermit> = None;
        let mut news = self.ledger.watch();
        let mut turn = 0;
        let mut idle_since = Instant::now();
        let mut sent = Vec::new();
        while !self.shutdown.is_stopping() {
            if let Permit::Wait(until) = self.sender.standing.permit(self.sender.clock.now()) {
                self.put_down(&mut line, &mut sent).await;
                permit = None;
                self.pause(until).await;
                continue;
            }
            if permit.is_none() {
                permit = self.permit().await;
                continue;
            }
            let batch = self.claim(turn).await;
            if batch.is_empty() && !sent.is_empty() {
                self.note(std::mem::take(&mut sent)).await;
                continue;
            }
            if batch.is_empty() {
                self.sender.standing.untried(self.sender.clock.now());
                if self.sender.standing.is_reached() {
                    self.sender.reached(&self.ledger).await;
                }
                if line.is_some() && (idle_since.elapsed() > IDLE || self.sender.lines.is_asked()) {
                    hang_up(&mut line).await;
                }
                if line.is_none() {
                    permit = None;
                }
                tokio::select! {
                    _ = news.changed() => {}
                    () = self.sender.lines.asked(), if permit.is_some() => {}
                    () = tokio::time::sleep(ASK_AGAIN) => {}
                    () = self.shutdown.stopping() => {}
                }
                continue;
            }
            turn += 1;
            sent = self.work(&mut line, batch, sent).await;
            idle_since = Instant::now();
            if self.sender.standing.takes_nothing() {
                // It answers, and loses one object after the other: it is tried again at the pace of a first probe.
                self.put_down(&mut line, &mut sent).await;
                permit = None;
                self.pause(self.sender.clock.now() + AWAY.first).await;
            } else if self.sender.lines.is_asked() {
                self.put_down(&mut line, &mut sent).await;
                permit = None;
            }
        }
        self.put_down(&mut line, &mut sent).await;
    }

    /// Waits for a connection of the member's; the probe, if this was it, is left to others meanwhile.
    async fn permit(&mut self) -> Option<LinePermit> {
        self.sender.standing.untried(self.sender.clock.now());
        tokio::select! {
            // A node that stops takes no connection from those that finish.
            biased;
            () = self.shutdown.stopping() => None,
            permit = self.sender.lines.to_store() => permit,
        }
    }

    async fn pause(&mut self, until: Instant) {
        tokio::select! {
            () = tokio::time::sleep_until(until) => {}
            () = self.shutdown.stopping() => {}
        }
    }

    async fn claim(&self, turn: u64) -> Vec<Due> {
        for lane in lanes::order(turn) {
            match self.ledger.due(self.sender.setup.number, DueAsk { limit: BATCH, lane }).await {
                Ok(batch) if batch.is_empty() => {}
                Ok(batch) => return batch,
                Err(error) => {
                    tracing::warn!(member = %self.sender.setup.name, error = %chain(&error), "the ledger gives no work");
                    return Vec::new();
                }
            }
        }
        Vec::new()
    }

    /// Sends a batch while what was `sent` before is noted; gives what is to be noted of the batch.
    async fn work(&mut self, line: &mut Option<Line>, batch: Vec<Due>, sent: Vec<Report>) -> Vec<Report> {
        let sending = async {
            let mut parcels = Vec::with_capacity(batch.len());
            let mut reports = Vec::new();
            for due in batch {
                match parcel::prepare(&self.ledger, &self.sender.members, due).await {
                    Ok(parcel) => parcels.push(parcel),
                    Err((due, error)) => reports.push(self.without_bytes(&due, &error)),
                }
            }
            reports.extend(self.send(line, parcels).await);
            reports
        };
        let noting = async { if sent.is_empty() { Ok(()) } else { self.ledger.report(sent).await } };
        let (noted, reports) = tokio::join!(noting, sending);
        self.noted(noted).await;
        reports
    }

    /// Ends the connection; what was sent over it is noted before.
    async fn put_down(&mut self, line: &mut Option<Line>, sent: &mut Vec<Report>) {
        self.note(std::mem::take(sent)).await;
        hang_up(line).await;
    }

    /// Notes what was sent.
    async fn note(&mut self, sent: Vec<Report>) {
        if !sent.is_empty() {
            let noted = self.ledger.report(sent).await;
            self.noted(noted).await;
        }
    }

    async fn noted(&mut self, noted: Result<(), LedgerError>) {
        if let Err(error) = noted {
            tracing::warn!(member = %self.sender.setup.name, error = %chain(&error), "what was sent could not be noted; it will be sent again");
            self.pause(self.sender.clock.now() + NOTED_AGAIN).await;
        }
    }

    async fn send(&self, line: &mut Option<Line>, parcels: Vec<Parcel>) -> Vec<Report> {
        if parcels.is_empty() {
            self.sender.standing.untried(self.sender.clock.now());
            return Vec::new();
        }
        let sent = self.sender.send(line, parcels).await;
        self.tell(sent.findings).await;
        let mut reports = sent.reports;
        for unread in sent.unread {
            reports.extend(self.send_renewed(line, unread).await);
        }
        if line.is_some() || self.sender.standing.is_reached() {
            self.sender.reached(&self.ledger).await;
        }
        // Whoever probed and neither reached nor lost the member leaves the probe to the next.
        self.sender.standing.untried(self.sender.clock.now());
        reports
    }

    /// Sends an object whose bytes the journal could not give, if another member gives them.
    async fn send_renewed(&self, line: &mut Option<Line>, unread: Unread) -> Vec<Report> {
        let Unread { due, report } = unread;
        let Some(parcel) = parcel::renewed(&self.ledger, &self.sender.members, due).await else {
            return vec![report];
        };
        let sent = self.sender.send(line, vec![parcel]).await;
        self.tell(sent.findings).await;
        sent.reports.into_iter().chain(sent.unread.into_iter().map(|unread| unread.report)).collect()
    }

    /// Writes down what was noticed on the way; a finding that cannot be kept is in the log.
    async fn tell(&self, findings: Vec<Finding>) {
        for finding in findings {
            tracing::warn!(member = %self.sender.setup.name, text = %finding.text, "a route failed where another worked");
            if let Err(error) = self.ledger.finding(finding).await {
                tracing::warn!(error = %chain(&error), "the finding could not be kept");
            }
        }
    }

    fn without_bytes(&self, due: &Due, error: &ParcelError) -> Report {
        let at = self.sender.wall();
        let (ending, text) = match error {
            ParcelError::Gone { .. } => (Ending::Damaged, chain(error)),
            ParcelError::HolderFails { .. } => (Ending::Withheld, chain(error)),
            ParcelError::HolderAway { .. } | ParcelError::NotNow { .. } => (Ending::Later, chain(error)),
        };
        let attempts = due.attempts.saturating_add(1);
        let outcome = match plan::next(ending, attempts, Others::FailToo, at, self.sender.jitter()) {
            Next::Suspend(reason) => ReportOutcome::Suspend(reason),
            Next::RetryAt(at) => ReportOutcome::RetryAt { at },
            Next::Reached(_) | Next::GiveBack => ReportOutcome::Released,
        };
        let attempt = outrigger_ledger::Attempt { at, route: "journal".to_owned(), status: None, text };
        Report { posting: due.posting, attempt: Some(attempt), outcome }
    }
}
