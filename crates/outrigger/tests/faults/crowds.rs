//! Many at once, through every door, while a member comes and goes: nobody sees an error, and memory stays bounded.

use std::collections::BTreeSet;
use std::time::Duration;

use outrigger_sim::peers::Station;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::pair::{Blow, Journal, Pair, Reached, Victim, instance};
use crate::asking_members::{MOST, asking, expected, instances, uids};
use crate::modality::Object;
use crate::program::memory_kib;
use crate::webstation::retrieve;
use crate::workstation::{Receiver, get};

/// Studies that are asked for.
const STUDIES: u32 = 10;
/// Instances of each of them.
const PER_STUDY: u32 = 40;
/// Clients at once by each door that query.
const QUERIES_EACH_DOOR: usize = 100;
/// Clients at once that retrieve in each of three ways, and how many they are in all.
const RETRIEVALS_EACH_WAY: usize = 17;
const RETRIEVALS: usize = 50;
/// How often the member hangs, dies and comes back meanwhile.
const CYCLES: u32 = 3;
/// How long a member is up, and how long it is away.
const FLAPS_EVERY: Duration = Duration::from_millis(700);
/// Memory that they may take beside what the door had before, in KiB. Each association may hold two PDUs of 128 KiB, each web
/// response two pieces and four instances opened ahead, all of them below 40 KiB here, and each C-MOVE has an association more:
/// 151 x 256 + 116 x 240 KiB are 65 MiB, and the allocator may keep as much again.
const MEMORY_KIB_MAX: u64 = 128 << 10;

/// How a client came off.
#[derive(Debug, Default)]
struct Tally {
    answers: usize,
    wrong: Vec<String>,
}

impl Tally {
    fn add(&mut self, wrong: Vec<String>) {
        self.answers += 1;
        self.wrong.extend(wrong);
    }
}

/// Whether the member still comes and goes.
type Going = watch::Receiver<bool>;

/// Puts the same query again and again over one association.
async fn finds(door: Station, study: Vec<Object>, going: Going) -> Tally {
    let (query, expected) = (instances(&study[0]), expected(&study));
    let mut session = asking("CT1", &door).await;
    let mut tally = Tally::default();
    while tally.answers == 0 || *going.borrow() {
        tally.add(match session.find(&query, MOST).await {
            Ok(found) if uids(&found.answers) == expected => Vec::new(),
            other => vec![format!("C-FIND: {other:?}")],
        });
    }
    tally
}

/// The same over the web.
async fn searches(root: String, study: Vec<Object>, going: Going) -> Tally {
    let header = &study[0].header;
    let (uid, series) = (header.study.clone().unwrap(), header.series.clone().unwrap());
    let url = format!("{root}/studies/{uid}/series/{series}/instances?limit={MOST}");
    let expected: BTreeSet<String> = expected(&study).into_iter().collect();
    let asking = move || {
        let agent = ureq::Agent::new_with_defaults();
        let mut tally = Tally::default();
        while tally.answers == 0 || *going.borrow() {
            let found = agent.get(&url).call().map(|mut answer| answer.body_mut().read_to_string());
            tally.add(match found {
                Ok(Ok(text)) if found_of(&text) == Some(expected.clone()) => Vec::new(),
                other => vec![format!("QIDO-RS: {other:?}")],
            });
        }
        tally
    };
    tokio::task::spawn_blocking(asking).await.unwrap()
}

/// The instances of an answer, if each stands in it once.
fn found_of(text: &str) -> Option<BTreeSet<String>> {
    let answer: Value = serde_json::from_str(text).ok()?;
    let all = answer.as_array()?;
    let uids = all.iter().map(|one| one["00080018"]["Value"][0].as_str().map(str::to_owned));
    let distinct: BTreeSet<String> = uids.collect::<Option<_>>()?;
    (distinct.len() == all.len()).then_some(distinct)
}

async fn gets(door: Station, study: Vec<Object>, going: Going) -> Tally {
    let mut tally = Tally::default();
    while tally.answers == 0 || *going.borrow() {
        tally.add(get(&door, &study, &watch::Sender::new(0)).await.wrong(&study));
    }
    tally
}

async fn fetches(root: String, study: Vec<Object>, going: Going) -> Tally {
    let mut tally = Tally::default();
    while tally.answers == 0 || *going.borrow() {
        tally.add(retrieve(&root, &study, &watch::Sender::new(0)).await.wrong(&study));
    }
    tally
}

async fn moves(mut to: Receiver, door: Station, study: Vec<Object>, going: Going) -> Tally {
    let mut tally = Tally::default();
    while tally.answers == 0 || *going.borrow() {
        tally.add(to.move_(&door, &study).await.wrong(&study));
    }
    tally
}

/// As many destinations of C-MOVE.
async fn destinations(count: usize) -> Vec<Receiver> {
    let mut all = Vec::new();
    for number in 0..count {
        all.push(Receiver::start().await.titled(&format!("MOVED{number}")));
    }
    all
}

