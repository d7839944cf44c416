//! The configuration: from a TOML file to values that are checked and usable, with every mistake reported.

mod archive;
mod audit;
mod claims;
mod commit;
mod crosscheck;
mod document;
mod front;
mod inventory;
mod keys;
mod member;
mod near;
mod node;
mod paths;
mod peer;
mod query;
mod reference;
mod route;
mod s3;
#[cfg(test)]
mod samples;
mod secrets;
mod section;
mod storage;
mod tls;
mod units;
mod viewer;
mod warnings;
mod web;

pub(crate) use archive::{ArchiveConfig, BlobsAt, is_archive, read_archive};
pub(crate) use audit::{Syslog, SyslogTransport};
pub(crate) use crosscheck::Crosscheck;
pub(crate) use document::{Mistake, Mistakes};
pub(crate) use front::{DimseFront, Undeliverable};
pub(crate) use inventory::Taken;
pub(crate) use member::{CallingAe, MemberConfig, MembersListen};
pub(crate) use node::{Base, LogConfig, LogFormat, NodeConfig, read_node};
pub(crate) use peer::{Allow, PeerConfig};
pub(crate) use reference::reference;
pub(crate) use route::{DimseRouteConfig, ReadBack, RouteConfig, WebProtocol, WebRouteConfig};
pub(crate) use web::WebFront;
