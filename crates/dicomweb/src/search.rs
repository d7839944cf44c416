//! The parameters of a search transaction (PS3.18 section 8.3.4 and table 10.6.1-2).

use outrigger_dataset::dictionary;
use outrigger_model::{Level, Query, QueryKey, QueryRoot, SeriesUid, StudyUid, Tag};
use percent_encoding::percent_decode_str;

/// Matches of one answer where no limit is asked for: as much as a viewer's list shows many times over.
pub const LIMIT_DEFAULT: usize = 10_000;
/// Keys of one search: a dictionary's worth is never asked for.
const KEYS_MAX: usize = 200;

/// What is searched, and how much of it is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Search {
    /// The keys, in the words of the model.
    pub query: Query,
    /// At most so many matches.
    pub limit: usize,
    /// Matches left out at the beginning.
    pub offset: usize,
    /// Whether fuzzy matching of names was asked for.
    pub fuzzy: Fuzzy,
}

/// Whether fuzzy matching of person names is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Fuzzy {
    /// It is not.
    #[default]
    No,
    /// It is; names are matched literally all the same, and the answer says so.
    Asked,
}

/// The resource that a search is below.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Within {
    /// Its study.
    pub study: Option<StudyUid>,
    /// Its series.
    pub series: Option<SeriesUid>,
}

/// Why parameters make no search; each is 400.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SearchError {
    /// No attribute of that name.
    #[error("`{0}` is neither a keyword nor a tag of the data dictionary, and no search parameter")]
    Unknown(String),
    /// A sequence, or an attribute within one.
    #[error("`{0}` lies in a sequence; sequences cannot be matched here")]
    Sequence(String),
    /// A number is expected.
    #[error("`{name}` is `{value}`; a whole number is expected")]
    Number {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
    },
    /// True or false is expected.
    #[error("`fuzzymatching` is `{0}`; `true` or `false` is expected")]
    Truth(String),
    /// A value that no attribute has, or that is not text.
    #[error("the value of `{0}` has a character that cannot stand there")]
    Value(String),
    /// Escapes that are none, or that are no UTF-8.
    #[error("the query cannot be read: its escapes are not those of UTF-8 text (RFC 3986 section 2.1)")]
    Escapes,
    /// Given with different values.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// More keys than are taken.
    #[error("more than {KEYS_MAX} attributes are asked for")]
    TooMany,
}

/// The parameters of a query string, decoded; a `+` is a space, as forms and most clients write it.
pub fn parameters(query: &str) -> Result<Vec<(String, String)>, SearchError> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    if pairs.clone().count() > KEYS_MAX {
        return Err(SearchError::TooMany);
    }
    let decoded = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        Ok((decoded(name)?, decoded(value)?))
    };
    pairs.map(decoded).collect()
}

