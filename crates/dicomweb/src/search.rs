//! The parameters of a search transaction (PS3.18 section 8.3.4 and table 10.6.1-2).

use outrigger_dataset::dictionary;
use outrigger_dataset::element::Vr;
use outrigger_dataset::identifier::is_supported;
use outrigger_model::{Item, Items, Level, Query, QueryKey, QueryRoot, Rules, SeriesUid, StudyUid, Tag};
use percent_encoding::percent_decode_str;

/// Matches of one answer where no limit is asked for: as much as a viewer's list shows many times over.
pub const LIMIT_DEFAULT: usize = 10_000;
/// Parameters that say one thing for the whole search.
const ONCE: [&str; 5] = ["limit", "offset", "fuzzymatching", "emptyvaluematching", "multiplevaluematching"];
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
    /// Keys with a value that restrict nothing, since they are not supported at the level (PS3.4 section C.2.2.1.3), as they
    /// were written.
    pub unsupported: Vec<String>,
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
    /// A sequence with a value of its own, an attribute of what is none, or one within more than one sequence.
    #[error("`{0}` is no attribute of the items of a sequence; `Sequence.Attribute` is expected")]
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
    #[error("`{name}` is `{value}`; `true` or `false` is expected")]
    Truth {
        /// The parameter.
        name: &'static str,
        /// Its value.
        value: String,
    },
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
    ONCE.iter().try_for_each(|name| at_most_once(name, parameters))?;
    let mut keys = Keys::of(within);
    let mut unsupported = Vec::new();
    let (mut limit, mut offset, mut fuzzy) = (LIMIT_DEFAULT, 0, Fuzzy::No);
    let mut included = Vec::new();
    let mut rules = Rules::default();
    for (name, value) in parameters {
        match name.as_str() {
            "limit" => limit = number("limit", value)?.min(LIMIT_DEFAULT),
            "offset" => offset = number("offset", value)?,
            "fuzzymatching" => {
                fuzzy = if is_true("fuzzymatching", value)? { Fuzzy::Asked } else { Fuzzy::No };
            }
            "emptyvaluematching" => rules.empty_values = is_true("emptyvaluematching", value)?,
            // How the answer is to be written is looked at where it is.
            "accept" | "charset" => {}
            "multiplevaluematching" => rules.multiple_values = is_true("multiplevaluematching", value)?,
            "includefield" => included.extend(fields(level, value)?),
            _ if value.chars().any(char::is_control) => return Err(SearchError::Value(name.clone())),
            _ => {
                let (named, value) = (named(name)?, matching(value));
                if !value.is_empty() && !named.is_supported(level, &value) {
                    unsupported.push(name.clone());
                }
                keys.put(named, &value, name)?;
            }
        }
    }
    for named in defaults(level, within).map(Named::Attribute).chain(included) {
        keys.include(named);
    }
    if keys.0.len() > KEYS_MAX {
        return Err(SearchError::TooMany);
    }
    let query = Query { rules, ..Query::new(QueryRoot::Study, level, keys.0) };
    Ok(Search { query, limit, offset, fuzzy, unsupported })
}

/// One that is given twice with the same value says nothing else.
fn at_most_once(name: &str, parameters: &[(String, String)]) -> Result<(), SearchError> {
    let mut values = parameters.iter().filter(|(given, _)| given == name).map(|(_, value)| value);
    let first = values.next();
    if values.all(|value| Some(value) == first) { Ok(()) } else { Err(SearchError::Twice(name.to_owned())) }
}

struct Keys(Vec<QueryKey>);

impl Keys {
    fn of(within: &Within) -> Self {
        let study = within.study.iter().map(|uid| (Tag::STUDY_INSTANCE_UID, uid.as_str()));
        let series = within.series.iter().map(|uid| (Tag::SERIES_INSTANCE_UID, uid.as_str()));
        Self(study.chain(series).map(|(tag, value)| QueryKey { tag, value: value.to_owned() }).collect())
    }

