//! The whole program from outside: its command line, with scripted and with real peers around it.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "files and clocks as users have them"
)]
#![allow(clippy::print_stdout, reason = "what was measured and seen is shown where a test fails")]

#[macro_use]
mod servers;

mod archives;
mod asking;
mod asking_members;
mod at_once;
mod audit;
mod cancelling;
mod checking;
mod checking_words;
mod choking;
mod committing;
mod confirming;
mod conforming;
mod crosscheck;
mod crowd;
mod cutting;
mod dcmjs;
mod door;
mod faults;
mod folders;
mod inventory;
mod levels;
mod migrating;
mod modality;
mod objectstore;
mod peers;
mod program;
mod queries;
mod reading;
mod relational;
mod retiring;
mod retrieving;
mod samples;
mod scrubbing;
mod senders;
mod silence;
mod starting;
mod telling;
mod tls;
mod untrue;
mod viewer;
mod web;
mod weblegs;
mod webstation;
mod wholeseries;
mod workstation;
mod wrong;
