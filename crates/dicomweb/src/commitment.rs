//! Storage commitment as web services ask for it and answer (PS3.18 section 13): the modules of Annex J in DICOM JSON.

mod by_study;

use std::collections::BTreeMap;
use std::fmt;

use outrigger_model::{SeriesPlace, SopClassUid, SopInstanceUid, UidError};
use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::{Map, Value, json};

/// Instances of one request at most: as many as are kept of one.
pub const INSTANCES_MAX: usize = 10_000;
/// Series of one request by study at most, those of each SOP class counted: what is kept of a request names each of them.
pub const GROUPS_MAX: usize = 1_000;
/// Longest request, in bytes: so many instances with UIDs of full length, each element on lines of its own.
pub const REQUEST_BYTES_MAX: usize = 8 << 20;

const SOP_CLASS: &str = "Referenced SOP Class UID";
const SOP_INSTANCE: &str = "Referenced SOP Instance UID";

type Pair = (SopClassUid, SopInstanceUid);

/// The instances that a request names.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Named {
    /// Each with its SOP class.
    pub instances: Vec<Pair>,
    /// The series of each, where the request names them by study.
    pub places: BTreeMap<SopInstanceUid, SeriesPlace>,
}

/// Why a request for storage commitment cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum CommitmentError {
    /// It is not the DICOM JSON of a Storage Commitment Request Module.
    #[error("the request for storage commitment cannot be read: {0}")]
    Json(#[source] serde_json::Error),
    /// It names nothing.
    #[error(
        "the request names no instance: Referenced SOP Sequence (00081199) or Referenced Study Sequence (00081110) is \
         expected with at least one"
    )]
    Nothing,
    /// It names some by study and some not, so that the answer would be of neither form.
    #[error(
        "the request has both Referenced SOP Sequence (00081199) and Referenced Study Sequence (00081110); one is expected"
    )]
    BothWays,
    /// It names more than are taken.
    #[error("the request names more than {INSTANCES_MAX} instances; ask in several")]
    TooMany,
    /// It names more series than are kept of one.
    #[error(
        "the request names more than {GROUPS_MAX} series, those of each SOP class counted; ask in several"
    )]
    TooManyGroups,
    /// A UID cannot be one.
    #[error("instance {item} of the request has a {what} that cannot be one: {source}")]
    BadUid {
        /// Which instance, from 1.
        item: usize,
        /// Which attribute.
        what: &'static str,
        /// What is wrong with it.
        #[source]
        source: UidError,
    },
    /// A UID has a character that none has: nothing that is named so is stored.
    #[error("instance {item} of the request has a {what} that holds what no UID can")]
    NoUid {
        /// Which instance, from 1.
        item: usize,
        /// Which attribute.
        what: &'static str,
    },
}

/// Reads a Storage Commitment Request Module (PS3.18 table J.1-1), alone or as an array of one as other services of DICOMweb send
/// data sets; attributes beside it are passed over.
pub fn request(body: &[u8]) -> Result<Named, CommitmentError> {
    let request = match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'[') => serde_json::from_slice(body).map(|(request,): (Request,)| request),
        _ => serde_json::from_slice(body),
    };
    let request = request.map_err(CommitmentError::Json)?;
    match (request.instances, request.studies) {
        (Some(instances), None) => Ok(Named { instances: by_sop(instances.items)?, places: BTreeMap::new() }),
        (None, Some(studies)) => by_study::named(&studies),
        (Some(_), Some(_)) => Err(CommitmentError::BothWays),
        (None, None) => Err(CommitmentError::Nothing),
    }
}

fn by_sop(Items(items): Items) -> Result<Vec<Pair>, CommitmentError> {
    if items.len() > INSTANCES_MAX {
        return Err(CommitmentError::TooMany);
    }
    if items.is_empty() {
        return Err(CommitmentError::Nothing);
    }
    (1..).zip(items).map(|(place, item)| pair(place, &item)).collect()
}

fn pair(place: usize, item: &Item) -> Result<Pair, CommitmentError> {
    let bad = |what| move |source| CommitmentError::BadUid { item: place, what, source };
    let (Uid { value: (sop_class,), .. }, Uid { value: (sop_instance,), .. }) =
        (&item.sop_class, &item.sop_instance);
    let sop_class = SopClassUid::new(sop_class).map_err(bad(SOP_CLASS))?;
    let sop_instance = SopInstanceUid::new(sop_instance).map_err(bad(SOP_INSTANCE))?;
    can_stand(sop_class.is_addressable(), place, SOP_CLASS)?;
    can_stand(sop_instance.is_addressable(), place, SOP_INSTANCE)?;
    Ok((sop_class, sop_instance))
}

