//! Who may call: pure decisions on AE titles and addresses.

use std::net::IpAddr;

use ipnet::IpNet;
use outrigger_model::{AeTitle, MemberName};
use outrigger_runtime::TlsClient;
use serde::{Deserialize, Serialize};

/// What a peer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Permission {
    /// C-STORE.
    Store,
    /// C-FIND.
    Find,
    /// C-MOVE.
    Move,
    /// C-GET.
    Get,
    /// Storage commitment.
    Commit,
}

/// Everything there is to permit.
const ALL: &[Permission] =
    &[Permission::Store, Permission::Find, Permission::Move, Permission::Get, Permission::Commit];

/// One Application Entity that is known by name.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The AE title it calls with.
    pub ae_title: AeTitle,
    /// Where it may call from; from anywhere if empty.
    pub hosts: Vec<IpNet>,
    /// What it may do.
    pub allow: Vec<Permission>,
    /// Default issuer of patient ID of its objects, before the listener's.
    pub issuer: Option<String>,
    /// The member it is, if it is one.
    pub member: Option<MemberName>,
    /// Where it is called as a C-MOVE destination.
    pub destination: Option<Destination>,
    /// Where it is told results of storage commitment, if not there.
    pub commit_destination: Option<Destination>,
    /// What it is told where an answer may lack something.
    pub incomplete: WhenIncomplete,
}

/// What a peer is told where an answer to its query may lack something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WhenIncomplete {
    /// Success, with an error comment (0000,0902): many viewers throw all matches away on a failure.
    #[default]
    Warn,
    /// A failure after the matches.
    Fail,
}

/// Where an AE is called.
#[derive(Debug, Clone)]
pub struct Destination {
    /// `host:port`.
    pub address: String,
    /// TLS, if it is spoken there.
    pub tls: Option<TlsClient>,
}

/// All peers as they are configured now; replaced as a whole when the configuration is read again.
#[derive(Debug, Clone, Default)]
pub struct Peers(pub Vec<Peer>);

/// A caller that is let in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// What it may do.
    pub allow: Vec<Permission>,
    /// Default issuer of patient ID, if the peer has one of its own.
    pub issuer: Option<String>,
    /// The member it is, if it is one.
    pub member: Option<MemberName>,
    /// What it is told where an answer may lack something.
    pub incomplete: WhenIncomplete,
}

/// Why a caller is not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// No peer of this AE title, or it calls from elsewhere.
    #[error("calling AE title not recognised from this address")]
    Calling,
    /// We do not answer to the called AE title here.
    #[error("called AE title not recognised")]
    Called,
}

/// Why an AE is called nowhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NoDestination {
    /// No peer of this AE title has an address.
    #[error("no peer of that AE title has an address")]
    Unknown,
    /// Peers of this AE title have different addresses, and it is none of them that asks from its own host: what is meant for one of
    /// them must not come to another.
    #[error("several peers have that AE title: each needs one of its own")]
    Ambiguous,
}

impl Caller {
    /// Whether it may do this.
    pub fn may(&self, permission: Permission) -> bool {
        self.allow.contains(&permission)
    }
}

