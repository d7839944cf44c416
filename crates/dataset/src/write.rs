//! Writes a tree into bytes.

use outrigger_model::Tag;

use crate::element::{DataSet, Element, Fragments, Value, Vr, swap, width};
use crate::form::{Form, ITEM, ITEM_END, SEQUENCE_END, has_short_length};

const UNDEFINED: [u8; 4] = [0xFF; 4];

/// Writes a data set in a form, values padded to even length. Sequences and items get their length, or a delimiter
/// where 32 bits cannot hold it. What is too long for a 16-bit length becomes UN (PS3.5 section 6.2.2).
pub fn write(data_set: &DataSet, form: Form) -> Vec<u8> {
    let mut out = Vec::new();
    write_elements(data_set, form, &mut out);
    out
}

fn write_elements(data_set: &DataSet, form: Form, out: &mut Vec<u8>) {
    for element in &data_set.elements {
        write_element(element, form, out);
    }
}

fn write_element(element: &Element, form: Form, out: &mut Vec<u8>) {
    match &element.value {
        Value::Bytes(bytes) => write_bytes(element.tag, element.vr, bytes, form, out),
        Value::Sequence(items) => {
            write_tag(element.tag, form, out);
            write_long_vr(Vr::SQ, form, out);
            write_measured(SEQUENCE_END, form, out, |out| write_items(items, form, out));
        }
        Value::Fragments(fragments) => {
            write_tag(element.tag, form, out);
            write_long_vr(element.vr, form, out);
            write_fragments(fragments, form, out);
        }
    }
}

fn write_bytes(tag: Tag, vr: Vr, bytes: &[u8], form: Form, out: &mut Vec<u8>) {
    write_tag(tag, form, out);
    let padded = bytes.len() + bytes.len() % 2;
    let mut written_as = vr;
    match u16::try_from(padded) {
        _ if form == Form::ImplicitLittle => write_u32(padded, form, out),
        Ok(length) if has_short_length(vr) => {
            out.extend_from_slice(vr.to_string().as_bytes());
            out.extend_from_slice(&if form == Form::ExplicitBig {
                length.to_be_bytes()
            } else {
                length.to_le_bytes()
            });
        }
        _ => {
            written_as = if has_short_length(vr) { Vr::UN } else { vr };
            write_long_vr(written_as, form, out);
            write_u32(padded, form, out);
        }
    }
    let start = out.len();
    out.extend_from_slice(bytes);
    if bytes.len() < padded {
        out.push(padding(vr));
    }
    if form == Form::ExplicitBig && width(written_as) > 1 {
        swap(written_as, out.get_mut(start..).unwrap_or(&mut []));
    }
}

/// The byte that makes a value's length even (PS3.5 section 6.2).
fn padding(vr: Vr) -> u8 {
    let is_number = width(vr) > 1;
    let is_binary = is_number || matches!(vr, Vr::OB | Vr::SQ | Vr::UI | Vr::UN);
    if is_binary { 0 } else { b' ' }
}

fn write_tag(tag: Tag, form: Form, out: &mut Vec<u8>) {
    for part in [tag.0, tag.1] {
        out.extend_from_slice(&if form == Form::ExplicitBig {
            part.to_be_bytes()
        } else {
            part.to_le_bytes()
        });
    }
}

fn write_long_vr(vr: Vr, form: Form, out: &mut Vec<u8>) {
    if form != Form::ImplicitLittle {
        out.extend_from_slice(vr.to_string().as_bytes());
        out.extend_from_slice(&[0, 0]);
    }
}

/// Writes a length; one that 32 bits cannot hold cannot have been read, and reads as undefined.
fn write_u32(length: usize, form: Form, out: &mut Vec<u8>) {
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    out.extend_from_slice(&if form == Form::ExplicitBig {
        length.to_be_bytes()
    } else {
        length.to_le_bytes()
    });
}

/// Writes a body behind its length, or between an undefined length and a delimiter.
fn write_measured(end: Tag, form: Form, out: &mut Vec<u8>, body: impl FnOnce(&mut Vec<u8>)) {
    out.extend_from_slice(&UNDEFINED);
    let start = out.len();
    body(out);
    match u32::try_from(out.len() - start) {
        Ok(length) if length != u32::MAX => {
            let length = if form == Form::ExplicitBig { length.to_be_bytes() } else { length.to_le_bytes() };
            if let Some(place) = out.get_mut(start - length.len()..start) {
                place.copy_from_slice(&length);
            }
        }
        _ => {
            write_tag(end, form, out);
            out.extend_from_slice(&[0; 4]);
        }
    }
}

fn write_items(items: &[DataSet], form: Form, out: &mut Vec<u8>) {
    for item in items {
        write_tag(ITEM, form, out);
        write_measured(ITEM_END, form, out, |out| write_elements(item, form, out));
    }
}

fn write_fragments(fragments: &Fragments, form: Form, out: &mut Vec<u8>) {
    out.extend_from_slice(&UNDEFINED);
    for fragment in std::iter::once(&fragments.offset_table).chain(&fragments.fragments) {
        write_tag(ITEM, form, out);
        write_u32(fragment.len() + fragment.len() % 2, form, out);
        out.extend_from_slice(fragment);
        if fragment.len() % 2 == 1 {
            out.push(0);
        }
    }
    write_tag(SEQUENCE_END, form, out);
    out.extend_from_slice(&[0; 4]);
}
