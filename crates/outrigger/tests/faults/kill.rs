//! kill -9 at any instant: of the front door under four associations, of a member, of all at once.

use std::fs;
use std::time::Duration;

use outrigger_model::Sha256Digest;
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::actor::{Actor, BOTH, Behind, LOG, SQLITE, UNTOUCHED};
use super::books::violations;
use super::chance::{Chance, soak};
use super::load::{Outcome, Supply, associations, ended};
use crate::modality::Object;

/// Associations that send at once.
const ASSOCIATIONS: usize = 4;
/// From so many kills on most have to hit the sending: a single one may miss it by chance.
const KILLS_JUDGED: u64 = 10;

/// Who dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Victim {
    Door,
    Member,
    All,
}

/// A series of kills.
struct Series {
    victim: Victim,
    /// What keeps the journal.
    engines: &'static [&'static str],
    kills: u64,
    /// Latest kill after the start of the sending, in percent of the time that sending takes undisturbed.
    latest_percent: u32,
    /// Objects offered in each round.
    objects: u32,
}

/// A hundred in all, a third of them with each engine alone and with both.
const SERIES: [Series; 9] = [
    Series { victim: Victim::Door, engines: LOG, kills: 17, latest_percent: 90, objects: 48 },
    Series { victim: Victim::Door, engines: SQLITE, kills: 16, latest_percent: 90, objects: 48 },
    Series { victim: Victim::Door, engines: BOTH, kills: 17, latest_percent: 90, objects: 48 },
    Series { victim: Victim::Member, engines: LOG, kills: 8, latest_percent: 200, objects: 40 },
    Series { victim: Victim::Member, engines: SQLITE, kills: 8, latest_percent: 200, objects: 40 },
    Series { victim: Victim::Member, engines: BOTH, kills: 9, latest_percent: 200, objects: 40 },
    Series { victim: Victim::All, engines: LOG, kills: 8, latest_percent: 90, objects: 48 },
    Series { victim: Victim::All, engines: SQLITE, kills: 8, latest_percent: 90, objects: 48 },
    Series { victim: Victim::All, engines: BOTH, kills: 9, latest_percent: 90, objects: 48 },
];

/// Two unlike archives and the front door before them.
struct Pair {
    door: Actor,
    archives: [Actor; 2],
    _directory: TempDir,
}

impl Pair {
    async fn open(engines: &[&str]) -> Self {
        let directory = TempDir::new().unwrap();
        let at = |name: &str| directory.path().join(name);
        let mut archives = [Actor::archive(&at("a"), "A", "sqlite"), Actor::archive(&at("b"), "B", "redb")];
        let [a, b] = &archives;
        let behind = [
            Behind { name: "a", station: a.station(), confirm: "present" },
            Behind { name: "b", station: b.station(), confirm: "verified" },
        ];
        let door = Actor::door(&at("door"), &at("door/data"), "72h", &behind);
        let mut door = door.kept_by(engines, &at("door/data/journal"));
        for actor in archives.iter_mut().chain([&mut door]) {
            actor.start(UNTOUCHED).await.unwrap();
        }
        Self { door, archives, _directory: directory }
    }

    fn victims(&mut self, victim: Victim, number: u64) -> Vec<&mut Actor> {
        let [a, b] = &mut self.archives;
        match victim {
            Victim::Door => vec![&mut self.door],
            Victim::Member if number.is_multiple_of(2) => vec![a],
            Victim::Member => vec![b],
            Victim::All => vec![&mut self.door, a, b],
        }
    }

    async fn violations(&self, acked: &[Object]) -> Vec<String> {
        violations(&self.door, &self.archives.each_ref().map(Actor::station), acked).await
    }
}

