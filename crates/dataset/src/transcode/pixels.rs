//! Decodes and encodes the pixel data of one data set.

use bytes::Bytes;
use outrigger_model::TransferSyntaxUid;

use super::data_set::TranscodeError;
use crate::codestream::{Codec, rle};
use crate::element::{DataSet, Element, Fragments, Value, Vr};
use crate::pixel::{
    EXTENDED_OFFSET_TABLE, EXTENDED_OFFSET_TABLE_LENGTHS, PHOTOMETRIC_INTERPRETATION, PIXEL_DATA,
    PLANAR_CONFIGURATION, Shape, frames_of, measure, native_frames,
};

/// Makes encapsulated pixel data native; leaves other data sets as they are.
pub(super) fn decompress(
    data_set: &mut DataSet,
    codec: Codec,
    from: &TransferSyntaxUid,
) -> Result<(), TranscodeError> {
    let Some(Value::Fragments(fragments)) = data_set.get(PIXEL_DATA).map(|element| &element.value) else {
        return Ok(());
    };
    let shape = Shape::read(data_set)?;
    let frames = frames_of(codec, from, data_set, fragments)?;
    let mut native = Vec::new();
    frames.decode_each(&shape, |cells| native.extend(cells))?;
    data_set.remove(EXTENDED_OFFSET_TABLE);
    data_set.remove(EXTENDED_OFFSET_TABLE_LENGTHS);
    if shape.samples > 1 {
        data_set.put(Element::new(PLANAR_CONFIGURATION, Vr::US, Bytes::from_static(&[0, 0])));
    }
    let decoded = shape.photometric.decoded();
    if decoded != shape.photometric {
        data_set.put(Element::text(PHOTOMETRIC_INTERPRETATION, Vr::CS, decoded.term()));
    }
    let vr = if shape.bits_allocated > 8 { Vr::OW } else { Vr::OB };
    data_set.put(Element::new(PIXEL_DATA, vr, native));
    Ok(())
}

/// Encapsulates native pixel data as RLE; leaves data sets without them as they are. Those of items stay native, which
/// an encapsulated transfer syntax allows (PS3.5 section A.4).
pub(super) fn compress(data_set: &mut DataSet) -> Result<(), TranscodeError> {
    let Some(data) = data_set.bytes(PIXEL_DATA) else { return Ok(()) };
    let shape = Shape::read(data_set)?;
    if shape.is_subsampled() {
        return Err(TranscodeError::Subsampled);
    }
    let (data, rest) = measure(data, &shape)?;
    if !rest.is_empty() {
        return Err(TranscodeError::Excess { bytes: rest.len() });
    }
    let fragments: Vec<Bytes> = native_frames(data, &shape)
        .map(|cells| rle::encode(&cells, &shape).map(Bytes::from))
        .collect::<Option<_>>()
        .ok_or(TranscodeError::NotForRle { samples: shape.samples, bits_allocated: shape.bits_allocated })?;
    let offset_table = offsets(&fragments).unwrap_or_default();
    let fragments = Fragments { offset_table, fragments };
    data_set.put(Element { tag: PIXEL_DATA, vr: Vr::OB, value: Value::Fragments(fragments) });
    if shape.samples > 1 {
        data_set.put(Element::new(PLANAR_CONFIGURATION, Vr::US, Bytes::from_static(&[0, 0])));
    }
    Ok(())
}

/// The Basic Offset Table; `None` when an offset does not fit into 32 bits, where it must stay empty.
fn offsets(fragments: &[Bytes]) -> Option<Bytes> {
    let mut place = 0_usize;
    let mut table = Vec::new();
    for fragment in fragments {
        table.extend(u32::try_from(place).ok()?.to_le_bytes());
        place += 8 + fragment.len();
    }
    Some(table.into())
}
