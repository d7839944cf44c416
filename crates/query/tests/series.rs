//! Series read as a whole: whatever the member does in the middle, each instance is had once and is the one planned.

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_member::{
    Ability, Answered, Arrived, AskSession, CameBack, CommitAnswer, ConnectError, Found, Member, MemberError,
    Need, Returned, StoreSession,
};
use outrigger_model::{
    AeTitle, MemberName, MemberSet, Query, Seq, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid,
    StudyUid, TransactionUid, TransferSyntaxUid,
};
use outrigger_query::{Keeping, Planned, Respondents, Retrieval, Source};
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_runtime::{Body, Random, Spool, Threads};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use crate::rig::{A, B, Rig, TIMEOUT};

/// Instances of the series: more than a shelf holds.
pub(crate) const INSTANCES: u32 = 200;

/// What it does when it is asked for a series.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Gives {
    /// All, as they were stored.
    #[default]
    All,
    /// All, the last first.
    Reversed,
    /// Each twice.
    Twice,
    /// All but this one.
    AllBut(u32),
    /// This one under another's name.
    Another(u32),
    /// This one with another value in it.
    Altered(u32),
    /// All of them with another value in it.
    Older,
    /// Others of the same series before them.
    Strangers(u32),
    /// So many, and then the connection is lost.
    Cut(u32),
    /// So many, and then the process is dead.
    Dies(u32),
    /// So many, and then nothing.
    Hangs(u32),
    /// All, each piece by piece for longer than the time-out.
    Slowly,
    /// An error at once, and single instances well.
    Nothing,
    /// Nothing of the series, and single instances after so long.
    Late(Duration),
}

/// A member with the series; clones are the same one.
#[derive(Debug, Clone, Default)]
pub(crate) struct Shelved(Arc<State>);

#[derive(Debug, Default)]
struct State {
    gives: Mutex<Gives>,
    is_dead: Mutex<bool>,
    /// It has those before this one.
    lacks_from: Mutex<Option<u32>>,
    series: AtomicUsize,
    singles: AtomicUsize,
    given: AtomicUsize,
}

impl Shelved {
    pub(crate) fn gives(gives: Gives) -> Self {
        let member = Self::default();
        member.is(gives);
        member
    }

    /// It does not answer from now on, or it does again.
    fn is(&self, gives: Gives) {
        *self.0.gives.lock().unwrap() = gives;
    }

    /// It has nothing from this one on.
    pub(crate) fn lacks_from(&self, number: u32) {
        *self.0.lacks_from.lock().unwrap() = Some(number);
    }

    fn lacks(&self, number: u32) -> bool {
        self.0.lacks_from.lock().unwrap().is_some_and(|from| number >= from)
    }

    /// Series and single instances asked for, and instances of series given.
    pub(crate) fn counted(&self) -> [usize; 3] {
        [&self.0.series, &self.0.singles, &self.0.given].map(|count| count.load(Ordering::Relaxed))
    }
}

fn lost() -> MemberError {
    let source = Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    MemberError::Lost { operation: "WADO-RS", source }
}

fn phantom(number: u32) -> Phantom {
    Phantom::new(9, Place { instance: number, ..Place::default() }, Shape::Sr)
}

fn number(instance: &SopInstanceUid) -> Option<u32> {
    (0..INSTANCES * 2).find(|number| phantom(*number).header.sop_instance == *instance)
}

async fn body(bytes: bytes::Bytes) -> Body {
    let spool = Spool {
        disk: SimDisk::new(1, 1).shared(),
        directory: "/".into(),
        threads: Threads::Simulated,
        random: Random::seeded(1),
        memory_bytes_max: 1 << 20,
        object_bytes_max: 1 << 20,
    };
    let mut writer = spool.begin();
    writer.push(bytes).await.unwrap();
    writer.finish().await.unwrap()
}

