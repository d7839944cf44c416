//! Attribute matching (PS3.4 section C.2.2.2): one key against one value.
//!
//! A key matches no entity whose value is unknown. PS3.4 section C.2.2.1.2 has unknown required keys match everything, the archives in the
//! field do not, and a search by accession number or patient ID that also gives every study without one shows a reader other
//! people's images.

use std::collections::BTreeSet;

use outrigger_model::Tag;

use crate::attributes::Kind;
use crate::items::ItemKeys;
use crate::names;

/// One key of a query, made ready to be compared.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Matcher {
    /// Any of these UIDs, in ascending order: a list may have thousands.
    Uids(Vec<String>),
    /// Any of these patterns.
    Text(Vec<String>),
    /// A name, by component group.
    Name(Vec<String>),
    /// A range of digits of the same number of places, both ends inside: dates.
    Dates(Range<String>),
    /// A range of microseconds since midnight, both ends inside.
    Times(Range<u64>),
    /// A number, or a text that is none.
    Number(Number),
    /// A range of dates and times taken together.
    Moments(Moments),
    /// Nothing: the value is empty.
    Nothing,
    /// Each of these.
    Every(Vec<Matcher>),
    /// An item of a sequence.
    Items(ItemKeys),
}

/// A range of moments, both ends inside: dates with microseconds since midnight.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Moments {
    pub(crate) time_tag: Tag,
    range: Range<(String, u64)>,
}

impl Moments {
    /// Dates within which every match lies.
    pub(crate) fn dates(&self) -> Range<String> {
        Range { from: self.range.from.0.clone(), to: self.range.to.0.clone() }
    }

    /// Whether a date and a time match; a day without a time does if all of it lies inside.
    pub(crate) fn matches(&self, date: &str, time: Option<&str>) -> bool {
        let date = date_digits(date);
        let (from, to) = match time.and_then(time_span) {
            Some(span) => (span.from, span.from),
            None => (0, DAY_US - 1),
        };
        self.range.from <= (date.clone(), from) && (date, to) <= self.range.to
    }
}

/// A number, or a text that stands where one should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Number {
    /// A whole number.
    Whole(i64),
    /// Something else.
    Text(String),
}

/// A range, both ends inside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Range<T> {
    pub(crate) from: T,
    pub(crate) to: T,
}

impl Matcher {
    /// Reads a key; `None` if it matches everything.
    pub(crate) fn new(kind: Kind, value: &str) -> Option<Self> {
        let value = trimmed(value);
        if value.is_empty() || value == "*" {
            return None;
        }
        Some(match kind {
            Kind::Uid => {
                let uids: BTreeSet<&str> = value.split('\\').map(trimmed).collect();
                Self::Uids(uids.into_iter().map(str::to_owned).collect())
            }
            Kind::Text => Self::Text(value.split('\\').map(|text| pattern(trimmed(text))).collect()),
            Kind::Name => Self::Name(names::groups(&pattern(value))),
            Kind::Date => Self::Dates(date_range(value)),
            Kind::Time => Self::Times(time_range(value)?),
            Kind::Number => Self::Number(number(value)),
            // What is asked of an item depends on the sequence.
            Kind::Items => return None,
        })
    }

    /// Reads a range of dates and one of times as one of moments; `None` where they are no such pair.
    pub(crate) fn moments(dates: &str, time_tag: Tag, times: &str) -> Option<Self> {
        let (from_date, to_date) = dates.split_once('-')?;
        let (from_time, to_time) = times.split_once('-')?;
        let Range { from, to } = date_range(&format!("{from_date}-{to_date}"));
        let begin = time_span(from_time).map_or(0, |span| span.from);
        let end = time_span(to_time).map_or(DAY_US, |span| span.to);
        Some(Self::Moments(Moments { time_tag, range: Range { from: (from, begin), to: (to, end) } }))
    }

    /// The times that a range of moments takes from another key.
    pub(crate) fn time_tag(&self) -> Option<Tag> {
        match self {
            Self::Moments(moments) => Some(moments.time_tag),
            _ => None,
        }
    }

    /// Whether a stored value matches; of several values one is enough.
    pub(crate) fn matches(&self, stored: &str) -> bool {
        match self {
            Self::Every(matchers) => return matchers.iter().all(|matcher| matcher.matches(stored)),
            Self::Items(keys) => return keys.matches(stored),
            _ => {}
        }
        stored.split('\\').map(trimmed).filter(|value| !value.is_empty()).any(|value| self.matches_one(value))
    }

