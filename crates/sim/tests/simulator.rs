//! Seed after seed: the shipped front, gateway, ledger, journal and delivery in one thread, over a simulated world.

mod archive;
mod checker;
mod commitment;
mod dice;
mod events;
pub(crate) mod net;
mod node;
mod opened;
mod plan;
mod run;
mod sender;

use std::collections::BTreeMap;

use run::{Mutation, simulate};

/// Seeds of a plain run.
const SEEDS: u64 = 20;
/// Seeds of a full run, in four parts.
const SEEDS_FULL: u64 = 1_000;
const PARTS: u64 = 4;

/// What the seeds of each part must all have met.
const MET: &[&str] = &[
    "writes forgotten",
    "writes torn",
    "writes reordered",
    "sectors with a bit flipped",
    "sectors of garbage",
    "crash at a call",
    "EIO",
    "ENOSPC",
    "short write",
    "disk full",
    "books away",
    "books gone",
    "partitions",
    "crashes of a member",
    "objects lost by a member",
    "reports over the association of the request",
    "reports to the listener",
    "reports before the response",
    "reports with a failed list",
    "reports late",
    "reports lost",
    "reports twice",
];

/// Runs a seed, in which everything must hold; gives what it met, and how often.
fn holds(seed: u64) -> BTreeMap<&'static str, u64> {
    let outcome = simulate(seed, Mutation::None);
    assert!(
        outcome.wrong.is_empty(),
        "seed {seed}; repeat it with OUTRIGGER_SEED={seed} cargo nextest run -p outrigger-sim simulated_seed\n{}{:#?}",
        outcome.events.shown(),
        outcome.wrong,
    );
    outcome.events.counts()
}

/// The number an environment variable gives, if it is set.
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is no number")))
}

#[test]
fn simulated_seed() {
    match number("OUTRIGGER_SEED") {
        Some(seed) => println!("{:#?}", holds(seed)),
        None => (0..SEEDS).for_each(|seed| drop(holds(seed))),
    }
}

/// Runs a part of the seeds; says what they met.
fn part(part: u64) -> String {
    let seeds = SEEDS_FULL * number("OUTRIGGER_SOAK").unwrap_or(1);
    let mut met: BTreeMap<&str, u64> = MET.iter().map(|what| (*what, 0)).collect();
    for counts in (0..seeds).filter(|seed| seed % PARTS == part).map(holds) {
        for (what, times) in counts {
            *met.entry(what).or_default() += times;
        }
    }
    let never: Vec<_> = met.iter().filter(|(_, times)| **times == 0).collect();
    assert!(never.is_empty(), "no seed met {never:?}");
    format!("{met:#?}")
}

#[test]
fn fault_simulated_part_1() {
    println!("{}", part(0));
}

#[test]
fn fault_simulated_part_2() {
    println!("{}", part(1));
}

#[test]
fn fault_simulated_part_3() {
    println!("{}", part(2));
}

#[test]
fn fault_simulated_part_4() {
    println!("{}", part(3));
}

#[test]
fn simulated_seeds_repeat() {
    for seed in 0..SEEDS {
        let (one, two) = (simulate(seed, Mutation::None), simulate(seed, Mutation::None));
        let differ = one.events.lines().into_iter().zip(two.events.lines()).find(|(one, two)| one != two);
        assert_eq!(one.hash, two.hash, "seed {seed}: {differ:?}");
    }
}

#[test]
fn simulated_disk_that_ignores_syncs_loses() {
    let lost = |seed| simulate(seed, Mutation::NoSyncs).wrong;
    assert!((0..SEEDS).map(lost).any(|wrong| !wrong.is_empty()));
}

#[test]
fn simulated_member_that_drops_in_silence_is_caught() {
    let wrong = |seed| simulate(seed, Mutation::SilentDrop).wrong;
    let caught =
        (0..SEEDS).map(wrong).any(|wrong| wrong.iter().any(|wrong| wrong.contains("NOT AT THE MEMBER")));
    assert!(caught);
}

#[test]
fn simulated_member_that_commits_to_what_it_does_not_have_is_caught() {
    let wrong = |seed| simulate(seed, Mutation::FalseCommit).wrong;
    let caught =
        (0..SEEDS).map(wrong).any(|wrong| wrong.iter().any(|wrong| wrong.contains("NOT AT THE MEMBER")));
    assert!(caught);
}
