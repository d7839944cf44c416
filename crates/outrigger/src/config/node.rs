//! The configuration of a node: `outrigger serve`.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use outrigger_runtime::Disk;
use toml::de::DeTable;

use super::audit::{AuditConfig, read_audit};
use super::claims::Claim;
use super::commit::{CommitConfig, read_commit};
use super::crosscheck::{Crosscheck, read_crosscheck};
use super::document::{Document, Mistakes};
use super::front::{DimseFront, Fronts, read_front};
use super::inventory::{InventoryConfig, read_inventory};
use super::keys;
use super::member::{MemberConfig, MembersListen, read_members, read_members_listen};
use super::peer::{PeerConfig, read_peers};
use super::query::{QueryConfig, read_query};
use super::section::Section;
use super::storage::{JournalConfig, read_journal, read_ledger};
use super::viewer::read_viewer;
use super::web::WebFront;

/// The name of a node.
pub(crate) type NodeName = outrigger_model::MemberName;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// For machines.
    Json,
}

/// `[log]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LogConfig {
    /// How much.
    pub(crate) level: tracing::Level,
    /// How.
    pub(crate) format: LogFormat,
}

/// `[admin]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct AdminConfig {
    /// A loopback address.
    pub(crate) listen: SocketAddr,
}

/// What every process has.
#[derive(Debug, Clone)]
pub(crate) struct Base {
    /// The node's name.
    pub(crate) name: NodeName,
    /// Its directory.
    pub(crate) data: PathBuf,
    /// `[log]`.
    pub(crate) log: LogConfig,
    /// `[admin]`.
    pub(crate) admin: AdminConfig,
    /// `[audit]`.
    pub(crate) audit: AuditConfig,
    /// `[[front.dimse]]`.
    pub(crate) fronts: Vec<DimseFront>,
    /// `[[front.web]]`.
    pub(crate) webs: Vec<WebFront>,
    /// `[[peer]]`.
    pub(crate) peers: Vec<PeerConfig>,
    /// Where the viewer's files are, if they are there.
    pub(crate) viewer: Option<PathBuf>,
}

impl Base {
    /// The largest object that any listener takes, in bytes.
    pub(crate) fn max_object(&self) -> u64 {
        let dimse = self.fronts.iter().map(|front| front.max_object);
        dimse.chain(self.webs.iter().map(|web| web.max_object)).max().unwrap_or(0)
    }
}

/// The whole configuration of a node.
#[derive(Debug, Clone)]
pub(crate) struct NodeConfig {
    /// What every process has.
    pub(crate) base: Base,
    /// `[journal]`.
    pub(crate) journal: JournalConfig,
    /// The ledger's database file.
    pub(crate) ledger: PathBuf,
    /// `[members]`.
    pub(crate) members_listen: MembersListen,
    /// `[[member]]`.
    pub(crate) members: Vec<MemberConfig>,
    /// `[query]`.
    pub(crate) query: QueryConfig,
    /// `[commit]`.
    pub(crate) commit: CommitConfig,
    /// `[inventory]`.
    pub(crate) inventory: InventoryConfig,
    /// `[crosscheck]`, if members are to be cross-checked.
    pub(crate) crosscheck: Crosscheck,
}

/// Reads the configuration of a node, or gives every mistake in it.
pub(crate) fn read_node(file: &str, text: &str, disk: &dyn Disk) -> Result<NodeConfig, Mistakes> {
    read(file, text, disk, |root| {
        let base = read_base(root);
        let data = base.data();
        let journal = read_journal(root.table(&keys::JOURNAL), data);
        let ledger = read_ledger(root.table(&keys::LEDGER), data);
        let members_listen = read_members_listen(root.table(&keys::MEMBERS));
        let mut members = read_members(root);
        let query = read_query(root.table(&keys::QUERY));
        let inventory = read_inventory(root.table(&keys::INVENTORY));
        let crosscheck = read_crosscheck(root.table(&keys::CROSSCHECK));
        let commit = read_commit(root.table(&keys::COMMIT));
        if commit.is_some_and(|commit| commit.members_asked() > 1) {
            members.iter_mut().flatten().for_each(MemberConfig::confirm_by_reading_back);
        }
        Some(NodeConfig {
            base: base.finish()?,
            journal: journal?,
            ledger: ledger?,
            members_listen: members_listen?,
            members: members?,
            query: query?,
            commit: commit?,
            inventory: inventory?,
            crosscheck: crosscheck?,
        })
    })
}

