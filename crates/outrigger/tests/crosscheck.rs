//! What members say and give is compared in idle time: who forgot or altered something is found, with the witness, and no more
//! said once it is put right.

use std::time::Duration;

use bytes::Bytes;
use outrigger_sim::peers::{DcmQrScp, Orthanc, OrthancSetup, PynetdicomQrScp, Station};
use serde_json::Value;
use tempfile::TempDir;

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, answers, head};
use crate::modality::{Object, objects, send};
use crate::reading::{NO_RETENTION, released};

const PATIENCE: Duration = Duration::from_secs(90);
/// Rounds of a cross-check take less than this here.
const WHILE: Duration = Duration::from_secs(5);

/// Everything is looked at all the time.
const ALWAYS: &str = "enabled = true\nrate = 1000\nbandwidth = \"1GiB\"\nsample = 100\nevery = \"1s\"\nagain = \"500ms\"\nidle = \"200ms\"";

/// An Orthanc and an embedded archive behind a door that cross-checks them.
struct Site {
    orthanc: Orthanc,
    archive: Archive,
    ours: Station,
}

impl Site {
    async fn new() -> Self {
        let ours = answers();
        let setup = OrthancSetup::new(&ae("ORTHANC"), std::slice::from_ref(&ours));
        Self {
            orthanc: Orthanc::start(&setup).await.unwrap(),
            archive: Archive::start("B", "redb").await,
            ours,
        }
    }

    async fn door(&self, level: &'static str, changed: impl Fn(String) -> String) -> Door {
        let directory = TempDir::new().unwrap();
        let members = [
            Behind::new("orthanc", self.orthanc.station(), level),
            Behind::new("b", &self.archive.station(), level),
        ];
        let text = head(directory.path(), self.ours.port, "")
            + &members.iter().map(Behind::text).collect::<String>();
        Door::open_with(directory, &changed(text)).await
    }

    async fn delete(&self, object: &Object) {
        let instances = self.orthanc.rest().instances().await.unwrap();
        let uid = &object.header.sop_instance;
        let found = instances.iter().find(|instance| instance.sop_instance == *uid).unwrap();
        self.orthanc.rest().delete(found).await.unwrap();
    }

    /// Puts another object in the place of one, as somebody at the archive could.
    async fn replace(&self, with: &Object) {
        self.delete(with).await;
        send(self.orthanc.station(), std::slice::from_ref(with)).await;
    }
}

fn checking(text: &str) -> String {
    text.replace("[crosscheck]\nenabled = false", &format!("[crosscheck]\n{ALWAYS}"))
}

/// The object with a bit of its last pixel turned over.
fn altered(object: &Object) -> Object {
    Object { bytes: flipped(object, 1), ..object.clone() }
}

fn flipped(object: &Object, bits: u8) -> Bytes {
    let mut bytes = object.bytes.to_vec();
    *bytes.last_mut().unwrap() ^= bits;
    Bytes::from(bytes)
}

async fn findings(door: &Door) -> Vec<Value> {
    let url = format!("{}/api/v1/findings", door.admin());
    let body = tokio::task::spawn_blocking(move || ureq::get(&url).call().unwrap().body_mut().read_to_vec());
    let all: Value = serde_json::from_slice(&body.await.unwrap().unwrap()).unwrap();
    all["items"].as_array().unwrap().iter().filter(|finding| !finding["witness"].is_null()).cloned().collect()
}

/// Waits until so many differences of each kind stand open: altered, forgotten, disagree.
async fn open(door: &Door, counts: [u64; 3]) -> Value {
    let is_so = |status: &Value| {
        let open = &status["crosscheck"]["open"];
        [&open["altered"], &open["forgotten"], &open["disagree"]].map(|count| count.as_u64().unwrap())
            == counts
    };
    door.until(&["status"], PATIENCE, is_so).await
}

/// Waits until every study was looked at in a round that began after this.
async fn looked(door: &Door) -> Value {
    let round = door.json(&["status"]).await["crosscheck"]["round"].as_u64().unwrap();
    let is_later = |status: &Value| status["crosscheck"]["round"].as_u64().unwrap() > round + 1;
    door.until(&["status"], PATIENCE, is_later).await
}

