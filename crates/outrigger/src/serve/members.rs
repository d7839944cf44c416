//! The members: their adapters, and the listener on which they answer us.

use std::net::SocketAddr;
use std::sync::Arc;

use outrigger_delivery::{Calling, MemberSetup, Route};
use outrigger_dimse::{Settings, Timers};
use outrigger_front::Outbox;
use outrigger_ledger::MemberState;
use outrigger_ledger::scope::{Only, Scope};
use outrigger_member::answers::Expectations;
use outrigger_member::http::{Client, ClientOptions};
use outrigger_member::{
    Answers, AnswersOptions, CommitReport, DicomwebMember, DimseMember, DimseRoute, Member, OrthancMember,
    ReadBack as MemberReadBack,
};
use outrigger_model::{AeTitle, WallTime};
use outrigger_runtime::{Shutdown, Spool};
use time::OffsetDateTime;
use tokio::sync::mpsc;

use super::World;
use super::storage::Storage;
use crate::audit::{Audited, Ends, Leg};
use crate::config::{
    CallingAe, DimseRouteConfig, MemberConfig, MembersListen, NodeConfig, ReadBack, RouteConfig, WebProtocol,
    WebRouteConfig,
};
use crate::process::Failure;

/// The members as delivery sees them, and their answers.
pub(crate) struct Members {
    /// Where members answer.
    pub(crate) address: SocketAddr,
    /// The members.
    pub(crate) setups: Vec<MemberSetup>,
    /// Storage commitment reports.
    pub(crate) reports: mpsc::Receiver<CommitReport>,
}

/// Opens the listener for answers and makes an adapter for each route.
pub(crate) async fn adapters(
    world: &World,
    config: &NodeConfig,
    storage: &Storage,
    legs: &Outbox<Leg>,
    shutdown: &Shutdown,
) -> Result<Members, Failure> {
    let expectations = Expectations::default();
    let title = |route: &RouteConfig| match route {
        RouteConfig::Dimse(route) => Some(route.ae_title.clone()),
        RouteConfig::Web(_) => None,
    };
    let titles = config.members.iter().flat_map(|member| &member.routes).filter_map(title);
    let options = AnswersOptions {
        listen: config.members_listen.listen,
        ae_title: config.members_listen.ae_title.clone(),
        members: titles.collect(),
        settings: Settings::STANDARD,
    };
    let answers =
        Answers::listen(&*world.net, options, expectations.clone(), storage.spool.clone(), shutdown.clone())
            .await;
    let answers = answers.map_err(|error| {
        Failure::of(
            format!("the listener for members {} cannot be opened", config.members_listen.listen),
            error,
        )
    })?;
    let mut known =
        storage.ledger.members().await.map_err(|error| Failure::of("the members cannot be read", error))?;
    known.retain(|row| row.state == MemberState::Retired);
    let (retired, members): (Vec<_>, Vec<_>) =
        config.members.iter().partition(|member| known.iter().any(|row| row.name == member.name));
    for member in retired {
        tracing::warn!(member = %member.name, "the member is retired: nothing is delivered to it; its [[member]] table can go from the configuration");
    }
    let setup = |member: &MemberConfig| setup(world, config, storage, member, legs, &expectations);
    Ok(Members {
        address: answers.address,
        setups: members.into_iter().map(setup).collect::<Result<_, _>>()?,
        reports: answers.reports,
    })
}

fn setup(
    world: &World,
    config: &NodeConfig,
    storage: &Storage,
    member: &MemberConfig,
    legs: &Outbox<Leg>,
    expectations: &Expectations,
) -> Result<MemberSetup, Failure> {
    let own = &config.members_listen;
    let number = storage.ledger.policies().number(&member.name).ok_or_else(|| Failure::Refused {
        message: format!("the ledger gave member {} no number", member.name),
    })?;
    let calling = match &member.calling {
        CallingAe::Own => Calling::Fixed(own.ae_title.clone()),
        CallingAe::Given(title) => Calling::Fixed(title.clone()),
        CallingAe::Preserve => Calling::Preserve,
    };
    let (ours, spool) = (calling_toward(&calling, own), &storage.spool);
    let routes = member.routes.iter().map(|route| {
        let ends = ends(route, ours.clone());
        let audited = Audits { ends, legs, world };
        let member: Arc<dyn Member> = match route {
            RouteConfig::Dimse(dimse) => {
                audited.of(adapter(world, own, ours.clone(), dimse, spool, expectations))
            }
            RouteConfig::Web(web) => match web.protocol {
                WebProtocol::Dicomweb => audited.of(DicomwebMember::new(client(world, web), spool.clone())),
                WebProtocol::Orthanc => audited.of(OrthancMember::new(client(world, web), spool.clone())),
            },
        };
        Route { label: route.label(), member }
    });
    Ok(MemberSetup {
        number,
        name: member.name.clone(),
        routes: routes.collect(),
        connections: member.connections,
        confirm: member.confirm,
        settle: member.settle,
        rules: member.status_rules.clone(),
        calling,
        preference: member.preference,
    })
}

