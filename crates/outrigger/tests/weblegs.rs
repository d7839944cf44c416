//! Members behind their web servers: DICOMweb and Orthanc's REST interface, as routes beside DIMSE and in its place.

use std::fmt::Write as _;
use std::time::Duration;

use outrigger_member::Member as _;
use outrigger_model::{Level, Query, QueryKey, QueryRoot, Tag};
use outrigger_sim::peers::{DicomPort, Orthanc, OrthancSetup, free_port};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::door::{Door, ae, head, line, written};
use crate::modality::{Object, objects, reached, same_at, send};
use crate::program::run;
use crate::reading::{NO_RETENTION, released};

const PATIENCE: Duration = Duration::from_secs(60);

/// A member with these routes.
pub(crate) fn member(name: &str, confirm: &str, routes: &[String]) -> String {
    let mut text = format!("[[member]]\nname = \"{name}\"\nconfirm = \"{confirm}\"\nsettle = \"0s\"\n");
    for route in routes {
        write!(text, "[[member.route]]\n{route}\n").unwrap();
    }
    text
}

pub(crate) fn web(protocol: &str, url: &str) -> String {
    format!("protocol = \"{protocol}\"\nurl = \"{url}\"")
}

async fn open(members: &str) -> Door {
    let directory = TempDir::new().unwrap();
    let text = head(directory.path(), 0, "") + members;
    Door::open_with(directory, &text).await
}

async fn level(door: &Door, object: &Object, member: &str) -> String {
    let why = door.json(&["why", object.header.sop_instance.as_str()]).await;
    let members = why["studies"][0]["instances"][0]["members"].as_array().unwrap().clone();
    let found = members.into_iter().find(|found| found["name"] == member).unwrap();
    found["level"].as_str().unwrap_or_default().to_owned()
}

/// The words of the findings.
async fn findings(door: &Door) -> Vec<String> {
    let url = format!("{}/api/v1/findings", door.admin());
    let body = tokio::task::spawn_blocking(move || {
        ureq::get(&url).call().unwrap().body_mut().read_to_string().unwrap()
    });
    let answer: Value = serde_json::from_str(&body.await.unwrap()).unwrap();
    let findings = answer.as_object().unwrap().values().find_map(Value::as_array).unwrap().clone();
    findings.iter().map(|finding| format!("{}: {}", finding["kind"], finding["text"])).collect()
}

#[tokio::test]
async fn peer_orthanc_is_delivered_to_and_verified_over_its_web_server_alone() {
    let (one, two) = (
        Orthanc::start(&OrthancSetup::new(&ae("ONE"), &[])).await.unwrap(),
        Orthanc::start(&OrthancSetup::new(&ae("TWO"), &[])).await.unwrap(),
    );
    let members = member("web", "verified", &[web("dicomweb", &one.dicomweb())])
        + &member("rest", "verified", &[web("orthanc", &two.rest().url(""))]);
    let directory = TempDir::new().unwrap();
    let config = written(directory.path(), &(head(directory.path(), 0, "") + &members));
    let probed = run(&["check", "--config", config.to_str().unwrap(), "--probe", "--json"]).await.exits(0);
    let who: Vec<_> =
        probed.json()["probes"].as_array().unwrap().iter().map(|probe| probe["who"].clone()).collect();
    assert_eq!(who[0], format!("member web by dicomweb at {}", one.dicomweb()));

    let door = Door::open_with(directory, &std::fs::read_to_string(&config).unwrap()).await;
    let sent = objects(1, 12);
    send(&door.station(), &sent).await;
    let balance = door.balance_exits(0, PATIENCE).await;
    for (name, peer) in [("web", &one), ("rest", &two)] {
        assert_eq!(line(&balance, name)["confirmed"], sent.len(), "{balance:#}");
        assert_eq!(peer.rest().count().await.unwrap(), sent.len() as u64);
        for object in &sent {
            assert_eq!(level(&door, object, name).await, "verified");
        }
    }
    let status = door.json(&["status"]).await;
    let protocols: Vec<_> =
        (0..2).map(|member| status["members"][member]["routes"][0]["protocol"].clone()).collect();
    assert_eq!(protocols, ["web", "rest"].map(|name| if name == "web" { "dicomweb" } else { "orthanc" }));
    assert_eq!(status["state"], "healthy", "{status:#}");
    assert!(findings(&door).await.is_empty());
}

