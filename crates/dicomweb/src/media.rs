//! Media types (RFC 9110 section 8.3.1) and those of the kinds of encoding (PS3.18 section 8.7.3).

use std::fmt;

use outrigger_dataset::codestream::Family;
use outrigger_model::TransferSyntaxUid;

/// Most bytes of one media type with its parameters: two UIDs, a boundary and their names take less than half.
const MEDIA_TYPE_BYTES_MAX: usize = 1024;
/// Most parameters of a media type; the standards name no more than five.
const PARAMETERS_MAX: usize = 16;

/// DICOM objects.
pub const DICOM: &str = "application/dicom";
/// DICOM JSON.
pub const DICOM_JSON: &str = "application/dicom+json";
/// Several parts.
pub const MULTIPART_RELATED: &str = "multipart/related";
/// Bytes.
pub const OCTET_STREAM: &str = "application/octet-stream";
/// Frames as they are encoded.
pub const COMPRESSED: [&str; 7] =
    ["image/dicom-rle", "image/jpeg", "image/jls", "image/jp2", "image/jpx", "image/jphc", "image/jxl"];
/// Videos as they are encoded.
pub const VIDEOS: [&str; 3] = ["video/mpeg", "video/mp4", "video/H265"];

/// A media type or a range of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
}

/// Why a text is no media type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MediaTypeError {
    /// Longer than any that is served.
    #[error(
        "a media type is longer than {MEDIA_TYPE_BYTES_MAX} bytes or has more than {PARAMETERS_MAX} parameters"
    )]
    TooLong,
    /// Not written as RFC 9110 asks.
    #[error("`{text}` is no media type")]
    Malformed {
        /// What was there.
        text: String,
    },
}

impl MediaType {
    /// Reads `type/subtype; name=value; name="value"`.
    pub fn parse(text: &str) -> Result<Self, MediaTypeError> {
        if text.len() > MEDIA_TYPE_BYTES_MAX {
            return Err(MediaTypeError::TooLong);
        }
        let malformed = || MediaTypeError::Malformed { text: text.to_owned() };
        let mut pieces = split_outside_quotes(text, b';').into_iter();
        let essence = pieces.next().unwrap_or_default().trim().to_ascii_lowercase();
        let (kind, subtype) = essence.split_once('/').ok_or_else(malformed)?;
        if !is_token(kind) || !is_token(subtype) {
            return Err(malformed());
        }
        let mut parameters = Vec::new();
        for piece in pieces.map(str::trim).filter(|piece| !piece.is_empty()) {
            let (name, value) = piece.split_once('=').ok_or_else(malformed)?;
            let name = name.trim().to_ascii_lowercase();
            let value = unquoted(value.trim()).ok_or_else(malformed)?;
            if !is_token(&name) {
                return Err(malformed());
            }
            parameters.push((name, value));
        }
        if parameters.len() > PARAMETERS_MAX {
            return Err(MediaTypeError::TooLong);
        }
        Ok(Self { essence, parameters })
    }

    /// Type and subtype, in lower case.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The first parameter of a name, which is in lower case.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.iter().find(|(found, _)| found == name).map(|(_, value)| value.as_str())
    }
}

impl fmt::Display for MediaType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.essence)?;
        for (name, value) in &self.parameters {
            if is_token(value) {
                write!(f, "; {name}={value}")?;
            } else {
                write!(f, "; {name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\""))?;
            }
        }
        Ok(())
    }
}

/// The pieces between separators that stand in no quoted string.
pub(crate) fn split_outside_quotes(text: &str, separator: u8) -> Vec<&str> {
    let mut pieces = Vec::new();
    let (mut from, mut is_quoted, mut is_escaped) = (0, false, false);
    for (place, byte) in text.bytes().enumerate() {
        match byte {
            _ if is_escaped => is_escaped = false,
            b'\\' if is_quoted => is_escaped = true,
            b'"' => is_quoted = !is_quoted,
            _ if byte == separator && !is_quoted => {
                pieces.extend(text.get(from..place));
                from = place + 1;
            }
            _ => {}
        }
    }
    pieces.extend(text.get(from..));
    pieces
}

