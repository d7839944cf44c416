//! The ledger over both of its stores, on a simulated disk and a clock that stands still.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "tests damage files on purpose")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod ability;
mod accepting;
mod applying;
mod clock;
mod contract;
mod damage;
mod delivering;
mod doubting;
mod healing;
mod inventory;
mod kit;
mod people;
mod promising;
mod property;
mod rebuilding;
mod releasing;
mod renewing;
mod unshown;
