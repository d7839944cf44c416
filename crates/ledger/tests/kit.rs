//! A ledger to try things on: simulated disk, one thread, a clock that tests turn.

use std::time::Duration;

use bytes::Bytes;
use outrigger_journal::{Journal, JournalHandle, Options, Seq as JournalSeq};
use outrigger_ledger::store::read;
use outrigger_ledger::{
    Acceptance, Accepted, Attempt, Due, DueAsk, Lane, Ledger, LedgerOptions, LedgerStore, MemberPolicy,
    MemoryStore, Need, PostingKey, Report, ReportOutcome, SqliteStore,
};
use outrigger_model::{
    AeTitle, AssociationId, ConfirmLevel, InstanceHeader, MemberName, MemberNumber, Origin, Seq, SeriesUid,
    SopClassUid, SopInstanceUid, StudyUid, Tag, TransferSyntaxUid, WallTime,
};
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_runtime::{Body, Clock, Random, Spool, Threads};

/// 2026-01-01, in microseconds since 1970.
pub(crate) const START_US: i64 = 1_767_225_600_000_000;

pub(crate) const A: MemberNumber = MemberNumber(0);
pub(crate) const B: MemberNumber = MemberNumber(1);

/// Which database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Memory,
}

impl Kind {
    pub(crate) const BOTH: [Self; 2] = [Self::Sqlite, Self::Memory];
}

/// Where a database is kept, so that it can be opened again.
pub(crate) enum Place {
    Sqlite(tempfile::TempDir),
    Memory(MemoryStore),
}

impl Place {
    pub(crate) fn new(kind: Kind) -> Self {
        match kind {
            Kind::Sqlite => Self::Sqlite(tempfile::tempdir().unwrap()),
            Kind::Memory => Self::Memory(MemoryStore::default()),
        }
    }

    pub(crate) fn open(&self) -> Box<dyn LedgerStore> {
        match self {
            Self::Sqlite(_) => Box::new(SqliteStore::open(&self.file()).unwrap()),
            Self::Memory(store) => Box::new(store.clone()),
        }
    }

    /// The database file.
    pub(crate) fn file(&self) -> std::path::PathBuf {
        match self {
            Self::Sqlite(directory) => directory.path().join("ledger.db"),
            Self::Memory(_) => panic!("there is no file"),
        }
    }
}

/// A node's journal and ledger.
pub(crate) struct Rig {
    pub(crate) disk: SimDisk,
    pub(crate) place: Place,
    pub(crate) clock: Clock,
    pub(crate) members: Vec<MemberPolicy>,
    pub(crate) journal: JournalHandle,
    pub(crate) ledger: Ledger,
}

impl Rig {
    pub(crate) async fn new(kind: Kind) -> Self {
        Self::with(kind, vec![member("a", ConfirmLevel::Accepted), member("b", ConfirmLevel::Committed)])
            .await
    }

    pub(crate) async fn with(kind: Kind, members: Vec<MemberPolicy>) -> Self {
        let disk = SimDisk::new(1, 1 << 32);
        let place = Place::new(kind);
        let clock = Clock::simulated(START_US);
        let (journal, ledger) = open(&disk, &place, &clock, members.clone()).await;
        Self { disk, place, clock, members, journal, ledger }
    }

    /// Stops everything and starts again on the same disk.
    pub(crate) async fn restart(&mut self) {
        self.restart_between(|_, _| ()).await;
    }

    /// Stops everything, does something to the books, and starts again on the same disk.
    pub(crate) async fn restart_between(&mut self, between: impl FnOnce(&mut dyn LedgerStore, WallTime)) {
        self.ledger.close().await;
        self.journal.clone().close().await.unwrap();
        between(&mut *self.place.open(), self.now());
        let opened = open(&self.disk, &self.place, &self.clock, self.members.clone()).await;
        (self.journal, self.ledger) = opened;
    }

    pub(crate) async fn accept(&self, instance: u32, study: u32, content: u8) -> Accepted {
        self.ledger.accept(acceptance(instance, study, content).await).await.unwrap()
    }

    /// Accepts and waits until it is in the books.
    pub(crate) async fn enter(&self, instance: u32, study: u32, content: u8) -> Seq {
        let entry = self.accept(instance, study, content).await.entry();
        self.ledger.follow(entry).await.unwrap();
        entry
    }

    pub(crate) async fn due(&self, member: MemberNumber, lane: Lane, limit: usize) -> Vec<Seq> {
        let due = self.ledger.due(member, DueAsk { limit, lane }).await.unwrap();
        due.iter().map(|due| due.posting.entry).collect()
    }

    pub(crate) async fn due_one(&self, member: MemberNumber) -> Option<Due> {
        self.ledger.due(member, DueAsk { limit: 1, lane: Lane::Fresh }).await.unwrap().pop()
    }

    /// What each member is owed once all that is in the journal has been taken in.
    pub(crate) async fn pending(&self) -> Vec<u64> {
        self.ledger.follow(Seq(self.journal.tail().0)).await.unwrap();
        let balance = self.ledger.balance().await.unwrap();
        balance.members.iter().map(|member| member.pending).collect()
    }

    pub(crate) async fn report(&self, entry: Seq, member: MemberNumber, outcome: ReportOutcome) {
        let posting = PostingKey { entry, member };
        self.ledger.report(vec![Report { posting, attempt: None, outcome }]).await.unwrap();
    }

