//! What a front door adds to a member's own time: each query is put to the member and through the front door, one right after the
//! other, so that a machine that is faster or slower from one minute to the next is so for both.

use std::path::Path;

use outrigger_sim::peers::{Nagle, Orthanc};

use crate::Outcome;
use crate::contestant::{Running, Side, node_config, start, start_node};
use crate::find::{Asker, By, KINDS, Over, Study, WARM_UP, chosen, fill, percentile};
use crate::summary::{Spread, table};

/// Studies of the member.
const STUDIES: usize = 10_000;

/// Measures all, with the member beside itself as a control: what is shown for that is what this way of measuring is wrong by.
pub(crate) async fn compare(program: &Path, rounds: usize, queries: usize) -> Outcome<()> {
    let member = start(Side::Orthanc, program, Nagle::Off).await?;
    let studies = fill(&member, STUDIES).await?;
    let Running::Orthanc(orthanc) = &member else { return Err("an Orthanc was to be started".into()) };
    let dimse = through(program, &dimse_route(orthanc)).await?;
    let web = through(program, &web_route(orthanc)).await?;
    let mut rows = Vec::new();
    for (over, by) in KINDS {
        let door = match over {
            Over::CFind => &dimse,
            Over::Qido => &web,
        };
        let mut taken = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (taken, other) in taken.iter_mut().zip([door, &member]) {
                taken.push(pairs(&member, other, &studies, (over, by), queries).await?);
            }
        }
        for (taken, name) in taken.iter().zip(["through the front door", "the member once more (control)"]) {
            let of = |what: fn(&Pair) -> f64| {
                let medians =
                    taken.iter().map(|pairs| percentile(&pairs.iter().map(what).collect::<Vec<_>>(), 50));
                Spread::of(medians).text(2)
            };
            let query = format!("{over:?} by {by:?}");
            rows.push(vec![query, name.to_owned(), of(|pair| pair.own), of(|pair| pair.beyond)]);
        }
    }
    println!("\n{queries} pairs of queries a round, {rounds} rounds, {STUDIES} studies\n");
    table(
        &["query", "asked beside the member", "the member's own p50 ms", "p50 of what comes to it, ms"],
        &rows,
    );
    Ok(())
}

/// Times of the member itself, and what came to it, in milliseconds: the mean of two pairs, one of each order.
struct Pair {
    own: f64,
    beyond: f64,
}

async fn pairs(
    member: &Running,
    other: &Running,
    studies: &[Study],
    (over, by): (Over, By),
    queries: usize,
) -> Outcome<Vec<Pair>> {
    let (mut direct, mut through) = (Asker::of(member, over).await?, Asker::of(other, over).await?);
    let mut times = Vec::new();
    for (at, study) in chosen(studies, queries * 2).enumerate() {
        // Whoever asks second finds what was asked for in Orthanc's caches.
        let (own, beside) = if at % 2 == 0 {
            let own = direct.ask(study, by).await?;
            (own, through.ask(study, by).await?)
        } else {
            let beside = through.ask(study, by).await?;
            (direct.ask(study, by).await?, beside)
        };
        if at >= WARM_UP {
            times.push((own.as_secs_f64() * 1e3, beside.as_secs_f64() * 1e3));
        }
    }
    let (twos, _) = times.as_chunks::<2>();
    let pair = |[one, two]: &[(f64, f64); 2]| {
        let own = f64::midpoint(one.0, two.0);
        Pair { own, beyond: f64::midpoint(one.1, two.1) - own }
    };
    Ok(twos.iter().map(pair).collect())
}

/// A front door whose catalogue knows nothing, before the Orthanc that is filled.
async fn through(program: &Path, route: &str) -> Outcome<Running> {
    let directory = tempfile::tempdir()?;
    let config = node_config(directory.path(), &[], "present")
        + &format!(
            "[query]\nsource = \"members\"\n[inventory]\nenabled = false\n[[member]]\nname = \"m\"\n\
             confirm = \"present\"\ncalling_ae = \"SENDER\"\n[[member.route]]\n{route}\n"
        );
    let node = Box::new(start_node(program, directory.path(), &config).await?);
    Ok(Running::Outrigger { node, _directory: directory })
}

fn dimse_route(orthanc: &Orthanc) -> String {
    let station = orthanc.station();
    format!("protocol = \"dimse\"\naddress = \"{}\"\nae_title = \"{}\"", station.address(), station.ae_title)
}

fn web_route(orthanc: &Orthanc) -> String {
    format!("protocol = \"dicomweb\"\nurl = \"{}\"", orthanc.dicomweb())
}
