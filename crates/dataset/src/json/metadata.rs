//! The metadata of an instance (PS3.18 section 8.7.4 and Annex F): everything but the bulk data.

use dicom_core::dictionary::VirtualVr;
use outrigger_model::Tag;

use super::base64;
use super::object::{Object, string, value_array};
use super::values::write_text;
use crate::dictionary;
use crate::element::{Vr, width};
use crate::readable::number;
use crate::survey::{Found, Survey, Surveyed};
use crate::text::{CharacterSet, decode};

/// The file meta information, which is no part of a data set (PS3.10 section 7.1).
const FILE_META_GROUP: u16 = 0x0002;

/// Writes the metadata of a data set as a JSON object; values that the survey passed over are named by URI below
/// `bulk`, such as `https://host/studies/1/series/2/instances/3/bulkdata`.
pub fn metadata(survey: &Survey, bulk: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let charset = match survey.get(Tag::SPECIFIC_CHARACTER_SET).map(|element| &element.value) {
        Some(Found::Here(bytes)) => CharacterSet::new(&String::from_utf8_lossy(bytes)),
        _ => CharacterSet::DEFAULT,
    };
    write_object(&mut out, survey, &Scope { charset, path: bulk });
    out
}

/// What values depend on beside themselves.
struct Scope<'a> {
    charset: CharacterSet,
    /// URI of the bulk data of the data set or item.
    path: &'a str,
}

/// Writes an object; the depth is that of a survey, which is bounded.
fn write_object(out: &mut Vec<u8>, survey: &Survey, scope: &Scope<'_>) {
    let mut elements: Vec<&Surveyed> = survey
        .elements
        .iter()
        .filter(|element| element.tag.1 != 0 && element.tag.0 > FILE_META_GROUP)
        .collect();
    // Kept as they stand where they stand right, which is nearly always; stable, so that the first of two stays.
    elements.sort_by_key(|element| element.tag);
    elements.dedup_by_key(|element| element.tag);
    let mut object = Object::begin(out);
    for element in elements {
        object.attribute(element.tag, vr(element), |out| write_content(out, element, scope));
    }
    object.end();
}

/// The value representation to be named: that of the dictionary where it was written as unknown (PS3.5 section
/// 6.2.2), and that of a sequence where there are items.
fn vr(element: &Surveyed) -> Vr {
    match (&element.value, dictionary::entry(element.tag)) {
        (Found::Items(_), _) => Vr::SQ,
        (Found::Here(_), Some(VirtualVr::Exact(known))) if element.vr == Vr::UN && known != Vr::SQ => known,
        _ => element.vr,
    }
}

fn write_content(out: &mut Vec<u8>, element: &Surveyed, scope: &Scope<'_>) {
    let tag = String::from(element.tag);
    match &element.value {
        // What the text is in is UTF-8 now, whatever it was (PS3.18 section F.2).
        Found::Here(bytes) if element.tag == Tag::SPECIFIC_CHARACTER_SET && !bytes.is_empty() => {
            write_text(out, Vr::CS, "ISO_IR 192");
        }
        Found::Here(bytes) => write_bytes(out, vr(element), bytes, scope.charset),
        Found::There(_) | Found::Fragments(_) => {
            out.extend_from_slice(b",\"BulkDataURI\":");
            string(out, &format!("{}/{tag}", scope.path));
        }
        Found::Items(items) => value_array(out, items.iter().zip(1..), |out, (item, number)| {
            let path = format!("{}/{tag}/{number}", scope.path);
            write_object(out, item, &Scope { charset: charset_of(item, scope.charset), path: &path });
        }),
    }
}

/// Items may have a character set of their own (PS3.3 section C.12.1.1.2).
fn charset_of(item: &Survey, around: CharacterSet) -> CharacterSet {
    match item.get(Tag::SPECIFIC_CHARACTER_SET).map(|element| &element.value) {
        Some(Found::Here(bytes)) => CharacterSet::new(&String::from_utf8_lossy(bytes)),
        _ => around,
    }
}

fn write_bytes(out: &mut Vec<u8>, vr: Vr, bytes: &[u8], charset: CharacterSet) {
    match vr {
        _ if bytes.is_empty() => {}
        Vr::OB | Vr::OD | Vr::OF | Vr::OL | Vr::OV | Vr::OW | Vr::SQ | Vr::UN => {
            out.extend_from_slice(b",\"InlineBinary\":\"");
            base64::encode(out, bytes);
            out.push(b'"');
        }
        Vr::AT => value_array(out, bytes.chunks_exact(4), |out, bytes| {
            if let [g0, g1, e0, e1] = *bytes {
                string(out, &String::from(Tag(u16::from_le_bytes([g0, g1]), u16::from_le_bytes([e0, e1]))));
            }
        }),
        Vr::FL | Vr::FD => value_array(out, bytes.chunks_exact(width(vr)), float),
        _ if width(vr) > 1 => {
            let numbers: Vec<String> =
                bytes.chunks_exact(width(vr)).filter_map(|bytes| number(vr, bytes)).collect();
            write_text(out, vr, &numbers.join("\\"));
        }
        _ => write_text(out, vr, &decode(bytes, &charset, vr).text),
    }
}

/// Writes a float; what is no number has a name (PS3.18 table F.2.3-1).
fn float(out: &mut Vec<u8>, bytes: &[u8]) {
    let (value, written) = match (bytes.first_chunk::<8>(), bytes.first_chunk::<4>()) {
        (Some(bytes), _) => {
            let value = f64::from_le_bytes(*bytes);
            (value, serde_json::to_string(&value))
        }
        (None, Some(bytes)) => {
            let value = f32::from_le_bytes(*bytes);
            (value.into(), serde_json::to_string(&value))
        }
        (None, None) => return,
    };
    match written {
        _ if value.is_nan() => string(out, "NaN"),
        _ if value.is_infinite() => string(out, if value > 0.0 { "inf" } else { "-inf" }),
        written => out.extend_from_slice(written.expect("a finite number is written").as_bytes()),
    }
}
