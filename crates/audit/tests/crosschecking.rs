//! Cross-checks of two members over a ledger, with time that stands still until it is waited for.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outrigger_audit::crosscheck::budget::Budget;
use outrigger_audit::crosscheck::sample::Share;
use outrigger_audit::crosscheck::{Activity, CrosscheckOptions, Kept, Progress, Suspects, start};
use outrigger_audit::inventory::Source;
use outrigger_catalogue::{SeenInstance, SeenSeries, SeenStudy};
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_journal::{Journal, JournalHandle, Options, Seq as JournalSeq};
use outrigger_ledger::finding::{FindingKind, Witness};
use outrigger_ledger::scope::Scope;
use outrigger_ledger::{FindingShown, Ledger, LedgerOptions, MemberPolicy, MemoryStore, Need, Why};
use outrigger_model::{ConfirmLevel, InstanceHeader, MemberName, MemberNumber, SopInstanceUid, StudyUid};
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_runtime::{Clock, Random, Shutdown, ShutdownGuard, Threads};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::holder::{Heard, Holder};

mod doubt;

const NAMES: [&str; 2] = ["a", "b"];
const BETWEEN: Duration = Duration::from_millis(100);
const BYTES_PER_SECOND: u64 = 1 << 16;
const EVERY: Duration = Duration::from_secs(86_400);
const AGAIN: Duration = Duration::from_secs(3_600);
const IDLE: Duration = Duration::from_secs(2);

/// Instances that a retrieval saw to be wrong, each with its study.
type SeenWrong = Arc<Mutex<Vec<(StudyUid, SopInstanceUid)>>>;

/// A node without doors before two members.
struct Rig {
    disk: SimDisk,
    clock: Clock,
    holders: [Holder; 2],
    ledger: Ledger,
    _journal: JournalHandle,
    served: Arc<AtomicU64>,
    /// What a retrieval saw.
    seen_wrong: SeenWrong,
    progress: watch::Receiver<Progress>,
    stop: ShutdownGuard,
}

impl Rig {
    /// Both members have these, and the inventory has seen it.
    async fn new(priors: &[Phantom], percent: u8) -> Self {
        let disk = SimDisk::new(1, 1 << 30);
        let clock = Clock::simulated(1_767_225_600_000_000);
        let (journal, ledger) = opened(&disk, &clock).await;
        let holders = [Holder::default(), Holder::default()];
        for (number, holder) in (0..).zip(&holders) {
            for phantom in priors {
                holder.put(phantom);
                ledger.inherit(MemberNumber(number), seen(phantom)).await.unwrap();
            }
        }
        let served = Arc::new(AtomicU64::new(0));
        let seen_wrong = SeenWrong::default();
        let (stop, progress) = checked(&disk, &clock, &ledger, &holders, (&served, &seen_wrong), percent);
        Self { disk, clock, holders, ledger, _journal: journal, served, seen_wrong, progress, stop }
    }

    /// Ends the cross-check in the middle of whatever it does, and starts it again.
    async fn restart(&mut self, percent: u8) {
        self.stop.stop();
        self.stop.all_gone().await;
        (self.stop, self.progress) = checked(
            &self.disk,
            &self.clock,
            &self.ledger,
            &self.holders,
            (&self.served, &self.seen_wrong),
            percent,
        );
    }

    /// Waits until a round has ended.
    async fn ended(&mut self, round: u64) -> Progress {
        let is_over = |seen: &Progress| seen.round >= round && seen.ended_at.is_some();
        *self.progress.wait_for(is_over).await.unwrap()
    }

    /// Waits until so many differences were closed.
    async fn closed(&mut self, count: u64) {
        self.progress.wait_for(|seen| seen.closed >= count).await.unwrap();
    }

    async fn findings(&self) -> Vec<FindingShown> {
        self.ledger.findings().await.unwrap()
    }

    /// All questions, in order.
    fn heard(&self) -> Vec<(Instant, Heard)> {
        let mut heard: Vec<_> = self.holders.iter().flat_map(Holder::heard).collect();
        heard.sort_by_key(|(at, _)| *at);
        heard
    }

    fn studies_looked_at(&self) -> Vec<String> {
        let studies = self.holders[0].heard().into_iter().filter_map(|(_, heard)| match heard {
            Heard::Present(study) => Some(study.to_string()),
            Heard::Find(_) | Heard::Fetch(..) => None,
        });
        studies.collect()
    }
}

