//! `[[peer]]`: who may call, and where we call them.

use std::collections::{BTreeMap, BTreeSet};

use outrigger_front::WhenIncomplete;
use outrigger_model::AeTitle;

use super::claims::Claim;
use super::keys;
use super::section::Section;
use super::units;

/// What a peer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Allow {
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
    /// Modality worklist.
    Worklist,
    /// Modality performed procedure step.
    Mpps,
}

impl Allow {
    /// Its word in the configuration.
    fn word(self) -> &'static str {
        match self {
            Self::Store => "store",
            Self::Find => "find",
            Self::Move => "move",
            Self::Get => "get",
            Self::Commit => "commit",
            Self::Worklist => "worklist",
            Self::Mpps => "mpps",
        }
    }
}

/// Who serves what a peer may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Serving {
    /// The front door of a node.
    Node,
    /// An embedded archive.
    Archive,
}

impl Serving {
    /// Whether it serves that in this version.
    fn serves(right: Allow) -> bool {
        match right {
            Allow::Store | Allow::Find | Allow::Move | Allow::Get | Allow::Commit => true,
            Allow::Worklist | Allow::Mpps => false,
        }
    }
}

impl PeerConfig {
    /// In a sentence which of the rights it is given by name have no effect in this version, if any.
    pub(crate) fn without_effect(&self, serving: Serving) -> Option<String> {
        let of_no_use = self.allowed_by_name.iter().filter(|right| !Serving::serves(**right));
        let words: Vec<String> = of_no_use.map(|right| format!("`{}`", right.word())).collect();
        let who = match serving {
            Serving::Node => "the front door of a node",
            Serving::Archive => "an embedded archive",
        };
        let (title, words) = (&self.ae_title, words.join(", "));
        (!words.is_empty()).then(|| {
            format!("`peer[].allow` of {title}: without effect in this version: {words}; {who} does not serve that")
        })
    }

    /// In a sentence that results of storage commitment cannot be told, where the right to it is given by name.
    pub(crate) fn untold(&self) -> Option<String> {
        let has_address = self.address.is_some() || self.commit_address.is_some();
        (self.allowed_by_name.contains(&Allow::Commit) && !has_address).then(|| {
            format!(
                "`peer[].allow` of {} has `commit`, and there is no `commit_address` or `address`: results that come after its association has ended reach nobody",
                self.ae_title
            )
        })
    }
}

/// In a sentence for each AE title of several peers that they are called at different addresses.
pub(crate) fn ambiguous(peers: &[PeerConfig]) -> Vec<String> {
    let mut by_title: BTreeMap<&str, Vec<&PeerConfig>> = BTreeMap::new();
    for peer in peers {
        by_title.entry(peer.ae_title.as_str()).or_default().push(peer);
    }
    by_title.into_iter().filter_map(|(title, peers)| PeerConfig::told_apart(title, &peers)).collect()
}

/// In a sentence that the right to C-MOVE is given by name, and there is nobody that objects could be moved to.
pub(crate) fn unmovable(peers: &[PeerConfig]) -> Option<String> {
    let is_nowhere = peers.iter().all(|peer| peer.address.is_none());
    let mover = peers.iter().find(|peer| peer.allowed_by_name.contains(&Allow::Move))?;
    is_nowhere.then(|| {
        format!(
            "`peer[].allow` of {} has `move`, and no `[[peer]]` has an `address`: there is no destination, and every C-MOVE is refused with A801",
            mover.ae_title
        )
    })
}

