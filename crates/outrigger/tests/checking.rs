//! `check`: every mistake with its place, and a word with each member.

use outrigger_sim::certificates::{Authority, Identity};
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
protocol = "dcm4chee"                   # wrong
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
        ("[[front.hl7]]\nlisten = \"127.0.0.1:0\"\n", "front.hl7"),
        ("[ledger]\nurl = \"postgres://localhost/ledger\"\n", "ledger.url"),
    ] {
        let (_directory, ran) = check(&format!("{good}{more}"), &[]).await;
        ran.exits(2).says(&[&format!("`{key}`"), "is not in this version"]);
    }
    let beyond = good.replace("[admin]\nlisten = \"127.0.0.1:0\"", "[admin]\nlisten = \"0.0.0.0:8081\"");
    let (_directory, ran) = check(&beyond, &[]).await;
    ran.exits(2).says(&["`admin.listen`", "is not in this version"]);
}

#[tokio::test]
async fn rights_without_effect_in_this_version_are_warned_of() {
    let directory = TempDir::new().unwrap();
    let station = Station { ae_title: ae("A"), port: 104 };
    let good = configuration(directory.path(), &[Behind::new("a", &station, "present")]);
    for (allow, words) in [
        ("", None),
        ("allow = [\"store\"]\n", None),
        ("allow = [\"commit\"]\naddress = \"127.0.0.1:1\"\n", None),
        (
            "allow = [\"commit\"]\n",
            Some("`peer[].allow` of CT1 has `commit`, and there is no `commit_address` or `address`"),
        ),
        (
            "allow = [\"store\", \"worklist\", \"find\"]\n",
            Some("`peer[].allow` of CT1: without effect in this version: `worklist`;"),
        ),
        ("allow = []\n", Some("`peer[].allow` is an empty list, and that means that it may do nothing")),
        (
            "hosts = []\n",
            Some("`peer[].hosts` is an empty list, and that means that it may call from anywhere"),
        ),
        (
            "[[front.web]]\nlisten = \"127.0.0.1:0\"\nhosts = []\n",
            Some("`front.web[].hosts` is an empty list, and that means that calls may come from anywhere"),
        ),
    ] {
        let (_directory, ran) =
            check(&format!("{good}[[peer]]\nae_title = \"CT1\"\n{allow}"), &["--json"]).await;
        let ran = ran.exits(0);
        let answer = ran.json();
        let of_peers = answer["warnings"].as_array().unwrap().iter();
        // The disk this runs on may be smaller than the journal may become.
        let of_peers = of_peers.filter(|warning| !warning.as_str().unwrap().contains("max_size")).count();
        assert_eq!(of_peers, usize::from(words.is_some()), "{ran:?}");
        assert!(words.is_none_or(|words| ran.stderr.contains(words)), "{ran:?}");
    }
}

/// Goal: nobody finds out by a workstation without images that its AE title is another's too.
#[tokio::test]
async fn peers_of_one_ae_title_with_different_addresses_are_warned_of() {
    let directory = TempDir::new().unwrap();
    let station = Station { ae_title: ae("A"), port: 104 };
    let good = configuration(directory.path(), &[Behind::new("a", &station, "present")]);
    let peer =
        |host: u8, more: &str| format!("[[peer]]\nae_title = \"WS\"\nhosts = [\"10.0.0.{host}\"]\n{more}\n");
    let (moved, told) = ("refused with A801", "storage commitment");
    for (second, expected) in [
        ("address = \"10.0.0.3:104\"", &[moved, told][..]),
        ("address = \"10.0.0.3:104\"\ncommit_address = \"10.0.0.2:104\"", &[moved]),
        ("commit_address = \"10.0.0.3:105\"", &[told]),
        ("address = \"10.0.0.2:104\"", &[]),
        ("", &[]),
    ] {
        let both = [peer(2, "address = \"10.0.0.2:104\""), peer(3, second)].concat();
        let (_directory, ran) = check(&format!("{good}{both}"), &[]).await;
        let ran = ran.exits(0);
        let said = ran.stderr.lines().find(|line| line.contains("several `[[peer]]` have the AE title WS"));
        assert_eq!(said.is_some(), !expected.is_empty(), "{second}: {ran:?}");
        for words in [moved, told] {
            assert_eq!(
                said.unwrap_or_default().contains(words),
                expected.contains(&words),
                "{second}: {ran:?}"
            );
        }
    }
}

