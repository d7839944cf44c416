//! Integration tests of the data set crate.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod build;
mod held;
mod identifiers;
mod json;
mod normal;
mod samples;
mod scanning;
mod survey;
mod toolkits;
mod transcode;
mod trees;
