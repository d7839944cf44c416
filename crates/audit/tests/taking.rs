//! Inventories into a ledger, with time that stands still until it is waited for.

use std::time::Duration;

use outrigger_audit::inventory::{InventoryOptions, Source, start};
use outrigger_catalogue::{CatalogueInstance, Current, Cursor};
use outrigger_journal::{Journal, JournalHandle, Options, Seq as JournalSeq};
use outrigger_ledger::scope::Scope;
use outrigger_ledger::{Inventoried, Ledger, LedgerOptions, MemberPolicy, MemberSet, MemoryStore, Need};
use outrigger_model::{
    ConfirmLevel, Level, MemberName, MemberNumber, Query, QueryKey, QueryRoot, Selection, StudyUid, Tag,
};
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_runtime::{Clock, Random, Shutdown, ShutdownGuard, Threads};

use crate::shelf::{RefusesAll, Shelf, asked, instance};

mod gone;

pub(crate) const A: MemberNumber = MemberNumber(0);
pub(crate) const B: MemberNumber = MemberNumber(1);

/// Time between two queries.
const BETWEEN: Duration = Duration::from_millis(100);
const EVERY: Duration = Duration::from_secs(86_400);

/// A node without doors.
pub(crate) struct Rig {
    disk: SimDisk,
    store: MemoryStore,
    pub(crate) clock: Clock,
    pub(crate) shelves: Vec<Shelf>,
    journal: JournalHandle,
    pub(crate) ledger: Ledger,
    stop: ShutdownGuard,
}

impl Rig {
    pub(crate) async fn new(shelves: Vec<Shelf>) -> Self {
        let disk = SimDisk::new(1, 1 << 30);
        let (store, clock) = (MemoryStore::default(), Clock::simulated(1_767_225_600_000_000));
        let (journal, ledger, stop) = begin(&disk, &store, &clock, &shelves).await;
        Self { disk, store, clock, shelves, journal, ledger, stop }
    }

    /// Ends the node in the middle of whatever it does, and starts it again.
    async fn restart(&mut self) {
        self.stop.stop();
        self.stop.all_gone().await;
        self.ledger.close().await;
        self.journal.clone().close().await.unwrap();
        (self.journal, self.ledger, self.stop) =
            begin(&self.disk, &self.store, &self.clock, &self.shelves).await;
    }

    /// Waits until the inventory of a member was taken once more.
    pub(crate) async fn complete(&self, member: MemberNumber, after: Option<outrigger_model::WallTime>) {
        let is_later = || self.ledger.inventory(member).complete.map(|complete| complete.began_at) > after;
        let mut waits = 0;
        while !is_later() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            waits += 1;
            assert!(waits < 200_000, "the inventory is not completed: {:?}", self.ledger.inventory(member));
        }
    }

    pub(crate) async fn instances(&self, study: u32) -> Vec<Option<MemberSet>> {
        let selection = Selection::Studies(vec![StudyUid::new(&format!("1.2.{study}")).unwrap()]);
        let page = self.ledger.select(selection, Cursor::default(), 1_000).await.unwrap();
        let who = |current: &Current| match current {
            Current::Kept(_) => None,
            Current::Inherited(inherited) => Some(inherited.members),
        };
        page.items.iter().map(|found| who(&found.current)).collect()
    }

    async fn studies(&self) -> usize {
        let keys = vec![QueryKey { tag: Tag::STUDY_INSTANCE_UID, value: String::new() }];
        let query = Query::new(QueryRoot::Study, Level::Study, keys);
        let (mut count, mut next) = (0, Some(Cursor::default()));
        while let Some(after) = next {
            let page = self.ledger.find(query.clone(), after, 1_000).await.unwrap();
            count += page.items.len();
            next = page.next;
        }
        count
    }
}

