//! What a query comes to: which keys filter, which attributes are wanted, where the search begins.

use outrigger_model::{Answer, Level, Query, Rules, Tag};

use crate::attributes::{Attributes, Kind, known};
use crate::items::{ItemKeys, ItemsWanted};
use crate::matching::Matcher;
use crate::narrow::Narrow;
use crate::rows::{Joined, list_text};
use crate::shown::Related;

/// A query made ready.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) level: Level,
    pub(crate) narrow: Narrow,
    filters: Vec<Filter>,
    wanted: Vec<Tag>,
    items: Vec<ItemsWanted>,
}

/// A key that must match.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Filter {
    pub(crate) tag: Tag,
    pub(crate) matcher: Matcher,
}

impl Plan {
    /// Reads a query: keys of its level and the levels above filter; those of lower levels and those the catalogue does not
    /// know do not (PS3.4 section C.2.2.1.3, optional keys that are not supported).
    pub(crate) fn of(query: &Query) -> Self {
        let filters = filters(query);
        let narrow = Narrow::of(&filters);
        let wanted = query.keys.iter().map(|key| key.tag).collect();
        let items = query.keys.iter().filter_map(|key| ItemsWanted::of(key, query.rules)).collect();
        Self { level: query.level, narrow, filters, wanted, items }
    }

    /// Whether a row is an answer.
    pub(crate) fn matches(&self, row: &Joined) -> bool {
        self.filters.iter().all(|filter| filter.holds(|tag| value(row, tag)))
    }

    /// Whether an attribute is wanted that only counting the patient's rows gives.
    pub(crate) fn wants_related(&self) -> bool {
        self.wanted.iter().any(|tag| RELATED.contains(tag))
    }

    /// The attributes wanted, as far as they have a value.
    pub(crate) fn answer(&self, row: &Joined, related: Related) -> Answer {
        let attributes = self.wanted.iter().filter_map(|tag| {
            let value = related_count(related, *tag).or_else(|| value(row, *tag))?;
            match self.items.iter().find(|items| items.sequence == *tag) {
                Some(items) => Some((*tag, items.out_of(&value))),
                None => Some((*tag, value)),
            }
        });
        Answer { attributes: attributes.collect() }
    }
}

/// The keys of a query that must match; of a range of moments, which two keys give, one filter.
pub(crate) fn filters(query: &Query) -> Vec<Filter> {
    let moments = if query.rules.date_times { moments(query) } else { Vec::new() };
    let mut filters = Vec::new();
    for key in &query.keys {
        let Some(known) = known(key.tag).filter(|known| known.level <= query.level) else { continue };
        let is_part = |filter: &&Filter| filter.tag == key.tag || filter.matcher.time_tag() == Some(key.tag);
        if moments.iter().any(|filter| is_part(&filter)) {
            continue;
        }
        let matcher = match known.kind {
            Kind::Items => ItemKeys::of(key, query.rules).map(Matcher::Items),
            kind => matcher(key.tag, kind, &key.value, query.rules),
        };
        filters.extend(matcher.map(|matcher| Filter { tag: key.tag, matcher }));
    }
    filters.extend(moments);
    filters
}

/// Makes a key ready by what was agreed on; `None` if it matches everything.
pub(crate) fn matcher(tag: Tag, kind: Kind, value: &str, rules: Rules) -> Option<Matcher> {
    if value == EMPTY_VALUE && rules.empty_values {
        return Some(Matcher::Nothing);
    }
    if !(rules.multiple_values && MULTIPLE.contains(&tag) && value.contains('\\')) {
        return Matcher::new(kind, value);
    }
    let each: Vec<Matcher> = value.split('\\').filter_map(|value| Matcher::new(kind, value)).collect();
    (!each.is_empty()).then_some(Matcher::Every(each))
}

/// The keys whose attribute may have several values, of a value representation that multiple value matching is for (PS3.4
/// section C.2.2.2.8).
const MULTIPLE: [Tag; 1] = [Tag::MODALITIES_IN_STUDY];

