//! Durations, sizes and networks as people write them.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;

/// Reads a duration: a whole number and `ms`, `s`, `m`, `h` or `d`.
pub(crate) fn duration(text: &str) -> Option<Duration> {
    let (number, unit) = split(text)?;
    let seconds = |each: u64| number.checked_mul(each).map(Duration::from_secs);
    match unit {
        "ms" => Some(Duration::from_millis(number)),
        "s" => seconds(1),
        "m" => seconds(60),
        "h" => seconds(3600),
        "d" => seconds(86_400),
        _ => None,
    }
}

/// Reads a size in bytes: a whole number and `B`, `KiB`, `MiB`, `GiB` or `TiB`.
pub(crate) fn size(text: &str) -> Option<u64> {
    let (number, unit) = split(text)?;
    let shift = match unit {
        "B" => 0,
        "KiB" => 10,
        "MiB" => 20,
        "GiB" => 30,
        "TiB" => 40,
        _ => return None,
    };
    number.checked_mul(1 << shift)
}

fn split(text: &str) -> Option<(u64, &str)> {
    let end = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at_checked(end)?;
    Some((number.parse().ok()?, unit.trim_start()))
}

/// Reads addresses a peer may call from: `10.0.0.7`, `10.0.0.0/24` or the like in IPv6.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    text.parse().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
}

/// Reads where somebody is called: `host:port`, the port above 0.
pub(crate) fn remote(text: &str) -> Option<String> {
    let (host, port) = text.rsplit_once(':')?;
    let port: u16 = port.parse().ok()?;
    let bracketed = host.starts_with('[') && host.ends_with(']') && host.len() > 2;
    let plain = !host.is_empty() && !host.contains([':', '[', ']', ' ', '/']);
    ((bracketed || plain) && port > 0).then(|| text.to_owned())
}

/// Why a text with `${env:NAME}` in it cannot be used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SubstitutionError {
    /// The closing brace is missing.
    #[error("`${{` stands without `}}`")]
    Open,
    /// Something else than `env:NAME` or, where files are read, `file:PATH` between the braces.
    #[error("`${{{found}}}` stands where `${{env:NAME}}`{files} is expected")]
    Unknown {
        /// What stands there.
        found: String,
        /// What else is possible.
        files: &'static str,
    },
    /// The file is of no use.
    #[error("{path} cannot be read")]
    File {
        /// Its path.
        path: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The variable is not set.
    #[error("the environment variable {name} is not set")]
    Unset {
        /// Its name.
        name: String,
    },
}

/// Replaces `${env:NAME}` in a URL.
pub(crate) fn substituted(
    text: &str,
    env: impl Fn(&str) -> Option<String>,
) -> Result<String, SubstitutionError> {
    replaced(text, |found| match found.strip_prefix("env:") {
        Some(name) => variable(name, &env),
        None => Err(SubstitutionError::Unknown { found: found.to_owned(), files: "" }),
    })
}

/// Replaces `${env:NAME}` and `${file:PATH}` in a URL.
pub(crate) fn substituted_with_files(
    text: &str,
    env: impl Fn(&str) -> Option<String>,
    file: impl Fn(&str) -> Result<String, std::io::Error>,
) -> Result<String, SubstitutionError> {
    replaced(text, |found| match found.split_once(':') {
        Some(("env", name)) => variable(name, &env),
        Some(("file", path)) => {
            file(path).map_err(|source| SubstitutionError::File { path: path.to_owned(), source })
        }
        _ => Err(SubstitutionError::Unknown { found: found.to_owned(), files: " or `${file:PATH}`" }),
    })
}

fn variable(name: &str, env: &impl Fn(&str) -> Option<String>) -> Result<String, SubstitutionError> {
    env(name).ok_or_else(|| SubstitutionError::Unset { name: name.to_owned() })
}

fn replaced(
    text: &str,
    value: impl Fn(&str) -> Result<String, SubstitutionError>,
) -> Result<String, SubstitutionError> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let (found, later) = after.split_once('}').ok_or(SubstitutionError::Open)?;
        out.push_str(&value(found)?);
        rest = later;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        assert_eq!(duration("72h"), Some(Duration::from_secs(259_200)));
        assert_eq!(duration("250ms"), Some(Duration::from_millis(250)));
        assert_eq!(size("50GiB"), Some(50 << 30));
        assert_eq!(size("0B"), Some(0));
        for wrong in ["", "h", "72", "1.5h", "-1s", "72 hours", "99999999999999999999h"] {
            assert_eq!(duration(wrong), None, "{wrong}");
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn networks() {
        assert_eq!(network("10.0.0.0/24").map(|n| n.prefix_len()), Some(24));
        assert_eq!(network("::1").map(|n| n.prefix_len()), Some(128));
        for wrong in ["10.0.0.0/33", "10.0.0", "host", ""] {
            assert_eq!(network(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn who_is_called_has_a_host_and_a_port() {
        for good in ["pacs:104", "10.0.0.20:11112", "[::1]:104"] {
            assert_eq!(remote(good).as_deref(), Some(good));
        }
        for wrong in
            ["pacs", "pacs:", ":104", "pacs:0", "pacs:65536", "::1:104", "[]:104", "http://pacs:104", ""]
        {
            assert_eq!(remote(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_environment_is_put_in() {
        let env = |name: &str| (name == "USER").then(|| "ada".to_owned());
        assert_eq!(substituted("x://${env:USER}@h", env).unwrap(), "x://ada@h");
        assert!(substituted("x://${file:/a}", env).is_err());
        let file =
            |path: &str| (path == "/a").then(|| "b".to_owned()).ok_or(std::io::ErrorKind::NotFound.into());
        let with_files = |text| substituted_with_files(text, env, file);
        assert_eq!(with_files("x://${env:USER}:${file:/a}@h").unwrap(), "x://ada:b@h");
        assert!(with_files("x://${file:/b}").is_err());
        assert!(substituted("x://${env:NONE}", env).is_err());
        assert!(substituted("x://${USER}", env).is_err());
        assert!(substituted("x://${env:USER", env).is_err());
    }
}
