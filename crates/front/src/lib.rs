//! Listeners and handlers that modalities, workstations and the RIS connect to.
//!
//! Knows protocols and one trait, [`Service`]; never members, delivery or the journal.

pub mod service;

pub use service::{
    Accepts, Arrival, FindRefusal, OtherSyntaxes, RefusalKind, Retrievable, Service, StoreRefusal, Stored,
};
