//! How long a client waits for an answer when the member that is asked first dies or hangs in the middle.

use std::cell::Cell;
use std::path::Path;
use std::time::{Duration, Instant};

use outrigger_member::{AskSession, Member};
use outrigger_model::{AeTitle, Level, Query, QueryKey, QueryRoot, Rules, Tag};
use outrigger_sim::node::Node;
use outrigger_sim::peers::{Orthanc, OrthancSetup, Station};
use serde_json::Value;
use tempfile::TempDir;

use crate::Outcome;
use crate::contestant::{node_config, start_node};
use crate::load;
use crate::summary::table;

/// Studies of one small object each.
const STUDIES: usize = 200;
/// Queries answered after a blow before it counts as survived: the first finds out, those after it must not wait again.
const AFTER: usize = 20;
/// Latest moment of a blow after the queries have begun, in microseconds: several of them long, so that it falls anywhere.
const BLOW_WITHIN_US: usize = 60_000;
/// Steps by which the moments of blows differ, in microseconds: a prime, so that they spread over the time there is.
const BLOW_STEP_US: usize = 7_919;
/// Blows of the kind that costs the whole time-out, for each of the kind that does not.
const DEAD_PER_HUNG: usize = 4;
/// Longest wait until the books balance or a member is asked again.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often it is looked for.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// How the member goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// kill -9
    Dead,
    /// SIGSTOP
    Hung,
}

/// Measures both: so many deaths, and a quarter as many times of hanging.
pub(crate) async fn measure(program: &Path, deaths: usize) -> Outcome<()> {
    let mut scene = Scene::open(program).await?;
    let mut rows = Vec::new();
    for (wrong, blows) in [(Wrong::Dead, deaths), (Wrong::Hung, deaths.div_ceil(DEAD_PER_HUNG))] {
        let (mut before, mut longest) = (Vec::new(), Vec::new());
        for number in 0..blows {
            let (sound, silent) = scene.struck(wrong, number).await?;
            before.extend(sound);
            longest.push(silent);
            scene.healed(wrong).await?;
        }
        rows.push(vec![
            format!("{wrong:?}"),
            blows.to_string(),
            format!("{:.1}", percentile(&before, 50)),
            format!("{:.1}", percentile(&longest, 50)),
            format!("{:.1}", percentile(&longest, 99)),
            format!("{:.1}", percentile(&longest, 100)),
        ]);
    }
    println!(
        "\nstudy-level C-FIND answered by members, two Orthanc, the preferred one goes wrong at any moment; longest wait for \
         an answer from then on, every query answered\n"
    );
    table(
        &["member", "blows", "p50 of all before, ms", "wait p50, ms", "wait p99, ms", "longest, ms"],
        &rows,
    );
    Ok(())
}

fn percentile(times: &[Duration], percent: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times
        .get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

/// A front door before two Orthanc, and a client with one association.
struct Scene {
    first: Orthanc,
    _second: Orthanc,
    admin: String,
    session: Box<dyn AskSession>,
    studies: Vec<String>,
    _node: Node,
    _directory: TempDir,
}

impl Scene {
    async fn open(program: &Path) -> Outcome<Self> {
        let directory = tempfile::tempdir()?;
        let title = |number: usize| AeTitle::new(&format!("M{number}"));
        // Orthanc answers queries of those alone that it knows: without this nothing is ever confirmed.
        let ours = Station { ae_title: AeTitle::new("OUTRIGGER_M")?, port: 1 };
        let known = std::slice::from_ref(&ours);
        let first = Orthanc::start(&OrthancSetup::new(&title(0)?, known)).await?;
        let second = Orthanc::start(&OrthancSetup::new(&title(1)?, known)).await?;
        let addresses = [&first, &second].map(|orthanc| orthanc.station().address().to_string());
        let config = node_config(directory.path(), &addresses.each_ref().map(String::as_str), "present")
            + "[inventory]\nenabled = false\n[query]\nsource = \"members\"\n";
        let node = start_node(program, directory.path(), &config).await?;
        let listening = node.listening()?;
        let address = listening.dimse.first().ok_or("no listener")?.to_string();
        let admin = format!("http://{}/api/v1", listening.admin.ok_or("no admin API")?);
        let (studies, objects): (Vec<_>, Vec<_>) = load::studies(STUDIES, 55).into_iter().unzip();
        load::send(&address, &objects, 2).await?;
        until(&format!("{admin}/balance"), |balance| balance.get("balanced") == Some(&true.into())).await?;
        let session = load::sender(&address, "BENCH")?.ask(&[]).await?;
        Ok(Self { first, _second: second, admin, session, studies, _node: node, _directory: directory })
    }

    /// Queries until some are answered behind the blow; gives the times before it, and the longest of those it fell into or that
    /// followed.
    async fn struck(&mut self, wrong: Wrong, number: usize) -> Outcome<(Vec<Duration>, Duration)> {
        let Self { first, session, studies, .. } = self;
        let within = Duration::from_micros(((number * BLOW_STEP_US) % BLOW_WITHIN_US) as u64);
        let fallen = Cell::new(false);
        let blow = async {
            tokio::time::sleep(within).await;
            fallen.set(true);
            match wrong {
                Wrong::Dead => first.process().kill(),
                Wrong::Hung => first.process().pause(),
            }
        };
        let queries = async {
            let (mut before, mut after) = (Vec::new(), Vec::new());
            for study in studies.iter().cycle() {
                let took = ask(&mut **session, study).await?;
                if fallen.get() {
                    after.push(took);
                } else {
                    before.push(took);
                }
                if after.len() == AFTER {
                    break;
                }
            }
            Outcome::Ok((before, after.into_iter().max().unwrap_or_default()))
        };
        let (queried, struck) = tokio::join!(queries, blow);
        struck?;
        queried
    }

    /// Brings the member back, until it is asked again.
    async fn healed(&mut self, wrong: Wrong) -> Outcome<()> {
        match wrong {
            Wrong::Dead => self.first.process().restart().await?,
            Wrong::Hung => self.first.process().resume()?,
        }
        let asked =
            |status: &Value| status.pointer("/members/0/queries/state").is_some_and(|state| state == "asked");
        until(&format!("{}/status", self.admin), asked).await
    }
}

/// Puts a query; gives how long it took.
async fn ask(session: &mut dyn AskSession, study: &str) -> Outcome<Duration> {
    let keys = [(Tag::STUDY_INSTANCE_UID, study.to_owned()), (Tag::PATIENT_NAME, String::new())];
    let keys = keys.into_iter().map(|(tag, value)| QueryKey { tag, value }).collect();
    let query = Query { root: QueryRoot::Study, level: Level::Study, keys, rules: Rules::default() };
    let begun = Instant::now();
    let answered = session.find(&query, 10).await?;
    let took = begun.elapsed();
    if answered.answers.len() != 1 {
        return Err(format!("{} answers to a query for one study", answered.answers.len()).into());
    }
    Ok(took)
}

/// Waits until an answer of the admin API holds something.
async fn until(url: &str, holds: impl Fn(&Value) -> bool) -> Outcome<()> {
    let begun = Instant::now();
    loop {
        let asked = url.to_owned();
        let body = tokio::task::spawn_blocking(move || ureq::get(&asked).call()?.into_body().read_to_vec());
        let answer: Value = serde_json::from_slice(&body.await??)?;
        if holds(&answer) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("{url} stays {answer}").into());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