#[tokio::test]
async fn peer_orthanc_without_commitment_over_the_web_is_confirmed_by_a_query() {
    let peer = Orthanc::start(&OrthancSetup::new(&ae("ONE"), &[])).await.unwrap();
    for route in [web("dicomweb", &peer.dicomweb()), web("orthanc", &peer.rest().url(""))] {
        let door = open(&member("web", "committed", &[route])).await;
        let sent = objects(1, 3);
        send(&door.station(), &sent).await;
        door.balance_exits(0, PATIENCE).await;
        let told =
            |status: &Value| status["members"][0]["findings"].to_string().contains("storage commitment");
        let status = door.until(&["status"], PATIENCE, told).await;
        assert_eq!(status["state"], "degraded", "{status:#}");
        let reached = level(&door, &sent[0], "web").await;
        assert!(["present", "verified"].contains(&reached.as_str()), "{reached}");
    }
}

#[tokio::test]
async fn peer_orthanc_is_reached_by_the_next_route_where_the_first_fails_and_it_is_written_down() {
    let peer = Orthanc::start(&OrthancSetup::new(&ae("ONE"), &[])).await.unwrap();
    let closed = free_port().unwrap();
    let dead = format!("protocol = \"dimse\"\naddress = \"127.0.0.1:{closed}\"\nae_title = \"ONE\"");
    let door = open(&member("one", "present", &[dead, web("dicomweb", &peer.dicomweb())])).await;
    let sent = objects(1, 6);
    send(&door.station(), &sent).await;
    let balance = door.balance_exits(0, PATIENCE).await;
    assert_eq!(line(&balance, "one")["confirmed"], sent.len(), "{balance:#}");
    assert_eq!(peer.rest().count().await.unwrap(), sent.len() as u64);
    let found = findings(&door).await;
    let [finding] = &found[..] else { panic!("one finding, not {found:#?}") };
    assert!(finding.contains("route-failed"), "{finding}");
    assert!(
        finding.contains(&format!("the route dimse 127.0.0.1:{closed} failed where dicomweb http://")),
        "{finding}"
    );
    let status = door.json(&["status"]).await;
    let routes = &status["members"][0]["routes"];
    assert_eq!((&routes[0]["state"], &routes[1]["state"]), (&"away".into(), &"up".into()), "{status:#}");
}

#[tokio::test]
async fn a_web_server_that_is_busy_is_tried_again_and_told_of_without_the_password() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut read = vec![0; 1 << 20];
            assert!(stream.read(&mut read).await.unwrap() > 0);
            let busy = "HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\nContent-Length: 4\r\n\r\nbusy";
            stream.write_all(busy.as_bytes()).await.unwrap();
            stream.shutdown().await.unwrap();
            // One that closes while the rest of the request comes takes the answer back: the peer sees a reset.
            tokio::spawn(async move { tokio::io::copy(&mut stream, &mut tokio::io::sink()).await });
        }
    });
    let directory = TempDir::new().unwrap();
    let secret = directory.path().join("secret");
    std::fs::write(&secret, "ge@he/im\n").unwrap();
    let url = format!("http://ada:${{file:{}}}@{address}/dicom-web", secret.display());
    let text = head(directory.path(), 0, "") + &member("web", "present", &[web("dicomweb", &url)]);
    let door = Door::open_with(directory, &text).await;
    let sent = objects(1, 1);
    send(&door.station(), &sent).await;
    let uid = sent[0].header.sop_instance.as_str();
    let tried = |why: &Value| {
        let attempts = &why["studies"][0]["instances"][0]["members"][0]["attempts"];
        attempts.as_array().is_some_and(|attempts| !attempts.is_empty())
    };
    let why = door.until(&["why", uid], PATIENCE, tried).await.to_string();
    assert!(why.contains(&format!("http://{address}/dicom-web/studies answered STOW-RS with 503")), "{why}");
    assert!(why.contains("(Retry-After: 30)"), "{why}");
    door.balance_exits(3, PATIENCE).await;
    let log = std::fs::read_to_string(door.directory.path().join("log")).unwrap();
    for shown in [&why, &log, &door.json(&["status"]).await.to_string()] {
        assert!(!shown.contains("ge@he") && !shown.contains("ge%40he"), "{shown}");
    }
    serving.abort();
}

