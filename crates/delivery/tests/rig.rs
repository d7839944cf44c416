//! A ledger, and the confirmation loop of its first member, beside which there may be one that has what it is told.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outrigger_delivery::confirm::worker::Confirmer;
use outrigger_delivery::lines::Lines;
use outrigger_delivery::send::Sender;
use outrigger_delivery::slot::Slot;
use outrigger_delivery::{Calling, MemberSetup, Route, Standing};
use outrigger_journal::{Journal, JournalHandle, Options, Seq as JournalSeq};
use outrigger_ledger::{
    Acceptance, Ledger, LedgerOptions, MemberCopy, MemberPolicy, MemoryStore, Need, PostingKey, Report,
    ReportOutcome, Why, WhyMember,
};
use outrigger_member::CommitReport;
use outrigger_model::transfer_syntax::IMPLICIT_VR_LE;
use outrigger_model::{
    AeTitle, AssociationId, ConfirmLevel, InstanceHeader, MemberName, MemberNumber, Origin, SeriesUid,
    Sha256Digest, SopClassUid, SopInstanceUid, StudyUid, TransferSyntaxUid,
};
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_runtime::{Body, Clock, Random, Shutdown, ShutdownGuard, Spool, Threads};
use tokio::sync::mpsc;

use crate::member::Told;

const MEMBER: MemberNumber = MemberNumber(0);
/// The one beside it; no loop works for it.
const BESIDE: MemberNumber = MemberNumber(1);

/// Longest wait for a posting to close, by the turned clock: some rounds of the loop.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) struct Rig {
    pub(crate) ledger: Ledger,
    pub(crate) member: Told,
    /// The member beside it.
    pub(crate) beside: Told,
    /// What the member's second route leads to, where it has one.
    pub(crate) second: Told,
    pub(crate) disk: SimDisk,
    sender: Sender,
    journal: JournalHandle,
    reports: mpsc::Sender<CommitReport>,
    shutdown: Shutdown,
    _guard: ShutdownGuard,
}

impl Rig {
    /// A member that must have objects at `confirm`, and its loop.
    pub(crate) async fn new(confirm: ConfirmLevel) -> Self {
        Self::of(confirm, &["a"]).await
    }

    /// The same, with a member beside it.
    pub(crate) async fn with_one_beside(confirm: ConfirmLevel) -> Self {
        Self::of(confirm, &["a", "b"]).await
    }

    /// A member with a second route, to which it is as if it were another.
    pub(crate) async fn with_two_routes(confirm: ConfirmLevel) -> Self {
        let second = Told::default();
        let route = Route { label: "second".to_owned(), member: Arc::new(second.clone()) };
        let rig = Self::by(confirm, &["a"], Some(route)).await;
        Self { second, ..rig }
    }

    async fn of(confirm: ConfirmLevel, names: &[&str]) -> Self {
        Self::by(confirm, names, None).await
    }

    async fn by(confirm: ConfirmLevel, names: &[&str], route: Option<Route>) -> Self {
        let (disk, clock) = (SimDisk::new(1, 1 << 32), Clock::simulated(1_767_225_600_000_000));
        let options = Options {
            copies: vec![outrigger_journal::Place::new(outrigger_journal::EngineKind::Log, "/node/journal")],
            accept_loss: None,
            segment_bytes_max: 4 << 20,
            reserve_bytes: 1 << 20,
            max_size_bytes: 1 << 30,
        };
        let opened =
            Journal::open(disk.shared(), clock.clone(), Random::seeded(7), options, JournalSeq(0)).unwrap();
        let journal = opened.journal.start(Threads::Simulated).unwrap();
        let policies = names.iter().map(|name| policy(name, confirm)).collect();
        let options = LedgerOptions { members: policies, fresh_for: Duration::from_secs(900) };
        let store = Box::new(MemoryStore::default());
        let ledger =
            Ledger::open(journal.clone(), store, options, clock.clone(), Threads::Simulated).await.unwrap();
        let (member, beside) = (Told::default(), Told::default());
        let other = names.get(1).map(|name| setup(BESIDE, name, &beside, confirm));
        let mut reached = setup(MEMBER, names[0], &member, confirm);
        reached.routes.extend(route);
        let members = std::iter::once(reached.clone()).chain(other).collect();
        let sender = Sender {
            setup: reached,
            standing: Arc::default(),
            clock,
            random: Random::seeded(8),
            threads: Threads::Simulated,
            lines: Lines::new(1),
            members,
        };
        let (guard, shutdown) = Shutdown::pair();
        let (reported, reports) = mpsc::channel(1);
        let confirmer =
            Confirmer { ledger: ledger.clone(), sender: sender.clone(), reports, shutdown: shutdown.clone() };
        drop(tokio::spawn(confirmer.run()));
        Self {
            ledger,
            member,
            beside,
            second: Told::default(),
            disk,
            sender,
            journal,
            reports: reported,
            shutdown,
            _guard: guard,
        }
    }

