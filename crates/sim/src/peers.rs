//! Real peers, started by tests: each in a directory of its own, on a port of its own, on loopback.
//!
//! A peer ends with the value that stands for it, and with the test's process. Tests that start one carry its prefix
//! (`peer_orthanc_`, `peer_postgresql_`, `peer_postgres_`, `peer_mariadb_`, `peer_dcmtk_`, `peer_pynetdicom_`, `peer_pixelmed_`, `peer_s3_`), so that the test script can leave them out where
//! the peer is not installed.

mod database;
mod dcmtk;
mod dcmtk_scu;
mod error;
mod mariadb;
mod moto;
mod orthanc;
mod orthanc_rest;
mod pixelmed;
mod postgresql;
mod process;
mod pynetdicom;
mod pynetdicom_commit;
mod station;
mod tool;

pub use database::{DatabaseServer, PASSWORD as DATABASE_PASSWORD};
pub use dcmtk::{DcmQrScp, StoreScp};
pub use dcmtk_scu::{DcmSend, EchoScu, FindScu, GetScu, MoveScu, StoreScu};
pub use error::PeerError;
pub use mariadb::Mariadb;
pub use moto::Moto;
pub use orthanc::{DicomPort, Orthanc, OrthancSetup, OrthancTls};
pub use orthanc_rest::OrthancInstance;
pub use pixelmed::PixelMed;
pub use postgresql::Postgresql;
pub use process::{Launch, Process, Ready};
pub use pynetdicom::{PynetdicomQrScp, PynetdicomStoreScp, PynetdicomStoreScu};
pub use pynetdicom_commit::{AfterAsking, PynetdicomCommitScu};
pub use station::{HeldPort, Station, free_port};
pub use tool::{Nagle, Sent, ToolRun};
