//! Study-level queries by UID and by date, on a kept connection: C-FIND and QIDO-RS, beside Orthanc.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dataset::{form::Form, read, write};
use outrigger_member::{AskSession, Member, Outgoing};
use outrigger_model::{Level, Query, QueryKey, QueryRoot, Tag};
use outrigger_sim::peers::Nagle;

use crate::Outcome;
use crate::contestant::{Running, Side, start};
use crate::load;
use crate::summary::{Spread, table};

/// Studies of one day: as many answers has a query by date, however many studies there are.
const STUDIES_A_DAY: usize = 20;
/// Queries before the measured ones.
pub(crate) const WARM_UP: usize = 20;
/// Associations over which the archive is filled.
const FILLING: usize = 4;
/// Objects made at once while filling.
const BATCH: usize = 2000;

/// The queries that are measured.
pub(crate) const KINDS: [(Over, By); 4] =
    [(Over::CFind, By::Uid), (Over::CFind, By::Date), (Over::Qido, By::Uid), (Over::Qido, By::Date)];

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    Uid,
    Date,
}

/// Over which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Over {
    CFind,
    Qido,
}

/// A study as it can be asked for.
#[derive(Debug, Clone)]
pub(crate) struct Study {
    uid: String,
    date: String,
}

/// A side that has its studies.
struct Filled {
    side: &'static str,
    running: Running,
    studies: Vec<Study>,
}

/// Measures all: Outrigger at the sizes given, Orthanc at the first.
pub(crate) async fn compare(program: &Path, sizes: &[usize], rounds: usize, queries: usize) -> Outcome<()> {
    let mut rows = Vec::new();
    for (at, size) in sizes.iter().enumerate() {
        let sides: &[Side] = if at == 0 { &[Side::Outrigger, Side::Orthanc] } else { &[Side::Outrigger] };
        let mut filled = Vec::new();
        for side in sides {
            let running = start(*side, program, Nagle::Off).await?;
            let studies = fill(&running, *size).await?;
            filled.push(Filled { side: side.name(), running, studies });
        }
        for (over, by) in KINDS {
            let taken = interleaved(&filled, over, by, rounds, queries).await?;
            rows.extend(shown(*size, over, by, &filled, &taken));
        }
    }
    println!("\n{queries} queries a round over one connection, {rounds} rounds a side\n");
    table(&["studies", "query", "side", "p50 ms", "p99 ms", "x Outrigger's time"], &rows);
    Ok(())
}

/// The times of each round of each side, the other way round every other time.
async fn interleaved(
    filled: &[Filled],
    over: Over,
    by: By,
    rounds: usize,
    queries: usize,
) -> Outcome<Vec<Vec<Vec<f64>>>> {
    let mut taken = vec![Vec::new(); filled.len()];
    for round in 0..rounds {
        let mut order: Vec<_> = filled.iter().zip(&mut taken).collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for (Filled { running, studies, .. }, taken) in order {
            taken.push(ask(running, studies, over, by, queries).await?);
        }
    }
    Ok(taken)
}

fn shown(size: usize, over: Over, by: By, filled: &[Filled], taken: &[Vec<Vec<f64>>]) -> Vec<Vec<String>> {
    let of = |times: &[Vec<f64>], percent| Spread::of(times.iter().map(|round| percentile(round, percent)));
    let ours = taken.first().map_or(f64::NAN, |times| of(times, 50).median);
    let row = |(Filled { side, .. }, times): (&Filled, &Vec<Vec<f64>>)| {
        let p50 = of(times, 50);
        vec![
            size.to_string(),
            format!("{over:?} by {by:?}"),
            (*side).to_owned(),
            p50.text(3),
            of(times, 99).text(3),
            format!("{:.1}", p50.median / ours),
        ]
    };
    filled.iter().zip(taken).map(row).collect()
}

