//! What a member shows of one study: its series, and the instances of each, level by level, as relational queries are not
//! for everybody (PS3.4 section C.4.1.2.2).

use std::collections::{BTreeMap, BTreeSet};

use outrigger_catalogue::{SeenInstance, SeenSeries, SeenStudy, SetDigest, kept_at};
use outrigger_model::{
    Answer, Level, Query, QueryKey, QueryRoot, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag,
};

use super::asking::{AskError, Asking};
use super::class::Named;
use super::sweep::{Ended, Learnt, SURELY_WHOLE, Steadiness};

/// Series of a study, or instances of a series, that are asked for by number one by one at most: as many as a series of a
/// retrieval may have.
const NUMBERS_MAX: u64 = 65_535;

/// Numbers in a row under which there is nothing, after which there is nothing more.
const GAP_MAX: u64 = 20;

/// A study as it was listed.
#[derive(Debug, Clone)]
pub(crate) struct Listed {
    pub(crate) seen: SeenStudy,
    /// The instances.
    pub(crate) instances: SetDigest,
    /// Series and instances that the member says it has, or may have, and did not show.
    pub(crate) unlisted: u64,
}

/// A study in an answer at STUDY level.
#[derive(Debug, Clone)]
pub(crate) struct StudyAnswer {
    pub(crate) study: StudyUid,
    pub(crate) attributes: Vec<(Tag, String)>,
    /// How many instances the member says it has of it.
    pub(crate) instances: Option<u64>,
    /// How many series it says it has of it.
    series: Option<u64>,
    /// The one SOP class it says it has of it.
    class: Option<SopClassUid>,
}

/// The keys of a level: what narrows, then what is kept, and counts.
pub(crate) fn query(level: Level, mut keys: Vec<QueryKey>) -> Query {
    let counts: &[Tag] = match level {
        Level::Patient | Level::Image => &[],
        Level::Study => &[Tag::SOP_CLASSES_IN_STUDY, Tag::STUDY_RELATED_SERIES, Tag::STUDY_RELATED_INSTANCES],
        Level::Series => &[Tag::SERIES_RELATED_INSTANCES],
    };
    for tag in kept_at(level).chain(counts.iter().copied()) {
        if keys.iter().all(|key| key.tag != tag) {
            keys.push(QueryKey { tag, value: String::new() });
        }
    }
    Query::new(QueryRoot::Study, level, keys)
}

fn key(tag: Tag, value: &str) -> QueryKey {
    QueryKey { tag, value: value.to_owned() }
}

/// The value of an attribute in an answer; empty where there is none.
pub(crate) fn value(answer: &Answer, tag: Tag) -> &str {
    answer.value(tag).map_or("", str::trim)
}

fn number(answer: &Answer, tag: Tag) -> Option<u64> {
    value(answer, tag).parse().ok()
}

/// The attributes of an answer that are kept at its level, other than the UIDs that have places of their own.
fn kept(answer: &Answer, level: Level) -> Vec<(Tag, String)> {
    let own = [Tag::STUDY_INSTANCE_UID, Tag::SERIES_INSTANCE_UID, Tag::SOP_INSTANCE_UID, Tag::SOP_CLASS_UID];
    let tags = kept_at(level).filter(|tag| !own.contains(tag));
    let values = tags.map(|tag| (tag, value(answer, tag).to_owned()));
    values.filter(|(_, value)| !value.is_empty()).collect()
}

impl StudyAnswer {
    /// Reads an answer; `None` where it names no study.
    pub(crate) fn read(answer: &Answer) -> Option<Self> {
        let classes = value(answer, Tag::SOP_CLASSES_IN_STUDY);
        Some(Self {
            study: StudyUid::new(value(answer, Tag::STUDY_INSTANCE_UID)).ok()?,
            attributes: kept(answer, Level::Study),
            instances: number(answer, Tag::STUDY_RELATED_INSTANCES),
            // Some count nothing and say 0.
            series: number(answer, Tag::STUDY_RELATED_SERIES).filter(|count| *count > 0),
            class: SopClassUid::new(classes).ok().filter(|_| !classes.contains('\\')),
        })
    }
}

