//! Turns the bytes of a data set from one transfer syntax into another.

use std::io::Write;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::DeflateEncoder;
use outrigger_model::transfer_syntax::{Encoding, Pixels, traits};
use outrigger_model::{Tag, TransferSyntaxUid};

use super::pixels;
use super::targets::{RLE, is_included};
use crate::codestream::Codec;
use crate::element::{DataSet, Value};
use crate::form::Form;
use crate::pixel::{PixelError, ShapeError};
use crate::read::{ReadError, read};
use crate::write::write;

/// Most bytes of a data set that is transcoded: it is held in memory, more than once.
const DATA_SET_BYTES_MAX: usize = 1 << 30;
/// Length to End, retired: a position in the old bytes.
const LENGTH_TO_END: Tag = Tag(0x0008, 0x0001);

/// Why a data set cannot be transcoded. Another try will fail the same way, except where the error says too large.
#[derive(Debug, thiserror::Error)]
pub enum TranscodeError {
    /// There is no lossless way from one to the other.
    #[error("there is no lossless way from {from} to {to}", from = traits(from).name, to = traits(to).name)]
    NoWay {
        /// What it is written in.
        from: TransferSyntaxUid,
        /// What was asked for.
        to: TransferSyntaxUid,
    },
    /// More bytes than are held in memory.
    #[error(
        "the data set has {bytes} bytes, more than the {DATA_SET_BYTES_MAX} that are transcoded in memory"
    )]
    TooLarge {
        /// Its bytes.
        bytes: usize,
    },
    /// It cannot be read.
    #[error("the data set cannot be read for transcoding")]
    Read(#[from] ReadError),
    /// Its pixel data cannot be decoded, or are not what their attributes say.
    #[error("the pixel data cannot be transcoded")]
    Pixels(#[from] PixelError),
    /// Pixels that RLE has no segments for.
    #[error("RLE cannot hold {samples} samples of {bits_allocated} bits a pixel")]
    NotForRle {
        /// Samples of a pixel.
        samples: u16,
        /// Bits Allocated.
        bits_allocated: u16,
    },
    /// Its native pixel data have more bytes than pixels, which compression would lose.
    #[error("the pixel data have {bytes} bytes behind the last pixel, which compression would lose")]
    Excess {
        /// Bytes that are not pixels.
        bytes: usize,
    },
    /// Chroma subsampling, which RLE does not have.
    #[error("the pixel data are subsampled, which RLE cannot hold")]
    Subsampled,
    /// Encapsulated data in an element that is no pixel data.
    #[error("{tag} holds encapsulated data, of which nothing is known")]
    StrangeFragments {
        /// The element.
        tag: Tag,
    },
}

impl From<ShapeError> for TranscodeError {
    fn from(error: ShapeError) -> Self {
        Self::Pixels(PixelError::Shape(error))
    }
}

/// How pixel data are to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Target {
    Native(Form),
    Deflated,
    Rle,
}

impl Target {
    fn of(to: &TransferSyntaxUid) -> Option<Self> {
        let traits = traits(to);
        match traits.encoding {
            _ if to.as_str() == RLE => Some(Self::Rle),
            _ if traits.pixels != Pixels::Native => None,
            Encoding::ImplicitLittle => Some(Self::Native(Form::ImplicitLittle)),
            Encoding::ExplicitLittle => Some(Self::Native(Form::ExplicitLittle)),
            Encoding::ExplicitBig => Some(Self::Native(Form::ExplicitBig)),
            Encoding::Deflated => Some(Self::Deflated),
            Encoding::Unknown => None,
        }
    }

    fn form(self) -> Form {
        match self {
            Self::Native(form) => form,
            Self::Deflated | Self::Rle => Form::ExplicitLittle,
        }
    }
}

/// Turns a data set, without group 0002, of transfer syntax `from` into one of `to`. Nothing is lost: pixel data are
/// decoded, re-encoded or written anew, Photometric Interpretation and Planar Configuration follow them, offset tables
/// and group lengths go, everything else stays.
pub fn transcode(
    bytes: Bytes,
    from: &TransferSyntaxUid,
    to: &TransferSyntaxUid,
) -> Result<Vec<u8>, TranscodeError> {
    if is_included(from, to) {
        return Ok(bytes.into());
    }
    if bytes.len() > DATA_SET_BYTES_MAX {
        return Err(TranscodeError::TooLarge { bytes: bytes.len() });
    }
    let no_way = || TranscodeError::NoWay { from: from.clone(), to: to.clone() };
    let target = Target::of(to).ok_or_else(no_way)?;
    let mut data_set = read(from, bytes)?;
    let codec = Codec::of(from);
    if codec.is_none() && traits(from).pixels != Pixels::Native && holds_fragments(&data_set) {
        return Err(no_way());
    }
    convert(&mut data_set, codec.map(|codec| (codec, from)))?;
    if target == Target::Rle {
        pixels::compress(&mut data_set)?;
    }
    let written = write(&data_set, target.form());
    Ok(if target == Target::Deflated { deflate(&written) } else { written })
}

fn holds_fragments(data_set: &DataSet) -> bool {
    data_set.elements.iter().any(|element| match &element.value {
        Value::Fragments(_) => true,
        Value::Sequence(items) => items.iter().any(holds_fragments),
        Value::Bytes(_) => false,
    })
}

/// Decodes the pixel data of the data set and of its items, icons for one, and takes out what only described the bytes.
fn convert(data_set: &mut DataSet, codec: Option<(Codec, &TransferSyntaxUid)>) -> Result<(), TranscodeError> {
    data_set.elements.retain(|element| element.tag.1 != 0 && element.tag != LENGTH_TO_END);
    for element in &mut data_set.elements {
        if let Value::Sequence(items) = &mut element.value {
            items.iter_mut().try_for_each(|item| convert(item, codec))?;
        }
    }
    if let Some((codec, from)) = codec {
        pixels::decompress(data_set, codec, from)?;
    }
    match data_set.elements.iter().find(|element| matches!(element.value, Value::Fragments(_))) {
        Some(element) => Err(TranscodeError::StrangeFragments { tag: element.tag }),
        None => Ok(()),
    }
}

/// Deflates a data set (RFC 1951, no header), padded to even length (PS3.5 section A.5).
fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    let mut out = written.expect("a vector takes all that is written to it");
    if out.len() % 2 == 1 {
        out.push(0);
    }
    out
}
