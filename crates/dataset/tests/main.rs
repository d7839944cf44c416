//! Integration tests of the data set crate.

mod trees;
