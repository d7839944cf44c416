//! What the books cost: acceptances, the applier, work handed out and reported, lookups; on the disk given, with two members.
//!
//! `cargo run --release -p outrigger-ledger --example books -- DIRECTORY [ENTRIES]`
#![allow(clippy::print_stdout, reason = "it prints a table")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outrigger_journal::{Journal, JournalHandle, Options, SEGMENT_BYTES, Seq as JournalSeq};
use outrigger_ledger::scope::Scope;
use outrigger_ledger::{
    Acceptance, DueAsk, Lane, Ledger, LedgerOptions, LedgerStore, MemberPolicy, Need, Report, ReportOutcome,
    SqliteStore,
};
use outrigger_model::{
    AeTitle, AssociationId, ConfirmLevel, InstanceHeader, MemberName, MemberNumber, Origin, Seq, SeriesUid,
    SopClassUid, SopInstanceUid, StudyUid, Tag, TransferSyntaxUid,
};
use outrigger_runtime::{Clock, Random, RealDisk, Spool, Threads};
use tokio::time::Instant;

type Failure = Box<dyn Error + Send + Sync>;

/// Bytes of one object: small, so that the journal's own cost is small beside.
const OBJECT_BYTES: usize = 4_096;
/// Objects of one study.
const STUDY_OBJECTS: usize = 500;
/// Senders at once.
const SENDERS: usize = 4;
/// Postings asked for and reported at once.
const BATCH: usize = 32;

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().ok_or("a directory is expected")?;
    let count: usize = arguments.next().map_or(Ok(20_000), |text| text.parse())?;
    let directory = Path::new(&directory);
    let journal = open_journal(directory)?;
    let ledger = open_ledger(directory, &journal).await?;
    accept(&ledger, directory, count).await?;
    deliver(&ledger, MemberNumber(0), ConfirmLevel::Verified).await?;
    deliver(&ledger, MemberNumber(1), ConfirmLevel::Verified).await?;
    repeat(&ledger, directory, count.min(5_000)).await?;
    println!("{:?}", ledger.balance().await?);
    ledger.close().await;
    rebuild(directory, &journal)
}

fn open_journal(directory: &Path) -> Result<JournalHandle, Failure> {
    let options = Options {
        copies: vec![outrigger_journal::Place::new(
            outrigger_journal::EngineKind::Log,
            directory.join("journal"),
        )],
        accept_loss: None,
        segment_bytes_max: SEGMENT_BYTES,
        reserve_bytes: 1 << 20,
        max_size_bytes: 1 << 40,
    };
    let disk = Arc::new(RealDisk);
    let opened = Journal::open(disk, Clock::System, Random::System, options, JournalSeq(0))?;
    Ok(opened.journal.start(Threads::System)?)
}

async fn open_ledger(directory: &Path, journal: &JournalHandle) -> Result<Ledger, Failure> {
    let store: Box<dyn LedgerStore> = Box::new(SqliteStore::open(&directory.join("ledger.db"))?);
    let member = |name| -> Result<MemberPolicy, Failure> {
        Ok(MemberPolicy {
            name: MemberName::new(name)?,
            need: Need::Required,
            confirm: ConfirmLevel::Committed,
            release: ConfirmLevel::Committed,
            scope: Scope::default(),
            preference: 1,
            settle: Duration::ZERO,
        })
    };
    let options =
        LedgerOptions { members: vec![member("a")?, member("b")?], fresh_for: Duration::from_secs(900) };
    Ok(Ledger::open(journal.clone(), store, options, Clock::System, Threads::System).await?)
}

async fn acceptance(directory: &Path, number: usize) -> Result<Acceptance, Failure> {
    let study = number / STUDY_OBJECTS;
    let root = format!("1.2.826.0.1.3680043.2.1125.1.{study}");
    let spool = Spool {
        disk: Arc::new(RealDisk),
        directory: directory.into(),
        threads: Threads::System,
        random: Random::System,
        memory_bytes_max: 1 << 20,
        object_bytes_max: 1 << 20,
    };
    let mut writer = spool.begin();
    let mut content = vec![0; OBJECT_BYTES];
    if let Some(first) = content.first_chunk_mut() {
        *first = number.to_le_bytes();
    }
    writer.push(Bytes::from(content)).await?;
    let text = |tag, value: &str| (tag, value.to_owned());
    Ok(Acceptance {
        header: InstanceHeader {
            sop_class: SopClassUid::new("1.2.840.10008.5.1.4.1.1.2")?,
            sop_instance: SopInstanceUid::new(&format!("{root}.1.{number}"))?,
            study: Some(StudyUid::new(&root)?),
            series: Some(SeriesUid::new(&format!("{root}.1"))?),
            attributes: vec![
                text(Tag::PATIENT_NAME, "DOE^JANE"),
                text(Tag::PATIENT_ID, &format!("P{study}")),
                text(Tag::STUDY_DATE, "20260101"),
                text(Tag::STUDY_TIME, "120000"),
                text(Tag::ACCESSION_NUMBER, &format!("A{study}")),
                text(Tag::MODALITY, "CT"),
                text(Tag::STUDY_DESCRIPTION, "CHEST"),
                text(Tag::SERIES_DESCRIPTION, "AXIAL 1.0"),
                text(Tag::SERIES_NUMBER, "1"),
                text(Tag::INSTANCE_NUMBER, &number.to_string()),
                text(Tag::ROWS, "512"),
                text(Tag::COLUMNS, "512"),
            ],
        },
        oddities: Vec::new(),
        transfer_syntax: TransferSyntaxUid::new("1.2.840.10008.1.2.1")?,
        body: writer.finish().await?,
        origin: Origin {
            calling_ae: AeTitle::new("CT1")?,
            called_ae: AeTitle::new("OUTRIGGER")?,
            peer: std::net::IpAddr::from([127, 0, 0, 1]),
            association: AssociationId(1),
            implementation: "1.2.276.0.7230010.3.0.3.6.7 OFFIS_DCMTK_367".to_owned(),
            issuer: None,
            member: None,
        },
    })
}

