//! Storage commitment as clients of the web ask for it (PS3.18 section 13).

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use outrigger_model::{InstanceHeader, SopClassUid};
use outrigger_sim::peers::{Nagle, ToolRun};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use super::{Asking, PATIENCE, Site, taken, uids};
use crate::modality::{Object, objects, send};

pub(super) const ONE: &str = "0123456789abcdef-one";
const TWO: &str = "0123456789abcdef-two";
/// How often a client looks for its result.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A site with a web door, and two clients that may ask and look.
async fn site(commit: &str) -> (Site, TempDir) {
    let tokens = TempDir::new().unwrap();
    let file = tokens.path().join("tokens");
    fs::write(&file, format!("write {ONE}\nwrite {TWO}\nread {TWO}\n")).unwrap();
    let listener = format!("[[front.web]]\nlisten = \"127.0.0.1:0\"\ntokens_file = \"{}\"\n", file.display());
    (Site::open_with(commit, &listener).await, tokens)
}

/// What a client is answered: the status, the seconds after which it is to come again, and what is committed and what is not.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Said {
    pub(super) status: u16,
    pub(super) again: String,
    pub(super) committed: Vec<String>,
    pub(super) failed: BTreeMap<String, u64>,
}

impl Said {
    pub(super) fn only(status: u16) -> Self {
        let again = if status == 202 { "5" } else { "" }.to_owned();
        Self { status, again, committed: Vec::new(), failed: BTreeMap::new() }
    }

    pub(super) fn all(sent: &[Object]) -> Self {
        Self { committed: uids(sent), ..Self::only(200) }
    }
}

/// Asks for these instances, or looks for a result where there are none.
pub(super) async fn curl(site: &Site, token: &str, transaction: &str, instances: &[&InstanceHeader]) -> Said {
    let url = format!(
        "http://{}/dicomweb/commitment-requests/{transaction}",
        site.door.node.listening().unwrap().web[0]
    );
    let token = format!("Authorization: Bearer {token}");
    let mut arguments = vec!["--silent", "--show-error", "--max-time", "60", "--header", &token];
    arguments.extend(["--write-out", "\n%header{retry-after}\n%{http_code}"]);
    let uid = |uid: &str| json!({"vr": "UI", "Value": [uid]});
    let item = |of: &&InstanceHeader| json!({"00081150": uid(of.sop_class.as_str()), "00081155": uid(of.sop_instance.as_str())});
    let items: Vec<Value> = instances.iter().map(item).collect();
    let body = json!({"00081199": {"vr": "SQ", "Value": items}}).to_string();
    if !instances.is_empty() {
        arguments.extend(["--header", "Content-Type: application/dicom+json", "--data-binary", &body]);
    }
    arguments.push(&url);
    let ran = ToolRun::of("curl", &arguments, Nagle::Off).await.unwrap();
    let mut lines = ran.stdout.rsplitn(3, '\n');
    let (status, again) = (lines.next().unwrap().parse().unwrap(), lines.next().unwrap().to_owned());
    let module: Value = lines.next().and_then(|body| serde_json::from_str(body).ok()).unwrap_or_default();
    let each = |tag: &str| module[tag]["Value"].as_array().cloned().unwrap_or_default();
    let uid = |item: &Value| item["00081155"]["Value"][0].as_str().unwrap().to_owned();
    let mut committed: Vec<String> = each("00081199").iter().map(uid).collect();
    committed.sort();
    let failed = each("00081198");
    let failed =
        failed.iter().map(|item| (uid(item), item["00081197"]["Value"][0].as_u64().unwrap())).collect();
    Said { status, again, committed, failed }
}

async fn ask(site: &Site, token: &str, transaction: &str, sent: &[Object]) -> Said {
    let instances: Vec<_> = sent.iter().map(|object| &object.header).collect();
    curl(site, token, transaction, &instances).await
}

/// Looks until there is a result.
pub(super) async fn result(site: &Site, token: &str, transaction: &str) -> Said {
    let give_up = Instant::now() + PATIENCE;
    loop {
        let said = curl(site, token, transaction, &[]).await;
        if said.status != 202 {
            return said;
        }
        assert!(Instant::now() < give_up, "{transaction} is not decided\n{}", site.door.log());
        sleep(LOOK_EVERY).await;
    }
}

