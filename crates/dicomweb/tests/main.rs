//! Integration tests of DICOMweb.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod hostile;
mod peer_dcmtk;
mod rendering;
mod samples;
