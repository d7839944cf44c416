//! The loop that confirms what one member accepted.

use std::time::Duration;

use outrigger_ledger::{Due, Ledger, LedgerError};
use outrigger_member::CommitReport;
use outrigger_model::{ConfirmLevel, WallTime};
use outrigger_runtime::Shutdown;
use outrigger_runtime::backoff::Backoff;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::confirm::ability::{self, LEARN_AGAIN, Lacks};
use crate::confirm::background::Background;
use crate::confirm::line::AskLine;
use crate::confirm::silence::Silence;
use crate::confirm::steps::Asker;
use crate::confirm::{Step, steps};
use crate::send::{Sender, chain};

/// Postings taken at once: a commitment request of this size stays far below the smallest limits met in archives.
const BATCH: usize = 256;

/// Objects read back in a row over one connection, before those that store get their turn.
const READ_BACK_BATCH: usize = 32;

/// How often the ledger is asked for what is ready to be confirmed; settling times are seconds to minutes.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Waiting before a question that failed is asked again.
pub(crate) const AGAIN: Backoff =
    Backoff { first: Duration::from_secs(2), longest: Duration::from_secs(300) };

/// One member's confirmation loop.
pub struct Confirmer {
    /// The ledger.
    pub ledger: Ledger,
    /// What it asks with.
    pub sender: Sender,
    /// Commitment reports that came to our listener for this member.
    pub reports: mpsc::Receiver<CommitReport>,
    /// When to stop.
    pub shutdown: Shutdown,
}

impl Sender {
    /// When a question about a posting that failed is asked again.
    pub(crate) fn again(&self, due: &Due) -> WallTime {
        self.wall().after(AGAIN.after(due.attempts.saturating_add(1), self.jitter()))
    }
}

impl Confirmer {
    /// Works until the node stops.
    pub async fn run(self) {
        let Self { ledger, sender, mut reports, mut shutdown } = self;
        let mut asker = Asker {
            ledger,
            sender,
            line: AskLine::default(),
            gave_at: None,
            lacks: Lacks::default(),
            silence: Silence::default(),
            background: Background::default(),
            noted: std::collections::BTreeSet::default(),
        };
        let mut learn_at = Instant::now();
        while !shutdown.is_stopping() {
            while let Ok(report) = reports.try_recv() {
                asker.take_in(report).await;
            }
            let worked = match asker.round(&mut learn_at).await {
                Ok(worked) => worked,
                Err(error) => {
                    tracing::warn!(member = %asker.sender.setup.name, error = %chain(&error), "confirmation waits for the ledger");
                    0
                }
            };
            if worked > 0 {
                continue;
            }
            asker.line.rest(&asker.sender).await;
            tokio::select! {
                // Each of these was answered with success: what has come is noted before the end.
                biased;
                Some(report) = reports.recv() => asker.take_in(report).await,
                () = asker.sender.lines.wanted(), if asker.line.is_held() => {}
                () = tokio::time::sleep(ASK_EVERY) => {}
                () = shutdown.stopping() => {}
            }
        }
        asker.line.hang_up().await;
        // Each of these was answered with success.
        while let Ok(report) = reports.try_recv() {
            asker.take_in(report).await;
        }
    }
}

impl Asker {
    /// Confirms what is ready; gives how many postings were asked about.
    async fn round(&mut self, learn_at: &mut Instant) -> Result<usize, LedgerError> {
        self.look_again(learn_at).await?;
        let (number, wanted) = (self.sender.setup.number, self.sender.setup.confirm);
        let unverified = self.ledger.unverified(number, READ_BACK_BATCH).await?;
        let mut worked = 0;
        if wanted > ConfirmLevel::Accepted {
            self.unreported().await?;
            let monotonic = self.sender.clock.now();
            let next = steps(wanted).iter().find(|step| self.lacks.allows(**step, monotonic));
            let batch = if next == Some(&Step::ReadBack) { READ_BACK_BATCH } else { BATCH };
            let waiting = self.ledger.awaiting(number, ConfirmLevel::Accepted, batch).await?;
            worked += self.open(waiting).await?;
        }
        worked += self.closed(unverified).await?;
        if worked == 0 {
            worked = self.unshown().await?;
        }
        Ok(worked)
    }

