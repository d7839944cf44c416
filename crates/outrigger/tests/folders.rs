//! Folders of DICOM files in and out of an archive that is stopped, and the scrub of one that runs.

use std::fs;
use std::path::{Path, PathBuf};

use outrigger_sim::node::{Node, Role};
use outrigger_sim::part10;
use tempfile::TempDir;

use crate::door::written;
use crate::modality::{Object, objects};
use crate::program::{program, run};

/// A configuration of an archive that is not running.
fn archive(directory: &Path, name: &str, database: &str) -> PathBuf {
    let data = directory.join(name);
    fs::create_dir_all(&data).unwrap();
    let shown = data.display();
    let text = format!(
        "[node]\nname = \"{name}\"\ndata = \"{shown}/data\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[front.dimse]]\nlisten = \"127.0.0.1:0\"\nae_titles = [\"A\"]\n\
         [archive]\nblobs = \"file:{shown}/data/blobs\"\ncatalogue = \"{database}:{shown}/data/catalogue\"\n"
    );
    written(&data, &text)
}

fn file_of(object: &Object) -> Vec<u8> {
    let (header, syntax) = (&object.header, &object.transfer_syntax);
    part10::file(&header.sop_class, &header.sop_instance, syntax, &object.bytes)
}

/// A folder with folders in it: files of PS3.10, a data set alone, and what is neither.
fn folder(directory: &Path, sent: &[Object]) -> PathBuf {
    let folder = directory.join("folder");
    fs::create_dir_all(folder.join("a/b")).unwrap();
    for (number, object) in sent.iter().enumerate() {
        let (below, bytes) = match number {
            0 => ("raw".to_owned(), object.bytes.to_vec()),
            _ => (format!("a/b/IM{number}"), file_of(object)),
        };
        fs::write(folder.join(below), bytes).unwrap();
    }
    fs::write(folder.join("DICOMDIR"), file_of(&sent[0])).unwrap();
    fs::write(folder.join("a/notes.txt"), "of somebody").unwrap();
    fs::write(folder.join("a/empty"), "").unwrap();
    folder
}

async fn imported(folder: &Path, config: &Path, status: i32) -> crate::program::Ran {
    let arguments = ["archive", "import", folder.to_str().unwrap(), "--config", config.to_str().unwrap()];
    run(&arguments).await.exits(status)
}

async fn exported(uid: &str, to: &Path, config: &Path, status: i32) -> crate::program::Ran {
    let arguments = ["archive", "export", uid, to.to_str().unwrap(), "--config", config.to_str().unwrap()];
    run(&arguments).await.exits(status)
}

