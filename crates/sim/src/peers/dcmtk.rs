//! DCMTK's servers: the archive dcmqrscp and the receiver storescp.

#![allow(
    clippy::disallowed_methods,
    reason = "these are other programs' files, not ours: the simulator has no say in them"
)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use outrigger_model::AeTitle;
use tempfile::TempDir;

use super::station::on_free_ports;
use super::{Launch, Nagle, PeerError, Process, Ready, Station, free_port};

/// DCMTK's image archive: at most 400 studies, and one association at a time, are safe with it.
#[derive(Debug)]
pub struct DcmQrScp {
    station: Station,
    process: Process,
    directory: TempDir,
}

impl DcmQrScp {
    /// Starts it with an empty storage area; `stations` are where it can move to.
    pub async fn start(ae_title: &AeTitle, stations: &[Station]) -> Result<Self, PeerError> {
        on_free_ports(async || {
            let directory = temporary()?;
            let port = free_port()?;
            let area = directory.path().join("area");
            fs::create_dir(&area).map_err(PeerError::file(&area))?;
            let configuration = directory.path().join("dcmqrscp.cfg");
            fs::write(&configuration, qr_configuration(ae_title, stations, port, &area))
                .map_err(PeerError::file(&configuration))?;
            let process = Process::start(Launch {
                program: "dcmqrscp".into(),
                arguments: vec!["--config".into(), configuration.into()],
                variables: vec![("TCP_NODELAY", "1".into())],
                directory: directory.path().to_owned(),
                ready: vec![Ready::Port(port)],
            })
            .await?;
            Ok(Self { station: Station { ae_title: ae_title.clone(), port }, process, directory })
        })
        .await
    }

    /// Who it is, and where.
    pub fn station(&self) -> &Station {
        &self.station
    }

    /// The process, to hang, kill and restart.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The files it keeps, its index aside.
    pub fn files(&self) -> Result<Vec<PathBuf>, PeerError> {
        let mut files = files_in(&self.directory.path().join("area"))?;
        files.retain(|file| file.file_name().is_none_or(|name| name != "index.dat"));
        Ok(files)
    }
}

fn qr_configuration(ae_title: &AeTitle, stations: &[Station], port: u16, area: &Path) -> String {
    let host = |(number, Station { ae_title, port }): (usize, &Station)| {
        format!("station{number} = ({ae_title}, 127.0.0.1, {port})\n")
    };
    let hosts = stations.iter().enumerate().map(host).collect::<Vec<_>>().concat();
    // 400 studies: its index ends the process at study 501.
    format!(
        "NetworkTCPPort = {port}\nMaxPDUSize = 131072\nMaxAssociations = 16\n\
         HostTable BEGIN\n{hosts}HostTable END\n\
         VendorTable BEGIN\nVendorTable END\n\
         AETable BEGIN\n{ae_title} {} RW (400, 4096mb) ANY\nAETable END\n",
        area.display()
    )
}

/// DCMTK's receiver, which keeps each object as a file and answers no query.
#[derive(Debug)]
pub struct StoreScp {
    station: Station,
    process: Process,
    directory: TempDir,
}

impl StoreScp {
    /// Starts it as installed; `options` are those of its command line, such as `--fork`, `+xa` or `--abort-after`.
    pub async fn start(ae_title: &AeTitle, options: &[&str]) -> Result<Self, PeerError> {
        Self::start_with(ae_title, options, Nagle::AsInstalled).await
    }

    /// Starts it, its sockets so: with Nagle's algorithm on, each of its answers waits for a delayed acknowledgement of DCMTK's own
    /// senders.
    pub async fn start_with(ae_title: &AeTitle, options: &[&str], nagle: Nagle) -> Result<Self, PeerError> {
        on_free_ports(async || {
            let directory = temporary()?;
            let port = free_port()?;
            let objects = directory.path().join("objects");
            fs::create_dir(&objects).map_err(PeerError::file(&objects))?;
            let mut arguments: Vec<OsString> = options.iter().map(OsString::from).collect();
            arguments.extend(["--aetitle".into(), ae_title.as_str().into()]);
            arguments.extend(["--output-directory".into(), objects.into()]);
            arguments.extend(["--max-pdu".into(), "131072".into(), port.to_string().into()]);
            let process = Process::start(Launch {
                program: "storescp".into(),
                arguments,
                variables: match nagle {
                    Nagle::AsInstalled => Vec::new(),
                    Nagle::Off => vec![("TCP_NODELAY", "1".into())],
                },
                directory: directory.path().to_owned(),
                ready: vec![Ready::Port(port)],
            })
            .await?;
            Ok(Self { station: Station { ae_title: ae_title.clone(), port }, process, directory })
        })
        .await
    }

    /// Who it is, and where.
    pub fn station(&self) -> &Station {
        &self.station
    }

    /// The process, to hang, kill and restart.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The files it has received.
    pub fn files(&self) -> Result<Vec<PathBuf>, PeerError> {
        files_in(&self.directory.path().join("objects"))
    }
}

pub(crate) fn temporary() -> Result<TempDir, PeerError> {
    TempDir::with_prefix("outrigger-peer-").map_err(PeerError::file(std::env::temp_dir()))
}

/// The files of one directory, sorted by name.
pub(crate) fn files_in(directory: &Path) -> Result<Vec<PathBuf>, PeerError> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).map_err(PeerError::file(directory))? {
        files.push(entry.map_err(PeerError::file(directory))?.path());
    }
    files.sort();
    Ok(files)
}