fn decoded(text: &str) -> Result<String, SearchError> {
    let is_escape =
        |after: &str| after.get(..2).is_some_and(|two| two.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if !text.split('%').skip(1).all(is_escape) {
        return Err(SearchError::Escapes);
    }
    let spaced = text.replace('+', " ");
    let text = percent_decode_str(&spaced).decode_utf8();
    text.map(Into::into).map_err(|_| SearchError::Escapes)
}

/// Makes a search of the parameters, in the order of the query string, decoded.
pub fn search(level: Level, within: &Within, parameters: &[(String, String)]) -> Result<Search, SearchError> {
    let mut keys = Keys::of(within);
    let (mut limit, mut offset, mut fuzzy) = (LIMIT_DEFAULT, 0, Fuzzy::No);
    let mut included = Vec::new();
    for (name, value) in parameters {
        match name.as_str() {
            "limit" => limit = number("limit", value)?.min(LIMIT_DEFAULT),
            "offset" => offset = number("offset", value)?,
            "fuzzymatching" => {
                fuzzy = match value.as_str() {
                    "true" => Fuzzy::Asked,
                    "false" => Fuzzy::No,
                    _ => return Err(SearchError::Truth(value.clone())),
                }
            }
            "includefield" => included.extend(fields(level, value)?),
            _ if value.chars().any(char::is_control) => return Err(SearchError::Value(name.clone())),
            _ => keys.put(attribute(name)?, &matching(value), name)?,
        }
    }
    for tag in defaults(level, within).chain(included) {
        keys.include(tag);
    }
    if keys.0.len() > KEYS_MAX {
        return Err(SearchError::TooMany);
    }
    let query = Query::new(QueryRoot::Study, level, keys.0);
    Ok(Search { query, limit, offset, fuzzy })
}

struct Keys(Vec<QueryKey>);

impl Keys {
    fn of(within: &Within) -> Self {
        let study = within.study.iter().map(|uid| (Tag::STUDY_INSTANCE_UID, uid.as_str()));
        let series = within.series.iter().map(|uid| (Tag::SERIES_INSTANCE_UID, uid.as_str()));
        Self(study.chain(series).map(|(tag, value)| QueryKey { tag, value: value.to_owned() }).collect())
    }

    fn put(&mut self, tag: Tag, value: &str, name: &str) -> Result<(), SearchError> {
        match self.0.iter().find(|key| key.tag == tag) {
            None => self.0.push(QueryKey { tag, value: value.to_owned() }),
            Some(same) if same.value == value => {}
            Some(_) => return Err(SearchError::Twice(name.to_owned())),
        }
        Ok(())
    }

    fn include(&mut self, tag: Tag) {
        if self.0.iter().all(|key| key.tag != tag) {
            self.0.push(QueryKey { tag, value: String::new() });
        }
    }
}

fn number(name: &'static str, value: &str) -> Result<usize, SearchError> {
    value.parse().map_err(|_| SearchError::Number { name, value: value.to_owned() })
}

/// A list of UIDs stands with commas in a URL, and with backslashes in an identifier.
fn matching(value: &str) -> String {
    let is_uids = value.contains(',')
        && value.chars().all(|character| character.is_ascii_digit() || matches!(character, '.' | ',' | ' '));
    if is_uids { value.replace(',', "\\").replace(' ', "") } else { value.to_owned() }
}

/// The attribute that a parameter names, by keyword or by its eight digits.
fn attribute(name: &str) -> Result<Tag, SearchError> {
    if name.contains('.') {
        return Err(SearchError::Sequence(name.to_owned()));
    }
    let by_digits = (name.len() == 8).then(|| Tag::from_hex(name).ok()).flatten();
    by_digits.or_else(|| dictionary::by_keyword(name)).ok_or_else(|| SearchError::Unknown(name.to_owned()))
}

/// The attributes of `includefield`: several with commas, or all that are known at the level.
fn fields(level: Level, value: &str) -> Result<Vec<Tag>, SearchError> {
    if value == "all" {
        return Ok(levels(level).flat_map(|level| all(level).iter().copied()).collect());
    }
    value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(attribute).collect()
}

/// Attributes that an answer has unasked (PS3.18 tables 10.6.3-3 to 10.6.3-5); of resources above, where a search is not below one of them.
fn defaults(level: Level, within: &Within) -> impl Iterator<Item = Tag> {
    let above = match (level, &within.study, &within.series) {
        (Level::Series, None, _) | (Level::Image, None, None) => &[Level::Study, Level::Series][..],
        (Level::Image, Some(_), None) => &[Level::Series][..],
        _ => &[][..],
    };
    let above: Vec<Level> = above.iter().copied().filter(|of| *of < level).collect();
    let unique = levels(level).map(unique);
    std::iter::once(level).chain(above).flat_map(|level| returned(level).iter().copied()).chain(unique)
}

/// The level and those above it, from the study on.
fn levels(level: Level) -> impl Iterator<Item = Level> {
    [Level::Study, Level::Series, Level::Image].into_iter().filter(move |of| *of <= level)
}

fn unique(level: Level) -> Tag {
    match level {
        Level::Patient => Tag::PATIENT_ID,
        Level::Study => Tag::STUDY_INSTANCE_UID,
        Level::Series => Tag::SERIES_INSTANCE_UID,
        Level::Image => Tag::SOP_INSTANCE_UID,
    }
}

fn returned(level: Level) -> &'static [Tag] {
    match level {
        Level::Patient => &[Tag::PATIENT_NAME, Tag::PATIENT_ID],
        Level::Study => &[
            Tag::STUDY_DATE,
            Tag::STUDY_TIME,
            Tag::ACCESSION_NUMBER,
            Tag::INSTANCE_AVAILABILITY,
            Tag::MODALITIES_IN_STUDY,
            Tag::REFERRING_PHYSICIAN,
            Tag::PATIENT_NAME,
            Tag::PATIENT_ID,
            Tag::PATIENT_BIRTH_DATE,
            Tag::PATIENT_SEX,
            Tag::STUDY_ID,
            Tag::STUDY_RELATED_SERIES,
            Tag::STUDY_RELATED_INSTANCES,
        ],
        Level::Series => {
            &[Tag::MODALITY, Tag::SERIES_DESCRIPTION, Tag::SERIES_NUMBER, Tag::SERIES_RELATED_INSTANCES]
        }
        Level::Image => &[
            Tag::SOP_CLASS_UID,
            Tag::INSTANCE_AVAILABILITY,
            Tag::INSTANCE_NUMBER,
            Tag::ROWS,
            Tag::COLUMNS,
            Tag::BITS_ALLOCATED,
            Tag::NUMBER_OF_FRAMES,
        ],
    }
}

