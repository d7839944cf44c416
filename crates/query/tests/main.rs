//! Queries answered by members that do as they are told, united with a catalogue.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod asked;
mod away;
mod crowd;
mod member;
mod named;
mod rig;
mod routes;
mod second;
mod series;
mod short;
mod untrue;
mod versions;
