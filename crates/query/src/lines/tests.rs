mod routes;

use std::collections::BTreeSet;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use outrigger_member::{
    Ability, Answered, Arrived, CommitAnswer, ConnectError, Found, Member, Need, StoreSession,
};
use outrigger_model::{
    AeTitle, MemberName, MemberNumber, MemberSet, Query, SeriesUid, SopClassUid, SopInstanceUid, StudyUid,
    TransactionUid, transfer_syntax,
};
use outrigger_runtime::Content;
use tokio::task::JoinSet;

use super::refusing::REFUSALS_MAX;
use super::*;
use crate::plan::Keeping;

const TIMEOUT: Duration = Duration::from_secs(2);
const CONNECTIONS: usize = 4;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    #[default]
    Gives,
    Hangs,
    /// It gives an object for which it takes so long.
    Slow(Duration),
    /// It takes so long before the first byte of an object.
    Late(Duration),
    /// It gives so much of an object, and hangs then.
    Stops(Duration),
    /// Connections are refused, and those that were open are gone.
    Away,
    /// It answers, and has nothing.
    HasNone,
}

/// A member with one object for everything; clones are the same one.
#[derive(Debug, Clone, Default)]
struct Fake(Arc<State>);

#[derive(Debug, Default)]
struct State {
    mode: Mutex<Mode>,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
    asked: AtomicUsize,
    arrived: Arrived,
}

impl Fake {
    fn is(&self, mode: Mode) {
        *self.0.mode.lock().unwrap() = mode;
    }

    fn mode(&self) -> Mode {
        *self.0.mode.lock().unwrap()
    }

    /// Connections taken, and instances asked for.
    fn counted(&self) -> [usize; 2] {
        [&self.0.connections, &self.0.asked].map(|count| count.load(Ordering::Relaxed))
    }
}

impl Fake {
    /// Ten megabytes a second.
    async fn gives_for(&self, time: Duration) {
        const TICK: Duration = Duration::from_millis(10);
        let began = Instant::now();
        while began.elapsed() < time {
            tokio::time::sleep(TICK).await;
            self.0.arrived.add(100_000);
        }
    }
}

fn refused() -> MemberError {
    let source = Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
    MemberError::Connect(ConnectError::Network { address: "a:104".to_owned(), source })
}

#[async_trait]
impl Member for Fake {
    async fn health(&self) -> Result<(), MemberError> {
        match self.mode() {
            Mode::Hangs => pending().await,
            Mode::Away => Err(refused()),
            _ => Ok(()),
        }
    }

    async fn open(&self, _: &[Need], _: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        Err(MemberError::NotFound)
    }

    async fn ask(&self, returned: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        match self.mode() {
            Mode::Gives | Mode::HasNone | Mode::Slow(_) | Mode::Late(_) | Mode::Stops(_) => {}
            Mode::Hangs => pending().await,
            Mode::Away => return Err(refused()),
        }
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        let open = self.0.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.most_open.fetch_max(open, Ordering::Relaxed);
        Ok(Box::new(Session { fake: self.clone(), class: returned[0].sop_class.clone() }))
    }

    async fn abilities(&self) -> Result<BTreeSet<Ability>, MemberError> {
        Err(MemberError::NotFound)
    }

    async fn commit(
        &self,
        _: &TransactionUid,
        _: &[(SopClassUid, SopInstanceUid)],
    ) -> Result<CommitAnswer, MemberError> {
        Err(MemberError::NotFound)
    }
}

/// A connection to a member, for instances of one class.
#[derive(Debug)]
struct Session {
    fake: Fake,
    class: SopClassUid,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.fake.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl AskSession for Session {
    fn is_open(&self) -> bool {
        true
    }

    fn gives(&self, class: &SopClassUid) -> bool {
        *class == self.class
    }

    fn arrived(&self) -> Arrived {
        self.fake.0.arrived.clone()
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
        _: &SopInstanceUid,
        _: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        self.fake.0.asked.fetch_add(1, Ordering::Relaxed);
        match self.fake.mode() {
            Mode::Gives => {}
            Mode::Slow(takes) => self.fake.gives_for(takes).await,
            Mode::Late(takes) => tokio::time::sleep(takes).await,
            Mode::Stops(after) => {
                self.fake.gives_for(after).await;
                pending::<()>().await;
            }
            Mode::Hangs => pending().await,
            Mode::Away => return Err(refused()),
            Mode::HasNone => return Err(MemberError::NotFound),
        }
        let body =
            Body { length: 0, sha256: [0; 32], block_crcs: Vec::new(), content: Content::Memory(vec![]) };
        Ok((TransferSyntaxUid::known(transfer_syntax::EXPLICIT_VR_LE), body))
    }

