//! A reader over a ledger and two members, of which `a` is preferred.

use std::convert::identity;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outrigger_journal::{Journal, Options, Seq as JournalSeq};
use outrigger_ledger::{
    Acceptance, CompleteInventory, Inventory, Ledger, LedgerOptions, MemberPolicy, MemoryStore, Need,
    PostingKey, Report, ReportOutcome,
};
use outrigger_model::{
    AeTitle, Answer, AssociationId, ConfirmLevel, InstanceHeader, Level, MemberName, MemberNumber, Origin,
    Query, QueryKey, QueryRoot, Seq, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag,
    TransferSyntaxUid, WallTime,
};
use outrigger_query::{FindError, Reader, ReaderOptions, Respondents, Shortfall, Source};
use outrigger_runtime::disk::simulated::SimDisk;
use outrigger_runtime::{Clock, Random, Spool, Threads};

use crate::member::Scripted;

pub(crate) const A: MemberNumber = MemberNumber(0);
pub(crate) const B: MemberNumber = MemberNumber(1);

/// The time-out of the reader.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(2);

pub(crate) struct Rig {
    pub(crate) ledger: Ledger,
    pub(crate) reader: Reader,
    pub(crate) a: Scripted,
    pub(crate) b: Scripted,
}

impl Rig {
    /// Two members of which it is known what they hold.
    pub(crate) async fn new() -> Self {
        let rig = Self::uninventoried(Respondents::Members).await;
        rig.is_inventoried(A).await;
        rig.is_inventoried(B).await;
        rig
    }

    /// Two members that nobody has looked at.
    pub(crate) async fn uninventoried(respondents: Respondents) -> Self {
        let (a, b) = (Scripted::default(), Scripted::default());
        let sources = vec![source(B, "b", 2, &b), source(A, "a", 1, &a)];
        Self { a, b, ..Self::reading(respondents, sources).await }
    }

    /// A reader of these members.
    pub(crate) async fn reading(respondents: Respondents, sources: Vec<Source>) -> Self {
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
        let members = ["a", "b"].into_iter().map(policy).collect();
        let options = LedgerOptions { members, fresh_for: Duration::from_secs(900) };
        let store = Box::new(MemoryStore::default());
        let ledger = Ledger::open(journal, store, options, clock.clone(), Threads::Simulated).await.unwrap();
        let reader = Reader::new(ReaderOptions {
            ledger: ledger.clone(),
            sources,
            respondents,
            timeout: TIMEOUT,
            clock,
            threads: Threads::Simulated,
        });
        Self { ledger, reader, a: Scripted::default(), b: Scripted::default() }
    }

    /// The catalogue knows what a member holds.
    pub(crate) async fn is_inventoried(&self, member: MemberNumber) {
        let complete = CompleteInventory { began_at: WallTime(1), ended_at: WallTime(2) };
        let inventory = Inventory { complete: Some(complete), ..Inventory::never(member) };
        self.ledger.note_inventory(inventory).await.unwrap();
    }

    /// An instance of a study is stored; both members owe it.
    pub(crate) async fn stored(&self, study: u32, name: &str) -> Seq {
        let entry = self.ledger.accept(acceptance(study, name).await).await.unwrap().entry();
        self.ledger.follow(entry).await.unwrap();
        entry
    }

    /// A member has it.
    pub(crate) async fn has(&self, member: MemberNumber, entry: Seq) {
        let posting = PostingKey { entry, member };
        let outcome = ReportOutcome::Reached(ConfirmLevel::Present);
        self.ledger.report(vec![Report { posting, attempt: None, outcome }]).await.unwrap();
    }

    /// An instance of a study is stored, and both members show the study.
    pub(crate) async fn in_step(&self, study: u32, name: &str) {
        let entry = self.stored(study, name).await;
        let uid = study_uid(study);
        for (number, member) in [(A, &self.a), (B, &self.b)] {
            self.has(number, entry).await;
            member.shows(&[(Tag::STUDY_INSTANCE_UID, &uid), (Tag::PATIENT_NAME, name)]);
        }
    }

