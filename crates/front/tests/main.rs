//! The front against scripted and real peers.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod shelf;
mod station;
mod store;