    async fn release(self: Box<Self>) {}
}

fn instance() -> Planned {
    Planned {
        sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: SopInstanceUid::known("1.2.3.4.5"),
        study: Some(StudyUid::known("1.2.3")),
        series: Some(SeriesUid::known("1.2.3.4")),
        transfer_syntax: TransferSyntaxUid::known(transfer_syntax::EXPLICIT_VR_LE),
        length: 0,
        keeping: Keeping::Inherited { members: MemberSet(1) },
    }
}

fn lines(fake: &Fake) -> Lines {
    let source = Source {
        number: MemberNumber(0),
        name: MemberName::new("a").unwrap(),
        preference: 1,
        routes: vec![Arc::new(fake.clone())],
        connections: CONNECTIONS,
    };
    Lines::new(source, TIMEOUT, Clock::System)
}

/// What asking came to, in a word, and how long it took.
async fn asked(lines: &Lines, turn: Turn) -> (&'static str, Duration) {
    in_words(lines.fetch(&instance(), turn)).await
}

/// The same of one that is waited for.
async fn waited_for(lines: &Lines) -> (&'static str, Duration) {
    in_words(lines.fetch_patiently(&instance())).await
}

async fn in_words(
    asked: impl Future<Output = Result<(TransferSyntaxUid, Body), FetchError>>,
) -> (&'static str, Duration) {
    let began = Instant::now();
    let word = match asked.await {
        Ok(_) => "given",
        Err(FetchError::Silent(_)) => "silent",
        Err(FetchError::LeftAlone(_)) => "left alone",
        Err(FetchError::Slow) => "slow",
        Err(FetchError::Member(MemberError::NotFound)) => "not found",
        Err(FetchError::Member(_) | FetchError::OutsideStudies) => "failed",
    };
    (word, began.elapsed())
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_costs_the_time_out_once_and_is_left_alone() {
    let fake = Fake::default();
    let lines = lines(&fake);
    assert_eq!(asked(&lines, Turn::Usual).await, ("given", Duration::ZERO));
    fake.is(Mode::Hangs);
    // Over the connection that is still open: no second time-out for a new one.
    assert_eq!(asked(&lines, Turn::Usual).await, ("silent", TIMEOUT));
    assert_eq!(asked(&lines, Turn::Usual).await, ("left alone", Duration::ZERO));
    let began = Instant::now();
    for _ in 1..SILENCES_MAX {
        assert_eq!(asked(&lines, Turn::LastResort(began)).await, ("silent", TIMEOUT));
    }
    assert_eq!(asked(&lines, Turn::LastResort(began)).await, ("left alone", Duration::ZERO));
    fake.is(Mode::Gives);
    tokio::time::advance(LEFT_ALONE).await;
    assert_eq!(asked(&lines, Turn::Usual).await, ("given", Duration::ZERO));
    assert_eq!(asked(&lines, Turn::Usual).await, ("given", Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_failed_before_a_retrieval_is_asked_once_more_by_it() {
    let fake = Fake::default();
    let lines = lines(&fake);
    fake.is(Mode::Hangs);
    let before = Instant::now();
    for _ in 0..SILENCES_MAX {
        assert_eq!(asked(&lines, Turn::LastResort(before)).await, ("silent", TIMEOUT));
    }
    tokio::time::advance(Duration::from_millis(1)).await;
    let began = Instant::now();
    assert_eq!(asked(&lines, Turn::LastResort(before)).await, ("left alone", Duration::ZERO));
    assert_eq!(asked(&lines, Turn::LastResort(began)).await, ("silent", TIMEOUT));
    assert_eq!(asked(&lines, Turn::LastResort(began)).await, ("left alone", Duration::ZERO));
    fake.is(Mode::Gives);
    tokio::time::advance(Duration::from_millis(1)).await;
    assert_eq!(asked(&lines, Turn::LastResort(Instant::now())).await, ("given", Duration::ZERO));
    assert_eq!(asked(&lines, Turn::Usual).await, ("given", Duration::ZERO));
}

/// Priors are of no known length.
#[tokio::test(start_paused = true)]
async fn a_large_object_of_unknown_length_is_waited_for_and_one_that_stops_in_the_middle_is_not() {
    let fake = Fake::default();
    let lines = lines(&fake);
    let long = 3 * TIMEOUT;
    fake.is(Mode::Slow(long));
    assert_eq!(asked(&lines, Turn::Usual).await, ("given", long));
    fake.is(Mode::Stops(long));
    let (word, took) = asked(&lines, Turn::Usual).await;
    assert!(word == "silent" && took <= long + Duration::from_secs(3), "{word} {took:?}");
    assert_eq!(asked(&lines, Turn::Usual).await.0, "left alone");
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_for_a_member_that_hangs_wait_no_longer_than_the_first() {
    let fake = Fake::default();
    fake.is(Mode::Hangs);
    let lines = Arc::new(lines(&fake));
    let mut all = JoinSet::new();
    for _ in 0..5 * CONNECTIONS {
        let lines = Arc::clone(&lines);
        all.spawn(async move { asked(&lines, Turn::Usual).await });
    }
    let words = all.join_all().await;
    assert!(words.iter().all(|(_, took)| *took <= TIMEOUT), "{words:?}");
    assert_eq!(words.iter().filter(|(word, _)| *word == "silent").count(), CONNECTIONS, "{words:?}");
    // They found one failure together, so that it is still asked as a last resort.
    assert_eq!(asked(&lines, Turn::LastResort(Instant::now())).await.0, "silent");
}

#[tokio::test(start_paused = true)]
async fn one_finds_out_whether_a_member_is_back_while_others_leave_it_alone() {
    let fake = Fake::default();
    fake.is(Mode::Hangs);
    let lines = Arc::new(lines(&fake));
    assert_eq!(asked(&lines, Turn::Usual).await.0, "silent");
    tokio::time::advance(LEFT_ALONE).await;
    let mut all = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let lines = Arc::clone(&lines);
        all.spawn(async move { asked(&lines, Turn::Usual).await.0 });
    }
    let mut words = all.join_all().await;
    words.sort_unstable();
    assert_eq!(words, ["left alone", "left alone", "left alone", "silent"]);
}

#[tokio::test(start_paused = true)]
async fn a_connection_is_kept_and_made_anew_when_it_was_lost() {
    let fake = Fake::default();
    let lines = lines(&fake);
    for _ in 0..3 {
        assert_eq!(asked(&lines, Turn::Usual).await.0, "given");
    }
    fake.is(Mode::HasNone);
    assert_eq!(asked(&lines, Turn::Usual).await.0, "not found");
    assert_eq!(fake.counted(), [1, 4], "one connection, and nothing asked twice");
    fake.is(Mode::Away);
    assert_eq!(asked(&lines, Turn::Usual).await, ("failed", Duration::ZERO));
    for _ in 0..2 * SILENCES_MAX {
        let now = Instant::now();
        assert_eq!(
            asked(&lines, Turn::LastResort(now)).await,
            ("failed", Duration::ZERO),
            "it costs no time"
        );
    }
    fake.is(Mode::Gives);
    assert_eq!(asked(&lines, Turn::LastResort(Instant::now())).await.0, "given");
    assert_eq!(asked(&lines, Turn::Usual).await.0, "given", "it answered, and is asked again");
    assert_eq!(fake.counted()[0], 2);
    tokio::time::advance(IDLE).await;
    assert_eq!(asked(&lines, Turn::Usual).await.0, "given");
    assert_eq!(fake.counted()[0], 3, "archives end idle associations");
}

/// Goal: a member never has more connections than it is configured for, however the classes of a study change.
#[tokio::test(start_paused = true)]
async fn connections_kept_for_another_class_make_room() {
    let fake = Fake::default();
    fake.is(Mode::Slow(Duration::from_millis(10)));
    let lines = Arc::new(lines(&fake));
    for class in ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.2"] {
        let mut all = JoinSet::new();
        for _ in 0..2 * CONNECTIONS {
            let lines = Arc::clone(&lines);
            let instance = Planned { sop_class: SopClassUid::known(class), ..instance() };
            all.spawn(async move { lines.fetch(&instance, Turn::Usual).await.is_ok() });
        }
        assert_eq!(all.join_all().await, [true; 2 * CONNECTIONS]);
    }
    assert_eq!(fake.0.most_open.load(Ordering::Relaxed), CONNECTIONS);
}

/// Goal: an archive that fetches an object from tape first is waited for by who has nobody else to ask; those who have are not held up by
/// it, once that is known.
#[tokio::test(start_paused = true)]
async fn a_member_that_is_slow_to_begin_is_waited_for_last() {
    let fake = Fake::default();
    let lines = lines(&fake);
    let late = TIMEOUT * 5;
    fake.is(Mode::Late(late));
    assert_eq!(asked(&lines, Turn::Usual).await, ("silent", TIMEOUT));
    assert_eq!(waited_for(&lines).await, ("given", late));
    assert_eq!(asked(&lines, Turn::Usual).await, ("slow", Duration::ZERO));
    assert_eq!(asked(&lines, Turn::LastResort(Instant::now())).await, ("slow", Duration::ZERO));
    assert_eq!(lines.series(), Series::LeftAlone);
    // What was fetched from tape comes at once, and so may what is asked for next.
    fake.is(Mode::Gives);
    assert_eq!(waited_for(&lines).await, ("given", Duration::ZERO));
    assert_eq!(asked(&lines, Turn::Usual).await, ("given", Duration::ZERO));
}

/// Who fails when objects are asked for is told of for a while, and no longer once it gives one.
#[tokio::test(start_paused = true)]
async fn who_gives_nothing_is_known_until_it_gives_or_ten_minutes_are_over() {
    let fake = Fake::default();
    let lines = lines(&fake);
    assert_eq!(lines.gives_nothing_for(), None);
    fake.is(Mode::Away);
    asked(&lines, Turn::Usual).await;
    tokio::time::advance(FAILED_LATELY / 2).await;
    assert_eq!(lines.gives_nothing_for(), Some(FAILED_LATELY / 2));
    asked(&lines, Turn::Usual).await;
    tokio::time::advance(FAILED_LATELY / 2).await;
    assert_eq!(lines.gives_nothing_for(), Some(FAILED_LATELY), "since it fell");
    tokio::time::advance(FAILED_LATELY / 2).await;
    assert_eq!(lines.gives_nothing_for(), None, "it may be back");
    asked(&lines, Turn::Usual).await;
    assert!(lines.gives_nothing_for().is_some());
    fake.is(Mode::Gives);
    tokio::time::advance(LEFT_ALONE).await;
    asked(&lines, Turn::Usual).await;
    assert_eq!(lines.gives_nothing_for(), None, "it is back");
}

/// Clients are told the name of a member, and its addresses stay in the log.
#[test]
fn what_clients_are_told_names_no_address() {
    let refusal = outrigger_member::http::HttpRefusal {
        operation: "WADO-RS",
        url: "http://10.0.0.20:8042/dicom-web/studies/1.2".to_owned(),
        code: 503,
        words: " Service Unavailable: 10.0.0.21 is down".to_owned(),
        retry_after: Some("30".to_owned()),
    };
    let error = FetchError::Member(MemberError::Http(Box::new(refusal)));
    let told = error.without_address();
    assert_eq!(told, "its web server answered WADO-RS with 503 (Retry-After: 30)");
    assert!(error.to_string().contains("10.0.0.20"), "the log names it: {error}");
}

/// An object that it has by the books is asked of a member, as whoever opens one does.
async fn asked_as_holder(lines: &Lines, turn: Turn) -> &'static str {
    let fetched = lines.fetch(&instance(), turn).await;
    match &fetched {
        Ok(_) => lines.note_given(),
        Err(error) if error.is_refusal() => lines.note_refused(),
        Err(_) => {}
    }
    in_words(async { fetched }).await.0
}

/// Goal: a member that refuses whatever it is asked for costs each retrieval a few refusals and not as many as it has instances, is told
/// of, and refuses nothing to anybody that it would have given.
#[tokio::test(start_paused = true)]
async fn a_member_that_refuses_everything_is_asked_after_the_others_until_it_gives() {
    let fake = Fake::default();
    let lines = lines(&fake);
    fake.is(Mode::HasNone);
    let began = Instant::now();
    for _ in 0..REFUSALS_MAX {
        assert_eq!(lines.gives_nothing_for(), None, "a few may be lost");
        assert_eq!(asked_as_holder(&lines, Turn::Usual).await, "not found");
        tokio::time::advance(Duration::from_secs(1)).await;
    }
    assert_eq!(lines.gives_nothing_for(), Some(began.elapsed()), "since the first");
    assert_eq!(lines.series(), Series::LeftAlone);
    assert_eq!(asked_as_holder(&lines, Turn::Usual).await, "left alone");
    for _ in 0..2 * REFUSALS_MAX {
        assert_eq!(asked_as_holder(&lines, Turn::LastResort(began)).await, "not found", "always asked");
    }
    tokio::time::advance(LEFT_ALONE).await;
    assert_eq!(asked_as_holder(&lines, Turn::Usual).await, "not found", "one finds out whether it is back");
    assert_eq!(asked_as_holder(&lines, Turn::Usual).await, "left alone");
    fake.is(Mode::Gives);
    assert_eq!(asked_as_holder(&lines, Turn::LastResort(began)).await, "given");
    assert_eq!(lines.gives_nothing_for(), None, "it is back");
    assert_eq!(asked_as_holder(&lines, Turn::Usual).await, "given");
}

/// What a member by the books never had is no refusal, and neither is a little that it has lost.
#[tokio::test(start_paused = true)]
async fn a_member_that_lacks_some_objects_goes_on_being_asked() {
    let fake = Fake::default();
    let lines = lines(&fake);
    fake.is(Mode::HasNone);
    for _ in 0..2 * REFUSALS_MAX {
        assert_eq!(asked(&lines, Turn::Usual).await.0, "not found", "it never had them");
    }
    for _ in 0..REFUSALS_MAX {
        for _ in 1..REFUSALS_MAX {
            fake.is(Mode::HasNone);
            assert_eq!(asked_as_holder(&lines, Turn::Usual).await, "not found");
        }
        fake.is(Mode::Gives);
        assert_eq!(asked_as_holder(&lines, Turn::Usual).await, "given");
    }
    assert_eq!(lines.gives_nothing_for(), None);
}

/// Who hung and refuses now is there: it has given nothing since, and no time-out is feared of it.
#[tokio::test(start_paused = true)]
async fn a_refusal_is_no_sign_that_a_member_gives_again() {
    let fake = Fake::default();
    let lines = lines(&fake);
    fake.is(Mode::Hangs);
    let began = Instant::now();
    for _ in 1..SILENCES_MAX {
        assert_eq!(asked_as_holder(&lines, Turn::LastResort(began)).await, "silent");
    }
    fake.is(Mode::HasNone);
    for _ in 0..2 {
        assert_eq!(asked_as_holder(&lines, Turn::LastResort(began)).await, "not found");
    }
    assert_eq!(lines.gives_nothing_for(), Some(TIMEOUT), "since it fell");
    fake.is(Mode::Hangs);
    for _ in 0..SILENCES_MAX {
        assert_eq!(asked_as_holder(&lines, Turn::LastResort(began)).await, "silent", "counted anew");
    }
    assert_eq!(asked_as_holder(&lines, Turn::LastResort(began)).await, "left alone");
}

/// A member whose web server answers everything with the same page refuses as well.
#[tokio::test(start_paused = true)]
async fn what_is_given_and_is_no_object_does_not_end_refusals() {
    let fake = Fake::default();
    let lines = lines(&fake);
    for _ in 0..REFUSALS_MAX {
        assert_eq!(asked(&lines, Turn::Usual).await.0, "given");
        lines.note_refused();
    }
    assert_eq!(asked(&lines, Turn::LastResort(Instant::now())).await.0, "given");
    assert_eq!(asked(&lines, Turn::Usual).await.0, "left alone");
    assert!(lines.gives_nothing_for().is_some());
    lines.note_given();
    assert_eq!(asked(&lines, Turn::Usual).await.0, "given");
}

/// A study on tape holds up no other study of the same member.
#[tokio::test(start_paused = true)]
async fn what_is_at_hand_is_given_while_others_wait_for_long() {
    let fake = Fake::default();
    let lines = Arc::new(lines(&fake));
    let late = TIMEOUT * 30;
    fake.is(Mode::Late(late));
    let mut waiting = JoinSet::new();
    for _ in 0..CONNECTIONS {
        let lines = Arc::clone(&lines);
        waiting.spawn(async move { waited_for(&lines).await });
    }
    tokio::time::sleep(TIMEOUT * 2).await;
    fake.is(Mode::Gives);
    assert_eq!(waited_for(&lines).await, ("given", Duration::ZERO));
    fake.is(Mode::Late(late));
    // Two at a time, of which the second pair tried once before.
    while let Some(waited) = waiting.join_next().await {
        let (word, took) = waited.unwrap();
        assert!(word == "given" && took <= late * 2 + TIMEOUT, "{word} after {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_is_not_waited_for_and_one_that_gives_nothing_only_once() {
    let fake = Fake::default();
    let lines = lines(&fake);
    fake.is(Mode::Hangs);
    assert_eq!(waited_for(&lines).await, ("silent", TIMEOUT), "it does not say that it is there");
    assert_eq!(waited_for(&lines).await, ("left alone", Duration::ZERO));
    tokio::time::advance(LEFT_ALONE).await;
    fake.is(Mode::Late(Duration::MAX));
    let (word, took) = waited_for(&lines).await;
    assert!(word == "silent" && took >= Duration::from_secs(600), "{word} after {took:?}");
    assert_eq!(waited_for(&lines).await, ("left alone", Duration::ZERO));
    assert_eq!(asked(&lines, Turn::Usual).await, ("left alone", Duration::ZERO));
    tokio::time::advance(took).await;
    fake.is(Mode::Gives);
    assert_eq!(waited_for(&lines).await, ("given", Duration::ZERO));
}