#[tokio::test]
async fn mistakes_in_web_routes_are_reported() {
    let directory = TempDir::new().unwrap();
    let token = directory.path().join("token");
    std::fs::write(&token, "abc").unwrap();
    let with_token = format!("http://a:b@h/x\"\ntoken_file = \"{}", token.display());
    for (url, words) in [
        ("pacs:80", "neither `http://` nor"),
        ("http://pacs/a?b", "the character `?`"),
        ("http://${env:OUTRIGGER_NOBODY}@h", "OUTRIGGER_NOBODY is not set"),
        ("http://u:${file:/nowhere/at/all}@h", "/nowhere/at/all cannot be read"),
        ("http://${nothing}", "or `${file:PATH}` is expected"),
        ("http://h/x\"\ntoken_file = \"/nowhere", "cannot be read"),
        (&with_token, "has a user already"),
        ("http://h/x\"\nae_title = \"PACS", "the key is unknown"),
    ] {
        let text = head(directory.path(), 0, "") + &member("web", "present", &[web("dicomweb", url)]);
        let config = written(directory.path(), &text);
        run(&["check", "--config", config.to_str().unwrap()]).await.exits(2).says(&[words]);
    }
    let clear =
        head(directory.path(), 0, "") + &member("web", "present", &[web("orthanc", "http://a:b@h:8042")]);
    let config = written(directory.path(), &clear);
    let ran = run(&["check", "--config", config.to_str().unwrap()]).await.exits(0);
    assert!(ran.stderr.contains("http://h:8042 is sent without TLS"), "{ran:?}");
}

/// Somebody else stores at the members; the front door knows nothing of it, and shows and gives it all the same.
#[tokio::test]
async fn peer_orthanc_is_searched_and_read_through_the_front_door_over_its_web_server_alone() {
    let peer = Orthanc::start(&OrthancSetup::new(&ae("ONE"), &[])).await.unwrap();
    let held = objects(7, 3);
    send(peer.station(), &held).await;
    for route in [web("dicomweb", &peer.dicomweb()), web("orthanc", &peer.rest().url(""))] {
        let directory = TempDir::new().unwrap();
        let on = head(directory.path(), 0, "").replace("enabled = false", "rate = 1000");
        let text = on + &member("one", "present", std::slice::from_ref(&route));
        let door = Door::open_with(directory, &text).await;
        let is_complete = |status: &Value| status["members"][0]["inventory"]["state"] == "complete";
        let status = door.until(&["status"], PATIENCE, is_complete).await;
        assert_eq!(status["members"][0]["inventory"]["unlisted"], 0, "{status:#}");
        let archive = reached(&door.station(), None);
        let mut session = archive.ask(&[]).await.unwrap();
        for object in &held {
            let header = &object.header;
            let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
            let keys = vec![
                key(Tag::STUDY_INSTANCE_UID, header.study.as_ref().unwrap().as_str()),
                key(Tag::PATIENT_NAME, ""),
                key(Tag::MODALITIES_IN_STUDY, ""),
            ];
            let found = session.find(&Query::new(QueryRoot::Study, Level::Study, keys), 5).await.unwrap();
            let [study] = &found.answers[..] else { panic!("{route}: one study, not {found:?}") };
            let name = study.attributes.iter().find(|(tag, _)| *tag == Tag::PATIENT_NAME);
            assert_eq!(name.map(|(_, name)| name.as_str()), header.attribute(Tag::PATIENT_NAME), "{route}");
        }
        session.release().await;
        same_at(&door.station(), &held).await;
    }
}

/// A front door over this route alone, that takes inventories and keeps nothing that its member has.
async fn reading_door(route: &str) -> Door {
    let directory = TempDir::new().unwrap();
    let text = head(directory.path(), 0, "")
        .replace("enabled = false", "rate = 1000")
        .replace("[journal]\n", NO_RETENTION)
        + &member("one", "verified", &[route.to_owned()]);
    Door::open_with(directory, &text).await
}

async fn route_is(door: &Door, state: &str) {
    let is = |status: &Value| status["members"][0]["routes"][0]["state"] == state;
    door.until(&["status"], PATIENCE, is).await;
}

