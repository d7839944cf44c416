//! What is no mistake in a configuration and yet not what somebody may think: said by `check`, and in the log at a start.

use std::path::Path;

use outrigger_runtime::Disk;
use outrigger_runtime::tls::Validity;

use super::archive::ArchiveConfig;
use super::audit::SyslogTransport;
use super::member::MemberConfig;
use super::node::{Base, NodeConfig};
use super::peer::{Serving, ambiguous, unmovable};
use super::route::RouteConfig;

/// A certificate is told of when it ends within this many days: time to order another.
const EXPIRY_WARNING_DAYS: i64 = 30;
const DAY_US: i64 = 86_400_000_000;
const HOUR_US: i64 = DAY_US / 24;

impl NodeConfig {
    /// A sentence for each; `now_us` is the wall-clock time in microseconds since 1970-01-01 UTC.
    pub(crate) fn warnings(&self, disk: &dyn Disk, now_us: i64) -> Vec<String> {
        let without_members = self.members.is_empty().then(|| {
            "there is no `[[member]]`: what is stored stays in the journal, goes to no archive, and fills the journal".to_owned()
        });
        let levels: Vec<_> = self.members.iter().map(MemberConfig::confirmable).collect();
        let of_commitment = self.commit.beyond_members(&levels);
        let of_journal = self.journal.beyond_disk(disk).into_iter().chain(self.journal.alike());
        let of_node = of_journal.chain(without_members).chain(of_commitment);
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
    let of_peers =
        base.peers.iter().flat_map(|peer| peer.without_effect(serving).into_iter().chain(peer.untold()));
    let emptied = base.peers.iter().flat_map(|peer| &peer.remarks).cloned();
    let of_webs = base.webs.iter().filter_map(|web| web.hosts_remark.clone());
    let of_members = members.iter().filter_map(|member| member.modalities_remark.clone());
    let emptied = emptied.chain(of_webs).chain(of_members);
    let certificates = certificates(base, members).into_iter();
    let expiring = certificates.flat_map(|(file, validity)| remarks(file, validity, now_us));
    let routes = members.iter().flat_map(|member| &member.routes);
    let of_routes = routes.flat_map(|route| route.shown_to_all().into_iter().chain(route.without_tls()));
    let of_peers = of_peers.chain(ambiguous(&base.peers)).chain(unmovable(&base.peers));
    of_peers.chain(emptied).chain(expiring).chain(of_routes).collect()
}

/// Every certificate that is shown by a listener, to a member or to the audit collector, with when it is valid.
fn certificates<'a>(base: &'a Base, members: &'a [MemberConfig]) -> Vec<(&'a Path, Validity)> {
    let webs = base.webs.iter().filter_map(|web| web.tls.as_ref());
    let listeners = base.fronts.iter().filter_map(|front| front.tls.as_ref()).chain(webs);
    let listeners = listeners.map(|tls| (tls.identity.certificate.as_path(), tls.server.validity()));
    let routes = members.iter().flat_map(|member| &member.routes).filter_map(RouteConfig::tls);
    let collector = base.audit.syslog.as_ref().and_then(|syslog| match &syslog.transport {
        SyslogTransport::Tls(tls) => Some(tls),
        SyslogTransport::Udp | SyslogTransport::Tcp => None,
    });
    let callers = routes
        .chain(collector)
        .filter_map(|tls| Some((tls.identity.as_ref()?.certificate.as_path(), tls.client.validity()?)));
    listeners.chain(callers).collect()
}

/// What is to be said of a certificate.
fn remarks(file: &Path, validity: Validity, now_us: i64) -> impl Iterator<Item = String> {
    let begins = beginning(file, validity.begins_us.saturating_sub(now_us));
    begins.into_iter().chain(expiry(file, validity.expires_us.saturating_sub(now_us)))
}

fn beginning(file: &Path, wait_us: i64) -> Option<String> {
    let hours = wait_us.div_euclid(HOUR_US) + 1;
    (wait_us > 0).then(|| {
        format!(
            "the certificate {} is not valid yet, and will be within {hours} hours: whoever checks it will not connect before; put one in its place that is valid, or set the clock right",
            file.display()
        )
    })
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

    #[test]
    fn a_certificate_is_told_of_before_it_begins() {
        let said = |begins_us: i64, expires_us: i64| {
            remarks(Path::new("c.pem"), Validity { begins_us, expires_us }, 7).collect::<Vec<_>>()
        };
        let [told] = &said(7 + 2 * HOUR_US + 1, i64::MAX)[..] else { panic!("one remark") };
        assert!(told.contains("c.pem is not valid yet, and will be within 3 hours"), "{told}");
        assert!(said(7, i64::MAX).is_empty());
        assert_eq!(said(8, DAY_US).len(), 2, "of both ends");
    }
}
