//! What a cross-check decides, whatever it is shown: pure code against rules that must hold for all of it.

use std::collections::BTreeSet;
use std::time::Duration;

use outrigger_audit::crosscheck::answers::{Said, disagreements};
use outrigger_audit::crosscheck::budget::{Budget, Purse, Quiet};
use outrigger_audit::crosscheck::copies::{Judgement, Known, Likeness, judge};
use outrigger_audit::crosscheck::sample::{Draw, Share, pick};
use outrigger_ledger::finding::Witness;
use outrigger_model::{Answer, MemberNumber, Tag};
use proptest::prelude::*;
use tokio::time::Instant;

const A: MemberNumber = MemberNumber(0);
const B: MemberNumber = MemberNumber(1);
const C: MemberNumber = MemberNumber(2);

fn uids(count: usize) -> Vec<String> {
    (0..count).map(|number| format!("1.2.840.{number}")).collect()
}

fn picked(seed: u64, round: u64, percent: u8, uids: &[String]) -> BTreeSet<usize> {
    let uids = uids.iter().map(String::as_str);
    pick(Draw { seed, round }, Share { percent }, uids).into_iter().collect()
}

/// Copies whose content is a number; what was accepted is 0. Two copies can be compared unless one is `None`.
fn judged(known: Known, contents: &[Option<u8>]) -> Judgement {
    let alike = |one: Option<u8>, other: Option<u8>| match (one, other) {
        (Some(one), Some(other)) if one == other => Likeness::Alike,
        (Some(_), Some(_)) => Likeness::Differs,
        _ => Likeness::Unknown,
    };
    let to_accepted = |content: Option<u8>| match (known, alike(content, Some(0))) {
        (Known::Bytes, likeness) => likeness,
        // A digest proves, and refutes nothing.
        (Known::Digest, Likeness::Alike) => Likeness::Alike,
        (Known::Digest | Known::Nothing, _) => Likeness::Unknown,
    };
    let copies: Vec<_> =
        (0..).map(MemberNumber).zip(contents).map(|(member, of)| (member, to_accepted(*of))).collect();
    judge(known, &copies, |one, other| alike(contents[one], contents[other]))
}

fn altered(wrong: &[MemberNumber], witness: Witness) -> Judgement {
    Judgement::Altered { wrong: wrong.to_vec(), witness }
}

#[test]
fn the_third_witness_is_named_and_without_one_it_is_undecided() {
    for (known, contents, expected) in [
        (Known::Bytes, &[Some(0), Some(1)][..], altered(&[B], Witness::Journal)),
        (Known::Bytes, &[Some(1), Some(1)], altered(&[A, B], Witness::Journal)),
        (Known::Bytes, &[Some(1)], altered(&[A], Witness::Journal)),
        (Known::Bytes, &[Some(0), Some(0)], Judgement::InStep),
        (Known::Bytes, &[Some(0), None], Judgement::Unknown),
        (Known::Bytes, &[], Judgement::Unknown),
        (Known::Digest, &[Some(1), Some(0)], altered(&[A], Witness::Digest)),
        (Known::Digest, &[Some(1), Some(2)], altered(&[A, B], Witness::Undecided)),
        (Known::Digest, &[Some(0), Some(0)], Judgement::InStep),
        (Known::Digest, &[Some(1)], Judgement::Unknown),
        (Known::Digest, &[Some(0)], Judgement::InStep),
        // Kept by both in another encoding that cannot be written back: neither is more likely to be wrong.
        (Known::Digest, &[Some(1), Some(1)], Judgement::InStep),
        (Known::Nothing, &[Some(1), Some(2)], altered(&[A, B], Witness::Undecided)),
        (Known::Nothing, &[Some(1), Some(2), Some(1)], altered(&[B], Witness::Members)),
        (Known::Nothing, &[Some(1), Some(2), Some(3)], altered(&[A, B, C], Witness::Undecided)),
        (Known::Nothing, &[Some(1), None], Judgement::Unknown),
        (Known::Nothing, &[Some(1)], Judgement::Unknown),
    ] {
        assert_eq!(judged(known, contents), expected, "{known:?} {contents:?}");
    }
}

fn said(values: &[(Tag, &str)]) -> Said {
    let attributes: Vec<_> = values.iter().map(|(tag, value)| (*tag, (*value).to_owned())).collect();
    let tags: Vec<Tag> = attributes.iter().map(|(tag, _)| *tag).collect();
    Said::of(&Answer { attributes }, tags.into_iter())
}

#[test]
fn answers_that_mean_the_same_do_not_differ_and_what_is_not_said_contradicts_nobody() {
    let (name, time, id) = (Tag::PATIENT_NAME, Tag::STUDY_TIME, Tag::PATIENT_ID);
    let full = said(&[(name, "DOE^JOHN"), (time, "120000"), (id, "1")]);
    for like in
        [said(&[(name, "DOE^JOHN"), (time, "120000"), (id, "1")]), said(&[(name, ""), (id, "1 ")]), said(&[])]
    {
        assert_eq!(disagreements(&[(A, full.clone()), (B, like)], None), []);
    }
    let other = said(&[(name, "DOE^JANE"), (id, "1")]);
    let found = |accepted: Option<&Said>| {
        let all = disagreements(&[(A, full.clone()), (B, other.clone())], accepted);
        assert_eq!(all.len(), 1);
        (all[0].tag, all[0].wrong.clone(), all[0].witness)
    };
    assert_eq!(found(Some(&full)), (name, vec![B], Witness::Books));
    assert_eq!(found(Some(&other)), (name, vec![A], Witness::Books));
    assert_eq!(found(None), (name, vec![A, B], Witness::Undecided));
    assert_eq!(found(Some(&said(&[(name, "ROE")]))), (name, vec![A, B], Witness::Undecided));
    let three = disagreements(&[(A, full.clone()), (B, other), (C, full)], None);
    assert_eq!((three[0].wrong.clone(), three[0].witness), (vec![B], Witness::Members));
}

