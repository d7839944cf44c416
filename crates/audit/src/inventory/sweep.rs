//! Going through all studies of an archive that may give only so many answers to a query, and may not say so: pure decisions,
//! which outlive a restart as JSON.
//!
//! First everything is asked for. Where that may have been cut short, the archive is cut by Study Date into halves until each
//! part is surely whole, the newest first. Studies without a date are in no range, or in all of them, as archives differ; so at
//! last the archive is cut once more by the starts of values that studies without a date have too (`starts`).
//!
//! Some archives answer a question for too much as if there were nothing. One that has nothing at all is therefore asked for single
//! days; if it has something in one of them, nothing is believed of no more than a day, and of that only where nothing speaks against it.

mod doubt;
mod starts;
mod steadiness;

use serde::{Deserialize, Serialize};

use self::doubt::{Days, Part};
use self::starts::Starts;
pub use self::steadiness::Steadiness;
use self::steadiness::{Contradiction, dated};
use super::day::Day;
use super::slice::{Dates, End, Key, Slice};

/// Answers to one query that are taken for all there are, whatever came before: no archive limits its answers to fewer.
pub const SURELY_WHOLE: u32 = 10;

/// Parts that wait to be asked for: more than any archive needs that answers as it should, and a bound for one that does not.
pub const PARTS_WAITING_MAX: usize = 50_000;

/// Queries of one going through: at the usual rate more than a day of them; what is left then is not listed.
pub const ASKED_MAX: u64 = 500_000;

/// Last days of which an archive that seems empty is asked for each: one that is in use has something in two weeks.
const RECENT_DAYS: i32 = 14;
/// From one earlier day that such an archive is asked for to the next: Wednesdays, a quarter of a year apart, for one that is not in
/// use any more.
const SAMPLED_DAYS: i32 = 91;
/// The earliest day of which nothing may not be nothing, 1980-01-01: archives have little that is older.
const DOUBTED_FROM: Day = Day(3_652);

/// What no patient ID or name begins with: an archive that has more of these than it gives does not go by how they begin.
const CONTROL: &str = "~";

/// Where the going through an archive is; as JSON it is what is kept between two starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sweep {
    /// What was learnt of the archive.
    pub learnt: Learnt,
    phase: Phase,
    /// The next one last.
    todo: Vec<Pending>,
    /// When it began.
    #[serde(default)]
    today: Day,
    #[serde(default)]
    nothing: Nothing,
    #[serde(default)]
    days: Days,
    #[serde(default)]
    starts: Starts,
    #[serde(default)]
    contradiction: Contradiction,
    /// Answers to the question for everything, if it was answered.
    everything: Option<Everything>,
    /// Answers with a date in parts by date that were whole.
    dated: u64,
    /// Parts that could not be listed to the end.
    pub unlisted: u64,
    /// Queries asked.
    pub asked: u64,
    /// Of them those that were answered.
    pub answered: u64,
}

/// What is known of how an archive answers; kept from one time to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Learnt {
    /// Most answers it gave to a query in the last or present going through: what it gave before may have been under another limit.
    pub most: u32,
    /// Whether it is known to give no more.
    pub limit: Limit,
    /// Whether it takes wildcards in UIDs.
    pub wildcards: Wildcards,
    /// Whether fewer answers than it gave before are believed to be all.
    #[serde(default)]
    pub steadiness: Steadiness,
    /// Characters of the patient IDs seen, in the order in which they came up.
    in_ids: Vec<char>,
    /// Characters of the patients' names seen.
    in_names: Vec<char>,
    /// Characters of the accession numbers seen.
    #[serde(default)]
    in_accessions: Vec<char>,
    /// Whether a study was seen that cannot be asked for by patient ID, nor by name.
    #[serde(default)]
    is_odd: bool,
    /// The same if no character can be asked for of which it is known that archives make something else.
    #[serde(default)]
    is_perhaps_odd: bool,
    /// Such characters of which this archive does.
    #[serde(default)]
    lost: Vec<(Key, char)>,
}

/// Whether an archive limits its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Limit {
    /// Nobody knows.
    #[default]
    Unknown,
    /// It does.
    Proven,
}

/// Whether wildcards in UIDs are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum Wildcards {
    /// Not tried yet.
    #[default]
    Untried,
    /// They work.
    Taken,
    /// They find nothing, or everything.
    NotTaken,
}

