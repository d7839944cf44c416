//! Archives whose limit changes while they are gone through.

use outrigger_audit::inventory::sweep::Steadiness;

use super::*;

fn changing(count: u64, undated: u64, cap: usize, limit: Changing) -> Archive {
    Archive { limit, ..Archive::new(studies(count, undated, 12), Manner { cap, ..MANNER }) }
}

/// Goal: no study is hidden by a limit that falls, at whichever question. The control: the limit as it was gives more than the one it
/// falls to, so that what comes is fewer than came before.
#[test]
fn a_limit_that_falls_hides_no_study() {
    for undated in [0, 30] {
        for at in [1, 2, 3, 5, 12, 40, 100, 150] {
            let archive = changing(600, undated, 40, Changing::Falls(at, 10));
            let (found, sweep) = archive.sweep(Learnt::default(), 7);
            let missing = archive.missing(&found);
            assert!(missing.is_empty(), "at question {at}: {} are missing of {undated}", missing.len());
            assert_eq!(sweep.unlisted, 0);
            assert!(sweep.asked < 3_000, "at question {at}: {} queries", sweep.asked);
        }
    }
}

/// Goal: the same of one that is another at each question; that it is so is known the next time.
#[test]
fn a_limit_that_wavers_hides_no_study() {
    for (cap, least) in [(20, 10), (100, 60), (50, 45)] {
        let archive = changing(900, 40, cap, Changing::From(least));
        let (found, sweep) = archive.sweep(Learnt::default(), 7);
        let missing = archive.missing(&found);
        assert!(missing.is_empty(), "{least} to {cap}: {} are missing", missing.len());
        assert_eq!(sweep.learnt.steadiness, Steadiness::Wavering);
        assert!(sweep.asked < 6_000, "{least} to {cap}: {} queries", sweep.asked);
        let (found, _) = archive.sweep(sweep.learnt, 7);
        assert_eq!(archive.missing(&found).len(), 0, "{least} to {cap}, again");
    }
}

/// Goal: an archive of which studies were taken out meanwhile is believed again the next time.
#[test]
fn an_archive_that_is_steady_again_is_asked_as_little_as_before() {
    let steady = changing(900, 0, 100, Changing::Not);
    let (_, first) = steady.sweep(Learnt::default(), 7);
    assert_eq!(first.learnt.steadiness, Steadiness::Steady);
    let mut wavering = first.learnt.clone();
    wavering.steadiness = Steadiness::Wavering;
    let (found, second) = steady.sweep(wavering, 7);
    assert_eq!((found.len(), second.learnt.steadiness), (900, Steadiness::Steady));
    assert!(second.asked > first.asked);
    let (_, third) = steady.sweep(second.learnt, 7);
    assert!(third.asked <= first.asked, "{} and {} queries", third.asked, first.asked);
}
