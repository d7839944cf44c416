//! A node or an embedded archive as a process of its own, to be killed and started again.

use std::net::SocketAddr;
use std::path::Path;

use serde_json::Value;

use crate::peers::{Launch, PeerError, Process, Ready};

/// How the line begins that a node prints when it is ready.
const READY: &str = "{\"ready\":";

/// A running `outrigger serve` or `outrigger archive`.
#[derive(Debug)]
pub struct Node {
    process: Process,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// `outrigger serve`
    Serve,
    /// `outrigger archive`
    Archive,
}

/// Where a node listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listening {
    /// DIMSE listeners, in the order of the configuration.
    pub dimse: Vec<SocketAddr>,
    /// Web listeners, in the order of the configuration.
    pub web: Vec<SocketAddr>,
    /// Where members answer; archives have none.
    pub members: Option<SocketAddr>,
    /// The admin API.
    pub admin: Option<SocketAddr>,
}

impl Node {
    /// Starts the program (a test gives `CARGO_BIN_EXE_outrigger`) with a configuration, in an existing directory.
    ///
    /// `variables` are added to its environment, such as those of the fault shim.
    pub async fn start(
        program: &Path,
        role: Role,
        configuration: &Path,
        directory: &Path,
        variables: Vec<(&'static str, String)>,
    ) -> Result<Self, PeerError> {
        let command = match role {
            Role::Serve => "serve",
            Role::Archive => "archive",
        };
        let process = Process::start(Launch {
            program: program.into(),
            arguments: vec![command.into(), "--config".into(), configuration.into()],
            variables,
            directory: directory.to_owned(),
            ready: vec![Ready::Line(READY)],
        })
        .await?;
        Ok(Self { process })
    }

    /// The process, to hang, kill and restart; with port 0 in its configuration it listens elsewhere afterwards.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// Where it listens, by its own word.
    pub fn listening(&self) -> Result<Listening, PeerError> {
        let unexpected = || PeerError::Answer { url: READY.to_owned(), expected: "addresses" };
        let line = self.process.line(READY)?.ok_or_else(unexpected)?;
        let answer: Value = serde_json::from_str(&line).map_err(|_| unexpected())?;
        let ready = answer.get("ready").ok_or_else(unexpected)?;
        let address = |value: &Value| value.as_str().and_then(|text| text.parse().ok());
        let all = |what: &str| {
            let all = ready.get(what).and_then(Value::as_array)?;
            all.iter().map(address).collect::<Option<_>>()
        };
        Ok(Listening {
            dimse: all("dimse").ok_or_else(unexpected)?,
            web: all("web").ok_or_else(unexpected)?,
            members: ready.get("members").and_then(address),
            admin: ready.get("admin").and_then(address),
        })
    }
}
