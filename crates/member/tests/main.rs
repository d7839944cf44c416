//! Members against scripted and real peers.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "files of other programs")]

mod archive;
mod ask;
mod dicomweb;
mod orthanc;
mod peer_dcmtk;
mod peer_orthanc;
mod peer_orthanc_web;
mod peer_others;
mod scripted;
mod store;
mod web;
mod web_tls;
