//! A process of the demo: this program again, in another role; killed and started again by the story.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use serde_json::Value;

use crate::process::Failure;

/// Lines of a process's log that are kept for the case that it does not start.
const LOG_LINES: usize = 20;

/// A running process, ended when dropped.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    /// Its ready line.
    pub(crate) ready: Value,
    readers: Vec<JoinHandle<()>>,
}

/// How a process is started.
#[derive(Debug, Clone)]
pub(crate) struct Role {
    /// The command of this program.
    pub(crate) command: &'static str,
    /// Its configuration.
    pub(crate) config: PathBuf,
}

impl Role {
    /// Starts the process and waits until it is ready.
    pub(crate) fn start(&self) -> Result<Running, Failure> {
        let program =
            std::env::current_exe().map_err(|error| Failure::of("this program cannot be found", error))?;
        let mut child = Command::new(program)
            .arg(self.command)
            .arg("--config")
            .arg(&self.config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| Failure::of(format!("`{}` cannot be started", self.command), error))?;
        let log: Arc<Mutex<VecDeque<String>>> = Arc::default();
        let mut readers = Vec::new();
        if let Some(stderr) = child.stderr.take() {
            let log = Arc::clone(&log);
            readers.push(std::thread::spawn(move || keep_last(BufReader::new(stderr), &log)));
        }
        let mut line = String::new();
        let mut stdout = child.stdout.take().map(BufReader::new);
        let read = stdout.as_mut().map_or(Ok(0), |stdout| stdout.read_line(&mut line));
        let ready = read
            .ok()
            .and_then(|_| serde_json::from_str::<Value>(&line).ok())
            .and_then(|line| line.get("ready").cloned());
        let Some(ready) = ready else {
            return Err(self.not_ready(child, readers, &log));
        };
        Ok(Running { child, ready, readers })
    }

    fn not_ready(
        &self,
        mut child: Child,
        readers: Vec<JoinHandle<()>>,
        log: &Mutex<VecDeque<String>>,
    ) -> Failure {
        let ended = child.kill().and_then(|()| child.wait());
        for reader in readers {
            drop(reader.join());
        }
        let log: Vec<String> = log.lock().unwrap_or_else(PoisonError::into_inner).drain(..).collect();
        Failure::Refused {
            message: format!(
                "`{}` did not become ready ({ended:?}); its log ends: {}",
                self.command,
                log.join(" | ")
            ),
        }
    }
}

fn keep_last(lines: impl BufRead, log: &Mutex<VecDeque<String>>) {
    for line in lines.lines().map_while(Result::ok) {
        let mut log = log.lock().unwrap_or_else(PoisonError::into_inner);
        if log.len() == LOG_LINES {
            log.pop_front();
        }
        log.push_back(line);
    }
}

impl Running {
    /// Ends the process as a crash would (SIGKILL).
    pub(crate) fn kill(mut self) -> Result<(), Failure> {
        let killed = self.child.kill().and_then(|()| self.child.wait());
        killed.map_err(|error| Failure::of("a process cannot be killed", error))?;
        self.readers.drain(..).for_each(|reader| drop(reader.join()));
        Ok(())
    }

    /// An address of the ready line, such as `/dimse/0`.
    pub(crate) fn address(&self, pointer: &str) -> Result<String, Failure> {
        let address = self.ready.pointer(pointer).and_then(Value::as_str);
        address.map(str::to_owned).ok_or_else(|| Failure::Refused {
            message: format!("the ready line has no {pointer}: {}", self.ready),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended already; either way it is gone after this.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Writes a configuration file of the demo.
pub(crate) fn write_config(path: &Path, text: &str) -> Result<(), Failure> {
    outrigger_runtime::disk::replace(&outrigger_runtime::RealDisk, path, text.as_bytes())
        .map_err(|error| Failure::of(format!("{} cannot be written", path.display()), error))
}
