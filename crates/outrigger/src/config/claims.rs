//! What only one key of a configuration may name: two that take the same thing are a mistake before anything is started.

use std::net::{IpAddr, SocketAddr};
use std::path::{Component, Path, PathBuf};

use ipnet::IpNet;
use outrigger_model::AeTitle;

/// What a key takes for itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Claim {
    /// An address that is listened on.
    Listener(SocketAddr),
    /// A DICOM node that objects are delivered to.
    Node {
        /// `host:port`.
        address: String,
        /// Its AE title.
        ae_title: AeTitle,
    },
    /// A web server that objects are delivered to.
    Web {
        /// Its URL, without credentials.
        url: String,
        /// `host:port`.
        address: String,
    },
    /// Who calls, from where; no host means anywhere.
    Caller {
        /// The AE title it calls with.
        ae_title: AeTitle,
        /// Where it calls from.
        hosts: Vec<IpNet>,
    },
    /// The directory of the node, in which others may lie.
    Home(PathBuf),
    /// A directory or file that nothing else may lie in.
    Place(PathBuf),
}

/// A claim and the key that made it.
#[derive(Debug, Clone)]
pub(crate) struct Claimed {
    /// Line of the key, from 1; a default has none.
    pub(crate) line: Option<usize>,
    /// The key, with its table.
    pub(crate) key: String,
    /// What it takes.
    pub(crate) claim: Claim,
}

impl Claim {
    /// Whether both cannot be had at once.
    pub(crate) fn clashes(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Listener(one), Self::Listener(two)) => {
                one.port() != 0 && one.port() == two.port() && covers(one.ip(), two.ip())
            }
            (Self::Node { address, ae_title }, Self::Node { address: other, ae_title: title }) => {
                address.eq_ignore_ascii_case(other) && ae_title == title
            }
            (Self::Web { url, .. }, Self::Web { url: other, .. }) => url.eq_ignore_ascii_case(other),
            (Self::Listener(listener), Self::Node { address, .. } | Self::Web { address, .. })
            | (Self::Node { address, .. } | Self::Web { address, .. }, Self::Listener(listener)) => {
                leads_to(address, *listener)
            }
            (Self::Caller { ae_title, hosts }, Self::Caller { ae_title: title, hosts: others }) => {
                ae_title == title && overlap(hosts, others)
            }
            (Self::Home(home), Self::Place(place)) | (Self::Place(place), Self::Home(home)) => {
                plain(home).starts_with(plain(place))
            }
            (Self::Home(one) | Self::Place(one), Self::Home(two) | Self::Place(two)) => {
                let (one, two) = (plain(one), plain(two));
                one.starts_with(&two) || two.starts_with(&one)
            }
            _ => false,
        }
    }

    /// What is wrong where `earlier` has it.
    pub(crate) fn wrong(&self, earlier: &Claimed) -> String {
        let there = match earlier.line {
            Some(line) => format!("`{}` in line {line}", earlier.key),
            None => format!("the default of `{}`", earlier.key),
        };
        match (self, &earlier.claim) {
            (Self::Listener(address), Claim::Node { .. } | Claim::Web { .. }) => {
                format!("{address} is where {there} delivers to")
            }
            (Self::Node { ae_title, address }, Claim::Listener(_)) => {
                format!("{ae_title} at {address} is this node itself, which listens there by {there}")
            }
            (Self::Web { url, .. }, Claim::Listener(_)) => {
                format!("{url} is this node itself, which listens there by {there}")
            }
            (Self::Web { url, .. }, _) => format!("{url} is {there} already"),
            (Self::Listener(address), _) => format!("{address} is listened on by {there} already"),
            (Self::Node { address, ae_title }, _) => format!("{ae_title} at {address} is {there} already"),
            (Self::Caller { ae_title, .. }, _) => {
                format!("{ae_title} from the same hosts is {there} already")
            }
            (Self::Home(place) | Self::Place(place), Self::Home(other) | Self::Place(other))
                if plain(place) != plain(other) =>
            {
                format!("{} and {} of {there} lie one in the other", place.display(), other.display())
            }
            (Self::Home(place) | Self::Place(place), _) => format!("{} is {there} already", place.display()),
        }
    }

    /// What would be right where `earlier` has it.
    pub(crate) fn right(&self, earlier: &Claimed) -> &'static str {
        match (self, &earlier.claim) {
            (Self::Listener(_), Self::Node { .. } | Self::Web { .. })
            | (Self::Node { .. } | Self::Web { .. }, Self::Listener(_)) => {
                "a member is an archive elsewhere: what is delivered to the node itself is kept nowhere else"
            }
            (Self::Listener(_), _) => "each listener needs an address and port of its own",
            (Self::Node { .. } | Self::Web { .. }, _) => {
                "name each archive once: a second route leads to it by another address, another archive is elsewhere"
            }
            (Self::Caller { .. }, _) => {
                "one peer for an AE title and its hosts is expected, or hosts that do not overlap"
            }
            (Self::Home(_) | Self::Place(_), _) => "each needs a path of its own",
        }
    }
}

