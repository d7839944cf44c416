//! The audit trail's tables: the local file and the collector.

use std::fmt;
use std::path::{Path, PathBuf};

use super::keys;
use super::section::{Key, Section};
use super::tls::{Called, RouteTls, load_caller, read_caller_files};
use super::units;

/// `[audit]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct AuditConfig {
    /// The local file.
    pub(crate) file: PathBuf,
    /// A syslog collector.
    pub(crate) syslog: Option<Syslog>,
}

/// A syslog collector (RFC 5424).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Syslog {
    /// Where it listens, `host:port`.
    pub(crate) address: String,
    /// What carries messages there.
    pub(crate) transport: SyslogTransport,
}

/// What carries syslog messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum SyslogTransport {
    /// RFC 5426.
    Udp,
    /// RFC 6587 section 3.4.1.
    Tcp,
    /// RFC 5425.
    Tls(RouteTls),
}

impl fmt::Display for Syslog {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.transport {
            SyslogTransport::Udp => "udp",
            SyslogTransport::Tcp => "tcp",
            SyslogTransport::Tls(_) => "tls",
        };
        write!(f, "{scheme}://{}", self.address)
    }
}

/// What stands before the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Scheme {
    Udp,
    Tcp,
    Tls,
}

/// Reads `[audit]`; `data` is the node's directory.
pub(crate) fn read_audit(section: Section<'_>, data: Option<&Path>) -> Option<AuditConfig> {
    let file = section.optional(&keys::AUDIT_FILE).map(PathBuf::from);
    let file = file.or_else(|| Some(data?.join("audit.log")));
    if let Some(file) = &file {
        section.take_file(&keys::AUDIT_FILE, file, file.parent());
    }
    let syslog = read_syslog(&section);
    section.end();
    let syslog = match syslog? {
        Destination::Nowhere => None,
        Destination::Collector(syslog) => Some(syslog),
    };
    Some(AuditConfig { file: file?, syslog })
}

/// Where audit messages go beside the file.
enum Destination {
    Nowhere,
    Collector(Syslog),
}

/// Reads who collects; `None` after a mistake.
fn read_syslog(section: &Section<'_>) -> Option<Destination> {
    let called = section.read_optional(&keys::AUDIT_SYSLOG, called);
    let files = read_caller_files(section);
    if called.is_none() && section.has(&keys::AUDIT_SYSLOG) {
        return None;
    }
    let destination = match called {
        Some((Scheme::Tls, address)) => {
            let key = keys::AUDIT_SYSLOG.name;
            let whom = Called { address: Some(&address), key, because: "`syslog` begins with `tls://`" };
            let transport = SyslogTransport::Tls(load_caller(section, files, &whom)?);
            return Some(Destination::Collector(Syslog { address, transport }));
        }
        Some((Scheme::Udp, address)) => {
            Destination::Collector(Syslog { address, transport: SyslogTransport::Udp })
        }
        Some((Scheme::Tcp, address)) => {
            Destination::Collector(Syslog { address, transport: SyslogTransport::Tcp })
        }
        None => Destination::Nowhere,
    };
    // Somebody who gives files believes that what is sent is protected.
    for key in [&keys::CA_FILE, &keys::SERVER_NAME, &keys::CERTIFICATE_FILE, &keys::KEY_FILE] {
        refuse_without_tls(section, key);
    }
    Some(destination)
}

fn refuse_without_tls(section: &Section<'_>, key: &Key) {
    if section.has(key) {
        let right = "leave it out, or a `syslog` of `tls://host:port` is expected";
        section.wrong_as(key, "`syslog` does not begin with `tls://`", right);
    }
}

fn called(text: &str) -> Option<(Scheme, String)> {
    let (scheme, address) = match text.split_once("://") {
        None => (Scheme::Tcp, text),
        Some(("tcp", address)) => (Scheme::Tcp, address),
        Some(("udp", address)) => (Scheme::Udp, address),
        Some(("tls", address)) => (Scheme::Tls, address),
        Some(_) => return None,
    };
    Some((scheme, units::remote(address)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_what_carries_messages_there() {
        for (text, scheme, address) in [
            ("collector:601", Scheme::Tcp, "collector:601"),
            ("tcp://10.0.0.5:601", Scheme::Tcp, "10.0.0.5:601"),
            ("udp://[::1]:514", Scheme::Udp, "[::1]:514"),
            ("tls://collector.example:6514", Scheme::Tls, "collector.example:6514"),
        ] {
            assert_eq!(called(text), Some((scheme, address.to_owned())), "{text}");
        }
        for wrong in ["tls://collector", "tls:collector:6514", "http://collector:80", "udp://", "tcp://c:0"] {
            assert_eq!(called(wrong), None, "{wrong}");
        }
    }
}
