//! The configuration of a node: `outrigger serve`.

use std::net::SocketAddr;
use std::path::PathBuf;

use toml::de::DeTable;

use super::document::{Document, Mistakes};
use super::front::{DimseFront, read_front};
use super::keys;
use super::member::{MemberConfig, MembersListen, read_members, read_members_listen};
use super::peer::{PeerConfig, read_peers};
use super::section::Section;
use super::storage::{JournalConfig, read_journal, read_ledger};

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

/// `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditConfig {
    /// The local file.
    pub(crate) file: PathBuf,
    /// A syslog collector.
    pub(crate) syslog: Option<String>,
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
    /// `[[peer]]`.
    pub(crate) peers: Vec<PeerConfig>,
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
}

/// Reads the configuration of a node, or gives every mistake in it.
pub(crate) fn read_node(file: &str, text: &str) -> Result<NodeConfig, Mistakes> {
    read(file, text, |root| {
        let base = read_base(root);
        let data = base.as_ref().map(|base| base.data.clone()).unwrap_or_default();
        let journal = read_journal(root.table(&keys::JOURNAL), &data);
        let ledger = read_ledger(root.table(&keys::LEDGER), &data);
        let members_listen = read_members_listen(root.table(&keys::MEMBERS));
        let members = read_members(root);
        for (key, what) in [
            (&keys::QUERY, "answering queries for members"),
            (&keys::COMMIT, "storage commitment to modalities"),
        ] {
            if root.has(key) {
                root.not_in_this_version(key, what);
            }
        }
        Some(NodeConfig {
            base: base?,
            journal: journal?,
            ledger: ledger?,
            members_listen: members_listen?,
            members: members?,
        })
    })
}

/// Parses a text and reads its root table, or gives every mistake.
pub(crate) fn read<T>(
    file: &str,
    text: &str,
    read: impl Fn(&Section<'_>) -> Option<T>,
) -> Result<T, Mistakes> {
    let document = Document::new(file, text);
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

/// Reads what every process has.
pub(crate) fn read_base(root: &Section<'_>) -> Option<Base> {
    let node = root.table(&keys::NODE);
    let name = node.read(&keys::NODE_NAME, |text| NodeName::new(text).ok());
    let data = node.path(&keys::NODE_DATA);
    node.end();
    let log = read_log(root.table(&keys::LOG));
    let admin = read_admin(root.table(&keys::ADMIN));
    let audit = read_audit(root.table(&keys::AUDIT), data.as_deref());
    let fronts = read_front(root.table(&keys::FRONT));
    let peers = read_peers(root);
    Some(Base {
        name: name?,
        data: data?,
        log: log?,
        admin: admin?,
        audit: audit?,
        fronts: fronts?,
        peers: peers?,
    })
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
    let listen = section.address(&keys::ADMIN_LISTEN)?;
    if !listen.ip().is_loopback() {
        section.not_in_this_version(
            &keys::ADMIN_LISTEN,
            "an admin API beyond loopback (it needs TLS and a token)",
        );
    }
    section.end();
    Some(AdminConfig { listen })
}

fn read_audit(section: Section<'_>, data: Option<&std::path::Path>) -> Option<AuditConfig> {
    let file = section.optional(&keys::AUDIT_FILE).map(PathBuf::from);
    let syslog = section.optional(&keys::AUDIT_SYSLOG);
    section.end();
    Some(AuditConfig { file: file.or_else(|| Some(data?.join("audit.log")))?, syslog })
}