#[tokio::test]
async fn peer_curl_is_answered_at_once_what_is_settled_and_later_what_failed_and_why() {
    let (site, _tokens) = site("wait = \"4s\"").await;
    let sent = objects(80, 4);
    send(&site.door.station(), &sent).await;
    site.door.balance_exits(0, PATIENCE).await;
    assert_eq!(ask(&site, ONE, "1.2.9.1", &sent).await, Said::all(&sent));

    let unknown = objects(81, 1).remove(0).header;
    let mut of_other_class = sent[2].header.clone();
    of_other_class.sop_class = SopClassUid::known("1.2.840.10008.5.1.4.1.1.4");
    let asked = [&sent[0].header, &sent[1].header, &unknown, &of_other_class];
    assert_eq!(curl(&site, ONE, "1.2.9.2", &asked).await, Said::only(202), "it may still come");
    let failed = BTreeMap::from([
        (unknown.sop_instance.to_string(), 0x0112),
        (of_other_class.sop_instance.to_string(), 0x0119),
    ]);
    let expected = Said { failed, ..Said::all(&sent[..2]) };
    assert_eq!(result(&site, ONE, "1.2.9.2").await, expected);
    assert_eq!(result(&site, ONE, "1.2.9.2").await, expected, "as often as it is looked at");
    assert_eq!(curl(&site, ONE, "1.2.9.3", &[]).await, Said::only(404));
    let status = site.door.json(&["status"]).await;
    assert_eq!(status["commitments"], json!({"waiting": 0, "unreported": 0, "oldest": null}), "{status:#}");
    let trail = fs::read_to_string(site.door.directory.path().join("data/audit.log")).unwrap();
    assert!(
        trail.lines().any(|line| line.contains("110112") && line.contains("1.2.840.10008.1.20.1")),
        "{trail}"
    );
}

/// The request comes before the last object and before a kill, the result is read before and after another one.
#[tokio::test]
async fn peer_curl_asks_before_the_last_object_and_the_node_is_killed_meanwhile() {
    let (mut site, _tokens) = site("").await;
    let sent = objects(82, 4);
    let (last, first) = sent.split_last().unwrap();
    send(&site.door.station(), first).await;
    site.door.balance_exits(0, PATIENCE).await;
    assert_eq!(ask(&site, ONE, "1.2.9.1", &sent).await, Said::only(202));
    site.door.node.process().restart().await.unwrap();
    assert_eq!(curl(&site, ONE, "1.2.9.1", &[]).await, Said::only(202));
    assert_eq!(site.door.json(&["status"]).await["commitments"]["waiting"], 1);
    send(&site.door.station(), std::slice::from_ref(last)).await;
    assert_eq!(result(&site, ONE, "1.2.9.1").await, Said::all(&sent));
    site.door.node.process().restart().await.unwrap();
    assert_eq!(curl(&site, ONE, "1.2.9.1", &[]).await, Said::all(&sent));
}

/// One transaction is one request, whichever door it came by, and one client's.
#[tokio::test]
async fn peer_pynetdicom_and_curl_do_not_take_each_others_transactions() {
    let (site, _tokens) = site("").await;
    let (sent, missing) = (objects(83, 3), objects(84, 1));
    send(&site.door.station(), &sent).await;
    site.door.balance_exits(0, PATIENCE).await;
    assert_eq!(ask(&site, ONE, "1.2.9.1", &sent).await, Said::all(&sent));
    assert_eq!(ask(&site, ONE, "1.2.9.1", &sent).await, Said::all(&sent), "the same again");
    assert_eq!(ask(&site, ONE, "1.2.9.1", &missing).await, Said::only(409), "another one");
    assert_eq!(ask(&site, TWO, "1.2.9.1", &sent).await, Said::only(409), "another's");
    assert_eq!(curl(&site, TWO, "1.2.9.1", &[]).await, Said::only(404), "another's is not shown");
    let refused = json!({"status": 0x0131, "comment": "the Transaction UID is in use"});
    assert_eq!(site.ask(Asking::of(&["1.2.9.1"], &sent).goes()).await, [refused]);

    assert_eq!(site.ask(Asking::of(&["1.2.9.2"], &missing).goes()).await, [taken()]);
    assert_eq!(ask(&site, ONE, "1.2.9.2", &missing).await, Said::only(409), "a modality's");
    assert_eq!(curl(&site, ONE, "1.2.9.2", &[]).await, Said::only(404), "a modality's is not shown");
    let status = site.door.json(&["status"]).await;
    assert_eq!(
        (&status["commitments"]["waiting"], &status["commitments"]["unreported"]),
        (&json!(1), &json!(0))
    );
}