/// The dates and times that are matched as one where that was agreed on (PS3.4 section C.2.2.2.5.4).
const PAIRS: [(Tag, Tag); 3] = [
    (Tag::STUDY_DATE, Tag::STUDY_TIME),
    (Tag::SERIES_DATE, Tag::SERIES_TIME),
    (Tag::CONTENT_DATE, Tag::CONTENT_TIME),
];

/// The key that matches a value that is empty.
const EMPTY_VALUE: &str = "\"\"";

fn moments(query: &Query) -> Vec<Filter> {
    let value = |tag: Tag| {
        let is_matched = known(tag).is_some_and(|known| known.level <= query.level);
        query.keys.iter().find(|key| key.tag == tag && is_matched).map(|key| key.value.as_str())
    };
    let pair = |(date, time): (Tag, Tag)| {
        let moments = Matcher::moments(value(date)?, time, value(time)?)?;
        Some(Filter { tag: date, matcher: moments })
    };
    PAIRS.into_iter().filter_map(pair).collect()
}

impl Filter {
    /// Whether the values of an entity match.
    pub(crate) fn holds(&self, value: impl Fn(Tag) -> Option<String>) -> bool {
        let own = value(self.tag);
        match (&self.matcher, own) {
            (Matcher::Nothing, own) => own.is_none(),
            (Matcher::Moments(moments), Some(date)) => {
                moments.matches(&date, value(moments.time_tag).as_deref())
            }
            (matcher, Some(own)) => matcher.matches(&own),
            (_, None) => false,
        }
    }
}

const RELATED: [Tag; 3] =
    [Tag::PATIENT_RELATED_STUDIES, Tag::PATIENT_RELATED_SERIES, Tag::PATIENT_RELATED_INSTANCES];

fn related_count(related: Related, tag: Tag) -> Option<String> {
    match tag {
        Tag::PATIENT_RELATED_STUDIES => Some(related.studies.to_string()),
        Tag::PATIENT_RELATED_SERIES => Some(related.series.to_string()),
        Tag::PATIENT_RELATED_INSTANCES => Some(related.instances.to_string()),
        _ => None,
    }
}

/// The value of an attribute in a row or the rows above it.
fn value(row: &Joined, tag: Tag) -> Option<String> {
    let study = row.study.as_ref();
    let series = row.series.as_ref();
    let instance = row.instance.as_ref().map(|instance| &instance.row);
    match tag {
        Tag::STUDY_INSTANCE_UID => study.map(|study| study.uid.as_str().to_owned()),
        Tag::SERIES_INSTANCE_UID => series.map(|series| series.uid.as_str().to_owned()),
        Tag::SOP_INSTANCE_UID => instance.map(|instance| instance.uid.as_str().to_owned()),
        Tag::SOP_CLASS_UID => instance.map(|instance| instance.sop_class.as_str().to_owned()),
        Tag::MODALITIES_IN_STUDY => study.map(|study| list_text(&study.modalities)),
        Tag::SOP_CLASSES_IN_STUDY => study.map(|study| list_text(&study.sop_classes)),
        Tag::STUDY_RELATED_SERIES => study.map(|study| study.series.to_string()),
        Tag::STUDY_RELATED_INSTANCES => study.map(|study| study.instances.count.to_string()),
        Tag::SERIES_RELATED_INSTANCES => series.map(|series| series.instances.count.to_string()),
        tag => kept(row, tag).map(str::to_owned),
    }
    .filter(|value| !value.is_empty())
}

/// From the lowest level up; a study names its patient itself, so the patient's own row is asked at patient level only.
fn kept(row: &Joined, tag: Tag) -> Option<&str> {
    let instance = row.instance.as_ref().map(|instance| &instance.row.attributes);
    let series = row.series.as_ref().map(|series| &series.attributes);
    let above = row.study.as_ref().map_or(&row.patient.row.attributes, |study| &study.attributes);
    let levels: [Option<&Attributes>; 3] = [instance, series, Some(above)];
    levels.into_iter().flatten().find_map(|attributes| attributes.get(tag))
}