async fn opened(disk: &SimDisk, clock: &Clock) -> (JournalHandle, Ledger) {
    let options = Options {
        copies: vec![outrigger_journal::Place::new(outrigger_journal::EngineKind::Log, "/node/journal")],
        accept_loss: None,
        segment_bytes_max: 4 << 20,
        reserve_bytes: 1 << 20,
        max_size_bytes: 1 << 28,
    };
    let opened = Journal::open(disk.shared(), clock.clone(), Random::seeded(7), options, JournalSeq(0));
    let journal = opened.unwrap().journal.start(Threads::Simulated).unwrap();
    let policy = |name: &str| MemberPolicy {
        name: MemberName::new(name).unwrap(),
        need: Need::Required,
        confirm: ConfirmLevel::Accepted,
        release: ConfirmLevel::Accepted,
        scope: Scope::default(),
        preference: 1,
        settle: Duration::from_secs(60),
    };
    let options = LedgerOptions { members: NAMES.map(policy).to_vec(), fresh_for: Duration::from_secs(900) };
    let store = Box::new(MemoryStore::default());
    let ledger = Ledger::open(journal.clone(), store, options, clock.clone(), Threads::Simulated);
    (journal, ledger.await.unwrap())
}

fn checked(
    disk: &SimDisk,
    clock: &Clock,
    ledger: &Ledger,
    holders: &[Holder; 2],
    (served, seen_wrong): (&Arc<AtomicU64>, &SeenWrong),
    percent: u8,
) -> (ShutdownGuard, watch::Receiver<Progress>) {
    let (stop, shutdown) = Shutdown::pair();
    let source = |(number, holder): (u8, &Holder)| Source {
        number: MemberNumber(number),
        name: MemberName::new(NAMES[usize::from(number)]).unwrap(),
        issuer: None,
        routes: vec![Arc::new(holder.clone())],
    };
    let (served, seen_wrong) = (Arc::clone(served), Arc::clone(seen_wrong));
    let progress = start(CrosscheckOptions {
        ledger: ledger.clone(),
        sources: (0..).zip(holders).map(source).collect(),
        budget: Budget { between: BETWEEN, bytes_per_second: BYTES_PER_SECOND },
        share: Share { percent },
        every: EVERY,
        again: AGAIN,
        suspects: Suspects::new(move || std::mem::take(&mut *seen_wrong.lock().unwrap())),
        idle: IDLE,
        activity: Activity::new(move || served.load(Ordering::Relaxed)),
        kept: Kept { disk: disk.shared(), path: "/node/crosscheck.json".into() },
        clock: clock.clone(),
        threads: Threads::Simulated,
        random: Random::seeded(3),
        shutdown,
    });
    (stop, progress)
}

/// Studies of three instances each.
fn priors(studies: u32) -> Vec<Phantom> {
    let place = |patient, instance| Place { patient, instance, ..Place::default() };
    (0..studies)
        .flat_map(|study| (0..3).map(move |number| Phantom::new(5, place(study, number), Shape::SmallCt)))
        .collect()
}

fn seen(phantom: &Phantom) -> SeenStudy {
    let header = &phantom.header;
    let instance = SeenInstance {
        sop_class: header.sop_class.clone(),
        sop_instance: header.sop_instance.clone(),
        attributes: Vec::new(),
    };
    SeenStudy {
        study: header.study.clone().unwrap(),
        attributes: header.attributes.clone(),
        issuer: None,
        series: vec![SeenSeries {
            series: header.series.clone().unwrap(),
            attributes: Vec::new(),
            instances: vec![instance],
        }],
    }
}

fn of(findings: &[FindingShown], kind: FindingKind) -> Vec<&FindingShown> {
    findings.iter().filter(|finding| finding.kind == kind).collect()
}

fn name(finding: &FindingShown) -> Option<&str> {
    finding.member.as_ref().map(MemberName::as_str)
}

#[tokio::test(start_paused = true)]
async fn members_that_say_and_give_the_same_are_asked_and_nothing_is_found() {
    let priors = priors(4);
    let mut rig = Rig::new(&priors, 100).await;
    let progress = rig.ended(1).await;
    assert_eq!((progress.studies, progress.copies, progress.opened), (4, 24, 0));
    assert_eq!(rig.findings().await, []);
}

