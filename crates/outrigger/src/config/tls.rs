//! TLS of listeners and routes: the files are read with the configuration, so that one that is of no use is a mistake in it.

use std::path::PathBuf;

use outrigger_member::http::{Scheme, Target};
use outrigger_runtime::tls::is_server_name;
use outrigger_runtime::{IdentityFiles, TlsClient, TlsError, TlsServer};

use super::keys;
use super::section::{Key, Section};
use crate::process::with_causes;

/// TLS of a listener.
#[derive(Debug, Clone)]
pub(crate) struct ListenerTls {
    /// What it shows.
    pub(crate) identity: IdentityFiles,
    /// Authorities of client certificates.
    pub(crate) client_ca: Option<PathBuf>,
    /// What the files hold.
    pub(crate) server: TlsServer,
}

/// TLS toward a member.
#[derive(Debug, Clone)]
pub(crate) struct RouteTls {
    /// Authorities its certificate is checked against.
    pub(crate) ca: PathBuf,
    /// The name its certificate must carry, where it is not its host.
    pub(crate) server_name: Option<String>,
    /// Our own certificate and key, where it demands one.
    pub(crate) identity: Option<IdentityFiles>,
    /// What the files hold.
    pub(crate) client: TlsClient,
}

impl PartialEq for ListenerTls {
    /// By the files, and by their date where one was renewed in its place.
    fn eq(&self, other: &Self) -> bool {
        self.identity == other.identity
            && self.client_ca == other.client_ca
            && self.server.validity() == other.server.validity()
    }
}

impl PartialEq for RouteTls {
    /// By the files, and by their date where one was renewed in its place.
    fn eq(&self, other: &Self) -> bool {
        self.ca == other.ca
            && self.server_name == other.server_name
            && self.identity == other.identity
            && self.client.validity() == other.client.validity()
    }
}

impl Eq for ListenerTls {}
impl Eq for RouteTls {}

/// How a route is protected.
pub(crate) enum RouteSecurity {
    /// Not at all.
    Plain,
    /// By TLS.
    Tls(RouteTls),
}

/// Whom TLS is spoken to, for what is said of mistakes.
pub(crate) struct Called<'a> {
    /// Where, `host:port`, as far as it could be read.
    pub(crate) address: Option<&'a str>,
    /// The key that says so.
    pub(crate) key: &'static str,
    /// What asks for TLS.
    pub(crate) because: &'static str,
}

/// The files of a caller and the name it expects, as far as they could be read.
pub(crate) struct CallerFiles {
    ca: Option<PathBuf>,
    server_name: Option<String>,
    identity: Option<IdentityFiles>,
}

/// Reads `[front.dimse.tls]`.
pub(crate) fn read_listener_tls(section: Section<'_>) -> Option<ListenerTls> {
    for key in [&keys::CERTIFICATE_FILE, &keys::KEY_FILE] {
        if !section.has(key) {
            section.wrong(key, "it is missing");
        }
    }
    let identity = read_identity(&section);
    let client_ca = file(&section, &keys::CLIENT_CA_FILE);
    let unreadable_ca = section.has(&keys::CLIENT_CA_FILE) && client_ca.is_none();
    let loaded = identity.as_ref().filter(|_| !unreadable_ca).and_then(|identity| {
        let loaded = TlsServer::load(section.disk(), identity, client_ca.as_deref());
        loaded.map_err(|error| blame(&section, &error, client_ca.as_ref(), &keys::CLIENT_CA_FILE)).ok()
    });
    section.end();
    Some(ListenerTls { identity: identity?, client_ca, server: loaded? })
}

/// Reads whether TLS is spoken to the member at `address`, and by which files; `None` after a mistake.
pub(crate) fn read_route_tls(section: &Section<'_>, address: Option<&str>) -> Option<RouteSecurity> {
    let wanted = section.truth(&keys::ROUTE_TLS);
    let files = read_caller_files(section);
    if !wanted? {
        return Some(RouteSecurity::Plain);
    }
    let called = Called { address, key: keys::ROUTE_ADDRESS.name, because: "`tls` is on" };
    load_caller(section, files, &called).map(RouteSecurity::Tls)
}

