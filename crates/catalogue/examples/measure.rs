//! What a catalogue takes to enter instances and to answer study-level queries: `measure URL [STUDIES [INSTANCES A STUDY]]`.
//!
//! The catalogue must be empty; it is filled first, in batches of 256, as a start enters what it finds. Then single batches of four
//! are entered, as four associations that store give them, and queries are asked by UID, by date and by the start of a name.
#![allow(
    clippy::disallowed_methods,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a bench measures real time and prints; what it counts stays far below 2^52"
)]

use std::error::Error;
use std::time::{Duration, Instant};

use outrigger_catalogue::{Catalogue, CatalogueInstance, Cursor, Version, open};
use outrigger_model::{
    InstanceHeader, Level, Query, QueryKey, QueryRoot, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid,
    StudyUid, Tag, TransferSyntaxUid, WallTime,
};

/// Instances of one batch while it is filled.
const BATCH: usize = 256;
/// Batches of four that are timed.
const SMALL_BATCHES: u32 = 500;
/// Queries of each kind.
const QUERIES: u32 = 1000;
/// Days over which the studies are spread.
const DAYS: u32 = 3000;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let url = arguments.next().ok_or("the URL of an empty catalogue is expected")?;
    let mut number = |default| arguments.next().map_or(Ok(default), |text| text.parse::<u32>());
    let (studies, instances) = (number(50_000)?, number(10)?);
    let mut catalogue = open(&url)?;
    if catalogue.counts()?.instances > 0 {
        return Err("the catalogue is not empty".into());
    }
    fill(&mut *catalogue, studies, instances)?;
    enter_small_batches(&mut *catalogue, studies)?;
    ask(&mut *catalogue, studies)
}

fn fill(catalogue: &mut dyn Catalogue, studies: u32, instances: u32) -> Result<(), Box<dyn Error>> {
    let started = Instant::now();
    let mut batch = Vec::with_capacity(BATCH);
    for study in 0..studies {
        for of_study in 0..instances {
            batch.push(instance(study, of_study)?);
            if batch.len() == BATCH {
                catalogue.put(&batch)?;
                batch.clear();
            }
        }
    }
    catalogue.put(&batch)?;
    let count = f64::from(studies) * f64::from(instances);
    println!("filled: {count} instances, {:.0} a second", count / started.elapsed().as_secs_f64());
    Ok(())
}

fn enter_small_batches(catalogue: &mut dyn Catalogue, studies: u32) -> Result<(), Box<dyn Error>> {
    let mut times = Vec::new();
    for batch in 0..SMALL_BATCHES {
        let instances = (0..4).map(|of| instance(studies + of, batch)).collect::<Result<Vec<_>, _>>()?;
        let started = Instant::now();
        catalogue.put(&instances)?;
        times.push(started.elapsed());
    }
    show("put of 4", times);
    Ok(())
}

fn ask(catalogue: &mut dyn Catalogue, studies: u32) -> Result<(), Box<dyn Error>> {
    for (what, key) in [
        (
            "find by UID",
            (|study| (Tag::STUDY_INSTANCE_UID, format!("1.2.{study}"))) as fn(u32) -> (Tag, String),
        ),
        ("find by date", |study| (Tag::STUDY_DATE, date(study))),
        ("find by name prefix", |study| (Tag::PATIENT_NAME, format!("{}*", name(study)))),
    ] {
        let mut times = Vec::new();
        let mut answers = 0;
        for asked in 0..QUERIES {
            let (tag, value) = key(asked.wrapping_mul(7919) % studies);
            let wanted = [Tag::PATIENT_ID, Tag::PATIENT_NAME, Tag::STUDY_DATE, Tag::STUDY_INSTANCE_UID];
            let mut keys = vec![QueryKey { tag, value }];
            let more = wanted.into_iter().filter(|wanted| *wanted != tag);
            keys.extend(more.map(|tag| QueryKey { tag, value: String::new() }));
            let query = Query::new(QueryRoot::Study, Level::Study, keys);
            let started = Instant::now();
            answers += catalogue.find(&query, Cursor::default(), 500)?.items.len();
            times.push(started.elapsed());
        }
        show(&format!("{what} ({} answers each)", answers / QUERIES as usize), times);
    }
    Ok(())
}

fn show(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |part: usize| times.get(times.len() * part / 100).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    println!("{what}: p50 {:.2} ms, p99 {:.2} ms", at(50), at(99));
}

fn date(study: u32) -> String {
    let day = study % DAYS;
    format!("{:04}{:02}{:02}", 2015 + day / 336, day / 28 % 12 + 1, day % 28 + 1)
}

/// Each name is that of some three studies, and its start that of as many.
fn name(study: u32) -> String {
    let mut left = (study / 3).wrapping_mul(2_654_435_761);
    let letter = |_| {
        let letter = char::from(b'A' + u8::try_from(left % 26).unwrap_or(0));
        left /= 26;
        letter
    };
    (0..6).map(letter).collect()
}

fn instance(study: u32, number: u32) -> Result<CatalogueInstance, Box<dyn Error>> {
    let uid = format!("1.2.{study}.1.{number}");
    let attributes = vec![
        (Tag::STUDY_DATE, date(study)),
        (Tag::STUDY_TIME, "101112".to_owned()),
        (Tag::ACCESSION_NUMBER, format!("A{study}")),
        (Tag::MODALITY, "CT".to_owned()),
        (Tag::PATIENT_NAME, format!("{}^JANE", name(study))),
        (Tag::PATIENT_ID, format!("P{}", study / 3)),
        (Tag::STUDY_DESCRIPTION, "CT HEAD WITHOUT CONTRAST".to_owned()),
        (Tag::SERIES_NUMBER, "1".to_owned()),
        (Tag::INSTANCE_NUMBER, number.to_string()),
        (Tag::ROWS, "512".to_owned()),
    ];
    let mut sha256 = [0; 32];
    sha256.iter_mut().zip(uid.bytes()).for_each(|(to, from)| *to = from);
    Ok(CatalogueInstance {
        header: InstanceHeader {
            sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
            sop_instance: SopInstanceUid::new(&uid)?,
            study: Some(StudyUid::new(&format!("1.2.{study}"))?),
            series: Some(SeriesUid::new(&format!("1.2.{study}.1"))?),
            attributes,
        },
        issuer: Some("HOSP".to_owned()),
        version: Version {
            transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2.1"),
            sha256: Sha256Digest(sha256),
            length: 525_000,
            stored_at: WallTime(1_700_000_000_000_000),
            place: 1,
        },
    })
}