    fn put(&mut self, named: Named, value: &str, name: &str) -> Result<(), SearchError> {
        let tag = match named {
            Named::Attribute(tag) if is_sequence(tag) && !value.is_empty() => {
                return Err(SearchError::Sequence(name.to_owned()));
            }
            Named::Attribute(tag) => tag,
            Named::Within(sequence, tag) => return self.put_within(sequence, tag, value, name),
        };
        match self.0.iter().find(|key| key.tag == tag) {
            None => self.0.push(QueryKey { tag, value: value.to_owned() }),
            Some(same) if same.value == value => {}
            Some(_) => return Err(SearchError::Twice(name.to_owned())),
        }
        Ok(())
    }

    /// Puts the key of an attribute into the one item of its sequence (PS3.4 section C.2.2.2.6).
    fn put_within(&mut self, sequence: Tag, tag: Tag, value: &str, name: &str) -> Result<(), SearchError> {
        let at = self.0.iter().position(|key| key.tag == sequence);
        let mut items = at.and_then(|at| Items::from_text(&self.0.get(at)?.value)).unwrap_or_default();
        if items.0.is_empty() {
            items.0.push(Item::new());
        }
        for item in &mut items.0 {
            match item.get(&tag).filter(|same| !same.is_empty()) {
                Some(same) if !value.is_empty() && same != value => {
                    return Err(SearchError::Twice(name.to_owned()));
                }
                Some(_) => {}
                None => drop(item.insert(tag, value.to_owned())),
            }
        }
        match at.and_then(|at| self.0.get_mut(at)) {
            Some(key) => key.value = items.to_text(),
            None => self.0.push(QueryKey { tag: sequence, value: items.to_text() }),
        }
        Ok(())
    }

    fn include(&mut self, named: Named) {
        let tag = match named {
            Named::Attribute(tag) => tag,
            Named::Within(sequence, tag) => {
                // Of a sequence that is wanted as a whole the attribute is there.
                let is_whole = self.0.iter().any(|key| key.tag == sequence && key.value.is_empty());
                if !is_whole {
                    self.put_within(sequence, tag, "", "")
                        .expect("nothing contradicts an attribute without a value");
                }
                return;
            }
        };
        if self.0.iter().all(|key| key.tag != tag) {
            self.0.push(QueryKey { tag, value: String::new() });
        }
    }
}

fn number(name: &'static str, value: &str) -> Result<usize, SearchError> {
    value.parse().map_err(|_| SearchError::Number { name, value: value.to_owned() })
}

fn is_true(name: &'static str, value: &str) -> Result<bool, SearchError> {
    value.parse().map_err(|_| SearchError::Truth { name, value: value.to_owned() })
}

/// A list of UIDs stands with commas in a URL, and with backslashes in an identifier.
fn matching(value: &str) -> String {
    let is_uids = value.contains(',')
        && value.chars().all(|character| character.is_ascii_digit() || matches!(character, '.' | ',' | ' '));
    if is_uids { value.replace(',', "\\").replace(' ', "") } else { value.to_owned() }
}

/// What a parameter names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Named {
    /// An attribute.
    Attribute(Tag),
    /// An attribute of the items of a sequence.
    Within(Tag, Tag),
}

impl Named {
    /// Whether entities of a level are told apart by it.
    fn is_supported(self, level: Level, value: &str) -> bool {
        match self {
            Self::Attribute(tag) => is_supported(level, tag, value),
            Self::Within(sequence, tag) => {
                let item: Item = [(tag, value.to_owned())].into_iter().collect();
                is_supported(level, sequence, &Items(vec![item]).to_text())
            }
        }
    }
}