/// The object with another last byte, which is of a text.
fn altered(number: u32) -> bytes::Bytes {
    let mut bytes = phantom(number).data_set.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    bytes.into()
}

async fn back(named: u32, number: u32) -> CameBack {
    let phantom = phantom(number);
    CameBack {
        sop_class: phantom.header.sop_class.clone(),
        sop_instance: self::phantom(named).header.sop_instance,
        transfer_syntax: phantom.transfer_syntax.clone(),
        body: body(phantom.data_set).await,
    }
}

#[async_trait]
impl Member for Shelved {
    async fn health(&self) -> Result<(), MemberError> {
        let is_slow = matches!(*self.0.gives.lock().unwrap(), Gives::Late(_));
        if is_slow { Ok(()) } else { Err(MemberError::NotFound) }
    }

    async fn open(&self, _: &[Need], _: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        Err(MemberError::NotFound)
    }

    async fn ask(&self, _: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        if *self.0.is_dead.lock().unwrap() {
            let source = Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
            return Err(MemberError::Connect(ConnectError::Network { address: "a:80".to_owned(), source }));
        }
        Ok(Box::new(Line { member: self.clone(), arrived: Arrived::default() }))
    }

    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError> {
        Err(MemberError::NotFound)
    }

    fn gives_series(&self) -> bool {
        true
    }

    async fn commit(
        &self,
        _: &TransactionUid,
        _: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError> {
        Err(MemberError::NotFound)
    }
}

struct Line {
    member: Shelved,
    arrived: Arrived,
}

#[async_trait]
impl AskSession for Line {
    fn is_open(&self) -> bool {
        false
    }

    fn gives(&self, _: &SopClassUid) -> bool {
        true
    }

    fn arrived(&self) -> Arrived {
        self.arrived.clone()
    }

    async fn present(&mut self, _: &StudyUid, _: &SeriesUid) -> Result<Found, MemberError> {
        Err(MemberError::NotFound)
    }

    async fn find(&mut self, _: &Query, _: usize) -> Result<Answered, MemberError> {
        Err(MemberError::NotFound)
    }

    async fn fetch(
        &mut self,
        _: &StudyUid,
        _: &SeriesUid,
        instance: &SopInstanceUid,
        _: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        let state = &self.member.0;
        state.singles.fetch_add(1, Ordering::Relaxed);
        let gives = *state.gives.lock().unwrap();
        match gives {
            Gives::Hangs(_) => pending().await,
            Gives::Late(time) => tokio::time::sleep(time).await,
            _ => {}
        }
        let number = number(instance).filter(|number| !self.member.lacks(*number));
        let number = number.ok_or(MemberError::NotFound)?;
        let phantom = phantom(number);
        let bytes = if gives == Gives::Older { altered(number) } else { phantom.data_set };
        Ok((phantom.transfer_syntax, body(bytes).await))
    }

    async fn fetch_series(
        &mut self,
        _: &StudyUid,
        _: &SeriesUid,
        taken: &mpsc::Sender<CameBack>,
    ) -> Result<(), MemberError> {
        let state = Arc::clone(&self.member.0);
        state.series.fetch_add(1, Ordering::Relaxed);
        let gives = *state.gives.lock().unwrap();
        let mut order: Vec<(u32, u32)> = (0..INSTANCES).map(|number| (number, number)).collect();
        match gives {
            Gives::Reversed => order.reverse(),
            Gives::Twice => order = order.iter().flat_map(|one| [*one, *one]).collect(),
            Gives::AllBut(number) => order.retain(|one| one.0 != number),
            Gives::Another(number) => order[number as usize].1 = number + 1,
            Gives::Strangers(count) => {
                order = (0..count).map(|n| (INSTANCES + n, INSTANCES + n)).chain(order).collect();
            }
            Gives::Cut(count) | Gives::Dies(count) | Gives::Hangs(count) => order.truncate(count as usize),
            Gives::Nothing => return Err(lost()),
            Gives::Late(_) => pending().await,
            Gives::All | Gives::Older | Gives::Slowly | Gives::Altered(_) => {}
        }
        order.retain(|one| !self.member.lacks(one.0));
        for (named, number) in order {
            for _ in 0..if gives == Gives::Slowly { 6 } else { 0 } {
                tokio::time::sleep(TIMEOUT / 3).await;
                self.arrived.add(1);
            }
            self.arrived.add(1);
            state.given.fetch_add(1, Ordering::Relaxed);
            let mut instance = back(named, number).await;
            if gives == Gives::Altered(number) || gives == Gives::Older {
                instance.body = body(altered(number)).await;
            }
            if taken.send(instance).await.is_err() {
                return Ok(());
            }
        }
        match gives {
            Gives::Hangs(_) => pending().await,
            Gives::Dies(_) => {
                *state.is_dead.lock().unwrap() = true;
                Err(lost())
            }
            Gives::Cut(_) => Err(lost()),
            _ => Ok(()),
        }
    }

