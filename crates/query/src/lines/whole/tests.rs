use std::collections::BTreeSet;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use outrigger_member::{
    Ability, Answered, Arrived, CommitAnswer, ConnectError, Found, Member, Need, StoreSession,
};
use outrigger_model::{
    AeTitle, MemberName, MemberNumber, MemberSet, Query, SeriesUid, SopClassUid, SopInstanceUid, StudyUid,
    TransactionUid, TransferSyntaxUid, transfer_syntax,
};
use outrigger_runtime::{Body, Clock, Content};

use super::super::Turn;
use super::*;
use crate::plan::Keeping;
use crate::reader::Source;

const TIMEOUT: Duration = Duration::from_secs(2);
const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
const MR: &str = "1.2.840.10008.5.1.4.1.1.4";
const US: &str = "1.2.840.10008.5.1.4.1.1.6.1";
const CR: &str = "1.2.840.10008.5.1.4.1.1.1";

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mode {
    #[default]
    Gives,
    /// It takes no connection.
    Refuses,
    /// It takes a connection and loses it over the first question.
    Loses,
    /// It takes no connection, and does not say so.
    Hangs,
}

/// A route to a member; clones are the same one.
#[derive(Debug, Clone, Default)]
struct Way(Arc<State>);

#[derive(Debug, Default)]
struct State {
    mode: Mutex<Mode>,
    tried: AtomicUsize,
    connections: AtomicUsize,
    open: AtomicUsize,
    most_open: AtomicUsize,
}

impl Way {
    fn that(mode: Mode) -> Self {
        let way = Self::default();
        *way.0.mode.lock().unwrap() = mode;
        way
    }

    fn mode(&self) -> Mode {
        *self.0.mode.lock().unwrap()
    }

    fn tried(&self) -> usize {
        self.0.tried.load(Ordering::Relaxed)
    }