/// Starts all of them.
fn crowd(
    pair: &Pair,
    destinations: Vec<Receiver>,
    studies: &[Vec<Object>],
    going: &Going,
) -> JoinSet<(&'static str, Tally)> {
    let mut crowd = JoinSet::new();
    for number in 0..QUERIES_EACH_DOOR {
        let study = studies[number % studies.len()].clone();
        let (door, root) = (pair.door.station(), pair.dicomweb());
        let finding = finds(door.clone(), study.clone(), going.clone());
        crowd.spawn(async { ("C-FIND", finding.await) });
        let searching = searches(root.clone(), study.clone(), going.clone());
        crowd.spawn(async { ("QIDO-RS", searching.await) });
        if number < RETRIEVALS_EACH_WAY {
            let getting = gets(door, study.clone(), going.clone());
            crowd.spawn(async { ("C-GET", getting.await) });
        }
        if number < RETRIEVALS - 2 * RETRIEVALS_EACH_WAY {
            let fetching = fetches(root, study, going.clone());
            crowd.spawn(async { ("WADO-RS", fetching.await) });
        }
    }
    for (to, study) in destinations.into_iter().zip(studies.iter().rev().cycle()) {
        let moving = moves(to, pair.door.station(), study.clone(), going.clone());
        crowd.spawn(async { ("C-MOVE", moving.await) });
    }
    crowd
}

/// Goal: 200 queries and 50 retrievals at once, over both doors, while Orthanc hangs, goes on, is killed and comes back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_retrieve_crowds_at_every_door_see_no_error_while_one_member_flaps() {
    let studies: Vec<Vec<Object>> = (0..STUDIES)
        .map(|patient| (0..PER_STUDY).map(|number| instance(9, patient, number)).collect())
        .collect();
    let to = destinations(RETRIEVALS_EACH_WAY).await;
    let mut pair = Pair::that_knows(&to, studies.concat(), Reached::Web, Journal::LetsGo).await;
    let resident = |pair: &Pair| memory_kib(pair.door.node.id(), "VmRSS:");
    let before = resident(&pair);
    let (flapping, going) = watch::channel(true);
    let mut crowd = crowd(&pair, to, &studies, &going);
    let mut most = before;
    let flaps = [Blow::Hang, Blow::Kill].into_iter().cycle().take(2 * CYCLES as usize);
    for blow in flaps {
        pair.strike(Victim::Orthanc, blow);
        sleep(FLAPS_EVERY).await;
        most = most.max(resident(&pair));
        pair.heal(Victim::Orthanc, blow).await;
        sleep(FLAPS_EVERY).await;
        most = most.max(resident(&pair));
    }
    let at_once = crowd.len();
    flapping.send_replace(false);
    let mut tallies: std::collections::BTreeMap<&str, Tally> = std::collections::BTreeMap::new();
    while let Some(ended) = crowd.join_next().await {
        let (by, tally) = ended.unwrap();
        let all = tallies.entry(by).or_default();
        all.answers += tally.answers;
        all.wrong.extend(tally.wrong);
        most = most.max(resident(&pair));
    }
    let answers: Vec<_> = tallies.iter().map(|(by, tally)| (by, tally.answers)).collect();
    println!("{at_once} clients over {CYCLES} cycles: {answers:?}; {before} KiB before and {most} at most");
    let wrong: Vec<String> = tallies.into_values().flat_map(|tally| tally.wrong).collect();
    assert_eq!(wrong, [""; 0], "{}", pair.door.log());
    assert_eq!(at_once, 2 * QUERIES_EACH_DOOR + RETRIEVALS, "some were done before the last flap");
    assert!(most < before + MEMORY_KIB_MAX, "{before} KiB became {most}");
}

/// The control: with both members away it shows, at each door that retrieves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_retrieve_control_of_crowds_sees_errors_when_both_members_are_away() {
    let study: Vec<Object> = (0..PER_STUDY).map(|number| instance(11, 0, number)).collect();
    let mut to = destinations(1).await;
    let mut pair = Pair::that_knows(&to, study.clone(), Reached::Web, Journal::LetsGo).await;
    let (_, over) = watch::channel(false);
    for victim in [Victim::Orthanc, Victim::Archive] {
        pair.strike(victim, Blow::Kill);
    }
    let got = gets(pair.door.station(), study.clone(), over.clone()).await;
    let fetched = fetches(pair.dicomweb(), study.clone(), over.clone()).await;
    let moved = moves(to.remove(0), pair.door.station(), study.clone(), over.clone()).await;
    let all_wrong = [&got, &fetched, &moved].iter().all(|tally| !tally.wrong.is_empty());
    assert!(all_wrong, "{got:?} {fetched:?} {moved:?}");
    // What the catalogue knows is found all the same.
    let found = finds(pair.door.station(), study.clone(), over.clone()).await;
    let searched = searches(pair.dicomweb(), study, over).await;
    assert_eq!([found.wrong, searched.wrong].concat(), [""; 0]);
}
