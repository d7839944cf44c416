//! The configuration: from a TOML file to values that are checked and usable, with every mistake reported.

mod archive;
mod document;
mod front;
mod keys;
mod member;
mod node;
mod peer;
mod reference;
mod section;
mod storage;
mod units;

pub(crate) use archive::{ArchiveConfig, read_archive};
pub(crate) use document::{Mistake, Mistakes};
pub(crate) use front::{DimseFront, TlsFiles};
pub(crate) use member::{CallingAe, MemberConfig, MembersListen, RouteConfig};
pub(crate) use node::{AdminConfig, LogConfig, LogFormat, NodeConfig, NodeName, read_node};
pub(crate) use peer::{Allow, PeerConfig};
pub(crate) use reference::reference;
pub(crate) use storage::JournalConfig;
pub(crate) use units::Network;