/// A node's configuration in which nothing is wrong by itself: what is wrong is between lines, or on the disk.
///
/// `{here}` is an existing directory with a file `file` and certificates; a line's last comment says what is expected of it.
const CONTRADICTING: &str = r#"[node]
name = "front-1"
data = "{here}/file"                            # wrong: is a file
[admin]
listen = "127.0.0.1:8081"
[audit]
file = "{here}"                                 # wrong: is a directory
syslog = "http://collector:80"                  # wrong: `http://collector:80` stands here
[journal]
max_size = "1GiB"                               # wrong: no room for objects
reserve = "2GiB"
segment_size = "0B"                             # wrong: above zero
[[journal.copy]]
path = "{here}/file/journal"                    # wrong: lies below a file
[ledger]
url = "sqlite:{here}/nowhere/ledger.db"         # wrong: {here}/nowhere does not exist
[members]
listen = "0.0.0.0:8081"                         # wrong: `admin.listen` in line 5
[[front.dimse]]
listen = "127.0.0.1:11112"
ae_titles = ["OUTRIGGER"]
max_object = "0B"                               # wrong: above zero
artim = "0s"                                    # wrong: above zero
inactivity = "0s"                               # wrong: above zero
idle = "0ms"                                    # wrong: above zero
[front.dimse.tls]
certificate_file = "{here}/missing.crt"         # wrong: missing.crt cannot be read
key_file = "{here}/missing.key"                 # wrong: missing.key cannot be read
client_ca_file = "{here}"                       # wrong: cannot be read
[[front.dimse]]
listen = "127.0.0.1:11112"                      # wrong: `front.dimse[].listen` in line 20
ae_titles = ["OTHER"]
[front.dimse.tls]
certificate_file = "{here}/file"                # wrong: no certificate
key_file = "{here}/good.key"
[[front.dimse]]
listen = "127.0.0.1:11113"
ae_titles = ["OTHER"]
[front.dimse.tls]
certificate_file = "{here}/good.crt"
key_file = "{here}/good.crt"                    # wrong: no private key
[[front.dimse]]
listen = "127.0.0.1:11114"
ae_titles = ["OTHER"]
[front.dimse.tls]
certificate_file = "{here}/good.crt"
key_file = "{here}/other.key"                   # wrong: cannot be used together
[[peer]]
ae_title = "CT1"
hosts = ["10.0.0.0/24"]
address = "10.0.0.7:0"                          # wrong: `10.0.0.7:0` stands here
[[peer]]
ae_title = "CT1"                                # wrong: `peer[].ae_title` in line 49
hosts = ["10.0.0.7"]
commit_address = "10.0.0.7"                     # wrong: `10.0.0.7` stands here
[[member]]
name = "primary"
status_rules = "{here}/missing.toml"            # wrong: missing.toml cannot be read
[member.holds]
newer_than = "0d"                               # wrong: above zero
[[member.route]]
protocol = "dimse"
address = "10.0.0.20:0"                         # wrong: `10.0.0.20:0` stands here
ae_title = "PACS"
response_timeout = "0s"                         # wrong: above zero
[[member]]
name = "companion"
status_rules = "{here}/rules.toml"              # wrong: is of no use
[[member.route]]
protocol = "dimse"
address = "10.0.0.21:104"
ae_title = "PACS"
tls = true
ca_file = "{here}/missing.pem"                  # wrong: missing.pem cannot be read
server_name = "not a name"                      # wrong: `not a name` stands here
[[member]]
name = "third"
[[member.route]]
protocol = "dimse"
address = "10.0.0.21:104"                       # wrong: `member[].route[].address` in line 71
ae_title = "PACS"
"#;

/// Asserts that each line marked `# wrong: WORDS` is reported with those words, and no other line is.
async fn assert_marked(directory: &TempDir, text: &str, verb: &str) {
    let here = directory.path().display().to_string();
    let text = text.replace("{here}", &here);
    let path = written(directory.path(), &text);
    let ran = run(&[verb, "--config", path.to_str().unwrap()]).await.exits(2);
    let mut expected = 0;
    for (line, number) in text.lines().zip(1..) {
        let place = format!("outrigger.toml:{number}: ");
        let said: Vec<_> = ran.stderr.lines().filter(|said| said.contains(&place)).collect();
        match line.split_once("# wrong: ") {
            Some((_, words)) => {
                assert!(said.len() == 1 && said[0].contains(words), "line {number}, `{words}`: {said:?}");
                assert!(
                    said[0].contains("expected")
                        || said[0].contains("of its own")
                        || said[0].contains("once"),
                    "{said:?}"
                );
                expected += 1;
            }
            None => assert_eq!(said, [""; 0], "line {number} is good"),
        }
    }
    assert!(expected >= 3);
}

