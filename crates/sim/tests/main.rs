//! The real peers start, answer and keep what they are sent; without this no test against them means anything.
#![allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "files of other programs")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on ends there")]

mod dcmtk;
mod node;
mod orthanc;
mod pixelmed;
mod power;
mod pynetdicom;
mod sending;
mod shim;
mod simulator;
mod tap;
mod telling;