/// Whether no answers are taken for nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
enum Nothing {
    #[default]
    Believed,
    /// It said so of more than it had something in.
    Doubted,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    Everything,
    /// Single days of an archive that seems empty.
    Days,
    ByDate,
    Undated,
    /// Everything once more.
    Again,
    Ended,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
struct Everything {
    whole: Whole,
    answers: u64,
    dated: u64,
}

/// Whether answers are surely all there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Whole {
    Surely,
    Perhaps,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Pending {
    slice: Slice,
    half: Half,
    #[serde(default)]
    part: Part,
    /// Studies with a date that were shown of it before it was asked for.
    #[serde(default)]
    known: u64,
    /// Set for the question whether wildcards in UIDs are taken: the UID that has to be among the answers.
    probe: Option<String>,
}

/// What a part is to the one it was cut from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Half {
    Not,
    /// Asked first: the other is next in line, unless this one is cut itself.
    First,
    /// Asked second: so many answers with a date had the whole and the first.
    Second {
        whole: u64,
        first: u64,
    },
}

/// What an answer shows of a study, as far as it is cut by.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Shown {
    /// Study Instance UID.
    pub uid: String,
    /// Study Date.
    pub date: Option<Day>,
    /// Patient ID.
    pub patient_id: String,
    /// Patient's Name.
    pub patient_name: String,
    /// Accession Number.
    pub accession: String,
}

impl Shown {
    fn value(&self, key: Key) -> &str {
        match key {
            Key::StudyUid => &self.uid,
            Key::PatientId => &self.patient_id,
            Key::PatientName => &self.patient_name,
            Key::AccessionNumber => &self.accession,
        }
    }
}

/// How the archive ended its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// As if these were all.
    AsAll,
    /// Saying, or being told, that there are more.
    Short,
}

impl Pending {
    fn new(slice: Slice, half: Half) -> Self {
        Self { slice, half, part: Part::Usual, known: 0, probe: None }
    }
}

impl Learnt {
    /// Whether it may be believed that it does not stop at so many.
    fn gave_more(&self, answers: u32) -> bool {
        self.steadiness == Steadiness::Steady && answers < self.most
    }
}

impl Sweep {
    /// A new one, begun today, of an archive of which this is known.
    pub fn new(mut learnt: Learnt, today: Day) -> Self {
        learnt.most = 0;
        let everything = Pending::new(Slice::all(), Half::Not);
        Self {
            learnt,
            phase: Phase::Everything,
            todo: vec![everything],
            today,
            nothing: Nothing::Believed,
            days: Days::default(),
            starts: Starts::default(),
            contradiction: Contradiction::None,
            everything: None,
            dated: 0,
            unlisted: 0,
            asked: 0,
            answered: 0,
        }
    }

    /// The part to ask for next; `None` at the end.
    pub fn next(&self) -> Option<&Slice> {
        self.todo.last().map(|pending| &pending.slice)
    }

    /// Takes the answers to what was asked for, and decides what follows from them.
    pub fn answered(&mut self, shown: &[Shown], ended: Ended) {
        let Some(pending) = self.todo.pop() else { return };
        self.asked += 1;
        self.answered += 1;
        for study in shown {
            self.learnt.learn(study);
        }
        if let Some(uid) = &pending.probe {
            self.learn_wildcards(&pending.slice, uid, shown);
        } else if self.phase == Phase::Again {
            self.compare_everything(shown.len() as u64);
        } else {
            self.take(&pending, shown, ended);
        }
        if self.todo.is_empty() {
            self.next_phase(shown);
        }
    }

    /// Takes note that the next part cannot be asked for as a whole: smaller ones may be.
    pub fn refused(&mut self) {
        let Some(pending) = self.todo.pop() else { return };
        self.asked += 1;
        if pending.probe.is_some() {
            self.learnt.wildcards = Wildcards::NotTaken;
        } else if self.phase == Phase::Again {
            self.compare_everything(0);
        } else {
            self.learnt.limit = Limit::Proven;
            self.everything_was(&pending, Whole::Perhaps, 0, 0);
            if is_control(&pending.slice) {
                self.drop_like(&pending.slice);
            } else if !self.is_fruitless(&pending.slice) {
                self.cut(&pending.slice, &[]);
            }
        }
        if self.todo.is_empty() {
            self.next_phase(&[]);
        }
    }

    fn take(&mut self, pending: &Pending, shown: &[Shown], ended: Ended) {
        let answers = u32::try_from(shown.len()).unwrap_or(u32::MAX);
        let slice = &pending.slice;
        let dated = dated(slice, shown);
        let whole = self.whole(slice, answers, ended);
        if self.contradicts_known(pending, dated, whole) {
            return;
        }
        if self.phase == Phase::Days && answers > 0 {
            self.nothing = Nothing::Doubted;
            self.learnt.limit = Limit::Proven;
        }
        self.everything_was(pending, whole, shown.len() as u64, dated);
        self.compare_halves(pending, dated);
        self.look_closer(pending, dated);
        self.look_for_unreached(slice, shown, whole);
        let fit = fitting(slice, shown, dated);
        if whole == Whole::Surely {
            self.bears_fruit(slice, fit);
            if slice.dates != Dates::Any && slice.start.is_none() {
                self.dated += dated;
            }
            return;
        }
        self.learnt.most = self.learnt.most.max(answers);
        if ended == Ended::Short {
            self.learnt.limit = Limit::Proven;
        }
        if !self.is_ignored(slice, shown.len() as u64, fit) {
            self.cut(slice, shown);
        }
    }