#[tokio::test]
async fn peer_orthanc_that_altered_and_forgot_is_found_with_the_journal_as_witness_until_it_is_put_right() {
    let site = Site::new().await;
    let door = site.door("present", |text| checking(&text)).await;
    let sent = objects(7_100, 6);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    let sound = looked(&door).await;
    assert_eq!(sound["crosscheck"]["opened"], 0, "{:?}", findings(&door).await);
    assert!(sound["crosscheck"]["copies"].as_u64().unwrap() >= 12, "{sound}");

    site.replace(&altered(&sent[0])).await;
    site.delete(&sent[1]).await;
    let status = open(&door, [1, 1, 0]).await;
    assert_eq!(status["state"], "degraded", "{status}");
    let found = findings(&door).await;
    let table = door.ask(&["status"]).await.exits(3).stdout;
    let of_study = door.ask(&["why", sent[0].header.study.as_ref().unwrap().as_str()]).await.exits(0).stdout;
    for finding in &found {
        let text = finding["text"].as_str().unwrap();
        assert!(text.contains("(witness: "), "{text}");
        assert_eq!(table.matches(text).count(), 1, "{table}");
        assert!(of_study.contains(text), "{text} is not in {of_study}");
    }
    for (kind, object, witness) in [("altered", &sent[0], "journal"), ("forgotten", &sent[1], "books")] {
        let finding = found.iter().find(|finding| finding["kind"] == kind).unwrap();
        assert_eq!(finding["member"], "orthanc", "{finding}");
        assert_eq!(finding["instance"], object.header.sop_instance.as_str(), "{finding}");
        assert_eq!(finding["witness"], witness, "{finding}");
        let why = door.ask(&["why", object.header.sop_instance.as_str()]).await.exits(0);
        assert!(why.stdout.contains(finding["text"].as_str().unwrap()), "{why:?}");
    }

    // Altered once more, in the same words.
    site.replace(&Object { bytes: flipped(&sent[0], 2), ..sent[0].clone() }).await;
    let is_changed = |status: &Value| status["crosscheck"]["changed"] == 1;
    door.until(&["status"], PATIENCE, is_changed).await;
    let table = door.ask(&["status"]).await.exits(3).stdout;
    assert!(table.contains("something else is seen there"), "{table}");

    site.replace(&sent[0]).await;
    let study = sent[1].header.study.as_ref().unwrap();
    door.ask(&["resend", study.as_str(), "--to", "orthanc"]).await.exits(0);
    let status = open(&door, [0, 0, 0]).await;
    // Where a look fell between taking the altered one out and putting the right one in, it was forgotten for a moment.
    let closed = status["crosscheck"]["closed"].as_u64().unwrap();
    assert!((2..=3).contains(&closed) && status["crosscheck"]["opened"] == closed, "{status}");
    assert!(findings(&door).await.is_empty());
}

#[tokio::test]
async fn peer_orthanc_that_altered_something_is_not_found_where_nobody_looks() {
    let site = Site::new().await;
    let door = site.door("present", |text| text).await;
    let sent = objects(7_200, 2);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    site.replace(&altered(&sent[0])).await;
    site.delete(&sent[1]).await;
    tokio::time::sleep(WHILE).await;
    let status = door.json(&["status"]).await;
    assert_eq!(
        (status["crosscheck"].clone(), findings(&door).await),
        (Value::Null, Vec::new()),
        "the control"
    );
}

#[tokio::test]
async fn peer_orthanc_that_altered_something_is_found_by_the_digest_once_the_journal_has_let_the_bytes_go() {
    let site = Site::new().await;
    let door = site.door("verified", |text| checking(&text.replace("[journal]\n", NO_RETENTION))).await;
    let sent = objects(7_300, 3);
    send(&door.station(), &sent).await;
    released(&door, &sent).await;
    site.replace(&altered(&sent[2])).await;
    open(&door, [1, 0, 0]).await;
    let found = findings(&door).await;
    assert_eq!(
        (&found[0]["member"], &found[0]["witness"]),
        (&"orthanc".into(), &"digest".into()),
        "{found:?}"
    );
}

/// Priors that were never accepted: nobody can tell which of two is right.
#[tokio::test]
async fn peer_orthanc_and_an_archive_that_had_different_priors_are_undecided() {
    let site = Site::new().await;
    let priors = objects(7_400, 3);
    send(&site.archive.station(), &priors).await;
    let mut theirs = priors.clone();
    theirs[1] = altered(&priors[1]);
    send(site.orthanc.station(), &theirs).await;
    let inventoried = |text: String| {
        checking(&text).replace("[inventory]\nenabled = false", "[inventory]\nrate = 1000\nevery = \"2s\"")
    };
    let door = site.door("present", inventoried).await;
    open(&door, [1, 0, 0]).await;
    let found = findings(&door).await;
    assert_eq!((&found[0]["member"], &found[0]["witness"]), (&Value::Null, &"undecided".into()), "{found:?}");
    assert_eq!(found[0]["instance"], priors[1].header.sop_instance.as_str(), "{found:?}");
    site.replace(&priors[1]).await;
    open(&door, [0, 0, 0]).await;
}

/// Two unlike archives, with everything looked at all the time, where nobody has altered anything.
async fn nothing_is_found(theirs: &Station, ours: &Station, seed: u64) {
    let archive = Archive::start("B", "redb").await;
    let members = [
        Behind::new("theirs", theirs, "present").with("connections = 1"),
        Behind::new("b", &archive.station(), "present"),
    ];
    let directory = TempDir::new().unwrap();
    let text = head(directory.path(), ours.port, "") + &members.iter().map(Behind::text).collect::<String>();
    let door = Door::open_with(directory, &checking(&text)).await;
    let sent = objects(seed, 4);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    let sound = looked(&door).await;
    assert_eq!(sound["crosscheck"]["opened"], 0, "{:?}", findings(&door).await);
    assert!(sound["crosscheck"]["copies"].as_u64().unwrap() >= 8, "both gave every instance: {sound}");
}

#[tokio::test]
async fn peer_dcmtk_and_an_archive_that_say_the_same_are_left_in_peace() {
    let ours = answers();
    let theirs = DcmQrScp::start(&ae("QRSCP"), std::slice::from_ref(&ours)).await.unwrap();
    nothing_is_found(theirs.station(), &ours, 7_500).await;
}

#[tokio::test]
async fn peer_pynetdicom_and_an_archive_that_say_the_same_are_left_in_peace() {
    let ours = answers();
    let theirs = PynetdicomQrScp::start(&ae("PYQR"), std::slice::from_ref(&ours)).await.unwrap();
    nothing_is_found(theirs.station(), &ours, 7_600).await;
}