/// What the catalogue knows beside what is returned unasked.
fn all(level: Level) -> &'static [Tag] {
    match level {
        Level::Patient => &[],
        Level::Study => &[Tag::STUDY_DESCRIPTION, Tag::ISSUER_OF_PATIENT_ID, Tag::SOP_CLASSES_IN_STUDY],
        Level::Series => &[
            Tag::SERIES_DATE,
            Tag::SERIES_TIME,
            Tag::BODY_PART_EXAMINED,
            Tag::LATERALITY,
            Tag::MANUFACTURER,
            Tag::INSTITUTION_NAME,
            Tag::STATION_NAME,
        ],
        Level::Image => &[Tag::CONTENT_DATE, Tag::CONTENT_TIME],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(level: Level, parameters: &[(&str, &str)]) -> Result<Search, SearchError> {
        let own = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        let parameters: Vec<_> = parameters.iter().map(own).collect();
        search(level, &Within::default(), &parameters)
    }

    fn value(search: &Search, tag: Tag) -> Option<&str> {
        search.query.keys.iter().find(|key| key.tag == tag).map(|key| key.value.as_str())
    }

    #[test]
    fn keys_come_by_keyword_and_by_tag_and_the_defaults_beside_them() {
        let parameters = [
            ("PatientName", "M\u{fc}ller*"),
            ("00080020", "20260101-"),
            ("StudyInstanceUID", "1.2,1.3"),
            ("includefield", "StudyDescription,00081030"),
            ("limit", "5"),
            ("offset", "10"),
            ("fuzzymatching", "true"),
        ];
        let search = of(Level::Study, &parameters).unwrap();
        assert_eq!(value(&search, Tag::PATIENT_NAME), Some("M\u{fc}ller*"));
        assert_eq!(value(&search, Tag::STUDY_DATE), Some("20260101-"));
        assert_eq!(value(&search, Tag::STUDY_INSTANCE_UID), Some("1.2\\1.3"));
        assert_eq!(value(&search, Tag::STUDY_DESCRIPTION), Some(""));
        assert_eq!(value(&search, Tag::STUDY_RELATED_INSTANCES), Some(""));
        assert_eq!((search.limit, search.offset, search.fuzzy), (5, 10, Fuzzy::Asked));
        assert_eq!(search.query.keys.iter().filter(|key| key.tag == Tag::STUDY_DESCRIPTION).count(), 1);
    }

    #[test]
    fn a_search_outside_a_study_says_which_study_an_answer_is_of() {
        let instances = of(Level::Image, &[]).unwrap();
        for tag in [Tag::STUDY_INSTANCE_UID, Tag::SERIES_INSTANCE_UID, Tag::PATIENT_ID, Tag::MODALITY] {
            assert_eq!(value(&instances, tag), Some(""), "{tag}");
        }
        let study = StudyUid::new("1.2").unwrap();
        let below = search(Level::Series, &Within { study: Some(study), series: None }, &[]).unwrap();
        assert_eq!(value(&below, Tag::STUDY_INSTANCE_UID), Some("1.2"));
        assert_eq!(value(&below, Tag::PATIENT_ID), None);
    }

    #[test]
    fn a_query_string_is_decoded_or_refused() {
        let pairs = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
            pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        for (query, expected) in [
            ("", pairs(&[])),
            (
                "PatientName=M%C3%BCller%5EJ%2A&limit=1",
                pairs(&[("PatientName", "M\u{fc}ller^J*"), ("limit", "1")]),
            ),
            (
                "StudyDescription=CT+Head%2B&&fuzzymatching",
                pairs(&[("StudyDescription", "CT Head+"), ("fuzzymatching", "")]),
            ),
            ("a==b=", pairs(&[("a", "=b=")])),
        ] {
            assert_eq!(parameters(query), Ok(expected), "{query}");
        }
        for bad in ["a=%", "a=%4", "a=%zz", "a=%C3", "%ff=1", "a=%C0%AE"] {
            assert_eq!(parameters(bad), Err(SearchError::Escapes), "{bad}");
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let unknown = |text: &str| SearchError::Unknown(text.to_owned());
        for (parameters, error) in [
            (&[("Patient", "x")][..], unknown("Patient")),
            (&[("' OR 1=1", "x")], unknown("' OR 1=1")),
            (&[("PatientID", "a\0b")], SearchError::Value("PatientID".to_owned())),
            (&[("limit", "-1")], SearchError::Number { name: "limit", value: "-1".to_owned() }),
            (&[("offset", "many")], SearchError::Number { name: "offset", value: "many".to_owned() }),
            (&[("fuzzymatching", "1")], SearchError::Truth("1".to_owned())),
            (&[("includefield", "Nothing")], unknown("Nothing")),
            (&[("00400275.00080050", "x")], SearchError::Sequence("00400275.00080050".to_owned())),
            (&[("PatientID", "1"), ("00100020", "2")], SearchError::Twice("00100020".to_owned())),
        ] {
            assert_eq!(of(Level::Study, parameters).unwrap_err(), error);
        }
    }
}