#[test]
fn a_budget_of_nothing_and_bytes_without_end_are_taken_as_they_are() {
    let now = Instant::now();
    let mut purse = Purse::new(Budget { between: Duration::ZERO, bytes_per_second: 0 }, now);
    purse.read(3, now);
    assert_eq!(purse.free_at(), now + Duration::from_secs(3), "at least one a second");
    purse.read(u64::MAX, now);
    purse.read(u64::MAX, now);
    assert!(purse.free_at() >= now + Duration::from_secs(3));
    // What is counted may begin anew.
    let mut quiet = Quiet::new(Duration::from_secs(1), 7, now);
    let later = now + Duration::from_secs(1);
    assert_eq!((quiet.look(7, later), quiet.look(2, later)), (None, Some(later + Duration::from_secs(1))));
}

proptest! {
    #[test]
    fn every_instance_comes_round_and_no_round_is_without_one(
        seed: u64, first in 1_u64..1_000_000, percent in 1_u8..=100, count in 1_usize..300,
    ) {
        let (uids, rounds) = (uids(count), Share { percent }.rounds());
        let mut seen = BTreeSet::new();
        for round in first..first + rounds {
            let of_round = picked(seed, round, percent, &uids);
            prop_assert!(!of_round.is_empty());
            prop_assert_eq!(&of_round, &picked(seed, round, percent, &uids), "the same after a restart");
            seen.extend(of_round);
        }
        prop_assert_eq!(seen.len(), count);
    }

    #[test]
    fn a_round_reads_about_its_share(seed: u64, round in 1_u64..1_000, percent in 5_u8..=100) {
        let read = picked(seed, round, percent, &uids(2_000)).len() as u64;
        let share = 2_000 / Share { percent }.rounds();
        prop_assert!(read < share * 2 && read * 2 > share, "{read} of {share}");
    }

    #[test]
    fn no_more_is_asked_and_read_than_the_budget_has(
        between_ms in 1_u64..500, rate in 1_u64..10_000_000,
        steps in proptest::collection::vec((0_u64..400, 0_u64..20_000_000), 1..60),
    ) {
        let start = Instant::now();
        let budget = Budget { between: Duration::from_millis(between_ms), bytes_per_second: rate };
        let mut purse = Purse::new(budget, start);
        let (mut now, mut asked, mut bytes) = (start, 0_u32, 0_u64);
        for (pause_ms, read) in steps {
            now = (now + Duration::from_millis(pause_ms)).max(purse.free_at());
            let elapsed = now - start;
            // Everything before this question is paid for by now.
            prop_assert!(budget.between * asked <= elapsed);
            prop_assert!(u128::from(bytes) * 1_000_000 <= u128::from(rate) * (elapsed.as_micros() + 100));
            purse.ask(now);
            purse.read(read, now);
            asked += 1;
            bytes += read;
        }
    }

    #[test]
    fn nothing_is_asked_while_others_are_served(
        idle_ms in 1_u64..5_000, looks in proptest::collection::vec((0_u64..3_000, any::<bool>()), 1..60),
    ) {
        let (start, idle) = (Instant::now(), Duration::from_millis(idle_ms));
        let mut quiet = Quiet::new(idle, 0, start);
        let (mut now, mut done, mut last) = (start, 0, start);
        for (pause_ms, is_served) in looks {
            now += Duration::from_millis(pause_ms);
            if is_served {
                done += 1;
                last = now;
            }
            match quiet.look(done, now) {
                None => prop_assert!(now - last >= idle),
                Some(later) => prop_assert!(later == last + idle && later > now),
            }
        }
    }

    #[test]
    fn a_copy_that_was_accepted_is_never_called_altered(contents in proptest::collection::vec(proptest::option::of(0_u8..3), 0..5)) {
        for known in [Known::Bytes, Known::Digest] {
            if let Judgement::Altered { wrong, witness } = judged(known, &contents) {
                let right: Vec<_> = (0..).map(MemberNumber).zip(&contents)
                    .filter(|(_, content)| **content == Some(0)).map(|(member, _)| member).collect();
                prop_assert!(wrong.iter().all(|member| !right.contains(member)), "{wrong:?} by {witness:?}");
            }
        }
    }

    #[test]
    fn who_is_named_differs_from_somebody(contents in proptest::collection::vec(proptest::option::of(0_u8..3), 0..5)) {
        for known in [Known::Bytes, Known::Digest, Known::Nothing] {
            if let Judgement::Altered { wrong, .. } = judged(known, &contents) {
                prop_assert!(!wrong.is_empty());
                for member in wrong {
                    let own = contents[usize::from(member.0)];
                    prop_assert!(own.is_some(), "what cannot be compared is not called altered");
                }
            }
        }
    }
}