fn files() -> TempDir {
    let directory = TempDir::new().unwrap();
    let at = |name: &str| directory.path().join(name);
    let authority = Authority::new().unwrap();
    let (good, other) = (authority.issue("good").unwrap(), authority.issue("other").unwrap());
    std::fs::copy(good.certificate, at("good.crt")).unwrap();
    std::fs::copy(good.key, at("good.key")).unwrap();
    std::fs::copy(other.key, at("other.key")).unwrap();
    std::fs::write(at("file"), "a file").unwrap();
    std::fs::write(at("rules.toml"), "A7xx = \"perhaps\"\n").unwrap();
    directory
}

#[tokio::test]
async fn contradictions_and_files_of_no_use_are_reported_all_at_once_as_serve_refuses_them() {
    let directory = files();
    for verb in ["check", "serve"] {
        assert_marked(&directory, CONTRADICTING, verb).await;
    }
}

#[tokio::test]
async fn an_archive_is_checked_as_it_is_started() {
    let text = r#"[node]
name = "companion"
data = "{here}/data"
[ archive ]
blobs = "file:{here}/data"                      # wrong: {here}/data is `node.data` in line 3
catalogue = "redb:{here}/data/blobs.redb"       # wrong: lie one in the other
[admin]
listen = "127.0.0.1:11112"
[[front.dimse]]
listen = "0.0.0.0:11112"                        # wrong: `admin.listen` in line 8
ae_titles = ["COMPANION"]
[[peer]]
ae_title = "OUTRIGGER_M"
[[peer]]
ae_title = "OUTRIGGER_M"                        # wrong: `peer[].ae_title` in line 13
hosts = ["10.0.0.1"]
"#;
    let directory = files();
    for verb in ["check", "archive"] {
        assert_marked(&directory, text, verb).await;
    }
}

#[tokio::test]
async fn what_a_collector_needs_is_checked() {
    let head = "[node]\nname = \"front-1\"\ndata = \"{here}/data\"\n[audit]\n";
    let tail = "[[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"A\"]\n\
                [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"A\"]\n";
    let directory = files();
    for (lines, words) in [
        ("syslog = \"tls://collector:6514\"", "it is missing, and `syslog` begins with `tls://`"),
        ("syslog = \"tls://a_b c:6514\"", "`tls://a_b c:6514` stands here"),
        ("syslog = \"udp://collector\"", "`udp://collector` stands here"),
        ("syslog = \"tcp://c:601\"\nca_file = \"{here}/good.crt\"", "does not begin with `tls://`"),
        ("ca_file = \"{here}/good.crt\"", "does not begin with `tls://`"),
        ("syslog = \"tls://c:6514\"\nca_file = \"{here}/file\"", "no certificate"),
        ("syslog = \"tls://c:6514\"\nca_file = \"{here}/missing\"", "missing cannot be read"),
        (
            "syslog = \"tls://c:6514\"\nca_file = \"{here}/good.crt\"\ncertificate_file = \"{here}/good.crt\"",
            "go together",
        ),
        (
            "syslog = \"tls://c:6514\"\nca_file = \"{here}/good.crt\"\ncertificate_file = \"{here}/good.crt\"\n\
             key_file = \"{here}/other.key\"",
            "cannot be used together",
        ),
    ] {
        let text =
            format!("{head}{lines}\n{tail}").replace("{here}", &directory.path().display().to_string());
        let (_directory, ran) = check(&text, &[]).await;
        let ran = ran.exits(2);
        let said: Vec<_> = ran.stderr.lines().filter(|line| line.contains("audit")).collect();
        assert!(said.len() == 1 && said[0].contains(words), "{words}: {}", ran.stderr);
    }
    let lines = "syslog = \"tls://c:6514\"\nca_file = \"{here}/good.crt\"\nserver_name = \"collector.example\"\n\
                 certificate_file = \"{here}/good.crt\"\nkey_file = \"{here}/good.key\"\n";
    let text = format!("{head}{lines}{tail}").replace("{here}", &directory.path().display().to_string());
    let (_directory, ran) = check(&text, &[]).await;
    assert!(!ran.stderr.contains("audit"), "{}", ran.stderr);
}

