//! `[[member]]` and `[members]`: the archives behind the front door.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use outrigger_model::{AeTitle, ConfirmLevel, MemberName};

use super::front::read_implementation;
use super::keys;
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

/// How objects are read back over DIMSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadBack {
    /// C-GET.
    Get,
    /// C-MOVE to our members' listener.
    Move,
}

/// TLS toward a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteTls {
    /// Authorities its certificate is checked against.
    pub(crate) ca: PathBuf,
    /// The name its certificate must carry.
    pub(crate) server_name: Option<String>,
    /// Our own certificate and key, where it demands one.
    pub(crate) client: Option<(PathBuf, PathBuf)>,
}

/// One way to reach a member over DIMSE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RouteConfig {
    /// `host:port`.
    pub(crate) address: String,
    /// Its AE title.
    pub(crate) ae_title: AeTitle,
    /// TLS, if any.
    pub(crate) tls: Option<RouteTls>,
    /// Longest wait for an answer.
    pub(crate) response_timeout: Duration,
    /// How objects are read back.
    pub(crate) read_back: ReadBack,
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
    /// Associations at once.
    pub(crate) connections: usize,
    /// How long after a store the first confirmation is asked for.
    pub(crate) settle: Duration,
    /// The AE title it is called with.
    pub(crate) calling: CallingAe,
    /// Modalities it wants; empty means all.
    pub(crate) modalities: BTreeSet<String>,
    /// Only studies younger than this.
    pub(crate) newer_than: Option<Duration>,
    /// Declared layers.
    pub(crate) stack: BTreeMap<&'static str, String>,
    /// Statuses it uses in its own way, as written.
    pub(crate) status_rules: Option<PathBuf>,
    /// Ways to reach it, in order of preference.
    pub(crate) routes: Vec<RouteConfig>,
}

/// Reads `[members]`.
pub(crate) fn read_members_listen(section: Section<'_>) -> Option<MembersListen> {
    let listen = section.address(&keys::MEMBERS_LISTEN);
    let ae_title = section.ae_title(&keys::MEMBERS_AE);
    section.end();
    Some(MembersListen { listen: listen?, ae_title: ae_title? })
}

/// Reads every `[[member]]`; names must differ.
pub(crate) fn read_members(root: &Section<'_>) -> Option<Vec<MemberConfig>> {
    let mut names = BTreeSet::new();
    root.each(&keys::MEMBER, |section| read_member(section, &mut names))
}

