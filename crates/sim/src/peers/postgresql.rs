//! PostgreSQL: a cluster of its own for each test that needs one.

#![allow(
    clippy::disallowed_methods,
    reason = "these are other programs' files, not ours: the simulator has no say in them"
)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::database::PASSWORD;
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
    process: Process,
    _directory: TempDir,
}

impl Postgresql {
    /// Makes a cluster that asks for no password, and starts it.
    pub async fn start() -> Result<Self, PeerError> {
        Self::started(&["--auth=trust"], &[]).await
    }

    /// Makes a cluster that asks for a password, with a user `archive` who is no master, and starts it with further settings, each `NAME=VALUE`.
    pub async fn guarded(settings: &[&str]) -> Result<Self, PeerError> {
        let server = Self::started(&["--auth=scram-sha-256", "--pwfile=password"], settings).await?;
        server.run("postgres", &format!("CREATE ROLE archive LOGIN PASSWORD '{PASSWORD}'")).await?;
        Ok(server)
    }

    async fn started(auth: &[&str], settings: &[&str]) -> Result<Self, PeerError> {
        on_free_ports(async || {
            let directory = temporary()?;
            let data = directory.path().join("cluster");
            let password = directory.path().join("password");
            fs::write(&password, PASSWORD).map_err(PeerError::file(&password))?;
            owned(directory.path()).await?;
            let programs = programs()?;
            let mut arguments = as_user(programs.join("initdb"));
            let auth =
                auth.iter().map(|option| option.replace("=password", &format!("={}", password.display())));
            arguments.extend(auth.map(OsString::from));
            arguments.extend(["--username=postgres", "--no-sync", "--pgdata"].map(OsString::from));
            arguments.push(data.clone().into());
            let (program, arguments) = split(arguments);
            ToolRun::succeed(&program, arguments).await?;
            let port = free_port()?;
            let mut arguments = as_user(programs.join("postgres"));
            arguments.extend(["-D".into(), data.into(), "-p".into(), port.to_string().into()]);
            let own = ["listen_addresses=127.0.0.1", "unix_socket_directories="];
            for setting in own.iter().chain(settings) {
                arguments.extend(["-c".into(), setting.into()]);
            }
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
            Ok(Self { port, process, _directory: directory })
        })
        .await
    }

    /// Where it listens on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL in one of its databases as its master, and gives what it says, values separated by `|`.
    pub async fn run(&self, database: &str, sql: &str) -> Result<String, PeerError> {
        let psql = programs()?.join("psql").to_string_lossy().into_owned();
        let password = super::database::escaped(PASSWORD);
        let url = format!("postgres://{USER}:{password}@127.0.0.1:{}/{database}", self.port);
        ToolRun::succeed(&psql, ["-XAtq", "-v", "ON_ERROR_STOP=1", "-d", &url, "-c", sql]).await
    }

    /// Kills it and everything it has started, as kill -9 does.
    pub fn kill(&mut self) -> Result<(), PeerError> {
        // Those it has started lead process groups of their own.
        let children = self.children()?;
        self.process.kill()?;
        for child in children {
            signal(child, Signal::KILL)?;
        }
        Ok(())
    }

    /// Starts it again on what a kill has left.
    pub async fn restart(&mut self) -> Result<(), PeerError> {
        self.kill()?;
        self.process.restart().await
    }

    /// Hangs it and everything it has started.
    pub fn pause(&self) -> Result<(), PeerError> {
        self.process.pause()?;
        self.children()?.into_iter().try_for_each(|child| signal(child, Signal::STOP))
    }

    /// Lets all of it go on after a pause.
    pub fn resume(&self) -> Result<(), PeerError> {
        self.children()?.into_iter().try_for_each(|child| signal(child, Signal::CONT))?;
        self.process.resume()
    }

    fn children(&self) -> Result<Vec<i32>, PeerError> {
        let path = format!("/proc/{0}/task/{0}/children", self.process.id());
        match fs::read_to_string(&path) {
            Ok(children) => Ok(children.split_whitespace().filter_map(|child| child.parse().ok()).collect()),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
            Err(error) => Err(PeerError::file(path)(error)),
        }
    }
}

/// One that has ended meanwhile needs no signal.
fn signal(process: i32, signal: Signal) -> Result<(), PeerError> {
    let Some(process) = Pid::from_raw(process) else { return Ok(()) };
    match kill_process(process, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(PeerError::System { what: "signal a process", source: error.into() }),
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
