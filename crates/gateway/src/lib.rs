//! The pair as one service: what a front door accepts goes into the ledger, and delivery does the rest.
//!
//! Knows the ledger and the shape of a service; never a member's protocol.

mod commit;
mod plan;
mod retrieve;
mod service;
mod syntaxes;

pub use commit::{Keeper, KeeperOptions};
pub use service::{Gateway, GatewayOptions};
pub use syntaxes::Undeliverable;
