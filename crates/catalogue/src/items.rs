//! Sequence matching (PS3.4 section C.2.2.2.6): the keys of one item against the items of a sequence.

use outrigger_dataset::dictionary;
use outrigger_dataset::element::Vr;
use outrigger_dataset::identifier::item_keys;
use outrigger_model::{Item, Items, QueryKey, Rules, Tag};

use crate::attributes::kind;
use crate::matching::Matcher;
use crate::plan::matcher;

/// The keys of an item that must match, all of them in one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ItemKeys(Vec<(Tag, Matcher)>);

impl ItemKeys {
    /// Reads the key of a sequence; `None` if it matches everything. Attributes that are not kept of items do not filter.
    pub(crate) fn of(key: &QueryKey, rules: Rules) -> Option<Self> {
        let item = Items::from_text(&key.value)?.0.into_iter().next()?;
        let keys = item.into_iter().filter(|(tag, _)| item_keys(key.tag).contains(tag));
        let keys = keys.filter_map(|(tag, value)| Some((tag, matcher(tag, kind(tag), &value, rules)?)));
        let keys: Vec<_> = keys.collect();
        (!keys.is_empty()).then_some(Self(keys))
    }

    /// Whether one item of a sequence matches.
    pub(crate) fn matches(&self, stored: &str) -> bool {
        let items = items_of(stored);
        items.0.iter().any(|item| self.matches_item(item))
    }

    fn matches_item(&self, item: &Item) -> bool {
        self.0.iter().all(|(tag, matcher)| match item.get(tag).filter(|value| !value.is_empty()) {
            Some(value) => matcher.matches(value),
            None => *matcher == Matcher::Nothing,
        })
    }
}

/// What is returned of a sequence: where its key names attributes the items that match, with these attributes alone; else the
/// whole of it.
#[derive(Debug, Clone)]
pub struct ItemsWanted {
    /// The sequence.
    pub sequence: Tag,
    keys: Option<ItemKeys>,
    attributes: Vec<Tag>,
}

impl ItemsWanted {
    /// What the key of a sequence asks for; `None` where it is no sequence, or the whole is wanted.
    pub fn of(key: &QueryKey, rules: Rules) -> Option<Self> {
        if dictionary::vr(key.tag) != Vr::SQ {
            return None;
        }
        let item = Items::from_text(&key.value)?.0.into_iter().next()?;
        let attributes = item.into_keys().collect();
        Some(Self { sequence: key.tag, keys: ItemKeys::of(key, rules), attributes })
    }

    /// What is returned of a sequence that has this value; an attribute that an item lacks has no value there.
    pub fn out_of(&self, stored: &str) -> String {
        let items = items_of(stored).0.into_iter();
        let matching = items.filter(|item| self.keys.as_ref().is_none_or(|keys| keys.matches_item(item)));
        let asked = |item: Item| -> Item {
            let value = |tag: &Tag| (*tag, item.get(tag).cloned().unwrap_or_default());
            self.attributes.iter().map(value).collect()
        };
        Items(matching.map(asked).collect()).to_text()
    }
}

/// The items of a sequence that was kept or answered: both were read before, so that what is no text of one is a fault of ours.
pub(crate) fn items_of(text: &str) -> Items {
    Items::from_text(text).unwrap_or_else(|| {
        tracing::error!("the text of a sequence cannot be read; nothing of it is compared or returned");
        Items::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEPS: &str =
        r#"[{"00400009":"S1","00401001":"R1"},{"00400009":"S2","00401001":"R2"},{"00400009":"S3"}]"#;

    fn key(value: &str) -> QueryKey {
        QueryKey { tag: Tag::REQUEST_ATTRIBUTES, value: value.to_owned() }
    }

    #[test]
    fn all_keys_match_in_one_item() {
        let rules = Rules { empty_values: true, ..Rules::default() };
        for (asked, found) in [
            (r#"[{"00400009":"S1"}]"#, Some(true)),
            (r#"[{"00400009":"S?","00401001":"R2"}]"#, Some(true)),
            (r#"[{"00400009":"S1","00401001":"R2"}]"#, Some(false)),
            (r#"[{"00400009":"s1"}]"#, Some(false)),
            (r#"[{"00400009":"S3","00401001":"*"}]"#, Some(true)),
            (r#"[{"00401001":"\"\""}]"#, Some(true)),
            (r#"[{"00400009":"S1","00401001":"\"\""}]"#, Some(false)),
            // Neither asks for anything that could fail.
            (r#"[{"00400009":""}]"#, None),
            (r#"[{"00400010":"CT1"}]"#, None),
            ("", None),
        ] {
            let keys = ItemKeys::of(&key(asked), rules);
            assert_eq!(keys.map(|keys| keys.matches(STEPS)), found, "{asked}");
        }
    }

    #[test]
    fn the_items_that_match_are_returned_with_what_was_asked_for() {
        for (asked, returned) in [
            (
                r#"[{"00400009":"S?","00401001":"R*"}]"#,
                r#"[{"00400009":"S1","00401001":"R1"},{"00400009":"S2","00401001":"R2"}]"#,
            ),
            (r#"[{"00400009":"S1"}]"#, r#"[{"00400009":"S1"}]"#),
            (r#"[{"00401001":""}]"#, r#"[{"00401001":"R1"},{"00401001":"R2"},{"00401001":""}]"#),
            (r#"[{"00400009":"S9"}]"#, ""),
        ] {
            let wanted = ItemsWanted::of(&key(asked), Rules::default()).unwrap();
            let once = wanted.out_of(STEPS);
            assert_eq!(once, returned, "{asked}");
            assert_eq!(wanted.out_of(&once), returned, "twice: {asked}");
        }
        assert!(ItemsWanted::of(&key(""), Rules::default()).is_none());
    }
}