#[tokio::test]
async fn a_folder_goes_in_and_comes_out_bit_for_bit_over_unlike_databases() {
    let directory = TempDir::new().unwrap();
    let sent = objects(1, 6);
    let folder = folder(directory.path(), &sent);
    let torn = folder.join("a/torn");
    fs::write(&torn, &file_of(&sent[1])[..900]).unwrap();
    let first = archive(directory.path(), "first", "sqlite");
    let ran = imported(&folder, &first, 1).await;
    assert!(
        ran.stdout.contains("6 stored, 0 further versions, 0 there already, 3 left out, 1 refused"),
        "{ran:?}"
    );
    for named in ["DICOMDIR: ", "notes.txt: it is no DICOM file", "a/empty: ", "a/torn: its data set"] {
        assert!(ran.stderr.contains(named), "{named}: {ran:?}");
    }
    fs::remove_file(torn).unwrap();
    let again = imported(&folder, &first, 0).await;
    assert!(again.stdout.contains("0 stored, 0 further versions, 6 there already, 3 left out"), "{again:?}");

    let study = sent[0].header.study.as_ref().unwrap().as_str();
    let out = directory.path().join("out");
    let ran = exported(study, &out, &first, 0).await;
    assert!(ran.stdout.contains("6 written, 0 there already, 0 failed"), "{ran:?}");
    let name = |object: &Object| out.join(format!("{}.dcm", object.header.sop_instance));
    for object in &sent {
        assert_eq!(fs::read(name(object)).unwrap(), file_of(object));
    }
    let ran = exported(study, &out, &first, 0).await;
    assert!(ran.stdout.contains("0 written, 6 there already"), "{ran:?}");
    // What somebody changed there is not overwritten, and the rest is there.
    let mut changed = fs::read(name(&sent[2])).unwrap();
    *changed.last_mut().unwrap() ^= 1;
    fs::write(name(&sent[2]), &changed).unwrap();
    let ran = exported(study, &out, &first, 1).await;
    assert!(ran.stderr.contains("holds something else") && ran.stderr.contains("not complete"), "{ran:?}");
    assert_eq!(fs::read(name(&sent[2])).unwrap(), changed);
    fs::remove_file(name(&sent[2])).unwrap();
    let series = sent[0].header.series.as_ref().unwrap().as_str();
    exported(series, &out, &first, 0).await;
    exported(sent[2].header.sop_instance.as_str(), &out, &first, 0).await;
    exported("1.2.3.4", &out, &first, 5).await;

    let second = archive(directory.path(), "second", "redb");
    let ran = imported(&out, &second, 0).await;
    assert!(ran.stdout.contains("6 stored, 0 further versions, 0 there already, 0 left out"), "{ran:?}");
    let back = directory.path().join("back");
    exported(study, &back, &second, 0).await;
    for object in &sent {
        assert_eq!(fs::read(back.join(name(object).file_name().unwrap())).unwrap(), file_of(object));
    }
}

/// Objects go into a running archive by the wire; the scrub of one that runs names what is damaged until it comes again.
#[tokio::test]
async fn a_running_archive_is_told_of_and_its_scrub_names_damage() {
    let directory = TempDir::new().unwrap();
    let sent = objects(1, 4);
    let folder = folder(directory.path(), &sent);
    let config = archive(directory.path(), "first", "sqlite");
    imported(&folder, &config, 0).await;
    let home = config.parent().unwrap();
    let node = Node::start(program(), Role::Archive, &config, home, Vec::new()).await.unwrap();
    let study = sent[0].header.study.as_ref().unwrap().as_str();
    for ran in [
        imported(&folder, &config, 1).await,
        exported(study, &directory.path().join("out"), &config, 1).await,
    ] {
        assert!(ran.stderr.contains("is in use; stop that one first"), "{ran:?}");
    }
    let admin = format!("http://{}", node.listening().unwrap().admin.unwrap());
    let ask = async |what: &[&str], status| {
        let arguments: Vec<&str> = what.iter().copied().chain(["--admin", &admin]).collect();
        run(&arguments).await.exits(status)
    };
    let sound = ask(&["scrub"], 0).await;
    assert!(sound.stdout.contains("sound: ") && sound.stdout.contains("4 objects read"), "{sound:?}");
    assert_eq!(ask(&["status", "--json"], 0).await.json()["state"], "healthy");
    let blobs = home.join("data/blobs/blobs/00000001");
    let blob = fs::read_dir(blobs).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&blob).unwrap();
    let mut damaged = whole.clone();
    damaged[700] ^= 1;
    fs::write(&blob, damaged).unwrap();
    let found = ask(&["scrub"], 4).await;
    let digest = blob.file_name().unwrap().to_str().unwrap();
    assert!(found.stdout.contains(digest) && found.stdout.contains("1 finding"), "{found:?}");
    let status = ask(&["status"], 3).await;
    assert!(status.stdout.contains("damage: ") && status.stdout.contains(digest), "{status:?}");
    let why = ask(&["why", study], 0).await;
    assert!(why.stdout.contains("is damaged"), "{why:?}");
    fs::write(&blob, whole).unwrap();
    ask(&["scrub"], 0).await;
    ask(&["status"], 0).await;
}
