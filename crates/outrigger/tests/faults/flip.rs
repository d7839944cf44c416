//! One bit is flipped in a file of a node that stands still: it starts, it or its scrub names that file and no other, it loses no
//! other entry, and delivers nothing that is not what it was sent. A damaged ledger is found or harmless, and made anew from the
//! journal.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use outrigger_sim::peers::Station;
use outrigger_sim::phantom::{Phantom, Place, Shape};
use tempfile::TempDir;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::actor::{Actor, Behind, UNTOUCHED};
use super::books::{differing, missing, violations};
use super::chance::{Chance, soak};
use super::load::{Supply, association};
use crate::modality::Object;
use crate::program::run;

/// Flips that are tried at the same time.
const AT_ONCE: usize = 4;
/// How long a node may take to deliver, or to say what it cannot.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// One flip of this many may be in room made in advance.
const ROOM_EVERY: u64 = 8;
/// Flips in journals and in ledgers, in a run that people wait for.
const JOURNAL_FLIPS: u64 = 60;
const LEDGER_FLIPS: u64 = 24;

/// How the node stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// In good order: its segment is sealed.
    Stopped,
    /// Killed: its segment is open.
    Killed,
}

/// What a node left that took objects while its member was away.
struct Left {
    data: PathBuf,
    objects: Vec<Object>,
    _directory: TempDir,
}

/// Where a bit is flipped.
#[derive(Debug, Clone)]
struct Flip {
    /// Below the data directory.
    file: PathBuf,
    offset: usize,
    /// Which bits of the byte.
    mask: u8,
}

fn nowhere() -> Station {
    Actor::archive(TempDir::new().unwrap().path(), "A", "sqlite").station()
}

impl Left {
    async fn by(end: End, seed: u64) -> Self {
        let directory = TempDir::new().unwrap();
        let data = directory.path().join("data");
        let member = Behind { name: "a", station: nowhere(), confirm: "present" };
        let mut door = Actor::door(directory.path(), &data, "72h", &[member]);
        door.start(UNTOUCHED).await.unwrap();
        let mut objects = Supply::new(seed).take(12);
        let place = Place { patient: 1, ..Place::default() };
        objects.push(Phantom::new(seed, place, Shape::Us { frames: 2 }).into());
        let objects = association(door.station(), objects).await.acked;
        assert_eq!(objects.len(), 13);
        let all = |balance: &serde_json::Value| balance["members"][0]["accepted_entries"] == 13;
        while !all(&door.json(&["balance"]).await) {
            sleep(LOOK_EVERY).await;
        }
        match end {
            End::Stopped => assert!(door.stop().await.unwrap().success()),
            End::Killed => door.kill(),
        }
        Self { data, objects, _directory: directory }
    }

    /// The files of the journal that hold entries or lead to them.
    fn journal(&self) -> Vec<PathBuf> {
        let mut files = vec![PathBuf::from("journal/head")];
        for directory in ["journal/segments", "journal/objects"] {
            let listed = fs::read_dir(self.data.join(directory)).unwrap();
            files.extend(listed.map(|entry| Path::new(directory).join(entry.unwrap().file_name())));
        }
        assert!(files.len() > 2, "{files:?}");
        files
    }

    /// A bit of a file: mostly up to its last byte that is not zero, for behind it may be room that nothing was written to.
    fn flip(&self, chance: &Chance, file: &Path) -> Flip {
        let bytes = fs::read(self.data.join(file)).unwrap();
        let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        let within = if chance.below(ROOM_EVERY) == 0 { bytes.len() } else { used };
        let offset = usize::try_from(chance.below(within as u64)).unwrap();
        Flip { file: file.to_owned(), offset, mask: 1 << chance.below(8) }
    }

    /// A copy of it with the bit flipped, before an archive that is there.
    async fn flipped(&self, directory: &Path, flip: &Flip) -> (Actor, Actor) {
        let data = directory.join("data");
        let copied = Command::new("cp").arg("-r").args([&self.data, &data]).status().unwrap();
        assert!(copied.success());
        let path = data.join(&flip.file);
        let mut bytes = fs::read(&path).unwrap();
        bytes[flip.offset] ^= flip.mask;
        fs::write(&path, bytes).unwrap();
        let mut archive = Actor::archive(&directory.join("a"), "A", "sqlite");
        archive.start(UNTOUCHED).await.unwrap();
        let member = Behind { name: "a", station: archive.station(), confirm: "present" };
        (Actor::door(&directory.join("door"), &data, "72h", &[member]), archive)
    }

