//! An S3 server: moto's, which keeps all in memory, from the virtual environment that the test script makes.

use std::ffi::OsString;
use std::path::Path;

use tempfile::TempDir;

use super::dcmtk::temporary;
use super::station::on_free_ports;
use super::{Launch, PeerError, Process, Ready, free_port};

/// Names the virtual environment with moto in it.
const VENV: &str = "OUTRIGGER_VENV";
const PROGRAM: &str = "moto_server";

/// A running S3 server with one empty bucket.
#[derive(Debug)]
pub struct Moto {
    port: u16,
    _process: Process,
    _directory: TempDir,
}

impl Moto {
    /// The bucket it has.
    pub const BUCKET: &'static str = "objects";

    /// Starts it.
    pub async fn start() -> Result<Self, PeerError> {
        let venv = std::env::var_os(VENV).ok_or(PeerError::NotConfigured { name: VENV })?;
        let program: OsString = Path::new(&venv).join("bin").join(PROGRAM).into();
        on_free_ports(async || {
            let directory = temporary()?;
            let port = free_port()?;
            let arguments = ["-H", "127.0.0.1", "-p", &port.to_string()].map(OsString::from).to_vec();
            let launch = Launch {
                program: program.clone(),
                arguments,
                variables: Vec::new(),
                directory: directory.path().to_owned(),
                ready: vec![Ready::Port(port)],
            };
            let process = Process::start(launch).await?;
            let made = ureq::put(format!("http://127.0.0.1:{port}/{}", Self::BUCKET)).send_empty();
            made.map_err(|error| PeerError::Failed { program: PROGRAM.to_owned(), said: error.to_string() })?;
            Ok(Self { port, _process: process, _directory: directory })
        })
        .await
    }

    /// Where it listens on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }
}
