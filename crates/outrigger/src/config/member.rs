//! `[[member]]` and `[members]`: the archives behind the front door.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use outrigger_member::StatusRules;
use outrigger_model::{AeTitle, ConfirmLevel, MemberName, MemberNumber};

use super::keys;
use super::route::{RouteConfig, read_routes};
use super::section::Section;
use super::units;

/// `[members]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MembersListen {
    /// Where members answer us.
    pub(crate) listen: SocketAddr,
    /// Our AE title toward them.
    pub(crate) ae_title: AeTitle,
}

/// The AE title a member is called with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallingAe {
    /// Ours.
    Own,
    /// That of the object's sender.
    Preserve,
    /// A given one.
    Given(AeTitle),
}

/// One member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MemberConfig {
    /// Its name.
    pub(crate) name: MemberName,
    /// Whether the books wait for it.
    pub(crate) required: bool,
    /// The lowest is preferred.
    pub(crate) preference: u8,
    /// How surely it must have an object.
    pub(crate) confirm: ConfirmLevel,
    /// Whether that was left to the default.
    confirm_is_default: bool,
    /// Associations at once.
    pub(crate) connections: usize,
    /// Issuer of patient ID for what it held before.
    pub(crate) issuer: Option<String>,
    /// How long after a store the first confirmation is asked for.
    pub(crate) settle: Duration,
    /// The AE title it is called with.
    pub(crate) calling: CallingAe,
    /// Modalities it wants; empty means all.
    pub(crate) modalities: BTreeSet<String>,
    /// What is said where that is empty in so many words.
    pub(crate) modalities_remark: Option<String>,
    /// Only studies younger than this.
    pub(crate) newer_than: Option<Duration>,
    /// Declared layers.
    pub(crate) stack: BTreeMap<&'static str, String>,
    /// Statuses it uses in its own way.
    pub(crate) status_rules: StatusRules,
    /// Ways to reach it, in order of preference.
    pub(crate) routes: Vec<RouteConfig>,
}

/// Reads `[members]`.
pub(crate) fn read_members_listen(section: Section<'_>) -> Option<MembersListen> {
    let listen = section.listener(&keys::MEMBERS_LISTEN);
    let ae_title = section.ae_title(&keys::MEMBERS_AE);
    section.end();
    Some(MembersListen { listen: listen?, ae_title: ae_title? })
}

/// Reads every `[[member]]`; names must differ.
pub(crate) fn read_members(root: &Section<'_>) -> Option<Vec<MemberConfig>> {
    let mut names = BTreeSet::new();
    let members = root.each(&keys::MEMBER, |section| read_member(section, &mut names));
    let most = usize::from(MemberNumber::COUNT_MAX);
    if members.as_ref().is_some_and(|members| members.len() > most) {
        root.wrong_as(&keys::MEMBER, "there are too many members", &format!("a node has at most {most}"));
    }
    members
}

fn read_member(section: Section<'_>, names: &mut BTreeSet<MemberName>) -> Option<MemberConfig> {
    let name = section.read(&keys::MEMBER_NAME, |text| MemberName::new(text).ok());
    if name.as_ref().is_some_and(|name| !names.insert(name.clone())) {
        section.wrong(&keys::MEMBER_NAME, "two members have this name");
    }
    let required = section.truth(&keys::REQUIRED);
    let preference = section.number(&keys::PREFERENCE, 1..100);
    let confirm = section.read(&keys::CONFIRM, confirm_level);
    let confirm_is_default = !section.has(&keys::CONFIRM);
    let connections = section.number(&keys::CONNECTIONS, 1..33);
    let settle = section.duration(&keys::SETTLE);
    let calling = section.read(&keys::CALLING_AE, |text| match text {
        "own" => Some(CallingAe::Own),
        "preserve" => Some(CallingAe::Preserve),
        given => AeTitle::new(given).ok().map(CallingAe::Given),
    });
    let issuer = section.optional(&keys::MEMBER_ISSUER);
    let holds = read_holds(section.table(&keys::HOLDS));
    let stack = read_stack(section.table(&keys::STACK));
    let status_rules = read_status_rules(&section);
    let routes = read_routes(&section);
    section.end();
    let (modalities, modalities_remark, newer_than) = holds?;
    Some(MemberConfig {
        name: name?,
        required: required?,
        preference: u8::try_from(preference?).ok()?,
        confirm: confirm?,
        confirm_is_default,
        connections: usize::try_from(connections?).ok()?,
        issuer,
        settle: settle?,
        calling: calling?,
        modalities,
        modalities_remark,
        newer_than,
        stack,
        status_rules: status_rules?,
        routes: routes?,
    })
}

/// Statuses that a member uses in its own way: a TOML table of status, four hexadecimal digits with `x` for any, to class.
fn read_status_rules(section: &Section<'_>) -> Option<StatusRules> {
    if !section.has(&keys::STATUS_RULES) {
        return Some(StatusRules::default());
    }
    let (path, content) = section.readable(&keys::STATUS_RULES)?;
    let read = String::from_utf8(content)
        .map_err(|error| error.to_string())
        .and_then(|text| toml::from_str(&text).map_err(|error| error.message().to_owned()));
    match read {
        Ok(rules) => Some(rules),
        Err(error) => {
            section.wrong(&keys::STATUS_RULES, format!("{} is of no use: {error}", path.display()));
            None
        }
    }
}

impl MemberConfig {
    /// Asks it to give objects back, where it is left to us how surely it must have them.
    pub(super) fn confirm_by_reading_back(&mut self) {
        if self.confirm_is_default {
            self.confirm = ConfirmLevel::Verified;
        }
    }

    /// How surely it can be confirmed to have an object: only over DIMSE can it be asked to commit, and what is left of
    /// that elsewhere is a query.
    pub(super) fn confirmable(&self) -> ConfirmLevel {
        let over_dimse = self.routes.iter().any(|route| matches!(route, RouteConfig::Dimse(_)));
        if self.confirm == ConfirmLevel::Committed && !over_dimse {
            return ConfirmLevel::Present;
        }
        self.confirm
    }
}

fn confirm_level(text: &str) -> Option<ConfirmLevel> {
    Some(match text {
        "accepted" => ConfirmLevel::Accepted,
        "present" => ConfirmLevel::Present,
        "committed" => ConfirmLevel::Committed,
        "verified" => ConfirmLevel::Verified,
        _ => return None,
    })
}

type Holds = (BTreeSet<String>, Option<String>, Option<Duration>);

fn read_holds(section: Section<'_>) -> Option<Holds> {
    let good = |text: &str| (!text.is_empty() && text.len() <= 16).then(|| text.to_owned());
    let mut modalities: BTreeSet<String> = section.list(&keys::HOLDS_MODALITIES, good).into_iter().collect();
    if modalities.contains("*") {
        modalities.clear();
    }
    let remark = section.remark_if_emptied(&keys::HOLDS_MODALITIES, "that it wants all");
    let newer_than = section.read(&keys::HOLDS_NEWER_THAN, |text| match text {
        "" => Some(None),
        given => units::duration(given).filter(|age| !age.is_zero()).map(Some),
    });
    section.end();
    Some((modalities, remark, newer_than?))
}

fn read_stack(section: Section<'_>) -> BTreeMap<&'static str, String> {
    let layers =
        [keys::STACK_OS, keys::STACK_DATABASE, keys::STACK_DICOM, keys::STACK_HARDWARE, keys::STACK_WEB];
    let stack = layers.iter().filter_map(|key| Some((key.name, section.optional(key)?))).collect();
    section.end();
    stack
}
