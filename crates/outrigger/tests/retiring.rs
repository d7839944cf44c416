//! A member that was retired and still stands in the configuration.

use std::time::Duration;

use outrigger_sim::scripted::Scripted;

use crate::door::{Behind, Door, ae};
use crate::modality::{objects, send};

const PATIENCE: Duration = Duration::from_secs(30);

#[tokio::test]
async fn a_node_starts_again_with_the_configuration_that_still_has_a_retired_member() {
    let (a, b) = (Scripted::start(&ae("A")).await.unwrap(), Scripted::start(&ae("B")).await.unwrap());
    let members = [Behind::new("a", a.station(), "present"), Behind::new("b", b.station(), "present")];
    let mut door = Door::open(&members).await;
    door.ask(&["member", "retire", "b"]).await.exits(0);
    door.node.process().restart().await.unwrap();
    send(&door.station(), &objects(7, 2)).await;
    a.keeps(2).await;
    door.balance_exits(0, PATIENCE).await;
    assert_eq!(b.kept().len(), 0, "nothing is delivered to it");
    let log = door.log();
    assert!(log.contains("the member is retired") && log.contains("its [[member]] table can go"), "{log}");
}
