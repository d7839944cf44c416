//! Inventories and cross-checks of archives of every kind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod crosschecking;
mod deciding;
mod holder;
mod looking;
mod shelf;
mod sweeping;
mod taking;
