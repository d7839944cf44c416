//! How long a client waits for an answer when the member that is asked first dies or hangs in the middle.

use std::path::Path;
use std::time::{Duration, Instant};

use outrigger_member::Member;
use outrigger_model::{AeTitle, Level, Query, QueryKey, QueryRoot, Rules, Tag};
use outrigger_sim::peers::{Orthanc, OrthancSetup};

use crate::Outcome;
use crate::contestant::{node_config, start_node};
use crate::load;
use crate::summary::{Spread, table};

/// Studies of one small object each.
const STUDIES: usize = 200;
/// Queries before the member goes wrong, and after.
const BEFORE: usize = 100;
const AFTER: usize = 500;

/// How the member goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wrong {
    /// kill -9
    Dead,
    /// SIGSTOP
    Hung,
}

/// Measures both.
pub(crate) async fn measure(program: &Path, rounds: usize) -> Outcome<()> {
    let mut rows = Vec::new();
    for wrong in [Wrong::Dead, Wrong::Hung] {
        let mut longest = Vec::new();
        let mut before = Vec::new();
        let mut p99 = Vec::new();
        for _ in 0..rounds {
            let (sound, after) = one_round(program, wrong).await?;
            before.push(percentile(&sound, 50));
            longest.push(percentile(&after, 100));
            p99.push(percentile(&after, 99));
        }
        rows.push(vec![
            format!("{wrong:?}"),
            Spread::of(before).text(1),
            Spread::of(longest).text(1),
            Spread::of(p99).text(1),
        ]);
    }
    println!(
        "\nstudy-level C-FIND answered by members, two Orthanc, the preferred one goes wrong; every query answered\n"
    );
    table(&["member", "p50 before, ms", "longest after, ms", "p99 after, ms"], &rows);
    Ok(())
}

fn percentile(times: &[Duration], percent: usize) -> f64 {
    let mut times = times.to_vec();
    times.sort();
    times
        .get((times.len() * percent / 100).min(times.len().saturating_sub(1)))
        .map_or(f64::NAN, |time| time.as_secs_f64() * 1e3)
}

async fn one_round(program: &Path, wrong: Wrong) -> Outcome<(Vec<Duration>, Vec<Duration>)> {
    let directory = tempfile::tempdir()?;
    let title = |number: usize| AeTitle::new(&format!("M{number}"));
    let mut first = Orthanc::start(&OrthancSetup::new(&title(0)?, &[])).await?;
    let second = Orthanc::start(&OrthancSetup::new(&title(1)?, &[])).await?;
    let addresses = [&first, &second].map(|orthanc| orthanc.station().address().to_string());
    let config = node_config(directory.path(), &addresses.each_ref().map(String::as_str), "present")
        + "[query]\nsource = \"members\"\n";
    let node = start_node(program, directory.path(), &config).await?;
    let listening = node.listening()?;
    let address = listening.dimse.first().ok_or("no listener")?.to_string();
    let objects = load::studies(STUDIES, 55);
    load::send(&address, &objects.iter().map(|(_, object)| object.clone()).collect::<Vec<_>>(), 2).await?;
    balanced(&format!("http://{}/api/v1/balance", listening.admin.ok_or("no admin API")?)).await?;
    let mut session = load::sender(&address, "BENCH")?.ask(&[]).await?;
    let mut times = Vec::new();
    for at in 0..BEFORE + AFTER {
        if at == BEFORE {
            match wrong {
                Wrong::Dead => first.process().kill()?,
                Wrong::Hung => first.process().pause()?,
            }
        }
        let study = &objects.get(at % STUDIES).ok_or("no study")?.0;
        let keys = [(Tag::STUDY_INSTANCE_UID, study.clone()), (Tag::PATIENT_NAME, String::new())];
        let keys = keys.into_iter().map(|(tag, value)| QueryKey { tag, value }).collect();
        let query = Query { root: QueryRoot::Study, level: Level::Study, keys, rules: Rules::default() };
        let begun = Instant::now();
        let answered = session.find(&query, 10).await?;
        times.push(begun.elapsed());
        if answered.answers.len() != 1 {
            return Err(format!("{} answers to a query for one study", answered.answers.len()).into());
        }
    }
    session.release().await;
    let after = times.split_off(BEFORE);
    Ok((times, after))
}

async fn balanced(url: &str) -> Outcome<()> {
    const PATIENCE: Duration = Duration::from_secs(120);
    let begun = Instant::now();
    loop {
        let asked = url.to_owned();
        let body = tokio::task::spawn_blocking(move || ureq::get(&asked).call()?.into_body().read_to_vec());
        let balance: serde_json::Value = serde_json::from_slice(&body.await??)?;
        if balance.get("balanced") == Some(&true.into()) {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            return Err(format!("the books do not balance: {balance}").into());
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}
