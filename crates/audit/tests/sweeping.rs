//! The going through an archive, against archives in memory that answer as badly as real ones do.

mod steadiness;
mod values;

use std::cell::Cell;
use std::collections::BTreeSet;

use outrigger_audit::inventory::day::Day;
use outrigger_audit::inventory::slice::{Dates, End, Key, Slice, Start};
use outrigger_audit::inventory::sweep::{Ended, Learnt, Limit, Shown, Sweep, Wildcards};
use outrigger_runtime::Random;
use proptest::prelude::{ProptestConfig, prop_oneof, proptest};
use proptest::strategy::{Just, Strategy};

/// Queries after which an archive is given up: far more than any of these needs.
const ASKED_MAX: u64 = 200_000;

/// Behind the last of the studies made here.
const TODAY: Day = Day(19_660);

#[derive(Debug, Clone, Default)]
struct Study {
    uid: String,
    date: Option<Day>,
    second: Option<u32>,
    patient_id: String,
    patient_name: String,
    accession: String,
}

impl Study {
    fn shown(&self) -> Shown {
        Shown {
            uid: self.uid.clone(),
            date: self.date,
            patient_id: self.patient_id.clone(),
            patient_name: self.patient_name.clone(),
            accession: self.accession.clone(),
        }
    }

    fn value(&self, key: Key) -> &str {
        match key {
            Key::StudyUid => &self.uid,
            Key::PatientId => &self.patient_id,
            Key::PatientName => &self.patient_name,
            Key::AccessionNumber => &self.accession,
        }
    }
}

/// Whether a value begins as a text says, to an archive that leaves out what is beyond ASCII and takes `%` and `_` as SQL does.
fn is_like(value: &str, text: &str, end: End) -> bool {
    let plain = |text: &str| text.chars().filter(char::is_ascii).collect::<Vec<_>>();
    let value = plain(value);
    // How much of the value is taken.
    let mut taken = BTreeSet::from([0]);
    for char in plain(text) {
        taken = if char == '%' {
            (*taken.first().unwrap()..=value.len()).collect()
        } else {
            let fits = |at: &usize| value.get(*at).is_some_and(|other| char == '_' || char == *other);
            taken.into_iter().filter(fits).map(|at| at + 1).collect()
        };
        if taken.is_empty() {
            return false;
        }
    }
    end == End::Open || taken.contains(&value.len())
}