/// Prints a row: what, how many a second, and the processor time of one, of all threads.
fn row(what: &str, count: usize, began: Instant, cpu: Duration) -> Result<(), Failure> {
    let count = u32::try_from(count.max(1))?;
    let each = began.elapsed() / count;
    let cpu = cpu_time()?.saturating_sub(cpu) / count;
    println!("{what:<44} {:>9.0} /s   {each:>10.1?} each   cpu {cpu:>8.1?}", 1.0 / each.as_secs_f64());
    Ok(())
}

/// Processor time of the process, all threads: fields 14 and 15 of its stat file, in hundredths of a second.
fn cpu_time() -> Result<Duration, Failure> {
    let disk: &dyn outrigger_runtime::Disk = &RealDisk;
    let file = disk.open(Path::new("/proc/self/stat"), outrigger_runtime::disk::Access::Read)?;
    let mut buffer = [0; 4_096];
    let length = file.read_at(&mut buffer, 0)?;
    let text = String::from_utf8_lossy(&buffer);
    let text = text.get(..length).unwrap_or(&text);
    let (_, rest) = text.rsplit_once(')').ok_or("no stat")?;
    let ticks: Vec<u64> =
        rest.split_whitespace().skip(11).take(2).filter_map(|tick| tick.parse().ok()).collect();
    Ok(Duration::from_millis(ticks.iter().sum::<u64>() * 10))
}

async fn accept(ledger: &Ledger, directory: &Path, count: usize) -> Result<(), Failure> {
    let mut made: Vec<Vec<Acceptance>> = (0..SENDERS).map(|_| Vec::new()).collect();
    for number in 0..count {
        let acceptance = acceptance(directory, number).await?;
        if let Some(sender) = made.get_mut(number % SENDERS) {
            sender.push(acceptance);
        }
    }
    let (began, cpu) = (Instant::now(), cpu_time()?);
    let mut senders = Vec::new();
    for acceptances in made {
        let ledger = ledger.clone();
        senders.push(tokio::spawn(async move {
            let mut last = Seq(0);
            for acceptance in acceptances {
                last = ledger.accept(acceptance).await?.entry();
            }
            Ok::<Seq, outrigger_ledger::AcceptError>(last)
        }));
    }
    let mut last = Seq(0);
    for sender in senders {
        last = last.max(sender.await??);
    }
    row(&format!("accepted by {SENDERS} senders, synced, applier beside"), count, began, cpu)?;
    let behind = last.0 - ledger.watch().borrow().0;
    let (began, cpu) = (Instant::now(), cpu_time()?);
    ledger.follow(last).await?;
    if behind > 0 {
        row("applied behind that", usize::try_from(behind)?, began, cpu)?;
    }
    Ok(())
}

async fn deliver(ledger: &Ledger, member: MemberNumber, level: ConfirmLevel) -> Result<(), Failure> {
    let (began, cpu) = (Instant::now(), cpu_time()?);
    let (mut count, mut asking, mut reporting) = (0, Duration::ZERO, Duration::ZERO);
    loop {
        let asked = Instant::now();
        let due = ledger.due(member, DueAsk { limit: BATCH, lane: Lane::Fresh }).await?;
        asking += asked.elapsed();
        if due.is_empty() {
            break;
        }
        count += due.len();
        let report = |outcome: ReportOutcome| {
            due.iter()
                .map(|due| Report { posting: due.posting, attempt: None, outcome: outcome.clone() })
                .collect()
        };
        let reported = Instant::now();
        ledger.report(report(ReportOutcome::Reached(ConfirmLevel::Accepted))).await?;
        ledger.report(report(ReportOutcome::Reached(level))).await?;
        reporting += reported.elapsed();
    }
    row(&format!("due, accepted, {level:?}: batches of {BATCH}"), count, began, cpu)?;
    let each = |whole: Duration| u32::try_from(count.max(1)).map(|count| whole / count);
    println!("    due() {:.1?}, two report()s {:.1?} an object", each(asking)?, each(reporting)?);
    Ok(())
}

async fn repeat(ledger: &Ledger, directory: &Path, count: usize) -> Result<(), Failure> {
    let mut made = Vec::new();
    for number in 0..count {
        made.push(acceptance(directory, number).await?);
    }
    let (began, cpu) = (Instant::now(), cpu_time()?);
    for acceptance in made {
        ledger.accept(acceptance).await?;
    }
    row("repeated by one sender: lookups alone", count, began, cpu)
}

fn rebuild(directory: &Path, journal: &JournalHandle) -> Result<(), Failure> {
    let mut store = SqliteStore::anew(&directory.join("rebuilt.db"), &RealDisk)?;
    let (began, cpu) = (Instant::now(), cpu_time()?);
    let report = Ledger::rebuild(&journal.reader(), &mut store)?;
    row("rebuilt, entry by entry", usize::try_from(report.objects)?, began, cpu)?;
    println!("{report:?}");
    Ok(())
}