    fn connections(&self) -> usize {
        self.0.connections.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Member for Way {
    async fn health(&self) -> Result<(), MemberError> {
        Err(MemberError::NotFound)
    }

    async fn open(&self, _: &[Need], _: &AeTitle) -> Result<Box<dyn StoreSession>, MemberError> {
        Err(MemberError::NotFound)
    }

    async fn ask(&self, returned: &[Returned]) -> Result<Box<dyn AskSession>, MemberError> {
        self.0.tried.fetch_add(1, Ordering::Relaxed);
        match self.mode() {
            Mode::Gives | Mode::Loses => {}
            Mode::Refuses => {
                let source = Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionRefused));
                return Err(MemberError::Connect(ConnectError::Network {
                    address: "a:1".to_owned(),
                    source,
                }));
            }
            Mode::Hangs => pending().await,
        }
        self.0.connections.fetch_add(1, Ordering::Relaxed);
        let open = self.0.open.fetch_add(1, Ordering::Relaxed) + 1;
        self.0.most_open.fetch_max(open, Ordering::Relaxed);
        Ok(Box::new(Line { way: self.clone(), class: returned[0].sop_class.clone() }))
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

/// A connection, for instances of one class.
#[derive(Debug)]
struct Line {
    way: Way,
    class: SopClassUid,
}

impl Drop for Line {
    fn drop(&mut self) {
        self.way.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl AskSession for Line {
    fn is_open(&self) -> bool {
        true
    }

    fn gives(&self, class: &SopClassUid) -> bool {
        *class == self.class
    }

    fn arrived(&self) -> Arrived {
        Arrived::default()
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
        class: &SopClassUid,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        if self.way.mode() == Mode::Loses {
            return Err(lost());
        }
        if *class != self.class {
            return Err(MemberError::NotFound);
        }
        let content = Content::Memory(Vec::new());
        let body = Body { length: 0, sha256: [0; 32], block_crcs: Vec::new(), content };
        Ok((TransferSyntaxUid::known(transfer_syntax::EXPLICIT_VR_LE), body))
    }

    async fn release(self: Box<Self>) {}
}

fn lost() -> MemberError {
    let source = Box::new(std::io::Error::from(std::io::ErrorKind::ConnectionReset));
    MemberError::Lost { operation: "WADO-RS", source }
}

fn of(class: &'static str) -> Planned {
    Planned {
        sop_class: SopClassUid::known(class),
        sop_instance: SopInstanceUid::known("1.2.3.4.5"),
        study: Some(StudyUid::known("1.2.3")),
        series: Some(SeriesUid::known("1.2.3.4")),
        transfer_syntax: TransferSyntaxUid::known(transfer_syntax::EXPLICIT_VR_LE),
        length: 0,
        keeping: Keeping::Inherited { members: MemberSet(1) },
    }
}

fn lines(ways: &[&Way], connections: usize) -> Lines {
    let routes = ways.iter().map(|way| Arc::new((*way).clone()) as Arc<dyn Member>).collect();
    let source = Source {
        number: MemberNumber(0),
        name: MemberName::new("a").unwrap(),
        preference: 1,
        routes,
        connections,
    };
    Lines::new(source, TIMEOUT, Clock::System)
}

async fn given(lines: &Lines, class: &'static str) {
    lines.fetch(&of(class), Turn::Usual).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_next_route_gives_what_the_first_does_not_and_its_connection_is_its_own() {
    let (away, there) = (Way::that(Mode::Refuses), Way::default());
    let lines = lines(&[&away, &there], 4);
    given(&lines, CT).await;
    given(&lines, CT).await;
    assert_eq!((away.tried(), there.connections()), (1, 1), "the first is left for a while");
}

#[tokio::test(start_paused = true)]
async fn connections_stay_as_long_as_there_is_room_and_the_oldest_goes_first() {
    let way = Way::default();
    let two = lines(&[&way], 2);
    for class in [CT, MR, CT, MR] {
        given(&two, class).await;
    }
    assert_eq!(way.connections(), 2, "there is room for both");
    given(&two, US).await;
    given(&two, MR).await;
    assert_eq!(way.connections(), 3, "that for CT went");
    given(&two, CT).await;
    assert_eq!((way.connections(), way.0.most_open.load(Ordering::Relaxed)), (4, 2));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_loses_new_connections_is_left_alone() {
    let way = Way::that(Mode::Loses);
    let lines = lines(&[&way], 4);
    let fetched = lines.fetch(&of(CT), Turn::Usual).await;
    assert!(matches!(fetched, Err(FetchError::Member(MemberError::Lost { .. }))), "{fetched:?}");
    let fetched = lines.fetch(&of(CT), Turn::Usual).await;
    assert!(matches!(fetched, Err(FetchError::LeftAlone(_))), "{fetched:?}");
    assert_eq!(lines.series(), Series::LeftAlone, "for series too");
}

/// Goal: reading a series adds no connection to those the member is configured for, and leaves half of them to others.
#[tokio::test(start_paused = true)]
async fn series_are_read_within_the_connections_there_are() {
    let way = Way::default();
    let four = lines(&[&way], 4);
    for class in [CT, MR, US, CR] {
        given(&four, class).await;
    }
    let first = four.whole_line(0, &of(CT)).await.unwrap();
    let second = four.whole_line(0, &of(CT)).await.unwrap();
    assert!(first.is_some() && second.is_some());
    assert_eq!(way.0.most_open.load(Ordering::Relaxed), 4);
    assert!(four.whole_line(0, &of(CT)).await.unwrap().is_none(), "the others are for single instances");
    drop(first);
    assert!(four.whole_line(0, &of(CT)).await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_member_that_takes_no_connection_for_a_series_is_waited_for_once() {
    let way = Way::that(Mode::Hangs);
    let lines = lines(&[&way], 4);
    let began = Instant::now();
    let Err(error) = lines.whole_line(0, &of(CT)).await else { panic!("there is none") };
    assert_eq!(began.elapsed(), TIMEOUT);
    lines.note_series(began, &error, 0);
    assert_eq!(lines.series(), Series::LeftAlone);
}

#[tokio::test(start_paused = true)]
async fn a_member_that_gave_nothing_of_a_series_is_asked_for_one_again_after_a_while() {
    let way = Way::default();
    let lines = lines(&[&way], 4);
    let now = Instant::now();
    lines.note_series(now, &FetchError::Member(lost()), 3);
    assert_eq!(lines.series(), Series::Whole(0), "it gave some");
    lines.note_series(now, &FetchError::Member(MemberError::NotFound), 0);
    assert_eq!(lines.series(), Series::OneByOne);
    tokio::time::advance(ONE_BY_ONE).await;
    assert_eq!(lines.series(), Series::Whole(0));
}
