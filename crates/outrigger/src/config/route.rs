//! `[[member.route]]`: the ways to a member.

use std::time::Duration;

use outrigger_member::http::{Scheme, Target};
use outrigger_model::AeTitle;

use super::claims::Claim;
use super::front::read_implementation;
use super::keys;
use super::secrets;
use super::section::Section;
use super::tls::{RouteSecurity, RouteTls, read_route_tls, read_web_tls};
use super::units;

/// How objects are read back over DIMSE.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadBack {
    /// C-GET.
    Get,
    /// C-MOVE to our members' listener.
    Move,
}

/// One way to reach a member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RouteConfig {
    /// Over DIMSE.
    Dimse(DimseRouteConfig),
    /// Over its web server.
    Web(WebRouteConfig),
}

/// One way to reach a member over DIMSE.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DimseRouteConfig {
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
    /// Keys of TLS that stand in the file and are of no use without it.
    idle_keys: Vec<&'static str>,
}

/// What is spoken to a member's web server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum WebProtocol {
    /// STOW-RS, QIDO-RS and WADO-RS.
    Dicomweb,
    /// Orthanc's REST interface.
    Orthanc,
}

/// One way to reach a member over its web server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct WebRouteConfig {
    /// What is spoken.
    pub(crate) protocol: WebProtocol,
    /// Where, with what it is shown.
    pub(crate) target: Target,
    /// TLS, if any.
    pub(crate) tls: Option<RouteTls>,
    /// Longest wait for an answer.
    pub(crate) response_timeout: Duration,
    /// Keys of TLS that stand in the file and are of no use without it.
    idle_keys: Vec<&'static str>,
}

impl RouteConfig {
    /// What is spoken.
    pub(crate) fn protocol(&self) -> &'static str {
        match self {
            Self::Dimse(_) => "dimse",
            Self::Web(web) => match web.protocol {
                WebProtocol::Dicomweb => "dicomweb",
                WebProtocol::Orthanc => "orthanc",
            },
        }
    }

    /// Where, without credentials.
    pub(crate) fn place(&self) -> String {
        match self {
            Self::Dimse(route) => route.address.clone(),
            Self::Web(route) => route.target.to_string(),
        }
    }

    /// How it is shown: protocol and place.
    pub(crate) fn label(&self) -> String {
        format!("{} {}", self.protocol(), self.place())
    }

    /// TLS, if any.
    pub(crate) fn tls(&self) -> Option<&RouteTls> {
        match self {
            Self::Dimse(route) => route.tls.as_ref(),
            Self::Web(route) => route.tls.as_ref(),
        }
    }

    /// Longest wait for an answer.
    pub(crate) fn response_timeout(&self) -> Duration {
        match self {
            Self::Dimse(route) => route.response_timeout,
            Self::Web(route) => route.response_timeout,
        }
    }

    /// The same, waiting for at most so long.
    pub(crate) fn within(&self, most: Duration) -> Self {
        let response_timeout = self.response_timeout().min(most);
        match self.clone() {
            Self::Dimse(route) => Self::Dimse(DimseRouteConfig { response_timeout, ..route }),
            Self::Web(route) => Self::Web(WebRouteConfig { response_timeout, ..route }),
        }
    }

    /// Keys of TLS that look as if it were spoken, where it is not.
    pub(crate) fn without_tls(&self) -> Option<String> {
        let (keys, remedy) = match self {
            Self::Dimse(route) => (&route.idle_keys, "set `tls = true`"),
            Self::Web(route) => (&route.idle_keys, "let its `url` begin with `https://`"),
        };
        let (keys_named, place) = (keys.join("`, `"), self.place());
        (!keys.is_empty()).then(|| {
            format!("the route to {place} has `{keys_named}` and is called without TLS: {remedy}, or leave them out")
        })
    }

    /// A secret that anybody between here and there can read.
    pub(crate) fn shown_to_all(&self) -> Option<String> {
        match self {
            Self::Web(WebRouteConfig { target, .. })
                if target.has_credentials() && target.scheme() == Scheme::Plain && !is_loopback(target) =>
            {
                Some(format!(
                    "the token or password for {target} is sent without TLS: let its `url` begin with `https://`"
                ))
            }
            Self::Dimse(_) | Self::Web(_) => None,
        }
    }
}