    async fn release(self: Box<Self>) {}
}

pub(crate) fn planned(numbers: impl IntoIterator<Item = u32>) -> Vec<Planned> {
    let planned = numbers.into_iter().map(|number| {
        let phantom = phantom(number);
        Planned {
            sop_class: phantom.header.sop_class,
            sop_instance: phantom.header.sop_instance,
            study: phantom.header.study,
            series: phantom.header.series,
            transfer_syntax: phantom.transfer_syntax,
            length: 0,
            keeping: Keeping::Inherited { members: MemberSet::default() },
        }
    });
    planned.collect()
}

/// The same as they were accepted here, of which the journal has nothing any more.
fn accepted(numbers: impl IntoIterator<Item = u32>) -> Vec<Planned> {
    let accepted = |mut planned: Planned| {
        let bytes = phantom(number(&planned.sop_instance).unwrap()).data_set;
        let sha256 = Sha256Digest(Sha256::digest(&bytes).into());
        planned.keeping = Keeping::Accepted { entry: Seq(1_000_000), sha256 };
        planned
    };
    planned(numbers).into_iter().map(accepted).collect()
}

/// Two members with the series, of which the first is preferred.
pub(crate) async fn rig(a: &Shelved, b: &Shelved) -> Rig {
    let source = |number, name: &str, member: &Shelved| Source {
        number,
        name: MemberName::new(name).unwrap(),
        preference: 1,
        routes: vec![Arc::new(member.clone())],
        connections: 4,
    };
    Rig::reading(Respondents::Members, vec![source(A, "a", a), source(B, "b", b)]).await
}

/// Opens all, four at once, as front doors do; gives how long nothing came at most.
async fn opened(rig: &Rig, planned: &[Planned]) -> Duration {
    let retrieval: Arc<Retrieval> = Arc::new(rig.reader.retrieval(planned).expect("a series is asked for"));
    let mut longest = Duration::ZERO;
    let mut begun = Instant::now();
    for four in planned.chunks(4) {
        let mut opening = JoinSet::new();
        for instance in four.iter().cloned() {
            let retrieval = Arc::clone(&retrieval);
            opening.spawn(async move { (retrieval.open(&instance).await, instance) });
        }
        while let Some(opened) = opening.join_next().await {
            let (opened, instance) = opened.unwrap();
            let opened = opened.unwrap_or_else(|error| panic!("{}: {error}", instance.sop_instance));
            let bytes = opened.bytes.read_block(0).unwrap();
            assert_eq!(bytes, phantom(number(&instance.sop_instance).unwrap()).data_set);
            longest = longest.max(begun.elapsed());
            begun = Instant::now();
        }
    }
    longest
}

#[tokio::test(start_paused = true)]
async fn a_series_comes_in_one_answer() {
    for gives in [Gives::All, Gives::Twice, Gives::Strangers(10)] {
        let (a, b) = (Shelved::gives(gives), Shelved::default());
        opened(&rig(&a, &b).await, &planned(0..INSTANCES)).await;
        let [series, singles, _] = a.counted();
        assert_eq!((series, singles, b.counted()), (1, 0, [0; 3]), "{gives:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_come_in_it_is_asked_for_by_itself() {
    for (gives, most) in [
        (Gives::AllBut(7), 1),
        // What is named wrongly ends it: the rest comes one by one.
        (Gives::Another(150), 50),
        (Gives::Cut(150), 50),
        (Gives::Strangers(100), INSTANCES as usize),
        (Gives::Reversed, INSTANCES as usize),
        (Gives::Nothing, INSTANCES as usize),
    ] {
        let (a, b) = (Shelved::gives(gives), Shelved::default());
        let silent = opened(&rig(&a, &b).await, &planned(0..INSTANCES)).await;
        let [series, singles, given] = a.counted();
        assert_eq!((series, b.counted()), (1, [0; 3]), "{gives:?}");
        assert!((1..=most).contains(&singles), "{gives:?}: {singles} asked for by themselves");
        assert!(given <= INSTANCES as usize, "{gives:?}: {given} given");
        assert!(silent < TIMEOUT, "{gives:?}: {silent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn another_member_gives_the_rest_where_one_dies_or_hangs() {
    for (gives, longest) in
        [(Gives::Dies(90), Duration::from_secs(1)), (Gives::Hangs(90), TIMEOUT + Duration::from_secs(1))]
    {
        let (a, b) = (Shelved::gives(gives), Shelved::default());
        let silent = opened(&rig(&a, &b).await, &planned(0..INSTANCES)).await;
        assert!(silent < longest, "{gives:?}: {silent:?}");
        assert_eq!(a.counted()[2], 90, "{gives:?}");
        assert_eq!(b.counted()[1], INSTANCES as usize - 90, "{gives:?}");
    }
}

/// What a member without series of its own gives is not asked for in one answer, nor a few instances of a large series.
#[tokio::test(start_paused = true)]
async fn a_few_instances_are_asked_for_one_by_one() {
    let (a, b) = (Shelved::default(), Shelved::default());
    let rig = rig(&a, &b).await;
    opened(&rig, &planned(0..7)).await;
    assert_eq!(a.counted(), [0, 7, 0]);
    opened(&rig, &planned((0..INSTANCES).step_by(20))).await;
    let [series, singles, given] = a.counted();
    assert!(series == 1 && singles > 0 && given < 100, "{series} {singles} {given}");
}

/// A member that gave nothing of a series is not asked for one again at once.
#[tokio::test(start_paused = true)]
async fn a_member_that_gives_no_series_is_not_asked_again_and_again() {
    let (a, b) = (Shelved::gives(Gives::Nothing), Shelved::gives(Gives::Nothing));
    let rig = rig(&a, &b).await;
    opened(&rig, &planned(0..20)).await;
    let instances = planned(0..20);
    rig.reader.retrieval(&instances).unwrap().open(&instances[0]).await.unwrap();
    assert_eq!(a.counted()[0], 1);
}

/// Gives how many of these come, opened one after another in one retrieval, and how long all of it takes.
async fn got(rig: &Rig, planned: &[Planned]) -> (usize, Duration) {
    let (retrieval, begun) = (rig.reader.retrieval(planned).unwrap(), Instant::now());
    let mut came = 0;
    for instance in planned {
        came += usize::from(retrieval.open(instance).await.is_ok());
    }
    (came, begun.elapsed())
}

/// All members hang, each is found out to, and all come back: what is asked for then is given, though they failed a moment ago.
#[tokio::test(start_paused = true)]
async fn members_that_are_back_are_asked_before_an_instance_is_failed() {
    let (a, b) = (Shelved::gives(Gives::Hangs(0)), Shelved::gives(Gives::Hangs(0)));
    let rig = rig(&a, &b).await;
    let instances = planned(0..INSTANCES);
    assert_eq!(got(&rig, &instances).await.0, 0);
    // A dead archive costs a retrieval a bounded time, however many instances it is of.
    let (came, took) = got(&rig, &instances).await;
    assert!(came == 0 && took <= 2 * TIMEOUT, "{came} in {took:?}");
    a.is(Gives::Nothing);
    b.is(Gives::Nothing);
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (came, took) = got(&rig, &instances).await;
    assert!(came == instances.len() && took < Duration::from_secs(1), "{came} in {took:?}");
}

/// The preferred member hung long ago and came back unseen, as the other gave all; then that one hangs.
#[tokio::test(start_paused = true)]
async fn a_member_that_came_back_unseen_is_asked_when_the_other_falls() {
    let (a, b) = (Shelved::gives(Gives::Hangs(0)), Shelved::gives(Gives::Nothing));
    let rig = rig(&a, &b).await;
    let instances = planned(0..INSTANCES);
    let retrieval = rig.reader.retrieval(&instances).unwrap();
    let (first, rest) = instances.split_at(5);
    for instance in first {
        retrieval.open(instance).await.unwrap();
        tokio::time::sleep(Duration::from_secs(11)).await;
    }
    retrieval.open(&rest[0]).await.unwrap();
    a.is(Gives::Nothing);
    b.is(Gives::Hangs(0));
    for instance in rest {
        retrieval.open(instance).await.unwrap();
    }
    assert!(a.counted()[1] >= rest.len() - 1);
}

/// One who sends slowly leaves the connection to others, and has all of the series in the end.
#[tokio::test(start_paused = true)]
async fn one_who_sends_slowly_keeps_no_connection() {
    let (a, b) = (Shelved::default(), Shelved::default());
    let rig = rig(&a, &b).await;
    let instances = planned(0..INSTANCES);
    let retrieval = rig.reader.retrieval(&instances).unwrap();
    retrieval.open(&instances[0]).await.unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    let given = a.counted()[2];
    assert!(given < 100, "{given} were read ahead");
    for instance in &instances[1..] {
        timeout(TIMEOUT, retrieval.open(instance)).await.unwrap().unwrap();
    }
    assert_eq!(a.counted()[0], 1);
    assert!(a.counted()[1] > 100);
}

/// Goal: what only an archive has that fetches it from tape first is given, each instance as soon as it comes; what another has too does not wait
/// for that one.
#[tokio::test(start_paused = true)]
async fn what_only_an_archive_has_that_is_slow_to_begin_is_waited_for() {
    let late = TIMEOUT * 5;
    let (a, b) = (Shelved::gives(Gives::Late(late)), Shelved::default());
    *b.0.is_dead.lock().unwrap() = true;
    let rig = rig(&a, &b).await;
    let instances = planned(0..5);
    let open = async |instance: &Planned| {
        let begun = Instant::now();
        rig.reader.open(instance).await.unwrap();
        begun.elapsed()
    };
    let (first, second) = (open(&instances[0]).await, open(&instances[1]).await);
    assert!(late < first && first < late + 3 * TIMEOUT, "{first:?}");
    assert_eq!(second, late, "what was learnt of it costs no time again");
    *b.0.is_dead.lock().unwrap() = false;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(open(&instances[2]).await < TIMEOUT, "another has it");
    *b.0.is_dead.lock().unwrap() = true;
    a.is(Gives::All);
    assert!(
        open(&instances[3]).await < TIMEOUT,
        "it does not say that it is there, and gives it all the same"
    );
}

/// Goal: an instance with other bytes than were accepted is not taken from the series, and the series is not read on: the rest is asked
/// for one by one. The control is one as it was accepted.
#[tokio::test(start_paused = true)]
async fn other_bytes_than_were_accepted_end_the_series() {
    for (gives, singles) in [(Gives::All, 0..=0), (Gives::Altered(20), 100..=180)] {
        let (a, b) = (Shelved::gives(gives), Shelved::default());
        opened(&rig(&a, &b).await, &accepted(0..INSTANCES)).await;
        assert!(singles.contains(&a.counted()[1]), "{gives:?}: {:?}", a.counted());
    }
}

/// Goal: what a member that has an instance by the books gives in its place is known to whoever compares copies, once; what one gives
/// that need not have it is not.
#[tokio::test(start_paused = true)]
async fn what_a_member_gives_wrong_by_the_books_is_to_be_compared() {
    for has_it in [true, false] {
        let (a, b) = (Shelved::gives(Gives::Older), Shelved::default());
        let rig = rig(&a, &b).await;
        let mut instance = accepted(20..21).remove(0);
        let Keeping::Accepted { sha256, .. } = instance.keeping else { panic!("it was accepted") };
        let entry = rig.stored(1, "DOE").await;
        instance.keeping = Keeping::Accepted { entry, sha256 };
        if has_it {
            rig.has(A, entry).await;
        }
        for _ in 0..2 {
            rig.reader.open_elsewhere(&instance).await.unwrap();
        }
        let suspect = (instance.study.clone().unwrap(), instance.sop_instance.clone());
        assert_eq!(rig.reader.take_suspects(), Vec::from_iter(has_it.then_some(suspect)));
        assert_eq!(rig.reader.take_suspects(), []);
    }
}

/// Goal: a member that failed is passed over for series as well, and the other gives it whole.
#[tokio::test(start_paused = true)]
async fn a_series_comes_from_the_other_member_where_the_first_has_failed() {
    let (a, b) = (Shelved::default(), Shelved::default());
    *a.0.is_dead.lock().unwrap() = true;
    let rig = rig(&a, &b).await;
    opened(&rig, &planned(0..1)).await;
    opened(&rig, &planned(0..INSTANCES)).await;
    assert_eq!((a.counted(), b.counted()[0]), ([0; 3], 1));
}

/// Goal: what the journal has of a series is not counted among what is left of it.
#[tokio::test(start_paused = true)]
async fn a_few_instances_that_the_journal_has_not_are_asked_for_one_by_one() {
    let (a, b) = (Shelved::default(), Shelved::default());
    let rig = rig(&a, &b).await;
    let mut here = accepted(100..116);
    for (study, instance) in (0..).zip(&mut here) {
        let entry = rig.stored(study, "DOE").await;
        instance.keeping = Keeping::Accepted { entry, sha256: Sha256Digest([0; 32]) };
    }
    let there = planned(0..5);
    let retrieval = rig.reader.retrieval(&[here.clone(), there.clone()].concat()).unwrap();
    for instance in here.iter().chain(&there) {
        retrieval.open(instance).await.unwrap();
    }
    assert_eq!(a.counted(), [0, 5, 0]);
}

/// Goal: one who gives slowly is waited for as long as bytes come.
#[tokio::test(start_paused = true)]
async fn a_series_is_read_as_long_as_bytes_come() {
    let (a, b) = (Shelved::gives(Gives::Slowly), Shelved::default());
    opened(&rig(&a, &b).await, &planned(0..20)).await;
    assert_eq!((&a.counted()[..2], b.counted()), (&[1, 0][..], [0; 3]));
}

/// Goal: one who sends slowly all the time keeps the connection no longer than one who stops once.
#[tokio::test(start_paused = true)]
async fn waits_for_room_are_counted_together() {
    let (a, b) = (Shelved::default(), Shelved::default());
    let rig = rig(&a, &b).await;
    let instances = planned(0..INSTANCES);
    let retrieval = rig.reader.retrieval(&instances).unwrap();
    for instance in &instances[..40] {
        retrieval.open(instance).await.unwrap();
        tokio::time::sleep(Duration::from_secs(4)).await;
    }
    let given = a.counted()[2];
    assert!(given < 80, "{given} were read");
}