#[tokio::test(start_paused = true)]
async fn what_differs_is_found_once_and_closed_when_it_is_gone() {
    let priors = priors(4);
    let mut rig = Rig::new(&priors, 100).await;
    rig.holders[0].alter(&priors[1]);
    rig.holders[1].lose(&priors[4]);
    rig.holders[0].describe("ONE");
    rig.holders[1].describe("ANOTHER");
    rig.ended(1).await;
    let findings = rig.findings().await;
    let altered = of(&findings, FindingKind::Altered);
    assert_eq!((altered.len(), altered[0].witness, name(altered[0])), (1, Some(Witness::Undecided), None));
    assert_eq!(altered[0].instance.as_ref(), Some(&priors[1].header.sop_instance));
    let forgotten = of(&findings, FindingKind::Forgotten);
    assert_eq!((forgotten.len(), forgotten[0].witness), (1, Some(Witness::Books)));
    assert_eq!(
        (name(forgotten[0]), forgotten[0].instance.as_ref()),
        (Some("b"), Some(&priors[4].header.sop_instance))
    );
    assert!(forgotten[0].text.contains("and a shows it"), "{}", forgotten[0].text);
    assert_eq!(of(&findings, FindingKind::Disagree).len(), 4);
    rig.ended(2).await;
    assert_eq!(since(&rig.findings().await), since(&findings), "as old as they were");
    rig.holders.iter().for_each(Holder::mend);
    rig.holders[1].put(&priors[4]);
    rig.closed(6).await;
    assert_eq!(rig.findings().await, []);
    assert_eq!(rig.progress.borrow().round, 2, "looked at again between the rounds");
}

/// One instance of a hundred is read in a round of a day; what a retrieval saw is looked at within the hour.
#[tokio::test(start_paused = true)]
async fn what_a_retrieval_saw_to_be_wrong_is_looked_at_before_its_turn() {
    let place = |instance| Place { instance, ..Place::default() };
    let priors: Vec<_> = (0..40).map(|number| Phantom::new(9, place(number), Shape::SmallCt)).collect();
    let mut rig = Rig::new(&priors, 1).await;
    rig.ended(1).await;
    let read = |heard: &Heard| matches!(heard, Heard::Fetch(..));
    let before = rig.heard().iter().filter(|(_, heard)| read(heard)).count();
    assert!(before < 10, "the control: {before} copies of 80");
    rig.holders[0].alter(&priors[33]);
    tokio::time::sleep(AGAIN * 2).await;
    assert_eq!(rig.findings().await, [], "the control: nobody looked");
    let InstanceHeader { study, sop_instance, .. } = &priors[33].header;
    rig.seen_wrong.lock().unwrap().push((study.clone().unwrap(), sop_instance.clone()));
    tokio::time::sleep(AGAIN * 2).await;
    let found = rig.findings().await;
    assert_eq!((found.len(), found[0].kind), (1, FindingKind::Altered), "{found:?}");
    assert_eq!(found[0].instance.as_ref(), Some(sop_instance));
    assert!(rig.progress.borrow().round == 1, "before the next round");
}

/// What is found, and since when.
fn since(findings: &[FindingShown]) -> BTreeSet<(String, String)> {
    findings.iter().map(|finding| (finding.text.clone(), finding.at.clone())).collect()
}

/// What is told of a study, or of an instance of it.
async fn told(rig: &Rig, uid: &str) -> Vec<String> {
    let why = rig.ledger.why(Why::Uid(uid.to_owned())).await.unwrap();
    why.studies.into_iter().flat_map(|study| study.findings).collect()
}

#[tokio::test(start_paused = true)]
async fn something_else_under_the_same_words_changes_the_finding() {
    let priors = priors(1);
    let mut rig = Rig::new(&priors, 100).await;
    rig.holders[0].describe("ONE");
    rig.holders[1].describe("ANOTHER");
    rig.ended(1).await;
    let first = rig.findings().await;
    assert_eq!((first.len(), first[0].changes, &first[0].changed_at), (1, 0, &None), "{first:?}");
    rig.ended(2).await;
    let again = rig.findings().await;
    assert_eq!((again[0].changes, &again[0].text), (0, &first[0].text), "the same is said as before");
    assert!(again[0].last_seen > first[0].last_seen, "{again:?}");
    rig.holders[1].describe("A THIRD");
    rig.progress.wait_for(|seen| seen.changed == 1).await.unwrap();
    let other = rig.findings().await;
    assert_eq!((other.len(), other[0].changes, &other[0].at), (1, 1, &first[0].at), "{other:?}");
    assert!(other[0].changed_at.as_ref() > Some(&first[0].at), "{other:?}");
    assert!(other[0].text.starts_with(&first[0].text), "{other:?}");
    assert!(other[0].text.contains("something else is seen there"), "{other:?}");
}

#[tokio::test(start_paused = true)]
async fn why_tells_the_differences_of_a_study_and_of_each_instance() {
    let priors = priors(2);
    let mut rig = Rig::new(&priors, 100).await;
    rig.holders[0].alter(&priors[1]);
    rig.holders[1].lose(&priors[2]);
    rig.ended(1).await;
    let (study, other) = (priors[0].header.study.clone().unwrap(), priors[3].header.study.clone().unwrap());
    let uid = |place: usize| priors[place].header.sop_instance.as_str();
    let of_study = told(&rig, study.as_str()).await;
    assert_eq!(of_study.len(), 2, "{of_study:?}");
    for place in [1, 2] {
        let of_instance = told(&rig, uid(place)).await;
        assert_eq!(of_instance.len(), 1, "{of_instance:?}");
        assert!(of_instance[0].contains(uid(place)) && of_study.contains(&of_instance[0]), "{of_instance:?}");
    }
    assert!(told(&rig, uid(0)).await.is_empty());
    assert!(told(&rig, other.as_str()).await.is_empty(), "of another study");
}