/// Parses a text and reads its root table, or gives every mistake.
pub(crate) fn read<T>(
    file: &str,
    text: &str,
    disk: &dyn Disk,
    read: impl Fn(&Section<'_>) -> Option<T>,
) -> Result<T, Mistakes> {
    let document = Document::new(file, text, disk);
    let (parsed, errors) = DeTable::parse_recoverable(document.text());
    for error in &errors {
        document.mistake(&error.span().unwrap_or_default(), "", error.message().trim_end(), "");
    }
    if !errors.is_empty() {
        return document.finish(None);
    }
    let root = Section::new(&document, "", &parsed);
    let value = read(&root);
    root.end();
    document.finish(value)
}

/// What every process has, as far as it could be read.
pub(crate) struct BaseRead {
    name: Option<NodeName>,
    data: Option<PathBuf>,
    log: Option<LogConfig>,
    admin: Option<AdminConfig>,
    audit: Option<AuditConfig>,
    fronts: Option<Fronts>,
    peers: Option<Vec<PeerConfig>>,
    viewer: Option<PathBuf>,
}

impl BaseRead {
    /// The directory of the node, by which others have their defaults; mistakes elsewhere leave it as it is, and one in it is told
    /// of there alone.
    pub(crate) fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    /// The whole, or `None` after a mistake.
    pub(crate) fn finish(self) -> Option<Base> {
        let fronts = self.fronts?;
        Some(Base {
            name: self.name?,
            data: self.data?,
            log: self.log?,
            admin: self.admin?,
            audit: self.audit?,
            fronts: fronts.dimse,
            webs: fronts.web,
            peers: self.peers?,
            viewer: self.viewer,
        })
    }
}

/// Reads what every process has.
pub(crate) fn read_base(root: &Section<'_>) -> BaseRead {
    let node = root.table(&keys::NODE);
    let name = node.read(&keys::NODE_NAME, |text| NodeName::new(text).ok());
    let data = node.path(&keys::NODE_DATA);
    let data = data.filter(|data| node.take_directory(&keys::NODE_DATA, Claim::Home(data.clone())));
    node.end();
    let log = read_log(root.table(&keys::LOG));
    let admin = read_admin(root.table(&keys::ADMIN));
    let audit = read_audit(root.table(&keys::AUDIT), data.as_deref());
    let fronts = read_front(root.table(&keys::FRONT));
    let peers = read_peers(root);
    let viewer = read_viewer(root.table(&keys::VIEWER));
    BaseRead { name, data, log, admin, audit, fronts, peers, viewer }
}

fn read_log(section: Section<'_>) -> Option<LogConfig> {
    let level = section.read(&keys::LOG_LEVEL, |text| text.parse().ok());
    let format = section.read(&keys::LOG_FORMAT, |text| match text {
        "text" => Some(LogFormat::Text),
        "json" => Some(LogFormat::Json),
        _ => None,
    });
    section.end();
    Some(LogConfig { level: level?, format: format? })
}

fn read_admin(section: Section<'_>) -> Option<AdminConfig> {
    let listen = section.listener(&keys::ADMIN_LISTEN)?;
    if !listen.ip().is_loopback() {
        section.not_in_this_version(
            &keys::ADMIN_LISTEN,
            "an admin API beyond loopback (it needs TLS and a token)",
        );
    }
    section.end();
    Some(AdminConfig { listen })
}
