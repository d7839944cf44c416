//! An archive whose objects are in a real S3 server: configured, probed, killed under load.

use std::fs;
use std::path::PathBuf;

use outrigger_sim::node::{Node, Role};
use outrigger_sim::peers::{HeldPort, Moto, Station};
use sha2::{Digest, Sha256};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::door::{ae, written};
use crate::faults::chance::Chance;
use crate::faults::load::{Outcome, Supply, associations, ended};
use crate::modality::{Object, same_at};
use crate::program::{program, run};

/// Kills in the test; each takes a start of the archive.
const KILLS: u32 = 6;
/// Objects offered in each round.
const OBJECTS: u32 = 32;
/// Associations that send at once.
const ASSOCIATIONS: usize = 4;

/// A store and the configuration of an archive that keeps its objects there.
struct Rig {
    moto: Moto,
    station: Station,
    admin: String,
    config: PathBuf,
    _ports: [HeldPort; 2],
    directory: TempDir,
}

impl Rig {
    async fn start() -> Self {
        let (moto, directory) = (Moto::start().await.unwrap(), TempDir::new().unwrap());
        let [dicom, api] = [(); 2].map(|()| HeldPort::free().unwrap());
        let here = directory.path().display();
        fs::write(directory.path().join("access"), "AKIAEXAMPLE\n").unwrap();
        fs::write(directory.path().join("secret"), "not-to-be-seen\n").unwrap();
        let admin = format!("127.0.0.1:{}", api.port);
        let text = format!(
            "[node]\nname = \"a\"\ndata = \"{here}/data\"\n[admin]\nlisten = \"{admin}\"\n\
             [[front.dimse]]\nlisten = \"127.0.0.1:{}\"\nae_titles = [\"A\"]\n\
             [archive]\nblobs = \"s3://{}/site\"\ncatalogue = \"sqlite:{here}/data/catalogue\"\n\
             [archive.s3]\nurl = \"http://127.0.0.1:{}\"\naccess_key_file = \"{here}/access\"\n\
             secret_key_file = \"{here}/secret\"\nretry_for = \"2s\"\n",
            dicom.port,
            Moto::BUCKET,
            moto.port()
        );
        let config = written(directory.path(), &text);
        let station = Station { ae_title: ae("A"), port: dicom.port };
        Self { moto, station, admin, config, _ports: [dicom, api], directory }
    }

    /// Starts it; the log of an earlier start is set aside, as it says that it was ready.
    async fn archive(&self) -> Node {
        let log = self.directory.path().join("log");
        if log.exists() {
            fs::rename(&log, self.directory.path().join("log.before")).unwrap();
        }
        Node::start(program(), Role::Archive, &self.config, self.directory.path(), Vec::new()).await.unwrap()
    }

    async fn ask(&self, what: &str, status: i32) -> crate::program::Ran {
        run(&[what, "--admin", &format!("http://{}", self.admin)]).await.exits(status)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_kill_of_an_archive_under_load_loses_nothing_acknowledged() {
    let (rig, chance) = (Rig::start().await, Chance::new());
    let mut supply = Supply::new(chance.seed);
    let mut archive = rig.archive().await;
    let began = Instant::now();
    let Outcome { mut acked, mut left, .. } =
        ended(associations(&rig.station, &supply.take(OBJECTS), ASSOCIATIONS)).await;
    let undisturbed = began.elapsed();
    let mut cut_off = 0;
    for _ in 0..KILLS {
        left.extend(supply.take(OBJECTS.saturating_sub(u32::try_from(left.len()).unwrap())));
        let sending = associations(&rig.station, &left, ASSOCIATIONS);
        sleep(chance.within(undisturbed * 3 / 4)).await;
        archive.process().kill().unwrap();
        archive = rig.archive().await;
        let round = ended(sending).await;
        cut_off += u32::from(round.broken);
        acked.extend(round.acked);
        left = round.left;
    }
    let rest = ended(associations(&rig.station, &left, ASSOCIATIONS)).await;
    let log = archive.process().log().unwrap();
    assert!(rest.left.is_empty(), "{} objects are not taken although all is well: {log}", rest.left.len());
    acked.extend(rest.acked);
    println!("{KILLS} kills, {cut_off} of them cut sending off, {} acknowledged", acked.len());
    assert!(cut_off * 2 >= KILLS, "the kills missed the sending: {cut_off}");
    same_at(&rig.station, &acked).await;
    let sound = rig.ask("scrub", 0).await;
    assert!(sound.stdout.contains(&format!("{} objects read", acked.len())), "{sound:?}");
    // The control: what is taken from the store behind its back is missed.
    let gone: &Object = &acked[0];
    let name: String = Sha256::digest(&gone.bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    let url = format!("http://127.0.0.1:{}/{}/site/blobs/{name}", rig.moto.port(), Moto::BUCKET);
    tokio::task::spawn_blocking(move || ureq::delete(url).header("Authorization", "AWS a:b").call().unwrap())
        .await
        .unwrap();
    let found = rig.ask("scrub", 4).await;
    assert!(found.stdout.contains(gone.header.sop_instance.as_str()), "{found:?}");
    assert!(!archive.process().log().unwrap().contains("not-to-be-seen"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn peer_s3_check_probes_the_store_and_says_what_is_wrong() {
    let rig = Rig::start().await;
    let config = rig.config.to_str().unwrap();
    let good = run(&["check", "--config", config, "--probe"]).await.exits(0);
    assert!(good.stdout.contains("object store objects") && good.stdout.contains("answers"), "{good:?}");
    let text = fs::read_to_string(config).unwrap();
    fs::write(config, text.replace("s3://objects", "s3://nobodys")).unwrap();
    let bad = run(&["check", "--config", config, "--probe"]).await.exits(3);
    assert!(bad.stdout.contains("NoSuchBucket"), "{bad:?}");
    assert!(!bad.stdout.contains("not-to-be-seen") && !bad.stderr.contains("not-to-be-seen"), "{bad:?}");
}
