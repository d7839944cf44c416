//! `outrigger check --probe`: a C-ECHO, or what stands for it, to each route of each member and to each peer with an address, all at once, and what
//! each member can be confirmed by.

use std::collections::BTreeSet;
use std::time::Duration;

use outrigger_archive::S3Options;
use outrigger_delivery::confirm::ability::needed;
use outrigger_delivery::confirm::{Step, steps};
use outrigger_delivery::send::chain;
use outrigger_dimse::{Settings, Timers};
use outrigger_member::{Ability, DimseMember, DimseRoute, Member, MemberError, ReadBack as MemberReadBack};
use outrigger_model::{AeTitle, ConfirmLevel};
use outrigger_runtime::Spool;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::cli::CheckArgs;
use crate::config::{
    ArchiveConfig, Base, BlobsAt, CallingAe, MemberConfig, MembersListen, NodeConfig, ReadBack, RouteConfig,
    WebProtocol,
};
use crate::output;
use crate::serve::{World, any_adapter};

/// Longest wait for one of those asked, whatever its `response_timeout`: somebody sits before the screen.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Whom to ask, and what it must be able to do.
struct Target {
    who: String,
    member: Box<dyn Member>,
    within: Duration,
    expected: Expected,
}

/// What is expected of somebody who is asked.
#[derive(Clone, Copy)]
enum Expected {
    /// An answer.
    Answer,
    /// To be confirmed at a level, and to give objects back so.
    Confirmation(ConfirmLevel, Way),
}

/// By what a member is asked and gives back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    Get,
    Move,
    Dicomweb,
    Orthanc,
}

impl Way {
    fn of(route: &RouteConfig) -> Self {
        match route {
            RouteConfig::Dimse(route) => match route.read_back {
                ReadBack::Get => Self::Get,
                ReadBack::Move => Self::Move,
            },
            RouteConfig::Web(route) => match route.protocol {
                WebProtocol::Dicomweb => Self::Dicomweb,
                WebProtocol::Orthanc => Self::Orthanc,
            },
        }
    }
}

/// What a probe showed.
pub(crate) struct Probe {
    /// Whom it asked.
    who: String,
    /// What it can do, or why it did not answer.
    outcome: Result<BTreeSet<Ability>, Silence>,
    expected: Expected,
}

