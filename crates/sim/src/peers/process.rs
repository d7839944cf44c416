//! A server process of a peer: started, waited for, stopped, hung, killed.

#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "these are other programs' files, not ours: the simulator has no say in them"
)]

use std::ffi::OsString;
use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::net::TcpStream;
use tokio::time::{MissedTickBehavior, interval, timeout};

use super::PeerError;

/// How long a peer may take until it listens: PixelMed takes 6 s on a quiet machine, and tests share two cores.
const READY_SECONDS_MAX: u64 = 60;
/// How often readiness is looked at: small beside the fastest start, 0.1 s.
const READY_POLL: Duration = Duration::from_millis(20);
/// How much of a log stands in an error.
const LOG_LINES_SHOWN: usize = 15;

/// How to start a peer, each time anew.
#[derive(Debug, Clone)]
pub struct Launch {
    /// The program, found on the PATH or by its path.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Variables added to the environment.
    pub variables: Vec<(&'static str, String)>,
    /// The working directory; the file `log` in it takes all output.
    pub directory: PathBuf,
    /// What is there once it is ready.
    pub ready: Vec<Ready>,
}

/// A sign that a peer is ready.
#[derive(Debug, Clone)]
pub enum Ready {
    /// It listens on this port on loopback.
    Port(u16),
    /// It has made this file or socket.
    Path(PathBuf),
    /// It has written a line that starts so, since it was started.
    Line(&'static str),
}

/// A running peer, in a process group of its own; ended with this value and with the thread that started it.
#[derive(Debug)]
pub struct Process {
    launch: Launch,
    child: Child,
    /// How long the log was when it was started, in bytes: it is written on by each restart.
    log_before: usize,
}

impl Process {
    /// Starts the peer and waits until every sign of readiness is there.
    pub async fn start(launch: Launch) -> Result<Self, PeerError> {
        let child = spawn(&launch)?;
        let mut process = Self { launch, child, log_before: 0 };
        process.wait_ready().await?;
        Ok(process)
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Where it keeps its files.
    pub fn directory(&self) -> &PathBuf {
        &self.launch.directory
    }

    /// Ends it and its children at once, as kill -9 does.
    pub fn kill(&mut self) -> Result<(), PeerError> {
        // A group that has ended by itself is as good as killed.
        if self.child.try_wait().map_err(system("wait for a process"))?.is_none() {
            self.signal(Signal::KILL)?;
            self.child.wait().map_err(system("wait for a process"))?;
        }
        Ok(())
    }

    /// Hangs it: its connections stay open and nothing is answered.
    pub fn pause(&self) -> Result<(), PeerError> {
        self.signal(Signal::STOP)
    }

    /// Lets it go on after a pause.
    pub fn resume(&self) -> Result<(), PeerError> {
        self.signal(Signal::CONT)
    }

    /// Starts it again on the same ports and files; ends it first if it still runs.
    pub async fn restart(&mut self) -> Result<(), PeerError> {
        self.kill()?;
        self.log_before = self.log()?.len();
        self.child = spawn(&self.launch)?;
        self.wait_ready().await
    }

    /// Waits until it has ended by itself, no longer than `within`; gives how.
    pub async fn ended(&mut self, within: Duration) -> Result<ExitStatus, PeerError> {
        let ended = async {
            let mut poll = interval(READY_POLL);
            loop {
                if let Some(status) = self.child.try_wait().map_err(system("wait for a process"))? {
                    return Ok(status);
                }
                poll.tick().await;
            }
        };
        let ended = timeout(within, ended).await;
        ended.unwrap_or_else(|_| Err(PeerError::TooSlow { program: self.name(), seconds: within.as_secs() }))
    }

    /// All that it has written to its log.
    pub fn log(&self) -> Result<String, PeerError> {
        let path = self.launch.directory.join("log");
        let bytes = fs::read(&path).map_err(PeerError::file(path))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// The first line with this start that it has written since it was started.
    pub fn line(&self, start: &str) -> Result<Option<String>, PeerError> {
        let log = self.log()?;
        let since = log.get(self.log_before..).unwrap_or(&log);
        // A line without its end is still being written.
        let mut lines = since.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        Ok(lines.find(|line| line.starts_with(start)).map(str::to_owned))
    }

    async fn shows(&self, sign: &Ready) -> Result<bool, PeerError> {
        match sign {
            Ready::Port(port) => {
                Ok(TcpStream::connect(SocketAddr::from((Ipv4Addr::LOCALHOST, *port))).await.is_ok())
            }
            Ready::Path(path) => Ok(path.exists()),
            Ready::Line(start) => Ok(self.line(start)?.is_some()),
        }
    }

    fn signal(&self, signal: Signal) -> Result<(), PeerError> {
        kill_process_group(Pid::from_child(&self.child), signal)
            .map_err(|error| PeerError::System { what: "signal a process", source: error.into() })
    }

    async fn wait_ready(&mut self) -> Result<(), PeerError> {
        let ready = timeout(Duration::from_secs(READY_SECONDS_MAX), self.listening()).await;
        ready.unwrap_or_else(|_| {
            Err(PeerError::NotReady { program: self.name(), seconds: READY_SECONDS_MAX, log: self.log_end() })
        })
    }

    async fn listening(&mut self) -> Result<(), PeerError> {
        let mut poll = interval(READY_POLL);
        poll.set_missed_tick_behavior(MissedTickBehavior::Delay);
        for sign in self.launch.ready.clone() {
            while !self.shows(&sign).await? {
                poll.tick().await;
                self.still_runs()?;
            }
        }
        // Whoever answered may be a stranger that took the port first: then ours has failed to bind it and ends.
        poll.tick().await;
        self.still_runs()
    }

    fn still_runs(&mut self) -> Result<(), PeerError> {
        match self.child.try_wait().map_err(system("wait for a process"))? {
            None => Ok(()),
            Some(status) => Err(PeerError::Ended {
                program: self.name(),
                status: status.to_string(),
                log: self.log_end(),
            }),
        }
    }

    fn name(&self) -> String {
        self.launch.program.to_string_lossy().into_owned()
    }

    fn log_end(&self) -> String {
        let log = self.log().unwrap_or_else(|error| error.to_string());
        let lines: Vec<&str> = log.lines().collect();
        let skipped = lines.len().saturating_sub(LOG_LINES_SHOWN);
        lines.into_iter().skip(skipped).collect::<Vec<_>>().join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Err(error) = self.kill() {
            tracing::warn!(program = self.name(), %error, "cannot end a peer");
        }
    }
}

fn spawn(launch: &Launch) -> Result<Child, PeerError> {
    let path = launch.directory.join("log");
    let log = File::options().create(true).append(true).open(&path).map_err(PeerError::file(&path))?;
    let also = log.try_clone().map_err(PeerError::file(&path))?;
    // setpriv replaces itself by the peer: the process id is the peer's, which then dies with this test.
    Command::new("setpriv")
        .args(["--pdeathsig", "KILL", "--"])
        .arg(&launch.program)
        .args(&launch.arguments)
        .envs(launch.variables.iter().map(|(name, value)| (name, value)))
        .current_dir(&launch.directory)
        .stdin(Stdio::null())
        .stdout(log)
        .stderr(also)
        .process_group(0)
        .spawn()
        .map_err(|source| PeerError::Spawn { program: launch.program.to_string_lossy().into_owned(), source })
}

fn system(what: &'static str) -> impl FnOnce(std::io::Error) -> PeerError {
    move |source| PeerError::System { what, source }
}
