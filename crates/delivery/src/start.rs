//! Starting a member's workers.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use outrigger_journal::JournalHandle;
use outrigger_ledger::Ledger;
use outrigger_member::CommitReport;
use outrigger_model::MemberNumber;
use outrigger_runtime::{Clock, Random, Shutdown, Threads};
use tokio::sync::mpsc;

use crate::confirm::worker::Confirmer;
use crate::lines::Lines;
use crate::release::Releaser;
use crate::send::{Sender, chain};
use crate::setup::MemberSetup;
use crate::slot::Slot;
use crate::standing::Standing;
use crate::versions::Versions;

/// Commitment reports waiting for one member's confirmation loop: a member sends one a transaction, and few are open.
const REPORTS_WAITING: usize = 64;

/// What delivery works with.
pub struct DeliveryOptions {
    /// The ledger.
    pub ledger: Ledger,
    /// The journal, for releasing.
    pub journal: JournalHandle,
    /// The members.
    pub members: Vec<MemberSetup>,
    /// Commitment reports that come to our listener.
    pub reports: mpsc::Receiver<CommitReport>,
    /// How long bytes stay after an entry is balanced.
    pub retention: Duration,
    /// Time.
    pub clock: Clock,
    /// Jitter and transaction UIDs.
    pub random: Random,
    /// Where blocking work runs.
    pub threads: Threads,
    /// When to stop.
    pub shutdown: Shutdown,
}

/// Delivery at work.
#[derive(Debug, Clone)]
pub struct Delivery {
    standings: BTreeMap<MemberNumber, Arc<Standing>>,
}

impl Delivery {
    /// Starts every member's connections and confirmation, and the release of bytes.
    pub fn start(options: DeliveryOptions) -> Self {
        let mut standings = BTreeMap::new();
        let mut confirmers = BTreeMap::new();
        let members: Arc<[MemberSetup]> = options.members.clone().into();
        for setup in &options.members {
            let standing = Arc::new(Standing::default());
            standings.insert(setup.number, Arc::clone(&standing));
            let sender = Sender {
                setup: setup.clone(),
                standing,
                clock: options.clock.clone(),
                random: options.random.clone(),
                threads: options.threads,
                lines: Lines::new(setup.connections),
                members: Arc::clone(&members),
            };
            confirmers.insert(setup.number, start_member(&options, sender));
        }
        let releaser = Releaser {
            ledger: options.ledger.clone(),
            journal: options.journal,
            retention: options.retention,
            shutdown: options.shutdown.clone(),
        };
        drop(tokio::spawn(releaser.run()));
        let versions = Versions {
            ledger: options.ledger.clone(),
            threads: options.threads,
            shutdown: options.shutdown.clone(),
        };
        drop(tokio::spawn(versions.run()));
        drop(tokio::spawn(pass_on(options.ledger, options.reports, confirmers, options.shutdown)));
        Self { standings }
    }

    /// How a member stands.
    pub fn standing(&self, member: MemberNumber) -> Option<&Standing> {
        self.standings.get(&member).map(|standing| &**standing)
    }
}

fn start_member(options: &DeliveryOptions, sender: Sender) -> mpsc::Sender<CommitReport> {
    for _ in 0..sender.setup.connections {
        let slot = Slot {
            ledger: options.ledger.clone(),
            sender: sender.clone(),
            shutdown: options.shutdown.clone(),
        };
        drop(tokio::spawn(slot.run()));
    }
    let (reported, reports) = mpsc::channel(REPORTS_WAITING);
    let confirmer =
        Confirmer { ledger: options.ledger.clone(), sender, reports, shutdown: options.shutdown.clone() };
    drop(tokio::spawn(confirmer.run()));
    reported
}

/// Hands each commitment report to the member whose transaction it ends.
async fn pass_on(
    ledger: Ledger,
    mut reports: mpsc::Receiver<CommitReport>,
    members: BTreeMap<MemberNumber, mpsc::Sender<CommitReport>>,
    mut shutdown: Shutdown,
) {
    loop {
        let report = tokio::select! {
            // Each of these was answered with success: what has come is handed on before the end.
            biased;
            report = reports.recv() => report,
            () = shutdown.stopping() => None,
        };
        let Some(report) = report else { return };
        let member = match ledger.commit_member(&report.transaction).await {
            Ok(member) => member,
            Err(error) => {
                tracing::warn!(error = %chain(&error), "a commitment report could not be matched");
                continue;
            }
        };
        let Some(to) = member.and_then(|member| members.get(&member)) else {
            tracing::info!(transaction = %report.transaction, "a commitment report for no open transaction");
            continue;
        };
        if to.send(report).await.is_err() {
            return;
        }
    }
}
