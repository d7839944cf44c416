//! The servers that are measured, each started afresh for a round.

use std::path::{Path, PathBuf};

use outrigger_model::AeTitle;
use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::{Nagle, Orthanc, OrthancSetup, Station, StoreScp};
use tempfile::TempDir;

use crate::Outcome;

/// Who is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Side {
    /// A front door, its members away.
    Outrigger,
    /// DCMTK's storescp, a process for each association.
    StoreScp,
    /// Orthanc with its SQLite index.
    Orthanc,
}

impl Side {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Outrigger => "Outrigger",
            Self::StoreScp => "storescp --fork",
            Self::Orthanc => "Orthanc",
        }
    }
}

/// A server that runs for one round.
pub(crate) enum Running {
    Outrigger { node: Box<Node>, _directory: TempDir },
    StoreScp(Box<StoreScp>),
    Orthanc(Box<Orthanc>),
}

/// The release build of the program.
pub(crate) fn built() -> Outcome<PathBuf> {
    let mut path = std::env::current_exe()?;
    path.pop();
    path.pop();
    path.push("outrigger");
    if path.exists() {
        Ok(path)
    } else {
        Err(format!("{} is missing; build it first", path.display()).into())
    }
}

/// Starts a side.
pub(crate) async fn start(side: Side, program: &Path, nagle: Nagle) -> Outcome<Running> {
    let title = AeTitle::new("BENCH")?;
    Ok(match side {
        Side::Outrigger => {
            let directory = tempfile::tempdir()?;
            let config = node_config(directory.path(), &["127.0.0.1:1", "127.0.0.1:2"], "accepted");
            let node = start_node(program, directory.path(), &config).await?;
            Running::Outrigger { node: Box::new(node), _directory: directory }
        }
        Side::StoreScp => Running::StoreScp(Box::new(StoreScp::start(&title, &["--fork"]).await?)),
        Side::Orthanc => {
            let mut setup = OrthancSetup::new(&title, &callers()?);
            setup.nagle = nagle;
            Running::Orthanc(Box::new(Orthanc::start(&setup).await?))
        }
    })
}

/// Who calls the servers: Orthanc answers queries and retrievals of those that it knows alone.
pub(crate) fn callers() -> Outcome<Vec<Station>> {
    ["SENDER", "MOVER"]
        .map(|title| Ok(Station { ae_title: AeTitle::new(title)?, port: 1 }))
        .into_iter()
        .collect()
}

/// Starts a front door with a configuration.
pub(crate) async fn start_node(program: &Path, directory: &Path, config: &str) -> Outcome<Node> {
    let file = directory.join("config.toml");
    std::fs::write(&file, config)?;
    Ok(Node::start(program, Role::Serve, &file, directory, Vec::new()).await?)
}

/// A front door with members at these addresses.
pub(crate) fn node_config(directory: &Path, members: &[&str], confirm: &str) -> String {
    let data = directory.join("data");
    let mut config = format!(
        r#"[node]
name = "bench"
data = "{}"
[log]
level = "warn"
[admin]
listen = "127.0.0.1:0"
[journal]
max_size = "60GiB"
scrub = "0s"
reserve = "64MiB"
[[front.dimse]]
listen = "127.0.0.1:0"
ae_titles = ["BENCH"]
max_associations = 500
max_associations_per_peer = 500
[[front.web]]
listen = "127.0.0.1:0"
[members]
listen = "127.0.0.1:0"
"#,
        data.display()
    );
    for (number, address) in members.iter().enumerate() {
        config.push_str(&format!(
            r#"[[member]]
name = "m{number}"
confirm = "{confirm}"
settle = "0s"
[[member.route]]
protocol = "dimse"
address = "{address}"
ae_title = "M{number}"
"#
        ));
    }
    config
}

impl Running {
    /// Where it takes objects.
    pub(crate) fn address(&self) -> Outcome<String> {
        Ok(match self {
            Self::Outrigger { node, .. } => node.listening()?.dimse.first().ok_or("no listener")?.to_string(),
            Self::StoreScp(scp) => scp.station().address().to_string(),
            Self::Orthanc(orthanc) => orthanc.station().address().to_string(),
        })
    }

    /// The URL of its DICOMweb service.
    pub(crate) fn dicomweb(&self) -> Outcome<String> {
        Ok(match self {
            Self::Outrigger { node, .. } => {
                format!("http://{}/dicomweb", node.listening()?.web.first().ok_or("no web listener")?)
            }
            Self::Orthanc(orthanc) => orthanc.dicomweb(),
            Self::StoreScp(_) => return Err("storescp has no DICOMweb".into()),
        })
    }

    /// Its process.
    pub(crate) fn id(&mut self) -> u32 {
        match self {
            Self::Outrigger { node, .. } => node.process().id(),
            Self::StoreScp(scp) => scp.process().id(),
            Self::Orthanc(orthanc) => orthanc.process().id(),
        }
    }
}