/// Each language of its web server by itself, while nobody listens for DICOM: what it held is found and given, what comes is
/// delivered and read back from it, and it is seen to go and to come back.
#[tokio::test]
async fn peer_orthanc_without_its_dicom_port_is_a_member_over_its_web_server_alone() {
    let setup = OrthancSetup { dicom_port: DicomPort::Closed, ..OrthancSetup::new(&ae("ONE"), &[]) };
    for protocol in ["dicomweb", "orthanc"] {
        let mut peer = Orthanc::start(&setup).await.unwrap();
        TcpListener::bind(("127.0.0.1", peer.station().port)).await.expect("nobody has its DICOM port");
        let url = if protocol == "dicomweb" { peer.dicomweb() } else { peer.rest().url("") };
        let route = web(protocol, &url);

        let (priors, new) = (objects(71, 5), objects(72, 5));
        let before = reading_door(&route).await;
        send(&before.station(), &priors).await;
        let balance = before.balance_exits(0, PATIENCE).await;
        assert_eq!(line(&balance, "one")["confirmed"], priors.len(), "{protocol}: {balance:#}");
        assert_eq!(peer.rest().count().await.unwrap(), priors.len() as u64, "{protocol}");
        drop(before);

        // It knows nothing of the one before it.
        let door = reading_door(&route).await;
        let is_complete = |status: &Value| status["members"][0]["inventory"]["state"] == "complete";
        let status = door.until(&["status"], PATIENCE, is_complete).await;
        let inventory = &status["members"][0]["inventory"];
        assert_eq!((&inventory["unlisted"], &inventory["instances"]), (&0.into(), &priors.len().into()));
        same_at(&door.station(), &priors).await;
        send(&door.station(), &new).await;
        released(&door, &new).await;
        for object in &new {
            assert_eq!(level(&door, object, "one").await, "verified", "{protocol}");
        }
        same_at(&door.station(), &new).await;

        route_is(&door, "up").await;
        peer.process().kill().unwrap();
        let lost = objects(73, 2);
        send(&door.station(), &lost).await;
        route_is(&door, "away").await;
        peer.process().restart().await.unwrap();
        door.balance_exits(0, PATIENCE).await;
        route_is(&door, "up").await;
        assert!(findings(&door).await.is_empty(), "{protocol}: {:?}", findings(&door).await);
    }
}

/// The object as one of another patient, whose identifier is as long.
fn of_another_patient(object: &Object) -> Object {
    let attribute = object.header.attributes.iter().find(|(tag, _)| *tag == Tag::PATIENT_ID).unwrap();
    let (before, mut bytes) = (attribute.1.as_bytes(), object.bytes.to_vec());
    let at = bytes.windows(before.len()).position(|window| window == before).unwrap();
    bytes[at..at + before.len()].fill(b'Z');
    Object { bytes: bytes.into(), ..object.clone() }
}

/// Orthanc goes by the patient too, and keeps both versions of an instance that comes again with another patient.
#[tokio::test]
async fn peer_orthanc_that_keeps_a_second_version_beside_the_first_has_not_lost_it() {
    let peer = Orthanc::start(&OrthancSetup::new(&ae("ONE"), &[])).await.unwrap();
    let door = open(&member("web", "verified", &[web("dicomweb", &peer.dicomweb())])).await;
    let sent = objects(3, 1);
    send(&door.station(), &sent).await;
    door.balance_exits(0, PATIENCE).await;
    send(&door.station(), &[of_another_patient(&sent[0])]).await;
    let balance = door.balance_exits(4, PATIENCE).await;
    assert_eq!(line(&balance, "web")["suspense"], 1, "{balance:#}");
    assert_eq!(peer.rest().count().await.unwrap(), 2, "it has both, and was sent each once");
    let why = door.json(&["why", sent[0].header.sop_instance.as_str()]).await;
    let versions = why["studies"][0]["instances"].as_array().unwrap();
    let [first, second] = ["confirmed", "suspense"]
        .map(|state| versions.iter().find(|version| version["members"][0]["state"] == state).unwrap());
    let member = &second["members"][0];
    let beside = format!("keeps this version beside that of entry {}", first["entry"]);
    assert!(member["reason"].as_str().unwrap().contains(&beside), "{why:#}");
    assert_eq!(member["attempts"].as_array().unwrap().len(), 2, "stored once, and asked for once: {why:#}");
    assert!(member["next_step"].as_str().unwrap().contains("remove entry"), "{why:#}");
}
