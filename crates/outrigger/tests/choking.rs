//! Objects on which a member that is well aborts the association: its other objects arrive as if they were not there.

use std::time::Duration;

use outrigger_sim::scripted::Scripted;
use serde_json::Value;
use tokio::time::Instant;

use crate::door::{Behind, Door, ae, line};
use crate::modality::{Object, objects, send};

/// Longest wait for the books.
const PATIENCE: Duration = Duration::from_secs(45);
/// As an outside tester had it.
const POISON: u32 = 5;
/// Objects of one round.
const GOOD: u32 = 60;
/// Rounds compared, all of them together.
const ROUNDS: u32 = 8;
/// The round beside poison may take this much longer, in percent of the control and in all; see `wrong`.
const LONGER_PERCENT: u32 = 120;
const LONGER: Duration = Duration::from_millis(30);

struct Single {
    member: Scripted,
    door: Door,
}

impl Single {
    async fn open() -> Self {
        let member = Scripted::start(&ae("A")).await.unwrap();
        let door = Door::open(&[Behind::new("a", member.station(), "present")]).await;
        Self { member, door }
    }

    /// Sends it objects on which the member aborts the association.
    async fn poisoned(&self) -> Vec<Object> {
        let poison = objects(100, POISON);
        self.member.chokes_on(poison.iter().map(|object| object.header.sop_instance.clone()));
        send(&self.door.station(), &poison).await;
        poison
    }

    /// How long a round of good objects takes until the member has them.
    async fn round(&self, number: u32) -> Duration {
        let good = objects(u64::from(number), GOOD);
        let before = self.member.kept().len();
        let began = Instant::now();
        send(&self.door.station(), &good).await;
        self.member.keeps(before + good.len()).await;
        began.elapsed()
    }

    async fn attempts(&self, object: &Object) -> Vec<Value> {
        let why = self.door.json(&["why", object.header.sop_instance.as_str()]).await;
        let attempts = &why["studies"][0]["instances"][0]["members"][0]["attempts"];
        attempts.as_array().cloned().unwrap_or_default()
    }
}

fn is_held_up(usual: Duration, beside: Duration) -> bool {
    beside > usual * LONGER_PERCENT / 100 + LONGER
}

#[tokio::test]
async fn objects_that_a_member_cannot_take_hold_up_none_that_it_can() {
    let (control, faulty) = (Single::open().await, Single::open().await);
    let poison = faulty.poisoned().await;
    let (mut usual, mut beside) = (Duration::ZERO, Duration::ZERO);
    for number in 1..=ROUNDS {
        if number % 2 == 0 {
            beside += faulty.round(number).await;
            usual += control.round(number).await;
        } else {
            usual += control.round(number).await;
            beside += faulty.round(number).await;
        }
        let status = faulty.door.json(&["status"]).await;
        assert_eq!(status["members"][0]["state"], "up", "{status:#}");
    }
    let (usual, beside) = (usual / ROUNDS, beside / ROUNDS);
    println!("{beside:?} beside objects that abort the association, {usual:?} without");
    assert!(!is_held_up(usual, beside), "{beside:?} beside such objects, {usual:?} without");
    let holds = |balance: &Value| {
        let line = line(balance, "a");
        line["confirmed"] == ROUNDS * GOOD && line["pending"] == POISON && line["difference"] == 0
    };
    faulty.door.until(&["balance"], PATIENCE, holds).await;
    for object in &poison {
        let attempts = faulty.attempts(object).await;
        assert!(attempts[0]["text"].as_str().unwrap().contains("answered after that"), "{attempts:#?}");
    }
}

/// The control: one that answers no C-ECHO after that is away, its other objects wait, and it shows.
#[tokio::test]
async fn a_member_that_answers_no_echo_either_is_away_and_holds_its_objects_up() {
    let (control, faulty) = (Single::open().await, Single::open().await);
    faulty.member.goes_deaf();
    faulty.poisoned().await;
    let away = |status: &Value| status["members"][0]["state"] == "away";
    faulty.door.until(&["status"], PATIENCE, away).await;
    let mut rounds = Vec::new();
    // One that comes at the moment in which it is tried again is not held up; the next comes after that.
    while rounds.len() < 3 && !rounds.iter().any(|(usual, beside)| is_held_up(*usual, *beside)) {
        let number = u32::try_from(rounds.len()).unwrap() + 1;
        rounds.push((control.round(number).await, faulty.round(number).await));
    }
    assert!(rounds.iter().any(|(usual, beside)| is_held_up(*usual, *beside)), "taken for well: {rounds:?}");
}
