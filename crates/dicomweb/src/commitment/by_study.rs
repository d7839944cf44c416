//! Instances that are named by study, series and SOP class: Referenced Study Sequence of a request, and the answer in kind.

use std::collections::BTreeMap;

use outrigger_model::{SeriesPlace, SeriesUid, SopClassUid, SopInstanceUid, StudyUid};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    CommitmentError, GROUPS_MAX, INSTANCES_MAX, Named, Pair, SOP_CLASS, SOP_INSTANCE, SequenceVr, Uid,
    can_stand, uid,
};

/// Referenced Study Sequence (0008,1110).
pub(super) type Studies = Sequence<Study>;

#[derive(Deserialize)]
pub(super) struct Sequence<T> {
    #[serde(rename = "vr")]
    _vr: Option<SequenceVr>,
    #[serde(rename = "Value", default = "Vec::new")]
    items: Vec<T>,
}

#[derive(Deserialize)]
pub(super) struct Study {
    #[serde(rename = "0020000D")]
    study: Uid,
    #[serde(rename = "00081115")]
    series: Sequence<Series>,
}

#[derive(Deserialize)]
struct Series {
    #[serde(rename = "0020000E")]
    series: Uid,
    #[serde(rename = "00081112")]
    classes: Sequence<Class>,
}

#[derive(Deserialize)]
struct Class {
    #[serde(rename = "00081150")]
    sop_class: Uid,
    #[serde(rename = "0008114A")]
    instances: Sequence<Instance>,
}

#[derive(Deserialize)]
struct Instance {
    #[serde(rename = "00081155")]
    sop_instance: Uid,
}

/// The instances of the studies, and the series of each.
pub(super) fn named(studies: &Studies) -> Result<Named, CommitmentError> {
    let mut named = Named::default();
    let mut groups = 0;
    for study in &studies.items {
        for series in &study.series.items {
            let item = named.instances.len() + 1;
            let bad = |what| move |source| CommitmentError::BadUid { item, what, source };
            let place = SeriesPlace {
                study: StudyUid::new(&study.study.value.0).map_err(bad("Study Instance UID"))?,
                series: SeriesUid::new(&series.series.value.0).map_err(bad("Series Instance UID"))?,
            };
            can_stand(place.study.is_addressable(), item, "Study Instance UID")?;
            can_stand(place.series.is_addressable(), item, "Series Instance UID")?;
            groups += series.classes.items.len();
            if groups > GROUPS_MAX {
                return Err(CommitmentError::TooManyGroups);
            }
            series.classes.items.iter().try_for_each(|class| put(&mut named, &place, class))?;
        }
    }
    if named.instances.is_empty() { Err(CommitmentError::Nothing) } else { Ok(named) }
}

fn put(named: &mut Named, place: &SeriesPlace, class: &Class) -> Result<(), CommitmentError> {
    if named.instances.len() + class.instances.items.len() > INSTANCES_MAX {
        return Err(CommitmentError::TooMany);
    }
    for instance in &class.instances.items {
        let item = named.instances.len() + 1;
        let bad = |what| move |source| CommitmentError::BadUid { item, what, source };
        let sop_class = SopClassUid::new(&class.sop_class.value.0).map_err(bad(SOP_CLASS))?;
        let sop_instance = SopInstanceUid::new(&instance.sop_instance.value.0);
        let sop_instance = sop_instance.map_err(bad(SOP_INSTANCE))?;
        can_stand(sop_class.is_addressable(), item, SOP_CLASS)?;
        can_stand(sop_instance.is_addressable(), item, SOP_INSTANCE)?;
        named.places.insert(sop_instance.clone(), place.clone());
        named.instances.push((sop_class, sop_instance));
    }
    Ok(())
}

/// Instances, written, by class, series and study.
type Tree<'a> = BTreeMap<&'a StudyUid, BTreeMap<&'a SeriesUid, BTreeMap<&'a SopClassUid, Vec<Value>>>>;

/// The answer to a request by study: Referenced Study Sequence and Failed Study Sequence.
pub(super) fn response(
    committed: &[Pair],
    failed: &[(Pair, u16)],
    places: &BTreeMap<SopInstanceUid, SeriesPlace>,
) -> Vec<u8> {
    let (mut good, mut bad) = (Tree::new(), Tree::new());
    for pair in committed {
        grow(&mut good, places, pair, json!({"00081155": uid(pair.1.as_str())}));
    }
    for (pair, reason) in failed {
        let item = json!({"00081155": uid(pair.1.as_str()), "00081197": {"vr": "US", "Value": [reason]}});
        grow(&mut bad, places, pair, item);
    }
    let mut module = Map::new();
    for (tag, tree) in [("00081110", good), ("0008119B", bad)] {
        if !tree.is_empty() {
            module.insert(tag.to_owned(), written(tree));
        }
    }
    Value::Object(module).to_string().into_bytes()
}

fn grow<'a>(
    tree: &mut Tree<'a>,
    places: &'a BTreeMap<SopInstanceUid, SeriesPlace>,
    pair: &'a Pair,
    item: Value,
) {
    // All that was asked for had a place.
    if let Some(SeriesPlace { study, series }) = places.get(&pair.1) {
        tree.entry(study).or_default().entry(series).or_default().entry(&pair.0).or_default().push(item);
    }
}

