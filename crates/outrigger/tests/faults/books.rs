//! The checker: what was acknowledged against what the members have and the books say.

use std::collections::BTreeMap;
use std::time::Duration;

use outrigger_member::Member;
use outrigger_model::{SeriesUid, StudyUid};
use outrigger_sim::peers::Station;
use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::actor::Actor;
use crate::modality::{Object, reached};

/// How long the books may take to balance after everything is up again.
const BALANCES_WITHIN: Duration = Duration::from_secs(180);
/// How often the books are looked at.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Objects read back at once.
const READERS: usize = 4;

/// Waits until the books balance, or for a time; gives them as they are then.
pub(crate) async fn balance(door: &Actor, within: Duration) -> Value {
    let give_up = Instant::now() + within;
    loop {
        let balance = door.json(&["balance"]).await;
        if balance["balanced"] == true || Instant::now() > give_up {
            return balance;
        }
        sleep(LOOK_EVERY).await;
    }
}

/// Everything that is wrong: books that do not balance, and at each member every acknowledged object that is not there
/// exactly once, as it was sent.
pub(crate) async fn violations(door: &Actor, members: &[Station], acked: &[Object]) -> Vec<String> {
    let mut wrong = Vec::new();
    let balance = balance(door, BALANCES_WITHIN).await;
    let lines = balance["members"].as_array().cloned().unwrap_or_default();
    let explained = lines.iter().all(|line| line["difference"] == 0);
    if balance["balanced"] != true || !explained || lines.len() != members.len() {
        wrong.push(format!("the books do not balance: {balance}"));
    }
    if lines.iter().any(|line| line["accepted_entries"].as_u64() < u64::try_from(acked.len()).ok()) {
        wrong.push(format!("{} objects were acknowledged, the books know fewer: {balance}", acked.len()));
    }
    for member in members {
        wrong.extend(missing(member, acked).await);
        wrong.extend(differing(member, acked).await);
    }
    wrong
}

fn series(object: &Object) -> (StudyUid, SeriesUid) {
    (object.header.study.clone().unwrap(), object.header.series.clone().unwrap())
}

/// Acknowledged objects that a member's inventory does not show exactly once.
pub(crate) async fn missing(member: &Station, acked: &[Object]) -> Vec<String> {
    let mut by_series: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for object in acked {
        by_series.entry(series(object)).or_default().push(&object.header.sop_instance);
    }
    let archive = reached(member, None);
    let mut wrong = Vec::new();
    for ((study, series), expected) in by_series {
        let shown = match archive.present(&study, &series).await {
            Ok(found) => found.instances,
            Err(error) => return vec![format!("{} cannot be asked: {error:?}", member.ae_title)],
        };
        for instance in expected {
            let count = shown.iter().filter(|shown| *shown == instance).count();
            if count != 1 {
                wrong.push(format!("{} shows {instance} {count} times", member.ae_title));
            }
        }
    }
    wrong
}

/// Acknowledged objects whose bytes are not, at a member, those that were sent.
pub(crate) async fn differing(member: &Station, acked: &[Object]) -> Vec<String> {
    let mut readers = JoinSet::new();
    for part in acked.chunks(acked.len().div_ceil(READERS).max(1)) {
        readers.spawn(read_back(member.clone(), part.to_vec()));
    }
    readers.join_all().await.concat()
}

async fn read_back(member: Station, objects: Vec<Object>) -> Vec<String> {
    let archive = reached(&member, None);
    let mut wrong = Vec::new();
    for object in objects {
        let (header, (study, series)) = (&object.header, series(&object));
        let encodings = [object.transfer_syntax.clone()];
        let fetched =
            archive.fetch(&study, &series, &header.sop_instance, &header.sop_class, &encodings).await;
        match fetched {
            Ok((_, body)) if body.sha256 == <[u8; 32]>::from(Sha256::digest(&object.bytes)) => {}
            Ok(_) => wrong.push(format!("{} has another {}", member.ae_title, header.sop_instance)),
            Err(error) => wrong.push(format!("{}: {}: {error:?}", member.ae_title, header.sop_instance)),
        }
    }
    wrong
}