    /// A connection stores what the member is owed from now on.
    pub(crate) fn stores(&self) {
        let (ledger, sender) = (self.ledger.clone(), self.sender.clone());
        let slot = Slot { ledger, sender, shutdown: self.shutdown.clone() };
        drop(tokio::spawn(slot.run()));
    }

    /// The journal has let go of the bytes of an object.
    pub(crate) async fn let_go(&self, uid: &str) {
        let why = self.ledger.why(Why::Uid(uid.to_owned())).await.unwrap();
        let entry = why.studies[0].instances[0].entry;
        self.journal.release(vec![JournalSeq(entry.0)]).await.unwrap();
        self.ledger.released(&[entry]).await.unwrap();
    }

    /// A report of the member's comes to our listener.
    pub(crate) async fn reported(&self, report: CommitReport) {
        self.reports.send(report).await.unwrap();
    }

    /// How the member stands.
    pub(crate) fn standing(&self) -> &Standing {
        &self.sender.standing
    }

    /// The member beside it has an object that is owed, read back from there before.
    pub(crate) async fn was_read_back_beside(&self, uid: &str) {
        let why = self.ledger.why(Why::Uid(uid.to_owned())).await.unwrap();
        let posting = PostingKey { entry: why.studies[0].instances[0].entry, member: BESIDE };
        let outcome = ReportOutcome::Reached(ConfirmLevel::Verified);
        self.ledger.report(vec![Report { posting, attempt: None, outcome }]).await.unwrap();
    }

    /// The member beside it gives this in the place of an object, once.
    pub(crate) async fn gives_beside(&self, uid: &str, as_of: &str) {
        self.beside.gives(SopInstanceUid::new(uid).unwrap(), acceptance(as_of).await.body);
    }

    /// What the member beside it gave of an object was once these bytes, and said the same.
    pub(crate) async fn was_compared_beside(&self, uid: &str, as_of: &str) {
        let why = self.ledger.why(Why::Uid(uid.to_owned())).await.unwrap();
        let posting = PostingKey { entry: why.studies[0].instances[0].entry, member: BESIDE };
        let Acceptance { transfer_syntax, body, .. } = acceptance(as_of).await;
        let copy = MemberCopy { transfer_syntax, sha256: Sha256Digest(body.sha256) };
        self.ledger.gave_re_encoded(posting, copy).await.unwrap();
    }

    /// The member is owed an object; gives its UID.
    pub(crate) async fn owes(&self, instance: u32) -> String {
        let uid = format!("1.2.1.1.{instance}");
        let entry = self.ledger.accept(acceptance(&uid).await).await.unwrap().entry();
        self.ledger.follow(entry).await.unwrap();
        uid
    }

    /// The member accepts an object; gives the level at which the posting closes.
    pub(crate) async fn closes(&self, instance: u32) -> ConfirmLevel {
        let uid = self.accepts(instance).await;
        self.closed(&uid).await
    }

    /// The member is sent one object more by its connection, and it closes.
    pub(crate) async fn closes_next(&self, instance: u32) {
        let uid = self.owes(instance).await;
        self.closed(&uid).await;
    }