pub(crate) fn percentile(times: &[f64], percent: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Stores so many studies of one small object each.
pub(crate) async fn fill(running: &Running, size: usize) -> Outcome<Vec<Study>> {
    let address = running.address()?;
    let mut studies = Vec::with_capacity(size);
    for from in (0..size).step_by(BATCH) {
        let mut objects = Vec::with_capacity(BATCH);
        for number in from..size.min(from + BATCH) {
            let (study, object) = study(number)?;
            studies.push(study);
            objects.push(object);
        }
        load::send(&address, &objects, FILLING).await?;
    }
    Ok(studies)
}

fn study(number: usize) -> Outcome<(Study, Outgoing)> {
    let place = Place { patient: u32::try_from(number)?, ..Place::default() };
    let phantom = Phantom::new(77, place, Shape::Sr);
    let day = number / STUDIES_A_DAY;
    let date = format!("{:04}{:02}{:02}", 2000 + day / 336, 1 + day / 28 % 12, 1 + day % 28);
    let mut set: DataSet = read::read_form(Form::ExplicitLittle, phantom.data_set)?;
    set.put(Element::text(Tag::STUDY_DATE, Vr::DA, &date));
    let uid = phantom.header.study.as_ref().map(ToString::to_string).unwrap_or_default();
    let object = Outgoing {
        sop_class: phantom.header.sop_class,
        sop_instance: phantom.header.sop_instance,
        transfer_syntax: phantom.transfer_syntax,
        bytes: Arc::new(bytes::Bytes::from(write::write(&set, Form::ExplicitLittle))),
    };
    Ok((Study { uid, date }, object))
}

/// The time of each query, in milliseconds.
async fn ask(running: &Running, studies: &[Study], over: Over, by: By, queries: usize) -> Outcome<Vec<f64>> {
    let mut asker = Asker::of(running, over).await?;
    let mut times = Vec::with_capacity(queries);
    for (at, study) in chosen(studies, queries).enumerate() {
        let time = asker.ask(study, by).await?;
        if at >= WARM_UP {
            times.push(time.as_secs_f64() * 1e3);
        }
    }
    Ok(times)
}

/// So many studies and those to warm up with, spread over all there are, and the same for each side.
pub(crate) fn chosen(studies: &[Study], queries: usize) -> impl Iterator<Item = &Study> {
    (0..WARM_UP + queries).filter_map(|at| studies.get(at * 7919 % studies.len()))
}

/// A kept connection over which one query after another is put.
pub(crate) enum Asker {
    CFind(Box<dyn AskSession>),
    Qido { agent: ureq::Agent, root: String },
}

impl Asker {
    pub(crate) async fn of(running: &Running, over: Over) -> Outcome<Self> {
        Ok(match over {
            Over::CFind => Self::CFind(load::sender(&running.address()?, "BENCH")?.ask(&[]).await?),
            Over::Qido => Self::Qido { agent: ureq::Agent::new_with_defaults(), root: running.dicomweb()? },
        })
    }

    /// How long a query takes; one that is answered otherwise than it is known to be is an error, so that it is not measured.
    pub(crate) async fn ask(&mut self, study: &Study, by: By) -> Outcome<Duration> {
        let (took, found) = match self {
            Self::CFind(session) => {
                let query = query(study, by);
                let begun = Instant::now();
                let answered = session.find(&query, STUDIES_A_DAY * 2).await?;
                (begun.elapsed(), answered.answers.len())
            }
            Self::Qido { agent, root } => {
                let url = match by {
                    By::Uid => format!("{root}/studies?StudyInstanceUID={}", study.uid),
                    By::Date => format!("{root}/studies?StudyDate={}", study.date),
                };
                let begun = Instant::now();
                let request = agent.get(&url).header("Accept", "application/dicom+json");
                let body = request.call()?.into_body().read_to_vec()?;
                let took = begun.elapsed();
                let answers: serde_json::Value = serde_json::from_slice(&body)?;
                (took, answers.as_array().map_or(0, Vec::len))
            }
        };
        let expected = match by {
            By::Uid => 1,
            By::Date => STUDIES_A_DAY,
        };
        if found == expected { Ok(took) } else { Err(format!("a query by {by:?} found {found}").into()) }
    }
}

fn query(study: &Study, by: By) -> Query {
    let (uid, date) = match by {
        By::Uid => (study.uid.clone(), String::new()),
        By::Date => (String::new(), study.date.clone()),
    };
    let keys = [
        (Tag::STUDY_INSTANCE_UID, uid),
        (Tag::STUDY_DATE, date),
        (Tag::PATIENT_NAME, String::new()),
        (Tag::PATIENT_ID, String::new()),
        (Tag::ACCESSION_NUMBER, String::new()),
    ];
    let keys = keys.into_iter().map(|(tag, value)| QueryKey { tag, value }).collect();
    Query::new(QueryRoot::Study, Level::Study, keys)
}
