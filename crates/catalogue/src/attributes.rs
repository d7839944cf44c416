//! Which attributes the catalogue matches on, at which level each belongs, and how its values compare.

use std::collections::BTreeMap;

use outrigger_dataset::dictionary;
use outrigger_dataset::element::Vr;
use outrigger_dataset::identifier::{compared, level_of};
use outrigger_model::{Items, Level, Tag};
use serde::{Deserialize, Serialize};

use crate::matching::date_digits;

/// How the values of an attribute compare; follows its value representation (PS3.5 section 6.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// UI.
    Uid,
    /// AE, CS, LO, SH: wildcards, case counts.
    Text,
    /// PN: wildcards, component groups, case does not count.
    Name,
    /// DA: ranges.
    Date,
    /// TM: ranges.
    Time,
    /// IS, US: by number.
    Number,
    /// SQ: by the keys of an item.
    Items,
}

/// An attribute the catalogue matches on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Known {
    pub(crate) level: Level,
    pub(crate) kind: Kind,
}

/// Looks up an attribute that can be matched; others are returned where they are kept, and never matched.
pub(crate) fn known(tag: Tag) -> Option<Known> {
    Some(Known { level: level_of(tag)?, kind: kind(tag) })
}

/// How the values of an attribute compare.
pub(crate) fn kind(tag: Tag) -> Kind {
    match dictionary::vr(tag) {
        Vr::UI => Kind::Uid,
        Vr::PN => Kind::Name,
        Vr::DA => Kind::Date,
        Vr::TM => Kind::Time,
        Vr::IS | Vr::US => Kind::Number,
        Vr::SQ => Kind::Items,
        _ => Kind::Text,
    }
}

/// The attributes kept of a study (its patient's among them), a series or an instance: what an inventory asks for at that level.
/// Sequences are not asked for: some archives read an object for each, and the members match them themselves.
pub fn kept_at(level: Level) -> impl Iterator<Item = Tag> {
    let computed = [Tag::MODALITIES_IN_STUDY, Tag::SOP_CLASSES_IN_STUDY];
    let is_plain = |tag: Tag| kind(tag) != Kind::Items;
    let at_level = move |of: Level| of == level || (level == Level::Study && of == Level::Patient);
    compared()
        .filter(move |(tag, of)| at_level(*of) && is_plain(*tag) && !computed.contains(tag))
        .map(|(tag, _)| tag)
}

/// Values by tag; as JSON an object whose keys are eight hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(try_from = "BTreeMap<Tag, String>")]
pub(crate) struct Attributes(BTreeMap<Tag, String>);

/// A value that cannot be one of its attribute: the row is not as it was written.
#[derive(Debug, thiserror::Error)]
#[error("the value of {0} is no text of a sequence")]
pub(crate) struct NoSequence(Tag);

impl TryFrom<BTreeMap<Tag, String>> for Attributes {
    type Error = NoSequence;

    fn try_from(values: BTreeMap<Tag, String>) -> Result<Self, NoSequence> {
        match values.iter().find(|(tag, value)| !is_readable(**tag, value)) {
            Some((tag, _)) => Err(NoSequence(*tag)),
            None => Ok(Self(values)),
        }
    }
}

/// Whether a text can be the value of an attribute: of sequences it has a form.
fn is_readable(tag: Tag, value: &str) -> bool {
    kind(tag) != Kind::Items || Items::from_text(value).is_some()
}

/// The study date as it is indexed.
pub(crate) fn study_date(attributes: &Attributes) -> Option<String> {
    attributes.get(Tag::STUDY_DATE).map(date_digits)
}

/// Whether a row gained something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Filled {
    Unchanged,
    Changed,
}

impl Attributes {
    pub(crate) fn get(&self, tag: Tag) -> Option<&str> {
        self.0.get(&tag).map(String::as_str)
    }

    /// All of them, by tag.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Tag, &str)> {
        self.0.iter().map(|(tag, value)| (*tag, value.as_str()))
    }

    /// Puts a value in the place of another and gives that; an empty one stands, so that nothing fills its place again.
    pub(crate) fn replace(&mut self, tag: Tag, value: &str) -> String {
        self.0.insert(tag, value.to_owned()).unwrap_or_default()
    }

    /// Takes over what is missing here; what stands, stands.
    pub(crate) fn fill_from(&mut self, other: &Self) -> Filled {
        let mut filled = Filled::Unchanged;
        for (tag, value) in &other.0 {
            if !self.0.contains_key(tag) {
                self.0.insert(*tag, value.clone());
                filled = Filled::Changed;
            }
        }
        filled
    }
}

/// The attributes of an instance, each at its level; UIDs have columns of their own and are left out.
#[derive(Debug, Default)]
pub(crate) struct ByLevel {
    pub(crate) patient: Attributes,
    pub(crate) study: Attributes,
    pub(crate) series: Attributes,
    pub(crate) image: Attributes,
}

impl ByLevel {
    pub(crate) fn of<'a>(
        attributes: impl IntoIterator<Item = &'a (Tag, String)>,
        issuer: Option<&String>,
    ) -> Self {
        let mut split = Self::default();
        for (tag, value) in attributes.into_iter().filter(|(_, value)| !value.is_empty()) {
            if !is_readable(*tag, value) {
                tracing::warn!(%tag, "what came for a sequence is no text of one, and the catalogue does not keep it");
                continue;
            }
            let level = known(*tag).map_or(Level::Image, |known| known.level);
            split.at(level).0.entry(*tag).or_insert_with(|| value.clone());
        }
        if let Some(issuer) = issuer.filter(|issuer| !issuer.is_empty()) {
            split.patient.0.entry(Tag::ISSUER_OF_PATIENT_ID).or_insert_with(|| issuer.clone());
        }
        split
    }

    fn at(&mut self, level: Level) -> &mut Attributes {
        match level {
            Level::Patient => &mut self.patient,
            Level::Study => &mut self.study,
            Level::Series => &mut self.series,
            Level::Image => &mut self.image,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_json_object_by_tag() {
        let attributes = Attributes(BTreeMap::from([(Tag::PATIENT_NAME, "DOE^JANE".to_owned())]));
        let text = serde_json::to_string(&attributes).unwrap();
        assert_eq!(text, r#"{"00100010":"DOE^JANE"}"#);
        assert_eq!(serde_json::from_str::<Attributes>(&text).unwrap(), attributes);
    }

    #[test]
    fn a_damaged_sequence_is_no_sequence_without_items() {
        let of = |value: &str| {
            serde_json::from_value::<Attributes>(serde_json::json!({"00400275": value}))
                .map_err(|error| error.to_string())
        };
        let items = r#"[{"00400009":"S1"}]"#;
        assert_eq!(of(items).unwrap().get(Tag::REQUEST_ATTRIBUTES), Some(items));
        for damaged in [&items[1..], &items[..items.len() - 2], "S1"] {
            assert_eq!(
                of(damaged).unwrap_err(),
                "the value of (0040,0275) is no text of a sequence",
                "{damaged}"
            );
            let put = [(Tag::REQUEST_ATTRIBUTES, damaged.to_owned()), (Tag::MODALITY, "CT".to_owned())];
            let split = ByLevel::of(&put, None);
            assert_eq!(
                split.series.get(Tag::REQUEST_ATTRIBUTES),
                None,
                "a row with it could not be read again"
            );
            assert_eq!(split.series.get(Tag::MODALITY), Some("CT"));
        }
    }
}