    pub(crate) async fn closed(&self, uid: &str) -> ConfirmLevel {
        let closed = async {
            loop {
                let member = self.stands(uid).await;
                if member.state == "confirmed" {
                    return member.level.unwrap();
                }
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, closed).await.unwrap()
    }

    /// The member accepts an object, and gives back as much as it is told; gives its UID.
    pub(crate) async fn accepts(&self, instance: u32) -> String {
        let uid = format!("1.2.1.1.{instance}");
        self.accepted(&uid, acceptance(&uid).await).await;
        uid
    }

    async fn accepted(&self, uid: &str, acceptance: Acceptance) {
        let entry = self.ledger.accept(acceptance).await.unwrap().entry();
        self.ledger.follow(entry).await.unwrap();
        self.member.has(SopInstanceUid::new(uid).unwrap());
        let posting = PostingKey { entry, member: MEMBER };
        let outcome = ReportOutcome::Reached(ConfirmLevel::Accepted);
        self.ledger.report(vec![Report { posting, attempt: None, outcome }]).await.unwrap();
    }

    /// The member accepts another content of an object that it accepted before.
    pub(crate) async fn accepts_another_version(&self, uid: &str) {
        self.accepted(uid, Acceptance { body: acceptance("1.9").await.body, ..acceptance(uid).await }).await;
    }

    /// The member accepts an object without Study Instance UID, which it cannot be asked for; gives its UID.
    pub(crate) async fn accepts_outside_studies(&self, instance: u32) -> String {
        let uid = format!("1.2.1.1.{instance}");
        let mut acceptance = acceptance(&uid).await;
        (acceptance.header.study, acceptance.header.series) = (None, None);
        self.accepted(&uid, acceptance).await;
        uid
    }

    /// The member gives an object back as it was sent.
    pub(crate) async fn gives(&self, instance: u32) {
        let uid = format!("1.2.1.1.{instance}");
        self.member.gives(SopInstanceUid::new(&uid).unwrap(), acceptance(&uid).await.body);
    }

    /// The member gives an object back as it was sent, in Implicit VR Little Endian.
    pub(crate) async fn gives_re_encoded(&self, uid: &str, as_of: &str) {
        let bytes = data_set(as_of);
        // The VR and its two bytes of length make room for four bytes of length.
        let length = u32::try_from(bytes.len() - 8).unwrap().to_le_bytes();
        let bytes = [&bytes[..4], &length, &bytes[8..]].concat();
        let body = spooled(bytes.into()).await;
        self.member.gives_in(IMPLICIT_VR_LE, SopInstanceUid::new(uid).unwrap(), body);
    }

    /// How an object stands at the member.
    pub(crate) async fn stands(&self, uid: &str) -> WhyMember {
        let why = self.ledger.why(Why::Uid(uid.to_owned())).await.unwrap();
        why.studies[0].instances[0].members[0].clone()
    }

    /// How the last version of an object stands at the member.
    pub(crate) async fn last_stands(&self, uid: &str) -> WhyMember {
        let why = self.ledger.why(Why::Uid(uid.to_owned())).await.unwrap();
        let last = why.studies[0].instances.iter().max_by_key(|instance| instance.entry).unwrap();
        last.members[0].clone()
    }

    /// The words of what was tried to have this object confirmed.
    pub(crate) async fn attempts(&self, instance: u32) -> Vec<String> {
        let member = self.stands(&format!("1.2.1.1.{instance}")).await;
        member.attempts.iter().map(|attempt| attempt.text.clone()).collect()
    }

    /// What the member is known to be unable to be confirmed at.
    pub(crate) async fn unable(&self) -> Vec<ConfirmLevel> {
        self.ledger.unable(MEMBER).await.unwrap()
    }
}

fn policy(name: &str, confirm: ConfirmLevel) -> MemberPolicy {
    MemberPolicy {
        name: MemberName::new(name).unwrap(),
        need: Need::Required,
        confirm,
        release: confirm,
        scope: outrigger_ledger::scope::Scope::default(),
        preference: 1,
        settle: Duration::ZERO,
    }
}

fn setup(number: MemberNumber, name: &str, member: &Told, confirm: ConfirmLevel) -> MemberSetup {
    MemberSetup {
        number,
        name: MemberName::new(name).unwrap(),
        routes: vec![Route { label: "told".to_owned(), member: Arc::new(member.clone()) }],
        connections: 1,
        confirm,
        settle: Duration::ZERO,
        calling: Calling::Fixed(AeTitle::new("OUTRIGGER_M").unwrap()),
        rules: outrigger_member::StatusRules::default(),
        preference: 1,
    }
}

/// A data set of one element in Explicit VR Little Endian, SOP Instance UID (0008,0018).
pub(crate) fn data_set(uid: &str) -> Bytes {
    let mut value = uid.as_bytes().to_vec();
    if value.len() % 2 == 1 {
        value.push(0);
    }
    let length = u16::try_from(value.len()).unwrap().to_le_bytes();
    Bytes::from([&[8, 0, 0x18, 0], b"UI".as_slice(), &length, &value].concat())
}

async fn spooled(bytes: Bytes) -> Body {
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

async fn acceptance(uid: &str) -> Acceptance {
    Acceptance {
        header: InstanceHeader {
            sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
            sop_instance: SopInstanceUid::new(uid).unwrap(),
            study: Some(StudyUid::known("1.2.1")),
            series: Some(SeriesUid::known("1.2.1.1")),
            attributes: Vec::new(),
        },
        oddities: Vec::new(),
        transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2.1"),
        body: spooled(data_set(uid)).await,
        origin: Origin {
            calling_ae: AeTitle::new("CT1").unwrap(),
            called_ae: AeTitle::new("OUTRIGGER").unwrap(),
            peer: std::net::IpAddr::from([127, 0, 0, 1]),
            association: AssociationId(1),
            implementation: String::new(),
            issuer: None,
            member: None,
        },
    }
}
