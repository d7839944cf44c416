//! Durable C-STORE beside storescp and Orthanc.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_model::AeTitle;
use outrigger_sim::peers::{Nagle, Station, StoreScu};

use crate::contestant::{Running, Side, start};
use crate::load::{self, Taken};
use crate::summary::{Spread, table};
use crate::{Outcome, ceiling};

/// Objects sent before the measured ones: connections, caches and files are made by then.
const WARM_UP: usize = 20;

/// Which objects.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Work {
    /// 525 KB.
    Ct,
    /// 39 KB.
    Small,
}

pub(crate) struct Round {
    pub(crate) taken: Taken,
    /// CPU of the server, in milliseconds an object.
    pub(crate) cpu_ms: f64,
    /// CPU of each kind of thread, in milliseconds an object.
    threads_ms: BTreeMap<String, f64>,
}

/// Measures all sides over one and four associations.
pub(crate) async fn compare(program: &Path, work: Work, rounds: usize, count: usize) -> Outcome<()> {
    let shape = match work {
        Work::Ct => Shape::Ct,
        Work::Small => Shape::SmallCt,
    };
    for associations in [1, 4] {
        let mut results: BTreeMap<Side, Vec<Round>> = BTreeMap::new();
        let mut ceilings = Vec::new();
        for round in 0..rounds {
            ceilings.push(ceiling::measure(&load::objects(shape, count, round as u64), associations)?.rate());
            let mut order = [Side::Outrigger, Side::StoreScp, Side::Orthanc];
            if round % 2 == 1 {
                order.reverse();
            }
            for side in order {
                let measured = one_round(program, side, shape, count, associations, round).await?;
                results.entry(side).or_default().push(measured);
            }
        }
        show(work, associations, count, &results, Spread::of(ceilings));
    }
    Ok(())
}

async fn one_round(
    program: &Path,
    side: Side,
    shape: Shape,
    count: usize,
    associations: usize,
    round: usize,
) -> Outcome<Round> {
    measured(start(side, program, Nagle::Off).await?, shape, count, associations, round).await
}

/// Sends a round of objects to a server that was just started.
pub(crate) async fn measured(
    mut server: Running,
    shape: Shape,
    count: usize,
    associations: usize,
    round: usize,
) -> Outcome<Round> {
    let address = server.address()?;
    let objects = load::objects(shape, WARM_UP + count, round as u64);
    let (warm_up, measured) = objects.split_at(WARM_UP);
    load::send(&address, warm_up, 1).await?;
    let before = load::cpu_s(server.id())?;
    let threads_before = load::threads_s(server.id())?;
    let taken = load::send(&address, measured, associations).await?;
    let cpu_ms = (load::cpu_s(server.id())? - before) * 1e3 / count as f64;
    let mut threads_ms = load::threads_s(server.id())?;
    for (name, spent) in &mut threads_ms {
        *spent = (*spent - threads_before.get(name).copied().unwrap_or(0.0)) * 1e3 / count as f64;
    }
    Ok(Round { taken, cpu_ms, threads_ms })
}

fn show(
    work: Work,
    associations: usize,
    count: usize,
    results: &BTreeMap<Side, Vec<Round>>,
    ceiling: Spread,
) {
    println!(
        "\n{work:?}, {associations} association(s), {count} objects a round, TCP_NODELAY on all sides\n"
    );
    let rate = |side: Side| {
        results
            .get(&side)
            .map_or(f64::NAN, |rounds| Spread::of(rounds.iter().map(|round| round.taken.rate())).median)
    };
    let ours = rate(Side::Outrigger);
    let mut rows = Vec::new();
    for (side, rounds) in results {
        let of = |value: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(value));
        rows.push(vec![
            side.name().to_owned(),
            of(&|round| round.taken.rate()).text(0),
            format!("{:.2}", ours / rate(*side)),
            of(&|round| round.cpu_ms).text(2),
            of(&|round| round.taken.ack_ms(50)).text(2),
            of(&|round| round.taken.ack_ms(99)).text(2),
        ]);
    }
    let ceiling_row = ["layout ceiling".to_owned(), ceiling.text(0), format!("{:.2}", ours / ceiling.median)];
    rows.push(ceiling_row.into_iter().chain(std::iter::repeat_n("-".to_owned(), 3)).collect());
    let heading =
        ["side", "objects/s", "Outrigger is x times", "server CPU ms/object", "ack median ms", "ack p99 ms"];
    table(&heading, &rows);
    show_threads(results.get(&Side::Outrigger).map_or(&[], Vec::as_slice));
}

/// Where Outrigger's CPU goes, by thread, mean of all rounds.
fn show_threads(rounds: &[Round]) {
    let mut threads: BTreeMap<&str, f64> = BTreeMap::new();
    for (name, spent) in rounds.iter().flat_map(|round| &round.threads_ms) {
        *threads.entry(name).or_default() += spent / rounds.len() as f64;
    }
    let threads: Vec<String> = threads.iter().map(|(name, spent)| format!("{name} {spent:.2}")).collect();
    println!("\nOutrigger's CPU by thread, ms an object: {}", threads.join(", "));
}

/// From storescu as installed: its Nagle waits are what is measured.
pub(crate) async fn nagle(program: &Path, rounds: usize, count: usize) -> Outcome<()> {
    for shape in [Shape::Ct, Shape::SmallCt] {
        let directory = tempfile::tempdir()?;
        let mut files = Vec::new();
        for number in 0..count {
            let place = Place { instance: u32::try_from(number)?, ..Place::default() };
            let path = directory.path().join(format!("{number}.dcm"));
            std::fs::write(&path, Phantom::new(9, place, shape).file())?;
            files.push(path);
        }
        let mut rates: BTreeMap<Side, Vec<f64>> = BTreeMap::new();
        for round in 0..rounds {
            let mut order = [Side::Outrigger, Side::Orthanc];
            if round % 2 == 1 {
                order.reverse();
            }
            for side in order {
                let server = start(side, program, Nagle::AsInstalled).await?;
                let port = server.address()?.rsplit(':').next().unwrap_or("").parse()?;
                let called = Station { ae_title: AeTitle::new("BENCH")?, port };
                let calling = AeTitle::new("STORESCU")?;
                let scu = StoreScu {
                    calling: &calling,
                    called: &called,
                    files: &files,
                    options: &[],
                    nagle: Nagle::AsInstalled,
                };
                let begun = Instant::now();
                let run = scu.run().await?;
                if run.successes() != count {
                    return Err(format!("{} of {count} were stored", run.successes()).into());
                }
                rates.entry(side).or_default().push(count as f64 / begun.elapsed().as_secs_f64());
            }
        }
        println!(
            "\n{shape:?} from storescu as installed (Nagle on), 1 association, {count} objects a round\n"
        );
        let ours =
            rates.get(&Side::Outrigger).map_or(f64::NAN, |rates| Spread::of(rates.iter().copied()).median);
        let rows: Vec<Vec<String>> = rates
            .iter()
            .map(|(side, rates)| {
                let spread = Spread::of(rates.iter().copied());
                vec![side.name().to_owned(), spread.text(1), format!("{:.1}", ours / spread.median)]
            })
            .collect();
        table(&["side", "objects/s", "Outrigger is x times"], &rows);
    }
    Ok(())
}
