//! What kind of statement an attribute makes.

use outrigger_model::Tag;

use super::attributes::Pixels;

/// The kinds, in which copies may differ for different reasons.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// What the object is known by.
    Identity,
    /// Patient, study and order: others may correct it.
    Administrative,
    /// Written by whoever keeps or passes on a copy; says nothing about the object.
    Volatile,
    /// The pixels and the tables that lead into them.
    PixelValue,
    /// How the pixels are stored, which a codec may change.
    PixelStorage,
    /// Odd groups.
    Private,
    /// Everything else.
    Technical,
}

/// What says where a copy lies, who changed it last and how its bytes are written.
const VOLATILE: [Tag; 14] = [
    Tag(0x0008, 0x0001), // Length to End
    Tag(0x0008, 0x0005), // Specific Character Set: texts are compared decoded
    Tag(0x0008, 0x0015), // Instance Coercion DateTime
    Tag(0x0008, 0x0054), // Retrieve AE Title
    Tag(0x0008, 0x0056), // Instance Availability
    Tag(0x0008, 0x0201), // Timezone Offset From UTC
    Tag(0x0008, 0x1190), // Retrieve URL
    Tag(0x0018, 0xA001), // Contributing Equipment Sequence
    Tag(0x0040, 0xE010), // Retrieve URI
    Tag(0x0088, 0x0130), // Storage Media File-set ID
    Tag(0x0088, 0x0140), // Storage Media File-set UID
    Tag(0x0400, 0x0561), // Original Attributes Sequence
    Tag(0x0400, 0x0600), // Instance Origin Status
    Tag(0xFFFC, 0xFFFC), // Data Set Trailing Padding
];

/// The class of an attribute at the top level. Without pixels, what describes them is technical.
pub(super) fn class(tag: Tag, pixels: Pixels) -> Class {
    match tag {
        _ if is_volatile(tag) => Class::Volatile,
        Tag(0x7FE0, 0x0001..=0x0003 | 0x0008..=0x0010) => Class::PixelValue,
        // Encoders without loss write a Derivation Description too, of how they encoded.
        Tag(0x0028, 0x0002 | 0x0004 | 0x0006 | 0x0100..=0x0103 | 0x2110 | 0x2112 | 0x2114)
        | Tag(0x0008, 0x2111)
            if pixels == Pixels::Present =>
        {
            Class::PixelStorage
        }
        Tag(group, _) if group % 2 == 1 => Class::Private,
        Tag(0x0008, 0x0016 | 0x0018) | Tag(0x0020, 0x000D | 0x000E) => Class::Identity,
        _ if is_administrative(tag) => Class::Administrative,
        _ => Class::Technical,
    }
}

/// Whether an attribute counts nowhere, at any depth: file meta, group lengths, and the volatile ones.
pub(super) fn is_volatile(tag: Tag) -> bool {
    tag.0 <= 0x0007 || tag.1 == 0 || VOLATILE.contains(&tag)
}

/// Patient (but for age, size and weight, which doses are computed from), trial, order and study attributes.
fn is_administrative(tag: Tag) -> bool {
    match tag.0 {
        0x0008 => is_administrative_identification(tag.1),
        0x0010 => !matches!(tag.1, 0x1010 | 0x1020 | 0x1030),
        0x0012 | 0x0032 | 0x0038 => true,
        // Procedure steps and requests; specimens and the content of reports are technical.
        0x0040 => matches!(tag.1, 0x0001..=0x04FF | 0x1000..=0x3FFF),
        _ => tag == Tag::STUDY_ID,
    }
}

/// Study date and time, accession number, institution, physicians, descriptions, station, procedure and diagnosis codes
/// and references to study and patient.
fn is_administrative_identification(element: u16) -> bool {
    matches!(element, 0x0020 | 0x0030 | 0x0050 | 0x0051 | 0x0080 | 0x0081 | 0x0090..=0x0096)
        || matches!(element, 0x1010 | 0x1030 | 0x1032 | 0x103E | 0x1040 | 0x1048..=0x1062)
        || matches!(element, 0x1080 | 0x1084 | 0x1110 | 0x1120)
}
