//! MariaDB: a server of its own for each test that needs one.

#![allow(
    clippy::disallowed_methods,
    reason = "these are other programs' files, not ours: the simulator has no say in them"
)]

use std::fs;

use tempfile::TempDir;

use super::database::PASSWORD;
use super::dcmtk::temporary;
use super::station::on_free_ports;
use super::{Launch, PeerError, Process, Ready, ToolRun, free_port};

/// Where Debian puts it, outside the path of most users.
const SERVER: &str = "/usr/sbin/mariadbd";

/// A running server with a user `archive`, who may do everything in its databases and nothing to the server.
#[derive(Debug)]
pub struct Mariadb {
    port: u16,
    process: Process,
    directory: TempDir,
}

impl Mariadb {
    /// Makes a server and starts it with further settings, each `NAME=VALUE`.
    pub async fn start(settings: &[&str]) -> Result<Self, PeerError> {
        let server = on_free_ports(async || {
            let directory = temporary()?;
            let (data, socket) = (directory.path().join("data"), directory.path().join("socket"));
            fs::create_dir(&data).map_err(PeerError::file(&data))?;
            // It runs as whoever runs the test: root must say that it means it.
            let own = format!("--user={}", if rustix::process::geteuid().is_root() { "root" } else { "" });
            let as_whom = own.ends_with("root").then_some(own);
            let plain = ["--no-defaults".to_owned(), format!("--datadir={}", data.display())];
            let made = ["--auth-root-authentication-method=normal", "--skip-test-db"].map(str::to_owned);
            let arguments = plain.iter().chain(&made).chain(&as_whom);
            ToolRun::succeed("mariadb-install-db", arguments).await?;
            let port = free_port()?;
            let arguments = plain
                .into_iter()
                .chain(as_whom)
                .chain([
                    format!("--port={port}"),
                    format!("--socket={}", socket.display()),
                    // A server that starts removes what it finds of temporary tables: those of another, in a shared directory.
                    format!("--tmpdir={}", directory.path().display()),
                    "--bind-address=127.0.0.1".to_owned(),
                    "--skip-name-resolve".to_owned(),
                ])
                .chain(settings.iter().map(|setting| format!("--{setting}")));
            let launch = Launch {
                program: SERVER.into(),
                arguments: arguments.map(Into::into).collect(),
                variables: Vec::new(),
                directory: directory.path().to_owned(),
                ready: vec![Ready::Port(port)],
            };
            Ok(Self { port, process: Process::start(launch).await?, directory })
        })
        .await?;
        let user = format!(
            "CREATE USER archive@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON `archive%`.* TO archive@'%'"
        );
        server.run("mysql", &user).await?;
        Ok(server)
    }

    /// Where it listens on loopback.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs SQL in one of its databases as its master, and gives what it says.
    pub async fn run(&self, database: &str, sql: &str) -> Result<String, PeerError> {
        let socket = format!("--socket={}", self.directory.path().join("socket").display());
        ToolRun::succeed(
            "mariadb",
            [
                "--no-defaults",
                &socket,
                "--user=root",
                "--batch",
                "--skip-column-names",
                database,
                "--execute",
                sql,
            ],
        )
        .await
    }

    /// Kills it, as kill -9 does.
    pub fn kill(&mut self) -> Result<(), PeerError> {
        self.process.kill()
    }

    /// Starts it again on what a kill has left.
    pub async fn restart(&mut self) -> Result<(), PeerError> {
        self.process.restart().await
    }

    /// Hangs it.
    pub fn pause(&self) -> Result<(), PeerError> {
        self.process.pause()
    }

    /// Lets it go on after a pause.
    pub fn resume(&self) -> Result<(), PeerError> {
        self.process.resume()
    }
}