/// Whether listening on one address takes the other too: an unspecified one takes all, that of IPv6 both kinds.
fn covers(one: IpAddr, two: IpAddr) -> bool {
    let takes = |all: IpAddr, other: IpAddr| all.is_unspecified() && (all.is_ipv6() || other.is_ipv4());
    one == two || takes(one, two) || takes(two, one)
}

/// Whether who calls `address` reaches a listener, by what can be said without asking the network: of a listener on all
/// addresses only loopback is known to lead there.
fn leads_to(address: &str, listener: SocketAddr) -> bool {
    let Some((host, port)) = address.rsplit_once(':') else { return false };
    let (host, ours) = (host.trim_matches(['[', ']']), listener.ip());
    let reaches = match host.parse::<IpAddr>() {
        Ok(ip) => ip == ours || (ip.is_loopback() && covers(ours, ip)),
        Err(_) => host.eq_ignore_ascii_case("localhost") && (ours.is_loopback() || ours.is_unspecified()),
    };
    listener.port() != 0 && port.parse() == Ok(listener.port()) && reaches
}

fn overlap(hosts: &[IpNet], others: &[IpNet]) -> bool {
    let shares = |one: &IpNet, two: &IpNet| one.contains(two) || two.contains(one);
    hosts.is_empty() || others.is_empty() || hosts.iter().any(|one| others.iter().any(|two| shares(one, two)))
}

/// A path without `.` and `..`, by its words alone: links are not followed.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if plain.parent().is_some() => {
                plain.pop();
            }
            part => plain.push(part),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listener(text: &str) -> Claim {
        Claim::Listener(text.parse().unwrap())
    }

    fn caller(title: &str, hosts: &[&str]) -> Claim {
        let hosts = hosts.iter().map(|host| host.parse().unwrap()).collect();
        Claim::Caller { ae_title: AeTitle::new(title).unwrap(), hosts }
    }

    fn node(address: &str, title: &str) -> Claim {
        Claim::Node { address: address.into(), ae_title: AeTitle::new(title).unwrap() }
    }

    fn web(url: &str, address: &str) -> Claim {
        Claim::Web { url: url.into(), address: address.into() }
    }

    #[test]
    fn what_clashes_and_what_does_not() {
        let (home, place) = (|path: &str| Claim::Home(path.into()), |path: &str| Claim::Place(path.into()));
        for (one, two, clash) in [
            (listener("127.0.0.1:104"), listener("127.0.0.1:104"), true),
            (listener("0.0.0.0:104"), listener("10.0.0.1:104"), true),
            (listener("[::]:104"), listener("10.0.0.1:104"), true),
            (listener("0.0.0.0:104"), listener("[::1]:104"), false),
            (listener("127.0.0.1:104"), listener("127.0.0.2:104"), false),
            (listener("127.0.0.1:0"), listener("127.0.0.1:0"), false),
            (node("pacs:104", "A"), node("PACS:104", "A"), true),
            (node("pacs:104", "A"), node("pacs:104", "B"), false),
            (node("pacs:104", "A"), node("pacs:105", "A"), false),
            (caller("CT", &[]), caller("CT", &["10.0.0.1/32"]), true),
            (caller("CT", &["10.0.0.0/24"]), caller("CT", &["10.0.0.7/32"]), true),
            (caller("CT", &["10.0.0.0/24"]), caller("CT", &["10.0.1.0/24"]), false),
            (caller("CT", &[]), caller("MR", &[]), false),
            (home("/data"), place("/data/journal"), false),
            (home("/data"), place("/data/"), true),
            (home("/data/in"), place("/data"), true),
            (place("/a/journal"), place("/a/journal/ledger.db"), true),
            (place("/a/x/../journal"), place("/a/./journal"), true),
            (place("/a/journal"), place("/a/journal2"), false),
            (listener("127.0.0.1:104"), node("127.0.0.1:104", "A"), true),
            (listener("127.0.0.1:104"), node("127.0.0.1:105", "A"), false),
            (listener("127.0.0.1:104"), node("127.0.0.2:104", "A"), false),
            (listener("127.0.0.1:104"), node("LocalHost:104", "A"), true),
            (listener("0.0.0.0:104"), node("127.0.0.1:104", "A"), true),
            (listener("0.0.0.0:104"), node("localhost:104", "A"), true),
            (listener("0.0.0.0:104"), node("10.0.0.20:104", "A"), false),
            (listener("0.0.0.0:104"), node("[::1]:104", "A"), false),
            (listener("[::]:104"), node("[::1]:104", "A"), true),
            (listener("10.0.0.5:104"), node("10.0.0.5:104", "A"), true),
            (listener("10.0.0.5:104"), node("localhost:104", "A"), false),
            (listener("127.0.0.1:0"), node("127.0.0.1:0", "A"), false),
            (listener("127.0.0.1:104"), node("pacs:104", "A"), false),
            (listener("127.0.0.1:80"), web("http://localhost:80/a", "localhost:80"), true),
            (web("http://a:80/x", "a:80"), web("http://A:80/x", "A:80"), true),
            (web("http://a:80/x", "a:80"), web("http://a:80/y", "a:80"), false),
            (web("http://a:80/x", "a:80"), node("a:80", "A"), false),
        ] {
            assert_eq!((one.clashes(&two), two.clashes(&one)), (clash, clash), "{one:?} {two:?}");
        }
    }
}