/// The value of a token or of a quoted string. Slashes are taken outside quotes too: `type=application/dicom` is met
/// everywhere.
fn unquoted(value: &str) -> Option<String> {
    let Some(inside) = value.strip_prefix('"') else {
        return value.split('/').all(is_token).then(|| value.to_owned());
    };
    let inside = inside.strip_suffix('"')?;
    let mut out = String::new();
    let mut characters = inside.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.push(characters.next()?),
            '"' => return None,
            other if other.is_control() => return None,
            other => out.push(other),
        }
    }
    Some(out)
}

fn is_token(text: &str) -> bool {
    let is_token_byte = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_token_byte)
}

/// The media type of a frame as it is encoded (PS3.18 tables 8.7.3-2 and 8.7.3-3).
pub fn frame_media(transfer_syntax: &TransferSyntaxUid) -> &'static str {
    match Family::of(transfer_syntax) {
        Some(Family::Rle) => "image/dicom-rle",
        Some(Family::Jpeg) => "image/jpeg",
        Some(Family::JpegLs) => "image/jls",
        Some(Family::Jpeg2000) => match transfer_syntax.as_str() {
            "1.2.840.10008.1.2.4.92" | "1.2.840.10008.1.2.4.93" => "image/jpx",
            _ => "image/jp2",
        },
        Some(Family::HighThroughputJpeg2000) => "image/jphc",
        Some(Family::JpegXl) => "image/jxl",
        Some(Family::Video) => video_media(transfer_syntax),
        Some(Family::Uncompressed | Family::Deflated) | None => OCTET_STREAM,
    }
}

fn video_media(transfer_syntax: &TransferSyntaxUid) -> &'static str {
    let base = |number| transfer_syntax.as_str().starts_with(&format!("1.2.840.10008.1.2.4.{number}"));
    match () {
        () if base(100) || base(101) => "video/mpeg",
        () if base(107) || base(108) => "video/H265",
        () => "video/mp4",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_an_essence_and_parameters() {
        let read = |text: &str| MediaType::parse(text).unwrap();
        let full =
            read("Multipart/Related; TYPE=\"application/dicom\"; transfer-syntax=*;boundary=\"a;\\\"b\"");
        assert_eq!(full.essence(), MULTIPART_RELATED);
        assert_eq!(full.parameter("type"), Some(DICOM));
        assert_eq!(full.parameter("transfer-syntax"), Some("*"));
        assert_eq!(full.parameter("boundary"), Some("a;\"b"));
        assert_eq!(full.parameter("q"), None);
        assert_eq!(read(&full.to_string()), full);
        assert_eq!(read("multipart/related; type=application/dicom").parameter("type"), Some(DICOM));
        assert_eq!(read("*/*").essence(), "*/*");
        assert_eq!(read("image/jpeg;").to_string(), "image/jpeg");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "text",
            "/",
            "a/",
            "/b",
            "a/b/c",
            "a b/c",
            "a/b; c",
            "a/b; =c",
            "a/b; c=\"d",
            "a/b; c=\"d\"e\"",
            "a/b;c=d e",
        ] {
            assert!(MediaType::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(MediaType::parse(&format!("a/b;c={}", "d".repeat(2000))), Err(MediaTypeError::TooLong));
        assert_eq!(MediaType::parse(&format!("a/b{}", ";c=d".repeat(17))), Err(MediaTypeError::TooLong));
    }

    #[test]
    fn frames_are_named_by_their_encoding() {
        for (rest, media) in [
            ("", OCTET_STREAM),
            (".1", OCTET_STREAM),
            (".1.98", OCTET_STREAM),
            (".5", "image/dicom-rle"),
            (".4.50", "image/jpeg"),
            (".4.70", "image/jpeg"),
            (".4.80", "image/jls"),
            (".4.90", "image/jp2"),
            (".4.93", "image/jpx"),
            (".4.201", "image/jphc"),
            (".4.110", "image/jxl"),
            (".4.100", "video/mpeg"),
            (".4.102", "video/mp4"),
            (".4.107", "video/H265"),
        ] {
            let syntax = TransferSyntaxUid::new(&format!("1.2.840.10008.1.2{rest}")).unwrap();
            assert_eq!(frame_media(&syntax), media, "{rest}");
        }
    }
}