    fn matches_one(&self, value: &str) -> bool {
        match self {
            Self::Uids(uids) => uids.binary_search_by(|uid| uid.as_str().cmp(value)).is_ok(),
            Self::Text(patterns) => patterns.iter().any(|pattern| matches_wildcards(pattern, value)),
            Self::Name(key) => matches_name(key, value),
            Self::Dates(range) => {
                let date = date_digits(value);
                range.from <= date && date <= range.to
            }
            Self::Times(range) => {
                time_span(value).is_some_and(|span| range.from <= span.from && span.from <= range.to)
            }
            Self::Number(wanted) => *wanted == number(value),
            Self::Moments(moments) => moments.matches(value, None),
            Self::Nothing | Self::Every(_) | Self::Items(_) => false,
        }
    }
}

/// Leading and trailing spaces and NULs are padding in every value representation matched here.
fn trimmed(value: &str) -> &str {
    value.trim_matches([' ', '\0'])
}

/// Of several `*` one behind the other one is left, which says the same.
fn pattern(text: &str) -> String {
    let mut pattern = String::with_capacity(text.len());
    for character in text.chars() {
        if character != '*' || !pattern.ends_with('*') {
            pattern.push(character);
        }
    }
    pattern
}

fn number(text: &str) -> Number {
    text.parse().map_or_else(|_| Number::Text(text.to_owned()), Number::Whole)
}

/// A key of one group matches any group; with several, each group is compared with its like.
fn matches_name(key: &[String], value: &str) -> bool {
    let stored = names::groups(value);
    match key {
        [only] => stored.iter().any(|group| matches_wildcards(only, group)),
        several => several.iter().enumerate().all(|(place, pattern)| {
            let group = stored.get(place).map_or("", String::as_str);
            pattern.is_empty() || matches_wildcards(pattern, group)
        }),
    }
}

/// Whether `text` is what `pattern` says, where `*` stands for any characters and `?` for one.
///
/// Goes back only to the last `*`, and not at all where the pattern asks for more characters than there are: a pattern of any
/// length costs its own length and the square of that of the text, which is short, whatever a peer sends.
pub(crate) fn matches_wildcards(pattern: &str, text: &str) -> bool {
    if pattern.chars().filter(|character| *character != '*').nth(text.chars().count()).is_some() {
        return false;
    }
    let (mut pattern, mut text) = (pattern.chars(), text.chars());
    let mut star: Option<(std::str::Chars<'_>, std::str::Chars<'_>)> = None;
    loop {
        match (pattern.clone().next(), text.clone().next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                pattern.next();
                star = Some((pattern.clone(), text.clone()));
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {
                pattern.next();
                text.next();
            }
            _ => {
                let Some((after_star, taken_by_star)) = &mut star else { return false };
                if taken_by_star.next().is_none() {
                    return false;
                }
                pattern = after_star.clone();
                text = taken_by_star.clone();
            }
        }
    }
}

/// A date without the dots of the old form (PS3.5 section 6.2).
pub(crate) fn date_digits(value: &str) -> String {
    trimmed(value).chars().filter(|character| *character != '.').collect()
}

fn date_range(value: &str) -> Range<String> {
    match value.split_once('-') {
        None => Range { from: date_digits(value), to: date_digits(value) },
        Some((from, to)) => {
            let to = date_digits(to);
            Range { from: date_digits(from), to: if to.is_empty() { "99999999".to_owned() } else { to } }
        }
    }
}

const DAY_US: u64 = 86_400_000_000;

/// `None` where no end of the range is a time: such a key cannot be compared, and is not.
fn time_range(value: &str) -> Option<Range<u64>> {
    let Some((from, to)) = value.split_once('-') else { return time_span(value) };
    let (from, to) = (time_span(from), time_span(to));
    if from.is_none() && to.is_none() {
        return None;
    }
    Some(Range { from: from.map_or(0, |span| span.from), to: to.map_or(DAY_US, |span| span.to) })
}