    /// Confirms open postings; gives their number.
    async fn open(&mut self, waiting: Vec<Due>) -> Result<usize, LedgerError> {
        let count = waiting.len();
        if count == 0 || !self.may(&waiting).await? {
            return Ok(0);
        }
        // Query and commitment speak of a UID, under which the member may have kept the version before.
        let (first, later) = waiting.into_iter().partition(|due| due.earlier.is_none());
        let reports = self.confirmed(first, later).await?;
        self.ledger.report(reports).await?;
        self.asked_enough().await;
        Ok(count)
    }

    /// Reads closed postings back; gives their number.
    async fn closed(&mut self, unverified: Vec<Due>) -> Result<usize, LedgerError> {
        let count = unverified.len();
        if count == 0 || !self.may(&unverified).await? {
            return Ok(0);
        }
        let reports = self.read_back_closed(unverified).await?;
        self.ledger.report(reports).await?;
        self.asked_enough().await;
        Ok(count)
    }

    /// Waits for the right to ask; what is not asked about is given back.
    pub(super) async fn may(&mut self, postings: &[Due]) -> Result<bool, LedgerError> {
        if self.may_ask() && self.line.is_granted(&self.sender).await {
            return Ok(true);
        }
        self.line.hang_up().await;
        self.ledger.give_back(postings).await?;
        Ok(false)
    }

    /// A batch is over: those that store get their turn.
    pub(super) async fn asked_enough(&mut self) {
        // A probe that neither reached nor lost the member is left to the next.
        self.sender.standing.untried(self.sender.clock.now());
        if self.sender.lines.is_wanted() {
            self.line.hang_up().await;
        }
    }

    async fn take_in(&mut self, report: CommitReport) {
        if let Err(error) = self.reported(report).await {
            tracing::warn!(error = %chain(&error), "a commitment report could not be noted; it will be asked for again");
        }
    }

    /// From time to time: what the ledger holds against the member is looked at again, as members are updated.
    async fn look_again(&mut self, at: &mut Instant) -> Result<(), LedgerError> {
        let now = self.sender.clock.now();
        if now < *at {
            return Ok(());
        }
        *at = now + LEARN_AGAIN;
        self.noted = self.ledger.unable(self.sender.setup.number).await?.into_iter().collect();
        // From before the start, which may be that it does not report; one request shows it.
        if self.noted.contains(&ConfirmLevel::Committed) && !self.lacks.has(Step::Commit) {
            self.silence.is_unable();
        }
        let wanted = self.sender.setup.confirm;
        let moot: Vec<Step> = [Step::Query, Step::Commit]
            .into_iter()
            .filter(|step| self.noted.contains(&step.level()) && !steps(wanted).contains(step))
            .collect();
        for step in moot {
            self.can(step).await?;
        }
        if self.noted.is_empty() || !self.may(&[]).await? {
            return Ok(());
        }
        let Some(route) = self.sender.setup.routes.first() else { return Ok(()) };
        self.line.end().await;
        let abilities = route.member.abilities().await;
        self.sender.asked(&self.ledger, &abilities).await;
        self.asked_enough().await;
        let Ok(abilities) = abilities else { return Ok(()) };
        let shown: Vec<Step> = ability::shown(&abilities).collect();
        for step in shown {
            // What it accepts and then does not know, or does not do, is tried in earnest; the finding stays until that
            // works, except where it alone keeps the member from being tried.
            if !self.lacks.is_by_deed(step) || step == Step::ReadBack {
                self.can(step).await?;
            }
        }
        Ok(())
    }
}
