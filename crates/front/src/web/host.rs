//! The host that a request is for, and whether that is this machine.

use std::net::IpAddr;

use axum::http::header::HOST;
use axum::http::{Request, Version, uri};

/// Why it cannot be told which host a request is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HostError {
    /// Not text.
    #[error("the field Host is no text")]
    NoText,
    /// Named twice.
    #[error("the request has more than one field Host")]
    TwoFields,
    /// Not named.
    #[error("the request has no field Host")]
    NoField,
    /// Named in two ways.
    #[error("the request is for another host than its field Host says")]
    Another,
}

/// The host that a request is for: one, however it is said (RFC 9112 section 3.2). A request that names two is read as the one
/// by whoever let it pass, and as the other behind it.
pub fn of<B>(request: &Request<B>) -> Result<Option<String>, HostError> {
    let mut fields = request.headers().get_all(HOST).iter();
    let field = fields.next().map(|value| value.to_str().map_err(|_| HostError::NoText)).transpose()?;
    if fields.next().is_some() {
        return Err(HostError::TwoFields);
    }
    if field.is_none() && request.version() == Version::HTTP_11 {
        return Err(HostError::NoField);
    }
    match (request.uri().authority().map(uri::Authority::as_str), field) {
        (Some(target), Some(field)) if !target.eq_ignore_ascii_case(field) => Err(HostError::Another),
        (target, field) => Ok(target.or(field).map(str::to_owned)),
    }
}

/// Whether a host names this machine by address or as localhost. A page from elsewhere whose name was made to lead here (DNS
/// rebinding) carries its own name, and could read everything.
pub fn is_here(host: &str) -> bool {
    let port = |rest: &str| {
        rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
    };
    let name = match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']'),
        None => Some(host.find(':').map_or((host, ""), |at| host.split_at(at))),
    };
    let name = name.filter(|(_, rest)| port(rest)).map(|(name, _)| name);
    name.is_some_and(|name| {
        name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
    })
}
