//! C-GET and C-MOVE at a front door whose members go wrong: another member steps in within the same request, and what nobody
//! gives is told by name.

use std::time::Duration;

use outrigger_model::transfer_syntax::IMPLICIT_VR_LE;
use outrigger_model::{SopInstanceUid, Status};
use outrigger_sim::able::{Able, Can, Denies, Gives};
use outrigger_sim::peers::{Station, free_port};
use tempfile::TempDir;
use tokio::sync::watch;

use crate::archives::Archive;
use crate::door::{Behind, Door, ae, answers, head};
use crate::modality::{Object, objects, send};
use crate::reading::{NO_RETENTION, released};
use crate::workstation::{Receiver, Retrieved, counted, get};

const OBJECTS: u32 = 12;
/// The default time-out, one second of work and another for a busy machine.
const HUNG_MAX: Duration = Duration::from_secs(4);

fn quiet() -> watch::Sender<usize> {
    watch::Sender::new(0)
}

/// A front door before a member that can be told to go wrong and is asked first, and an archive that is well.
struct Pair {
    door: Door,
    wrong: Able,
    well: Option<Archive>,
    receiver: Receiver,
    sent: Vec<Object>,
}

impl Pair {
    /// Opens one; the journal has let the bytes go.
    async fn open(seed: u64) -> Self {
        Self::by(seed, Can::GiveBack, "get").await
    }

    /// Opens one whose first member gives instances back in this way.
    async fn by(seed: u64, way: Can, read_back: &str) -> Self {
        let ours = answers();
        let wrong = Able::start(&ae("WRONG"), &[Can::Query, way], Denies::InNegotiation).await.unwrap();
        wrong.moves_to(ours.clone());
        let well = Archive::start("WELL", "sqlite").await;
        let members = [
            // Where nobody else gives an object, one that hangs is waited for so long.
            Behind::new("wrong", wrong.station(), "verified")
                .by(&format!("read_back = \"{read_back}\"\nresponse_timeout = \"5s\"")),
            Behind::new("well", &well.station(), "verified"),
        ];
        let receiver = Receiver::start().await;
        let directory = TempDir::new().unwrap();
        let text = head(directory.path(), ours.port, "").replace("[journal]\n", NO_RETENTION)
            + &members.iter().map(Behind::text).collect::<String>()
            + &receiver.table();
        let door = Door::open_with(directory, &text).await;
        let sent = objects(seed, OBJECTS);
        send(&door.station(), &sent).await;
        released(&door, &sent).await;
        Self { door, wrong, well: Some(well), receiver, sent }
    }

    fn uids(&self, numbers: impl IntoIterator<Item = usize>) -> Vec<SopInstanceUid> {
        numbers.into_iter().map(|number| self.sent[number].header.sop_instance.clone()).collect()
    }

    /// By C-GET, then by C-MOVE.
    async fn retrieved(&mut self) -> [Retrieved; 2] {
        let got = get(&self.door.station(), &self.sent, &quiet()).await;
        [got, self.receiver.move_(&self.door.station(), &self.sent).await]
    }
}

#[tokio::test]
async fn another_member_gives_what_one_gives_wrong() {
    let mut pair = Pair::open(61).await;
    for gives in [Gives::Altered, Gives::Truncated, Gives::Another, Gives::Nothing, Gives::Hangs] {
        pair.wrong.gives(gives, pair.uids([3, 4, 9]));
        for retrieved in pair.retrieved().await {
            assert_eq!(retrieved.wrong(&pair.sent), [""; 0], "{gives:?}\n{}", pair.door.log());
            assert!(retrieved.silent <= HUNG_MAX, "{gives:?}: nothing came for {:?}", retrieved.silent);
        }
    }
}

/// What comes over another association, late, in nobody's name or in a wrong one, is still what was asked for; what does not
/// come comes from the other member.
#[tokio::test]
async fn a_member_that_moves_is_taken_by_what_it_sends() {
    let mut pair = Pair::by(65, Can::Move, "move").await;
    for gives in [Gives::Late, Gives::Misnamed, Gives::Altered, Gives::Truncated, Gives::Nothing] {
        pair.wrong.gives(gives, pair.uids([3, 4, 9]));
        let before = pair.wrong.asked().1;
        for retrieved in pair.retrieved().await {
            assert_eq!(retrieved.wrong(&pair.sent), [""; 0], "{gives:?}\n{}", pair.door.log());
            assert!(retrieved.silent <= HUNG_MAX, "{gives:?}: nothing came for {:?}", retrieved.silent);
        }
        assert!(pair.wrong.asked().1 > before, "{gives:?}: the member was not asked");
    }
    pair.well = None;
    for gives in [Gives::Late, Gives::Misnamed] {
        pair.wrong.gives(gives, pair.uids(0..12));
        for retrieved in pair.retrieved().await {
            assert_eq!(retrieved.wrong(&pair.sent), [""; 0], "{gives:?}\n{}", pair.door.log());
        }
    }
}