fn read_member(section: Section<'_>, names: &mut BTreeSet<MemberName>) -> Option<MemberConfig> {
    let name = section.read(&keys::MEMBER_NAME, |text| MemberName::new(text).ok());
    if name.as_ref().is_some_and(|name| !names.insert(name.clone())) {
        section.wrong(&keys::MEMBER_NAME, "two members have this name");
    }
    let required = section.truth(&keys::REQUIRED);
    let preference = section.number(&keys::PREFERENCE, 1..100);
    let confirm = section.read(&keys::CONFIRM, confirm_level);
    let connections = section.number(&keys::CONNECTIONS, 1..33);
    let settle = section.duration(&keys::SETTLE);
    let calling = section.read(&keys::CALLING_AE, |text| match text {
        "own" => Some(CallingAe::Own),
        "preserve" => Some(CallingAe::Preserve),
        given => AeTitle::new(given).ok().map(CallingAe::Given),
    });
    if section.has(&keys::ISSUER) {
        section.not_in_this_version(&keys::ISSUER, "an issuer of patient ID for what comes from a member");
    }
    let holds = read_holds(section.table(&keys::HOLDS));
    let stack = read_stack(section.table(&keys::STACK));
    let status_rules = section.optional(&keys::STATUS_RULES).map(PathBuf::from);
    let routes = read_routes(&section);
    section.end();
    let (modalities, newer_than) = holds?;
    Some(MemberConfig {
        name: name?,
        required: required?,
        preference: u8::try_from(preference?).ok()?,
        confirm: confirm?,
        connections: usize::try_from(connections?).ok()?,
        settle: settle?,
        calling: calling?,
        modalities,
        newer_than,
        stack,
        status_rules,
        routes: routes?,
    })
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

/// How a route is protected.
enum RouteSecurity {
    Plain,
    Tls(RouteTls),
}

type Holds = (BTreeSet<String>, Option<Duration>);

fn read_holds(section: Section<'_>) -> Option<Holds> {
    let good = |text: &str| (!text.is_empty() && text.len() <= 16).then(|| text.to_owned());
    let mut modalities: BTreeSet<String> = section.list(&keys::HOLDS_MODALITIES, good).into_iter().collect();
    if modalities.contains("*") {
        modalities.clear();
    }
    let newer_than = section.read(&keys::HOLDS_NEWER_THAN, |text| match text {
        "" => Some(None),
        given => units::duration(given).map(Some),
    });
    section.end();
    Some((modalities, newer_than?))
}

fn read_stack(section: Section<'_>) -> BTreeMap<&'static str, String> {
    let layers =
        [keys::STACK_OS, keys::STACK_DATABASE, keys::STACK_DICOM, keys::STACK_HARDWARE, keys::STACK_WEB];
    let stack = layers.iter().filter_map(|key| Some((key.name, section.optional(key)?))).collect();
    section.end();
    stack
}

fn read_routes(section: &Section<'_>) -> Option<Vec<RouteConfig>> {
    let routes = section.each(&keys::ROUTE, read_route);
    if routes.as_ref().is_some_and(Vec::is_empty) {
        section.wrong(&keys::ROUTE, "there is no route to the member");
    }
    routes
}

fn read_route(section: Section<'_>) -> Option<RouteConfig> {
    let protocol = section.text(&keys::PROTOCOL);
    match protocol.as_deref() {
        Some("dimse") | None => {}
        Some(known @ ("dicomweb" | "orthanc" | "dcm4chee" | "outrigger")) => {
            section.not_in_this_version(&keys::PROTOCOL, &format!("the protocol `{known}`"));
        }
        Some(other) => section.wrong(&keys::PROTOCOL, format!("`{other}` stands here")),
    }
    let has_port = |text: &str| {
        text.rsplit_once(':').is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
    };
    let address = section.read(&keys::ROUTE_ADDRESS, |text| has_port(text).then(|| text.to_owned()));
    let ae_title = section.ae_title(&keys::ROUTE_AE);
    let implementation = read_implementation(&section);
    let tls = read_route_tls(&section);
    let response_timeout = section.duration(&keys::RESPONSE_TIMEOUT);
    let read_back = section.read(&keys::READ_BACK, |text| match text {
        "get" => Some(ReadBack::Get),
        "move" => Some(ReadBack::Move),
        _ => None,
    });
    section.end();
    implementation?;
    Some(RouteConfig {
        address: address?,
        ae_title: ae_title?,
        tls: match tls? {
            RouteSecurity::Plain => None,
            RouteSecurity::Tls(files) => Some(files),
        },
        response_timeout: response_timeout?,
        read_back: read_back?,
    })
}

/// Reads whether TLS is spoken, and by which files; `None` after a mistake.
fn read_route_tls(section: &Section<'_>) -> Option<RouteSecurity> {
    let wanted = section.truth(&keys::ROUTE_TLS)?;
    let ca = section.optional(&keys::ROUTE_CA).map(PathBuf::from);
    let server_name = section.optional(&keys::ROUTE_SERVER_NAME);
    let certificate = section.optional(&keys::CERTIFICATE_FILE).map(PathBuf::from);
    let key = section.optional(&keys::KEY_FILE).map(PathBuf::from);
    if !wanted {
        return Some(RouteSecurity::Plain);
    }
    if ca.is_none() {
        section.wrong(&keys::ROUTE_CA, "it is missing, and `tls` is on");
    }
    if certificate.is_some() != key.is_some() {
        section.wrong(&keys::KEY_FILE, "`certificate_file` and `key_file` go together");
    }
    Some(RouteSecurity::Tls(RouteTls { ca: ca?, server_name, client: certificate.zip(key) }))
}