/// How an archive answers.
#[derive(Debug, Clone, Copy)]
struct Manner {
    /// Most answers it gives.
    cap: usize,
    /// What it says when there are more.
    beyond: Beyond,
    /// Whether studies without a value match every range of it.
    unknown: Unknown,
    /// Whether it takes wildcards in UIDs.
    wildcards: UidWildcards,
    /// In which order it answers.
    order: Order,
    /// What it makes of characters that are not plain in a question.
    accents: Accents,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Beyond {
    Silent,
    Says,
    Refuses,
    /// As if there were nothing.
    SaysNothing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Unknown {
    MatchesNothing,
    MatchesAll,
    /// As if they were before every date.
    IsEarliest,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum UidWildcards {
    Taken,
    FindNothing,
    Ignored,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    AsStored,
    NewestFirst,
    ByUid,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Accents {
    Kept,
    /// It looks for what is like them, up to its limit, and then leaves out what does not match.
    LookedOver,
}

struct Archive {
    studies: Vec<Study>,
    manner: Manner,
    limit: Changing,
    /// Questions that it answered.
    asked: Cell<usize>,
}

/// Whether its limit stays the same.
#[derive(Debug, Clone, Copy)]
enum Changing {
    Not,
    /// From this question on it is this one.
    Falls(usize, usize),
    /// It lies anywhere between this and the first.
    From(usize),
}

enum Answered {
    Some(Vec<Shown>, Ended),
    Refused,
}

impl Archive {
    fn new(mut studies: Vec<Study>, manner: Manner) -> Self {
        match manner.order {
            Order::AsStored => {}
            Order::NewestFirst => studies.sort_by_key(|study| std::cmp::Reverse((study.date, study.second))),
            Order::ByUid => studies.sort_by(|one, other| one.uid.cmp(&other.uid)),
        }
        Self { studies, manner, limit: Changing::Not, asked: Cell::new(0) }
    }

    fn cap(&self) -> usize {
        let asked = self.asked.replace(self.asked.get() + 1);
        match self.limit {
            Changing::Falls(at, to) if asked >= at => to,
            Changing::Not | Changing::Falls(..) => self.manner.cap,
            Changing::From(least) => {
                let range = u64::try_from(self.manner.cap - least + 1).unwrap();
                let random = Random::seeded(u64::try_from(asked).unwrap()).u64().unwrap();
                least + usize::try_from(random % range).unwrap()
            }
        }
    }

    fn matches(&self, study: &Study, slice: &Slice) -> bool {
        let unknown = self.manner.unknown == Unknown::MatchesAll;
        let is_first = self.manner.unknown == Unknown::IsEarliest;
        let by_date = match (slice.dates, study.date) {
            (Dates::Any, _) => true,
            (Dates::Before(_), None) if is_first => true,
            (_, None) => unknown,
            (_, date) => slice.includes_date(date),
        };
        let by_time = match (slice.seconds, study.second) {
            (None, _) => true,
            (Some(_), None) => unknown,
            (Some((from, to)), Some(second)) => from <= second && second <= to,
        };
        by_date && by_time && slice.held.iter().chain(&slice.start).all(|start| self.by_start(study, start))
    }

    fn by_start(&self, study: &Study, start: &Start) -> bool {
        let value = study.value(start.key);
        let begins = match start.end {
            End::Open => value.starts_with(&start.text),
            End::Closed => value == start.text,
        };
        match (start.key, start.end, self.manner.wildcards) {
            (Key::StudyUid, End::Open, UidWildcards::FindNothing) => false,
            (Key::StudyUid, End::Open, UidWildcards::Ignored) => true,
            _ => begins,
        }
    }

    fn answer(&self, slice: &Slice) -> Answered {
        let is_like = |study: &Study, start: &Start| is_like(study.value(start.key), &start.text, start.end);
        let values = || slice.held.iter().chain(&slice.start);
        let by_time = Slice { start: None, held: None, ..slice.clone() };
        let is_looked_at = |study: &&Study| match self.manner.accents {
            Accents::Kept => self.matches(study, slice),
            Accents::LookedOver => {
                self.matches(study, &by_time) && values().all(|start| is_like(study, start))
            }
        };
        let mut found: Vec<&Study> = self.studies.iter().filter(is_looked_at).collect();
        let cap = self.cap();
        let is_beyond = found.len() > cap;
        found.truncate(cap);
        found.retain(|study| self.matches(study, slice));
        let found: Vec<Shown> = found.into_iter().map(Study::shown).collect();
        match self.manner.beyond {
            Beyond::Refuses if is_beyond => Answered::Refused,
            Beyond::Says if is_beyond => Answered::Some(found, Ended::Short),
            Beyond::SaysNothing if is_beyond => Answered::Some(Vec::new(), Ended::AsAll),
            Beyond::Refuses | Beyond::Says | Beyond::Silent | Beyond::SaysNothing => {
                Answered::Some(found, Ended::AsAll)
            }
        }
    }

    /// Goes through it, with a restart after every `restart` queries, and gives what was found.
    fn sweep(&self, learnt: Learnt, restart: u64) -> (BTreeSet<String>, Sweep) {
        let mut sweep = Sweep::new(learnt, TODAY);
        let mut found = BTreeSet::new();
        while let Some(slice) = sweep.next() {
            assert!(sweep.asked < ASKED_MAX, "it does not end");
            let slice = slice.clone();
            match self.answer(&slice) {
                Answered::Some(shown, Ended::AsAll)
                    if shown.is_empty() && sweep.doubts_next() && self.knows(&found, &slice) =>
                {
                    sweep.hidden();
                }
                Answered::Some(shown, ended) => {
                    found.extend(shown.iter().map(|study| study.uid.clone()));
                    sweep.answered(&shown, ended);
                }
                Answered::Refused => sweep.refused(),
            }
            if sweep.asked.is_multiple_of(restart) {
                sweep = serde_json::from_str(&serde_json::to_string(&sweep).unwrap()).unwrap();
            }
        }
        (found, sweep)
    }

    /// Whether something that was found is of a part.
    fn knows(&self, found: &BTreeSet<String>, slice: &Slice) -> bool {
        self.studies.iter().any(|study| self.matches(study, slice) && found.contains(&study.uid))
    }

    fn missing(&self, found: &BTreeSet<String>) -> Vec<&Study> {
        self.studies.iter().filter(|study| !found.contains(&study.uid)).collect()
    }
}

const MANNER: Manner = Manner {
    cap: 100,
    beyond: Beyond::Silent,
    unknown: Unknown::MatchesNothing,
    wildcards: UidWildcards::FindNothing,
    order: Order::AsStored,
    accents: Accents::Kept,
};

/// Studies of ten years; one in `undated` has neither date nor time.
fn studies(count: u64, undated: u64, seed: u64) -> Vec<Study> {
    let random = Random::seeded(seed);
    let below = |end: u64| random.u64().unwrap() % end;
    let made = |number: u64| {
        let is_dated = undated == 0 || below(undated) != 0;
        let patient = below(count.max(1));
        // Every tenth at one time of the day, as converted archives have them.
        let second = if below(10) == 0 { 0 } else { 25_000 + below(40_000) };
        Study {
            uid: format!("1.2.276.0.7230010.3.{}.{}.{number}", below(3), below(900) * 7_919),
            date: is_dated.then(|| Day(16_000 + i32::try_from(below(3_650)).unwrap())),
            second: is_dated.then(|| u32::try_from(second).unwrap()),
            patient_id: format!("P{patient:06}"),
            patient_name: format!("{}OE^J{patient}", ["D", "R", "P"][usize::try_from(patient % 3).unwrap()]),
            ..Study::default()
        }
    };
    (0..count).map(made).collect()
}

#[test]
fn twenty_thousand_studies_are_found_whatever_the_limit_and_however_it_is_hidden() {
    for (cap, count, most) in [(10, 2_000, 9_000), (100, 20_000, 6_000), (500, 20_000, 2_500)] {
        for wildcards in [UidWildcards::Taken, UidWildcards::FindNothing, UidWildcards::Ignored] {
            let archive = Archive::new(studies(count, 50, 1), Manner { cap, wildcards, ..MANNER });
            let (found, sweep) = archive.sweep(Learnt::default(), 37);
            let missing = archive.missing(&found);
            assert!(missing.is_empty(), "cap {cap}: {} are missing: {:?}", missing.len(), missing.first());
            assert_eq!((sweep.unlisted, sweep.learnt.limit), (0, Limit::Proven));
            assert_eq!(sweep.learnt.most, u32::try_from(cap).unwrap());
            let known = sweep.learnt.wildcards == Wildcards::Taken;
            assert_eq!(known, wildcards == UidWildcards::Taken);
            assert!(sweep.asked < most, "{} queries with cap {cap}, {wildcards:?}", sweep.asked);
        }
    }
}

#[test]
fn a_range_query_alone_would_miss_studies_without_a_date() {
    // The control of the test above: what ranges over all days find.
    let archive = Archive::new(studies(2_000, 20, 2), Manner { cap: 10_000, ..MANNER });
    let Answered::Some(by_date, _) = archive.answer(&Slice::dated(Dates::Between(Day::FIRST, Day::LAST)))
    else {
        panic!("it answers")
    };
    assert!(by_date.len() < 2_000);
    let (found, _) = archive.sweep(Learnt::default(), 5);
    assert_eq!(found.len(), 2_000);
}

#[test]
fn an_archive_without_a_limit_is_asked_little() {
    // One in ten without a date: nothing but the starts of values shows that no more of these were cut off.
    for (undated, asked) in [(0, 60), (10, 600)] {
        for count in [1, 9, 10, 300, 1_900] {
            let archive = Archive::new(studies(count, undated, 3), Manner { cap: 2_000, ..MANNER });
            let (found, sweep) = archive.sweep(Learnt::default(), 1);
            assert_eq!(found.len() as u64, count);
            assert_eq!(sweep.learnt.limit, Limit::Unknown);
            assert!(sweep.asked < asked, "{count} studies, {undated}: {} queries", sweep.asked);
            if count < 10 {
                assert_eq!(sweep.asked, 1);
            }
        }
    }
}

#[test]
fn an_archive_that_seems_empty_is_asked_for_single_days_and_then_taken_for_empty() {
    let (found, sweep) = Archive::new(Vec::new(), MANNER).sweep(Learnt::default(), 1);
    assert!(found.is_empty());
    assert_eq!((sweep.unlisted, sweep.learnt.limit), (0, Limit::Unknown));
    assert!((100..300).contains(&sweep.asked), "{} queries", sweep.asked);
}

/// Goal: an archive that answers a question for too much as if there were nothing is gone through all the same. The control:
/// all that it answers to the question for everything.
#[test]
fn an_archive_that_says_nothing_beyond_its_limit_is_gone_through_by_days() {
    for (count, cap, undated) in [(3_000, 40, 0), (3_000, 12, 0), (3_000, 40, 40)] {
        let manner = Manner { cap, beyond: Beyond::SaysNothing, ..MANNER };
        let archive = Archive::new(studies(count, undated, 7), manner);
        let everything = archive.answer(&Slice::all());
        assert!(matches!(everything, Answered::Some(shown, Ended::AsAll) if shown.is_empty()));
        let (found, sweep) = archive.sweep(Learnt::default(), 97);
        let missing = archive.missing(&found);
        assert!(missing.is_empty(), "{} are missing: {:?}", missing.len(), missing.first());
        assert_eq!(sweep.unlisted, 1, "that there may be more without a date is said");
        assert!(sweep.asked < 40_000, "{} queries", sweep.asked);
    }
}

/// Days that have more than the archive gives, which are answered as empty ones are: among others, beside weekends, all at one time, and at the
/// edges. The control: that the question for each of them gives nothing.
#[test]
fn days_beyond_the_limit_are_found_where_others_near_them_have_something() {
    let mut all = studies(4_000, 0, 11);
    all.retain(|study| study.date.is_some_and(|day| !matches!(day.0.rem_euclid(7), 2 | 3)));
    let busy: Vec<Day> = [16_005, 16_900, 17_501, 18_000, 18_001, 19_649].map(Day).to_vec();
    for (at, day) in (0u32..).zip(&busy) {
        for number in 0..70 + 40 * at {
            let second = if at == 2 { 0 } else { 28_800 + number * 97 % 36_000 };
            all.push(Study {
                uid: format!("1.3.{}.{number}", day.0),
                date: Some(*day),
                second: Some(second),
                patient_id: format!("Q{at}{number:04}"),
                patient_name: format!("ROE^Q{number}"),
                ..Study::default()
            });
        }
    }
    let archive = Archive::new(all, Manner { cap: 40, beyond: Beyond::SaysNothing, ..MANNER });
    for day in &busy {
        let answered = archive.answer(&Slice::dated(Dates::Between(*day, *day)));
        assert!(matches!(answered, Answered::Some(shown, Ended::AsAll) if shown.is_empty()), "{day}");
    }
    let (found, sweep) = archive.sweep(Learnt::default(), 97);
    let missing = archive.missing(&found);
    assert!(missing.is_empty(), "{} are missing: {:?}", missing.len(), missing.first());
    assert!(sweep.asked < 40_000, "{} queries", sweep.asked);
}

/// The same of one that nobody uses any more: what it has is years old.
#[test]
fn an_old_archive_that_says_nothing_beyond_its_limit_is_not_taken_for_empty() {
    let manner = Manner { cap: 40, beyond: Beyond::SaysNothing, ..MANNER };
    let mut all = studies(5_000, 0, 9);
    for study in &mut all {
        study.date = study.date.map(|day| Day(day.0 - 5_000));
    }
    let archive = Archive::new(all, manner);
    let (found, _) = archive.sweep(Learnt::default(), 97);
    assert_eq!(archive.missing(&found).len(), 0);
}

#[test]
fn studies_without_a_date_that_are_cut_off_by_themselves_are_found() {
    for order in [Order::NewestFirst, Order::AsStored] {
        let mut all = studies(25, 0, 8);
        for study in &mut all[10..] {
            (study.date, study.second) = (None, None);
        }
        let archive = Archive::new(all, Manner { cap: 20, order, ..MANNER });
        let (found, _) = archive.sweep(Learnt::default(), 7);
        assert_eq!(archive.missing(&found).len(), 0, "{order:?}");
    }
}

#[test]
fn studies_without_a_date_that_match_every_range_do_not_stop_it() {
    for (undated, unknown) in [
        (3, Unknown::MatchesAll),
        (10, Unknown::MatchesAll),
        (200, Unknown::MatchesAll),
        (3, Unknown::IsEarliest),
        (10, Unknown::IsEarliest),
    ] {
        let manner = Manner { unknown, wildcards: UidWildcards::Taken, ..MANNER };
        let archive = Archive::new(studies(3_000, undated, 4), manner);
        let (found, sweep) = archive.sweep(Learnt::default(), 11);
        assert_eq!(archive.missing(&found).len(), 0, "one in {undated}");
        assert!(sweep.asked < 4_000, "{} queries", sweep.asked);
    }
}

#[test]
fn more_studies_of_one_second_and_patient_than_are_given_are_said_to_be_unlisted() {
    let mut all = studies(150, 0, 5);
    for study in &mut all[..50] {
        (study.date, study.second) = (Some(Day(17_000)), Some(0));
        (study.patient_id, study.patient_name) = ("PHANTOM".to_owned(), "PHANTOM".to_owned());
    }
    let archive = Archive::new(all, Manner { cap: 20, ..MANNER });
    let (found, sweep) = archive.sweep(Learnt::default(), 7);
    assert!(found.len() < 150 && sweep.unlisted > 0, "{} found, {} unlisted", found.len(), sweep.unlisted);
}

#[test]
fn what_was_learnt_does_not_hide_a_limit_set_lower_since() {
    let all = studies(1_000, 0, 6);
    let (_, first) = Archive::new(all.clone(), Manner { cap: 500, ..MANNER }).sweep(Learnt::default(), 9);
    let archive = Archive::new(all, Manner { cap: 100, ..MANNER });
    let (found, _) = archive.sweep(first.learnt, 9);
    assert_eq!(archive.missing(&found).len(), 0);
}

fn manners() -> impl Strategy<Value = Manner> {
    let caps = prop_oneof![Just(10usize), Just(37), Just(100), Just(500)];
    let beyond = prop_oneof![Just(Beyond::Silent), Just(Beyond::Says), Just(Beyond::Refuses)];
    let unknown =
        prop_oneof![Just(Unknown::MatchesNothing), Just(Unknown::MatchesAll), Just(Unknown::IsEarliest)];
    let wildcards =
        prop_oneof![Just(UidWildcards::Taken), Just(UidWildcards::FindNothing), Just(UidWildcards::Ignored)];
    let order = prop_oneof![Just(Order::AsStored), Just(Order::NewestFirst), Just(Order::ByUid)];
    (caps, beyond, unknown, wildcards, order).prop_map(|(cap, beyond, unknown, wildcards, order)| Manner {
        cap,
        beyond,
        unknown,
        wildcards,
        order,
        accents: Accents::Kept,
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn every_study_is_found(
        manner in manners(),
        count in 0u64..1_500,
        undated in prop_oneof![Just(0u64), Just(2), Just(5), Just(40)],
        restart in 1u64..50,
        seed in 0u64..1_000,
    ) {
        let archive = Archive::new(studies(count, undated, seed), manner);
        let (found, sweep) = archive.sweep(Learnt::default(), restart);
        let missing = archive.missing(&found);
        assert!(missing.is_empty(), "{} are missing: {:?}", missing.len(), missing.first());
        let bound = 1_500 + 60 * count / u64::try_from(manner.cap).unwrap();
        assert!(sweep.asked < bound.max(1_500), "{} queries, {bound} are enough", sweep.asked);
    }
}
