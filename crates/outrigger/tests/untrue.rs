//! A member that answers queries late, with wrong counts, twice, cut or behind, or has an old version of a study, is preferred
//! to one that is well: what a client sees is right, once, whole and in time.

pub(crate) mod claiming;

use std::time::Duration;

use outrigger_model::{Answer, Level, Query, QueryKey, QueryRoot, Tag};
use outrigger_sim::peers::Station;
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;

use self::claiming::{Claiming, Conduct};
use crate::archives::Archive;
use crate::asking_members::{MOST, asking, expected, instances, uids};
use crate::door::{Behind, Door, configuration, line};
use crate::modality::{Object, objects, send};
use crate::reading::{NO_RETENTION, released};
use crate::workstation::get;

const PATIENCE: Duration = Duration::from_secs(60);
/// The time-out of half a second, as much for whoever is asked behind it, and a second for a busy machine.
const IN_TIME: Duration = Duration::from_secs(2);
const NO_INVENTORY: &str = "enabled = false";
/// Longer than any client waits.
const LATE: Duration = Duration::from_secs(30);

/// A study with its name and the number of its instances, as an answer has them.
type Seen = (String, String, String);

/// Two members, of which the first is preferred and answers as it is told, and a front door before them that knows what both held.
struct Pair {
    claiming: Claiming,
    _well: Archive,
    door: Door,
    stored: Vec<Object>,
    prior: Vec<Object>,
}

impl Pair {
    async fn open() -> Self {
        let (claiming, well) = (Claiming::start("CLAIMING").await, Archive::start("WELL", "redb").await);
        let (stored, prior) = (objects(6_001, 6), objects(6_002, 4));
        claiming.has(prior.iter().map(|object| object.header.clone()));
        send(&well.station(), &prior).await;
        let members = [
            Behind::new("claiming", &claiming.station, "accepted").with("preference = 1"),
            Behind::new("well", &well.station(), "present").with("preference = 2"),
        ];
        let directory = TempDir::new().unwrap();
        let text = configuration(directory.path(), &members).replace(
            "[inventory]\nenabled = false",
            "[query]\ntimeout = \"500ms\"\n[inventory]\nrate = 1000",
        );
        let door = Door::open_with(directory, &text).await;
        send(&door.station(), &stored).await;
        door.balance_exits(0, PATIENCE).await;
        claiming.has(stored.iter().map(|object| object.header.clone()));
        are_inventoried(&door).await;
        Self { claiming, _well: well, door, stored, prior }
    }

    /// What is wrong with what a client sees.
    async fn wrong(&self) -> Vec<String> {
        let mut wrong = Vec::new();
        let begun = Instant::now();
        let right = seen_as(&[&self.stored, &self.prior]);
        let studies = studies(&self.door.station(), "").await;
        if studies != right {
            wrong.push(format!("studies {studies:?}"));
        }
        for objects in [&self.stored, &self.prior] {
            let study = objects[0].header.study.as_ref().unwrap().as_str();
            let named = self::studies(&self.door.station(), study).await;
            if named != seen_as(&[objects]) {
                wrong.push(format!("study {named:?}"));
            }
            let mut session = asking("CT1", &self.door.station()).await;
            let found = session.find(&instances(&objects[0]), MOST).await.unwrap();
            if uids(&found.answers) != expected(objects) {
                wrong.push(format!("instances {:?}, {:?}", uids(&found.answers), found.whole));
            }
        }
        if begun.elapsed() > IN_TIME {
            wrong.push(format!("only after {:?}", begun.elapsed()));
        }
        wrong
    }
}

/// Waits until both inventories are complete.
async fn are_inventoried(door: &Door) {
    let complete =
        |status: &Value| (0..2).all(|member| status["members"][member]["inventory"]["state"] == "complete");
    door.until(&["status"], PATIENCE, complete).await;
}

fn study_query(uid: &str) -> Query {
    let keys = [(Tag::STUDY_INSTANCE_UID, uid), (Tag::PATIENT_NAME, ""), (Tag::STUDY_RELATED_INSTANCES, "")];
    let keys = keys.map(|(tag, value)| QueryKey { tag, value: value.to_owned() });
    Query::new(QueryRoot::Study, Level::Study, keys.to_vec())
}

/// The studies that a station shows, or one of them, sorted.
async fn studies(station: &Station, uid: &str) -> Vec<Seen> {
    let found = asking("CT1", station).await.find(&study_query(uid), MOST).await.unwrap();
    let value = |answer: &Answer, tag| {
        let found = answer.attributes.iter().find(|(found, _)| *found == tag);
        found.map(|(_, value)| value.trim_end().to_owned()).unwrap_or_default()
    };
    let of = |answer| {
        [Tag::STUDY_INSTANCE_UID, Tag::PATIENT_NAME, Tag::STUDY_RELATED_INSTANCES]
            .map(|tag| value(answer, tag))
            .into()
    };
    let mut seen: Vec<Seen> = found.answers.iter().map(of).collect();
    seen.sort();
    seen
}

