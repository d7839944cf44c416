//! The front against scripted and real peers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "tests use files of their own")]

#[macro_use]
mod servers;

mod admission;
mod ask;
mod commit;
mod conforming;
mod destination;
mod find;
mod limits;
mod many;
mod odd;
mod peer_dcmtk;
mod retrieve;
mod shelf;
mod slow;
mod station;
mod stopping;
mod store;
mod tls;
mod wado;
mod web;
