//! The data directory, the journal and the ledger of a node.

use std::path::Path;
use std::time::Duration;

use outrigger_front::RefusalEvent;
use outrigger_journal::{Damage, Journal, JournalHandle, Options};
use outrigger_ledger::{
    Coverage, Harm, JOURNAL_DAMAGE, Ledger, LedgerOptions, LedgerStore, MemberPolicy, Need, Refusal,
    SqliteStore,
};
use outrigger_model::{ConfirmLevel, WallTime};
use outrigger_runtime::Spool;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::World;
use super::scrub::ScrubParts;
use crate::config::{MemberConfig, NodeConfig};
use crate::process::Failure;

/// Entries count as fresh for this long, as long as nobody waits longer for a study that was just made.
const FRESH_FOR: Duration = Duration::from_secs(15 * 60);

/// The ledger's part of `[journal] reserve`, kept beside it: what the journal finishes in its reserve makes rows of a fraction of its size.
const LEDGER_RESERVE_SHARE: u64 = 16;

/// What a node stands on.
pub(crate) struct Storage {
    /// The journal.
    pub(crate) journal: JournalHandle,
    /// The ledger.
    pub(crate) ledger: Ledger,
    /// Where large objects stream to.
    pub(crate) spool: Spool,
}

/// Opens journal and ledger, and brings the ledger up to the journal.
pub(crate) async fn open_storage(
    world: &World,
    config: &NodeConfig,
    accept_loss: Option<String>,
) -> Result<Storage, Failure> {
    let store = open_store(&config.ledger)?;
    let reserve = config.journal.options.reserve_bytes / LEDGER_RESERVE_SHARE;
    let store = store.with_reserve(&world.disk, reserve);
    let store: Box<dyn LedgerStore> =
        Box::new(store.map_err(|error| Failure::of("no room could be kept for the ledger", error))?);
    let applied =
        store.position().map_err(|error| Failure::of("the ledger's position cannot be read", error))?;
    let applied = outrigger_journal::Seq(applied.map_or(0, |position| position.applied.0));
    let (journal, damaged) = open_node_journal(world, config, applied, accept_loss)?;
    journal.reader().leave_free(reserve);
    let now = WallTime(world.clock.wall_us());
    let options = LedgerOptions {
        members: config.members.iter().map(|member| policy(member, now)).collect(),
        fresh_for: FRESH_FOR,
    };
    let ledger = Ledger::open(journal.clone(), store, options, world.clock.clone(), world.threads).await;
    let ledger = ledger.map_err(|error| Failure::of("the ledger cannot be opened", error))?;
    note_damage(&ledger, &damaged).await;
    let spool = Spool {
        disk: world.disk.clone(),
        directory: journal.spool_directory(),
        threads: world.threads,
        random: world.random.clone(),
        memory_bytes_max: usize::try_from(outrigger_journal::FRAME_BODY_BYTES_MAX).unwrap_or(usize::MAX),
        object_bytes_max: config.base.max_object(),
    };
    Ok(Storage { journal, ledger, spool })
}

/// Opens the ledger's database.
pub(crate) fn open_store(path: &Path) -> Result<SqliteStore, Failure> {
    SqliteStore::open(path)
        .map_err(|error| Failure::of(format!("the ledger {} cannot be opened", path.display()), error))
}

/// Opens the journal and starts its writer; gives the damage that was found.
pub(crate) fn open_node_journal(
    world: &World,
    config: &NodeConfig,
    applied: outrigger_journal::Seq,
    accept_loss: Option<String>,
) -> Result<(JournalHandle, Vec<Damage>), Failure> {
    let options = Options { accept_loss, ..config.journal.options.clone() };
    let opened =
        Journal::open(world.disk.clone(), world.clock.clone(), world.random.clone(), options, applied);
    let opened = opened.map_err(|error| Failure::of("the journal cannot be opened", error))?;
    let report = &opened.report;
    let adopted = report.adopted.len();
    let cut_bytes = report.cut.as_ref().map_or(0, |cut| cut.bytes);
    let levelled = report.levelled;
    tracing::info!(entries = report.entries, cut_bytes, adopted, levelled, "journal opened");
    for damage in &report.damaged {
        tracing::error!(%damage, "the journal is damaged here; it is repaired from a member, or stands in suspense");
    }
    let started = opened.journal.start(world.threads);
    let journal = started.map_err(|error| Failure::of("the journal's writer cannot be started", error))?;
    Ok((journal, opened.report.damaged))
}

/// Makes findings of what a start found damaged; a scrub closes those that the start has mended.
async fn note_damage(ledger: &Ledger, damaged: &[Damage]) {
    let harm = damaged.iter().map(Harm::of_journal).collect();
    if let Err(error) = ledger.note_damage(JOURNAL_DAMAGE, harm, Coverage::Part).await {
        tracing::error!(error = &error as &dyn std::error::Error, "damage of the journal could not be noted");
    }
}

fn policy(member: &MemberConfig, now: WallTime) -> MemberPolicy {
    let need = if member.required { Need::Required } else { Need::Optional };
    let release = match member.confirm {
        ConfirmLevel::Accepted | ConfirmLevel::Present => ConfirmLevel::Present,
        ConfirmLevel::Committed | ConfirmLevel::Verified => ConfirmLevel::Committed,
    };
    MemberPolicy {
        name: member.name.clone(),
        need,
        confirm: member.confirm,
        release,
        scope: super::members::scope(member, now),
        settle: member.settle,
        preference: member.preference,
    }
}

/// Notes refused objects in the ledger, as long as there is a front door.
pub(crate) fn record_refusals(ledger: Ledger, mut refusals: mpsc::Receiver<RefusalEvent>) -> JoinHandle<()> {
    tokio::spawn(async move {
        while let Some(event) = refusals.recv().await {
            let refusal = Refusal {
                at: event.at,
                calling_ae: event.origin.calling_ae,
                peer: event.origin.peer,
                sop_instance: event.sop_instance,
                status: event.status,
                text: event.text,
                kept: event.kept.map(|path| path.display().to_string()),
            };
            if let Err(error) = ledger.refused(refusal).await {
                tracing::error!(%error, "a refused object could not be noted");
            }
        }
    })
}

impl Storage {
    /// What a scrub reads, and how.
    pub(crate) fn scrubbed(&self, world: &World, config: &NodeConfig) -> ScrubParts {
        ScrubParts {
            journal: self.journal.clone(),
            ledger: self.ledger.clone(),
            every: config.journal.scrub,
            bytes_per_second: config.journal.scrub_rate,
            clock: world.clock.clone(),
        }
    }

    /// Finishes what is queued.
    pub(crate) async fn close(self) -> Result<(), Failure> {
        self.ledger.close().await;
        let closed = self.journal.close().await;
        closed.map_err(|error| Failure::of("the journal did not close in good order", error))
    }
}
