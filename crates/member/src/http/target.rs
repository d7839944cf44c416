//! Where a web server is, as a URL says it, with what it is shown as credentials.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::header::HeaderValue;
use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// Whether TLS is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// `http`.
    Plain,
    /// `https`.
    Tls,
}

/// A text as it may stand in the user or password of a URL.
pub fn escaped(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// A web server's root, as all its resources are below it.
#[derive(Clone, PartialEq, Eq)]
pub struct Target {
    scheme: Scheme,
    /// `host:port`.
    address: String,
    /// Path without a `/` at its end.
    base: String,
    /// `Authorization`, marked as sensitive.
    authorization: Option<HeaderValue>,
}

/// Why a text is no URL of a web server.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TargetError {
    /// Neither `http://` nor `https://`.
    #[error("it begins with neither `http://` nor `https://`")]
    Scheme,
    /// No host, or a port that is none.
    #[error("no host, or no port from 1 to 65535, stands in it")]
    Host,
    /// A query or fragment, or a character that cannot stand in a path.
    #[error("its path has the character `{0}`, which cannot stand there")]
    Path(char),
    /// A user or password that cannot be sent.
    #[error("its user and password, or the token, cannot be sent: they have characters that no header takes")]
    Credentials,
}

impl Target {
    /// Reads `http[s]://[user:password@]host[:port][/path]`.
    pub fn read(url: &str) -> Result<Self, TargetError> {
        let schemes = [("http://", Scheme::Plain, 80), ("https://", Scheme::Tls, 443)];
        let read = schemes.into_iter().find_map(|(prefix, scheme, port)| {
            let rest = url.get(..prefix.len()).filter(|start| start.eq_ignore_ascii_case(prefix));
            rest.and_then(|_| url.get(prefix.len()..)).map(|rest| (rest, scheme, port))
        });
        let (rest, scheme, port) = read.ok_or(TargetError::Scheme)?;
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        let good = |letter: char| letter.is_ascii_graphic() && !"?#\"<>\\^`{|}".contains(letter);
        if let Some(bad) = path.chars().find(|letter| !good(*letter)) {
            return Err(TargetError::Path(bad));
        }
        let (user, host) =
            authority.rsplit_once('@').map_or((None, authority), |(user, host)| (Some(user), host));
        Ok(Self {
            scheme,
            address: address(host, port).ok_or(TargetError::Host)?,
            base: path.trim_end_matches('/').to_owned(),
            authorization: user.map(basic).transpose()?,
        })
    }

    /// The same, shown a bearer token (RFC 6750).
    pub fn with_token(self, token: &str) -> Result<Self, TargetError> {
        Ok(Self { authorization: Some(secret(&format!("Bearer {token}"))?), ..self })
    }

    /// Whether TLS is spoken.
    pub fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// `host:port`.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether it is shown credentials.
    pub fn has_credentials(&self) -> bool {
        self.authorization.is_some()
    }

    pub(super) fn authorization(&self) -> Option<&HeaderValue> {
        self.authorization.as_ref()
    }

    /// The path of what is below the root.
    pub(super) fn path(&self, below: &str) -> String {
        format!("{}{below}", self.base)
    }

    /// The URL of what is below the root, without credentials.
    pub(crate) fn url(&self, below: &str) -> String {
        format!("{self}{below}")
    }
}

/// Never with credentials.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.scheme {
            Scheme::Plain => "http",
            Scheme::Tls => "https",
        };
        write!(f, "{scheme}://{}{}", self.address, self.base)
    }
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

fn address(host: &str, default_port: u16) -> Option<String> {
    let (name, port) = match host.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, port.parse().ok().filter(|port| *port != 0)?),
        _ => (host, default_port),
    };
    let inner = name.strip_prefix('[').and_then(|name| name.strip_suffix(']'));
    let good = match inner {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            !name.is_empty()
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte))
        }
    };
    good.then(|| format!("{name}:{port}"))
}

fn basic(user: &str) -> Result<HeaderValue, TargetError> {
    let decoded: Vec<u8> = percent_decode_str(user).collect();
    secret(&format!("Basic {}", STANDARD.encode(decoded)))
}

fn secret(text: &str) -> Result<HeaderValue, TargetError> {
    let mut value = HeaderValue::from_str(text).map_err(|_| TargetError::Credentials)?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_read_and_never_shown_with_its_credentials() {
        for (url, shown) in [
            ("http://pacs", "http://pacs:80"),
            ("https://pacs/dicom-web/", "https://pacs:443/dicom-web"),
            ("HTTP://u:geheim@10.0.0.1:8042/a/b", "http://10.0.0.1:8042/a/b"),
            ("http://[::1]:8042", "http://[::1]:8042"),
            ("http://[::1]", "http://[::1]:80"),
        ] {
            let target = Target::read(url).unwrap();
            assert_eq!(target.to_string(), shown);
            assert!(!format!("{target:?}").contains("geheim"));
        }
        let user = Target::read("http://ada:p%40ss@h").unwrap();
        assert_eq!(user.authorization().unwrap(), "Basic YWRhOnBAc3M=");
        let token = user.with_token("abc").unwrap();
        assert_eq!(token.authorization().unwrap(), "Bearer abc");
        assert!(!format!("{:?}", token.authorization()).contains("abc"));
    }

    #[test]
    fn what_is_no_url_is_refused_in_words() {
        for (url, error) in [
            ("pacs:104", TargetError::Scheme),
            ("ftp://pacs", TargetError::Scheme),
            ("http://", TargetError::Host),
            ("http://:80", TargetError::Host),
            ("http://pacs:0", TargetError::Host),
            ("http://pacs:x", TargetError::Host),
            ("http://[zz]", TargetError::Host),
            ("http://pacs/a?b", TargetError::Path('?')),
            ("http://pacs/a b", TargetError::Path(' ')),
        ] {
            assert_eq!(Target::read(url).unwrap_err(), error, "{url}");
        }
        assert_eq!(Target::read("http://p").unwrap().with_token("a\nb"), Err(TargetError::Credentials));
    }
}
