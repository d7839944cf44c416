//! What dies, fails, forgets and flips while objects pass: nothing acknowledged is lost, and the books balance again.
//!
//! Counts are those of a run that people wait for; `OUTRIGGER_SOAK` multiplies them (`cargo xtask soak`).

#![allow(clippy::print_stdout, reason = "seeds and counts are what a run is for")]

mod actor;
mod books;
mod calls;
pub(crate) mod chance;
mod crowds;
mod flip;
mod kill;
pub(crate) mod load;
mod many;
mod pair;
mod power;
mod retrieve;
mod room;
mod servers;
