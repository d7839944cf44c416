//! Inventories of archives of every kind.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a panic is how a test fails")]

mod shelf;
mod sweeping;
mod taking;
