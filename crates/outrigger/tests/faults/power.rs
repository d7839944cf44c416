//! The power goes: what a front door or an archive acknowledged is on the disk, although the disk's cache is volatile.

use std::time::Duration;

use outrigger_sim::power::VolatileDisk;
use outrigger_sim::shim::Shim;
use tempfile::TempDir;
use tokio::time::sleep;

use super::actor::{Actor, BOTH, Behind, LOG, SQLITE, UNTOUCHED};
use super::books::{balance, differing, missing, violations};
use super::chance::{Chance, soak};
use super::load::{Supply, associations, ended};

/// Associations that send when the power goes.
const ASSOCIATIONS: usize = 2;
/// Objects offered: more than can be stored until the cut.
const OBJECTS: u32 = 5000;
/// The cut comes this long after sending began, or up to as much later again.
const SENDING: Duration = Duration::from_millis(500);
/// Cuts in a run that people wait for.
const CUTS: u64 = 6;
/// Cuts of an archive over each of its databases, in such a run.
const ARCHIVE_CUTS: u64 = 2;
/// Size of the disk.
const DISK_MEBIBYTES: u64 = 256;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Syncs {
    Done,
    Ignored,
}

/// Stores under a few associations until the power is cut; gives how many objects were acknowledged, and all that is wrong
/// once the node has started from what survived and a member has come that was away until then.
async fn cut(chance: &Chance, syncs: Syncs, engines: &[&str]) -> (usize, Vec<String>) {
    let shim = Shim::build().await.unwrap();
    let mut disk = VolatileDisk::create(DISK_MEBIBYTES).await.unwrap();
    let outside = TempDir::new().unwrap();
    let at = |name: &str| outside.path().join(name);
    let mut archive = Actor::archive(&at("a"), "A", "sqlite");
    let member = Behind { name: "a", station: archive.station(), confirm: "present" };
    let door = Actor::door(&at("door"), &disk.path().join("data"), "72h", &[member]);
    let mut door = door.kept_by(engines, &disk.path().join("data/journal"));
    let variables = match syncs {
        Syncs::Done => UNTOUCHED,
        Syncs::Ignored => shim.without_syncs(&disk.path()).unwrap(),
    };
    door.start(variables).await.unwrap();

    let objects = Supply::new(chance.below(1 << 32)).take(OBJECTS);
    let sending = associations(&door.station(), &objects, ASSOCIATIONS);
    sleep(SENDING + chance.within(SENDING)).await;
    disk.cut().unwrap();
    // Answers after the cut count too; they end when a sync fails, or here.
    sleep(SENDING).await;
    door.kill();
    let acked = ended(sending).await.acked;
    disk.restore().await.unwrap();

    door.start(UNTOUCHED).await.unwrap();
    archive.start(UNTOUCHED).await.unwrap();
    let wrong = violations(&door, &[archive.station()], &acked).await;
    let books = balance(&door, Duration::ZERO).await;
    println!(
        "{syncs:?}, {engines:?}: {} acknowledged, {} wrong, {}",
        acked.len(),
        wrong.len(),
        books["members"][0]
    );
    door.kill();
    (acked.len(), wrong)
}

/// Stores in an archive until the power is cut; gives how many objects were acknowledged, and all that is wrong with them.
async fn cut_archive(chance: &Chance, syncs: Syncs, database: &str) -> (usize, Vec<String>) {
    let shim = Shim::build().await.unwrap();
    let mut disk = VolatileDisk::create(DISK_MEBIBYTES).await.unwrap();
    let outside = TempDir::new().unwrap();
    let mut archive = Actor::archive_in(outside.path(), &disk.path().join("data"), "A", database);
    let variables = match syncs {
        Syncs::Done => UNTOUCHED,
        Syncs::Ignored => shim.without_syncs(&disk.path()).unwrap(),
    };
    archive.start(variables).await.unwrap();
    let objects = Supply::new(chance.below(1 << 32)).take(OBJECTS);
    let sending = associations(&archive.station(), &objects, ASSOCIATIONS);
    sleep(SENDING + chance.within(SENDING)).await;
    disk.cut().unwrap();
    sleep(SENDING).await;
    archive.kill();
    let acked = ended(sending).await.acked;
    disk.restore().await.unwrap();

    let wrong = match archive.start(UNTOUCHED).await {
        Ok(()) => {
            let mut wrong = missing(&archive.station(), &acked).await;
            wrong.extend(differing(&archive.station(), &acked).await);
            wrong
        }
        Err(error) => vec![format!("it does not start again: {error}")],
    };
    println!("{syncs:?}, archive over {database}: {} acknowledged, {} wrong", acked.len(), wrong.len());
    archive.kill();
    (acked.len(), wrong)
}

#[tokio::test]
async fn fault_power_loses_nothing_of_an_archive() {
    let chance = Chance::new();
    for number in 1..=ARCHIVE_CUTS * soak() {
        for database in ["sqlite", "redb"] {
            let (acked, wrong) = cut_archive(&chance, Syncs::Done, database).await;
            assert!(acked > 0, "cut {number} came before anything was acknowledged");
            assert!(
                wrong.is_empty(),
                "{database}, cut {number}: of {acked} {} are wrong: {wrong:#?}",
                wrong.len()
            );
        }
    }
}

#[tokio::test]
async fn fault_power_control_of_an_archive_without_syncs_loses() {
    let (acked, wrong) = cut_archive(&Chance::new(), Syncs::Ignored, "sqlite").await;
    assert!(acked > 0 && !wrong.is_empty(), "nothing of {acked} is lost, though nothing was synced");
}

#[tokio::test]
async fn fault_power_loses_nothing_acknowledged() {
    let chance = Chance::new();
    let mut all = 0;
    for (number, engines) in (1..=CUTS * soak()).zip([LOG, SQLITE, BOTH].into_iter().cycle()) {
        let (acked, wrong) = cut(&chance, Syncs::Done, engines).await;
        assert!(acked > 0, "cut {number} came before anything was acknowledged");
        assert!(wrong.is_empty(), "cut {number}: of {acked} {} are wrong: {wrong:#?}", wrong.len());
        all += acked;
    }
    println!("{all} objects acknowledged before {} cuts", CUTS * soak());
}

#[tokio::test]
async fn fault_power_control_without_syncs_loses() {
    for engines in [LOG, SQLITE, BOTH] {
        let (acked, wrong) = cut(&Chance::new(), Syncs::Ignored, engines).await;
        assert!(
            acked > 0 && !wrong.is_empty(),
            "{engines:?}: nothing of {acked} is lost, though nothing was synced"
        );
    }
}
