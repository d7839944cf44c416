//! A match of a query (PS3.18 section 10.6.3.3).

use outrigger_model::{Answer, Item, Items, Tag};

use super::object::{Object, value_array};
use super::values::write_text;
use crate::dictionary;
use crate::element::Vr;

/// One match as the JSON object of QIDO-RS: attributes in ascending order with the value representations of the
/// dictionary, each once; an attribute without a value has a value representation alone.
pub fn answer(answer: &Answer) -> Vec<u8> {
    let mut attributes: Vec<&(Tag, String)> = answer.attributes.iter().collect();
    attributes.sort_by_key(|(tag, _)| *tag);
    attributes.dedup_by_key(|(tag, _)| *tag);
    let mut out = Vec::new();
    let mut object = Object::begin(&mut out);
    for (tag, text) in attributes {
        let vr = dictionary::vr(*tag);
        object.attribute(*tag, vr, |out| match vr {
            Vr::SQ => write_items(out, text),
            vr => write_plain(out, vr, text),
        });
    }
    object.end();
    out
}

fn write_plain(out: &mut Vec<u8>, vr: Vr, text: &str) {
    if has_text(vr) {
        write_text(out, vr, text);
    }
}

fn write_items(out: &mut Vec<u8>, text: &str) {
    let items = Items::from_text(text).unwrap_or_default();
    value_array(out, items.0.iter(), |out, item: &Item| {
        let mut object = Object::begin(out);
        for (tag, text) in item {
            let vr = dictionary::vr(*tag);
            object.attribute(*tag, vr, |out| write_plain(out, vr, text));
        }
        object.end();
    });
}

/// Whether values can be written as text; those of the others are items or Base64.
fn has_text(vr: Vr) -> bool {
    !matches!(vr, Vr::OB | Vr::OD | Vr::OF | Vr::OL | Vr::OV | Vr::OW | Vr::SQ | Vr::UN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_match_has_sorted_attributes_of_dictionary_representations() {
        let match_of = |attributes: &[(Tag, &str)]| Answer {
            attributes: attributes.iter().map(|(tag, text)| (*tag, (*text).to_owned())).collect(),
        };
        let check = |attributes: &[(Tag, &str)], expected: &str| {
            let written = answer(&match_of(attributes));
            assert_eq!(std::str::from_utf8(&written).unwrap(), expected);
        };
        check(
            &[
                (Tag::STUDY_RELATED_INSTANCES, "12"),
                (Tag::PATIENT_NAME, "M\u{fc}ller^J\u{f6}rg"),
                (Tag::MODALITIES_IN_STUDY, "CT\\SR"),
                (Tag(0x0008, 0x1190), "http://h/studies/1"),
                (Tag::PATIENT_NAME, "other"),
                (Tag::ACCESSION_NUMBER, ""),
                (Tag(0x0009, 0x1010), "private"),
                (Tag(0x0008, 0x1032), ""),
                (Tag(0x0040, 0x0275), r#"[{"00080050":"","00400009":"S\\1"}]"#),
            ],
            "{\"00080050\":{\"vr\":\"SH\"},\
             \"00080061\":{\"vr\":\"CS\",\"Value\":[\"CT\",\"SR\"]},\
             \"00081032\":{\"vr\":\"SQ\"},\
             \"00081190\":{\"vr\":\"UR\",\"Value\":[\"http://h/studies/1\"]},\
             \"00091010\":{\"vr\":\"UN\"},\
             \"00100010\":{\"vr\":\"PN\",\"Value\":[{\"Alphabetic\":\"M\u{fc}ller^J\u{f6}rg\"}]},\
             \"00201208\":{\"vr\":\"IS\",\"Value\":[12]},\
             \"00400275\":{\"vr\":\"SQ\",\"Value\":[{\"00080050\":{\"vr\":\"SH\"},\"00400009\":{\"vr\":\"SH\",\"Value\":[\"S\",\"1\"]}}]}}",
        );
        check(&[], "{}");
    }
}