async fn begin(
    disk: &SimDisk,
    store: &MemoryStore,
    clock: &Clock,
    shelves: &[Shelf],
) -> (JournalHandle, Ledger, ShutdownGuard) {
    let options = Options {
        copies: vec![outrigger_journal::Place::new(outrigger_journal::EngineKind::Log, "/node/journal")],
        accept_loss: None,
        segment_bytes_max: 4 << 20,
        reserve_bytes: 1 << 20,
        max_size_bytes: 1 << 28,
    };
    let dyn_store: &dyn outrigger_ledger::LedgerStore = store;
    let applied = JournalSeq(dyn_store.position().unwrap().map_or(0, |position| position.applied.0));
    let opened = Journal::open(disk.shared(), clock.clone(), Random::seeded(7), options, applied).unwrap();
    let journal = opened.journal.start(Threads::Simulated).unwrap();
    let names = ["a", "b"].map(|name| MemberName::new(name).unwrap());
    let policy = |name: &MemberName| MemberPolicy {
        name: name.clone(),
        need: Need::Required,
        confirm: ConfirmLevel::Accepted,
        release: ConfirmLevel::Accepted,
        scope: Scope::default(),
        preference: 1,
        settle: Duration::from_secs(60),
    };
    let members = names.iter().take(shelves.len()).map(policy).collect();
    let options = LedgerOptions { members, fresh_for: Duration::from_secs(900) };
    let ledger =
        Ledger::open(journal.clone(), Box::new(store.clone()), options, clock.clone(), Threads::Simulated);
    let ledger = ledger.await.unwrap();
    let (stop, shutdown) = Shutdown::pair();
    let source = |(number, shelf): (u8, &Shelf)| Source {
        number: MemberNumber(number),
        name: names[usize::from(number)].clone(),
        issuer: None,
        routes: vec![std::sync::Arc::new(shelf.clone())],
    };
    start(&InventoryOptions {
        ledger: ledger.clone(),
        sources: (0u8..).zip(shelves).map(source).collect(),
        between: BETWEEN,
        every: EVERY,
        clock: clock.clone(),
        shutdown,
    });
    (journal, ledger, stop)
}

/// Two members with the same studies, of two series of two instances each.
fn shelves(studies: u32) -> Vec<Shelf> {
    let shelves = vec![Shelf::default(), Shelf::default()];
    let instances: Vec<_> = (0..studies)
        .flat_map(|study| [(1, 1), (1, 2), (2, 1), (2, 2)].map(|(series, n)| instance(study, series, n)))
        .collect();
    for shelf in &shelves {
        shelf.put(&instances);
    }
    shelves
}