/// The attribute that a parameter names, by keywords or by their eight digits (PS3.18 section 8.3.4.1).
fn named(name: &str) -> Result<Named, SearchError> {
    let Some((sequence, within)) = name.split_once('.') else {
        return Ok(Named::Attribute(attribute(name)?));
    };
    let outside = || SearchError::Sequence(name.to_owned());
    if within.contains('.') {
        return Err(outside());
    }
    let (sequence, within) = (attribute(sequence)?, attribute(within)?);
    if !is_sequence(sequence) || is_sequence(within) {
        return Err(outside());
    }
    Ok(Named::Within(sequence, within))
}

fn is_sequence(tag: Tag) -> bool {
    dictionary::vr(tag) == Vr::SQ
}

fn attribute(name: &str) -> Result<Tag, SearchError> {
    let by_digits = (name.len() == 8).then(|| Tag::from_hex(name).ok()).flatten();
    by_digits.or_else(|| dictionary::by_keyword(name)).ok_or_else(|| SearchError::Unknown(name.to_owned()))
}

/// The attributes of `includefield`: several with commas, or all that are known at the level.
fn fields(level: Level, value: &str) -> Result<Vec<Named>, SearchError> {
    if value == "all" {
        return Ok(levels(level)
            .flat_map(|level| all(level).iter().copied())
            .map(Named::Attribute)
            .collect());
    }
    value.split(',').map(str::trim).filter(|name| !name.is_empty()).map(named).collect()
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
        Level::Study => &[
            Tag::STUDY_DESCRIPTION,
            Tag::ISSUER_OF_PATIENT_ID,
            Tag::SOP_CLASSES_IN_STUDY,
            Tag::ISSUER_OF_ACCESSION_NUMBER,
            Tag::PROCEDURE_CODES,
            Tag::OTHER_PATIENT_IDS,
        ],
        Level::Series => &[
            Tag::SERIES_DATE,
            Tag::SERIES_TIME,
            Tag::BODY_PART_EXAMINED,
            Tag::LATERALITY,
            Tag::MANUFACTURER,
            Tag::INSTITUTION_NAME,
            Tag::STATION_NAME,
            Tag::REQUEST_ATTRIBUTES,
            Tag::PERFORMED_PROTOCOL_CODES,
        ],
        Level::Image => &[
            Tag::CONTENT_DATE,
            Tag::CONTENT_TIME,
            Tag::ANATOMIC_REGIONS,
            Tag::CONCEPT_NAME,
            Tag::REFERENCED_REQUESTS,
            Tag::CONTENT_TEMPLATE,
        ],
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

    /// The attributes of one sequence stand in one item, whatever order they come in.
    #[test]
    fn attributes_within_sequences_make_one_item() {
        let of = |parameters: &[(&str, &str)]| {
            let search = of(Level::Series, parameters).unwrap();
            value(&search, Tag::REQUEST_ATTRIBUTES).map(str::to_owned)
        };
        let step = ("RequestAttributesSequence.ScheduledProcedureStepID", "S1");
        let request = ("00400275.00401001", "R1");
        let both = r#"[{"00400009":"S1","00401001":"R1"}]"#;
        for (parameters, expected) in [
            (&[step, request][..], both),
            (&[request, step, request], both),
            (&[("includefield", "RequestAttributesSequence"), step], r#"[{"00400009":"S1"}]"#),
            (&[("includefield", "00400275.00401001"), step], r#"[{"00400009":"S1","00401001":""}]"#),
            (
                &[("includefield", "00400275.00401001,00400275.00400009")],
                r#"[{"00400009":"","00401001":""}]"#,
            ),
            (&[("includefield", "RequestAttributesSequence,00400275.00401001")], ""),
            (&[("RequestAttributesSequence", "")], ""),
            (&[("includefield", "all")], ""),
        ] {
            assert_eq!(of(parameters).as_deref(), Some(expected), "{parameters:?}");
        }
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn rules_of_matching_are_agreed_on_by_parameters() {
        let asked = |name, value| of(Level::Study, &[(name, value)]).unwrap().query.rules;
        assert!(asked("multiplevaluematching", "true").multiple_values);
        assert!(asked("emptyvaluematching", "true").empty_values);
        for (name, value) in [
            ("multiplevaluematching", "false"),
            ("emptyvaluematching", "false"),
            ("accept", "application/dicom+json"),
        ] {
            assert_eq!(asked(name, value), Rules::default(), "{name}");
        }
        let wrong = of(Level::Study, &[("emptyvaluematching", "1")]).unwrap_err();
        assert_eq!(wrong, SearchError::Truth { name: "emptyvaluematching", value: "1".to_owned() });
    }

    #[test]
    fn keys_that_restrict_nothing_are_named() {
        let unsupported = |level, parameters: &[(&str, &str)]| of(level, parameters).unwrap().unsupported;
        let all = [
            ("SOPInstanceUID", "1.2"),
            ("0020000E", "1.2"),
            ("Modality", "CT"),
            ("NumberOfStudyRelatedInstances", "3"),
            ("PixelData", "x"),
            ("RequestAttributesSequence.ScheduledProcedureStepID", "S1"),
            ("00400275.00400002", "x"),
        ];
        let names = all.map(|(name, _)| name);
        assert_eq!(unsupported(Level::Study, &all), names);
        assert_eq!(unsupported(Level::Series, &all), [names[0], names[3], names[4], names[6]]);
        assert_eq!(unsupported(Level::Image, &all), [names[3], names[4], names[6]]);
        let good = [
            ("StudyDate", "20240101-"),
            ("PatientID", "1"),
            ("ModalitiesInStudy", "CT"),
            ("SOPInstanceUID", ""),
            ("includefield", "PixelData,00400275.00400002"),
        ];
        assert!(unsupported(Level::Study, &good).is_empty());
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
        let within = |text: &str| SearchError::Sequence(text.to_owned());
        for (parameters, error) in [
            (&[("Patient", "x")][..], unknown("Patient")),
            (&[("' OR 1=1", "x")], unknown("' OR 1=1")),
            (&[("PatientID", "a\0b")], SearchError::Value("PatientID".to_owned())),
            (&[("limit", "-1")], SearchError::Number { name: "limit", value: "-1".to_owned() }),
            (&[("offset", "many")], SearchError::Number { name: "offset", value: "many".to_owned() }),
            (&[("fuzzymatching", "1")], SearchError::Truth { name: "fuzzymatching", value: "1".to_owned() }),
            (&[("includefield", "Nothing")], unknown("Nothing")),
            (&[("00400275.00400008.00080100", "x")], within("00400275.00400008.00080100")),
            (&[("00400275.00400008", "x")], within("00400275.00400008")),
            (&[("PatientID.00080050", "x")], within("PatientID.00080050")),
            (&[("RequestAttributesSequence", "x")], within("RequestAttributesSequence")),
            (
                &[("00400275.00400009", "x"), ("RequestAttributesSequence.00400009", "y")],
                SearchError::Twice("RequestAttributesSequence.00400009".to_owned()),
            ),
            (
                &[("multiplevaluematching", "yes")],
                SearchError::Truth { name: "multiplevaluematching", value: "yes".to_owned() },
            ),
            (&[("PatientID", "1"), ("00100020", "2")], SearchError::Twice("00100020".to_owned())),
            (&[("limit", "1"), ("limit", "2")], SearchError::Twice("limit".to_owned())),
            (&[("offset", "0"), ("limit", "2"), ("offset", "1")], SearchError::Twice("offset".to_owned())),
            (
                &[("fuzzymatching", "true"), ("fuzzymatching", "false")],
                SearchError::Twice("fuzzymatching".to_owned()),
            ),
        ] {
            assert_eq!(of(Level::Study, parameters).unwrap_err(), error);
        }
        assert_eq!(of(Level::Study, &[("limit", "2"), ("limit", "2")]).unwrap().limit, 2);
    }
}