    /// Reports with an attempt that says something.
    pub(crate) async fn report_attempt(
        &self,
        entry: Seq,
        member: MemberNumber,
        outcome: ReportOutcome,
        text: &str,
    ) {
        let posting = PostingKey { entry, member };
        let attempt = Some(Attempt {
            at: self.now(),
            route: "dimse".to_owned(),
            status: Some(outrigger_model::Status(0xC000)),
            text: text.to_owned(),
        });
        self.ledger.report(vec![Report { posting, attempt, outcome }]).await.unwrap();
    }

    pub(crate) fn now(&self) -> WallTime {
        WallTime(self.clock.wall_us())
    }

    /// Everything the books say that a rebuild must say again.
    pub(crate) async fn dump(&self) -> String {
        self.ledger.follow(Seq(self.journal.tail().0)).await.unwrap();
        dump(&*self.place.open())
    }
}

pub(crate) async fn open(
    disk: &SimDisk,
    place: &Place,
    clock: &Clock,
    members: Vec<MemberPolicy>,
) -> (JournalHandle, Ledger) {
    let store = place.open();
    let applied = store.position().unwrap().map_or(0, |position| position.applied.0);
    let journal = open_journal(disk, clock, applied);
    let options = LedgerOptions { members, fresh_for: Duration::from_secs(900) };
    let ledger =
        Ledger::open(journal.clone(), store, options, clock.clone(), Threads::Simulated).await.unwrap();
    (journal, ledger)
}

pub(crate) fn open_journal(disk: &SimDisk, clock: &Clock, applied: u64) -> JournalHandle {
    let options = Options {
        copies: vec![outrigger_journal::Place::new(outrigger_journal::EngineKind::Log, "/node/journal")],
        accept_loss: None,
        segment_bytes_max: 4 << 20,
        reserve_bytes: 1 << 20,
        max_size_bytes: 1 << 30,
    };
    let opened =
        Journal::open(disk.shared(), clock.clone(), Random::seeded(7), options, JournalSeq(applied)).unwrap();
    assert_eq!(opened.report.damaged, [], "no test damages the journal");
    opened.journal.start(Threads::Simulated).unwrap()
}

pub(crate) fn member(name: &str, confirm: ConfirmLevel) -> MemberPolicy {
    MemberPolicy {
        name: MemberName::new(name).unwrap(),
        need: Need::Required,
        confirm,
        release: confirm.min(ConfirmLevel::Committed),
        scope: outrigger_ledger::scope::Scope::default(),
        preference: 1,
        settle: Duration::from_secs(60),
    }
}

pub(crate) async fn acceptance(instance: u32, study: u32, content: u8) -> Acceptance {
    Acceptance {
        header: InstanceHeader {
            sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
            sop_instance: SopInstanceUid::new(&format!("1.2.{study}.1.{instance}")).unwrap(),
            study: Some(study_uid(study)),
            series: Some(SeriesUid::new(&format!("1.2.{study}.1")).unwrap()),
            attributes: vec![
                (Tag::MODALITY, "CT".to_owned()),
                (Tag::PATIENT_ID, format!("P{study}")),
                (Tag::ACCESSION_NUMBER, format!("ACC{study}")),
            ],
        },
        oddities: Vec::new(),
        transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2.1"),
        body: body(instance, content).await,
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

pub(crate) fn study_uid(study: u32) -> StudyUid {
    StudyUid::new(&format!("1.2.{study}")).unwrap()
}

pub(crate) fn content(instance: u32, content: u8) -> Bytes {
    Bytes::from(format!("object {instance} content {content}"))
}

async fn body(instance: u32, version: u8) -> Body {
    let spool = Spool {
        disk: SimDisk::new(1, 1).shared(),
        directory: "/".into(),
        threads: Threads::Simulated,
        random: Random::seeded(1),
        memory_bytes_max: 1 << 20,
        object_bytes_max: 1 << 20,
    };
    let mut writer = spool.begin();
    writer.push(content(instance, version)).await.unwrap();
    writer.finish().await.unwrap()
}

/// What a rebuild must give again: members and their accounts, entries with their marks, and what the catalogue says of each instance.
///
/// Levels below the one that closes, attempts and timers stand in the database alone.
pub(crate) fn dump(store: &dyn LedgerStore) -> String {
    use outrigger_ledger::note::{NoteKind, NotesOf};
    use outrigger_ledger::store::EntryList;
    read(store, |books| {
        let mut lines = vec![format!("{:?}", books.position()?)];
        lines.extend(books.members()?.iter().map(|member| format!("{member:?}")));
        for entry in books.entries(EntryList::All, Seq(0), usize::MAX)? {
            lines.push(format!("{entry:?}"));
            lines.push(format!("{:?}", books.lookup(&entry.header.sop_instance)?));
            for member in entry.marks.open().iter() {
                let key = PostingKey { entry: entry.seq, member };
                let posting = books.posting(key, entry.lane)?.unwrap();
                lines.push(format!("{key} {:?}", posting.suspense));
            }
        }
        let given_up = books.notes(NoteKind::WriteOff, NotesOf::Anything, usize::MAX)?;
        lines.extend(given_up.iter().map(|note| format!("{note:?}")));
        Ok(lines.join("\n"))
    })
    .unwrap()
}
