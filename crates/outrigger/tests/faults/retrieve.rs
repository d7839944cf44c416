//! A member dies or hangs in the middle of a retrieval of 2,000 instances: the same request finishes from the other member.

use std::collections::BTreeSet;
use std::time::Duration;

use outrigger_model::{SopInstanceUid, Status};
use tokio::sync::watch;
use tokio::time::Instant;

use super::chance::{Chance, soak};
use super::pair::{Blow, By, Ended, INSTANCES, Journal, Pair, Reached, Struck, Victim, interfere, study};
use crate::webstation::retrieve;
use crate::workstation::wrong_objects;

/// Rounds of each kind; 50 of each are `cargo xtask soak --times 10 fault_retrieve`.
const ROUNDS: u64 = 5;
/// Instances that may already be on their way from a member when a blow falls, most of them in the buffers of a connection.
const AHEAD: u64 = 500;
/// Longest time without an object beside a member that hangs: the default time-out of 2 s, and one more.
const HUNG_MAX: Duration = Duration::from_secs(3);
/// Longest time without an object beside a member that died, which refuses connections at once.
const DEAD_MAX: Duration = Duration::from_secs(1);

/// Kills the member that gives, again and again, and hangs it as often; the same request finishes each time. One pair for both: to
/// fill it takes longer than the retrievals.
async fn finishes(by: By, reached: Reached) {
    let chance = Chance::new();
    let mut pair = Pair::open(chance.seed, reached).await;
    for (blow, longest) in [(Blow::Kill, DEAD_MAX), (Blow::Hang, HUNG_MAX)] {
        let slowest = struck_again_and_again(&mut pair, by, blow, &chance).await;
        assert!(slowest <= longest, "nothing came for {slowest:?} after a {blow:?}");
    }
}

/// The longest time without an object beside a member that was struck.
async fn struck_again_and_again(pair: &mut Pair, by: By, blow: Blow, chance: &Chance) -> Duration {
    let mut slowest = Duration::ZERO;
    let mut victims = Vec::new();
    for round in 0..ROUNDS * soak() {
        let at = usize::try_from(100 + chance.below(u64::from(INSTANCES) - 100 - AHEAD)).unwrap();
        let began = Instant::now();
        let Struck { ended, victim, silent } = pair.struck(by, blow, at).await;
        println!(
            "{by:?} {round}: {blow:?} of {victim:?} at {at}, {:?}, silent {:?}",
            began.elapsed(),
            silent
        );
        assert_eq!(ended.wrong(&pair.sent), [""; 0], "{}", pair.door.log());
        assert_ne!(pair.giver(), Some(victim), "the blow came after the last instance had been given");
        slowest = slowest.max(silent);
        victims.push(victim);
        pair.heal(victim, blow).await;
    }
    println!("{blow:?} {by:?}: victims {victims:?}, longest without an object {slowest:?}");
    slowest
}

#[tokio::test]
async fn fault_retrieve_get_goes_on_when_a_member_is_killed_or_hangs() {
    finishes(By::Get, Reached::Dimse).await;
}

#[tokio::test]
async fn fault_retrieve_move_goes_on_when_a_member_is_killed_or_hangs() {
    finishes(By::Move, Reached::Dimse).await;
}

#[tokio::test]
async fn fault_retrieve_wado_goes_on_when_a_member_is_killed_or_hangs() {
    finishes(By::Wado, Reached::Dimse).await;
}

#[tokio::test]
async fn fault_retrieve_wado_goes_on_when_a_member_reached_by_dicomweb_is_killed_or_hangs() {
    finishes(By::Wado, Reached::Web).await;
}

/// With the second member taken out beforehand the response breaks, so that nobody takes for whole what is not.
#[tokio::test]
async fn fault_retrieve_control_of_wado_needs_the_other_member() {
    for (reached, blow) in [(Reached::Dimse, Blow::Kill), (Reached::Web, Blow::Hang)] {
        let mut pair = Pair::with(study(8, reached, INSTANCES / 4), reached, Journal::LetsGo).await;
        pair.archive.kill();
        let Struck { ended: Ended::Web(fetched), victim, .. } = pair.struck(By::Wado, blow, 100).await else {
            panic!("it was asked for over the web");
        };
        assert_eq!((victim, fetched.status), (Victim::Orthanc, 200));
        assert!(fetched.broken.is_some(), "a body that lacks instances ends well");
        let came = fetched.came.len();
        assert!((100..pair.sent.len()).contains(&came), "the other member was not needed: {came} came");
        // They come as they arrived, over several associations.
        let instances: BTreeSet<&SopInstanceUid> = fetched.came.iter().map(|came| &came.instance).collect();
        let expected: Vec<_> = pair
            .sent
            .iter()
            .filter(|object| instances.contains(&object.header.sop_instance))
            .cloned()
            .collect();
        assert_eq!(expected.len(), came, "each once, and nothing else");
        assert_eq!(wrong_objects(&fetched.came, &expected), [""; 0]);
    }
}

/// While the journal has the bytes it is all the same to a response how the members are.
#[tokio::test]
async fn fault_retrieve_wado_from_the_journal_goes_on_when_both_members_are_struck() {
    let mut pair = Pair::with(study(10, Reached::Dimse, INSTANCES), Reached::Web, Journal::Keeps).await;
    for (orthanc, archive) in [(Blow::Kill, Blow::Hang), (Blow::Hang, Blow::Kill)] {
        let (root, sent) = (pair.dicomweb(), pair.sent.clone());
        let progress = watch::Sender::new(0);
        let fetching = retrieve(&root, &sent, &progress);
        tokio::pin!(fetching);
        let fetched = interfere(fetching, &progress, sent.len() / 10, || {
            pair.strike(Victim::Orthanc, orthanc);
            pair.strike(Victim::Archive, archive);
        });
        assert_eq!(fetched.await.wrong(&sent), [""; 0], "{}", pair.door.log());
        pair.heal(Victim::Orthanc, orthanc).await;
        pair.heal(Victim::Archive, archive).await;
    }
    assert_eq!(pair.giver(), None, "a member was asked for what the journal had");
}

/// With the second member taken out beforehand the request cannot finish, and says honestly what did not come.
#[tokio::test]
async fn fault_retrieve_control_needs_the_other_member() {
    for (by, blow) in [(By::Get, Blow::Kill), (By::Move, Blow::Hang)] {
        let sent = study(7, Reached::Dimse, INSTANCES / 4);
        let mut pair = Pair::with(sent, Reached::Dimse, Journal::LetsGo).await;
        pair.archive.kill();
        let Struck { ended: Ended::Dimse(retrieved), victim, .. } = pair.struck(by, blow, 100).await else {
            panic!("it was asked for over DIMSE");
        };
        assert_eq!(victim, Victim::Orthanc);
        assert!(!retrieved.wrong(&pair.sent).is_empty(), "the other member was not needed");
        assert_eq!(retrieved.status, Status::COERCED);
        let failed: BTreeSet<SopInstanceUid> = retrieved.failed.iter().cloned().collect();
        assert_eq!(failed.len(), retrieved.failed.len());
        let came: Vec<_> = pair
            .sent
            .iter()
            .filter(|object| !failed.contains(&object.header.sop_instance))
            .cloned()
            .collect();
        assert_eq!(retrieved.wrong_objects(&came), [""; 0]);
        assert_eq!(came.len() + failed.len(), pair.sent.len());
    }
}