    fn everything_was(&mut self, pending: &Pending, whole: Whole, answers: u64, dated: u64) {
        if self.phase == Phase::Everything {
            debug_assert_eq!(pending.slice, Slice::all(), "nothing else is asked for in this phase");
            self.everything = Some(Everything { whole, answers, dated });
        }
    }

    /// An archive that once gave more answers does not stop at fewer, if it is steady.
    fn whole(&self, slice: &Slice, answers: u32, ended: Ended) -> Whole {
        let is_doubted = answers == 0 && self.nothing == Nothing::Doubted && self.is_long(slice);
        let surely = ended == Ended::AsAll && (answers < SURELY_WHOLE || self.learnt.gave_more(answers));
        if surely && !is_doubted { Whole::Surely } else { Whole::Perhaps }
    }

    /// Whether it is more than a day of those in which there may be studies.
    fn is_long(&self, slice: &Slice) -> bool {
        let Dates::Between(from, to) = slice.dates else { return false };
        from < to && DOUBTED_FROM <= from && to <= self.today.after()
    }

    /// Two halves with more studies than the whole prove that the whole was cut short.
    fn compare_halves(&mut self, pending: &Pending, dated: u64) {
        match pending.half {
            Half::First => {
                if let Some(Pending { half: Half::Second { first, .. }, .. }) = self.todo.last_mut() {
                    *first = dated;
                }
            }
            Half::Second { whole, first } if first + dated > whole => self.learnt.limit = Limit::Proven,
            Half::Not | Half::Second { .. } => {}
        }
    }

    /// Whether the archive does not go by what the part is cut by, so that cutting on would never end.
    fn is_ignored(&mut self, slice: &Slice, total: u64, fit: u64) -> bool {
        if slice.start.as_ref().is_some_and(|start| start.key != Key::StudyUid) && !is_control(slice) {
            // That it goes by this was seen where there is nothing; of some values it does not.
            self.bears_fruit(slice, fit);
            return fit == 0 && (self.is_fruitless(slice) || (total > 0 && self.give_up(slice)));
        }
        if fit * 2 >= total {
            return false;
        }
        // Some archives have studies without a date come before any date, or after it, and in no other range.
        if slice.start.is_none() && matches!(slice.dates, Dates::Before(_) | Dates::After(_)) {
            return true;
        }
        self.drop_like(slice);
        true
    }

    /// Takes every part out of the line that is cut as this one is.
    fn drop_like(&mut self, slice: &Slice) {
        if let Some(start) = &slice.start {
            let like = |part: &Slice| part.start.as_ref().is_some_and(|other| other.key == start.key);
            self.todo.retain(|pending| !like(&pending.slice));
            self.starts.forget(start.key);
            self.unlisted += 1;
        } else {
            // Ranges are ignored, or studies without a date match them all and fill the answers by themselves.
            self.todo.retain(|pending| pending.slice.dates == Dates::Any || pending.slice.start.is_some());
            // What ranges gave says nothing of what there is then.
            self.learnt.limit = Limit::Proven;
        }
    }

    /// Puts the parts of a part in line.
    fn cut(&mut self, slice: &Slice, shown: &[Shown]) {
        if let Some((earlier, later)) = slice.halves() {
            let before = self.todo.len();
            self.put(earlier, Half::Second { whole: dated(slice, shown), first: 0 });
            self.put(later, Half::First);
            self.expect(before, shown);
            return;
        }
        if *slice == Slice::all() {
            return;
        }
        self.cut_by_start(slice);
    }

    fn put(&mut self, slice: Slice, half: Half) {
        if self.todo.len() >= PARTS_WAITING_MAX || self.asked >= ASKED_MAX {
            self.unlisted += 1;
            return;
        }
        self.todo.push(Pending::new(slice, half));
    }

    /// Wildcards in UIDs are taken where the study is found by the start of its own, and nothing else is.
    fn learn_wildcards(&mut self, slice: &Slice, uid: &str, shown: &[Shown]) {
        let fits = |study: &Shown| slice.start.as_ref().is_some_and(|start| start.fits(&study.uid));
        let found = shown.iter().any(|study| study.uid == uid) && shown.iter().all(fits);
        self.learnt.wildcards = if found { Wildcards::Taken } else { Wildcards::NotTaken };
    }

