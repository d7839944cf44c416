//! pynetdicom as a modality that asks for storage commitment.

use std::time::Duration;

use outrigger_model::{AeTitle, InstanceHeader};
use serde_json::{Value, json};

use super::pynetdicom::python;
use super::{Nagle, PeerError, Station, ToolRun};

const SCRIPT: &str = include_str!("commit_scu.py");

/// Whether a modality stays on the association on which it asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AfterAsking {
    /// Until it was told.
    Stays,
    /// It releases at once.
    Leaves,
}

/// pynetdicom's side of storage commitment.
#[derive(Debug, Clone, Copy)]
pub struct PynetdicomCommitScu<'a> {
    /// Its AE title.
    pub calling: &'a AeTitle,
    /// Whom it asks.
    pub called: &'a Station,
    /// Transaction UIDs, each asked for the same instances; without any it only listens.
    pub transactions: &'a [&'a str],
    /// What it asks for.
    pub instances: &'a [&'a InstanceHeader],
    /// Where it listens for results, if it does.
    pub listen: Option<u16>,
    /// What it does afterwards.
    pub after: AfterAsking,
    /// Reports it waits for,
    pub reports: usize,
    /// each for so long.
    pub patience: Duration,
}

impl PynetdicomCommitScu<'_> {
    /// Asks and listens; gives what it was answered and told, in the order in which that came.
    pub async fn run(&self) -> Result<Vec<Value>, PeerError> {
        let pair = |header: &&InstanceHeader| [header.sop_class.to_string(), header.sop_instance.to_string()];
        let asked = json!({
            "calling": self.calling.as_str(),
            "called": self.called.ae_title.as_str(),
            "port": self.called.port,
            "transactions": self.transactions,
            "instances": self.instances.iter().map(pair).collect::<Vec<_>>(),
            "listen": self.listen,
            "leaves": self.after == AfterAsking::Leaves,
            "reports": self.reports,
            "patience": self.patience.as_secs_f64(),
        });
        let run = ToolRun::of(python()?, ["-c", SCRIPT, &asked.to_string()], Nagle::Off).await?;
        if !run.success() {
            return Err(PeerError::Failed { program: "pynetdicom".to_owned(), said: run.said() });
        }
        let parsed: Result<Vec<Value>, _> = run.stdout.lines().map(serde_json::from_str).collect();
        parsed.map_err(|_| PeerError::Failed { program: "pynetdicom".to_owned(), said: run.said() })
    }
}
