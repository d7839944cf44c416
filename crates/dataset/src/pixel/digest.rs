//! The digest P: the pixels themselves, whatever the lossless encoding.

use std::borrow::Cow;

use outrigger_model::transfer_syntax::{Pixels, traits};
use outrigger_model::{Sha256Digest, Tag, TransferSyntaxUid};
use sha2::{Digest, Sha256};

use super::canonical::{canonical, native_bytes, native_frames};
use super::shape::{EXTENDED_OFFSET_TABLE, PIXEL_DATA, Shape, ShapeError};
use crate::codestream::{Codec, CodestreamError, Family, FramesError, decode, split};
use crate::element::{DataSet, Fragments, Value};

const FLOAT_PIXEL_DATA: Tag = Tag(0x7FE0, 0x0008);
const DOUBLE_FLOAT_PIXEL_DATA: Tag = Tag(0x7FE0, 0x0009);

/// Why pixels cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PixelError {
    /// The attributes do not describe them.
    #[error("the pixel data are not described by the attributes")]
    Shape(#[from] ShapeError),
    /// Native pixel data of too few bytes.
    #[error("the pixel data have {found} bytes, the attributes ask for {needed}")]
    Short {
        /// Bytes the attributes ask for.
        needed: u64,
        /// Bytes there are.
        found: usize,
    },
    /// Native pixel data in an encapsulated transfer syntax, or the other way round.
    #[error("the pixel data are not written as the transfer syntax {transfer_syntax} asks")]
    WrongEncapsulation {
        /// The transfer syntax.
        transfer_syntax: TransferSyntaxUid,
    },
    /// Fragments cannot be told apart by frame.
    #[error("the frames of the pixel data cannot be told apart")]
    Frames(#[from] FramesError),
    /// A frame cannot be decoded.
    #[error("frame {frame} of the pixel data cannot be decoded")]
    Frame {
        /// Its number, from 1.
        frame: usize,
        /// Why.
        #[source]
        source: CodestreamError,
    },
}

/// Digest of the pixels in canonical form. `None`: no pixel data, or compression that may be lossy, whose decoders do
/// not agree, or a private transfer syntax.
///
/// `SHA-256("pdp1" 00, rows and columns as u32, samples and bits stored as u16, pixel representation as u8, frames as
/// u32, photometric interpretation after decoding, 00, then for each frame its length as u64 and its bytes)`, these
/// numbers big endian. Native pixel data that are longer than the attributes say, by more than zeros, end in that rest.
pub fn digest(
    transfer_syntax: &TransferSyntaxUid,
    data_set: &DataSet,
) -> Result<Option<Sha256Digest>, PixelError> {
    let wrong = || PixelError::WrongEncapsulation { transfer_syntax: transfer_syntax.clone() };
    for (tag, bits) in [(FLOAT_PIXEL_DATA, 32), (DOUBLE_FLOAT_PIXEL_DATA, 64)] {
        if let Some(data) = data_set.bytes(tag) {
            return native(data, &Shape::read_float(data_set, bits)?).map(Some);
        }
    }
    let Some(element) = data_set.get(PIXEL_DATA) else { return Ok(None) };
    match (&element.value, traits(transfer_syntax).pixels, Codec::of(transfer_syntax)) {
        (Value::Bytes(data), Pixels::Native, _) => native(data, &Shape::read(data_set)?).map(Some),
        (Value::Fragments(fragments), _, Some(codec)) => {
            let frames = frames_of(codec, transfer_syntax, data_set, fragments)?;
            let shape = Shape::read(data_set)?;
            let mut hash = start(&shape, shape.photometric.decoded().term());
            frames
                .decode_each(&shape, |cells| hash_frame(&mut hash, &canonical(Cow::Owned(cells), &shape)))?;
            Ok(Some(Sha256Digest(hash.finalize().into())))
        }
        (_, Pixels::Native, _) | (_, _, Some(_)) => Err(wrong()),
        (_, Pixels::Lossless | Pixels::PerhapsLossy | Pixels::Elsewhere | Pixels::Unknown, None) => Ok(None),
    }
}

/// The compressed frames of an image.
pub(crate) struct Frames {
    codec: Codec,
    streams: Vec<bytes::Bytes>,
}

/// Tells the frames of encapsulated pixel data apart.
pub(crate) fn frames_of(
    codec: Codec,
    transfer_syntax: &TransferSyntaxUid,
    data_set: &DataSet,
    fragments: &Fragments,
) -> Result<Frames, PixelError> {
    let family = Family::of(transfer_syntax)
        .ok_or_else(|| PixelError::WrongEncapsulation { transfer_syntax: transfer_syntax.clone() })?;
    let table = data_set.bytes(EXTENDED_OFFSET_TABLE).map_or(&[][..], |bytes| bytes);
    let streams = split(family, fragments, table, super::frame_count(data_set)?)?;
    Ok(Frames { codec, streams })
}

impl Frames {
    /// Decodes frame by frame, handing on cells that are interleaved by pixel.
    pub(crate) fn decode_each(&self, shape: &Shape, mut each: impl FnMut(Vec<u8>)) -> Result<(), PixelError> {
        for (stream, frame) in self.streams.iter().zip(1..) {
            each(decode(self.codec, stream, shape).map_err(|source| PixelError::Frame { frame, source })?);
        }
        Ok(())
    }
}

/// The bytes of native pixel data, and what follows them beyond padding.
pub(crate) fn measure<'a>(data: &'a [u8], shape: &Shape) -> Result<(&'a [u8], &'a [u8]), PixelError> {
    let needed = native_bytes(shape);
    let halves = usize::try_from(needed).ok().and_then(|needed| data.split_at_checked(needed));
    let (data, rest) = halves.ok_or(PixelError::Short { needed, found: data.len() })?;
    Ok((data, if rest.iter().all(|byte| *byte == 0) || rest.len() == 1 { &[] } else { rest }))
}

fn native(data: &[u8], shape: &Shape) -> Result<Sha256Digest, PixelError> {
    let (data, rest) = measure(data, shape)?;
    let mut hash = start(shape, shape.photometric.term());
    for cells in native_frames(data, shape) {
        hash_frame(&mut hash, &canonical(cells, shape));
    }
    if !rest.is_empty() {
        hash_frame(&mut hash, rest);
    }
    Ok(Sha256Digest(hash.finalize().into()))
}

fn start(shape: &Shape, photometric: &str) -> Sha256 {
    let mut hash = Sha256::new();
    hash.update(b"pdp1\0");
    hash.update(u32::from(shape.rows).to_be_bytes());
    hash.update(u32::from(shape.columns).to_be_bytes());
    hash.update(shape.samples.to_be_bytes());
    hash.update(shape.bits_stored.to_be_bytes());
    hash.update([u8::from(shape.representation == super::Representation::Signed)]);
    hash.update(shape.frames.to_be_bytes());
    hash.update(photometric);
    hash.update([0]);
    hash
}

fn hash_frame(hash: &mut Sha256, cells: &[u8]) {
    hash.update((cells.len() as u64).to_be_bytes());
    hash.update(cells);
}
