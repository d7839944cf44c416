//! `check`: every mistake with its place, and a word with each member.

use outrigger_sim::peers::{Station, free_port};
use outrigger_sim::scripted::Scripted;
use tempfile::TempDir;

use crate::door::{Behind, ae, configuration, written};
use crate::program::{Ran, run};

/// A configuration in which each line that ends in `# wrong` has one mistake.
const MISTAKEN: &str = r#"[node]
name = "a name"                         # wrong
data = "/nonexistent/data"
colour = "blue"                         # wrong
[log]
level = "loud"                          # wrong
[journal]
retention = "3 weeks"                   # wrong
max_size = 7                            # wrong
[[front.dimse]]
listen = "localhost"                    # wrong
ae_titles = ["THIS TITLE IS TOO LONG"]  # wrong
max_pdu = 100                           # wrong
[[front.dimse]]
listen = "127.0.0.1:0"
ae_titles = ["OUTRIGGER"]
implementation = "dcmtk"                # wrong
[[peer]]
ae_title = "CT1"
hosts = ["10.0.0.0/99"]                 # wrong
allow = ["store", "fly"]                # wrong
[[member]]
name = "primary"
confirm = "certainly"                   # wrong
conections = 4                          # wrong
[[member.route]]
protocol = "dicomweb"                   # wrong
address = "nowhere"                     # wrong
ae_title = "PACS"
"#;

async fn check(text: &str, options: &[&str]) -> (TempDir, Ran) {
    let directory = TempDir::new().unwrap();
    let path = written(directory.path(), text);
    let mut arguments = vec!["check", "--config", path.to_str().unwrap()];
    arguments.extend(options);
    let ran = run(&arguments).await;
    (directory, ran)
}

/// The numbers of the lines marked, from 1.
fn marked(text: &str) -> Vec<u64> {
    let lines = text.lines().zip(1..);
    lines.filter(|(line, _)| line.ends_with("# wrong")).map(|(_, number)| number).collect()
}

#[tokio::test]
async fn every_mistake_is_reported_with_its_file_and_line() {
    let (directory, ran) = check(MISTAKEN, &["--json"]).await;
    let ran = ran.exits(2);
    let answer = ran.json();
    let mut found: Vec<u64> = answer["mistakes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|mistake| mistake["line"].as_u64().unwrap())
        .collect();
    found.dedup();
    assert_eq!(found, marked(MISTAKEN), "{answer:#}");
    let file = directory.path().join("outrigger.toml").display().to_string();
    for line in marked(MISTAKEN) {
        assert!(ran.stderr.contains(&format!("{file}:{line}: `")), "line {line} is not in {}", ran.stderr);
    }
    assert!(ran.stderr.contains("`connections` is perhaps meant"), "{}", ran.stderr);
    assert!(ran.stderr.contains("not in this version"), "{}", ran.stderr);
}

#[tokio::test]
async fn what_is_not_in_this_version_is_refused_in_those_words() {
    let directory = TempDir::new().unwrap();
    let station = Station { ae_title: ae("A"), port: 104 };
    let good = configuration(directory.path(), &[Behind::new("a", &station, "present")]);
    for (more, key) in [
        ("[[front.web]]\nlisten = \"127.0.0.1:0\"\n", "front.web"),
        ("[[front.hl7]]\nlisten = \"127.0.0.1:0\"\n", "front.hl7"),
        ("[query]\nsource = \"all\"\n", "query"),
        ("[commit]\npolicy = \"all\"\n", "commit"),
        ("[ledger]\nurl = \"postgres://localhost/ledger\"\n", "ledger.url"),
        ("[[journal.copy]]\npath = \"/a\"\n[[journal.copy]]\npath = \"/b\"\n", "journal.copy"),
    ] {
        let (_directory, ran) = check(&format!("{good}{more}"), &[]).await;
        ran.exits(2).says(&[&format!("`{key}`"), "is not in this version"]);
    }
    let beyond = good.replace("[admin]\nlisten = \"127.0.0.1:0\"", "[admin]\nlisten = \"0.0.0.0:8081\"");
    let (_directory, ran) = check(&beyond, &[]).await;
    ran.exits(2).says(&["`admin.listen`", "is not in this version"]);
}

#[tokio::test]
async fn what_is_no_configuration_is_said_in_one_sentence() {
    run(&["check", "--config", "/nonexistent/outrigger.toml"])
        .await
        .exits(2)
        .says(&["/nonexistent/outrigger.toml"]);
    let (_directory, ran) = check("[node\n", &[]).await;
    assert!(ran.exits(2).stderr.contains("outrigger.toml:1: "));
    run(&["check"]).await.exits(2);
    run(&["frobnicate"]).await.exits(2);
}

#[tokio::test]
async fn a_good_configuration_is_good_and_a_dead_member_is_found_by_asking() {
    let member = Scripted::start(&ae("ALIVE")).await.unwrap();
    let dead = Station { ae_title: ae("DEAD"), port: free_port().unwrap() };
    let place = TempDir::new().unwrap();
    let alive = Behind::new("alive", member.station(), "present");
    let both = [alive.clone(), Behind::new("dead", &dead, "present")];

    let (_directory, ran) = check(&configuration(place.path(), &both), &["--json"]).await;
    assert_eq!(ran.exits(0).json()["good"], true);
    let (_directory, ran) = check(&configuration(place.path(), &[alive]), &["--probe"]).await;
    assert!(ran.exits(0).stdout.contains("answers"));
    let (_directory, ran) = check(&configuration(place.path(), &both), &["--probe", "--json"]).await;
    let answer = ran.exits(3).json();
    let probes: Vec<_> =
        answer["probes"].as_array().unwrap().iter().map(|probe| probe["good"].as_bool().unwrap()).collect();
    assert_eq!(probes, [true, false], "{answer:#}");
    assert!(answer["probes"][1]["who"].as_str().unwrap().contains("dead"), "{answer:#}");
}