/// What the audit trail is told of a route.
struct Audits<'a> {
    ends: Ends,
    legs: &'a Outbox<Leg>,
    world: &'a World,
}

impl Audits<'_> {
    fn of<M: Member>(self, member: M) -> Arc<dyn Member> {
        let Self { ends, legs, world } = self;
        Arc::new(Audited::new(member, ends, legs.clone(), world.clock.clone(), world.threads))
    }
}

/// Both ends of a route; a web server has no AE title, so that it is named by what is spoken there.
fn ends(route: &RouteConfig, ours: AeTitle) -> Ends {
    match route {
        RouteConfig::Dimse(dimse) => {
            Ends { ours, theirs: dimse.ae_title.clone(), address: dimse.address.clone() }
        }
        RouteConfig::Web(web) => {
            let theirs = AeTitle::known(match web.protocol {
                WebProtocol::Dicomweb => "DICOMWEB",
                WebProtocol::Orthanc => "ORTHANC",
            });
            Ends { ours, theirs, address: web.target.address().to_owned() }
        }
    }
}

/// The adapter of one route, whatever is spoken there.
pub(crate) fn any_adapter(
    world: &World,
    own: &MembersListen,
    calling: AeTitle,
    route: &RouteConfig,
    spool: &Spool,
) -> Box<dyn Member> {
    match route {
        RouteConfig::Dimse(dimse) => {
            Box::new(adapter(world, own, calling, dimse, spool, &Expectations::default()))
        }
        RouteConfig::Web(web) => match web.protocol {
            WebProtocol::Dicomweb => Box::new(DicomwebMember::new(client(world, web), spool.clone())),
            WebProtocol::Orthanc => Box::new(OrthancMember::new(client(world, web), spool.clone())),
        },
    }
}

fn client(world: &World, route: &WebRouteConfig) -> Client {
    let options = ClientOptions {
        target: route.target.clone(),
        tls: route.tls.as_ref().map(|tls| tls.client.clone()),
        connect_timeout: outrigger_member::dimse::CONNECT_TIMEOUT.min(route.response_timeout),
        answer_timeout: route.response_timeout,
    };
    Client::new(options, world.net.clone(), world.threads)
}

fn calling_toward(calling: &Calling, own: &MembersListen) -> AeTitle {
    match calling {
        Calling::Fixed(title) => title.clone(),
        Calling::Preserve => own.ae_title.clone(),
    }
}

/// The adapter of one route over DIMSE.
fn adapter(
    world: &World,
    own: &MembersListen,
    calling: AeTitle,
    route: &DimseRouteConfig,
    spool: &Spool,
    expectations: &Expectations,
) -> DimseMember {
    let read_back = match route.read_back {
        ReadBack::Get => MemberReadBack::Get,
        ReadBack::Move => {
            MemberReadBack::Move { destination: own.ae_title.clone(), expectations: expectations.clone() }
        }
    };
    let acse = Timers::STANDARD.acse.min(route.response_timeout);
    let timers = Timers { response: route.response_timeout, acse, ..Timers::STANDARD };
    let route = DimseRoute {
        address: route.address.clone(),
        ae_title: route.ae_title.clone(),
        calling,
        tls: route.tls.as_ref().map(|tls| tls.client.clone()),
        connect_timeout: outrigger_member::dimse::CONNECT_TIMEOUT,
        settings: Settings { timers, ..Settings::STANDARD },
        read_back,
    };
    DimseMember::new(route, world.net.clone(), spool.clone())
}

/// What a member wants to hold, as things stand at `now`.
pub(crate) fn scope(member: &MemberConfig, now: WallTime) -> Scope {
    let newer_than = member.newer_than.and_then(|age| {
        let micros = now.0.saturating_sub(i64::try_from(age.as_micros()).unwrap_or(i64::MAX));
        let date = OffsetDateTime::from_unix_timestamp(micros / 1_000_000).ok()?.date();
        Some(format!("{:04}{:02}{:02}", date.year(), u8::from(date.month()), date.day()))
    });
    let modalities =
        if member.modalities.is_empty() { Only::All } else { Only::Of(member.modalities.clone()) };
    Scope { modalities, newer_than, ..Scope::default() }
}
