//! Random lives against a model: whatever is done in whatever order, with crashes in between, what was promised holds.

use outrigger_journal::{Carried, Health, Journal, Seq};
use outrigger_runtime::disk::simulated::{Fault, FaultAt, Lasting, Loss, SimDisk};
use proptest::prelude::*;

use crate::promises::{LARGE, Promises, holds};

#[derive(Debug, Clone)]
enum Step {
    Append(Vec<Option<usize>>),
    ReleaseAllBut(u64),
    Carry,
    Close,
    Stop(Loss),
    /// A crash in so many calls from now, or an error.
    Plan(u64, Fault),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let length = prop_oneof![
        4 => Just(None),
        8 => (0_usize..20_000).prop_map(Some),
        1 => Just(Some(LARGE)),
    ];
    let loss = prop_oneof![Just(Loss::Nothing), Just(Loss::Everything), Just(Loss::Some)];
    let fault =
        prop_oneof![Just(Fault::Crash), Just(Fault::Io), Just(Fault::NoSpace), Just(Fault::ShortWrite)];
    let step = prop_oneof![
        8 => prop::collection::vec(length, 1..6).prop_map(Step::Append),
        3 => (2_u64..9).prop_map(Step::ReleaseAllBut),
        3 => Just(Step::Carry),
        1 => Just(Step::Close),
        2 => loss.prop_map(Step::Stop),
        2 => (1_u64..40, fault).prop_map(|(calls, fault)| Step::Plan(calls, fault)),
    ];
    prop::collection::vec(step, 1..30)
}

/// Lives through `steps`; after every end of a process what was promised is checked.
fn live(seed: u64, steps: &[Step]) -> Result<(), String> {
    let disk = SimDisk::new(seed, 1 << 30);
    let mut promises = Promises::default();
    let mut journal = Some(holds(&disk, &promises, Seq(0))?);
    for step in steps {
        let Some(running) = journal.as_mut() else { return Err("not running".to_owned()) };
        let failed = |journal: &Journal| journal.state().health == Health::Failed;
        let end = match step {
            Step::Append(lengths) => {
                promises.append(running, lengths);
                None
            }
            Step::ReleaseAllBut(every) => {
                promises.release(running, *every);
                None
            }
            Step::Carry => {
                (0..20).any(|_| !matches!(running.carry_forward(), Ok(Carried::Some)));
                None
            }
            Step::Close => {
                // It may fail under a planned fault; what was acknowledged stands all the same.
                match journal.take().map(Journal::close) {
                    Some(Ok(()) | Err(_)) | None => Some(Loss::Nothing),
                }
            }
            Step::Stop(loss) => Some(*loss),
            Step::Plan(calls, fault) => {
                let call = disk.calls() + calls;
                disk.plan(Some(FaultAt { call, fault: *fault, lasting: Lasting::Once }));
                None
            }
        };
        let end = end.or_else(|| journal.as_ref().is_some_and(failed).then_some(Loss::Some));
        if let Some(loss) = end {
            drop(journal.take());
            disk.crash(loss);
            journal =
                Some(holds(&disk, &promises, Seq(0)).map_err(|error| format!("after {step:?}: {error}"))?);
        }
    }
    drop(journal);
    disk.crash(Loss::Everything);
    holds(&disk, &promises, Seq(0)).map(drop)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_random_life_holds_what_it_promised(seed in any::<u64>(), steps in steps()) {
        live(seed, &steps).map_err(TestCaseError::fail)?;
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn fault_many_random_lives_hold_what_they_promised(seed in any::<u64>(), steps in steps()) {
        live(seed, &steps).map_err(TestCaseError::fail)?;
    }
}

/// What a torn write left behind the last trailer was sealed in, and taken for damage by every scrub from then on.
#[test]
fn a_frame_that_is_torn_where_it_is_only_filled_up_is_sound() {
    let append = |lengths: &[Option<usize>]| Step::Append(lengths.to_vec());
    let steps = [
        append(&[None, None, None]),
        append(&[None, Some(0), None]),
        append(&[None]),
        Step::ReleaseAllBut(2),
        append(&[Some(4581), Some(11373), None]),
        Step::ReleaseAllBut(2),
        Step::Plan(7, Fault::Io),
        append(&[Some(9484), Some(2636), Some(11868)]),
        append(&[None, None, None, None]),
        Step::Plan(5, Fault::Crash),
        append(&[Some(0)]),
        Step::ReleaseAllBut(2),
    ];
    assert_eq!(live(6_081_365_309_444_408_465, &steps), Ok(()));
}