/// Kills as often as the series says; gives the pair, up again, and what was acknowledged.
async fn killed(series: &Series) -> (Pair, Vec<Object>) {
    let chance = Chance::new();
    let mut pair = Pair::open(series.engines).await;
    let mut supply = Supply::new(chance.seed);
    let began = Instant::now();
    let Outcome { mut acked, mut left, .. } =
        ended(associations(&pair.door.station(), &supply.take(series.objects), ASSOCIATIONS)).await;
    let longest = began.elapsed() * series.latest_percent / 100;
    let mut latest = longest;
    let (mut cut_off, mut slowest) = (0_u64, Duration::ZERO);
    let kills = series.kills * soak();
    for number in 0..kills {
        left.extend(supply.take(series.objects.saturating_sub(u32::try_from(left.len()).unwrap())));
        let sending = associations(&pair.door.station(), &left, ASSOCIATIONS);
        sleep(chance.within(latest)).await;
        let mut victims = pair.victims(series.victim, number);
        for victim in &mut victims {
            victim.kill();
        }
        let killed = Instant::now();
        for victim in victims {
            victim.start(UNTOUCHED).await.unwrap();
        }
        slowest = slowest.max(killed.elapsed());
        let round = ended(sending).await;
        cut_off += u64::from(round.broken);
        // The first round was a cold one and the machine's speed changes: kills follow the pace of sending.
        latest = match (series.victim, round.broken) {
            (Victim::Member, _) => longest,
            (_, true) => longest.min(latest * 5 / 4),
            (_, false) => latest * 2 / 3,
        };
        acked.extend(round.acked);
        left = round.left;
    }
    // What never got through is offered once more, as a modality does.
    let rest = ended(associations(&pair.door.station(), &left, ASSOCIATIONS)).await;
    assert!(rest.left.is_empty(), "{} objects are not taken although all is well", rest.left.len());
    acked.extend(rest.acked);
    println!(
        "{:?}, {:?}: {kills} kills, {cut_off} of them cut sending off, {} acknowledged, slowest start {slowest:?}",
        series.victim,
        series.engines,
        acked.len()
    );
    let is_judged = series.victim != Victim::Member && kills >= KILLS_JUDGED;
    assert!(!is_judged || cut_off * 3 > kills, "the kills missed the sending");
    (pair, acked)
}

async fn nothing_is_lost(series: &Series) -> (Pair, Vec<Object>) {
    let (pair, acked) = killed(series).await;
    let checked = Instant::now();
    let wrong = pair.violations(&acked).await;
    assert!(wrong.is_empty(), "{} violations: {:#?}\n{}", wrong.len(), wrong, pair.door.log());
    println!("checked in {:?}", checked.elapsed());
    (pair, acked)
}

/// Takes an object away from a stopped archive behind everybody's back.
fn take_away(archive: &Actor, object: &Object, what: Part) {
    let name = Sha256Digest(Sha256::digest(&object.bytes).into()).to_string();
    let buckets = fs::read_dir(archive.directory.join("data/blobs/blobs")).unwrap();
    let removed =
        buckets.filter(|bucket| fs::remove_file(bucket.as_ref().unwrap().path().join(&name)).is_ok());
    assert_eq!(removed.count(), 1);
    if let Part::BlobAndRow = what {
        let catalogue = rusqlite::Connection::open(archive.directory.join("data/catalogue")).unwrap();
        let gone = "DELETE FROM instance WHERE uid = ?1";
        assert_eq!(catalogue.execute(gone, [object.header.sop_instance.as_str()]).unwrap(), 1);
    }
}

/// What is taken away; a row alone comes back by itself when the archive starts.
#[derive(Debug, Clone, Copy)]
enum Part {
    Blob,
    BlobAndRow,
}

#[tokio::test]
async fn fault_kill_control_sees_what_a_member_no_longer_has() {
    let series = Series { victim: Victim::All, engines: LOG, kills: 1, latest_percent: 90, objects: 16 };
    let (mut pair, acked) = nothing_is_lost(&series).await;
    let losses = [(0, &acked[0], Part::BlobAndRow), (1, &acked[1], Part::Blob)];
    for (archive, object, part) in losses {
        pair.archives[archive].stop().await.unwrap();
        take_away(&pair.archives[archive], object, part);
        pair.archives[archive].start(UNTOUCHED).await.unwrap();
    }
    let wrong = pair.violations(&acked).await;
    for (_, object, part) in losses {
        let uid = object.header.sop_instance.as_str();
        assert!(wrong.iter().any(|wrong| wrong.contains(uid)), "{part:?} of {uid} is not missed: {wrong:?}");
    }
}

#[tokio::test]
async fn fault_kill_front_door_loses_nothing_acknowledged() {
    nothing_is_lost(&SERIES[0]).await;
}

#[tokio::test]
async fn fault_kill_front_door_with_a_journal_in_sqlite_loses_nothing_acknowledged() {
    nothing_is_lost(&SERIES[1]).await;
}

#[tokio::test]
async fn fault_kill_member_loses_nothing_acknowledged() {
    nothing_is_lost(&SERIES[2]).await;
}

#[tokio::test]
async fn fault_kill_member_with_a_journal_in_sqlite_loses_nothing_acknowledged() {
    nothing_is_lost(&SERIES[3]).await;
}

#[tokio::test]
async fn fault_kill_all_at_once_loses_nothing_acknowledged() {
    nothing_is_lost(&SERIES[4]).await;
}

#[tokio::test]
async fn fault_kill_all_at_once_with_a_journal_in_sqlite_loses_nothing_acknowledged() {
    nothing_is_lost(&SERIES[5]).await;
}