/// The microseconds a time of any precision covers: `10` is all from 10:00:00.000000 to 10:59:59.999999.
fn time_span(value: &str) -> Option<Range<u64>> {
    let digits: String = trimmed(value).chars().filter(|character| *character != ':').collect();
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    if whole.is_empty() || !whole.len().is_multiple_of(2) || whole.len() > 6 || fraction.len() > 6 {
        return None;
    }
    if !digits.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
        return None;
    }
    let part = |at: usize| whole.get(at..at + 2).map_or(Some(0), |two| two.parse::<u64>().ok());
    let (hours, minutes, seconds) = (part(0)?, part(2)?, part(4)?);
    let fraction_us = format!("{fraction:0<6}").parse::<u64>().ok()?;
    let from = ((hours * 60 + minutes) * 60 + seconds) * 1_000_000 + fraction_us;
    let width = match (whole.len(), fraction.len()) {
        (2, _) => 3_600_000_000,
        (4, _) => 60_000_000,
        (_, places) => 10u64.pow(6 - u32::try_from(places).unwrap_or(6)),
    };
    Some(Range { from, to: from + width - 1 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rustfmt::skip]
    const TABLE: &[(Kind, &str, &[&str], &[&str])] = &[
        // Single value: exact, padding apart, case counts.
        (Kind::Text, "CT ", &["CT", " CT "], &["ct", "CT1", ""]),
        (Kind::Text, "CT\\MR", &["CT", "MR", "OT\\MR"], &["OT"]),
        (Kind::Number, "7", &["7", "07", "+7", " 7 "], &["70", "x", ""]),
        (Kind::Number, "7a", &["7a"], &["7"]),
        // List of UIDs; no wildcards.
        (Kind::Uid, "1.2\\1.3\0", &["1.2", "1.3"], &["1.23", "1"]),
        (Kind::Uid, "1.*", &[], &["1.2"]),
        // Wildcards.
        (Kind::Text, "*HEAD*", &["HEAD", "CT HEAD", "HEADS", "XHEADHEADY"], &["HEA", "head"]),
        (Kind::Text, "A?C*", &["ABC", "ABCD", "A\u{E4}C"], &["AC", "ABBC"]),
        (Kind::Text, "?", &["A", "\u{E4}"], &["AB"]),
        (Kind::Text, "a*b*c", &["abc", "aXbXbXc", "abbcc"], &["ab", "acb"]),
        (Kind::Text, "**", &["A"], &[""]),
        // Names: case, trailing delimiters, component groups.
        (Kind::Name, "doe^jane", &["DOE^JANE", "Doe^Jane^^^", "Doe^Jane=\u{5C71}"], &["DOE", "DOE^JANET"]),
        (Kind::Name, "DOE*", &["Doe^Jane", "DOEHRING", "\u{5C71}=doe"], &["ADOE"]),
        (Kind::Name, "\u{5C71}*", &["YAMADA=\u{5C71}\u{7530}"], &["YAMADA"]),
        (Kind::Name, "Y*=\u{5C71}*", &["Yamada=\u{5C71}\u{7530}"], &["Yamada", "X=\u{5C71}"]),
        (Kind::Name, "=\u{5C71}", &["Yamada=\u{5C71}", "=\u{5C71}"], &["\u{5C71}"]),
        // Dates.
        (Kind::Date, "20240229", &["20240229", "2024.02.29"], &["20240228", ""]),
        (Kind::Date, "2024.01.01-20240131", &["20240101", "20240131", "20240115"], &["20240201", "20231231", ""]),
        (Kind::Date, "20240101-", &["20240101", "20991231"], &["20231231"]),
        (Kind::Date, "-20240101", &["20240101", "19000101"], &["20240102"]),
        (Kind::Date, "20240101 - 20240102", &["20240102"], &["20240103"]),
        // Times: any precision, colons of the old form.
        (Kind::Time, "10", &["10", "100000", "105959.999999", "10:30"], &["110000", "095959", "x"]),
        (Kind::Time, "101500", &["101500", "101500.5"], &["101501", "101459"]),
        (Kind::Time, "101500.25", &["101500.25", "101500.259"], &["101500.26"]),
        (Kind::Time, "08-0959", &["080000", "095959"], &["075959", "100000"]),
        (Kind::Time, "-12", &["000000", "125959"], &["130000"]),
        (Kind::Time, "23-", &["235959", "235960"], &["225959"]),
    ];

    #[test]
    fn keys_match_what_they_shall() {
        for (kind, key, good, bad) in TABLE {
            let matcher = Matcher::new(*kind, key).unwrap_or_else(|| panic!("{key} matches everything"));
            for value in *good {
                assert!(matcher.matches(value), "{kind:?} `{key}` shall match `{value}`");
            }
            for value in *bad {
                assert!(!matcher.matches(value), "{kind:?} `{key}` shall not match `{value}`");
            }
        }
    }

    #[test]
    fn universal_keys_match_everything() {
        for kind in [Kind::Text, Kind::Uid, Kind::Name, Kind::Date, Kind::Time, Kind::Number] {
            for key in ["", "*", "  ", "\0"] {
                assert_eq!(Matcher::new(kind, key), None, "{kind:?} {key:?}");
            }
        }
    }

    #[test]
    fn a_hostile_pattern_costs_no_more_than_the_product_of_lengths() {
        let pattern = "a*".repeat(1000) + "b";
        assert!(!matches_wildcards(&pattern, &"a".repeat(4000)));
        // As long as an identifier may be, before a thousand values.
        let pattern = "?*a".repeat(350_000);
        for _ in 0..1000 {
            assert!(!matches_wildcards(&pattern, &"a".repeat(64)));
        }
    }
}
