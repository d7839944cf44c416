//! The rules of the sources, held against the tree as it is, and against small trees that break each of them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on ends there")]

mod broken;
mod tree;
