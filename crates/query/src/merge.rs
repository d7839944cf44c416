//! Answers of several archives, put together by what they are about.

use std::collections::BTreeMap;

use outrigger_catalogue::{Held, Sieve, normalised};
use outrigger_dataset::dictionary;
use outrigger_dataset::element::Vr;
use outrigger_model::{Answer, Level, Query, QueryKey, Rules, Tag};

use crate::choose::Content;
use crate::unite::{Part, unite};

/// What an answer is about: the unique key of its level; of a patient with the issuer.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct About {
    pub(crate) id: String,
    issuer: String,
}

impl About {
    /// Whether both may be about the same: many archives name no issuer.
    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.id == other.id
            && (self.issuer == other.issuer || self.issuer.is_empty() || other.issuer.is_empty())
    }
}

/// The attribute that names what is asked for at a level (PS3.4 section C.6).
pub(crate) fn unique_key(level: Level) -> Tag {
    match level {
        Level::Patient => Tag::PATIENT_ID,
        Level::Study => Tag::STUDY_INSTANCE_UID,
        Level::Series => Tag::SERIES_INSTANCE_UID,
        Level::Image => Tag::SOP_INSTANCE_UID,
    }
}

/// The query with the keys that tell its answers apart, so that every archive returns them.
pub(crate) fn keyed(query: &Query) -> Query {
    let mut keyed = query.clone();
    let issuer = (query.level == Level::Patient).then_some(Tag::ISSUER_OF_PATIENT_ID);
    for tag in [Some(unique_key(query.level)), issuer].into_iter().flatten() {
        if !keyed.keys.iter().any(|key| key.tag == tag) {
            keyed.keys.push(QueryKey { tag, value: String::new() });
        }
    }
    keyed
}

/// An attribute that is to be empty, in the text of an item.
const EMPTY_IN_ITEM: &str = r#":"\"\"""#;

/// The query as members are asked it: what is agreed on with us is not with them, so that they are asked for more, and the rest is
/// left out here.
pub(crate) fn baseline(query: &Query) -> Query {
    let mut baseline = Query { rules: Rules::default(), ..query.clone() };
    for key in &mut baseline.keys {
        let is_time = [Tag::STUDY_TIME, Tag::SERIES_TIME, Tag::CONTENT_TIME].contains(&key.tag);
        let asks_for_more =
            (query.rules.empty_values && key.value == "\"\"") || (query.rules.date_times && is_time);
        if asks_for_more {
            key.value.clear();
        }
        if query.rules.multiple_values && key.tag == Tag::MODALITIES_IN_STUDY {
            // What has them all has the first.
            let first = key.value.split('\\').next().unwrap_or_default().to_owned();
            key.value = first;
        }
        if query.rules.empty_values && dictionary::vr(key.tag) == Vr::SQ {
            key.value = key.value.replace(EMPTY_IN_ITEM, r#":"""#);
        }
    }
    baseline
}

/// What members answered to a query.
#[derive(Debug)]
pub(crate) struct Merge {
    level: Level,
    sieve: Sieve,
    groups: BTreeMap<About, Vec<Part>>,
    /// Answers that were left out: to another question, or about nothing.
    pub(crate) left_out: usize,
}

impl Merge {
    pub(crate) fn new(query: &Query) -> Self {
        let sieve = Sieve::of(query);
        Self { level: query.level, sieve, groups: BTreeMap::new(), left_out: 0 }
    }

    /// Adds what a member answered; members come in the order of preference.
    pub(crate) fn add(&mut self, content: Content, answers: Vec<Answer>) {
        for answer in answers {
            let answer = normal(answer);
            let held = self.sieve.hold(&answer);
            match about(self.level, &answer).filter(|_| held != Held::Fails) {
                None => self.left_out += 1,
                Some(about) => {
                    let about = self.like(about);
                    self.groups.entry(about).or_default().push(Part { content, held, answer });
                }
            }
        }
    }

    /// What members said of the same as an answer of the catalogue does, united with it.
    pub(crate) fn with_members(&mut self, answer: Answer) -> Answer {
        let about = about(self.level, &answer);
        let parts = about.and_then(|about| self.take(&about)).unwrap_or_default();
        if parts.is_empty() { answer } else { unite(Some(&answer), &parts) }
    }

    /// What is left, which the catalogue did not name in its answer, by unique key.
    pub(crate) fn rest(&self) -> Vec<About> {
        self.groups.keys().cloned().collect()
    }

    /// What members said of something the catalogue may know, though not as an answer to this query.
    pub(crate) fn without(&mut self, about: &About, known: Option<&Answer>) -> Option<Answer> {
        let parts = self.groups.remove(about)?;
        let surely = parts.iter().any(|part| part.held == Held::Matches);
        let united = unite(known, &parts);
        let is_answer = match known {
            _ if surely => true,
            // It knows the value that nobody returned, or that there is none.
            Some(_) => self.sieve.passes(&united),
            None => self.sieve.hold(&united) != Held::Fails,
        };
        is_answer.then_some(united)
    }

    fn take(&mut self, about: &About) -> Option<Vec<Part>> {
        let exact = self.groups.remove(about);
        if exact.is_some() || self.level != Level::Patient {
            return exact;
        }
        // Many archives name no issuer: theirs is the patient of that ID.
        self.groups.remove(&About { issuer: String::new(), ..about.clone() })
    }

    /// The group of a patient of the same ID that one of the two does not name an issuer of, if there is one.
    fn like(&self, about: About) -> About {
        if self.level != Level::Patient || self.groups.contains_key(&about) {
            return about;
        }
        self.groups.keys().find(|known| known.is_like(&about)).cloned().unwrap_or(about)
    }
}

/// What an answer is about, if it says so.
pub(crate) fn about(level: Level, answer: &Answer) -> Option<About> {
    let value =
        |tag| answer.attributes.iter().find(|(found, _)| *found == tag).map(|(_, value)| value.clone());
    let id = value(unique_key(level)).filter(|id| !id.is_empty() && !id.contains('\\'))?;
    let issuer = if level == Level::Patient {
        value(Tag::ISSUER_OF_PATIENT_ID).unwrap_or_default()
    } else {
        String::new()
    };
    Some(About { id, issuer })
}

fn normal(answer: Answer) -> Answer {
    let attributes = answer.attributes.into_iter().map(|(tag, value)| (tag, normalised(tag, &value)));
    Answer { attributes: attributes.filter(|(_, value)| !value.is_empty()).collect() }
}
