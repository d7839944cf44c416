//! Answers of several archives, put together by what they are about.

use std::collections::BTreeMap;

use outrigger_catalogue::{Held, Sieve, normalised};
use outrigger_dataset::dictionary;
use outrigger_dataset::element::Vr;
use outrigger_model::{
    Answer, Level, Query, QueryKey, Rules, Selection, SeriesUid, SopInstanceUid, StudyUid, Tag,
};

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

    /// The instances of it.
    pub(crate) fn selection(&self, level: Level) -> Option<Selection> {
        Some(match level {
            Level::Patient => Selection::Patient { patient_id: self.id.clone() },
            Level::Study => Selection::Studies(vec![StudyUid::new(&self.id).ok()?]),
            Level::Series => Selection::Series { study: None, series: vec![SeriesUid::new(&self.id).ok()?] },
            Level::Image => {
                Selection::Instances { study: None, instances: vec![SopInstanceUid::new(&self.id).ok()?] }
            }
        })
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

/// Studies noted of one query as shown with more than is known: those of a patient.
const MORE_MAX: usize = 16;
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

/// What becomes of something that members named and the catalogue did not.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Beside {
    /// It is an answer.
    Answer(Answer),
    /// Only the archive that found it can tell. What the catalogue knows by an inventory alone may lack the very characters that were
    /// asked for; where it knows it by what was accepted here, it is no answer.
    UnlessAccepted(Answer),
    /// It is none.
    No,
}

/// What members answered to a query.
#[derive(Debug)]
pub(crate) struct Merge {
    level: Level,
    sieve: Sieve,
    /// The one study that is asked about, if there is one.
    study: Option<String>,
    groups: BTreeMap<About, Vec<Part>>,
    /// Studies of which members show more than the catalogue knows, and what they show.
    pub(crate) more: BTreeMap<String, String>,
    /// Answers that were left out: to another question, or about nothing.
    pub(crate) left_out: usize,
}

impl Merge {
    pub(crate) fn new(query: &Query) -> Self {
        let sieve = Sieve::of(query);
        let named = query.keys.iter().find(|key| key.tag == Tag::STUDY_INSTANCE_UID);
        let study = named.map(|key| key.value.clone()).filter(|uid| !uid.is_empty() && !uid.contains('\\'));
        let (groups, more) = (BTreeMap::new(), BTreeMap::new());
        Self { level: query.level, sieve, study, groups, more, left_out: 0 }
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
        if parts.is_empty() {
            return answer;
        }
        if let Some(most) = parts.iter().filter_map(|part| self.count(&part.answer)).max()
            && self.count(&answer).is_some_and(|known| most > known)
        {
            self.note_more(&answer, most.to_string());
        }
        unite(Some(&answer), &parts)
    }

    /// How many instances an answer says that there are of a study or a series.
    fn count(&self, answer: &Answer) -> Option<u64> {
        let counts = match self.level {
            Level::Patient | Level::Image => return None,
            Level::Study => Tag::STUDY_RELATED_INSTANCES,
            Level::Series => Tag::SERIES_RELATED_INSTANCES,
        };
        answer.value(counts)?.trim().parse().ok()
    }

    fn note_more(&mut self, answer: &Answer, shown: String) {
        let study = answer.value(Tag::STUDY_INSTANCE_UID).map(str::to_owned).or_else(|| self.study.clone());
        if let Some(study) = study.filter(|_| self.more.len() < MORE_MAX) {
            self.more.entry(study).or_insert(shown);
        }
    }

    /// What is left, which the catalogue did not name in its answer, by unique key.
    pub(crate) fn rest(&self) -> Vec<About> {
        self.groups.keys().cloned().collect()
    }

    /// What members said of something the catalogue may know, though not as an answer to this query.
    pub(crate) fn without(&mut self, about: &About, known: Option<&Answer>) -> Beside {
        let Some(parts) = self.groups.remove(about) else { return Beside::No };
        let surely = parts.iter().any(|part| part.held == Held::Matches);
        let united = unite(known, &parts);
        // A study of a member that is not inventoried comes into the catalogue by its inventory.
        let is_behind = match self.level {
            Level::Patient => false,
            Level::Study => parts.iter().any(|part| part.content == Content::Inventoried),
            Level::Series | Level::Image => true,
        };
        if known.is_none() && is_behind {
            self.note_more(&united, about.id.clone());
        }
        match known {
            _ if surely => Beside::Answer(united),
            // It knows the value that nobody returned, or that there is none.
            Some(_) if self.sieve.passes(&united) => Beside::Answer(united),
            Some(_) if self.sieve.passes_as_shown(&united) => Beside::UnlessAccepted(united),
            None if self.sieve.hold(&united) != Held::Fails => Beside::Answer(united),
            Some(_) | None => Beside::No,
        }
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
    let id = unique_value(level, answer)?.to_owned();
    let issuer = if level == Level::Patient {
        answer.value(Tag::ISSUER_OF_PATIENT_ID).unwrap_or_default().to_owned()
    } else {
        String::new()
    };
    Some(About { id, issuer })
}

/// The one value of the attribute that names what an answer is about.
pub(crate) fn unique_value(level: Level, answer: &Answer) -> Option<&str> {
    answer.value(unique_key(level)).filter(|id| !id.is_empty() && !id.contains('\\'))
}

fn normal(answer: Answer) -> Answer {
    let attributes = answer.attributes.into_iter().map(|(tag, value)| (tag, normalised(tag, &value)));
    Answer { attributes: attributes.filter(|(_, value)| !value.is_empty()).collect() }
}

#[cfg(test)]
mod tests {
    use outrigger_model::QueryRoot;