#[tokio::test(start_paused = true)]
async fn what_two_members_hold_is_one_archive_with_who_has_what() {
    let shelves = shelves(60);
    shelves[1].put(&[instance(7, 3, 1), instance(900, 1, 1)]);
    shelves[0].manner(|manner| manner.cap = Some(10));
    let rig = Rig::new(shelves).await;
    for member in [A, B] {
        rig.complete(member, None).await;
        assert_eq!(rig.ledger.inventory(member).unlisted, 0);
    }
    assert_eq!(rig.studies().await, 61);
    let (both, b) = (MemberSet::from_iter([A, B]), MemberSet::from_iter([B]));
    assert_eq!(rig.instances(5).await, [Some(both); 4]);
    assert_eq!(rig.instances(7).await, [Some(both), Some(both), Some(both), Some(both), Some(b)]);
    assert_eq!(rig.instances(900).await, [Some(b)]);
    let facts = [A, B].map(|member| rig.ledger.inventory(member));
    assert_eq!(facts.map(|facts| (facts.studies, facts.instances)), [(60, 240), (61, 242)]);
    let seen = rig.ledger.sighting(StudyUid::known("1.2.7"), B).await.unwrap().unwrap();
    assert_eq!(seen.instances, 5);
    // Hierarchical: every key above the level asked for, and none below it.
    for query in rig.shelves[0].questions() {
        let tags: Vec<Tag> = asked(&query).iter().map(|key| key.tag).collect();
        match query.level {
            Level::Study | Level::Patient => assert!(!tags.contains(&Tag::SERIES_INSTANCE_UID)),
            Level::Series => assert_eq!(tags, [Tag::STUDY_INSTANCE_UID]),
            Level::Image => assert_eq!(tags, [Tag::STUDY_INSTANCE_UID, Tag::SERIES_INSTANCE_UID]),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn queries_keep_to_their_rate() {
    let rig = Rig::new(shelves(20)).await;
    let began = rig.clock.now();
    rig.complete(A, None).await;
    let asked = u32::try_from(rig.shelves[0].questions().len()).unwrap();
    assert!(asked > 60, "{asked} questions");
    assert!(rig.clock.now() - began >= BETWEEN * (asked - 1), "{asked} questions");
}

#[tokio::test(start_paused = true)]
async fn a_restart_in_the_middle_goes_on_where_it_was() {
    let mut rig = Rig::new(shelves(200)).await;
    rig.shelves[0].manner(|manner| manner.cap = Some(10));
    let mut restarts = 0;
    while rig.ledger.inventory(A).complete.is_none() {
        tokio::time::sleep(Duration::from_secs(13)).await;
        if rig.ledger.inventory(A).complete.is_none() {
            assert!(matches!(rig.ledger.inventoried(A), Inventoried::Running { .. }));
            rig.restart().await;
            restarts += 1;
        }
        assert!(restarts < 100, "it begins anew each time");
    }
    assert!(restarts > 3, "{restarts} restarts");
    assert_eq!(rig.studies().await, 200);
    let facts = rig.ledger.inventory(A);
    assert_eq!((facts.studies, facts.instances, facts.unlisted), (200, 800, 0));
    // Each study was listed once, but those that a restart broke off.
    let listed = rig.shelves[0].asked_at(Level::Series);
    assert!((200..=200 + restarts).contains(&listed), "{listed} listings with {restarts} restarts");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_is_away_is_waited_for() {
    let rig = Rig::new(shelves(30)).await;
    rig.shelves[0].manner(|manner| manner.away_after = Some(40));
    rig.complete(B, None).await;
    assert!(matches!(rig.ledger.inventoried(A), Inventoried::Running { .. }));
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    assert!(matches!(rig.ledger.inventoried(A), Inventoried::Running { .. }));
    assert_eq!(rig.shelves[0].questions().len(), 40);
    rig.shelves[0].manner(|manner| manner.away_after = None);
    rig.complete(A, None).await;
    assert_eq!(rig.ledger.inventory(A).studies, 30);
}

#[tokio::test(start_paused = true)]
async fn it_is_taken_again_lists_what_changed_and_keeps_what_is_gone() {
    let rig = Rig::new(shelves(12)).await;
    rig.complete(A, None).await;
    let first = rig.ledger.inventory(A).complete.unwrap();
    let listed = rig.shelves[0].asked_at(Level::Series);
    rig.shelves[0].put(&[instance(3, 1, 3), instance(50, 1, 1)]);
    tokio::time::sleep(EVERY / 2).await;
    assert_eq!(rig.shelves[0].asked_at(Level::Series), listed, "it is not taken again so soon");
    assert_eq!(rig.instances(50).await, []);
    rig.complete(A, Some(first.began_at)).await;
    assert_eq!(rig.instances(50).await.len(), 1);
    assert_eq!(rig.instances(3).await.len(), 5);
    assert_eq!(rig.shelves[0].asked_at(Level::Series), listed + 2, "only what changed is listed again");
    assert!(rig.ledger.inventory(A).complete.unwrap().began_at.since(first.began_at) >= EVERY);
}

#[tokio::test(start_paused = true)]
async fn what_a_later_inventory_does_not_see_stays_known_with_when_it_was_seen() {
    let mut rig = Rig::new(shelves(5)).await;
    rig.complete(A, None).await;
    let first = rig.ledger.inventory(A).complete.unwrap();
    // Another shelf in its place that has less.
    let less = Shelf::default();
    less.put(&[instance(1, 1, 1)]);
    rig.shelves[0] = less;
    rig.restart().await;
    rig.complete(A, Some(first.began_at)).await;
    assert_eq!(rig.studies().await, 5);
    assert_eq!(rig.instances(1).await.len(), 4);
    let sighting =
        async |study: &'static str| rig.ledger.sighting(StudyUid::known(study), A).await.unwrap().unwrap();
    let (gone, less) = (sighting("1.2.2").await, sighting("1.2.1").await);
    assert!(gone.last_seen < first.ended_at && gone.instances == 0, "{gone:?}");
    assert!(less.last_seen > first.ended_at && less.instances == 1, "{less:?}");
    assert_eq!(less.first_seen.max(first.ended_at), first.ended_at);
}

/// A shelf with these instances of one study, that may not say how many it has.
fn shelf_of(numbers: &[u32], counts: Counts) -> Shelf {
    let shelf = Shelf::default();
    let all: Vec<_> = numbers.iter().map(|number| instance(1, 1, *number)).collect();
    shelf.put(&all);
    if counts == Counts::Hidden {
        shelf.manner(|manner| {
            manner.without = vec![Tag::STUDY_RELATED_INSTANCES, Tag::SERIES_RELATED_INSTANCES];
        });
    }
    shelf
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Counts {
    Shown,
    Hidden,
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_a_member_shows_no_more_is_taken_out_for_it_alone() {
    for counts in [Counts::Shown, Counts::Hidden] {
        let mut rig = Rig::new(vec![shelf_of(&[1, 2, 3], counts), shelf_of(&[1, 2, 3], counts)]).await;
        rig.complete(A, None).await;
        rig.complete(B, None).await;
        let both = Some(MemberSet::from_iter([A, B]));
        assert_eq!(rig.instances(1).await, [both; 3]);
        let first = rig.ledger.inventory(A).complete.unwrap();
        rig.shelves[0] = shelf_of(&[1, 3], counts);
        rig.restart().await;
        rig.complete(A, Some(first.began_at)).await;
        let b_alone = Some(MemberSet::from_iter([B]));
        assert_eq!(rig.instances(1).await, [both, b_alone, both], "{counts:?}");
        // It comes back.
        let second = rig.ledger.inventory(A).complete.unwrap();
        rig.shelves[0] = shelf_of(&[1, 2, 3], counts);
        rig.restart().await;
        rig.complete(A, Some(second.began_at)).await;
        assert_eq!(rig.instances(1).await, [both; 3], "{counts:?}");
    }
}

/// Two members with studies of four instances, and what both hold of the first of them.
async fn both_with(studies: u32) -> (Rig, [Option<MemberSet>; 4]) {
    let rig = Rig::new(shelves(studies)).await;
    rig.complete(A, None).await;
    rig.complete(B, None).await;
    let both = [Some(MemberSet::from_iter([A, B])); 4];
    assert_eq!(rig.instances(1).await, both);
    (rig, both)
}

impl Rig {
    /// Puts another shelf in the place of that of the first member, and waits until its inventory was taken.
    async fn replace(&mut self, shelf: Shelf) {
        let last = self.ledger.inventory(A).complete.unwrap();
        self.shelves[0] = shelf;
        self.restart().await;
        self.complete(A, Some(last.began_at)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_study_that_a_member_does_not_show_any_more_is_taken_out_for_it_alone() {
    let (mut rig, both) = both_with(30).await;
    let b_alone = [Some(MemberSet::from_iter([B])); 4];
    // More than are asked for between two controls.
    rig.replace(shelf_without(30, 1..25)).await;
    for study in 1..25 {
        assert_eq!(rig.instances(study).await, b_alone, "{study}");
    }
    assert_eq!(rig.instances(28).await, both);
    assert_eq!(rig.studies().await, 30);
    let asked = rig.shelves[0].questions().len();
    rig.replace(shelf_without(30, 1..25)).await;
    assert!(rig.shelves[0].questions().len() < asked, "what is gone is not asked for again");
    // It comes back.
    rig.replace(shelf_without(30, 0..0)).await;
    assert_eq!(rig.instances(1).await, both);
}

/// It hides it in lists; it has nothing at all; it answers as if there were nothing to whoever names a study, at once or after a while.
#[tokio::test(start_paused = true)]
async fn a_study_that_a_member_may_still_have_is_not_taken_for_gone() {
    let hiding = shelf_without(30, 0..0);
    hiding.manner(|manner| manner.hides = (1..25).map(|study| format!("1.2.{study}")).collect());
    let forgetful = |after| {
        let shelf = shelf_without(30, 1..25);
        shelf.manner(|manner| manner.forgets_after = Some(after));
        shelf
    };
    for shelf in [hiding, Shelf::default(), forgetful(0), forgetful(1)] {
        let (mut rig, both) = both_with(30).await;
        rig.replace(shelf).await;
        for study in 1..25 {
            assert_eq!(rig.instances(study).await, both, "{study}");
        }
    }
}

/// The same studies as [`shelves`] has, but these.
fn shelf_without(studies: u32, gone: std::ops::Range<u32>) -> Shelf {
    let shelf = Shelf::default();
    let left = (0..studies).filter(|study| !gone.contains(study));
    let of_study = |study| [(1, 1), (1, 2), (2, 1), (2, 2)].map(|(series, n)| instance(study, series, n));
    shelf.put(&left.flat_map(of_study).collect::<Vec<_>>());
    shelf
}

/// It says that it has more than it lists, or says nothing and finds what it did not list when it is asked for it.
#[tokio::test(start_paused = true)]
async fn what_a_member_leaves_out_of_a_list_is_not_taken_for_gone() {
    for counts in [Counts::Shown, Counts::Hidden] {
        let numbers: Vec<u32> = (1..=30).collect();
        let shelf = shelf_of(&numbers, counts);
        let mut rig = Rig::new(vec![shelf.clone(), Shelf::default()]).await;
        rig.complete(A, None).await;
        let a_alone = Some(MemberSet::from_iter([A]));
        assert_eq!(rig.instances(1).await, [a_alone; 30], "{counts:?}");
        let mut last = rig.ledger.inventory(A).complete.unwrap().began_at;
        // Fewer in each answer than there are, and no numbers by which the rest could be asked for; one is new, so that it is listed.
        shelf.put(&[instance(1, 1, 31)]);
        shelf.manner(|manner| {
            manner.cap = Some(5);
            manner.without.push(Tag::INSTANCE_NUMBER);
        });
        for _ in 0..3 {
            rig.restart().await;
            rig.complete(A, Some(last)).await;
            last = rig.ledger.inventory(A).complete.unwrap().began_at;
            let known = rig.instances(1).await;
            assert!(known.len() >= 30 && known.iter().all(|who| *who == a_alone), "{counts:?}: {known:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_study_that_a_member_does_not_list_stops_nothing() {
    let rig = Rig::new(shelves(12)).await;
    rig.shelves[0].manner(|manner| {
        manner.refuses.insert("1.2.4".to_owned());
        manner.dies_of.insert("1.2.5".to_owned());
    });
    rig.complete(A, None).await;
    let facts = rig.ledger.inventory(A);
    assert_eq!((facts.studies, facts.instances, facts.unlisted), (12, 40, 2));
    rig.complete(B, None).await;
    assert_eq!(rig.instances(4).await, [Some(MemberSet::from_iter([B])); 4], "known from the other");
}

#[tokio::test(start_paused = true)]
async fn more_instances_of_a_series_than_are_given_are_asked_for_by_number() {
    let shelf = Shelf::default();
    let instances: Vec<_> = (0..35).flat_map(|study| (1..=30).map(move |n| instance(study, 1, n))).collect();
    shelf.put(&instances);
    shelf.manner(|manner| manner.cap = Some(20));
    let rig = Rig::new(vec![shelf]).await;
    rig.complete(A, None).await;
    let facts = rig.ledger.inventory(A);
    assert_eq!((facts.studies, facts.instances, facts.unlisted), (35, 1_050, 0));
    // The same where it does not say how many there are.
    let shelf = Shelf::default();
    shelf.put(&instances);
    shelf.manner(|manner| {
        manner.cap = Some(20);
        manner.without = vec![Tag::SERIES_RELATED_INSTANCES, Tag::STUDY_RELATED_INSTANCES];
    });
    let rig = Rig::new(vec![shelf]).await;
    rig.complete(A, None).await;
    assert_eq!(rig.ledger.inventory(A).instances, 1_050);
}

/// A study of 50 series and one of a series of 45 instances, none with a number, among 35 others.
fn unnumbered() -> Vec<CatalogueInstance> {
    let others = (100..135).map(|study| instance(study, 1, 1));
    let series = (75..125).map(|series| instance(1, series, 1));
    let instances = (475..520).map(|number| instance(2, 1, number));
    let unnumbered = series.chain(instances).map(|mut instance| {
        instance
            .header
            .attributes
            .retain(|(tag, _)| ![Tag::SERIES_NUMBER, Tag::INSTANCE_NUMBER].contains(tag));
        instance
    });
    others.chain(unnumbered).collect()
}

/// What cannot be listed is said, and not taken for what is not there.
#[tokio::test(start_paused = true)]
async fn what_cannot_be_listed_for_want_of_numbers_is_counted() {
    let shelf = Shelf::default();
    shelf.put(&unnumbered());
    shelf.manner(|manner| manner.cap = Some(20));
    let rig = Rig::new(vec![shelf]).await;
    rig.complete(A, None).await;
    let facts = rig.ledger.inventory(A);
    assert_eq!((facts.studies, facts.instances, facts.unlisted), (37, 75, 55));
    let said = async |study: &'static str| rig.ledger.said_of(StudyUid::known(study)).await.unwrap();
    assert_eq!((said("1.2.1").await, said("1.2.2").await, said("1.2.101").await), (Some(50), Some(45), None));
    rig.shelves[0].manner(|manner| manner.cap = None);
    let last = facts.complete.unwrap().began_at;
    let mut rig = rig;
    rig.restart().await;
    rig.complete(A, Some(last)).await;
    assert_eq!(rig.ledger.said_of(StudyUid::known("1.2.1")).await.unwrap(), None, "it lists all of it now");
}

#[tokio::test(start_paused = true)]
async fn instances_without_a_class_are_counted_as_unlisted() {
    let shelves = shelves(3);
    shelves[0].manner(|manner| manner.without = vec![Tag::SOP_CLASS_UID, Tag::SOP_CLASSES_IN_STUDY]);
    shelves[1].manner(|manner| manner.without = vec![Tag::SOP_CLASS_UID]);
    let rig = Rig::new(shelves).await;
    rig.complete(A, None).await;
    rig.complete(B, None).await;
    assert_eq!(rig.ledger.inventory(A).unlisted, 12);
    let facts = rig.ledger.inventory(B);
    assert_eq!((facts.instances, facts.unlisted), (12, 0), "the study names its one class");
}

#[tokio::test(start_paused = true)]
async fn a_member_that_refuses_every_query_is_not_taken_for_empty() {
    let rig = Rig::new(shelves(20)).await;
    rig.shelves[0].manner(|manner| manner.refuses_all = RefusesAll::Yes);
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    assert!(matches!(rig.ledger.inventoried(A), Inventoried::Running { studies: 0, .. }));
    rig.shelves[0].manner(|manner| manner.refuses_all = RefusesAll::No);
    rig.complete(A, None).await;
    assert_eq!(rig.ledger.inventory(A).studies, 20);
}

/// Studies without a date among too many are found by what the catalogue knows of those with one.
#[tokio::test(start_paused = true)]
async fn a_member_that_answers_nothing_for_too_much_is_gone_through() {
    let shelf = Shelf::default();
    let dated = (0..60).map(|study| instance(study, 1, 1));
    let undated = (200..212).map(|study| {
        let mut instance = instance(study, 1, 1);
        instance.header.attributes.retain(|(tag, _)| ![Tag::STUDY_DATE, Tag::STUDY_TIME].contains(tag));
        instance
    });
    let mut new = instance(300, 1, 1);
    new.header.attributes.retain(|(tag, _)| *tag != Tag::STUDY_DATE);
    new.header.attributes.push((Tag::STUDY_DATE, "20251230".to_owned()));
    shelf.put(&dated.chain(undated).chain([new]).collect::<Vec<_>>());
    shelf.manner(|manner| manner.hides_beyond = Some(10));
    let rig = Rig::new(vec![shelf]).await;
    tokio::time::sleep(EVERY / 2).await;
    let facts = rig.ledger.inventory(A);
    assert_eq!((facts.studies, facts.instances), (73, 73), "{facts:?}");
    assert!(facts.complete.is_none(), "that there may be more is said");
}

#[tokio::test(start_paused = true)]
async fn a_member_of_which_a_part_cannot_be_listed_is_never_complete() {
    let shelf = Shelf::default();
    let mut instances: Vec<_> = (0..40).map(|study| instance(study, 1, 1)).collect();
    for instance in &mut instances {
        let kept = [Tag::MODALITY, Tag::SERIES_NUMBER, Tag::INSTANCE_NUMBER];
        instance.header.attributes.retain(|(tag, _)| kept.contains(tag));
        instance.header.attributes.push((Tag::PATIENT_ID, "PHANTOM".to_owned()));
    }
    shelf.put(&instances);
    shelf.put(&(100..160).map(|study| instance(study, 1, 1)).collect::<Vec<_>>());
    shelf.manner(|manner| manner.cap = Some(20));
    let rig = Rig::new(vec![shelf]).await;
    tokio::time::sleep(EVERY / 2).await;
    let asked = rig.shelves[0].questions().len();
    let facts = rig.ledger.inventory(A);
    assert!(facts.unlisted > 0 && facts.studies == 80, "{facts:?}");
    assert!(matches!(rig.ledger.inventoried(A), Inventoried::Running { .. }));
    tokio::time::sleep(EVERY / 4).await;
    assert_eq!(rig.shelves[0].questions().len(), asked, "it rests until it is time");
    tokio::time::sleep(EVERY / 2).await;
    assert!(rig.shelves[0].questions().len() > asked, "and is taken again");
}
