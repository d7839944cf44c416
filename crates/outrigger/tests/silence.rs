//! A member that takes the connection and never says a word.

use std::net::TcpListener;
use std::time::Duration;

use outrigger_sim::peers::Station;
use outrigger_sim::scripted::Scripted;

use crate::door::{Behind, Door, ae};
use crate::modality::{objects, send};

/// The time-out of its association, and some rounds of asking `status`; with three calls in a row, and the end of ARTIM
/// after each, it would be half a minute and more.
const PATIENCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn a_silent_member_is_away_with_the_reason_after_one_time_out() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let station = Station { ae_title: ae("B"), port: silent.local_addr().unwrap().port() };
    let a = Scripted::start(&ae("A")).await.unwrap();
    let members = [
        Behind::new("a", a.station(), "present"),
        Behind::new("b", &station, "present").by("response_timeout = \"1s\""),
    ];
    let door = Door::open(&members).await;
    send(&door.station(), &objects(3, 1)).await;
    let away = |status: &serde_json::Value| status["members"][1]["state"] == "away";
    let status = door.until(&["status"], PATIENCE, away).await;
    let error = status["members"][1]["error"].as_str().unwrap();
    assert!(error.contains("timed out waiting for the answer to our A-ASSOCIATE-RQ"), "{error}");
    assert_eq!(status["members"][0]["state"], "up");
}
