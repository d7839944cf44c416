//! What is no mistake in a configuration and yet not what somebody may think: said by `check`, and in the log at a start.

use std::path::Path;

use outrigger_runtime::Disk;

use super::archive::ArchiveConfig;
use super::audit::SyslogTransport;
use super::member::MemberConfig;
use super::node::{Base, NodeConfig};
use super::peer::Serving;
use super::route::RouteConfig;

/// A certificate is told of when it ends within this many days: time to order another.
const EXPIRY_WARNING_DAYS: i64 = 30;
const DAY_US: i64 = 86_400_000_000;

impl NodeConfig {
    /// A sentence for each; `now_us` is the wall-clock time in microseconds since 1970-01-01 UTC.
    pub(crate) fn warnings(&self, disk: &dyn Disk, now_us: i64) -> Vec<String> {
        let without_members = self.members.is_empty().then(|| {
            "there is no `[[member]]`: what is stored stays in the journal, goes to no archive, and fills the journal".to_owned()
        });
        let of_commitment = self.commit.beyond_members(self.members.len());
        let of_node = self.journal.beyond_disk(disk).into_iter().chain(without_members).chain(of_commitment);
        of_node.chain(of_base(&self.base, Serving::Node, &self.members, now_us)).collect()
    }
}

impl ArchiveConfig {
    /// A sentence for each; `now_us` is the wall-clock time in microseconds since 1970-01-01 UTC.
    pub(crate) fn warnings(&self, now_us: i64) -> Vec<String> {
        of_base(&self.base, Serving::Archive, &[], now_us)
    }
}

fn of_base(base: &Base, serving: Serving, members: &[MemberConfig], now_us: i64) -> Vec<String> {
    let of_peers = base.peers.iter().filter_map(|peer| peer.without_effect(serving));
    let emptied = base.peers.iter().flat_map(|peer| &peer.remarks).cloned();
    let of_webs = base.webs.iter().filter_map(|web| web.hosts_remark.clone());
    let of_members = members.iter().filter_map(|member| member.modalities_remark.clone());
    let emptied = emptied.chain(of_webs).chain(of_members);
    let expiring = certificates(base, members).into_iter();
    let expiring = expiring.filter_map(|(file, expires_us)| expiry(file, expires_us - now_us));
    let routes = members.iter().flat_map(|member| &member.routes);
    of_peers.chain(emptied).chain(expiring).chain(routes.filter_map(RouteConfig::shown_to_all)).collect()
}

/// Every certificate that is shown by a listener, to a member or to the audit collector, with its end in microseconds.
fn certificates<'a>(base: &'a Base, members: &'a [MemberConfig]) -> Vec<(&'a Path, i64)> {
    let webs = base.webs.iter().filter_map(|web| web.tls.as_ref());
    let listeners = base.fronts.iter().filter_map(|front| front.tls.as_ref()).chain(webs);
    let listeners = listeners.map(|tls| (tls.identity.certificate.as_path(), tls.server.expires_us()));
    let routes = members.iter().flat_map(|member| &member.routes).filter_map(RouteConfig::tls);
    let collector = base.audit.syslog.as_ref().and_then(|syslog| match &syslog.transport {
        SyslogTransport::Tls(tls) => Some(tls),
        SyslogTransport::Udp | SyslogTransport::Tcp => None,
    });
    let callers = routes
        .chain(collector)
        .filter_map(|tls| Some((tls.identity.as_ref()?.certificate.as_path(), tls.client.expires_us()?)));
    listeners.chain(callers).collect()
}

fn expiry(file: &Path, left_us: i64) -> Option<String> {
    let (file, days) = (file.display(), left_us / DAY_US);
    if left_us <= 0 {
        return Some(format!(
            "the certificate {file} expired {} days ago: whoever checks it will not connect; put a new one in its place",
            -days
        ));
    }
    (days < EXPIRY_WARNING_DAYS)
        .then(|| format!("the certificate {file} expires in {days} days; put a new one in its place before"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_told_of_before_it_ends_and_after() {
        let said = |days: i64| expiry(Path::new("c.pem"), days * DAY_US + 5).unwrap_or_default();
        assert!(said(-3).contains("c.pem expired 2 days ago"), "{}", said(-3));
        assert!(said(29).contains("expires in 29 days"));
        assert_eq!(said(30), "");
    }
}
