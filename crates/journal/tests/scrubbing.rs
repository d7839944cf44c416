//! Scrubs beside a writer.

use crate::kit::{append, object, open};

/// Goal: a scrub ends while entries come, having read what was there once.
#[test]
fn a_scrub_ends_while_entries_come() {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open(directory.path());
    append(&mut journal, (0..4).map(|seed| object(seed, 10_000)).collect());
    let mut scrub = journal.reader().scrub();
    let (mut steps, mut read) = (0, 0);
    while let Some(step) = scrub.step() {
        assert_eq!(step.damaged, []);
        (steps, read) = (steps + 1, read + step.bytes);
        assert!(steps < 20, "it does not end: {read} bytes");
        append(&mut journal, vec![object(100 + steps, 10_000)]);
    }
    assert!((40_000..80_000).contains(&read), "{read} bytes read");
}