fn written(tree: Tree<'_>) -> Value {
    let class = |(class, items): (&SopClassUid, Vec<Value>)| json!({"00081150": uid(class.as_str()), "0008114A": sequence(items)});
    let series = |(series, classes): (&SeriesUid, BTreeMap<_, _>)| json!({"0020000E": uid(series.as_str()), "00081112": sequence(classes.into_iter().map(class).collect())});
    let study = |(study, all): (&StudyUid, BTreeMap<_, _>)| json!({"0020000D": uid(study.as_str()), "00081115": sequence(all.into_iter().map(series).collect())});
    sequence(tree.into_iter().map(study).collect())
}

fn sequence(items: Vec<Value>) -> Value {
    json!({"vr": "SQ", "Value": Value::Array(items)})
}

#[cfg(test)]
mod tests {
    use super::super::{request, response};
    use super::*;

    /// A study of two series, the second of two classes.
    fn module() -> Value {
        let instance = |number: u32| json!({"00081155": uid(&format!("1.2.{number}"))});
        let class = |of: &str, instances: &[u32]| {
            let items = instances.iter().copied().map(instance).collect();
            json!({"00081150": uid(of), "0008114A": sequence(items)})
        };
        let series = |of: &str, classes| json!({"0020000E": uid(of), "00081112": sequence(classes)});
        let all = vec![
            series("1.5.1", vec![class("1.1", &[1, 2])]),
            series("1.5.2", vec![class("1.1", &[3]), class("1.2", &[4])]),
        ];
        sequence(vec![json!({"0020000D": uid("1.5"), "00081115": sequence(all)})])
    }

    #[test]
    fn a_request_by_study_is_read_and_answered_in_kind() {
        let body = json!({"00081110": module()}).to_string();
        let Named { instances, places } = request(body.as_bytes()).unwrap();
        let named: Vec<_> = instances.iter().map(|(class, of)| (class.as_str(), of.as_str())).collect();
        assert_eq!(named, [("1.1", "1.2.1"), ("1.1", "1.2.2"), ("1.1", "1.2.3"), ("1.2", "1.2.4")]);
        let of = |instance: &str| places[&SopInstanceUid::new(instance).unwrap()].series.to_string();
        assert_eq!([of("1.2.1"), of("1.2.4")], ["1.5.1", "1.5.2"]);
        let read = |bytes: Vec<u8>| serde_json::from_slice::<Value>(&bytes).unwrap();
        assert_eq!(read(response(&instances, &[], &places)), json!({"00081110": module()}));
        let failed = [(instances[3].clone(), 0x0112)];
        let answer = read(response(&instances[..3], &failed, &places));
        let bad = &answer["0008119B"]["Value"][0];
        assert_eq!(bad["0020000D"]["Value"], json!(["1.5"]));
        let bad = &bad["00081115"]["Value"][0];
        assert_eq!(bad["0020000E"]["Value"], json!(["1.5.2"]));
        let bad = &bad["00081112"]["Value"][0];
        assert_eq!(bad["00081150"]["Value"], json!(["1.2"]));
        let item = json!([{"00081155": uid("1.2.4"), "00081197": {"vr": "US", "Value": [0x0112]}}]);
        assert_eq!(bad["0008114A"]["Value"], item);
        let good = answer["00081110"]["Value"][0]["00081115"]["Value"].as_array().unwrap();
        assert_eq!(good[1]["00081112"]["Value"].as_array().unwrap().len(), 1, "{answer:#}");
    }

    #[test]
    fn what_is_no_request_by_study_is_refused() {
        let check = |body: Value, words: &str| {
            let error = request(body.to_string().as_bytes()).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        };
        let of = |series: Vec<Value>| json!({"00081110": sequence(vec![json!({"0020000D": uid("1.5"), "00081115": sequence(series)})])});
        let series = |classes: Vec<Value>| json!({"0020000E": uid("1.5.1"), "00081112": sequence(classes)});
        let class = |count: usize| json!({"00081150": uid("1.1"), "0008114A": sequence(vec![json!({"00081155": uid("1.2.3")}); count])});
        check(of(vec![]), "names no instance");
        check(of(vec![series(vec![])]), "names no instance");
        check(of(vec![json!({"0020000E": uid("1.5.1")})]), "cannot be read");
        check(of(vec![series(vec![json!({"00081150": uid("1.1")})])]), "cannot be read");
        check(of(vec![series(vec![class(6_000)]), series(vec![class(6_000)])]), "more than 10000 instances");
        check(of(vec![series(vec![class(1)]); GROUPS_MAX + 1]), "more than 1000 series");
        let empty = json!({"00081150": uid("1.1"), "0008114A": sequence(vec![json!({"00081155": uid("")})])});
        check(
            of(vec![series(vec![class(1), empty])]),
            "instance 2 of the request has a Referenced SOP Instance UID",
        );
        assert!(request(of(vec![series(vec![class(2)])]).to_string().as_bytes()).is_ok());
    }
}