/// Why somebody did not answer.
#[derive(Debug, thiserror::Error)]
enum Silence {
    /// It could not be asked, or answered something else.
    #[error(transparent)]
    Failed(MemberError),
    /// Objects cannot be kept there.
    #[error(transparent)]
    Store(#[from] outrigger_archive::ProbeError),
    /// Nothing came.
    #[error("it said nothing for {} s", .0.as_secs_f32())]
    TimedOut(Duration),
}

/// Probes the members and peers of a node.
pub(crate) async fn node(config: &NodeConfig) -> Vec<Probe> {
    let world = World::real();
    let spool = spool(&world, &config.base);
    let of_member = |member: &MemberConfig| {
        let targets = member.routes.iter().map(|route| {
            let limited = route.within(WAIT_MAX);
            let calling = calling(member, &config.members_listen);
            Target {
                who: format!("member {} by {} at {}", member.name, route.protocol(), route.place()),
                member: any_adapter(&world, &config.members_listen, calling, &limited, &spool),
                within: limited.response_timeout(),
                expected: Expected::Confirmation(member.confirm, Way::of(route)),
            }
        });
        targets.collect::<Vec<_>>()
    };
    let mut targets: Vec<Target> = config.members.iter().flat_map(of_member).collect();
    targets.extend(peers(&world, &config.base, &spool));
    ask(targets).await
}

/// Probes the peers of an archive, and the object store that keeps its objects.
pub(crate) async fn archive(config: &ArchiveConfig) -> Vec<Probe> {
    let world = World::real();
    let mut probes = ask(peers(&world, &config.base, &spool(&world, &config.base))).await;
    if let BlobsAt::S3(options) = &config.blobs {
        probes.push(store(&world, options).await);
    }
    probes
}

/// Has an object kept, given and removed.
async fn store(world: &World, options: &S3Options) -> Probe {
    let limited =
        S3Options { timeout: options.timeout.min(WAIT_MAX), retry_for: Duration::ZERO, ..options.clone() };
    let outcome = outrigger_archive::probe(&limited, &world.random).await;
    Probe {
        who: format!("object store {} at {}", options.bucket, options.endpoint),
        outcome: outcome.map(|()| BTreeSet::new()).map_err(Silence::Store),
        expected: Expected::Answer,
    }
}

fn calling(member: &MemberConfig, own: &MembersListen) -> AeTitle {
    match &member.calling {
        CallingAe::Given(title) => title.clone(),
        CallingAe::Own | CallingAe::Preserve => own.ae_title.clone(),
    }
}

fn peers(world: &World, base: &Base, spool: &Spool) -> Vec<Target> {
    let calling = base.fronts.first().and_then(|front| front.ae_titles.first());
    let Some(calling) = calling else { return Vec::new() };
    let target = |address: &String, called: &AeTitle| {
        let timers = Timers { response: WAIT_MAX, ..Timers::STANDARD };
        let route = DimseRoute {
            address: address.clone(),
            ae_title: called.clone(),
            calling: calling.clone(),
            tls: None,
            connect_timeout: WAIT_MAX,
            settings: Settings { timers, ..Settings::STANDARD },
            read_back: MemberReadBack::Get,
        };
        Target {
            who: format!("peer {called} at {address}"),
            member: Box::new(DimseMember::new(route, world.net.clone(), spool.clone())),
            within: WAIT_MAX,
            expected: Expected::Answer,
        }
    };
    let of_peer = base.peers.iter().flat_map(|peer| {
        let addresses = [&peer.address, &peer.commit_address].into_iter().flatten();
        addresses.map(|address| target(address, &peer.ae_title)).collect::<Vec<_>>()
    });
    of_peer.collect()
}

/// Asks all at once, and says on stderr how it gets on.
async fn ask(targets: Vec<Target>) -> Vec<Probe> {
    let count = targets.len();
    output::note(&format!("asking {count}, each for at most {} s", WAIT_MAX.as_secs()));
    let mut asking = JoinSet::new();
    for (place, target) in targets.into_iter().enumerate() {
        asking.spawn(async move { (place, probe(target).await) });
    }
    let mut probes = Vec::with_capacity(count);
    while let Some(asked) = asking.join_next().await {
        let Ok((place, probe)) = asked else { continue };
        let words = if probe.outcome.is_ok() { "answers" } else { "does not answer" };
        output::note(&format!("{} of {count}: {} {words}", probes.len() + 1, probe.who));
        probes.push((place, probe));
    }
    probes.sort_by_key(|(place, _)| *place);
    probes.into_iter().map(|(_, probe)| probe).collect()
}

async fn probe(Target { who, member, within, expected }: Target) -> Probe {
    let asked = async {
        match expected {
            Expected::Answer => member.health().await.map(|()| BTreeSet::from([Ability::Echo])),
            Expected::Confirmation(..) => member.abilities().await,
        }
    };
    let answered = timeout(within, asked).await;
    let outcome =
        answered.map_err(|_| Silence::TimedOut(within)).and_then(|answer| answer.map_err(Silence::Failed));
    Probe { who, outcome, expected }
}

/// An echo brings no object: nothing is written here.
fn spool(world: &World, base: &Base) -> Spool {
    Spool {
        disk: world.disk.clone(),
        directory: base.data.clone().into(),
        threads: world.threads,
        random: world.random.clone(),
        memory_bytes_max: 0,
        object_bytes_max: 0,
    }
}

impl Probe {
    /// Whether it answered, and, if it is a member, can be confirmed as it is configured.
    pub(crate) fn is_good(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|able| match self.expected {
            Expected::Answer => true,
            Expected::Confirmation(wanted, _) => reached(wanted, able) == wanted,
        })
    }

    fn words(&self) -> String {
        let able = match &self.outcome {
            Ok(able) => able,
            Err(error) => return chain(error),
        };
        match self.expected {
            Expected::Answer => "answers".to_owned(),
            Expected::Confirmation(wanted, way) => match lacking(wanted, way, able) {
                Some(sentence) => format!("answers, and {sentence}"),
                None => "answers".to_owned(),
            },
        }
    }

    fn gives_back(&self) -> bool {
        self.outcome.as_ref().is_ok_and(|able| able.contains(&Ability::ReadBack))
    }
}

/// The level at which a member that can do this much is confirmed, where `wanted` is asked of it.
fn reached(wanted: ConfirmLevel, able: &BTreeSet<Ability>) -> ConfirmLevel {
    let first = steps(wanted).iter().find(|step| able.contains(&needed(**step)));
    first.map_or(ConfirmLevel::Accepted, |step| step.level())
}

