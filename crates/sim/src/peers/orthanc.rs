//! Orthanc: a full archive with DIMSE, DICOMweb and REST.

#![allow(
    clippy::disallowed_methods,
    reason = "these are other programs' files, not ours: the simulator has no say in them"
)]

use std::fs;
use std::path::{Path, PathBuf};

use outrigger_model::{AeTitle, TransferSyntaxUid};
use serde_json::{Map, Value, json};
use tempfile::TempDir;

use super::dcmtk::temporary;
use super::orthanc_rest::OrthancRest;
use super::station::on_free_ports;
use super::{Launch, Nagle, PeerError, Process, Ready, Station, free_port};

/// Where the package keeps the DICOMweb plugin.
const DICOMWEB_PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so";
/// Where the package keeps the plugin for an index in PostgreSQL.
const POSTGRESQL_PLUGIN: &str = "/usr/share/orthanc/plugins/libOrthancPostgreSQLIndex.so";

/// Certificates for an Orthanc whose DICOM port speaks TLS, and nothing else; all files are PEM.
#[derive(Debug, Clone)]
pub struct OrthancTls {
    /// Its own certificate.
    pub certificate: PathBuf,
    /// The key of that certificate.
    pub key: PathBuf,
    /// Whom it trusts, also when it calls.
    pub trusted: PathBuf,
}

/// Whether an Orthanc listens for DICOM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DicomPort {
    /// As installed.
    Open,
    /// It is reached by its web server alone.
    Closed,
}

/// How an Orthanc is to be.
#[derive(Debug, Clone)]
pub struct OrthancSetup {
    /// Its AE title.
    pub ae_title: AeTitle,
    /// Who may query it, and where it can move to and send commitment results to; anybody may store.
    pub stations: Vec<Station>,
    /// Whether its own sockets are as installed.
    pub nagle: Nagle,
    /// TLS on its DICOM port.
    pub tls: Option<OrthancTls>,
    /// The port of the PostgreSQL that keeps its index; its own SQLite where there is none.
    pub postgresql: Option<u16>,
    /// Whether it listens for DICOM.
    pub dicom_port: DicomPort,
    /// Most answers it gives to a query, if it limits them.
    pub answers_max: Option<u32>,
    /// The transfer syntax in which it keeps all it takes, if it encodes it anew.
    pub keeps_in: Option<TransferSyntaxUid>,
}

impl OrthancSetup {
    /// An Orthanc that knows these stations, without TLS, with Nagle off.
    pub fn new(ae_title: &AeTitle, stations: &[Station]) -> Self {
        Self {
            ae_title: ae_title.clone(),
            stations: stations.to_vec(),
            nagle: Nagle::Off,
            tls: None,
            postgresql: None,
            dicom_port: DicomPort::Open,
            answers_max: None,
            keeps_in: None,
        }
    }

    fn configuration(&self, directory: &Path, dicom_port: u16, http_port: u16) -> Value {
        let mut settings = json!({
            "Name": self.ae_title.as_str(),
            "StorageDirectory": directory.join("storage"),
            "IndexDirectory": directory.join("index"),
            "DicomAet": self.ae_title.as_str(),
            "DicomPort": dicom_port,
            "DicomServerEnabled": self.dicom_port == DicomPort::Open,
            "HttpPort": http_port,
            "RemoteAccessAllowed": false,
            "AuthenticationEnabled": false,
            "Plugins": [DICOMWEB_PLUGIN],
            "DicomModalities": self.modalities(),
            // Both are without a limit at 0.
            "LimitFindResults": self.answers_max.unwrap_or(0),
            "LimitFindInstances": self.answers_max.unwrap_or(0),
        });
        if let (Some(syntax), Some(settings)) = (&self.keeps_in, settings.as_object_mut()) {
            settings.insert("IngestTranscoding".into(), syntax.as_str().into());
        }
        if let (Some(tls), Some(settings)) = (&self.tls, settings.as_object_mut()) {
            settings.insert("DicomTlsEnabled".into(), true.into());
            settings.insert("DicomTlsCertificate".into(), json!(tls.certificate));
            settings.insert("DicomTlsPrivateKey".into(), json!(tls.key));
            settings.insert("DicomTlsTrustedCertificates".into(), json!(tls.trusted));
        }
        if let (Some(port), Some(settings)) = (self.postgresql, settings.as_object_mut()) {
            settings.insert("Plugins".into(), json!([DICOMWEB_PLUGIN, POSTGRESQL_PLUGIN]));
            settings.insert(
                "PostgreSQL".into(),
                json!({
                    "EnableIndex": true, "EnableStorage": false, "Host": "127.0.0.1", "Port": port,
                    "Database": "postgres", "Username": "postgres", "Password": "", "Lock": false,
                }),
            );
        }
        settings
    }

    fn modalities(&self) -> Map<String, Value> {
        let modality = |station: &Station| {
            json!({
                "AET": station.ae_title.as_str(), "Host": "127.0.0.1", "Port": station.port,
                "AllowEcho": true, "AllowStore": true, "AllowFind": true, "AllowGet": true, "AllowMove": true,
                "AllowStorageCommitment": true, "UseDicomTls": self.tls.is_some(),
            })
        };
        let named = |(number, station)| (format!("station{number}"), modality(station));
        self.stations.iter().enumerate().map(named).collect()
    }
}

/// A running Orthanc.
#[derive(Debug)]
pub struct Orthanc {
    station: Station,
    rest: OrthancRest,
    process: Process,
    directory: TempDir,
}

impl Orthanc {
    /// Starts it with an empty archive.
    pub async fn start(setup: &OrthancSetup) -> Result<Self, PeerError> {
        on_free_ports(async || {
            let directory = temporary()?;
            let (dicom_port, http_port) = (free_port()?, free_port()?);
            let file = directory.path().join("orthanc.json");
            let text = format!("{:#}", setup.configuration(directory.path(), dicom_port, http_port));
            fs::write(&file, text).map_err(PeerError::file(&file))?;
            let process = Process::start(Launch {
                program: "Orthanc".into(),
                arguments: vec!["--verbose".into(), file.into()],
                variables: match setup.nagle {
                    Nagle::AsInstalled => Vec::new(),
                    Nagle::Off => vec![("TCP_NODELAY", "1".into())],
                },
                directory: directory.path().to_owned(),
                ready: match setup.dicom_port {
                    DicomPort::Open => vec![Ready::Port(dicom_port), Ready::Port(http_port)],
                    DicomPort::Closed => vec![Ready::Port(http_port)],
                },
            })
            .await?;
            let station = Station { ae_title: setup.ae_title.clone(), port: dicom_port };
            Ok(Self { station, rest: OrthancRest::new(http_port), process, directory })
        })
        .await
    }

    /// Who it is, and where.
    pub fn station(&self) -> &Station {
        &self.station
    }

    /// Its REST interface.
    pub fn rest(&self) -> &OrthancRest {
        &self.rest
    }

    /// The root of its DICOMweb services.
    pub fn dicomweb(&self) -> String {
        self.rest.url("/dicom-web")
    }

    /// The process, to hang, kill and restart.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Where it keeps the files of its objects.
    pub fn storage(&self) -> PathBuf {
        self.directory.path().join("storage")
    }
}
