//! A front door as a process, with its configuration, and the commands that ask it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use outrigger_model::AeTitle;
use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::{Station, free_port};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::program::{Ran, program, run};

/// How often the books are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);

pub(crate) fn ae(title: &str) -> AeTitle {
    AeTitle::new(title).unwrap()
}

/// A member as its table is written.
#[derive(Debug, Clone)]
pub(crate) struct Behind {
    name: String,
    station: Station,
    confirm: &'static str,
    lines: String,
    route: String,
}

impl Behind {
    /// A member that must have objects at a level, asked for at once.
    pub(crate) fn new(name: &str, station: &Station, confirm: &'static str) -> Self {
        let (name, station) = (name.to_owned(), station.clone());
        Self { name, station, confirm, lines: String::new(), route: String::new() }
    }

    /// With a line more in its table.
    pub(crate) fn with(mut self, line: &str) -> Self {
        writeln!(self.lines, "{line}").unwrap();
        self
    }

    /// With a line more in its route's table.
    pub(crate) fn by(mut self, line: &str) -> Self {
        writeln!(self.route, "{line}").unwrap();
        self
    }

    /// Its tables in a configuration.
    pub(crate) fn text(&self) -> String {
        let Self { name, station, confirm, lines, route } = self;
        format!(
            "[[member]]\nname = \"{name}\"\nconfirm = \"{confirm}\"\nsettle = \"0s\"\n{lines}\
             [[member.route]]\nprotocol = \"dimse\"\naddress = \"127.0.0.1:{}\"\nae_title = \"{}\"\n{route}",
            station.port, station.ae_title
        )
    }
}

/// What stands before the members in a configuration; `listener` is added to the table of the DICOM listener.
pub(crate) fn head(directory: &Path, members_port: u16, listener: &str) -> String {
    format!(
        "[node]\nname = \"door\"\ndata = \"{}/data\"\n[log]\nlevel = \"debug\"\n\
         [journal]\nmax_size = \"2GiB\"\nreserve = \"16MiB\"\n[admin]\nlisten = \"127.0.0.1:0\"\n[inventory]\nenabled = false\n\
         [crosscheck]\nenabled = false\n\
         [members]\nlisten = \"127.0.0.1:{members_port}\"\nae_title = \"OUTRIGGER_M\"\n\
         [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"OUTRIGGER\"]\n{listener}\n",
        directory.display()
    )
}

/// The configuration of a front door before these members.
pub(crate) fn configuration(directory: &Path, members: &[Behind]) -> String {
    head(directory, 0, "") + &members.iter().map(Behind::text).collect::<String>()
}

/// A configuration file of its own in a directory.
pub(crate) fn written(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("outrigger.toml");
    fs::write(&path, text).unwrap();
    path
}

/// Where members answer: known before the members are started, for those that must be told.
pub(crate) fn answers() -> Station {
    Station { ae_title: ae("OUTRIGGER_M"), port: free_port().unwrap() }
}

/// A running front door.
pub(crate) struct Door {
    pub(crate) node: Node,
    pub(crate) config: PathBuf,
    pub(crate) directory: TempDir,
}

impl Door {
    /// Opens one before these members.
    pub(crate) async fn open(members: &[Behind]) -> Self {
        let directory = TempDir::new().unwrap();
        let text = configuration(directory.path(), members);
        Self::open_with(directory, &text).await
    }

    /// Opens one whose members answer at a given port.
    pub(crate) async fn open_at(answers: &Station, members: &[Behind]) -> Self {
        let directory = TempDir::new().unwrap();
        let members: String = members.iter().map(Behind::text).collect();
        let text = head(directory.path(), answers.port, "") + &members;
        Self::open_with(directory, &text).await
    }

    /// Opens one by a whole configuration.
    pub(crate) async fn open_with(directory: TempDir, text: &str) -> Self {
        let config = written(directory.path(), text);
        let node = Node::start(program(), Role::Serve, &config, directory.path(), Vec::new()).await.unwrap();
        Self { node, config, directory }
    }

    /// Where modalities send.
    pub(crate) fn station(&self) -> Station {
        let port = self.node.listening().unwrap().dimse[0].port();
        Station { ae_title: ae("OUTRIGGER"), port }
    }

    /// The URL of its admin API.
    pub(crate) fn admin(&self) -> String {
        format!("http://{}", self.node.listening().unwrap().admin.unwrap())
    }

    /// Runs a command against it.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Ran {
        let admin = self.admin();
        let mut arguments = arguments.to_vec();
        arguments.extend(["--admin", &admin]);
        run(&arguments).await
    }

    /// The JSON answer of a command, whatever its exit status.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        self.ask(&arguments).await.json()
    }

    /// Waits until `balance` ends with a status; the last answer is in the failure.
    pub(crate) async fn balance_exits(&self, status: i32, within: Duration) -> Value {
        let give_up = Instant::now() + within;
        loop {
            let ran = self.ask(&["balance", "--json"]).await;
            if ran.status == status {
                return ran.json();
            }
            assert!(Instant::now() < give_up, "balance does not become {status}: {ran:?}\n{}", self.log());
            sleep(LOOK_EVERY).await;
        }
    }

    /// Waits until an answer holds something; the last one is in the failure.
    pub(crate) async fn until(
        &self,
        arguments: &[&str],
        within: Duration,
        holds: impl Fn(&Value) -> bool,
    ) -> Value {
        let give_up = Instant::now() + within;
        loop {
            let answer = self.json(arguments).await;
            if holds(&answer) {
                return answer;
            }
            assert!(Instant::now() < give_up, "{arguments:?} stays {answer:#}\n{}", self.log());
            sleep(LOOK_EVERY).await;
        }
    }

    /// The end of its log.
    pub(crate) fn log(&self) -> String {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap_or_default();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(40)..].join("\n")
    }
}

/// A member's line of a balance.
pub(crate) fn line<'b>(balance: &'b Value, member: &str) -> &'b Value {
    let members = balance["members"].as_array().unwrap();
    members.iter().find(|line| line["name"] == member).unwrap()
}