/// Both doors refuse objects whose UIDs cannot stand in a path or a key, so that what is named so would be waited for in vain.
fn can_stand(is_addressable: bool, item: usize, what: &'static str) -> Result<(), CommitmentError> {
    if is_addressable { Ok(()) } else { Err(CommitmentError::NoUid { item, what }) }
}

/// Writes a Storage Commitment Response Module (PS3.18 table J.2-1), by study where the request was; those that failed have
/// their Failure Reason.
pub fn response(
    committed: &[Pair],
    failed: &[(Pair, u16)],
    places: &BTreeMap<SopInstanceUid, SeriesPlace>,
) -> Vec<u8> {
    if !places.is_empty() {
        return by_study::response(committed, failed, places);
    }
    let committed = committed.iter().map(reference).map(Value::Object).collect();
    let failed = failed.iter().map(|(pair, reason)| {
        let mut item = reference(pair);
        item.insert("00081197".to_owned(), json!({"vr": "US", "Value": [reason]}));
        Value::Object(item)
    });
    let mut module = Map::new();
    for (tag, items) in [("00081198", failed.collect()), ("00081199", committed)] {
        let items: Vec<Value> = items;
        if !items.is_empty() {
            module.insert(tag.to_owned(), json!({"vr": "SQ", "Value": items}));
        }
    }
    Value::Object(module).to_string().into_bytes()
}

fn reference((sop_class, sop_instance): &Pair) -> Map<String, Value> {
    [("00081150", uid(sop_class.as_str())), ("00081155", uid(sop_instance.as_str()))]
        .into_iter()
        .map(|(tag, value)| (tag.to_owned(), value))
        .collect()
}

fn uid(uid: &str) -> Value {
    json!({"vr": "UI", "Value": [uid]})
}

#[derive(Deserialize)]
struct Request {
    #[serde(rename = "00081199")]
    instances: Option<Sequence>,
    #[serde(rename = "00081110")]
    studies: Option<by_study::Studies>,
}

#[derive(Deserialize)]
struct Sequence {
    #[serde(rename = "vr")]
    _vr: Option<SequenceVr>,
    #[serde(rename = "Value", default)]
    items: Items,
}

#[derive(Deserialize)]
enum SequenceVr {
    SQ,
}

#[derive(Deserialize)]
struct Item {
    #[serde(rename = "00081150")]
    sop_class: Uid,
    #[serde(rename = "00081155")]
    sop_instance: Uid,
}

#[derive(Deserialize)]
struct Uid {
    #[serde(rename = "vr")]
    _vr: Option<UidVr>,
    /// Exactly one.
    #[serde(rename = "Value")]
    value: (String,),
}

#[derive(Deserialize)]
enum UidVr {
    UI,
}

/// As many items as are taken, and one more that says that there were more.
#[derive(Default)]
struct Items(Vec<Item>);

impl<'de> Deserialize<'de> for Items {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ItemsVisitor)
    }
}

struct ItemsVisitor;