impl StudyAnswer {
    /// The study with nothing below it.
    pub(crate) fn unlisted(&self, issuer: Option<&String>) -> Listed {
        Listed { unlisted: 1, ..Listed::begun(self, issuer) }
    }
}

impl Listed {
    fn begun(study: &StudyAnswer, issuer: Option<&String>) -> Self {
        let seen = SeenStudy {
            study: study.study.clone(),
            attributes: study.attributes.clone(),
            issuer: issuer.cloned(),
            series: Vec::new(),
        };
        Self { seen, instances: SetDigest::default(), unlisted: 0 }
    }
}

/// What is below a study or a series.
struct Below {
    level: Level,
    /// The keys that name it.
    above: Vec<QueryKey>,
    uid: Tag,
    number: Tag,
    /// How many the member says there are.
    expected: Option<u64>,
}

/// Lists a study.
pub(crate) async fn list(
    asking: &mut Asking<'_>,
    learnt: &Learnt,
    study: &StudyAnswer,
    issuer: Option<&String>,
) -> Result<Listed, AskError> {
    let mut listed = Listed::begun(study, issuer);
    let of_study = vec![key(Tag::STUDY_INSTANCE_UID, study.study.as_str())];
    let below = Below {
        level: Level::Series,
        above: of_study.clone(),
        uid: Tag::SERIES_INSTANCE_UID,
        number: Tag::SERIES_NUMBER,
        expected: study.series,
    };
    let (found, unlisted) = all_below(asking, learnt, &below).await?;
    listed.unlisted += unlisted;
    for (uid, answer) in found {
        let Ok(series) = SeriesUid::new(&uid) else {
            listed.unlisted += 1;
            continue;
        };
        let mut above = of_study.clone();
        above.push(key(Tag::SERIES_INSTANCE_UID, series.as_str()));
        let below = Below {
            level: Level::Image,
            above,
            uid: Tag::SOP_INSTANCE_UID,
            number: Tag::INSTANCE_NUMBER,
            expected: number(&answer, Tag::SERIES_RELATED_INSTANCES),
        };
        let (found, unlisted) = all_below(asking, learnt, &below).await?;
        listed.unlisted += unlisted;
        let class = match &study.class {
            Some(class) => Some(class.clone()),
            None => class_of_series(asking, study, &series, &answer, &found).await?,
        };
        let mut seen = SeenSeries { series, attributes: kept(&answer, Level::Series), instances: Vec::new() };
        for answer in found.values() {
            match instance(answer, class.as_ref()) {
                Some(instance) => {
                    listed.instances.add_unread(&instance.sop_instance);
                    seen.instances.push(instance);
                }
                None => listed.unlisted += 1,
            }
        }
        listed.seen.series.push(seen);
    }
    let shown = listed.instances.count;
    listed.unlisted = listed.unlisted.max(study.instances.map_or(0, |count| count.saturating_sub(shown)));
    Ok(listed)
}

/// The class of the first instance of a series that is shown without one, which then stands for all of these; the others' are shown.
async fn class_of_series(
    asking: &mut Asking<'_>,
    study: &StudyAnswer,
    series: &SeriesUid,
    answer: &Answer,
    instances: &ByUid,
) -> Result<Option<SopClassUid>, AskError> {
    let unclassed = instances.values().find(|answer| value(answer, Tag::SOP_CLASS_UID).is_empty());
    let Some(Ok(instance)) =
        unclassed.map(|answer| SopInstanceUid::new(value(answer, Tag::SOP_INSTANCE_UID)))
    else {
        return Ok(None);
    };
    let modality = value(answer, Tag::MODALITY);
    asking.class_of(Named { study: &study.study, series, instance: &instance, modality }).await
}

