//! TLS of listeners and routes: the files are read with the configuration, so that one that is of no use is a mistake in it.

use std::path::PathBuf;

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
            && self.server.expires_us() == other.server.expires_us()
    }
}

impl PartialEq for RouteTls {
    /// By the files, and by their date where one was renewed in its place.
    fn eq(&self, other: &Self) -> bool {
        self.ca == other.ca
            && self.server_name == other.server_name
            && self.identity == other.identity
            && self.client.expires_us() == other.client.expires_us()
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
    let ca = file(section, &keys::ROUTE_CA);
    let named =
        section.read_optional(&keys::ROUTE_SERVER_NAME, |text| is_server_name(text).then(|| text.to_owned()));
    let given = [&keys::CERTIFICATE_FILE, &keys::KEY_FILE].map(|key| section.has(key));
    if given[0] != given[1] {
        section.wrong(&keys::KEY_FILE, "`certificate_file` and `key_file` go together");
    }
    let identity = read_identity(section);
    if !wanted? {
        return Some(RouteSecurity::Plain);
    }
    if !section.has(&keys::ROUTE_CA) {
        section.wrong(&keys::ROUTE_CA, "it is missing, and `tls` is on");
    }
    let host =
        address.and_then(|address| address.rsplit_once(':')).map(|(host, _)| host.trim_matches(['[', ']']));
    if !section.has(&keys::ROUTE_SERVER_NAME) && host.is_some_and(|host| !is_server_name(host)) {
        section.wrong(
            &keys::ROUTE_SERVER_NAME,
            "it is missing, and no certificate can carry the host of `address`",
        );
    }
    if given.contains(&true) && identity.is_none() {
        return None;
    }
    let ca = ca?;
    let client = TlsClient::load(section.disk(), &ca, identity.as_ref());
    let client = client.map_err(|error| blame(section, &error, Some(&ca), &keys::ROUTE_CA)).ok()?;
    let client = match &named {
        Some(name) => client.expecting(name.clone()),
        None => client,
    };
    Some(RouteSecurity::Tls(RouteTls { ca, server_name: named, identity, client }))
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
