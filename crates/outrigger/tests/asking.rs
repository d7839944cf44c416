//! The commands that ask a running node: exit statuses and the fields that scripts rely on.

use std::time::Duration;

use outrigger_sim::peers::free_port;
use outrigger_sim::scripted::{Conduct, Scripted};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::door::{Behind, Door, ae, line};
use crate::modality::{Object, objects, send};
use crate::program::run;

const PATIENCE: Duration = Duration::from_secs(30);

/// A front door before two members that do as they are told.
struct Pair {
    a: Scripted,
    b: Scripted,
    door: Door,
}

impl Pair {
    async fn open() -> Self {
        let (a, b) = (Scripted::start(&ae("A")).await.unwrap(), Scripted::start(&ae("B")).await.unwrap());
        let members = [Behind::new("a", a.station(), "present"), Behind::new("b", b.station(), "present")];
        let door = Door::open(&members).await;
        Self { a, b, door }
    }

    async fn send(&self, seed: u64, count: u32) -> Vec<Object> {
        let sent = objects(seed, count);
        send(&self.door.station(), &sent).await;
        sent
    }
}

fn study(object: &Object) -> String {
    object.header.study.as_ref().unwrap().to_string()
}

/// The fields that an object must have, whatever they hold.
fn has(value: &Value, fields: &[&str]) {
    for field in fields {
        assert!(value.get(field).is_some(), "`{field}` is not in {value:#}");
    }
}

#[tokio::test]
async fn a_node_that_is_not_there_is_said_to_be_unreachable() {
    let url = format!("http://127.0.0.1:{}", free_port().unwrap());
    for command in [
        &["balance"][..],
        &["status"],
        &["why", "1.2.3"],
        &["suspense", "list"],
        &["suspense", "retry", "1:1"],
        &["suspense", "write-off", "1:1", "--by", "ada", "--reason", "test"],
        &["member", "list"],
        &["member", "hold", "a"],
        &["resend", "1.2.3"],
        &["expedite", "1.2.3"],
        &["reload"],
        &["scrub"],
    ] {
        let mut arguments = command.to_vec();
        arguments.extend(["--admin", &url]);
        run(&arguments).await.exits(6).says(&[&url]);
    }
    for no_url in ["nonsense", "/var/lib", "http://"] {
        run(&["balance", "--admin", no_url]).await.exits(2).says(&[no_url.trim_end_matches('/'), "no URL"]);
    }
}

#[tokio::test]
async fn balanced_books_are_shown_with_the_fields_that_scripts_read() {
    let pair = Pair::open().await;
    let sent = pair.send(1, 6).await;
    let balance = pair.door.balance_exits(0, PATIENCE).await;
    assert_eq!(balance["balanced"], true);
    for member in ["a", "b"] {
        let row = line(&balance, member);
        let columns = [
            "accepted_entries",
            "confirmed",
            "pending",
            "suspense",
            "superseded",
            "not_wanted",
            "written_off",
            "difference",
        ];
        let counts = columns.map(|column| row[column].as_i64().unwrap());
        assert_eq!(counts, [6, 6, 0, 0, 0, 0, 0, 0], "{balance:#}");
    }
    let days = pair.door.ask(&["balance", "--by", "day", "--json"]).await.exits(0).json();
    assert!(days["rows"][0]["day"].is_string(), "{days:#}");
    assert_eq!(days["rows"][0]["confirmed"], 6);
    assert!(pair.door.ask(&["balance"]).await.exits(0).stdout.contains("balanced"));

    let status = pair.door.ask(&["status", "--json"]).await.exits(0).json();
    has(&status, &["node", "config_loaded_at"]);
    assert_eq!(status["state"], "healthy");
    has(&status["journal"], &["entries", "bytes", "capacity", "forecast_hours"]);
    has(&status["journal"]["copies"][0], &["engine", "path", "state", "generation"]);
    has(&status["members"][1], &["name", "state", "owed", "oldest_owed_s", "suspense"]);
    has(&status["members"][1]["routes"][0], &["protocol", "implementation", "state"]);
    assert_eq!(status["peers"][0]["ae_title"], "CT1");
    assert_eq!(status["peers"][0]["objects"], 6);
    has(&status["peers"][0], &["last_seen"]);

    let why = pair.door.ask(&["why", &study(&sent[0]), "--json"]).await.exits(0).json();
    assert_eq!(why["studies"][0]["study_uid"], study(&sent[0]));
    let instance = &why["studies"][0]["instances"][0];
    has(instance, &["sop_uid", "digest"]);
    assert_eq!(instance["journal"], true);
    for member in instance["members"].as_array().unwrap() {
        has(member, &["name", "attempts", "next_at"]);
        assert_eq!((&member["state"], &member["level"]), (&"confirmed".into(), &"present".into()), "{why:#}");
    }
    let attempt = &instance["members"][0]["attempts"][0];
    has(attempt, &["at", "route", "text"]);
    assert_eq!(attempt["status"], "0000");
    for uid in [sent[0].header.series.as_ref().unwrap().as_str(), sent[0].header.sop_instance.as_str()] {
        pair.door.ask(&["why", uid]).await.exits(0);
    }
    let unknown = pair.door.ask(&["why", "1.2.3", "--json"]).await.exits(5).json();
    assert_eq!(unknown["studies"], serde_json::json!([]));
    assert_eq!((pair.a.kept().len(), pair.b.kept().len()), (6, 6));
}