    use super::*;

    fn answer(attributes: &[(Tag, &str)]) -> Answer {
        let attributes = attributes.iter().map(|(tag, value)| (*tag, (*value).to_owned()));
        Answer { attributes: attributes.collect() }
    }

    fn query(level: Level, keys: &[(Tag, &str)]) -> Query {
        let keys = keys.iter().map(|(tag, value)| QueryKey { tag: *tag, value: (*value).to_owned() });
        Query::new(QueryRoot::Patient, level, keys.collect())
    }

    fn patient(id: &str, issuer: &str) -> Answer {
        answer(&[(Tag::PATIENT_ID, id), (Tag::ISSUER_OF_PATIENT_ID, issuer)])
    }

    fn patients() -> Query {
        keyed(&query(Level::Patient, &[(Tag::PATIENT_ID, ""), (Tag::PATIENT_NAME, "")]))
    }

    #[test]
    fn patients_are_told_apart_by_their_issuers_where_both_are_named() {
        for (one, other, count) in [
            (("1", "A"), ("1", "A"), 1),
            (("1", "A"), ("1", "B"), 2),
            (("1", "A"), ("1", ""), 1),
            (("1", ""), ("1", "B"), 1),
            (("1", "A"), ("2", "A"), 2),
        ] {
            let mut merge = Merge::new(&patients());
            for (id, issuer) in [one, other] {
                merge.add(Content::Unknown, vec![patient(id, issuer)]);
            }
            assert_eq!(merge.rest().len(), count, "{one:?} {other:?}");
            let [one, other] =
                [one, other].map(|(id, issuer)| about(Level::Patient, &patient(id, issuer)).unwrap());
            assert_eq!((one.is_like(&other), other.is_like(&one)), (count == 1, count == 1));
        }
    }

    #[test]
    fn what_is_said_of_a_patient_without_an_issuer_is_of_the_one_that_has_one() {
        let mut merge = Merge::new(&patients());
        let named = answer(&[(Tag::PATIENT_ID, "1"), (Tag::PATIENT_NAME, "DOE^J")]);
        merge.add(Content::Unknown, vec![named]);
        let united = merge.with_members(patient("1", "A"));
        assert!(united.attributes.contains(&(Tag::PATIENT_NAME, "DOE^J".to_owned())), "{united:?}");
        assert!(united.attributes.contains(&(Tag::ISSUER_OF_PATIENT_ID, "A".to_owned())), "{united:?}");
        assert!(merge.rest().is_empty(), "and is no patient of its own");
    }

    #[test]
    fn what_names_nothing_or_several_is_about_nothing() {
        let of = |uid| about(Level::Study, &answer(&[(Tag::STUDY_INSTANCE_UID, uid)])).map(|about| about.id);
        assert_eq!((of("1.2"), of(""), of("1.2\\1.3")), (Some("1.2".to_owned()), None, None));
        assert_eq!(about(Level::Series, &answer(&[(Tag::STUDY_INSTANCE_UID, "1.2")])), None);
    }

    #[test]
    fn members_are_asked_by_the_baseline_for_what_tells_answers_apart() {
        let tags = |query: &Query| query.keys.iter().map(|key| key.tag).collect::<Vec<_>>();
        assert_eq!(tags(&patients()), [Tag::PATIENT_ID, Tag::PATIENT_NAME, Tag::ISSUER_OF_PATIENT_ID]);
        let by_name = query(Level::Study, &[(Tag::PATIENT_NAME, "DOE")]);
        assert_eq!(tags(&keyed(&by_name)), [Tag::PATIENT_NAME, Tag::STUDY_INSTANCE_UID]);

        let items = r#"[{"00100020":"\"\"","00100021":"A"}]"#;
        let keys = [
            (Tag::PATIENT_NAME, "\"\""),
            (Tag::MODALITIES_IN_STUDY, "CT\\MR"),
            (Tag::OTHER_PATIENT_IDS, items),
        ];
        let plain = query(Level::Study, &keys);
        assert_eq!(baseline(&plain), plain, "nothing was agreed on");
        let mut agreed = plain;
        (agreed.rules.empty_values, agreed.rules.multiple_values) = (true, true);
        let asked = baseline(&agreed);
        let values: Vec<&str> = asked.keys.iter().map(|key| key.value.as_str()).collect();
        assert_eq!(values, ["", "CT", r#"[{"00100020":"","00100021":"A"}]"#]);
        assert_eq!(asked.rules, Rules::default());
    }
}