/// An instance with a class: without one it could be offered to nobody.
fn instance(answer: &Answer, class_otherwise: Option<&SopClassUid>) -> Option<SeenInstance> {
    let class = SopClassUid::new(value(answer, Tag::SOP_CLASS_UID)).ok();
    Some(SeenInstance {
        sop_class: class.or_else(|| class_otherwise.cloned())?,
        sop_instance: SopInstanceUid::new(value(answer, Tag::SOP_INSTANCE_UID)).ok()?,
        attributes: kept(answer, Level::Image),
    })
}

type ByUid = BTreeMap<String, Answer>;

/// Everything below, by UID, and how much of it was not shown: where the answer may have been cut short, each number is
/// asked for by itself.
async fn all_below(
    asking: &mut Asking<'_>,
    learnt: &Learnt,
    below: &Below,
) -> Result<(ByUid, u64), AskError> {
    let mut found = ByUid::new();
    let (answers, ended) = asking.ask(&query(below.level, below.above.clone())).await?;
    let is_short = is_short(&answers, ended, learnt, below.expected);
    take(&mut found, answers, below);
    if !is_short {
        let missing = missing(&found, below.expected);
        return Ok((found, missing));
    }
    // First the numbers under which nothing was shown; the others too where it is known that there is more.
    for pass in [Pass::NotShown, Pass::Shown] {
        if pass == Pass::Shown && missing(&found, below.expected) == 0 {
            break;
        }
        by_number(asking, below, pass, &mut found).await?;
    }
    let missing = missing(&found, below.expected);
    Ok((found, missing))
}

/// Which numbers are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    NotShown,
    Shown,
}

async fn by_number(
    asking: &mut Asking<'_>,
    below: &Below,
    pass: Pass,
    found: &mut ByUid,
) -> Result<(), AskError> {
    let shown: BTreeSet<u64> = found.values().filter_map(|answer| number(answer, below.number)).collect();
    let mut nothing = 0;
    for asked in 0..NUMBERS_MAX {
        let are_all = below.expected.is_some_and(|expected| found.len() as u64 >= expected);
        if are_all || nothing > GAP_MAX {
            break;
        }
        if shown.contains(&asked) != (pass == Pass::Shown) {
            nothing = if pass == Pass::Shown { nothing + 1 } else { 0 };
            continue;
        }
        let mut keys = below.above.clone();
        keys.push(key(below.number, &asked.to_string()));
        let (answers, _) = asking.ask(&query(below.level, keys)).await?;
        // An archive that does not go by the number gives the same again, and nothing more ever comes.
        let fits = |answer: &Answer| number(answer, below.number) == Some(asked);
        nothing = if answers.iter().any(fits) { 0 } else { nothing + 1 };
        take(found, answers, below);
    }
    Ok(())
}

fn take(found: &mut ByUid, answers: Vec<Answer>, below: &Below) {
    for answer in answers {
        // Some archives give what is beside it too.
        let is_below = below.above.iter().all(|key| {
            let shown = value(&answer, key.tag);
            shown.is_empty() || shown == key.value
        });
        let uid = value(&answer, below.uid).to_owned();
        if is_below && !uid.is_empty() {
            found.insert(uid, answer);
        }
    }
}

/// An archive that does not say how many there are may stop here where it stopped before.
fn is_short(answers: &[Answer], ended: Ended, learnt: &Learnt, expected: Option<u64>) -> bool {
    let count = answers.len() as u64;
    let stopped_before = count >= u64::from(SURELY_WHOLE)
        && (count == u64::from(learnt.most) || learnt.steadiness == Steadiness::Wavering);
    ended == Ended::Short || expected.map_or(stopped_before, |expected| count < expected)
}

fn missing(found: &ByUid, expected: Option<u64>) -> u64 {
    expected.map_or(0, |expected| expected.saturating_sub(found.len() as u64))
}
