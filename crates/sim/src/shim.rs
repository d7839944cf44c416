//! The fault shim: lets the Nth call by which a real process changes files go wrong, whatever code makes the call.
//!
//! Compiled from `shim/fault.c` by the system's `cc`, and preloaded into a dynamically linked program. Tests that use
//! it start with `fault_`.

#![allow(
    clippy::disallowed_methods,
    reason = "compiles a library and reads its trace, beside the process under test"
)]

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;

use crate::peers::{PeerError, ToolRun};

/// What happens at a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The process is killed before the call.
    Crash,
    /// Half of a write is done, then the process is killed; other calls pass.
    Torn,
    /// The call fails with EIO.
    Eio,
    /// The call fails with ENOSPC.
    Enospc,
    /// Half of a write is done and the call says so; other calls pass.
    Short,
}

/// How long a fault lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lasting {
    /// For that one call.
    Once,
    /// For that call and all that follow.
    On,
}

/// One fault in the life of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    /// The number of the call, from 1.
    pub at: usize,
    /// What happens then.
    pub kind: FaultKind,
    /// For how long.
    pub lasting: Lasting,
}

/// One call that counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The function, such as `fdatasync`.
    pub name: String,
    /// The file; of two, the first.
    pub path: PathBuf,
}

/// The compiled shim, and the trace of the process it was last given to.
#[derive(Debug)]
pub struct Shim {
    library: Arc<TempDir>,
    traces: TempDir,
}

impl Shim {
    /// Compiles it.
    pub async fn build() -> Result<Self, PeerError> {
        let directory = temporary()?;
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("shim/fault.c");
        let library = directory.path().join("fault.so");
        let (library, source) = (library.to_string_lossy(), source.to_string_lossy());
        let options =
            ["-Wall", "-Wextra", "-Werror", "-O2", "-shared", "-fPIC", "-o", &library, &source, "-ldl"];
        ToolRun::succeed("cc", options).await?;
        Ok(Self { library: Arc::new(directory), traces: temporary()? })
    }

    /// The same library, compiled once, for a process beside: its trace is its own.
    pub fn beside(&self) -> Result<Self, PeerError> {
        Ok(Self { library: Arc::clone(&self.library), traces: temporary()? })
    }

    /// The environment in which a program runs with the shim, with or without a fault; its trace starts anew.
    ///
    /// Only calls on files under `prefix` count, an absolute path without symbolic links.
    pub fn variables(
        &self,
        prefix: &Path,
        fault: Option<Fault>,
    ) -> Result<Vec<(&'static str, String)>, PeerError> {
        let trace = self.trace();
        fs::write(&trace, "").map_err(PeerError::file(&trace))?;
        let text = |path: PathBuf| path.to_string_lossy().into_owned();
        let mut variables = vec![
            ("LD_PRELOAD", text(self.library.path().join("fault.so"))),
            ("OUTRIGGER_FAULT_PREFIX", text(prefix.to_owned())),
            ("OUTRIGGER_FAULT_TRACE", text(trace)),
        ];
        if let Some(Fault { at, kind, lasting }) = fault {
            variables.push(("OUTRIGGER_FAULT_AT", at.to_string()));
            variables.push(("OUTRIGGER_FAULT_KIND", kind.word().to_owned()));
            variables.push(("OUTRIGGER_FAULT_LASTING", lasting.word().to_owned()));
        }
        Ok(variables)
    }

    /// The environment in which a program's syncs of any file do nothing and say that they are done: the control of
    /// every test that cuts the power.
    pub fn without_syncs(&self, prefix: &Path) -> Result<Vec<(&'static str, String)>, PeerError> {
        let mut variables = self.variables(prefix, None)?;
        variables.push(("OUTRIGGER_FAULT_SYNCS", "ignored".to_owned()));
        Ok(variables)
    }

    /// The calls that counted so far, in order.
    pub fn calls(&self) -> Result<Vec<Call>, PeerError> {
        let trace = self.trace();
        let text = fs::read_to_string(&trace).map_err(PeerError::file(&trace))?;
        let call = |line: &str| {
            let (number, rest) = line.split_once(' ')?;
            let (name, path) = rest.split_once(' ')?;
            Some((number.parse::<usize>().ok()?, Call { name: name.to_owned(), path: path.into() }))
        };
        // Two threads write their lines in either order.
        let mut calls: Vec<_> = text.lines().filter_map(call).collect();
        calls.sort_by_key(|(number, _)| *number);
        Ok(calls.into_iter().map(|(_, call)| call).collect())
    }

    fn trace(&self) -> PathBuf {
        self.traces.path().join("trace")
    }
}

fn temporary() -> Result<TempDir, PeerError> {
    TempDir::with_prefix("outrigger-shim-").map_err(PeerError::file(std::env::temp_dir()))
}

impl FaultKind {
    fn word(self) -> &'static str {
        match self {
            Self::Crash => "crash",
            Self::Torn => "torn",
            Self::Eio => "eio",
            Self::Enospc => "enospc",
            Self::Short => "short",
        }
    }
}

impl Lasting {
    fn word(self) -> &'static str {
        match self {
            Self::Once => "once",
            Self::On => "on",
        }
    }
}
