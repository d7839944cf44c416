//! The identifier of a C-FIND request as an archive takes it, checked by the rules of its level.

use outrigger_model::{Answer, Items, Level, Query, QueryKey, QueryRoot, Rules, Tag};

use super::keys::is_supported;
use super::read::{attributes, declared, level, read};
use super::write::write_answer_in;
use super::{IdentifierError, VALUES_MAX};
use crate::dictionary;
use crate::element::Vr;
use crate::form::Form;

/// A query with what its answers need to know of it.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The query.
    pub query: Query,
    form: Form,
    declared: String,
}

/// Reads a C-FIND identifier by the rules agreed on (PS3.4 sections C.4.1.2 and C.4.1.3).
pub fn read_find(root: QueryRoot, form: Form, bytes: &[u8], rules: Rules) -> Result<Asked, IdentifierError> {
    let data_set = read(form, bytes)?;
    let level = level(root, &data_set)?;
    let keys: Vec<QueryKey> = attributes(&data_set).map(|(tag, value)| QueryKey { tag, value }).collect();
    if !rules.relational && !names_by_uid(level, &keys) {
        unique_keys_above(root, level).try_for_each(|tag| has_single(level, tag, &keys))?;
    }
    keys.iter().try_for_each(check_key)?;
    let declared = declared(&data_set).trim().to_owned();
    Ok(Asked { query: Query { root, level, keys, rules }, form, declared })
}

impl Asked {
    /// Whether every key is supported; the answers say so if one is not (status FF01).
    pub fn is_supported(&self) -> bool {
        self.query.keys.iter().all(|key| is_supported(self.query.level, key.tag, &key.value))
    }

    /// Writes the identifier of a response, in the character set of the request where that holds every value, else in UTF-8.
    pub fn answer(&self, answer: &Answer) -> Vec<u8> {
        write_answer_in(self.form, &self.declared, &self.query, answer)
    }
}

/// The unique keys of the levels above one (PS3.4 tables C.6-1 to C.6-4).
fn unique_keys_above(root: QueryRoot, level: Level) -> impl Iterator<Item = Tag> {
    const KEYS: [(Level, Tag); 3] = [
        (Level::Patient, Tag::PATIENT_ID),
        (Level::Study, Tag::STUDY_INSTANCE_UID),
        (Level::Series, Tag::SERIES_INSTANCE_UID),
    ];
    let above =
        move |(of, _): &(Level, Tag)| *of < level && (root == QueryRoot::Patient || *of > Level::Patient);
    KEYS.into_iter().filter(above).map(|(_, tag)| tag)
}

/// Whether a unique key at or above a level names entities by their UIDs: then the other keys above it say nothing more, and a
/// query without them is answered, as if it were relational.
fn names_by_uid(level: Level, keys: &[QueryKey]) -> bool {
    const KEYS: [(Level, Tag); 3] = [
        (Level::Study, Tag::STUDY_INSTANCE_UID),
        (Level::Series, Tag::SERIES_INSTANCE_UID),
        (Level::Image, Tag::SOP_INSTANCE_UID),
    ];
    let is_uids = |value: &str| {
        let is_uid =
            |uid: &str| !uid.is_empty() && uid.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        value.split('\\').all(|uid| is_uid(uid.trim_matches([' ', '\0'])))
    };
    let unique = KEYS.iter().filter(|(of, _)| *of <= level).map(|(_, tag)| *tag);
    unique.into_iter().any(|tag| keys.iter().any(|key| key.tag == tag && is_uids(&key.value)))
}

fn has_single(level: Level, tag: Tag, keys: &[QueryKey]) -> Result<(), IdentifierError> {
    let is_single = |value: &str| !value.is_empty() && !value.contains(['\\', '*', '?']);
    if keys.iter().any(|key| key.tag == tag && is_single(&key.value)) {
        return Ok(());
    }
    Err(IdentifierError::NoSingleKey { level, tag })
}

