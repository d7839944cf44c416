//! An archive moves while it answers: killed in the middle, gone on with, the same in the end.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use outrigger_sim::part10;
use outrigger_sim::peers::{HeldPort, Moto, Station};
use tempfile::TempDir;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use crate::door::{ae, written};
use crate::faults::chance::Chance;
use crate::faults::load::Supply;
use crate::modality::{Object, associated, same_at, store};
use crate::program::{program, run};

const OBJECTS: u32 = 240;
const KILLS: u32 = 5;

struct Rig {
    sent: Vec<Object>,
    station: Station,
    from: PathBuf,
    _port: HeldPort,
    directory: TempDir,
}

/// A configuration of an archive in a directory of its own.
fn configured(directory: &Path, name: &str, port: u16, rest: &str) -> PathBuf {
    let own = directory.join(name);
    fs::create_dir_all(&own).unwrap();
    let text = format!(
        "[node]\nname = \"{name}\"\ndata = \"{}/data\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [[front.dimse]]\nlisten = \"127.0.0.1:{port}\"\nae_titles = [\"A\"]\n{rest}",
        own.display()
    );
    written(&own, &text)
}

fn layers(directory: &Path, name: &str, database: &str) -> String {
    let shown = directory.join(name).join("data").display().to_string();
    format!("[archive]\nblobs = \"file:{shown}/blobs\"\ncatalogue = \"{database}:{shown}/catalogue\"\n")
}

impl Rig {
    /// An archive over SQLite that has objects and is stopped.
    async fn start(chance: &Chance) -> Self {
        let directory = TempDir::new().unwrap();
        let port = HeldPort::free().unwrap();
        let from = configured(directory.path(), "old", port.port, &layers(directory.path(), "old", "sqlite"));
        let sent = Supply::new(chance.seed).take(OBJECTS);
        let folder = directory.path().join("folder");
        fs::create_dir_all(&folder).unwrap();
        for (number, object) in sent.iter().enumerate() {
            let header = &object.header;
            let file =
                part10::file(&header.sop_class, &header.sop_instance, &object.transfer_syntax, &object.bytes);
            fs::write(folder.join(format!("{number}")), file).unwrap();
        }
        let (folder, config) = (folder.to_str().unwrap(), from.to_str().unwrap());
        run(&["archive", "import", folder, "--config", config]).await.exits(0);
        let station = Station { ae_title: ae("A"), port: port.port };
        Self { sent, station, from, _port: port, directory }
    }

    fn migration(&self, to: &Path) -> Command {
        let mut command = Command::new(program());
        command.args(["archive", "migrate", "--config"]).arg(&self.from).arg("--to").arg(to);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }
}

/// Moves with kills in the middle; the new archive does not start before it is whole.
async fn moved(rig: &Rig, spare: &Path, to: &Path) {
    let chance = Chance::new();
    let began = Instant::now();
    let whole = rig.migration(spare).output().await.unwrap();
    let undisturbed = began.elapsed();
    assert!(whole.status.success(), "{whole:?}");
    let mut unfinished = 0;
    for _ in 0..KILLS {
        let mut moving = rig.migration(to).spawn().unwrap();
        sleep(chance.within(undisturbed * 2 / 3)).await;
        moving.kill().await.unwrap();
        let config = to.to_str().unwrap();
        let refused = run(&["archive", "export", "1.2.3.4", "/nowhere", "--config", config]).await;
        // Nothing is there yet, or it is not whole.
        assert!([1, 5].contains(&refused.status), "{refused:?}");
        if refused.status == 1 {
            unfinished += 1;
            assert!(refused.stderr.contains("is not all there"), "{refused:?}");
        }
    }
    assert!(unfinished > 0, "the kills missed the copying");
    let done = rig.migration(to).output().await.unwrap();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    assert!(done.status.success() && said.contains(&format!("{OBJECTS} read back and right")), "{done:?}");
}

async fn exported(config: &Path, study: &str, to: &Path) -> Vec<(String, Vec<u8>)> {
    let (config, shown) = (config.to_str().unwrap(), to.to_str().unwrap());
    run(&["archive", "export", study, shown, "--config", config]).await.exits(0);
    let files = fs::read_dir(to).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files
        .map(|path| (path.file_name().unwrap().to_string_lossy().into_owned(), fs::read(path).unwrap()))
        .collect();
    files.sort();
    files
}

async fn same(rig: &Rig, to: &Path) {
    let mut studies: Vec<_> = rig.sent.iter().map(|object| object.header.study.clone().unwrap()).collect();
    studies.sort();
    studies.dedup();
    let mut count = 0;
    for study in studies {
        let of = |name: &str| rig.directory.path().join(name).join(study.as_str());
        let old = exported(&rig.from, study.as_str(), &of("from-old")).await;
        assert_eq!(old, exported(to, study.as_str(), &of("from-new")).await, "{study}");
        count += old.len();
    }
    assert_eq!(count, rig.sent.len());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fault_migrate_killed_in_the_middle_goes_on_and_ends_the_same() {
    let rig = Rig::start(&Chance::new()).await;
    let at = rig.directory.path();
    let [spare, to] = ["spare", "new"].map(|name| configured(at, name, 0, &layers(at, name, "redb")));
    moved(&rig, &spare, &to).await;
    same(&rig, &to).await;
}

/// The old archive answers while it is moved, and takes nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_migrate_into_an_object_store_while_the_old_archive_answers() {
    let (rig, moto) = (Rig::start(&Chance::new()).await, Moto::start().await.unwrap());
    let at = rig.directory.path();
    let here = at.display();
    fs::write(at.join("key"), "AKIAEXAMPLE\n").unwrap();
    let store_in = |prefix: &str| {
        format!(
            "[archive]\nblobs = \"s3://{}/{prefix}\"\ncatalogue = \"redb:{here}/{prefix}/data/catalogue\"\n[archive.s3]\n\
             url = \"http://127.0.0.1:{}\"\naccess_key_file = \"{here}/key\"\nsecret_key_file = \"{here}/key\"\n",
            Moto::BUCKET,
            moto.port()
        )
    };
    let [spare, to] = ["spare", "new"].map(|name| configured(at, name, 0, &store_in(name)));
    let mut moving = rig.migration(&to).spawn().unwrap();
    let some = &rig.sent[..20];
    let refused = answered_meanwhile(&rig, some).await;
    assert_eq!(refused.0, 0xA700, "{refused}");
    assert!(moving.wait().await.unwrap().success());
    same(&rig, &to).await;
    moved(&rig, &spare, &configured(at, "third", 0, &store_in("third"))).await;
}

/// Waits until the old archive answers, reads objects from it and tries to store one.
async fn answered_meanwhile(rig: &Rig, some: &[Object]) -> outrigger_model::Status {
    let deadline = Instant::now() + std::time::Duration::from_secs(20);
    while tokio::net::TcpStream::connect(rig.station.address()).await.is_err() {
        assert!(Instant::now() < deadline, "it does not answer");
        tokio::task::yield_now().await;
    }
    same_at(&rig.station, some).await;
    let fresh = Supply::new(1).take(1);
    let mut session = associated(&rig.station, &fresh).await;
    store(&mut *session, &fresh[0]).await
}
