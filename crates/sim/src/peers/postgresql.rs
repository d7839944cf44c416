//! PostgreSQL: a cluster of its own for each test that needs one.

#![allow(
    clippy::disallowed_methods,
    reason = "these are other programs' files, not ours: the simulator has no say in them"
)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::dcmtk::temporary;
use super::station::on_free_ports;
use super::{Launch, PeerError, Process, Ready, ToolRun, free_port};

/// Where Debian keeps the programs of each version.
const VERSIONS: &str = "/usr/lib/postgresql";
/// Whom the package makes for it: it does not run as root.
const USER: &str = "postgres";

/// A running cluster with one empty database, `postgres`, for a user of the same name.
#[derive(Debug)]
pub struct Postgresql {
    port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Postgresql {
    /// Makes a cluster and starts it.
    pub async fn start() -> Result<Self, PeerError> {
        on_free_ports(async || {
            let directory = temporary()?;
            let data = directory.path().join("cluster");
            owned(directory.path()).await?;
            let programs = programs()?;
            let mut arguments = as_user(programs.join("initdb"));
            arguments
                .extend(["--auth=trust", "--username=postgres", "--no-sync", "--pgdata"].map(OsString::from));
            arguments.push(data.clone().into());
            let (program, arguments) = split(arguments);
            ToolRun::succeed(&program, arguments).await?;
            let port = free_port()?;
            let mut arguments = as_user(programs.join("postgres"));
            arguments.extend(["-D".into(), data.into(), "-p".into(), port.to_string().into()]);
            arguments.extend(
                ["-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="].map(OsString::from),
            );
            let (program, arguments) = split(arguments);
            let ready = vec![Ready::Port(port)];
            let launch = Launch {
                program: program.into(),
                arguments,
                variables: Vec::new(),
                directory: directory.path().to_owned(),
                ready,
            };
            let process = Process::start(launch).await?;
            Ok(Self { port, _process: process, _directory: directory })
        })
        .await
    }

    /// Where it listens on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// The programs of the latest version installed.
fn programs() -> Result<PathBuf, PeerError> {
    let versions = fs::read_dir(VERSIONS).map_err(PeerError::file(VERSIONS))?;
    let latest = versions.filter_map(|entry| Some(entry.ok()?.path().join("bin"))).max();
    latest.ok_or_else(|| PeerError::Failed {
        program: "initdb".to_owned(),
        said: format!("{VERSIONS} is empty"),
    })
}

/// The command line that runs a program as whom it shall run.
fn as_user(program: PathBuf) -> Vec<OsString> {
    let mut line = Vec::new();
    if rustix::process::geteuid().is_root() {
        let user = format!("--reuid={USER}");
        let group = format!("--regid={USER}");
        line.extend(["setpriv", &user, &group, "--clear-groups"].map(OsString::from));
    }
    line.push(program.into());
    line
}

fn split(mut line: Vec<OsString>) -> (String, Vec<OsString>) {
    let program = line.remove(0);
    (program.to_string_lossy().into_owned(), line)
}

/// Gives the directory to whom the cluster runs as.
async fn owned(directory: &Path) -> Result<(), PeerError> {
    if rustix::process::geteuid().is_root() {
        ToolRun::succeed("chown", [format!("{USER}:").into(), directory.as_os_str().to_owned()]).await?;
    }
    Ok(())
}
