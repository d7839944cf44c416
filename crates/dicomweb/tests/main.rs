//! Integration tests of DICOMweb.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod hostile;
mod rendering;
mod samples;