/// Authorities of the system, where none are given for a web server: the bundle of Debian's `ca-certificates`.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// Reads by which files TLS is spoken to a web server, if its URL says `https`; `None` after a mistake.
pub(crate) fn read_web_tls(section: &Section<'_>, target: Option<&Target>) -> Option<RouteSecurity> {
    let files = read_caller_files(section);
    let target = target?;
    if target.scheme() == Scheme::Plain {
        return Some(RouteSecurity::Plain);
    }
    let by_system = !section.has(&keys::CA_FILE);
    let files = CallerFiles { ca: files.ca.or(by_system.then(|| SYSTEM_AUTHORITIES.into())), ..files };
    let called = Called {
        address: Some(target.address()),
        key: keys::ROUTE_URL.name,
        because: "`url` begins with `https://`",
    };
    load_caller(section, files, &called).map(RouteSecurity::Tls)
}

/// Reads what a caller needs for TLS; nothing of it must be there.
pub(crate) fn read_caller_files(section: &Section<'_>) -> CallerFiles {
    let ca = file(section, &keys::CA_FILE);
    let server_name =
        section.read_optional(&keys::SERVER_NAME, |text| is_server_name(text).then(|| text.to_owned()));
    if section.has(&keys::CERTIFICATE_FILE) != section.has(&keys::KEY_FILE) {
        section.wrong(&keys::KEY_FILE, "`certificate_file` and `key_file` go together");
    }
    CallerFiles { ca, server_name, identity: read_identity(section) }
}

/// Loads what TLS to somebody needs; `None` after a mistake.
pub(crate) fn load_caller(
    section: &Section<'_>,
    files: CallerFiles,
    called: &Called<'_>,
) -> Option<RouteTls> {
    let CallerFiles { ca, server_name, identity } = files;
    if !section.has(&keys::CA_FILE) && ca.is_none() {
        section.wrong(&keys::CA_FILE, format!("it is missing, and {}", called.because));
    }
    let host = called
        .address
        .and_then(|address| address.rsplit_once(':'))
        .map(|(host, _)| host.trim_matches(['[', ']']));
    if !section.has(&keys::SERVER_NAME) && host.is_some_and(|host| !is_server_name(host)) {
        let wrong = format!("it is missing, and no certificate can carry the host of `{}`", called.key);
        section.wrong(&keys::SERVER_NAME, wrong);
    }
    let given = section.has(&keys::CERTIFICATE_FILE) || section.has(&keys::KEY_FILE);
    if given && identity.is_none() {
        return None;
    }
    let ca = ca?;
    let client = TlsClient::load(section.disk(), &ca, identity.as_ref());
    let client = client.map_err(|error| blame(section, &error, Some(&ca), &keys::CA_FILE)).ok()?;
    let client = match &server_name {
        Some(name) => client.expecting(name.clone()),
        None => client,
    };
    Some(RouteTls { ca, server_name, identity, client })
}

/// The path of a file that can be read.
fn file(section: &Section<'_>, key: &Key) -> Option<PathBuf> {
    section.readable(key).map(|(path, _)| path)
}

/// Certificate and key, where both can be read.
fn read_identity(section: &Section<'_>) -> Option<IdentityFiles> {
    let (certificate, key) = (file(section, &keys::CERTIFICATE_FILE), file(section, &keys::KEY_FILE));
    Some(IdentityFiles { certificate: certificate?, key: key? })
}

/// Notes an error of files at the key that names the one at fault.
fn blame(section: &Section<'_>, error: &TlsError, ca: Option<&PathBuf>, ca_key: &Key) {
    let key = match error {
        TlsError::Pem { what: "private key", .. } | TlsError::Pair { .. } => &keys::KEY_FILE,
        TlsError::Read { path, .. }
        | TlsError::Pem { path, .. }
        | TlsError::Certificate { path, .. }
        | TlsError::Validity { path, .. }
        | TlsError::Authority { path, .. }
            if ca == Some(path) =>
        {
            ca_key
        }
        _ => &keys::CERTIFICATE_FILE,
    };
    section.wrong(key, with_causes(error));
}
