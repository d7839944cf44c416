//! DICOM JSON (PS3.18 Annex F) as the answers of a query.

use outrigger_dataset::dictionary;
use outrigger_dataset::element::Vr;
use outrigger_model::{Answer, Item, Items, Tag};
use serde_json::Value;

/// The attributes of one match; bulk data are left out, and sequences within sequences.
pub(super) fn answer(data_set: &Value) -> Option<Answer> {
    let mut attributes: Vec<(Tag, String)> = data_set
        .as_object()?
        .iter()
        .filter_map(|(tag, element)| Some((Tag::from_hex(tag).ok()?, element)))
        .filter(|(tag, element)| is_as_it_should_be(*tag, element))
        .filter_map(|(tag, element)| Some((tag, text(element)?)))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    attributes.sort_by_key(|(tag, _)| *tag);
    Some(Answer { attributes })
}

/// Whether what comes for a sequence is one, and nothing else is: the text of a sequence has a form that other values have not.
fn is_as_it_should_be(tag: Tag, element: &Value) -> bool {
    let is_good = match (dictionary::vr(tag), is_sequence(element)) {
        (Vr::SQ, is_one) => is_one || element.get("Value").is_none(),
        (Vr::UN, _) => true,
        (_, is_one) => !is_one,
    };
    if !is_good {
        tracing::warn!(%tag, "a member answers with a sequence where none belongs, or the reverse; the attribute is left out");
    }
    is_good
}

/// The values of an element, joined by `\`.
fn text(element: &Value) -> Option<String> {
    let values = element.get("Value")?.as_array()?;
    if is_sequence(element) {
        return Some(Items(values.iter().map(item).collect()).known().to_text());
    }
    let texts: Option<Vec<String>> = values.iter().map(one).collect();
    texts.map(|texts| texts.join("\\"))
}

fn is_sequence(element: &Value) -> bool {
    element.get("vr").and_then(Value::as_str) == Some("SQ")
}

fn item(value: &Value) -> Item {
    let attributes = value.as_object().into_iter().flatten().filter(|(_, element)| !is_sequence(element));
    attributes.filter_map(|(tag, element)| Some((Tag::from_hex(tag).ok()?, text(element)?))).collect()
}

fn one(value: &Value) -> Option<String> {
    Some(match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Object(_) => name(value)?,
        Value::Bool(_) | Value::Array(_) => return None,
    })
}

/// A person name in its groups (PS3.5 section 6.2.1).
fn name(value: &Value) -> Option<String> {
    let groups = ["Alphabetic", "Ideographic", "Phonetic"];
    let group = |name: &&str| value.get(name).and_then(Value::as_str);
    groups.iter().any(|name| group(name).is_some()).then(|| {
        let all: Vec<&str> = groups.iter().map(|name| group(name).unwrap_or_default()).collect();
        all.join("=").trim_end_matches('=').to_owned()
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_become_the_text_of_an_answer() {
        let read = answer(&json!({
            "0020000D": {"vr": "UI", "Value": ["1.2"]},
            "00080061": {"vr": "CS", "Value": ["CT", null, "SR"]},
            "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Phonetic": "\u{3084}\u{307e}\u{3060}"}]},
            "00201208": {"vr": "IS", "Value": [12]},
            "00080050": {"vr": "SH"},
            "00081140": {"vr": "SQ", "Value": [{}]},
            "00400275": {"vr": "SQ", "Value": [
                {"00400009": {"vr": "SH", "Value": ["S1"]}, "00400008": {"vr": "SQ", "Value": [{}]}},
            ]},
            "7FE00010": {"vr": "OW", "BulkDataURI": "http://x"},
            "nothing": 1,
        }));
        let attribute = |tag: (u16, u16), text: &str| (Tag(tag.0, tag.1), text.to_owned());
        assert_eq!(
            read.unwrap().attributes,
            [
                attribute((0x0008, 0x0061), "CT\\\\SR"),
                attribute((0x0010, 0x0010), "Yamada^Tarou==\u{3084}\u{307e}\u{3060}"),
                attribute((0x0020, 0x000D), "1.2"),
                attribute((0x0020, 0x1208), "12"),
                attribute((0x0040, 0x0275), r#"[{"00400009":"S1"}]"#),
            ]
        );
        assert_eq!(answer(&json!([])), None);
    }

    #[test]
    fn what_is_no_sequence_does_not_come_for_one() {
        let read = answer(&json!({
            "00400275": {"vr": "LO", "Value": ["S1"]},
            "00080050": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["S1"]}}]},
            "00081111": {"vr": "SQ"},
            "00080060": {"vr": "CS", "Value": ["CT"]},
            "00091001": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["S1"]}}]},
        }));
        let attributes = read.unwrap().attributes;
        let tags: Vec<Tag> = attributes.iter().map(|(tag, _)| *tag).collect();
        assert_eq!(tags, [Tag(0x0008, 0x0060), Tag(0x0009, 0x1001)], "{attributes:?}");
    }
}
