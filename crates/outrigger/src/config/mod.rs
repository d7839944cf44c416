//! The configuration: from a TOML file to values that are checked and usable, with every mistake reported.

mod archive;
mod document;
mod front;
mod keys;
mod member;
mod node;
mod peer;
mod reference;
#[cfg(test)]
mod samples;
mod section;
mod storage;
mod units;

pub(crate) use archive::{ArchiveConfig, read_archive};
pub(crate) use document::{Mistake, Mistakes};
pub(crate) use front::{DimseFront, TlsFiles, Undeliverable};
pub(crate) use member::{CallingAe, MemberConfig, MembersListen, ReadBack, RouteConfig, RouteTls};
pub(crate) use node::{Base, LogConfig, LogFormat, NodeConfig, read_node};
pub(crate) use peer::{Allow, PeerConfig};
pub(crate) use reference::reference;
