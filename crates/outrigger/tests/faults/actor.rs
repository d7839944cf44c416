//! A process of the pair that is killed and started again, at ports that stay.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitStatus;
use std::time::Duration;

use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::{HeldPort, PeerError, Station};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::door::{ae, written};
use crate::program::{Ran, program, run};

/// How long a process may take to stop in good order.
const STOPS_WITHIN: Duration = Duration::from_secs(40);

/// Variables of a process that is let run as it is.
pub(crate) const UNTOUCHED: Vec<(&str, String)> = Vec::new();

/// An archive or a front door.
#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) directory: PathBuf,
    pub(crate) config: PathBuf,
    role: Role,
    station: Station,
    admin: String,
    node: Option<Node>,
    starts: usize,
    /// Its ports are its own while it is away.
    ports: Vec<HeldPort>,
}

/// What a front door knows of a member.
pub(crate) struct Behind<'a> {
    pub(crate) name: &'a str,
    pub(crate) station: Station,
    pub(crate) confirm: &'a str,
}

/// What keeps the journal: the log, SQLite, or a copy in each.
pub(crate) const LOG: &[&str] = &["log"];
pub(crate) const SQLITE: &[&str] = &["sqlite"];
pub(crate) const BOTH: &[&str] = &["log", "sqlite"];

impl Actor {
    /// An archive over a database, not yet started.
    pub(crate) fn archive(directory: &Path, title: &str, database: &str) -> Self {
        Self::archive_in(directory, &directory.join("data"), title, database)
    }

    /// The same, with its data in another directory.
    pub(crate) fn archive_in(directory: &Path, data: &Path, title: &str, database: &str) -> Self {
        let shown = data.display();
        let rest = format!(
            "[archive]\nblobs = \"file:{shown}/blobs\"\ncatalogue = \"{database}:{shown}/catalogue\"\n"
        );
        Self::new(directory, data, Role::Archive, title, &rest)
    }

    /// A front door with its data in a directory, before members; not yet started.
    pub(crate) fn door(directory: &Path, data: &Path, retention: &str, members: &[Behind<'_>]) -> Self {
        let port = HeldPort::free().unwrap();
        let mut rest = format!(
            "[journal]\nretention = \"{retention}\"\nmax_size = \"1GiB\"\nreserve = \"1MiB\"\n\
             [members]\nlisten = \"127.0.0.1:{}\"\nae_title = \"OUTRIGGER_M\"\n",
            port.port
        );
        for Behind { name, station, confirm } in members {
            rest.push_str(&format!(
                "[[member]]\nname = \"{name}\"\nconfirm = \"{confirm}\"\nsettle = \"0s\"\nconnections = 2\n\
                 [[member.route]]\nprotocol = \"dimse\"\naddress = \"{}\"\nae_title = \"{}\"\n",
                station.address(),
                station.ae_title
            ));
        }
        let mut door = Self::new(directory, data, Role::Serve, "OUTRIGGER", &rest);
        door.ports.push(port);
        door
    }

    /// The same with its journal kept by these engines, each in a directory of its own there.
    pub(crate) fn kept_by(self, engines: &[&str], directory: &Path) -> Self {
        let mut text = fs::read_to_string(&self.config).unwrap();
        for engine in engines {
            let path = directory.join(engine);
            text.push_str(&format!(
                "[[journal.copy]]\nengine = \"{engine}\"\npath = \"{}\"\n",
                path.display()
            ));
        }
        fs::write(&self.config, text).unwrap();
        self
    }

    fn new(directory: &Path, data: &Path, role: Role, title: &str, rest: &str) -> Self {
        fs::create_dir_all(directory).unwrap();
        let [dicom, api] = [(); 2].map(|()| HeldPort::free().unwrap());
        let station = Station { ae_title: ae(title), port: dicom.port };
        let admin = format!("127.0.0.1:{}", api.port);
        let text = format!(
            "[node]\nname = \"{}\"\ndata = \"{}\"\n[admin]\nlisten = \"{admin}\"\n\
             [[front.dimse]]\nlisten = \"{}\"\nae_titles = [\"{title}\"]\n{rest}",
            title.to_lowercase(),
            data.display(),
            station.address()
        );
        let (directory, config) = (directory.to_owned(), written(directory, &text));
        Self { directory, config, role, station, admin, node: None, starts: 0, ports: vec![dicom, api] }
    }

    /// Starts it where it was, with variables added to its environment; the log of an earlier start is set aside.
    pub(crate) async fn start(&mut self, variables: Vec<(&'static str, String)>) -> Result<(), PeerError> {
        self.kill();
        if self.starts > 0 {
            fs::rename(self.directory.join("log"), self.directory.join(format!("log.{}", self.starts)))
                .unwrap();
        }
        self.starts += 1;
        let started = Node::start(program(), self.role, &self.config, &self.directory, variables).await;
        self.node = Some(started?);
        Ok(())
    }

    /// Kills it, as a crash would.
    pub(crate) fn kill(&mut self) {
        if let Some(mut node) = self.node.take() {
            node.process().kill().unwrap();
        }
    }

    /// Sends it a signal, such as the one that hangs it.
    pub(crate) fn signal(&self, signal: Signal) {
        let id = self.node.as_ref().map(|node| Pid::from_raw(i32::try_from(node.id()).unwrap()).unwrap());
        kill_process(id.unwrap(), signal).unwrap();
    }

    /// Stops it in good order; gives how it ended.
    pub(crate) async fn stop(&mut self) -> Option<ExitStatus> {
        let mut node = self.node.take()?;
        let id = Pid::from_raw(i32::try_from(node.id()).unwrap()).unwrap();
        // It may have ended by itself.
        if let Err(error) = kill_process(id, Signal::TERM) {
            println!("{} has ended already: {error}", self.station.ae_title);
        }
        node.process().ended(STOPS_WITHIN).await.ok()
    }

    /// Where it takes DICOM.
    pub(crate) fn station(&self) -> Station {
        self.station.clone()
    }

    /// Runs a command against it.
    pub(crate) async fn ask(&self, arguments: &[&str]) -> Ran {
        let admin = format!("http://{}", self.admin);
        let mut arguments = arguments.to_vec();
        arguments.extend(["--admin", &admin]);
        run(&arguments).await
    }

    /// The JSON answer of a command; null where there is none.
    pub(crate) async fn json(&self, arguments: &[&str]) -> Value {
        let mut arguments = arguments.to_vec();
        arguments.push("--json");
        serde_json::from_str(&self.ask(&arguments).await.stdout).unwrap_or_default()
    }

    /// The log since it was started last.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.join("log")).unwrap_or_default()
    }
}