/// How studies must be seen.
fn seen_as(studies: &[&[Object]]) -> Vec<Seen> {
    let of = |objects: &&[Object]| {
        let header = &objects[0].header;
        let name = header.attribute(Tag::PATIENT_NAME).unwrap().trim_end().to_owned();
        (header.study.as_ref().unwrap().to_string(), name, objects.len().to_string())
    };
    let mut seen: Vec<Seen> = studies.iter().map(of).collect();
    seen.sort();
    seen
}

/// Each is put to a front door of its own where the member is left alone afterwards. The member itself is seen to answer wrong.
#[tokio::test]
async fn what_a_member_answers_late_doubled_cut_behind_or_miscounted_is_seen_right() {
    let told = [Conduct::Truly, Conduct::Twice, Conduct::AtMost(1), Conduct::AtMost(0), Conduct::Counts(1)];
    let mut wrong = Vec::new();
    for conducts in [&told[..], &[Conduct::BreaksOff(1)], &[Conduct::After(LATE)]] {
        let pair = Pair::open().await;
        let right = seen_as(&[&pair.stored, &pair.prior]);
        assert_eq!(studies(&pair.claiming.station, "").await, right, "the control");
        for conduct in conducts {
            pair.claiming.answers(*conduct);
            if told[1..].contains(conduct) {
                assert_ne!(studies(&pair.claiming.station, "").await, right, "{conduct:?} is no fault");
            }
            let before = pair.claiming.asked().0;
            for round in 0..2 {
                wrong.extend(
                    pair.wrong().await.into_iter().map(|wrong| format!("{conduct:?} {round}: {wrong}")),
                );
            }
            assert!(pair.claiming.asked().0 > before, "{conduct:?}: it was not asked");
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// The objects as they were before, when the patient was called otherwise.
fn before(objects: &[Object]) -> Vec<Object> {
    let of = |object: &Object| {
        let (name, mut bytes) = (object.header.attribute(Tag::PATIENT_NAME).unwrap(), object.bytes.to_vec());
        let at = bytes.windows(name.len()).position(|window| window == name.as_bytes()).unwrap();
        bytes[at..at + name.len()].fill(b'Z');
        Object { bytes: bytes.into(), ..object.clone() }
    };
    objects.iter().map(of).collect()
}

/// An archive that has most of a study as it was before and keeps it, and is preferred; and a door before it.
async fn before_an_old_version(level: &'static str, inventory: &str, now: &[Object]) {
    let (old, well) = (Archive::start("OLD", "sqlite").await, Archive::start("WELL", "redb").await);
    send(&old.station(), &before(&now[..5])).await;
    let members = [
        Behind::new("old", &old.station(), level).with("preference = 1"),
        Behind::new("well", &well.station(), "verified").with("preference = 2"),
    ];
    let directory = TempDir::new().unwrap();
    let text = configuration(directory.path(), &members)
        .replace("[journal]\n", NO_RETENTION)
        .replace("[inventory]\nenabled = false", &format!("[inventory]\n{inventory}"));
    let door = Door::open_with(directory, &text).await;
    if inventory != NO_INVENTORY {
        are_inventoried(&door).await;
    }
    send(&door.station(), now).await;
    let at_old = studies(&old.station(), "").await;
    assert_ne!(at_old, seen_as(&[now]), "the control");
    if level == "verified" {
        let found_out = |balance: &Value| line(balance, "old")["suspense"] == 5;
        door.until(&["balance"], PATIENCE, found_out).await;
    } else {
        released(&door, now).await;
    }
    let mut seen = studies(&door.station(), "").await;
    if level != "verified" {
        // Nobody can tell an old name from one that was corrected at the member since.
        assert_eq!(seen[0].1, at_old[0].1);
        seen[0].1.clone_from(&seen_as(&[now])[0].1);
    }
    assert_eq!(seen, seen_as(&[now]), "{level} {inventory}\n{}", door.log());
    let got = get(&door.station(), now, &watch::Sender::new(0)).await;
    assert_eq!(got.wrong(now), [""; 0], "{level} {inventory}\n{}", door.log());
}

/// One that must give back what it was sent is found out, inventoried or not; what one gives whose word is enough is not taken for
/// what was stored, and the other gives it.
#[tokio::test]
async fn an_old_version_of_a_study_is_neither_seen_nor_given() {
    let now = objects(6_003, 6);
    let with = |level, inventory| before_an_old_version(level, inventory, &now);
    tokio::join!(
        with("verified", "rate = 1000"),
        with("verified", NO_INVENTORY),
        with("present", "rate = 1000")
    );
}
