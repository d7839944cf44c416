//! PixelMed's DicomAndWebStorageServer: an archive in Java on HSQLDB.

#![allow(
    clippy::disallowed_methods,
    reason = "these are other programs' files, not ours: the simulator has no say in them"
)]

use std::fs;
use std::path::Path;

use outrigger_model::AeTitle;
use tempfile::TempDir;

use super::dcmtk::{files_in, temporary};
use super::station::on_free_ports;
use super::{Launch, PeerError, Process, Ready, Station, free_port};

/// Where Debian's Java libraries are.
const JARS: &str = "/usr/share/java";
/// Which index it keeps.
const MODEL: &str = "com.pixelmed.database.PatientStudySeriesConcatenationInstanceModel";

/// A running PixelMed server; it takes about 6 s to start.
#[derive(Debug)]
pub struct PixelMed {
    station: Station,
    process: Process,
    // Removed with the value, after the process has ended.
    _directory: TempDir,
}

impl PixelMed {
    /// Starts it with an empty archive; `stations` are where it can move to.
    pub async fn start(ae_title: &AeTitle, stations: &[Station]) -> Result<Self, PeerError> {
        on_free_ports(async || {
            let directory = temporary()?;
            let (dicom_port, web_port) = (free_port()?, free_port()?);
            let file = directory.path().join("server.properties");
            let text = properties(ae_title, stations, directory.path(), dicom_port, web_port);
            fs::write(&file, text).map_err(PeerError::file(&file))?;
            let process = Process::start(Launch {
                program: "java".into(),
                arguments: vec![
                    "-Djava.awt.headless=true".into(),
                    "-Xmx512m".into(),
                    "-cp".into(),
                    class_path()?.into(),
                    "com.pixelmed.server.DicomAndWebStorageServer".into(),
                    file.into(),
                ],
                variables: Vec::new(),
                directory: directory.path().to_owned(),
                ready: vec![Ready::Port(dicom_port), Ready::Port(web_port)],
            })
            .await?;
            let station = Station { ae_title: ae_title.clone(), port: dicom_port };
            Ok(Self { station, process, _directory: directory })
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
}

fn class_path() -> Result<String, PeerError> {
    let mut jars = files_in(Path::new(JARS))?;
    jars.retain(|file| file.extension().is_some_and(|extension| extension == "jar"));
    let jars: Vec<_> = jars.iter().map(|jar| jar.to_string_lossy()).collect();
    Ok(jars.join(":"))
}

fn properties(
    ae_title: &AeTitle,
    stations: &[Station],
    directory: &Path,
    dicom_port: u16,
    web_port: u16,
) -> String {
    let directory = directory.display();
    let names: Vec<_> = (0..stations.len()).map(|number| format!("station{number}")).collect();
    let remote = |(name, Station { ae_title, port }): (&String, &Station)| {
        let remote = format!("Dicom.RemoteAEs.{name}");
        format!(
            "{remote}.CalledAETitle={ae_title}\n{remote}.HostNameOrIPAddress=127.0.0.1\n{remote}.Port={port}\n"
        )
    };
    let remotes = names.iter().zip(stations).map(remote).collect::<Vec<_>>().concat();
    format!(
        "Application.DatabaseInformationModelClass={MODEL}\n\
         Application.DatabaseFileName={directory}/database\n\
         Application.SavedImagesFolderName={directory}/images\n\
         Dicom.ListeningPort={dicom_port}\n\
         Dicom.CalledAETitle={ae_title}\n\
         Dicom.CallingAETitle={ae_title}\n\
         Dicom.RemoteAEs={}\n\
         WebServer.ListeningPort={web_port}\n{remotes}",
        names.join(" ")
    )
}
