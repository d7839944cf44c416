//! What the admin API of a node knows.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use outrigger_audit::crosscheck::Progress;
use outrigger_delivery::{Delivery, MemberSetup};
use outrigger_journal::JournalHandle;
use outrigger_ledger::Ledger;
use outrigger_model::{MemberName, MemberNumber, WallTime};
use outrigger_query::Reader;
use outrigger_runtime::Clock;
use tokio::sync::watch;

use crate::audit::Collector;
use crate::config::NodeConfig;
use crate::serve::{Callers, Scrubber};

/// What the admin API of a node knows; clones share it.
#[derive(Clone)]
pub(crate) struct NodeAdmin {
    /// The configuration file.
    pub(crate) file: Arc<PathBuf>,
    /// The ledger.
    pub(crate) ledger: Ledger,
    /// The journal.
    pub(crate) journal: JournalHandle,
    /// Delivery.
    pub(crate) delivery: Delivery,
    /// The members by number.
    pub(crate) members: Arc<BTreeMap<MemberNumber, MemberSetup>>,
    /// Who may call.
    pub(crate) callers: Arc<Callers>,
    /// Who answers queries.
    pub(crate) reader: Reader,
    /// Scrubs.
    pub(crate) scrubber: Scrubber,
    /// The cross-check, where there is one.
    pub(crate) crosscheck: Option<watch::Receiver<Progress>>,
    /// The audit trail's collector, if there is one.
    pub(crate) collector: Option<Collector>,
    /// Time.
    pub(crate) clock: Clock,
    /// Set when the node stops taking associations.
    draining: Arc<AtomicBool>,
    /// When this node started, and how many bytes the journal had then.
    started: (tokio::time::Instant, u64),
    /// The configuration in force; the lock is a leaf, held for a copy.
    loaded: Arc<Mutex<Loaded>>,
}

/// The configuration in force.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// Its content.
    pub(crate) config: NodeConfig,
    /// When it was read.
    pub(crate) at: WallTime,
    /// The mistakes of a newer one that was not taken.
    pub(crate) bad: Option<String>,
}

impl NodeAdmin {
    /// The parts a node is made of.
    pub(crate) fn new(parts: NodeParts) -> Self {
        let at = WallTime(parts.clock.wall_us());
        let members = parts.members.into_iter().map(|member| (member.number, member)).collect();
        let started = (parts.clock.now(), parts.journal.state().bytes);
        Self {
            draining: Arc::default(),
            started,
            file: Arc::new(parts.file),
            ledger: parts.ledger,
            journal: parts.journal,
            delivery: parts.delivery,
            members: Arc::new(members),
            callers: Arc::new(parts.callers),
            reader: parts.reader,
            scrubber: parts.scrubber,
            crosscheck: parts.crosscheck,
            collector: parts.collector,
            clock: parts.clock,
            loaded: Arc::new(Mutex::new(Loaded { config: parts.config, at, bad: None })),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Loaded> {
        self.loaded.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The configuration in force, when it was read, and mistakes of a newer one.
    pub(crate) fn loaded(&self) -> Loaded {
        self.lock().clone()
    }

    /// Notes the configuration that is in force from now on.
    pub(crate) fn note_configuration(&self, config: NodeConfig) {
        *self.lock() = Loaded { config, at: WallTime(self.clock.wall_us()), bad: None };
    }

    /// Notes that a newer configuration has mistakes.
    pub(crate) fn note_bad_configuration(&self, mistakes: String) {
        self.lock().bad = Some(mistakes);
    }

    /// Notes that the node stops taking associations.
    pub(crate) fn note_draining(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }

    /// Whether the node stops taking associations.
    pub(crate) fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Hours until the journal is full at the pace since this node started; `None` while it does not grow.
    pub(crate) fn forecast_hours(&self, bytes: u64, capacity: u64) -> Option<u64> {
        let elapsed_s = self.clock.now().saturating_duration_since(self.started.0).as_secs();
        let grown = bytes.checked_sub(self.started.1).filter(|grown| *grown > 0)?;
        Some(capacity.saturating_sub(bytes).saturating_mul(elapsed_s.max(1)) / grown / 3600)
    }

    /// The number of a member of the configuration.
    pub(crate) fn number(&self, name: &str) -> Option<MemberNumber> {
        let name = MemberName::new(name).ok()?;
        self.members.values().find(|member| member.name == name).map(|member| member.number)
    }
}

/// The parts a node is made of.
pub(crate) struct NodeParts {
    /// The configuration file.
    pub(crate) file: PathBuf,
    /// Its content.
    pub(crate) config: NodeConfig,
    /// The ledger.
    pub(crate) ledger: Ledger,
    /// The journal.
    pub(crate) journal: JournalHandle,
    /// Delivery.
    pub(crate) delivery: Delivery,
    /// The members.
    pub(crate) members: Vec<MemberSetup>,
    /// Who may call.
    pub(crate) callers: Callers,
    /// Who answers queries.
    pub(crate) reader: Reader,
    /// Scrubs.
    pub(crate) scrubber: Scrubber,
    /// The cross-check, where there is one.
    pub(crate) crosscheck: Option<watch::Receiver<Progress>>,
    /// The audit trail's collector, if there is one.
    pub(crate) collector: Option<Collector>,
    /// Time.
    pub(crate) clock: Clock,
}