impl<'de> Visitor<'de> for ItemsVisitor {
    type Value = Items;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the items of a sequence")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<Items, A::Error> {
        let mut items = Vec::new();
        while items.len() <= INSTANCES_MAX {
            match sequence.next_element()? {
                Some(item) => items.push(item),
                None => return Ok(Items(items)),
            }
        }
        while sequence.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Items(items))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn item(sop_class: &str, sop_instance: &str) -> String {
        format!(
            r#"{{"00081150":{{"vr":"UI","Value":["{sop_class}"]}},"00081155":{{"vr":"UI","Value":["{sop_instance}"]}}}}"#
        )
    }

    fn module(items: &str) -> Vec<u8> {
        format!(r#"{{"00081199":{{"vr":"SQ","Value":[{items}]}}}}"#).into_bytes()
    }

    #[test]
    fn a_request_is_read_and_what_stands_beside_it_is_passed_over() {
        let (one, two) = (item("1.1", "1.2"), item("1.1", "1.3"));
        let pair = |instance| (SopClassUid::new("1.1").unwrap(), SopInstanceUid::new(instance).unwrap());
        assert_eq!(request(&module(&format!("{one},{two}"))).unwrap().instances, [pair("1.2"), pair("1.3")]);
        let array = [b" [", module(&one).as_slice(), b"]"].concat();
        assert_eq!(request(&array).unwrap().instances, [pair("1.2")]);
        let beside =
            format!(r#"{{"00081195":{{"vr":"UI","Value":["1.9"]}},"00081199":{{"Value":[{one}]}}}}"#);
        assert_eq!(
            request(beside.as_bytes()).unwrap(),
            Named { instances: vec![pair("1.2")], places: BTreeMap::new() }
        );
    }

    #[test]
    fn what_is_no_request_is_refused_and_why_is_said() {
        let nested = "[".repeat(1_000_000);
        let check = |body: &[u8], words: &str| {
            let error = request(body).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        for body in ["", "[]", "{", "\u{0}", "nonsense", &nested, "[{},{}]", r#"{"00081199":[]}"#] {
            check(body.as_bytes(), "cannot be read");
        }
        for item in [
            "{}",
            "null",
            r#"{"00081150":{"vr":"UI","Value":["1.1"]}}"#,
            r#"{"00081150":{"vr":"UI","Value":["1.1","1.2"]},"00081155":{"vr":"UI","Value":["1.2"]}}"#,
            r#"{"00081150":{"vr":"UI","Value":[]},"00081155":{"vr":"UI","Value":["1.2"]}}"#,
            r#"{"00081150":{"vr":"UI","Value":[1.1]},"00081155":{"vr":"UI","Value":["1.2"]}}"#,
            r#"{"00081150":{"vr":"LO","Value":["1.1"]},"00081155":{"vr":"UI","Value":["1.2"]}}"#,
        ] {
            check(&module(item), "cannot be read");
        }
        for body in ["{}".as_bytes(), &module(""), br#"{"00081199":{"vr":"SQ"}}"#] {
            check(body, "names no instance");
        }
        check(br#"{"00081110":{"vr":"SQ","Value":[]}}"#, "names no instance");
        check(br#"{"00081110":{"vr":"SQ"},"00081199":{"vr":"SQ"}}"#, "has both");
        check(&module(&item("1.1", "")), "instance 1 of the request has a Referenced SOP Instance UID");
        check(&module(&item(&"1".repeat(1000), "1.2")), "Referenced SOP Class UID");
        for none in ["../../x", "1.2*", "1.2/3", "..", "1 2"] {
            check(&module(&item("1.1", none)), "instance 1 of the request has a Referenced SOP Instance UID");
            check(&module(&item(none, "1.2")), "instance 1 of the request has a Referenced SOP Class UID");
        }
        // Legacy ones are stored.
        assert_eq!(request(&module(&item("1.1", "1.02.A-b_3"))).unwrap().instances.len(), 1);
    }

    #[test]
    fn as_many_as_are_kept_of_one_are_taken_and_fit_the_longest_request() {
        let long = |number| item(&format!("1.{:0>62}", 1), &format!("1.{number:0>62}"));
        let items: Vec<String> = (0..INSTANCES_MAX).map(long).collect();
        let body = module(&items.join(",\n      "));
        assert!(body.len() < REQUEST_BYTES_MAX / 2, "{}", body.len());
        assert_eq!(request(&body).unwrap().instances.len(), INSTANCES_MAX);
        let more = module(&format!("{},{}", items.join(","), long(INSTANCES_MAX)));
        assert!(matches!(request(&more), Err(CommitmentError::TooMany)));
    }

    #[test]
    fn a_response_has_what_is_committed_and_what_is_not_and_why() {
        let pair = |instance| (SopClassUid::new("1.1").unwrap(), SopInstanceUid::new(instance).unwrap());
        let read = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
        let item = |instance: &str| json!({"00081150": {"vr": "UI", "Value": ["1.1"]}, "00081155": {"vr": "UI", "Value": [instance]}});
        assert_eq!(
            read(response(&[pair("1.2")], &[], &BTreeMap::new())),
            json!({"00081199": {"vr": "SQ", "Value": [item("1.2")]}})
        );
        let mut failed = item("1.3");
        failed["00081197"] = json!({"vr": "US", "Value": [274]});
        assert_eq!(
            read(response(&[pair("1.2")], &[(pair("1.3"), 0x0112)], &BTreeMap::new())),
            json!({"00081198": {"vr": "SQ", "Value": [failed]}, "00081199": {"vr": "SQ", "Value": [item("1.2")]}})
        );
    }
}