/// The instances of Referenced or Failed Study Sequence, each with its study, series and class.
fn placed(module: &Value, tag: &str) -> Vec<[String; 4]> {
    let items = |of: &Value, tag: &str| of[tag]["Value"].as_array().cloned().unwrap_or_default();
    let uid = |of: &Value, tag: &str| of[tag]["Value"][0].as_str().unwrap_or("none").to_owned();
    let mut all = Vec::new();
    for study in items(module, tag) {
        for series in items(&study, "00081115") {
            for class in items(&series, "00081112") {
                all.extend(items(&class, "0008114A").iter().map(|instance| {
                    let place = [uid(&study, "0020000D"), uid(&series, "0020000E")];
                    let [study, series] = place;
                    [study, series, uid(&class, "00081150"), uid(instance, "00081155")]
                }));
            }
        }
    }
    all.sort();
    all
}

/// Who names instances by study is answered by study (PS3.18 tables J.1-1 and J.2-1), also by what a restart left.
#[tokio::test]
async fn peer_curl_asks_by_study_and_is_answered_so_after_a_kill() {
    let (mut site, _tokens) = site("wait = \"8s\"").await;
    let (sent, missing) = (objects(86, 3), objects(87, 1));
    send(&site.door.station(), &sent).await;
    site.door.balance_exits(0, PATIENCE).await;
    let uid = |uid: &str| json!({"vr": "UI", "Value": [uid]});
    let sequence = |item: Value| json!({"vr": "SQ", "Value": [item]});
    let place = |Object { header, .. }: &Object| {
        let (study, series) = (header.study.as_ref().unwrap(), header.series.as_ref().unwrap());
        [study.as_str(), series.as_str(), header.sop_class.as_str(), header.sop_instance.as_str()]
            .map(str::to_owned)
    };
    let item = |object: &Object| {
        let [study, series, class, instance] = place(object);
        let class =
            json!({"00081150": uid(&class), "0008114A": sequence(json!({"00081155": uid(&instance)}))});
        let series = json!({"0020000E": uid(&series), "00081112": sequence(class)});
        json!({"0020000D": uid(&study), "00081115": sequence(series)})
    };
    let items: Vec<Value> = sent.iter().chain(&missing).map(item).collect();
    let body = json!({"00081110": {"vr": "SQ", "Value": items}}).to_string();
    let url = |site: &Site| {
        format!("http://{}/dicomweb/commitment-requests/1.2.9.7", site.door.node.listening().unwrap().web[0])
    };
    let token = format!("Authorization: Bearer {ONE}");
    let kind = "Content-Type: application/dicom+json";
    let asks = ["--silent", "--header", &token, "--header", kind, "--data-binary", &body];
    let status = ["--output", "/dev/null", "--write-out", "%{http_code}"];
    let asked =
        ToolRun::of("curl", &[&asks[..], &status, &[&url(&site)]].concat(), Nagle::Off).await.unwrap();
    assert_eq!(asked.stdout, "202", "{asked:?}");
    site.door.node.process().restart().await.unwrap();
    assert_eq!(result(&site, ONE, "1.2.9.7").await.status, 200);
    let looks = ["--silent", "--header", &token, &url(&site)];
    let looked = ToolRun::of("curl", &looks, Nagle::Off).await.unwrap();
    let module: Value = serde_json::from_str(&looked.stdout).unwrap_or_else(|_| panic!("{looked:?}"));
    let mut expected: Vec<[String; 4]> = sent.iter().map(place).collect();
    expected.sort();
    assert_eq!(placed(&module, "00081110"), expected, "{module:#}");
    assert_eq!(placed(&module, "0008119B"), [place(&missing[0])], "{module:#}");
    assert_eq!((&module["00081199"], &module["00081198"]), (&Value::Null, &Value::Null));
}
