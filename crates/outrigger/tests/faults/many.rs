//! More instances in one study than the counters of a retrieval can say, through the whole program.

use tempfile::TempDir;
use tokio::sync::watch;
use tokio::time::Instant;

use super::chance::soak;
use super::load::{associations, ended};
use super::pair::instance;
use crate::door::{Door, head};
use crate::modality::Object;
use crate::workstation::{Receiver, get};

/// Instances of the study in a soak: 65,535 is the last number of 16 bits. Storing and retrieving them takes minutes.
const INSTANCES: u32 = 70_000;
/// Where people wait: the front's own tests have the 70,000.
const INSTANCES_OF_A_RUN: u32 = 1_000;
/// Associations that store them.
const ASSOCIATIONS: usize = 4;

#[tokio::test]
async fn fault_retrieve_of_more_than_sixteen_bits_count_is_whole() {
    let instances = if soak() > 1 { INSTANCES } else { INSTANCES_OF_A_RUN };
    let sent: Vec<Object> = (0..instances).map(|number| instance(12, 0, number)).collect();
    let directory = TempDir::new().unwrap();
    let mut receiver = Receiver::start().await;
    let text = head(directory.path(), 0, "") + &receiver.table();
    let door = Door::open_with(directory, &text).await;
    let mut began = Instant::now();
    let mut lap = |what: &str| {
        println!("{what} {instances}: {:?}", began.elapsed());
        began = Instant::now();
    };
    let stored = ended(associations(&door.station(), &sent, ASSOCIATIONS)).await;
    assert_eq!((stored.acked.len(), stored.broken), (sent.len(), false), "{}", door.log());
    lap("stored");
    let got = get(&door.station(), &sent, &watch::Sender::new(0)).await;
    assert_eq!(got.wrong(&sent), [""; 0], "{}", door.log());
    lap("C-GET of");
    let moved = receiver.move_(&door.station(), &sent).await;
    assert_eq!(moved.wrong(&sent), [""; 0], "{}", door.log());
    lap("C-MOVE of");
}
