//! Associations of both roles against scripted peers, against each other and against real peers.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests use files of their own")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod associate;
mod commands;
mod establish;
mod hostile;
mod machine;
mod messages;
mod negotiate;
mod peer_dcmtk;
mod peer_pynetdicom;
mod provider;
mod release;
mod script;
mod timers;
