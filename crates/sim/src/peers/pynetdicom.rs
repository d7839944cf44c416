//! pynetdicom's applications, run from the virtual environment that the test script makes.

#![allow(
    clippy::disallowed_methods,
    reason = "these are other programs' files, not ours: the simulator has no say in them"
)]

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use outrigger_model::AeTitle;
use tempfile::TempDir;

use super::dcmtk::{files_in, temporary};
use super::station::on_free_ports;
use super::{Launch, Nagle, PeerError, Process, Ready, Station, ToolRun, free_port};

/// Names the virtual environment with pynetdicom in it.
const VENV: &str = "OUTRIGGER_VENV";

pub(super) fn python() -> Result<OsString, PeerError> {
    let venv = std::env::var_os(VENV).ok_or(PeerError::NotConfigured { name: VENV })?;
    Ok(Path::new(&venv).join("bin/python").into())
}

fn application(name: &str) -> Vec<OsString> {
    vec!["-m".into(), "pynetdicom".into(), name.into()]
}

/// A receiver in Python that keeps each object as a file.
#[derive(Debug)]
pub struct PynetdicomStoreScp {
    station: Station,
    process: Process,
    directory: TempDir,
}

impl PynetdicomStoreScp {
    /// Starts it; `options` are those of its command line.
    pub async fn start(ae_title: &AeTitle, options: &[&str]) -> Result<Self, PeerError> {
        on_free_ports(async || {
            let directory = temporary()?;
            let port = free_port()?;
            let objects = directory.path().join("objects");
            fs::create_dir(&objects).map_err(PeerError::file(&objects))?;
            let mut arguments = application("storescp");
            arguments.extend([port.to_string().into(), "--verbose".into()]);
            arguments.extend(["--ae-title".into(), ae_title.as_str().into()]);
            arguments.extend(["--bind-address".into(), "127.0.0.1".into()]);
            arguments.extend(["--output-directory".into(), objects.into()]);
            arguments.extend(options.iter().map(OsString::from));
            let process = start(arguments, &directory, port).await?;
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

/// An archive in Python with its index in SQLite.
#[derive(Debug)]
pub struct PynetdicomQrScp {
    station: Station,
    process: Process,
    directory: TempDir,
}

impl PynetdicomQrScp {
    /// Starts it with an empty archive; `stations` are where it can move to.
    pub async fn start(ae_title: &AeTitle, stations: &[Station]) -> Result<Self, PeerError> {
        on_free_ports(async || {
            let directory = temporary()?;
            let port = free_port()?;
            let objects = directory.path().join("objects");
            fs::create_dir(&objects).map_err(PeerError::file(&objects))?;
            let file = directory.path().join("qrscp.ini");
            let text = qr_configuration(ae_title, stations, port, directory.path());
            fs::write(&file, text).map_err(PeerError::file(&file))?;
            let mut arguments = application("qrscp");
            arguments.extend(["--verbose".into(), "--config".into(), file.into()]);
            let process = start(arguments, &directory, port).await?;
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

    /// The files it keeps.
    pub fn files(&self) -> Result<Vec<PathBuf>, PeerError> {
        files_in(&self.directory.path().join("objects"))
    }
}

fn qr_configuration(ae_title: &AeTitle, stations: &[Station], port: u16, directory: &Path) -> String {
    let destination = |Station { ae_title, port }: &Station| {
        format!("\n[{ae_title}]\naddress: 127.0.0.1\nport: {port}\nae_title: {ae_title}\n")
    };
    let destinations = stations.iter().map(destination).collect::<Vec<_>>().concat();
    let directory = directory.display();
    format!(
        "[DEFAULT]\nae_title: {ae_title}\nport: {port}\nmax_pdu: 131072\nacse_timeout: 30\n\
         dimse_timeout: 30\nnetwork_timeout: 30\nbind_address: 127.0.0.1\n\
         instance_location: {directory}/objects\ndatabase_location: {directory}/instances.db\n{destinations}"
    )
}

async fn start(arguments: Vec<OsString>, directory: &TempDir, port: u16) -> Result<Process, PeerError> {
    Process::start(Launch {
        program: python()?,
        arguments,
        variables: vec![("PYTHONUNBUFFERED", "1".into())],
        directory: directory.path().to_owned(),
        ready: vec![Ready::Port(port)],
    })
    .await
}

/// pynetdicom's sender.
#[derive(Debug)]
pub struct PynetdicomStoreScu<'a> {
    /// Our AE title.
    pub calling: &'a AeTitle,
    /// To whom.
    pub called: &'a Station,
    /// A file, or a directory whose files go in order of their names.
    pub path: &'a Path,
}

impl PynetdicomStoreScu<'_> {
    /// Sends the files over one association.
    pub async fn run(&self) -> Result<ToolRun, PeerError> {
        let mut arguments = application("storescu");
        arguments.extend(["127.0.0.1".into(), self.called.port.to_string().into()]);
        arguments.push(self.path.into());
        arguments.extend(["--verbose".into(), "--required-contexts".into()]);
        arguments.extend(["--calling-aet".into(), self.calling.as_str().into()]);
        arguments.extend(["--called-aet".into(), self.called.ae_title.as_str().into()]);
        ToolRun::of(python()?, arguments, Nagle::Off).await
    }
}
