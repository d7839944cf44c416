//! Families of transfer syntaxes that share a kind of codestream, and the decoders at hand.

use outrigger_model::TransferSyntaxUid;

use super::error::{CodestreamError, unsupported};
use super::jpeg2000::Loss;
use super::{jpeg_lossless, jpeg_ls, jpeg2000, rle};
use crate::pixel::Shape;

/// A kind of codestream. A stream means the same in every transfer syntax of its family.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// RLE lossless (PS3.5 annex G).
    Rle,
    /// JPEG of any process (ITU-T T.81).
    Jpeg,
    /// JPEG-LS (T.87).
    JpegLs,
    /// JPEG 2000 (T.800, T.801).
    Jpeg2000,
    /// High-throughput JPEG 2000 (T.814).
    HighThroughputJpeg2000,
    /// JPEG XL (ISO/IEC 18181).
    JpegXl,
    /// MPEG-2, MPEG-4 and HEVC: one stream for all frames.
    Video,
    /// Frames as they are (encapsulated uncompressed).
    Uncompressed,
    /// Frames deflated one by one.
    Deflated,
}

impl Family {
    /// The family of an encapsulated transfer syntax; `None` for native, private and unknown ones.
    pub fn of(transfer_syntax: &TransferSyntaxUid) -> Option<Self> {
        let (_, rest) = transfer_syntax.as_str().split_at_checked("1.2.840.10008.1.2.".len())?;
        if !transfer_syntax.as_str().starts_with("1.2.840.10008.1.2.") {
            return None;
        }
        Some(match rest {
            "5" => Self::Rle,
            "1.98" => Self::Uncompressed,
            "8.1" => Self::Deflated,
            _ => Self::of_image(rest.strip_prefix("4.")?)?,
        })
    }

    fn of_image(rest: &str) -> Option<Self> {
        let (number, _) = rest.split_once('.').unwrap_or((rest, ""));
        match number.parse().ok()? {
            50..=70_u16 => Some(Self::Jpeg),
            80 | 81 => Some(Self::JpegLs),
            90..=93 => Some(Self::Jpeg2000),
            100..=108 => Some(Self::Video),
            110..=112 => Some(Self::JpegXl),
            201..=203 => Some(Self::HighThroughputJpeg2000),
            _ => None,
        }
    }

    /// A name for digests: stored ones depend on it, so it never changes.
    pub(super) fn digest_name(self) -> &'static str {
        match self {
            Self::Rle => "rle",
            Self::Jpeg => "jpeg",
            Self::JpegLs => "jpeg-ls",
            Self::Jpeg2000 => "jpeg-2000",
            Self::HighThroughputJpeg2000 => "htj2k",
            Self::JpegXl => "jpeg-xl",
            Self::Video => "video",
            Self::Uncompressed => "uncompressed",
            Self::Deflated => "deflated",
        }
    }

    /// What the stream of a frame starts with, where that shows.
    pub(super) fn start(self) -> Option<&'static [u8]> {
        match self {
            Self::Jpeg | Self::JpegLs => Some(&[0xFF, 0xD8, 0xFF]),
            Self::Jpeg2000 | Self::HighThroughputJpeg2000 => Some(&[0xFF, 0x4F, 0xFF, 0x51]),
            Self::Rle | Self::JpegXl | Self::Video | Self::Uncompressed | Self::Deflated => None,
        }
    }
}

/// A lossless codec we decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    Rle,
    JpegLossless,
    JpegLsLossless,
    Jpeg2000Reversible,
}

impl Codec {
    /// The codec of a transfer syntax that is lossless by its definition and decoded here.
    pub(crate) fn of(transfer_syntax: &TransferSyntaxUid) -> Option<Self> {
        match transfer_syntax.as_str() {
            "1.2.840.10008.1.2.5" => Some(Self::Rle),
            "1.2.840.10008.1.2.4.57" | "1.2.840.10008.1.2.4.70" => Some(Self::JpegLossless),
            "1.2.840.10008.1.2.4.80" => Some(Self::JpegLsLossless),
            "1.2.840.10008.1.2.4.90" => Some(Self::Jpeg2000Reversible),
            _ => None,
        }
    }
}

/// Decodes one frame to cells of Bits Allocated, little endian, interleaved by pixel.
pub(crate) fn decode(codec: Codec, frame: &[u8], shape: &Shape) -> Result<Vec<u8>, CodestreamError> {
    // Others than RLE give samples of at most 16 bits; asked first, since the attributes bound the memory.
    if codec != Codec::Rle && !matches!(shape.bits_allocated, 8 | 16) {
        return Err(unsupported("Bits Allocated other than 8 and 16"));
    }
    match codec {
        Codec::Rle => rle::decode(frame, shape),
        Codec::JpegLossless => jpeg_lossless::decode(frame, shape)?.into_cells(shape),
        Codec::JpegLsLossless => jpeg_ls::decode(frame, shape)?.into_cells(shape),
        Codec::Jpeg2000Reversible => jpeg2000::decode(frame, shape, Loss::Refused)?.into_cells(shape),
    }
}

/// Decodes one frame of JPEG 2000 to cells, as [`decode`] does, whether it has lost something or not.
pub(crate) fn decode_lossy_jpeg2000(frame: &[u8], shape: &Shape) -> Result<Vec<u8>, CodestreamError> {
    jpeg2000::decode(frame, shape, Loss::Taken)?.into_cells(shape)
}
