//! What dies, fails, forgets and flips while objects pass: nothing acknowledged is lost, and the books balance again.
//!
//! Counts are those of a run that people wait for; `OUTRIGGER_SOAK` multiplies them (`cargo xtask soak`).

mod actor;
mod books;
mod calls;
mod chance;
mod flip;
mod kill;
mod load;
mod power;