impl PeerConfig {
    fn told_apart(title: &str, peers: &[&Self]) -> Option<String> {
        let of = |place: fn(&Self) -> Option<&String>| -> BTreeSet<String> {
            peers.iter().copied().filter_map(place).map(|address| address.to_ascii_lowercase()).collect()
        };
        let moved = of(|peer| peer.address.as_ref());
        let told = of(|peer| peer.commit_address.as_ref().or(peer.address.as_ref()));
        let addresses: Vec<&str> = moved.union(&told).map(String::as_str).collect();
        let refused = "C-MOVE to it is for the one of them that asks, from its own `hosts`, and refused with A801 to all others";
        let untold = "a result of storage commitment is told to the one that asked, and to none once the node was started again";
        let what = match (moved.len() > 1, told.len() > 1) {
            (false, false) => return None,
            (true, false) => refused.to_owned(),
            (false, true) => untold.to_owned(),
            (true, true) => format!("{refused}; {untold}"),
        };
        Some(format!(
            "several `[[peer]]` have the AE title {title} and different addresses ({}): {what}; give each an AE title of its own",
            addresses.join(", ")
        ))
    }
}

/// One peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PeerConfig {
    /// Its AE title.
    pub(crate) ae_title: AeTitle,
    /// Where it calls from; empty means anywhere.
    pub(crate) hosts: Vec<ipnet::IpNet>,
    /// Where we call it.
    pub(crate) address: Option<String>,
    /// Where storage commitment results go.
    pub(crate) commit_address: Option<String>,
    /// What it may do.
    pub(crate) allow: BTreeSet<Allow>,
    /// What of it stands in the file.
    pub(crate) allowed_by_name: BTreeSet<Allow>,
    /// Default issuer of patient ID.
    pub(crate) issuer: Option<String>,
    /// What it is told where an answer may lack something.
    pub(crate) incomplete: WhenIncomplete,
    /// What is no mistake and may be none of what was meant.
    pub(crate) remarks: Vec<String>,
}

/// Reads every `[[peer]]`.
pub(crate) fn read_peers(root: &Section<'_>) -> Option<Vec<PeerConfig>> {
    root.each(&keys::PEER, read_peer)
}

fn read_peer(section: Section<'_>) -> Option<PeerConfig> {
    let ae_title = section.ae_title(&keys::PEER_AE);
    let hosts = section.list(&keys::PEER_HOSTS, units::network);
    if let Some(ae_title) = ae_title.clone() {
        section.claim(&keys::PEER_AE, Claim::Caller { ae_title, hosts: hosts.clone() });
    }
    let address = section.read_optional(&keys::PEER_ADDRESS, units::remote);
    let commit_address = section.read_optional(&keys::PEER_COMMIT_ADDRESS, units::remote);
    let mut allow: BTreeSet<Allow> = section.list(&keys::PEER_ALLOW, allowed).into_iter().collect();
    let allowed_by_name = allow.clone();
    if !section.has(&keys::PEER_ALLOW) {
        allow.extend([Allow::Store, Allow::Find, Allow::Move, Allow::Get, Allow::Commit]);
    }
    let issuer = section.optional(&keys::PEER_ISSUER);
    let incomplete = section.read(&keys::PEER_INCOMPLETE, |text| match text {
        "warn" => Some(WhenIncomplete::Warn),
        "fail" => Some(WhenIncomplete::Fail),
        _ => None,
    });
    let remarks = [
        section.remark_if_emptied(&keys::PEER_HOSTS, "that it may call from anywhere"),
        section.remark_if_emptied(&keys::PEER_ALLOW, "that it may do nothing"),
    ];
    section.end();
    Some(PeerConfig {
        ae_title: ae_title?,
        hosts,
        address,
        commit_address,
        allow,
        allowed_by_name,
        issuer,
        incomplete: incomplete?,
        remarks: remarks.into_iter().flatten().collect(),
    })
}

fn allowed(text: &str) -> Option<Allow> {
    Some(match text {
        "store" => Allow::Store,
        "find" => Allow::Find,
        "move" => Allow::Move,
        "get" => Allow::Get,
        "commit" => Allow::Commit,
        "worklist" => Allow::Worklist,
        "mpps" => Allow::Mpps,
        _ => return None,
    })
}