/// The control of the above: without the other member it shows, and the list says what is missing and nothing else.
#[tokio::test]
async fn what_nobody_gives_right_is_told_by_name() {
    let mut pair = Pair::open(62).await;
    pair.well = None;
    for gives in [Gives::Altered, Gives::Truncated, Gives::Another, Gives::Nothing, Gives::Hangs] {
        pair.wrong.gives(gives, pair.uids([3, 4, 9]));
        for retrieved in pair.retrieved().await {
            if gives != Gives::Hangs {
                assert_eq!(retrieved.failed, pair.uids([3, 4, 9]), "{gives:?}\n{}", pair.door.log());
                assert_eq!(retrieved.counted, counted(9, 3), "{gives:?}");
            }
            // A member that hangs is left alone for a while: what it would have given fails as well.
            let failed = |object: &&Object| retrieved.failed.contains(&object.header.sop_instance);
            let came: Vec<_> = pair.sent.iter().filter(|object| !failed(object)).cloned().collect();
            assert!(!came.is_empty() && came.len() + retrieved.failed.len() == pair.sent.len());
            assert_eq!(retrieved.wrong_objects(&came), [""; 0], "{gives:?}");
            assert_eq!(retrieved.status, Status::COERCED, "{gives:?}");
        }
    }
}

#[tokio::test]
async fn a_study_that_nobody_has_any_more_cannot_be_moved_and_the_list_is_whole() {
    let mut pair = Pair::open(63).await;
    pair.well = None;
    pair.wrong.gives(Gives::Nothing, pair.uids(0..12));
    for retrieved in pair.retrieved().await {
        assert_eq!(retrieved.status, Status::CANNOT_PERFORM_SUBOPERATIONS);
        assert_eq!((retrieved.counted, retrieved.came.len()), (counted(0, 12), 0));
        assert_eq!(retrieved.failed, pair.uids(0..12));
    }
}

#[tokio::test]
async fn both_members_down_the_journal_gives_while_it_has_the_bytes() {
    let away = |title: &str| Station { ae_title: ae(title), port: free_port().unwrap() };
    let members = [Behind::new("a", &away("A"), "verified"), Behind::new("b", &away("B"), "verified")];
    let mut receiver = Receiver::taking(&[IMPLICIT_VR_LE]).await;
    let directory = TempDir::new().unwrap();
    let text = head(directory.path(), 0, "")
        + &members.iter().map(Behind::text).collect::<String>()
        + &receiver.table();
    let door = Door::open_with(directory, &text).await;
    let sent = objects(64, OBJECTS);
    send(&door.station(), &sent).await;
    assert_eq!(get(&door.station(), &sent, &quiet()).await.wrong(&sent), [""; 0]);
    let moved = receiver.move_(&door.station(), &sent).await;
    assert_eq!((moved.status, moved.counted), (Status::SUCCESS, counted(12, 0)));
    for came in &moved.came {
        assert_eq!(came.transfer_syntax.as_str(), IMPLICIT_VR_LE, "made what the destination takes");
        assert_eq!(came.originator, Some((ae("WS1"), 7)));
    }
}

/// Both members dead and the bytes let go: the status says so, the list has every instance, and the web says to come again.
#[tokio::test]
async fn both_members_dead_and_the_journal_empty_the_answer_is_honest() {
    let (a, b) = (Archive::start("A", "sqlite").await, Archive::start("B", "redb").await);
    let members = [Behind::new("a", &a.station(), "verified"), Behind::new("b", &b.station(), "verified")];
    let mut receiver = Receiver::start().await;
    let directory = TempDir::new().unwrap();
    let text = head(directory.path(), 0, "").replace("[journal]\n", NO_RETENTION)
        + "[[front.web]]\nlisten = \"127.0.0.1:0\"\n"
        + &members.iter().map(Behind::text).collect::<String>()
        + &receiver.table();
    let door = Door::open_with(directory, &text).await;
    let sent = objects(66, OBJECTS);
    send(&door.station(), &sent).await;
    released(&door, &sent).await;
    drop((a, b));
    let uids: Vec<SopInstanceUid> = sent.iter().map(|object| object.header.sop_instance.clone()).collect();
    for retrieved in
        [get(&door.station(), &sent, &quiet()).await, receiver.move_(&door.station(), &sent).await]
    {
        assert_eq!(retrieved.status, Status::CANNOT_PERFORM_SUBOPERATIONS, "{}", door.log());
        assert_eq!((retrieved.counted, retrieved.came.len()), (counted(0, 12), 0));
        assert_eq!(retrieved.failed, uids);
    }
    let web = door.node.listening().unwrap().web[0];
    let url = format!("http://{web}/dicomweb/studies/{}", sent[0].header.study.as_ref().unwrap());
    let asked = tokio::task::spawn_blocking(move || {
        let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
        agent
            .get(&url)
            .header("Accept", "multipart/related; type=\"application/dicom\"; transfer-syntax=*")
            .call()
            .unwrap()
    });
    let answer = asked.await.unwrap();
    assert_eq!(answer.status(), 503);
    assert!(answer.headers().contains_key("retry-after"), "{:?}", answer.headers());
}