#[tokio::test(start_paused = true)]
async fn what_is_unknown_is_not_missing_and_keeps_what_was_found() {
    let priors = priors(3);
    let mut rig = Rig::new(&priors, 100).await;
    rig.holders[1].leave_out(&priors[0]);
    rig.holders[1].alter(&priors[3]);
    rig.ended(1).await;
    let found = rig.findings().await;
    assert_eq!((found.len(), found[0].kind), (1, FindingKind::Altered), "asked for by name it is there");
    rig.holders[1].leave();
    rig.holders[1].mend();
    rig.ended(2).await;
    let still = rig.findings().await;
    assert_eq!(since(&still), since(&found), "who is away forgot nothing, and mended nothing either");
    rig.holders[1].come_back();
    rig.closed(1).await;
    assert_eq!(rig.findings().await, []);
}

#[tokio::test(start_paused = true)]
async fn a_study_that_a_member_lost_is_one_finding() {
    let place = |instance| Place { instance, ..Place::default() };
    let priors: Vec<_> = (0..40).map(|number| Phantom::new(9, place(number), Shape::SmallCt)).collect();
    let mut rig = Rig::new(&priors, 100).await;
    for phantom in &priors {
        rig.holders[0].lose(phantom);
    }
    rig.ended(1).await;
    let found = rig.findings().await;
    assert_eq!((found.len(), found[0].kind, name(&found[0])), (1, FindingKind::Forgotten, Some("a")));
    assert!(found[0].text.contains("40 instances"), "{}", found[0].text);
    for phantom in &priors {
        rig.holders[0].put(phantom);
    }
    rig.closed(1).await;
    assert_eq!(rig.findings().await, []);
}

#[tokio::test(start_paused = true)]
async fn questions_and_bytes_stay_within_the_budget() {
    let mut rig = Rig::new(&priors(6), 100).await;
    let progress = rig.ended(1).await;
    let heard = rig.heard();
    assert_eq!(progress.questions, heard.len() as u64);
    let (first, last) = (heard[0].0, heard[heard.len() - 1].0);
    for pair in heard.windows(2) {
        assert!(pair[1].0 - pair[0].0 >= BETWEEN, "{pair:?}");
    }
    let before_last = heard[..heard.len() - 1].iter().map(|(_, heard)| match heard {
        Heard::Fetch(_, bytes) => *bytes,
        Heard::Find(_) | Heard::Present(_) => 0,
    });
    let bytes: u64 = before_last.sum();
    let by_questions = u128::from(BYTES_PER_SECOND) * BETWEEN.as_millis() * heard.len() as u128 / 1_000;
    assert!(u128::from(bytes) > by_questions * 2, "the bytes are what holds it back: {bytes}");
    let paid_for = u128::from(BYTES_PER_SECOND) * (last - first).as_millis() / 1_000;
    assert!(u128::from(bytes) <= paid_for + 1_000, "{bytes} bytes, and {paid_for} are paid for");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_asked_while_others_are_served() {
    let mut rig = Rig::new(&priors(6), 100).await;
    for _ in 0..600 {
        rig.served.fetch_add(1, Ordering::Relaxed);
        tokio::time::sleep(IDLE / 2).await;
    }
    assert_eq!(rig.heard(), [], "ten minutes of work");
    let served_last = Instant::now() - IDLE / 2;
    rig.ended(1).await;
    let heard = rig.heard();
    assert!(heard[0].0 - served_last >= IDLE, "and then it goes on");
}

#[tokio::test(start_paused = true)]
async fn a_round_goes_on_after_a_restart_and_every_study_comes_round() {
    let mut rig = Rig::new(&priors(8), 1).await;
    rig.progress.wait_for(|seen| seen.studies == 5).await.unwrap();
    rig.restart(1).await;
    let progress = rig.ended(1).await;
    assert_eq!((progress.round, progress.studies), (1, 8));
    let looked = rig.studies_looked_at();
    let all: BTreeSet<_> = looked.iter().collect();
    assert_eq!(all.len(), 8);
    assert!(looked.len() <= 9, "none but the one it was at is looked at twice: {looked:?}");
    assert_eq!(rig.ended(2).await.studies, 8);
}