    async fn journal_holds(&self, flip: &Flip) -> Result<(), String> {
        let directory = TempDir::new().unwrap();
        let (mut door, archive) = self.flipped(directory.path(), flip).await;
        door.start(UNTOUCHED).await.map_err(|error| format!("{flip:?}: it does not start: {error}"))?;
        let give_up = Instant::now() + SETTLES_WITHIN;
        let books = loop {
            let books = door.json(&["balance"]).await["members"][0].take();
            if books["pending"] == 0 || Instant::now() > give_up {
                break books;
            }
            sleep(LOOK_EVERY).await;
        };
        let wrong = |what: String| Err(format!("{flip:?}: {what}; the books: {books}\n{}", door.log()));
        if books["pending"] != 0 || books["difference"] != 0 {
            return wrong("it does not come to an end".to_owned());
        }
        let lost = missing(&archive.station(), &self.objects).await;
        let unread = differing(&archive.station(), &self.objects).await;
        if lost.len() > 1 || unread.len() != lost.len() || books["suspense"] != lost.len() {
            return wrong(format!("lost {lost:?}, read back {unread:?}"));
        }
        let named = named(&door).await?;
        let file = door_file(directory.path(), flip);
        let (ours, others): (Vec<_>, Vec<_>) = named.iter().partition(|text| text.contains(&file));
        // What nobody acknowledged goes with a line in the log; whatever the ledger had applied, and that is all there is, does not.
        let is_cut = door.log().lines().any(|line| line.contains("torn end") && line.contains(&file));
        if !others.is_empty() || (ours.is_empty() && !(is_cut && lost.is_empty())) {
            return wrong(format!("it is not named: {named:#?}"));
        }
        let tells_of_entries = ours.iter().any(|text| text.contains(", entr"));
        if !lost.is_empty() && !tells_of_entries {
            return wrong(format!("lost {lost:?}, and named {ours:#?}"));
        }
        Ok(())
    }

    async fn ledger_holds(&self, flip: &Flip) -> Result<(), String> {
        let directory = TempDir::new().unwrap();
        let (mut door, archive) = self.flipped(directory.path(), flip).await;
        let wrong = |what: String, door: &Actor| Err(format!("{flip:?}: {what}\n{}", door.log()));
        if door.start(UNTOUCHED).await.is_ok() {
            let give_up = Instant::now() + SETTLES_WITHIN;
            let found =
                ["malformed", "damage", "altered", "not a database", "seal", "corrupt", "as it was written"];
            loop {
                let log = door.log();
                if found.iter().any(|word| log.contains(word)) {
                    let named = named(&door).await?;
                    if named.is_empty() || !named.iter().all(|text| text.contains("`outrigger rebuild`")) {
                        return wrong(format!("met when it was read, and the scrub says {named:#?}"), &door);
                    }
                    break;
                }
                if door.json(&["balance"]).await["balanced"] == true {
                    let harmed = differing(&archive.station(), &self.objects).await;
                    let found = named(&door).await?;
                    let helped = found.iter().all(|text| text.contains("`outrigger rebuild`"));
                    if !harmed.is_empty() || !helped {
                        return wrong(format!("it balances without {harmed:?}, and says {found:#?}"), &door);
                    }
                    break;
                }
                if Instant::now() > give_up {
                    return wrong("it neither balances nor says why".to_owned(), &door);
                }
                sleep(LOOK_EVERY).await;
            }
        }
        door.kill();
        run(&["rebuild", "--config", &door.config.to_string_lossy()]).await.exits(0);
        if let Err(error) = door.start(UNTOUCHED).await {
            return wrong(format!("it does not start after the rebuild: {error}"), &door);
        }
        let after = violations(&door, &[archive.station()], &self.objects).await;
        let found = named(&door).await?;
        if after.is_empty() && found.is_empty() {
            return Ok(());
        }
        wrong(format!("after the rebuild {after:#?}, {found:#?}"), &door)
    }
}

