//! What `check` says of a mistake: it names what is wrong, and nothing that would not help.

use std::fs;
use std::path::Path;

use outrigger_sim::certificates::Authority;
use outrigger_sim::peers::Station;
use tempfile::TempDir;

use crate::door::{Behind, ae, configuration, head, written};
use crate::program::{Ran, run};

async fn check(directory: &Path, text: &str) -> Ran {
    let path = written(directory, text);
    run(&["check", "--config", path.to_str().unwrap()]).await
}

fn member(name: &str, confirm: &'static str) -> Behind {
    Behind::new(name, &Station { ae_title: ae(name), port: 104 }, confirm)
}

#[tokio::test]
async fn a_member_that_cannot_commit_is_none_of_those_a_policy_asks_for() {
    let directory = TempDir::new().unwrap();
    let route = |protocol: &str| {
        format!("[[member.route]]\nprotocol = \"{protocol}\"\nurl = \"http://127.0.0.1:8042/{protocol}\"\n")
    };
    let web = |protocol: &str, more: &str| {
        format!("[[member]]\nname = \"web\"\nconfirm = \"committed\"\n{}{more}", route(protocol))
    };
    let dimse = "[[member.route]]\nprotocol = \"dimse\"\naddress = \"127.0.0.1:105\"\nae_title = \"B\"\n";
    for (policy, members, warned) in [
        ("2", web("dicomweb", ""), true),
        ("2", web("orthanc", ""), true),
        ("2", web("dicomweb", &route("orthanc")), true),
        ("2", web("dicomweb", dimse), false),
        ("2", web("dicomweb", "").replace("committed", "verified"), false),
        ("1", web("dicomweb", ""), false),
    ] {
        let text = configuration(directory.path(), &[member("a", "verified")]);
        let ran = check(directory.path(), &format!("{text}{members}[commit]\npolicy = \"{policy}\"\n"))
            .await
            .exits(0);
        let said =
            "1 of 2 have `confirm = \"verified\"`, or `\"committed\"` and a route over DIMSE: no request";
        assert_eq!(ran.stderr.contains(said), warned, "{policy} {members}: {ran:?}");
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_file_in_pem_form_is_said_in_words() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new().unwrap();
    let good = authority.issue("good").unwrap();
    let certificate = fs::read_to_string(&good.certificate).unwrap();
    let key = fs::read_to_string(&good.key).unwrap();
    let cut = certificate.split("-----END").next().unwrap().to_owned();
    let damaged = certificate.replacen("-----\n", "-----\n!!!!", 1);
    let unbegun = certificate.replacen("-----BEGIN CERTIFICATE-----", "-----BEGIN CERTIFI", 1);
    let encrypted =
        "-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIB\n-----END ENCRYPTED PRIVATE KEY-----\n".to_owned();
    let older = "-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nMIIB\n\
                 -----END RSA PRIVATE KEY-----\n";
    for (certificate, key, words) in [
        (
            &cut,
            &key,
            "certificate in PEM form: it is cut off: what begins in it has no line `-----END CERTIFICATE-----`",
        ),
        (&damaged, &key, "certificate in PEM form: it is damaged"),
        (&unbegun, &key, "certificate in PEM form: it is damaged"),
        (&key, &key, "certificate in PEM form: there is none in it"),
        (&certificate, &encrypted, "encrypted keys are not read"),
        (&certificate, &older.to_owned(), "encrypted keys are not read"),
        (&certificate, &certificate, "private key in PEM form: there is none in it"),
    ] {
        let place = |name: &str| directory.path().join(name);
        fs::write(place("shown.crt"), certificate).unwrap();
        fs::write(place("shown.key"), key).unwrap();
        let here = directory.path().display();
        let tls = format!(
            "[front.dimse.tls]\ncertificate_file = \"{here}/shown.crt\"\nkey_file = \"{here}/shown.key\"\n"
        );
        let text = head(directory.path(), 0, &tls) + &member("a", "present").text();
        let ran = check(directory.path(), &text).await.exits(2);
        assert!(ran.stderr.contains(words) && !ran.stderr.contains(", 6"), "{words}: {ran:?}");
    }
}

#[tokio::test]
async fn another_store_for_journal_or_objects_is_refused_with_what_is_expected() {
    let directory = TempDir::new().unwrap();
    let node = configuration(directory.path(), &[member("a", "present")]);
    let here = directory.path().display();
    let archive = format!(
        "[node]\nname = \"n\"\ndata = \"{here}/data\"\n[archive]\nblobs = \"tape:b\"\n\
         catalogue = \"redb:{here}/data/catalogue.redb\"\n[[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"A\"]\n"
    );
    let copy =
        |engine: &str| format!("{node}[[journal.copy]]\nengine = \"{engine}\"\npath = \"{here}/copy\"\n");
    for (text, key, words) in [
        (copy("tape"), "`journal.copy[].engine`", "`tape` stands here"),
        (archive.clone(), "`archive.blobs`", "`tape:b` stands here"),
        (archive.replace("tape:b", "/objects"), "`archive.blobs`", "`/objects` stands here"),
    ] {
        check(directory.path(), &text).await.exits(2).says(&[key, words, "is expected"]);
    }
    for engine in ["log", "sqlite"] {
        check(directory.path(), &copy(engine)).await.exits(0);
    }
}

#[tokio::test]
async fn a_key_that_is_far_from_all_known_ones_is_taken_for_none_of_them() {
    let directory = TempDir::new().unwrap();
    for (line, words) in [
        ("url = \"http://a\"", "known here are"),
        ("password = \"secret\"", "known here are"),
        ("adress = \"a:104\"", "`address` is perhaps meant"),
        ("tsl = true", "`tls` is perhaps meant"),
    ] {
        let text = configuration(directory.path(), &[member("a", "present").by(line)]);
        check(directory.path(), &text).await.exits(2).says(&["the key is unknown", words]);
    }
}

#[tokio::test]
async fn a_directory_of_the_node_that_cannot_be_is_told_of_once_where_it_stands() {
    let directory = TempDir::new().unwrap();
    fs::write(directory.path().join("file"), "a file").unwrap();
    let good = configuration(directory.path(), &[member("a", "present")]);
    for (place, words) in [("/file", "file is a file"), ("/file/below", "file/below lies below a file")] {
        let text = good.replacen("/data\"", &format!("{place}\""), 1);
        check(directory.path(), &text).await.exits(2).says(&["outrigger.toml:3: `node.data`", words]);
    }
}

#[tokio::test]
async fn what_has_no_effect_for_lack_of_something_else_is_warned_of() {
    let directory = TempDir::new().unwrap();
    let authority = Authority::new().unwrap();
    let good = authority.issue("good").unwrap();
    let ca = format!("ca_file = \"{}\"\n", good.certificate.display());
    let dimse = |more: &str| configuration(directory.path(), &[member("a", "present").by(more)]);
    let web = |scheme: &str| {
        let url = format!("url = \"{scheme}://a:8042\"\n");
        format!("{}[[member]]\nname = \"b\"\n[[member.route]]\nprotocol = \"orthanc\"\n{url}{ca}", dimse(""))
    };
    let peer = |more: &str| format!("{}[[peer]]\nae_title = \"WS\"\n{more}", dimse(""));
    let (idle, nowhere) =
        ("has `ca_file` and is called without TLS", "has `move`, and no `[[peer]]` has an `address`");
    for (text, words, warned) in [
        (dimse(&ca), idle, true),
        (dimse(&format!("{ca}tls = true\nserver_name = \"a\"\n")), "without TLS", false),
        (dimse(""), "without TLS", false),
        (web("http"), idle, true),
        (web("https"), "without TLS", false),
        (peer("allow = [\"move\"]\n"), nowhere, true),
        (peer("allow = [\"move\"]\n[[peer]]\nae_title = \"X\"\naddress = \"x:104\"\n"), nowhere, false),
        (peer(""), nowhere, false),
    ] {
        let ran = check(directory.path(), &text).await.exits(0);
        assert_eq!(ran.stderr.contains(words), warned, "{words}: {ran:?}");
    }
}

/// An object store is reached with keys from files or the environment, and never in the clear beyond this machine unless that is said.
#[tokio::test]
async fn every_mistake_about_an_object_store_is_told_and_no_secret() {
    let directory = TempDir::new().unwrap();
    let here = directory.path().display();
    fs::write(directory.path().join("access"), "AKIAEXAMPLE\n").unwrap();
    fs::write(directory.path().join("secret"), "very-secret\n").unwrap();
    fs::write(directory.path().join("empty"), "\n").unwrap();
    let with = |blobs: &str, store: &str| {
        format!(
            "[node]\nname = \"n\"\ndata = \"{here}/data\"\n[archive]\nblobs = \"{blobs}\"\ncatalogue = \"redb:{here}/data/c.redb\"\n\
             {store}[[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"A\"]\n"
        )
    };
    let keys = format!("access_key_file = \"{here}/access\"\nsecret_key_file = \"{here}/secret\"\n");
    let local = format!("[archive.s3]\nurl = \"http://127.0.0.1:9000\"\n{keys}");
    let remote = |more: &str| format!("[archive.s3]\nurl = \"http://store.example:9000\"\n{keys}{more}");
    for (text, words) in [
        (with("s3://objects", ""), &["archive.s3.access_key_file", "it is missing"][..]),
        (with("s3://objects", &remote("")), &["archive.s3.url", "without TLS", "plain_http"]),
        (
            with("s3://objects", &format!("{local}access_key_env = \"PATH\"\n")),
            &["access_key_env", "not both"],
        ),
        (with("s3://objects", &local.replace("/secret", "/empty")), &["secret_key_file", "is empty"]),
        (with("s3://objects", &local.replace("/secret", "/none")), &["secret_key_file", "cannot be read"]),
        (
            with("s3://objects", &local.replace("127", "u:very-secret@127")),
            &["archive.s3.url", "a user or password"],
        ),
        (
            with("s3://objects", &format!("{local}secret_key = \"very-secret\"\n")),
            &["secret_key`", "unknown"],
        ),
        (with("s3://objects", &format!("{local}timeout = \"0s\"\n")), &["archive.s3.timeout"]),
        (with("s3://objects//a", &local), &["archive.blobs", "stands here"]),
        (with(&format!("file:{here}/blobs"), &local), &["archive.s3", "names a directory"]),
    ] {
        let ran = check(directory.path(), &text).await.exits(2);
        for word in words {
            assert!(ran.stderr.contains(word), "`{word}` is not in {ran:?}");
        }
        assert!(!ran.stderr.contains("very-secret"), "{}", ran.stderr);
    }
    for good in [local.clone(), remote("plain_http = true\n")] {
        check(directory.path(), &with("s3://objects/site", &good)).await.exits(0);
    }
}