    fn next_phase(&mut self, shown: &[Shown]) {
        self.cut_again();
        if !self.todo.is_empty() {
            return;
        }
        match self.phase {
            Phase::Everything if self.everything.is_some_and(|found| found.whole == Whole::Surely) => {
                if self.everything.is_some_and(|found| found.answers == 0) {
                    self.phase = Phase::Days;
                    self.put_days();
                } else {
                    self.end_or_ask_again();
                }
            }
            Phase::Days if self.nothing == Nothing::Believed => self.end_or_ask_again(),
            Phase::Everything | Phase::Days => {
                self.phase = Phase::ByDate;
                self.put_all_days();
                self.expect(0, shown);
                self.put(Slice::dated(Dates::After(Day::LAST)), Half::Not);
                self.put(Slice::dated(Dates::Before(Day::FIRST)), Half::Not);
                if let Some(study) = shown.first().filter(|_| self.learnt.wildcards == Wildcards::Untried) {
                    self.probe(&study.uid);
                }
            }
            Phase::ByDate if self.everything_was_whole() => self.end_or_ask_again(),
            Phase::ByDate => {
                self.phase = Phase::Undated;
                // What follows is asked of all of it.
                self.starts.begin();
                // Of those without a date nothing can mean too many, if none with a date is known to be among them.
                self.unlisted += u64::from(self.nothing == Nothing::Doubted);
                self.cut_by_start(&Slice::all());
            }
            Phase::Undated => {
                self.unlisted += u64::from(self.may_lack_unreached());
                self.end_or_ask_again();
            }
            Phase::Again => self.end_or_ask_again(),
            Phase::Ended => {}
        }
    }

    /// Puts the single days of an archive that seems empty in line, the last ones first.
    fn put_days(&mut self) {
        // 1970-01-01 was a Thursday.
        let wednesday = self.today.0 - (self.today.0 + 1).rem_euclid(7);
        let earlier = (1..).map(|count| wednesday - count * SAMPLED_DAYS);
        let mut days: Vec<i32> = earlier.take_while(|day| *day >= DOUBTED_FROM.0).collect();
        days.reverse();
        days.extend(self.today.0 - RECENT_DAYS + 1..=self.today.0);
        for day in days.into_iter().map(Day) {
            self.put(Slice::dated(Dates::Between(day, day)), Half::Not);
        }
    }

    fn put_all_days(&mut self) {
        let tomorrow = self.today.after();
        if self.nothing == Nothing::Believed || tomorrow >= Day::LAST || tomorrow <= DOUBTED_FROM {
            self.put(Slice::dated(Dates::Between(Day::FIRST, Day::LAST)), Half::Not);
            return;
        }
        self.put(Slice::dated(Dates::Between(Day::FIRST, DOUBTED_FROM.before())), Half::Not);
        self.put(Slice::dated(Dates::Between(tomorrow.after(), Day::LAST)), Half::Not);
        self.put(Slice::dated(Dates::Between(DOUBTED_FROM, tomorrow)), Half::Not);
    }

    /// All of it had dates, and ranges found no study that was not in it: it was not cut short. Where some had none, more of these
    /// may have been cut off.
    fn everything_was_whole(&self) -> bool {
        let were_all = |found: Everything| found.dated == found.answers && self.dated <= found.dated;
        self.learnt.limit == Limit::Unknown && self.everything.is_some_and(were_all)
    }

    fn probe(&mut self, uid: &str) {
        let mut text = uid.to_owned();
        if text.pop().is_none() || text.is_empty() {
            self.learnt.wildcards = Wildcards::NotTaken;
            return;
        }
        let start = super::slice::Start { key: Key::StudyUid, text, end: End::Open };
        let slice = Slice { start: Some(start), ..Slice::all() };
        let probe = Some(uid.to_owned());
        self.todo.push(Pending { probe, ..Pending::new(slice, Half::Not) });
    }
}

/// How many of the studies shown of a part belong there.
fn fitting(slice: &Slice, shown: &[Shown], dated: u64) -> u64 {
    match &slice.start {
        Some(start) => shown.iter().filter(|study| start.fits(study.value(start.key))).count() as u64,
        None if slice.dates == Dates::Any => shown.len() as u64,
        None => dated,
    }
}

/// Whether a part is one in which there is nothing, or hardly anything, where the archive goes by what it is asked for.
fn is_control(slice: &Slice) -> bool {
    match &slice.start {
        Some(start) => start.text == CONTROL,
        None => matches!(slice.dates, Dates::Before(_) | Dates::After(_)),
    }
}