/// In a sentence: what a member cannot do that is needed of it, and what happens instead.
fn lacking(wanted: ConfirmLevel, way: Way, able: &BTreeSet<Ability>) -> Option<String> {
    let words = |step: &Step| match (step, way) {
        (Step::Query, Way::Get | Way::Move) => "be queried (C-FIND)",
        (Step::Query, Way::Dicomweb) => "be queried (QIDO-RS)",
        (Step::Query, Way::Orthanc) => "be queried (/tools/find)",
        (Step::Commit, _) => "commit to objects (storage commitment)",
        (Step::ReadBack, Way::Get) => "give objects back (C-GET)",
        (Step::ReadBack, Way::Move) => "give objects back (C-MOVE)",
        (Step::ReadBack, Way::Dicomweb) => "give objects back (WADO-RS)",
        (Step::ReadBack, Way::Orthanc) => "give objects back (/instances/{id}/file)",
    };
    let reached = reached(wanted, able);
    let missing: Vec<&str> =
        steps(wanted).iter().take_while(|step| step.level() > reached).map(words).collect();
    if let Some(missing) = in_a_row(&missing) {
        let instead = match reached {
            ConfirmLevel::Verified | ConfirmLevel::Committed => "confirmed by storage commitment",
            ConfirmLevel::Present => "confirmed by a query",
            ConfirmLevel::Accepted => {
                "taken as accepted on its word, and their bytes leave the journal only when that fills up"
            }
        };
        return Some(format!("it cannot {missing}: objects there will be {instead}"));
    }
    (!able.contains(&Ability::ReadBack)).then(|| {
        format!(
            "it cannot {}: another member will be asked to give each object back before its bytes leave the journal",
            words(&Step::ReadBack)
        )
    })
}

fn in_a_row(words: &[&str]) -> Option<String> {
    match words {
        [] => None,
        [one] => Some((*one).to_owned()),
        [first @ .., last] => Some(format!("{} or {last}", first.join(", "))),
    }
}

/// Shows what each probe said.
pub(crate) fn show(probes: &[Probe], args: &CheckArgs) {
    let members = probes.iter().filter(|probe| matches!(probe.expected, Expected::Confirmation(..)));
    let (answering, giving): (Vec<_>, Vec<_>) =
        members.filter(|probe| probe.outcome.is_ok()).partition(|probe| !probe.gives_back());
    if giving.is_empty() && !answering.is_empty() {
        output::note(
            "no member can give objects back: no copy will ever be verified, so the bytes of no object leave the journal",
        );
    }
    if args.json {
        let shown = |probe: &Probe| json!({"who": probe.who, "good": probe.is_good(), "text": probe.words()});
        let all: Vec<_> = probes.iter().map(shown).collect();
        output::line(&json!({"good": true, "mistakes": [], "probes": all}).to_string());
        return;
    }
    let rows: Vec<Vec<String>> = probes.iter().map(|probe| vec![probe.who.clone(), probe.words()]).collect();
    output::table(&["asked", "answer"].map(output::Column::Text), &rows);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(wanted: ConfirmLevel, able: &[Ability]) -> Option<String> {
        lacking(wanted, Way::Get, &able.iter().copied().collect())
    }

    #[test]
    fn a_member_that_can_do_all_has_nothing_said_of_it() {
        let all = [Ability::Echo, Ability::Query, Ability::Commit, Ability::ReadBack];
        for wanted in
            [ConfirmLevel::Accepted, ConfirmLevel::Present, ConfirmLevel::Committed, ConfirmLevel::Verified]
        {
            assert_eq!(said(wanted, &all), None);
            assert_eq!(reached(wanted, &all.into()), wanted);
        }
        assert_eq!(said(ConfirmLevel::Present, &[Ability::Query, Ability::ReadBack]), None);
    }

    #[test]
    fn what_is_lacking_and_what_happens_instead_stands_in_one_sentence() {
        for (wanted, able, parts) in [
            (
                ConfirmLevel::Verified,
                &[Ability::Commit, Ability::Query][..],
                &["C-GET", "storage commitment"][..],
            ),
            (ConfirmLevel::Verified, &[Ability::Query], &["C-GET", "or commit", "by a query"]),
            (ConfirmLevel::Committed, &[Ability::Query, Ability::ReadBack], &["commit", "by a query"]),
            (ConfirmLevel::Committed, &[], &["commit", "queried", "on its word"]),
            (ConfirmLevel::Present, &[Ability::ReadBack], &["queried", "on its word"]),
            (ConfirmLevel::Present, &[Ability::Query], &["C-GET", "another member"]),
        ] {
            let said = said(wanted, able).unwrap();
            assert!(parts.iter().all(|part| said.contains(part)), "{wanted:?}: {said}");
        }
    }
}
