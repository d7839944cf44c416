//! Transfer syntaxes (PS3.5 Annex A, PS3.6 Annex A) and what can be done with each.

use crate::TransferSyntaxUid;

/// Implicit VR Little Endian, the default transfer syntax.
pub const IMPLICIT_VR_LE: &str = "1.2.840.10008.1.2";
/// Explicit VR Little Endian.
pub const EXPLICIT_VR_LE: &str = "1.2.840.10008.1.2.1";
/// Explicit VR Big Endian (retired).
pub const EXPLICIT_VR_BE: &str = "1.2.840.10008.1.2.2";
/// Deflated Explicit VR Little Endian.
pub const DEFLATED: &str = "1.2.840.10008.1.2.1.99";
/// GE private: Implicit VR Little Endian with big-endian pixel data.
pub const GE_PRIVATE: &str = "1.2.840.113619.5.2";

/// How the elements of a data set are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Implicit VR, little endian.
    ImplicitLittle,
    /// Explicit VR, little endian.
    ExplicitLittle,
    /// Explicit VR, big endian.
    ExplicitBig,
    /// Explicit VR, little endian, the whole data set deflated (RFC 1951).
    Deflated,
    /// Not known to us: private syntaxes.
    Unknown,
}

/// What may be done with the pixel data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pixels {
    /// Native, uncompressed.
    Native,
    /// Compressed so that decoding gives the original back.
    Lossless,
    /// Compressed, perhaps with loss.
    PerhapsLossy,
    /// Not in the message: referenced or streamed elsewhere; never accepted.
    Elsewhere,
    /// Not known to us.
    Unknown,
}

/// What is known of a transfer syntax.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Traits {
    /// How elements are written.
    pub encoding: Encoding,
    /// What may be done with the pixel data.
    pub pixels: Pixels,
    /// Its name in PS3.6.
    pub name: &'static str,
}

/// Looks up a transfer syntax; private and unknown ones have unknown traits, and their bytes are kept as they are.
pub fn traits(uid: &TransferSyntaxUid) -> Traits {
    TABLE.iter().find(|(known, _)| *known == uid.as_str()).map_or(
        Traits { encoding: Encoding::Unknown, pixels: Pixels::Unknown, name: "private or unknown" },
        |(_, traits)| *traits,
    )
}

const fn row(encoding: Encoding, pixels: Pixels, name: &'static str) -> Traits {
    Traits { encoding, pixels, name }
}

