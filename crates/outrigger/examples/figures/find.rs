//! Study-level queries by UID and by date, on a kept connection: C-FIND and QIDO-RS, beside Orthanc.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dataset::{form::Form, read, write};
use outrigger_member::{Member, Outgoing};
use outrigger_model::{Level, Query, QueryKey, QueryRoot, Tag};
use outrigger_sim::peers::Nagle;

use crate::Outcome;
use crate::contestant::{Running, Side, node_config, start, start_node};
use crate::load;
use crate::summary::{Spread, table};

/// Studies of one day: as many answers has a query by date, however many studies there are.
const STUDIES_A_DAY: usize = 20;
/// Queries before the measured ones.
const WARM_UP: usize = 20;
/// Associations over which the archive is filled.
const FILLING: usize = 4;
/// Objects made at once while filling.
const BATCH: usize = 2000;

/// The side whose answers are the filled Orthanc's.
const THROUGH: &str = "Outrigger, answered by that Orthanc";

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum By {
    Uid,
    Date,
}

/// Over which protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Over {
    CFind,
    Qido,
}

/// A study as it can be asked for.
#[derive(Debug, Clone)]
struct Study {
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
        if let Some(through) = through(program, &filled).await? {
            filled.push(through);
        }
        for (over, by) in
            [(Over::CFind, By::Uid), (Over::CFind, By::Date), (Over::Qido, By::Uid), (Over::Qido, By::Date)]
        {
            let taken = interleaved(&filled, over, by, rounds, queries).await?;
            rows.extend(shown(*size, over, by, &filled, &taken));
        }
    }
    println!("\n{queries} queries a round over one connection, {rounds} rounds a side\n");
    table(
        &[
            "studies",
            "query",
            "side",
            "p50 ms",
            "p99 ms",
            "x Outrigger's time",
            "beyond the member's own p50, ms",
        ],
        &rows,
    );
    Ok(())
}

/// A front door whose catalogue knows nothing, before the Orthanc that is filled.
async fn through(program: &Path, filled: &[Filled]) -> Outcome<Option<Filled>> {
    let member = filled.iter().find_map(|filled| match &filled.running {
        Running::Orthanc(orthanc) => Some((orthanc.station().clone(), filled.studies.clone())),
        Running::Outrigger { .. } | Running::StoreScp(_) => None,
    });
    let Some((station, studies)) = member else { return Ok(None) };
    let directory = tempfile::tempdir()?;
    let config = node_config(directory.path(), &[], "present")
        + &format!(
            "[query]\nsource = \"members\"\n[inventory]\nenabled = false\n[[member]]\nname = \"m\"\n\
             confirm = \"present\"\ncalling_ae = \"SENDER\"\n[[member.route]]\nprotocol = \"dimse\"\naddress = \"{}\"\n\
             ae_title = \"{}\"\n",
            station.address(),
            station.ae_title,
        );
    let node = Box::new(start_node(program, directory.path(), &config).await?);
    let running = Running::Outrigger { node, _directory: directory };
    Ok(Some(Filled { side: THROUGH, running, studies }))
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
    let orthanc = filled.iter().zip(taken).find(|(filled, _)| filled.side == Side::Orthanc.name());
    let beyond = |times: &Vec<Vec<f64>>| {
        let (_, own) = orthanc?;
        let each = times.iter().zip(own).map(|(ours, own)| percentile(ours, 50) - percentile(own, 50));
        Some(Spread::of(each).text(2))
    };
    let row = |(Filled { side, .. }, times): (&Filled, &Vec<Vec<f64>>)| {
        let p50 = of(times, 50);
        let beyond = Some(times).filter(|_| *side == THROUGH).and_then(beyond).unwrap_or_default();
        vec![
            size.to_string(),
            format!("{over:?} by {by:?}"),
            (*side).to_owned(),
            p50.text(3),
            of(times, 99).text(3),
            format!("{:.1}", p50.median / ours),
            beyond,
        ]
    };
    filled.iter().zip(taken).map(row).collect()
}

fn percentile(times: &[f64], percent: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort_by(f64::total_cmp);
    times.get((times.len() * percent / 100).min(times.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Stores so many studies of one small object each.
async fn fill(running: &Running, size: usize) -> Outcome<Vec<Study>> {
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
    // Spread over all there is, and the same for each side.
    let chosen: Vec<&Study> =
        (0..WARM_UP + queries).filter_map(|at| studies.get(at * 7919 % studies.len())).collect();
    let times = match over {
        Over::CFind => by_c_find(&running.address()?, &chosen, by).await?,
        Over::Qido => by_qido(&running.dicomweb()?, &chosen, by)?,
    };
    Ok(times.into_iter().skip(WARM_UP).map(|time| time.as_secs_f64() * 1e3).collect())
}

async fn by_c_find(address: &str, studies: &[&Study], by: By) -> Outcome<Vec<Duration>> {
    let mut session = load::sender(address, "BENCH")?.ask(&[]).await?;
    let mut times = Vec::with_capacity(studies.len());
    for study in studies {
        let query = query(study, by);
        let begun = Instant::now();
        let answered = session.find(&query, STUDIES_A_DAY * 2).await?;
        times.push(begun.elapsed());
        expect(by, answered.answers.len())?;
    }
    session.release().await;
    Ok(times)
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

fn by_qido(root: &str, studies: &[&Study], by: By) -> Outcome<Vec<Duration>> {
    let agent = ureq::Agent::new_with_defaults();
    let mut times = Vec::with_capacity(studies.len());
    for study in studies {
        let url = match by {
            By::Uid => format!("{root}/studies?StudyInstanceUID={}", study.uid),
            By::Date => format!("{root}/studies?StudyDate={}", study.date),
        };
        let begun = Instant::now();
        let body =
            agent.get(&url).header("Accept", "application/dicom+json").call()?.into_body().read_to_vec()?;
        times.push(begun.elapsed());
        let answers: serde_json::Value = serde_json::from_slice(&body)?;
        expect(by, answers.as_array().map_or(0, Vec::len))?;
    }
    Ok(times)
}

/// A side that answers something else is not measured.
fn expect(by: By, found: usize) -> Outcome<()> {
    let right = match by {
        By::Uid => found == 1,
        By::Date => found == STUDIES_A_DAY,
    };
    if right { Ok(()) } else { Err(format!("a query by {by:?} found {found}").into()) }
}