/// Whether a server is on this machine, by what can be said without asking the network.
pub(super) fn is_loopback(target: &Target) -> bool {
    let host = target.address().rsplit_once(':').map_or("", |(host, _)| host.trim_matches(['[', ']']));
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Reads every `[[member.route]]` of a member.
pub(crate) fn read_routes(section: &Section<'_>) -> Option<Vec<RouteConfig>> {
    let routes = section.each(&keys::ROUTE, read_route);
    if routes.as_ref().is_some_and(Vec::is_empty) {
        section.wrong(&keys::ROUTE, "there is no route to the member");
    }
    routes
}

fn read_route(section: Section<'_>) -> Option<RouteConfig> {
    let protocol = section.text(&keys::PROTOCOL);
    match protocol.as_deref() {
        Some("dicomweb") => return read_web(section, WebProtocol::Dicomweb).map(RouteConfig::Web),
        Some("orthanc") => return read_web(section, WebProtocol::Orthanc).map(RouteConfig::Web),
        Some("dimse") | None => {}
        Some(known @ ("dcm4chee" | "outrigger")) => {
            section.not_in_this_version(&keys::PROTOCOL, &format!("the protocol `{known}`"));
        }
        Some(other) => section.wrong(&keys::PROTOCOL, format!("`{other}` stands here")),
    }
    read_dimse(section).map(RouteConfig::Dimse)
}

fn read_dimse(section: Section<'_>) -> Option<DimseRouteConfig> {
    let address = section.read(&keys::ROUTE_ADDRESS, units::remote);
    let ae_title = section.ae_title(&keys::ROUTE_AE);
    if let (Some(address), Some(ae_title)) = (address.clone(), ae_title.clone()) {
        section.claim(&keys::ROUTE_ADDRESS, Claim::Node { address, ae_title });
    }
    let implementation = read_implementation(&section);
    let tls = read_route_tls(&section, address.as_deref());
    let response_timeout = section.timer(&keys::RESPONSE_TIMEOUT);
    let read_back = section.read(&keys::READ_BACK, |text| match text {
        "get" => Some(ReadBack::Get),
        "move" => Some(ReadBack::Move),
        _ => None,
    });
    let tls = tls.map(of);
    let idle_keys = idle_keys(&section, tls.as_ref());
    section.end();
    implementation?;
    Some(DimseRouteConfig {
        address: address?,
        ae_title: ae_title?,
        tls: tls?,
        response_timeout: response_timeout?,
        read_back: read_back?,
        idle_keys,
    })
}

fn read_web(section: Section<'_>, protocol: WebProtocol) -> Option<WebRouteConfig> {
    let target = read_target(&section);
    if let Some(target) = &target {
        let (url, address) = (target.to_string(), target.address().to_owned());
        section.claim(&keys::ROUTE_URL, Claim::Web { url, address });
    }
    let target = target.and_then(|target| with_token(&section, target));
    let tls = read_web_tls(&section, target.as_ref());
    let tls = tls.map(of);
    let idle_keys = idle_keys(&section, tls.as_ref());
    let response_timeout = section.timer(&keys::RESPONSE_TIMEOUT);
    section.end();
    let response_timeout = response_timeout?;
    Some(WebRouteConfig { protocol, target: target?, tls: tls?, response_timeout, idle_keys })
}

/// The keys of TLS in a route that is called without it.
fn idle_keys(section: &Section<'_>, tls: Option<&Option<RouteTls>>) -> Vec<&'static str> {
    let of_tls = [keys::CA_FILE, keys::CERTIFICATE_FILE, keys::KEY_FILE, keys::SERVER_NAME];
    let given = of_tls.iter().filter(|key| matches!(tls, Some(None)) && section.has(key));
    given.map(|key| key.name).collect()
}

fn of(security: RouteSecurity) -> Option<RouteTls> {
    match security {
        RouteSecurity::Plain => None,
        RouteSecurity::Tls(files) => Some(files),
    }
}

fn read_target(section: &Section<'_>) -> Option<Target> {
    let text = section.text(&keys::ROUTE_URL)?;
    let url = secrets::put_in(section, &text);
    let wrong = |error: &dyn std::error::Error| {
        section.wrong(&keys::ROUTE_URL, outrigger_model::with_causes(error));
    };
    match url {
        Ok(url) => Target::read(&url).inspect_err(|error| wrong(error)).ok(),
        Err(error) => {
            wrong(&error);
            None
        }
    }
}

fn with_token(section: &Section<'_>, target: Target) -> Option<Target> {
    if !section.has(&keys::TOKEN_FILE) {
        return Some(target);
    }
    let (path, content) = section.readable(&keys::TOKEN_FILE)?;
    let token = String::from_utf8_lossy(&content).trim().to_owned();
    let wrong = if target.has_credentials() {
        "the `url` has a user already, and only one of both can be shown".to_owned()
    } else if token.is_empty() {
        format!("{} is empty", path.display())
    } else {
        match target.with_token(&token) {
            Ok(target) => return Some(target),
            Err(error) => format!("{} is of no use: {error}", path.display()),
        }
    };
    section.wrong(&keys::TOKEN_FILE, wrong);
    None
}