#[tokio::test]
async fn places_that_lie_in_each_other_are_named() {
    let text = r#"[node]
name = "front-1"
data = "{here}/data"
[[journal.copy]]
path = "{here}/journal"
[[journal.copy]]
path = "{here}/journal/second"                  # wrong: `journal.copy[].path` in line 5 lie one in the other
[[journal.copy]]
path = "{here}/journal/third"                   # wrong: `journal.copy[].path` in line 5 lie one in the other
[audit]
file = "{here}/journal/audit.log"               # wrong: lie one in the other
[ledger]
url = "sqlite:{here}/data/audit/../ledger.db"
[[front.dimse]]
listen = "127.0.0.1:0"
ae_titles = ["OUTRIGGER"]
[[front.dimse]]
listen = "127.0.0.1:0"
ae_titles = ["OUTRIGGER"]
"#;
    let directory = files();
    std::fs::create_dir_all(directory.path().join("data/audit")).unwrap();
    for verb in ["check", "serve"] {
        assert_marked(&directory, text, verb).await;
    }
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

#[tokio::test]
async fn a_journal_that_may_become_larger_than_its_disk_is_warned_of() {
    let directory = TempDir::new().unwrap();
    let station = Station { ae_title: ae("A"), port: 104 };
    let good = configuration(directory.path(), &[Behind::new("a", &station, "present")]);
    let large = good.replace("max_size = \"2GiB\"", "max_size = \"1000000TiB\"");
    let (_directory, ran) = check(&large, &["--json"]).await;
    let ran = ran.exits(0);
    assert!(ran.stderr.contains("warning: `journal.max_size` is 1000000 TiB, and the disk of"), "{ran:?}");
}

#[tokio::test]
async fn a_member_that_is_the_node_itself_is_a_mistake() {
    let directory = TempDir::new().unwrap();
    let station = Station { ae_title: ae("A"), port: 11_112 };
    let good = configuration(directory.path(), &[Behind::new("a", &station, "present")]);
    let ours = |listen: &str| {
        good.replacen("listen = \"127.0.0.1:0\"\nae_titles", &format!("listen = \"{listen}\"\nae_titles"), 1)
    };
    let wrong = "listens there by `front.dimse[].listen`";
    for listen in ["0.0.0.0:11112", "127.0.0.1:11112"] {
        let file = written(directory.path(), &ours(listen));
        for verb in ["check", "serve"] {
            let ran = run(&[verb, "--config", file.to_str().unwrap()]).await.exits(2);
            assert!(ran.stderr.contains(wrong) && ran.stderr.contains("an archive elsewhere"), "{ran:?}");
        }
    }
    let (_directory, ran) = check(&ours("127.0.0.1:11113"), &[]).await;
    ran.exits(0);
}

#[tokio::test]
async fn a_node_without_members_and_a_certificate_that_has_expired_are_warned_of() {
    let directory = TempDir::new().unwrap();
    let station = Station { ae_title: ae("A"), port: 104 };
    let with_member = configuration(directory.path(), &[Behind::new("a", &station, "present")]);
    let alone = configuration(directory.path(), &[]);
    let authority = Authority::new().unwrap();
    let with_tls = |identity: &Identity| {
        format!(
            "{with_member}[[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"SAFE\"]\n[front.dimse.tls]\n\
             certificate_file = \"{}\"\nkey_file = \"{}\"\n",
            identity.certificate.display(),
            identity.key.display()
        )
    };
    let old = authority.issue_expired("old").unwrap();
    let fresh = authority.issue("fresh").unwrap();
    for (text, warning) in [
        (&alone, "there is no `[[member]]`"),
        (&with_tls(&old), "old-certificate.pem expired"),
        (&with_tls(&fresh), ""),
        (&with_member, ""),
    ] {
        let (_directory, ran) = check(text, &["--json"]).await;
        let ran = ran.exits(0);
        let warnings = ran.json()["warnings"].as_array().unwrap().clone();
        // The disk this runs on may be smaller than the journal may become.
        let others = warnings.iter().filter(|warning| !warning.as_str().unwrap().contains("max_size"));
        assert_eq!(others.count(), usize::from(!warning.is_empty()), "{ran:?}");
        assert!(ran.stderr.contains(warning), "{ran:?}");
    }
}

#[tokio::test]
async fn a_segment_larger_than_the_journal_and_a_number_for_a_size_are_mistakes() {
    let directory = TempDir::new().unwrap();
    let station = Station { ae_title: ae("A"), port: 104 };
    let member = Behind::new("a", &station, "present").with("holds = { modalities = [] }");
    let good = configuration(directory.path(), &[member]);
    let with = |journal: &str| good.replace("max_size = \"2GiB\"", journal);
    for (journal, status, words) in [
        ("max_size = \"2GiB\"\nsegment_size = \"2GiB\"", 0, "`member[].holds.modalities` is an empty list"),
        (
            "max_size = \"2GiB\"\nsegment_size = \"3GiB\"",
            2,
            "a segment may become larger than the whole journal",
        ),
        ("max_size = 7", 2, "an integer stands here"),
    ] {
        let (_directory, ran) = check(&with(journal), &[]).await;
        let ran = ran.exits(status);
        assert!(ran.stderr.contains(words), "{journal}: {ran:?}");
    }
}
