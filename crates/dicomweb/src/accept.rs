//! What a user agent takes: the Accept header field and query parameter (PS3.18 section 8.7.5).

mod frames;
mod objects;
mod pages;

use crate::media::{MediaType, MediaTypeError, split_outside_quotes};
pub use frames::{Coding, Container, FrameChoice, FrameForm};
pub use objects::{ObjectChoice, ObjectForm, Otherwise, Packaging, Syntax};
pub use pages::{IMAGES, RenderedForm, is_json_accepted};

/// Most bytes of an Accept header field: two dozen media types of every kind of image take a third of it.
const ACCEPT_BYTES_MAX: usize = 8 * 1024;
/// Most media ranges of one; more say nothing that these do not.
const RANGES_MAX: usize = 64;
/// Quality in thousandths (RFC 9110 section 12.4.2).
const QUALITY_MAX: u16 = 1000;

/// Media ranges, those liked best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    ranges: Vec<Range>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    media: MediaType,
    quality: u16,
}

/// Why an Accept header field cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AcceptError {
    /// Longer than any of use.
    #[error("Accept has more than {RANGES_MAX} media types or {ACCEPT_BYTES_MAX} bytes")]
    TooLong,
    /// One of them is none.
    #[error("Accept cannot be read")]
    Media(#[from] MediaTypeError),
    /// A quality that is none.
    #[error("`{text}` is no quality between 0 and 1")]
    Quality {
        /// What was there.
        text: String,
    },
}

impl Accept {
    /// Reads the value of an Accept header field or query parameter; an empty one takes everything.
    pub fn parse(text: &str) -> Result<Self, AcceptError> {
        if text.len() > ACCEPT_BYTES_MAX {
            return Err(AcceptError::TooLong);
        }
        let mut ranges = Vec::new();
        for piece in
            split_outside_quotes(text, b',').into_iter().map(str::trim).filter(|piece| !piece.is_empty())
        {
            let media = MediaType::parse(piece)?;
            let quality = media.parameter("q").map_or(Ok(QUALITY_MAX), quality)?;
            ranges.push(Range { media, quality });
        }
        if ranges.len() > RANGES_MAX {
            return Err(AcceptError::TooLong);
        }
        if ranges.is_empty() {
            ranges.push(Range { media: MediaType::parse("*/*")?, quality: QUALITY_MAX });
        }
        // Stable: of equals the first stays first.
        ranges.sort_by_key(|range| std::cmp::Reverse(range.quality));
        ranges.retain(|range| range.quality > 0);
        Ok(Self { ranges })
    }

    /// The ranges, the best first.
    fn media(&self) -> impl Iterator<Item = &MediaType> {
        self.ranges.iter().map(|range| &range.media)
    }
}

/// Whether a media range takes a media type.
fn takes(range: &str, media: &str) -> bool {
    let kind = media.split('/').next().unwrap_or_default();
    range == "*/*" || range.eq_ignore_ascii_case(media) || range == format!("{kind}/*")
}

/// Reads a quality in thousandths.
fn quality(text: &str) -> Result<u16, AcceptError> {
    let bad = || AcceptError::Quality { text: text.to_owned() };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(bad());
    }
    let whole: u16 = whole.parse().ok().filter(|whole| *whole <= 1).ok_or_else(bad)?;
    let thousandths: u16 = format!("{fraction:0<3}").parse().map_err(|_| bad())?;
    Some(whole * QUALITY_MAX + thousandths).filter(|quality| *quality <= QUALITY_MAX).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_come_first_and_what_is_not_wanted_goes() {
        let accept = Accept::parse("a/b;q=0.5, c/d, e/f;q=0, g/h;q=0.501, i/j;q=1.000,").unwrap();
        let media: Vec<&str> = accept.media().map(MediaType::essence).collect();
        assert_eq!(media, ["c/d", "i/j", "g/h", "a/b"]);
        assert_eq!(Accept::parse(" ").unwrap().media().map(MediaType::essence).collect::<Vec<_>>(), ["*/*"]);
    }

    #[test]
    fn what_cannot_be_read_is_refused() {
        for text in
            ["a", "a/b, c", "a/b;q=2", "a/b;q=1.001", "a/b;q=-1", "a/b;q=x", "a/b;q=0.1234", "a/b;q=\"\""]
        {
            assert!(Accept::parse(text).is_err(), "{text:?}");
        }
        assert_eq!(Accept::parse(&"a/b,".repeat(65)), Err(AcceptError::TooLong));
        assert_eq!(Accept::parse(&"a/b,".repeat(3000)), Err(AcceptError::TooLong));
    }
}
