//! Members against scripted and real peers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod ask;
mod peer_dcmtk;
mod scripted;
mod store;
