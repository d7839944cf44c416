//! Command line tools of a peer, run to their end.

use std::ffi::OsStr;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use super::PeerError;

/// How long one tool may run: the longest job in the tests, a few thousand objects with Nagle on, takes 3 minutes.
const TOOL_SECONDS_MAX: u64 = 300;

/// Whether a DCMTK tool waits for acknowledgements between header and body of a PDU.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nagle {
    /// As the package installs it: Nagle's algorithm is on.
    AsInstalled,
    /// `TCP_NODELAY=1` in the environment turns it off.
    Off,
}

/// What a tool said until it ended.
#[derive(Debug)]
pub struct ToolRun {
    /// How it ended.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

/// One object that a sender sent, and the words in which it reports the response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// The file sent.
    pub file: String,
    /// The status in the sender's words; `None` if it reports no response.
    pub status: Option<String>,
}

impl ToolRun {
    /// Runs a program to its end; it is ended with the future.
    pub async fn of(
        program: impl AsRef<OsStr>,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
        nagle: Nagle,
    ) -> Result<Self, PeerError> {
        let name = program.as_ref().to_string_lossy().into_owned();
        let mut command = Command::new(program);
        command.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
        match nagle {
            Nagle::AsInstalled => command.env_remove("TCP_NODELAY"),
            Nagle::Off => command.env("TCP_NODELAY", "1"),
        };
        let ended = timeout(Duration::from_secs(TOOL_SECONDS_MAX), command.output()).await;
        let output = ended
            .map_err(|_| PeerError::TooSlow { program: name.clone(), seconds: TOOL_SECONDS_MAX })?
            .map_err(|source| PeerError::Spawn { program: name, source })?;
        Ok(Self {
            status: output.status,
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// Runs a program that has to succeed, and gives its standard output without the white space around it.
    pub async fn succeed(
        program: &str,
        arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    ) -> Result<String, PeerError> {
        let run = Self::of(program, arguments, Nagle::AsInstalled).await?;
        if run.success() {
            Ok(run.stdout.trim().to_owned())
        } else {
            Err(PeerError::Failed { program: program.to_owned(), said: run.said() })
        }
    }

    /// Whether the exit status was 0.
    pub fn success(&self) -> bool {
        self.status.success()
    }

    /// Both outputs, for a message.
    pub fn said(&self) -> String {
        format!("{}: {}{}", self.status, self.stdout, self.stderr)
    }
}