fn door_file(directory: &Path, flip: &Flip) -> String {
    directory.join("data").join(&flip.file).display().to_string()
}

/// All that is said to be damaged: by the start, and by a scrub, after which `status` says the same.
async fn named(door: &Actor) -> Result<Vec<String>, String> {
    let mut named = reasons(door).await;
    let scrubbed = door.ask(&["scrub", "--json"]).await;
    let found = texts(&scrubbed.json()["findings"]);
    if scrubbed.status != if found.is_empty() { 0 } else { 4 } {
        return Err(format!("the scrub ends with {scrubbed:?}\n{}", door.log()));
    }
    let degraded = door.ask(&["status"]).await.status == 3;
    let shown = reasons(door).await;
    if found.iter().any(|text| !shown.contains(text)) || (!found.is_empty() && !degraded) {
        return Err(format!("found {found:#?}, shown {shown:#?}\n{}", door.log()));
    }
    named.extend(found);
    named.sort();
    named.dedup();
    Ok(named)
}

/// The reasons of damage in `status`.
async fn reasons(door: &Actor) -> Vec<String> {
    let all = texts(&door.json(&["status"]).await["reasons"]);
    all.iter().filter_map(|reason| reason.strip_prefix("damage: ")).map(str::to_owned).collect()
}

fn texts(list: &serde_json::Value) -> Vec<String> {
    let items = list.as_array().map(Vec::as_slice).unwrap_or_default();
    items.iter().filter_map(|text| text.as_str()).map(str::to_owned).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Book {
    Journal,
    Ledger,
}

/// Tries flips, a few at a time, over all the files in turn.
async fn all_hold(book: Book, end: End, flips: u64) {
    let chance = Chance::new();
    let left = Arc::new(Left::by(end, chance.seed).await);
    let files = match book {
        Book::Journal => left.journal(),
        Book::Ledger => vec![PathBuf::from("ledger.db")],
    };
    let began = Instant::now();
    let (gate, mut tasks) = (Arc::new(Semaphore::new(AT_ONCE)), JoinSet::new());
    for file in files.iter().cycle().take(usize::try_from(flips * soak()).unwrap()) {
        let (left, gate, flip) = (left.clone(), gate.clone(), left.flip(&chance, file));
        tasks.spawn(async move {
            let _turn = gate.acquire().await.unwrap();
            match book {
                Book::Journal => left.journal_holds(&flip).await,
                Book::Ledger => left.ledger_holds(&flip).await,
            }
        });
    }
    let wrong: Vec<String> = tasks.join_all().await.into_iter().filter_map(Result::err).collect();
    println!("{end:?}: {} flips over {files:?} in {:?}", flips * soak(), began.elapsed());
    assert!(wrong.is_empty(), "{} are wrong: {}", wrong.len(), wrong.join("\n\n"));
}

#[tokio::test]
async fn fault_flip_in_the_journal_of_a_stopped_node() {
    all_hold(Book::Journal, End::Stopped, JOURNAL_FLIPS / 2).await;
}

#[tokio::test]
async fn fault_flip_in_the_journal_of_a_killed_node() {
    all_hold(Book::Journal, End::Killed, JOURNAL_FLIPS / 2).await;
}

#[tokio::test]
async fn fault_flip_in_the_ledger() {
    all_hold(Book::Ledger, End::Stopped, LEDGER_FLIPS).await;
}

#[tokio::test]
async fn fault_flip_control_an_object_lost_in_silence_is_seen() {
    let mut more = Left::by(End::Stopped, 1).await;
    more.objects.extend(Supply::new(2).take(1));
    let head = Flip { file: PathBuf::from("journal/head"), offset: 0, mask: 1 };
    let wrong = more.journal_holds(&head).await.unwrap_err();
    assert!(wrong.contains("lost ["), "{wrong}");
}

#[tokio::test]
async fn fault_flip_control_a_file_that_nobody_names_is_seen() {
    let left = Left::by(End::Stopped, 1).await;
    let nothing = Flip { file: PathBuf::from("journal/head"), offset: 0, mask: 0 };
    let wrong = left.journal_holds(&nothing).await.unwrap_err();
    assert!(wrong.contains("it is not named"), "{wrong}");
    left.journal_holds(&Flip { mask: 1, ..nothing }).await.unwrap();
}