/// What the admin API answers to a request of these lines.
async fn answer(door: &Door, lines: &str) -> String {
    let mut stream = TcpStream::connect(door.admin().replace("http://", "")).await.unwrap();
    stream.write_all(format!("{lines}\r\nConnection: close\r\n\r\n").as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// The metrics of a node, line by line.
pub(crate) async fn metrics(door: &Door) -> String {
    let address = door.admin().replace("http://", "");
    let answer = answer(door, &format!("GET /metrics HTTP/1.1\r\nHost: {address}")).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

/// Goal: what a page from elsewhere has a browser of this machine ask, by a name of its own that leads here or across origins, is
/// refused.
#[tokio::test]
async fn the_admin_api_is_for_programs_of_this_machine_and_no_page_from_elsewhere() {
    let pair = Pair::open().await;
    let port = pair.door.admin().rsplit(':').next().unwrap().to_owned();
    for (lines, status) in [
        ("GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:PORT", "200"),
        ("GET /api/v1/status HTTP/1.1\r\nHost: localhost:PORT", "200"),
        ("GET /health HTTP/1.0", "200"),
        ("GET /api/v1/status HTTP/1.1\r\nHost: rebound.example:PORT", "403"),
        ("GET http://rebound.example/api/v1/status HTTP/1.1\r\nHost: rebound.example", "403"),
        ("GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: rebound.example", "400"),
        (
            "POST /api/v1/reload HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: https://elsewhere.example\r\nContent-Length: 0",
            "403",
        ),
        ("POST /api/v1/reload HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: null\r\nContent-Length: 0", "403"),
        ("GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1:PORT\r\nOrigin: http://127.0.0.1:PORT", "200"),
    ] {
        let answer = answer(&pair.door, &lines.replace("PORT", &port)).await;
        assert_eq!(answer.split(' ').nth(1), Some(status), "{lines}: {answer}");
    }
}

#[tokio::test]
async fn a_member_that_is_held_is_owed_until_it_is_resumed() {
    let pair = Pair::open().await;
    pair.door.ask(&["member", "hold", "b"]).await.exits(0);
    pair.send(2, 5).await;
    pair.a.keeps(5).await;
    let owed = |balance: &Value| line(balance, "a")["pending"] == 0 && line(balance, "b")["pending"] == 5;
    pair.door.until(&["balance"], PATIENCE, owed).await;
    pair.door.ask(&["balance"]).await.exits(3);
    let studies = pair.door.ask(&["balance", "--by", "study", "--json"]).await.exits(3).json();
    assert!(studies["rows"][0]["study"].is_string(), "{studies:#}");
    let metrics = metrics(&pair.door).await;
    for line in [
        "outrigger_member_owed{member=\"a\"} 0",
        "outrigger_member_owed{member=\"b\"} 5",
        "outrigger_member_suspense{member=\"b\"} 0",
        "outrigger_member_state{member=\"a\",state=\"up\"} 1",
        "outrigger_member_state{member=\"b\",state=\"up\"} 0",
        "outrigger_member_state{member=\"b\",state=\"held\"} 1",
        "outrigger_member_oldest_owed_seconds{member=\"a\"} 0",
        "outrigger_ledger_up 1",
    ] {
        assert!(metrics.lines().any(|shown| shown == line), "{line} is not in {metrics}");
    }
    for name in [
        "outrigger_member_oldest_owed_seconds{member=\"b\"} ",
        "outrigger_journal_bytes ",
        "outrigger_journal_capacity_bytes ",
    ] {
        let figure = metrics.lines().find_map(|line| line.strip_prefix(name)).unwrap();
        assert!(figure.parse::<f64>().unwrap() > 0.0, "{name}: {figure}");
    }
    let status = pair.door.ask(&["status", "--json"]).await.exits(3).json();
    assert_eq!((&status["state"], &status["members"][1]["state"]), (&"degraded".into(), &"held".into()));
    assert_eq!(status["members"][1]["owed"], 5);
    let members = pair.door.ask(&["member", "list", "--json"]).await.exits(0).json();
    has(&members["members"][0], &["name", "state", "confirm", "required"]);
    assert_eq!(pair.b.kept().len(), 0);

    pair.door.ask(&["member", "resume", "b"]).await.exits(0);
    pair.door.balance_exits(0, PATIENCE).await;
    assert_eq!(pair.b.kept().len(), 5);
    pair.door.ask(&["member", "hold", "nobody"]).await.exits(2).says(&["nobody"]);

    pair.door.ask(&["member", "retire", "b"]).await.exits(0);
    pair.send(3, 2).await;
    pair.a.keeps(7).await;
    pair.door.balance_exits(0, PATIENCE).await;
    assert_eq!(pair.b.kept().len(), 5, "nothing goes to a member that is out of the books");
}

#[tokio::test]
async fn suspense_is_worked_by_id_and_by_the_many() {
    let pair = Pair::open().await;
    pair.b.behave(Conduct::Answers(0xC123));
    let sent = pair.send(4, 4).await;
    let all = |balance: &Value| line(balance, "b")["suspense"] == 4;
    pair.door.until(&["balance"], PATIENCE, all).await;
    pair.door.ask(&["balance"]).await.exits(4);
    pair.door.ask(&["status"]).await.exits(3);

    let list = pair.door.ask(&["suspense", "list", "--json"]).await.exits(0).json();
    let items = list["items"].as_array().unwrap();
    assert_eq!(items.len(), 4);
    for item in items {
        assert_eq!(
            (&item["member"], &item["reason"], &item["status"]),
            (&"b".into(), &"refused".into(), &"C123".into())
        );
        assert!(item["text"].as_str().unwrap().contains("as the script says"), "{item:#}");
    }
    assert!(pair.door.ask(&["suspense", "list"]).await.exits(0).stdout.contains("C123"));
    let first = &items[0];
    let told = pair.door.ask(&["why", first["sop_instance"].as_str().unwrap()]).await.exits(0).stdout;
    let id = first["id"].as_str().unwrap();
    let entry = id.split(':').next().unwrap();
    assert!(
        told.contains(&format!("b: suspense, id {id}"))
            && told.contains(&format!("entry {entry}, accepted 20")),
        "{told}"
    );
    let id = items[0]["id"].as_str().unwrap();
    let shown = pair.door.ask(&["suspense", "show", id, "--json"]).await.exits(0).json();
    assert_eq!(shown, items[0]);
    pair.door.ask(&["suspense", "show", "9999:1"]).await.exits(1);
    pair.door.ask(&["suspense", "retry", "nonsense"]).await.exits(2).says(&["nonsense"]);
    pair.door.ask(&["suspense", "retry"]).await.exits(2);
    pair.door.ask(&["suspense", "write-off", id]).await.exits(2);
    pair.door.ask(&["suspense", "write-off", id, "--by", " ", "--reason", "x"]).await.exits(2);

    pair.b.behave(Conduct::Keeps);
    let retried = pair.door.ask(&["suspense", "retry", id, "--json"]).await.exits(0).json();
    assert_eq!(retried["count"], 1);
    pair.b.keeps(1).await;
    let written =
        ["suspense", "write-off", items[1]["id"].as_str().unwrap(), "--by", "ada", "--reason", "a test"];
    pair.door.ask(&written).await.exits(0);
    let many = ["suspense", "retry", "--member", "b", "--reason-code", "refused"];
    assert!(pair.door.ask(&many).await.exits(0).stdout.starts_with('2'));
    let balance = pair.door.balance_exits(0, PATIENCE).await;
    assert_eq!(line(&balance, "b")["written_off"], 1, "{balance:#}");
    assert_eq!(pair.b.kept().len(), 3);

    let again = pair.door.ask(&["resend", &study(&sent[0]), "--to", "b", "--json"]).await.exits(0).json();
    assert!(again["count"].as_u64().unwrap() > 0, "{again}");
    pair.door.balance_exits(0, PATIENCE).await;
    pair.door.ask(&["expedite", &study(&sent[0])]).await.exits(0);
    pair.door.ask(&["expedite", "not a uid"]).await.exits(2).says(&["not a uid"]);
    pair.door.ask(&["resend", "--since", "yesterday", "--to", "b"]).await.exits(2).says(&["yesterday"]);
}