impl Peers {
    /// Decides on a caller; without any peer only loopback may call, under any AE title, and do everything.
    pub fn admit<'a>(
        &self,
        calling: &AeTitle,
        from: IpAddr,
        called: &AeTitle,
        mut answered: impl Iterator<Item = &'a AeTitle>,
    ) -> Result<Caller, Refused> {
        let caller = self.caller(calling, from.to_canonical()).ok_or(Refused::Calling)?;
        if answered.any(|title| title == called) { Ok(caller) } else { Err(Refused::Called) }
    }

    /// Where an AE is called that may be sent to; `calling` asks for it, from this host.
    pub fn destination(
        &self,
        ae_title: &AeTitle,
        calling: &AeTitle,
        from: IpAddr,
    ) -> Result<&Destination, NoDestination> {
        let from = (ae_title == calling).then_some(from);
        self.place(ae_title, from, |peer| peer.destination.as_ref())
    }

    /// Where an AE is told results of storage commitment that it asked for, from this host if that is known.
    pub fn commit_destination(
        &self,
        ae_title: &AeTitle,
        from: Option<IpAddr>,
    ) -> Result<&Destination, NoDestination> {
        self.place(ae_title, from, |peer| peer.commit_destination.as_ref().or(peer.destination.as_ref()))
    }

    /// The one place of an AE title; of several that of the peer which calls from there itself.
    fn place(
        &self,
        ae_title: &AeTitle,
        from: Option<IpAddr>,
        of: impl Fn(&Peer) -> Option<&Destination>,
    ) -> Result<&Destination, NoDestination> {
        let mut places = self.0.iter().filter(|peer| peer.ae_title == *ae_title).filter_map(&of);
        let first = places.next().ok_or(NoDestination::Unknown)?;
        if places.all(|other| other.address.eq_ignore_ascii_case(&first.address)) {
            return Ok(first);
        }
        let asks = from.and_then(|from| self.peer(ae_title, from.to_canonical()));
        asks.and_then(of).ok_or(NoDestination::Ambiguous)
    }

    /// The peer of an AE title that calls from this host.
    fn peer(&self, calling: &AeTitle, from: IpAddr) -> Option<&Peer> {
        let here = |peer: &&Peer| peer.hosts.is_empty() || peer.hosts.iter().any(|net| net.contains(&from));
        self.0.iter().filter(|peer| peer.ae_title == *calling).find(here)
    }

    fn caller(&self, calling: &AeTitle, from: IpAddr) -> Option<Caller> {
        if self.0.is_empty() {
            return from.is_loopback().then(|| Caller {
                allow: ALL.to_vec(),
                issuer: None,
                member: None,
                incomplete: WhenIncomplete::default(),
            });
        }
        let peer = self.peer(calling, from)?;
        Some(Caller {
            allow: peer.allow.clone(),
            issuer: peer.issuer.clone(),
            member: peer.member.clone(),
            incomplete: peer.incomplete,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ae(title: &str) -> AeTitle {
        AeTitle::new(title).unwrap()
    }

    fn peer(title: &str, hosts: &[&str]) -> Peer {
        Peer {
            ae_title: ae(title),
            hosts: hosts.iter().map(|net| net.parse().unwrap()).collect(),
            allow: vec![Permission::Store],
            issuer: Some(hosts.concat()),
            member: None,
            destination: None,
            commit_destination: None,
            incomplete: WhenIncomplete::Warn,
        }
    }

    #[test]
    fn who_may_call() {
        let peers = Peers(vec![
            peer("CT1", &["10.0.0.0/24", "fd00::/8"]),
            peer("CT1", &["10.9.0.1/32"]),
            peer("ANY", &[]),
        ]);
        let nobody = Peers::default();
        for (peers, calling, from, called, expected) in [
            (&peers, "CT1", "10.0.0.7", "OUTRIGGER", Ok(())),
            (&peers, "CT1", "::ffff:10.0.0.7", "OUTRIGGER", Ok(())),
            (&peers, "CT1", "fd12::1", "SECOND", Ok(())),
            (&peers, "CT1", "10.9.0.1", "OUTRIGGER", Ok(())),
            (&peers, "ANY", "192.0.2.1", "OUTRIGGER", Ok(())),
            (&peers, "CT1", "10.0.1.7", "OUTRIGGER", Err(Refused::Calling)),
            (&peers, "ct1", "10.0.0.7", "OUTRIGGER", Err(Refused::Calling)),
            (&peers, "CT2", "127.0.0.1", "OUTRIGGER", Err(Refused::Calling)),
            (&peers, "CT1", "10.0.0.7", "OTHER", Err(Refused::Called)),
            (&peers, "CT2", "10.0.0.7", "OTHER", Err(Refused::Calling)),
            (&nobody, "WHOEVER", "127.0.0.1", "OUTRIGGER", Ok(())),
            (&nobody, "WHOEVER", "::1", "OUTRIGGER", Ok(())),
            (&nobody, "WHOEVER", "127.0.0.1", "OTHER", Err(Refused::Called)),
            (&nobody, "WHOEVER", "10.0.0.7", "OUTRIGGER", Err(Refused::Calling)),
        ] {
            let answered = [ae("OUTRIGGER"), ae("SECOND")];
            let decided = peers.admit(&ae(calling), from.parse().unwrap(), &ae(called), answered.iter());
            assert_eq!(decided.map(drop), expected, "{calling} from {from} to {called}");
        }
    }

    #[test]
    fn the_peer_at_that_address_counts() {
        let peers = Peers(vec![peer("CT1", &["10.0.0.0/24"]), peer("CT1", &["10.9.0.1/32"])]);
        let caller =
            peers.admit(&ae("CT1"), "10.9.0.1".parse().unwrap(), &ae("O"), [&ae("O")].into_iter()).unwrap();
        assert_eq!(caller.issuer.as_deref(), Some("10.9.0.1/32"));
        assert!(caller.may(Permission::Store));
        assert!(!caller.may(Permission::Find));
    }

    #[test]
    fn only_peers_with_an_address_are_destinations() {
        let mut station = peer("WS1", &["10.0.0.0/24"]);
        station.destination = Some(Destination { address: "10.0.0.9:104".into(), tls: None });
        let peers = Peers(vec![peer("CT1", &[]), station]);
        let to = |title: &str| peers.destination(&ae(title), &ae("CT1"), "10.0.0.1".parse().unwrap());
        assert_eq!(to("WS1").map(|to| to.address.as_str()), Ok("10.0.0.9:104"));
        assert!(matches!(to("CT1"), Err(NoDestination::Unknown)));
        assert!(matches!(peers.commit_destination(&ae("CT1"), None), Err(NoDestination::Unknown)));
    }

    /// Goal: what is meant for one workstation never goes to another that has its AE title.
    #[test]
    fn of_peers_with_one_ae_title_the_one_that_asks_is_the_destination() {
        let at = |hosts: &[&str], address: Option<&str>| Peer {
            destination: address.map(|to| Destination { address: to.into(), tls: None }),
            ..peer("WS", hosts)
        };
        let two = vec![at(&["10.0.0.2/32"], Some("two:104")), at(&["10.0.0.3/32"], Some("three:104"))];
        let with_mute = [two.clone(), vec![at(&["10.0.0.4/32"], None)]].concat();
        let alike = vec![at(&["10.0.0.2/32"], Some("one:104")), at(&["10.0.0.3/32"], Some("ONE:104"))];
        let ambiguous = Err(NoDestination::Ambiguous);
        for (peers, calling, from, expected) in [
            (&two, "WS", "10.0.0.2", Ok("two:104")),
            (&two, "WS", "10.0.0.3", Ok("three:104")),
            (&two, "WS", "::ffff:10.0.0.3", Ok("three:104")),
            (&two, "WS", "10.0.0.9", ambiguous),
            (&two, "SCU", "10.0.0.3", ambiguous),
            (&with_mute, "WS", "10.0.0.3", Ok("three:104")),
            (&with_mute, "WS", "10.0.0.4", ambiguous),
            (&alike, "SCU", "10.0.0.9", Ok("one:104")),
        ] {
            let (peers, calling, from) = (Peers(peers.clone()), ae(calling), from.parse().unwrap());
            let found = peers.destination(&ae("WS"), &calling, from).map(|to| to.address.as_str());
            assert_eq!(found, expected, "{calling} from {from}");
            let asked_from = (calling == ae("WS")).then_some(from);
            let found = peers.commit_destination(&ae("WS"), asked_from).map(|to| to.address.as_str());
            assert_eq!(found, expected, "commitment, {calling} from {from}");
        }
    }

    #[test]
    fn results_of_commitment_go_to_an_address_of_their_own_if_there_is_one() {
        let to = |address: &str| Some(Destination { address: address.into(), tls: None });
        for (own, expected) in [(None, "10.0.0.9:104"), (to("10.0.0.9:105"), "10.0.0.9:105")] {
            let modality =
                Peer { destination: to("10.0.0.9:104"), commit_destination: own, ..peer("CT1", &[]) };
            let peers = Peers(vec![peer("CT1", &[]), modality]);
            let found = peers.commit_destination(&ae("CT1"), None).map(|to| to.address.as_str());
            assert_eq!(found, Ok(expected));
        }
    }
}