/// Refuses a key whose value nothing can match: a date or time that is none, or a range of such; more values than are compared.
pub fn check_key(key: &QueryKey) -> Result<(), IdentifierError> {
    let QueryKey { tag, value } = key;
    let vr = dictionary::vr(*tag);
    if vr == Vr::SQ {
        return check_item(*tag, value);
    }
    let found = value.split('\\').count();
    if vr != Vr::UI && found > VALUES_MAX {
        return Err(IdentifierError::TooManyValues { tag: *tag, found });
    }
    let (what, is_one): (&str, fn(&str) -> bool) = match vr {
        Vr::DA => ("date", is_date),
        Vr::TM => ("time", is_time),
        _ => return Ok(()),
    };
    let ends: Vec<&str> = value.split('-').map(str::trim).collect();
    let is_good = match ends.as_slice() {
        ["" | "*" | "\"\""] => true,
        [one] => is_one(one),
        [from, to] => {
            (!from.is_empty() || !to.is_empty()) && [from, to].iter().all(|end| end.is_empty() || is_one(end))
        }
        _ => false,
    };
    if is_good { Ok(()) } else { Err(IdentifierError::NoMoment { tag: *tag, what }) }
}

/// One item at most, whose keys are keys as others are (PS3.4 section C.2.2.2.6).
fn check_item(tag: Tag, value: &str) -> Result<(), IdentifierError> {
    let items = Items::from_text(value).unwrap_or_default().0;
    match items.len() {
        0 => Ok(()),
        1 => items.into_iter().flatten().try_for_each(|(tag, value)| {
            // What a sequence within it asks for is not known any more.
            if dictionary::vr(tag) == Vr::SQ { Ok(()) } else { check_key(&QueryKey { tag, value }) }
        }),
        found => Err(IdentifierError::TooManyItems { tag, found }),
    }
}

/// Eight digits, or the old form with dots (PS3.5 section 6.2). The days of the single months are not told apart: user interfaces
/// write the 31st for the last of any.
fn is_date(text: &str) -> bool {
    let digits: String = text.chars().filter(|character| *character != '.').collect();
    digits.len() == 8
        && digits.bytes().all(|byte| byte.is_ascii_digit())
        && is_between(&digits, 4, 1, 12)
        && is_between(&digits, 6, 1, 31)
}

/// Hours, minutes, seconds and a fraction, cut anywhere behind the hours; or the old form with colons. Midnight is 00 and never
/// 24; the second 60 is a leap second (PS3.5 table 6.2-1).
fn is_time(text: &str) -> bool {
    let digits: String = text.chars().filter(|character| *character != ':').collect();
    let (whole, fraction) = digits.split_once('.').unwrap_or((&digits, ""));
    matches!(whole.len(), 2 | 4 | 6)
        && fraction.len() <= 6
        && whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit())
        && is_between(whole, 0, 0, 23)
        && is_between(whole, 2, 0, 59)
        && is_between(whole, 4, 0, 60)
}

/// Whether the two digits at a place, if there are any, are a number between two.
fn is_between(digits: &str, place: usize, least: u8, most: u8) -> bool {
    let two = digits.get(place..place + 2);
    two.is_none_or(|two| two.parse::<u8>().is_ok_and(|number| (least..=most).contains(&number)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_that_are_none_are_refused_also_as_ends_of_ranges() {
        let check = |tag, value: &str| check_key(&QueryKey { tag, value: value.to_owned() });
        for good in [
            "",
            "*",
            "\"\"",
            "20240229",
            "20240231",
            "2024.12.31",
            "20240101-",
            "-20241231",
            "20240101-20241231",
            "00010101-99991231",
        ] {
            assert!(check(Tag::STUDY_DATE, good).is_ok(), "{good}");
        }
        for bad in [
            "20241399",
            "20240001",
            "20240100",
            "20240132",
            "2024051",
            "20241301-",
            "-20240132",
            "20240101-20241399",
            "-",
            "hello",
            "20240101-20240102-20240103",
            "2024*",
            "20240101\\20240102",
        ] {
            assert!(matches!(check(Tag::STUDY_DATE, bad), Err(IdentifierError::NoMoment { .. })), "{bad}");
        }
        for good in
            ["", "00", "23", "2359", "235960", "10:30:00", "103000.123456", "0930-1030", "09-", "-235959.999"]
        {
            assert!(check(Tag::STUDY_TIME, good).is_ok(), "{good}");
        }
        for bad in ["9999", "24", "2400", "1260", "101061", "1", "123", "99-", "-2400", "0930-9999", "1x"] {
            assert!(matches!(check(Tag::STUDY_TIME, bad), Err(IdentifierError::NoMoment { .. })), "{bad}");
        }
        let within = r#"[{"00400002":"20241399"}]"#;
        assert!(check(Tag(0x0040, 0x0100), within).is_err());
    }
}