    /// Answers to a query, and what is said to be missing.
    pub(crate) async fn find(&self, query: Query) -> (Vec<Answer>, Option<Shortfall>) {
        let mut taken = self.reader.find(query, identity);
        let (mut answers, mut shortfall) = (Vec::new(), None);
        while let Some(item) = taken.recv().await {
            match item {
                Ok(answer) => answers.push(answer),
                Err(FindError::Incomplete(missing) | FindError::Unsure(missing)) => shortfall = Some(missing),
                Err(error) => panic!("{error}"),
            }
        }
        (answers, shortfall)
    }

    /// The studies found for a name, and who is said to be missing.
    pub(crate) async fn named(&self, name: &str) -> (Vec<String>, Vec<String>) {
        let (answers, shortfall) = self.find(by_name(name)).await;
        let studies = answers.iter().map(|answer| value(answer, Tag::STUDY_INSTANCE_UID)).collect();
        let missing = shortfall.into_iter().flat_map(|shortfall| shortfall.members);
        (studies, missing.map(|(member, _)| member.to_string()).collect())
    }
}

pub(crate) fn study_uid(study: u32) -> String {
    format!("1.2.{study}")
}

pub(crate) fn value(answer: &Answer, tag: Tag) -> String {
    let found = answer.attributes.iter().find(|(found, _)| *found == tag);
    found.map(|(_, value)| value.clone()).unwrap_or_default()
}

/// A query for the studies of a patient's name, with the number of instances of each.
pub(crate) fn by_name(name: &str) -> Query {
    study_query(&[
        (Tag::PATIENT_NAME, name),
        (Tag::STUDY_INSTANCE_UID, ""),
        (Tag::STUDY_RELATED_INSTANCES, ""),
    ])
}

pub(crate) fn study_query(keys: &[(Tag, &str)]) -> Query {
    let keys = keys.iter().map(|(tag, value)| QueryKey { tag: *tag, value: (*value).to_owned() });
    Query::new(QueryRoot::Study, Level::Study, keys.collect())
}

fn policy(name: &str) -> MemberPolicy {
    MemberPolicy {
        name: MemberName::new(name).unwrap(),
        need: Need::Required,
        confirm: ConfirmLevel::Present,
        release: ConfirmLevel::Present,
        scope: outrigger_ledger::scope::Scope::default(),
        preference: 1,
        settle: Duration::ZERO,
    }
}

fn source(number: MemberNumber, name: &str, preference: u8, member: &Scripted) -> Source {
    Source {
        number,
        name: MemberName::new(name).unwrap(),
        preference,
        routes: vec![Arc::new(member.clone())],
        connections: 4,
    }
}

async fn acceptance(study: u32, name: &str) -> Acceptance {
    let spool = Spool {
        disk: SimDisk::new(1, 1).shared(),
        directory: "/".into(),
        threads: Threads::Simulated,
        random: Random::seeded(1),
        memory_bytes_max: 1 << 20,
        object_bytes_max: 1 << 20,
    };
    let mut writer = spool.begin();
    writer.push(Bytes::from(format!("the data set of {study}"))).await.unwrap();
    let study = study_uid(study);
    Acceptance {
        header: InstanceHeader {
            sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
            sop_instance: SopInstanceUid::new(&format!("{study}.1.1")).unwrap(),
            study: Some(StudyUid::new(&study).unwrap()),
            series: Some(SeriesUid::new(&format!("{study}.1")).unwrap()),
            attributes: vec![
                (Tag::PATIENT_NAME, name.to_owned()),
                (Tag::PATIENT_ID, format!("ID-{name}")),
                (Tag::MODALITY, "CT".to_owned()),
            ],
        },
        oddities: Vec::new(),
        transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2.1"),
        body: writer.finish().await.unwrap(),
        origin: Origin {
            calling_ae: AeTitle::new("CT1").unwrap(),
            called_ae: AeTitle::new("OUTRIGGER").unwrap(),
            peer: IpAddr::from([127, 0, 0, 1]),
            association: AssociationId(1),
            implementation: String::new(),
            issuer: None,
            member: None,
        },
    }
}
