//! What was acknowledged is seen by whoever asks next, over either protocol: queries and storage commitment begin where the last
//! store ended, not where the books happen to be. Commitment over DIMSE is asked for so by pynetdicom in `committing`.

use std::time::{Duration, Instant};

use outrigger_dataset::part10;
use outrigger_model::Status;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::archives::Archive;
use crate::asking_members::{MOST, asking, instances, uids};
use crate::door::{Behind, Door, head};
use crate::modality::{Object, associated, objects, store};

/// Objects, each of which is asked for before the next is sent.
const OBJECTS: u32 = 60;
const TIMEOUT: Duration = Duration::from_secs(60);
/// How often a result is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(50);

/// A front door before one archive, which has what it must commit to when that has given it back.
async fn door(archive: &Archive) -> Door {
    let directory = TempDir::new().unwrap();
    let text = head(directory.path(), 0, "")
        + &Behind::new("a", &archive.station(), "verified").text()
        + "[[front.web]]\nlisten = \"127.0.0.1:0\"\n[[peer]]\nae_title = \"CT1\"\n";
    Door::open_with(directory, &text).await
}

#[tokio::test]
async fn what_was_stored_over_dimse_is_found_by_the_next_request() {
    let archive = Archive::start("A", "sqlite").await;
    let door = door(&archive).await;
    let sent = objects(71, OBJECTS);
    let mut storing = associated(&door.station(), &sent).await;
    let mut asking = asking("CT1", &door.station()).await;
    for (number, object) in sent.iter().enumerate() {
        assert_eq!(store(&mut *storing, object).await, Status::SUCCESS);
        let found = asking.find(&instances(object), MOST).await.unwrap();
        assert!(
            uids(&found.answers).contains(&object.header.sop_instance.to_string()),
            "{number}: {found:?}"
        );
    }
}

#[tokio::test]
async fn what_was_stored_over_the_web_is_found_by_the_next_request_and_committed() {
    let archive = Archive::start("A", "sqlite").await;
    let door = door(&archive).await;
    let root = format!("http://{}/dicomweb", door.node.listening().unwrap().web[0]);
    let sent = objects(72, OBJECTS);
    let asked = move || {
        let agent = ureq::Agent::config_builder().timeout_global(Some(TIMEOUT)).build().new_agent();
        for (number, object) in sent.iter().enumerate() {
            let uid = &object.header.sop_instance;
            let stored =
                agent.post(format!("{root}/studies")).header("Content-Type", TYPE).send(&body(object));
            assert_eq!(stored.unwrap().status(), 200, "{number}");
            let url = format!("{root}/instances?SOPInstanceUID={uid}");
            let found = agent.get(url).call().unwrap().body_mut().read_to_string().unwrap();
            let found: Value = serde_json::from_str(&found).unwrap();
            assert_eq!(found[0]["00080018"]["Value"][0], uid.as_str(), "{number}: {found:#}");
            if number.is_multiple_of(6) {
                let url = format!("{root}/commitment-requests/1.2.8.{number}");
                let answer = committed(&agent, &url, &sent[..=number]);
                let committed = answer["00081199"]["Value"].as_array().map(Vec::len);
                assert_eq!((committed, answer.get("00081198")), (Some(number + 1), None), "{answer:#}");
            }
        }
    };
    let asked = tokio::task::spawn_blocking(asked).await;
    assert!(asked.is_ok(), "{asked:?}\n{}", door.log());
}

const TYPE: &str = "multipart/related; type=\"application/dicom\"; boundary=b";

/// A store request of one object.
fn body(Object { header, transfer_syntax, bytes }: &Object) -> Vec<u8> {
    let file = part10::file(&header.sop_class, &header.sop_instance, transfer_syntax, bytes);
    let head = b"--b\r\nContent-Type: application/dicom\r\n\r\n";
    [&head[..], &file, b"\r\n--b--\r\n"].concat()
}

/// A request for commitment to these (PS3.18 section 13).
fn request_of(objects: &[Object]) -> Vec<u8> {
    let uid = |uid: &str| json!({"vr": "UI", "Value": [uid]});
    let items: Vec<Value> = objects
        .iter()
        .map(|object| {
            let header = &object.header;
            json!({"00081150": uid(header.sop_class.as_str()), "00081155": uid(header.sop_instance.as_str())})
        })
        .collect();
    serde_json::to_vec(&json!({"00081199": {"vr": "SQ", "Value": items}})).unwrap()
}

/// Asks for commitment at once and looks until there is a result.
fn committed(agent: &ureq::Agent, url: &str, objects: &[Object]) -> Value {
    let request = agent.post(url).header("Content-Type", "application/dicom+json");
    let mut answer = request.send(&request_of(objects)).unwrap();
    let give_up = Instant::now() + TIMEOUT;
    while answer.status() == 202 {
        assert!(Instant::now() < give_up, "{url} is not decided");
        std::thread::sleep(LOOK_EVERY);
        answer = agent.get(url).call().unwrap();
    }
    assert_eq!(answer.status(), 200, "{url}");
    serde_json::from_str(&answer.body_mut().read_to_string().unwrap()).unwrap()
}
