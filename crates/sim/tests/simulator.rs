//! Seed after seed: the shipped front, gateway, ledger, journal and delivery in one thread, over a simulated world.

mod archive;
mod checker;
mod dice;
mod events;
mod net;
mod node;
mod plan;
mod run;
mod sender;

use run::{Mutation, simulate};

/// Seeds of a plain run.
const SEEDS: u64 = 20;
/// Seeds of a full run, in four parts.
const SEEDS_FULL: u64 = 1_000;
const PARTS: u64 = 4;

fn holds(seed: u64) {
    let outcome = simulate(seed, Mutation::None);
    assert!(
        outcome.wrong.is_empty(),
        "seed {seed}; repeat it with OUTRIGGER_SEED={seed} cargo nextest run -p outrigger-sim simulated_seed\n{}{:#?}",
        outcome.events.shown(),
        outcome.wrong,
    );
}

/// The number an environment variable gives, if it is set.
fn number(variable: &str) -> Option<u64> {
    let value = std::env::var(variable).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{variable}={value} is no number")))
}

#[test]
fn simulated_seed() {
    match number("OUTRIGGER_SEED") {
        Some(seed) => holds(seed),
        None => (0..SEEDS).for_each(holds),
    }
}

fn part(part: u64) {
    let seeds = SEEDS_FULL * number("OUTRIGGER_SOAK").unwrap_or(1);
    (0..seeds).filter(|seed| seed % PARTS == part).for_each(holds);
}

#[test]
fn fault_simulated_part_1() {
    part(0);
}

#[test]
fn fault_simulated_part_2() {
    part(1);
}

#[test]
fn fault_simulated_part_3() {
    part(2);
}

#[test]
fn fault_simulated_part_4() {
    part(3);
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
