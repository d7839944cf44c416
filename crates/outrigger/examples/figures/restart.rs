//! How soon a front door accepts: after an ordinary start, and after kill -9 with much undelivered.

use std::path::Path;
use std::time::Instant;

use outrigger_dataset::phantom::Shape;

use crate::Outcome;
use crate::contestant::{node_config, start_node};
use crate::load;
use crate::summary::Spread;

/// Objects made and sent at a time, so that the bench itself stays small.
const PART: usize = 5_000;

/// Measures both.
pub(crate) async fn measure(program: &Path, entries: usize) -> Outcome<()> {
    let fresh = tempfile::tempdir()?;
    let mut starts = Vec::new();
    for number in 0..7 {
        let directory = fresh.path().join(number.to_string());
        std::fs::create_dir(&directory)?;
        let config = node_config(&directory, &["127.0.0.1:1", "127.0.0.1:2"], "accepted");
        let begun = Instant::now();
        drop(start_node(program, &directory, &config).await?);
        starts.push(begun.elapsed().as_secs_f64());
    }
    let directory = tempfile::tempdir()?;
    let config = node_config(directory.path(), &["127.0.0.1:1", "127.0.0.1:2"], "accepted");
    let mut node = start_node(program, directory.path(), &config).await?;
    let mut left = entries;
    let mut seed = 100;
    while left > 0 {
        let address = node.listening()?.dimse.first().ok_or("no listener")?.to_string();
        load::send(&address, &load::objects(Shape::Sr, left.min(PART), seed), 4).await?;
        left = left.saturating_sub(PART);
        seed += 1;
    }
    let mut again = Vec::new();
    for _ in 0..7 {
        node.process().kill()?;
        let begun = Instant::now();
        node.process().restart().await?;
        let address = node.listening()?.dimse.first().ok_or("no listener")?.to_string();
        load::send(&address, &load::objects(Shape::Sr, 1, seed), 1).await?;
        again.push(begun.elapsed().as_secs_f64());
        seed += 1;
    }
    println!("\n| what | seconds, median (min-max) of 7 |\n|---|---|");
    println!("| start to the ready line | {} |", Spread::of(starts).text(3));
    println!(
        "| kill -9 with {entries} undelivered entries, to the first acknowledgement | {} |",
        Spread::of(again).text(3)
    );
    Ok(())
}
