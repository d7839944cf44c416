//! Durations, sizes and networks as people write them.

use std::net::IpAddr;
use std::time::Duration;

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

/// Addresses a peer may call from: one address, or a network in CIDR form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Network {
    /// First address.
    pub(crate) address: IpAddr,
    /// Leading bits that must agree.
    pub(crate) prefix: u8,
}

impl Network {
    /// Reads `10.0.0.7`, `10.0.0.0/24` or the like in IPv6.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address.parse().ok()?, prefix.parse().ok()?),
            None => {
                let address: IpAddr = text.parse().ok()?;
                (address, if address.is_ipv4() { 32 } else { 128 })
            }
        };
        let longest = if address.is_ipv4() { 32 } else { 128 };
        (prefix <= longest).then_some(Self { address, prefix })
    }
}

/// Replaces `${env:NAME}` in a URL; the error names what is missing.
pub(crate) fn substituted(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        out.push_str(before);
        let (name, later) = after.split_once('}').ok_or("`${` without `}`")?;
        let variable = name.strip_prefix("env:").ok_or(format!("`${{{name}}}` is not `${{env:NAME}}`"))?;
        out.push_str(&env(variable).ok_or(format!("the environment variable {variable} is not set"))?);
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
        assert_eq!(Network::parse("10.0.0.0/24").map(|n| n.prefix), Some(24));
        assert_eq!(Network::parse("::1").map(|n| n.prefix), Some(128));
        for wrong in ["10.0.0.0/33", "10.0.0", "host", ""] {
            assert_eq!(Network::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn the_environment_is_put_in() {
        let env = |name: &str| (name == "USER").then(|| "ada".to_owned());
        assert_eq!(substituted("x://${env:USER}@h", env), Ok("x://ada@h".to_owned()));
        assert!(substituted("x://${env:NONE}", env).is_err());
        assert!(substituted("x://${USER}", env).is_err());
        assert!(substituted("x://${env:USER", env).is_err());
    }
}
