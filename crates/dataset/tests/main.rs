//! Integration tests of the data set crate.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod build;
mod identifiers;
mod normal;
mod samples;
mod scanning;
mod toolkits;
mod transcode;
mod trees;