#[rustfmt::skip]
const TABLE: &[(&str, Traits)] = &[
    ("1.2.840.10008.1.2", row(Encoding::ImplicitLittle, Pixels::Native, "Implicit VR Little Endian")),
    ("1.2.840.10008.1.2.1", row(Encoding::ExplicitLittle, Pixels::Native, "Explicit VR Little Endian")),
    ("1.2.840.10008.1.2.1.98", row(Encoding::ExplicitLittle, Pixels::Lossless, "Encapsulated Uncompressed Explicit VR Little Endian")),
    ("1.2.840.10008.1.2.1.99", row(Encoding::Deflated, Pixels::Native, "Deflated Explicit VR Little Endian")),
    ("1.2.840.10008.1.2.2", row(Encoding::ExplicitBig, Pixels::Native, "Explicit VR Big Endian")),
    ("1.2.840.10008.1.2.4.50", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Baseline (Process 1)")),
    ("1.2.840.10008.1.2.4.51", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Extended (Process 2 and 4)")),
    ("1.2.840.10008.1.2.4.52", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Extended (Process 3 and 5)")),
    ("1.2.840.10008.1.2.4.53", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Spectral Selection, Non-Hierarchical (Process 6 and 8)")),
    ("1.2.840.10008.1.2.4.54", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Spectral Selection, Non-Hierarchical (Process 7 and 9)")),
    ("1.2.840.10008.1.2.4.55", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Full Progression, Non-Hierarchical (Process 10 and 12)")),
    ("1.2.840.10008.1.2.4.56", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Full Progression, Non-Hierarchical (Process 11 and 13)")),
    ("1.2.840.10008.1.2.4.57", row(Encoding::ExplicitLittle, Pixels::Lossless, "JPEG Lossless, Non-Hierarchical (Process 14)")),
    ("1.2.840.10008.1.2.4.58", row(Encoding::ExplicitLittle, Pixels::Lossless, "JPEG Lossless, Non-Hierarchical (Process 15)")),
    ("1.2.840.10008.1.2.4.59", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Extended, Hierarchical (Process 16 and 18)")),
    ("1.2.840.10008.1.2.4.60", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Extended, Hierarchical (Process 17 and 19)")),
    ("1.2.840.10008.1.2.4.61", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Spectral Selection, Hierarchical (Process 20 and 22)")),
    ("1.2.840.10008.1.2.4.62", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Spectral Selection, Hierarchical (Process 21 and 23)")),
    ("1.2.840.10008.1.2.4.63", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Full Progression, Hierarchical (Process 24 and 26)")),
    ("1.2.840.10008.1.2.4.64", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG Full Progression, Hierarchical (Process 25 and 27)")),
    ("1.2.840.10008.1.2.4.65", row(Encoding::ExplicitLittle, Pixels::Lossless, "JPEG Lossless, Hierarchical (Process 28)")),
    ("1.2.840.10008.1.2.4.66", row(Encoding::ExplicitLittle, Pixels::Lossless, "JPEG Lossless, Hierarchical (Process 29)")),
    ("1.2.840.10008.1.2.4.70", row(Encoding::ExplicitLittle, Pixels::Lossless, "JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])")),
    ("1.2.840.10008.1.2.4.80", row(Encoding::ExplicitLittle, Pixels::Lossless, "JPEG-LS Lossless Image Compression")),
    ("1.2.840.10008.1.2.4.81", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG-LS Lossy (Near-Lossless) Image Compression")),
    ("1.2.840.10008.1.2.4.90", row(Encoding::ExplicitLittle, Pixels::Lossless, "JPEG 2000 Image Compression (Lossless Only)")),
    ("1.2.840.10008.1.2.4.91", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG 2000 Image Compression")),
    ("1.2.840.10008.1.2.4.92", row(Encoding::ExplicitLittle, Pixels::Lossless, "JPEG 2000 Part 2 Multi-component Image Compression (Lossless Only)")),
    ("1.2.840.10008.1.2.4.93", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG 2000 Part 2 Multi-component Image Compression")),
    ("1.2.840.10008.1.2.4.94", row(Encoding::ExplicitLittle, Pixels::Elsewhere, "JPIP Referenced")),
    ("1.2.840.10008.1.2.4.95", row(Encoding::Deflated, Pixels::Elsewhere, "JPIP Referenced Deflate")),
    ("1.2.840.10008.1.2.4.100", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "MPEG2 Main Profile / Main Level")),
    ("1.2.840.10008.1.2.4.100.1", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "Fragmentable MPEG2 Main Profile / Main Level")),
    ("1.2.840.10008.1.2.4.101", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "MPEG2 Main Profile / High Level")),
    ("1.2.840.10008.1.2.4.101.1", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "Fragmentable MPEG2 Main Profile / High Level")),
    ("1.2.840.10008.1.2.4.102", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "MPEG-4 AVC/H.264 High Profile / Level 4.1")),
    ("1.2.840.10008.1.2.4.102.1", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.1")),
    ("1.2.840.10008.1.2.4.103", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1")),
    ("1.2.840.10008.1.2.4.103.1", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "Fragmentable MPEG-4 AVC/H.264 BD-compatible High Profile / Level 4.1")),
    ("1.2.840.10008.1.2.4.104", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video")),
    ("1.2.840.10008.1.2.4.104.1", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 2D Video")),
    ("1.2.840.10008.1.2.4.105", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video")),
    ("1.2.840.10008.1.2.4.105.1", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "Fragmentable MPEG-4 AVC/H.264 High Profile / Level 4.2 For 3D Video")),
    ("1.2.840.10008.1.2.4.106", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2")),
    ("1.2.840.10008.1.2.4.106.1", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "Fragmentable MPEG-4 AVC/H.264 Stereo High Profile / Level 4.2")),
    ("1.2.840.10008.1.2.4.107", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "HEVC/H.265 Main Profile / Level 5.1")),
    ("1.2.840.10008.1.2.4.108", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "HEVC/H.265 Main 10 Profile / Level 5.1")),
    ("1.2.840.10008.1.2.4.201", row(Encoding::ExplicitLittle, Pixels::Lossless, "High-Throughput JPEG 2000 Image Compression (Lossless Only)")),
    ("1.2.840.10008.1.2.4.202", row(Encoding::ExplicitLittle, Pixels::Lossless, "High-Throughput JPEG 2000 with RPCL Options Image Compression (Lossless Only)")),
    ("1.2.840.10008.1.2.4.203", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "High-Throughput JPEG 2000 Image Compression")),
    ("1.2.840.10008.1.2.4.204", row(Encoding::ExplicitLittle, Pixels::Elsewhere, "JPIP HTJ2K Referenced")),
    ("1.2.840.10008.1.2.4.205", row(Encoding::Deflated, Pixels::Elsewhere, "JPIP HTJ2K Referenced Deflate")),
    ("1.2.840.10008.1.2.5", row(Encoding::ExplicitLittle, Pixels::Lossless, "RLE Lossless")),
    ("1.2.840.10008.1.2.6.1", row(Encoding::ExplicitLittle, Pixels::Elsewhere, "RFC 2557 MIME encapsulation")),
    ("1.2.840.10008.1.2.6.2", row(Encoding::ExplicitLittle, Pixels::Elsewhere, "XML Encoding")),
    ("1.2.840.10008.1.2.7.1", row(Encoding::ExplicitLittle, Pixels::Elsewhere, "SMPTE ST 2110-20 Uncompressed Progressive Active Video")),
    ("1.2.840.10008.1.2.7.2", row(Encoding::ExplicitLittle, Pixels::Elsewhere, "SMPTE ST 2110-20 Uncompressed Interlaced Active Video")),
    ("1.2.840.10008.1.2.7.3", row(Encoding::ExplicitLittle, Pixels::Elsewhere, "SMPTE ST 2110-30 PCM Digital Audio")),
    ("1.2.840.10008.1.20", row(Encoding::ImplicitLittle, Pixels::Native, "Papyrus 3 Implicit VR Little Endian")),
    ("1.2.840.10008.1.2.4.110", row(Encoding::ExplicitLittle, Pixels::Lossless, "JPEG XL Lossless")),
    ("1.2.840.10008.1.2.4.111", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG XL JPEG Recompression")),
    ("1.2.840.10008.1.2.4.112", row(Encoding::ExplicitLittle, Pixels::PerhapsLossy, "JPEG XL")),
    ("1.2.840.10008.1.2.8.1", row(Encoding::ExplicitLittle, Pixels::Lossless, "Deflated Image Frame Compression")),
    (GE_PRIVATE, row(Encoding::ImplicitLittle, Pixels::Unknown, "GE private, big-endian pixel data")),
];
