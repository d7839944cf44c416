//! `[[front.web]]`: where DICOMweb is spoken.

use std::net::SocketAddr;
use std::time::Duration;

use outrigger_front::{Access, Origins, Tokens, WebServer};

use super::keys;
use super::section::Section;
use super::tls::{ListenerTls, read_listener_tls};
use super::units;

/// One web listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebFront {
    /// Where.
    pub(crate) listen: SocketAddr,
    /// What reads the requests.
    pub(crate) server: WebServer,
    /// Who may call.
    pub(crate) access: Access,
    /// Where calls may come from; empty means anywhere.
    pub(crate) hosts: Vec<ipnet::IpNet>,
    /// What is said where that is empty in so many words.
    pub(crate) hosts_remark: Option<String>,
    /// Web pages that may read answers.
    pub(crate) origins: Origins,
    /// The URL of the service, where a proxy stands before it.
    pub(crate) url: Option<String>,
    /// Default issuer of patient ID.
    pub(crate) issuer: Option<String>,
    /// Connections at once.
    pub(crate) max_connections: usize,
    /// Connections at once from one address.
    pub(crate) max_connections_per_peer: usize,
    /// Largest object, in bytes.
    pub(crate) max_object: u64,
    /// Largest request, in bytes.
    pub(crate) max_request: u64,
    /// Longest wait for a request.
    pub(crate) idle: Duration,
    /// Longest silence in a body.
    pub(crate) inactivity: Duration,
    /// TLS, if any.
    pub(crate) tls: Option<ListenerTls>,
}

/// Reads every `[[front.web]]`.
pub(crate) fn read_webs(front: &Section<'_>) -> Option<Vec<WebFront>> {
    front.each(&keys::FRONT_WEB, read_web)
}

fn read_web(section: Section<'_>) -> Option<WebFront> {
    let listen = section.listener(&keys::LISTEN);
    let server = read_server(&section);
    let tokens = read_tokens(&section);
    let hosts = section.list(&keys::WEB_HOSTS, units::network);
    let hosts_remark = section.remark_if_emptied(&keys::WEB_HOSTS, "that calls may come from anywhere");
    let issuer = section.optional(&keys::ISSUER);
    let url = section.read_optional(&keys::WEB_URL, service_url);
    let max_connections = section.number(&keys::MAX_CONNECTIONS, 1..20_001);
    let per_peer = section.number(&keys::MAX_CONNECTIONS_PER_PEER, 1..20_001);
    let max_object = section.room(&keys::MAX_OBJECT);
    let max_request = section.room(&keys::MAX_REQUEST);
    let idle = section.timer(&keys::WEB_IDLE);
    let inactivity = section.timer(&keys::INACTIVITY);
    let tls = section.table(&keys::WEB_TLS);
    let tls = if tls.is_given() { read_listener_tls(tls).map(Some) } else { Some(None) };
    let access = read_access(&section, listen, tokens, tls.as_ref());
    let origins = read_origins(&section, access.as_ref());
    section.end();
    Some(WebFront {
        listen: listen?,
        server: server?,
        access: access?,
        hosts,
        hosts_remark,
        origins: origins?,
        url,
        issuer,
        max_connections: usize::try_from(max_connections?).ok()?,
        max_connections_per_peer: usize::try_from(per_peer?).ok()?,
        max_object: max_object?,
        max_request: max_request?,
        idle: idle?,
        inactivity: inactivity?,
        tls: tls?,
    })
}

fn read_server(section: &Section<'_>) -> Option<WebServer> {
    match section.text(&keys::WEB_SERVER)?.as_str() {
        "axum" => Some(WebServer::Axum),
        "actix" => Some(WebServer::Actix),
        other => {
            section.wrong(&keys::WEB_SERVER, format!("`{other}` stands here"));
            None
        }
    }
}

/// A file of tokens.
enum TokensFile {
    NotNamed,
    Read(Tokens),
    Mistaken,
}

/// The tokens, where a file is named.
fn read_tokens(section: &Section<'_>) -> TokensFile {
    if !section.has(&keys::TOKENS_FILE) {
        return TokensFile::NotNamed;
    }
    let Some((path, content)) = section.readable(&keys::TOKENS_FILE) else { return TokensFile::Mistaken };
    match Tokens::parse(&String::from_utf8_lossy(&content)) {
        Ok(tokens) => TokensFile::Read(tokens),
        Err(error) => {
            section.wrong(&keys::TOKENS_FILE, format!("{}: {error}", path.display()));
            TokensFile::Mistaken
        }
    }
}

/// Beyond loopback a door needs tokens or client certificates.
fn read_access(
    section: &Section<'_>,
    listen: Option<SocketAddr>,
    tokens: TokensFile,
    tls: Option<&Option<ListenerTls>>,
) -> Option<Access> {
    let tls = tls?.as_ref();
    match tokens {
        TokensFile::Read(tokens) => return Some(Access::Tokens(tokens)),
        TokensFile::Mistaken => return None,
        TokensFile::NotNamed => {}
    }
    if tls.is_some_and(|tls| tls.client_ca.is_some()) {
        return Some(Access::Certificates);
    }
    if listen.is_some_and(|listen| !listen.ip().is_loopback()) {
        section.wrong_as(
            &keys::LISTEN,
            "this address is reached from other machines, and anybody there could read and store",
            "a loopback address, `tokens_file`, or `client_ca_file` in `[front.web.tls]` is expected",
        );
        return None;
    }
    Some(Access::Loopback)
}

fn read_origins(section: &Section<'_>, access: Option<&Access>) -> Option<Origins> {
    let origins = section.list(&keys::CORS_ORIGINS, origin);
    if !origins.iter().any(|origin| origin == "*") {
        return Some(Origins::These(origins));
    }
    if access == Some(&Access::Loopback) {
        section.wrong_as(
            &keys::CORS_ORIGINS,
            "with `*` and without tokens any page that is looked at on this machine could read all there is",
            "origins by name, or `tokens_file`, are expected",
        );
        return None;
    }
    Some(Origins::All)
}

/// An origin as browsers send it (RFC 6454 section 7), or `*`.
fn origin(text: &str) -> Option<String> {
    if text == "*" {
        return Some(text.to_owned());
    }
    let (scheme, host) = text.split_once("://")?;
    let is_host = !host.is_empty()
        && host
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-:[]".contains(&byte));
    (["http", "https"].contains(&scheme) && is_host).then(|| text.to_owned())
}

/// A URL without a query, as it is written before `/studies`.
fn service_url(text: &str) -> Option<String> {
    let rest = text.strip_prefix("http://").or_else(|| text.strip_prefix("https://"))?;
    let is_plain = rest.bytes().all(|byte| byte.is_ascii_graphic() && !b"?#\"<>\\".contains(&byte));
    (!rest.is_empty() && !rest.starts_with('/') && is_plain).then(|| text.trim_end_matches('/').to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_and_urls_are_taken_as_they_are_sent() {
        for good in ["*", "https://viewer.example", "http://127.0.0.1:3000", "http://[::1]:3000"] {
            assert_eq!(origin(good).as_deref(), Some(good));
        }
        for bad in
            ["", "viewer.example", "https://viewer.example/", "ftp://a", "https://Viewer.example", "https://"]
        {
            assert_eq!(origin(bad), None, "{bad}");
        }
        assert_eq!(
            service_url("https://pacs.example/dicomweb/").as_deref(),
            Some("https://pacs.example/dicomweb")
        );
        for bad in ["pacs.example/dicomweb", "https://", "https:///x", "https://a/?b", "https://a b"] {
            assert_eq!(service_url(bad), None, "{bad}");
        }
    }
}
