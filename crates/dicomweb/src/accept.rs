//! What a user agent takes: the Accept header field and query parameter (PS3.18 section 8.7.5).

mod frames;
mod objects;
mod pages;

use std::sync::Arc;

use outrigger_model::TransferSyntaxUid;

use crate::media::{MULTIPART_RELATED, MediaType, MediaTypeError, split_outside_quotes};
pub use frames::{Coding, Container, FrameChoice, FrameForm};
pub use objects::{ObjectChoice, ObjectForm, Otherwise, Packaging, Syntax};
pub use pages::{IMAGES, RenderedForm, is_json_accepted};

/// Most bytes of an Accept header field: two dozen media types of every kind of image take a third of it.
const ACCEPT_BYTES_MAX: usize = 8 * 1024;
/// Most media ranges of one; more say nothing that these do not.
const RANGES_MAX: usize = 64;
/// Quality in thousandths (RFC 9110 section 12.4.2).
const QUALITY_MAX: u16 = 1000;

/// Media ranges, those liked best first; the last, of quality 0, say what is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Accept {
    ranges: Arc<[Range]>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Range {
    media: MediaType,
    quality: u16,
}

/// A range with some quality, among all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Liked {
    range: Range,
    all: Arc<[Range]>,
}

/// Something that can be sent.
struct Offer<'a> {
    container: Container,
    /// The media type of it, or of its parts.
    media: &'a str,
    /// `None` where it has none, or any may be chosen.
    syntax: Option<&'a TransferSyntaxUid>,
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
        Ok(Self { ranges: ranges.into() })
    }

    /// The ranges with some quality, the best first.
    fn liked(&self) -> impl Iterator<Item = Liked> {
        let ranges = self.ranges.iter().filter(|range| range.quality > 0);
        ranges.map(|range| Liked { range: range.clone(), all: Arc::clone(&self.ranges) })
    }
}

impl Liked {
    /// Whether what this range takes is not liked less by one that names it more closely (RFC 9110 section 12.5.1).
    fn stands(&self, offer: &Offer<'_>) -> bool {
        let own = (self.range.closeness(offer).unwrap_or(0), self.range.named_syntax().is_some());
        let closer = self.all.iter().filter(|range| range.is_syntax_of(offer)).filter_map(|range| {
            let closeness = (range.closeness(offer)?, range.named_syntax().is_some());
            (closeness > own).then_some((closeness, range.quality))
        });
        closer.max().is_none_or(|(_, quality)| quality >= self.range.quality)
    }
}

impl Range {
    /// How closely it names something but for the transfer syntax; `None` where it does not take it.
    fn closeness(&self, offer: &Offer<'_>) -> Option<u8> {
        match (offer.container, self.media.essence()) {
            (_, "*/*") => Some(0),
            (Container::Multipart, "multipart/*") => Some(1),
            (Container::Multipart, MULTIPART_RELATED) => {
                let of_parts = closeness(self.media.parameter("type").unwrap_or("*/*"), offer.media)?;
                Some(2 + of_parts)
            }
            (Container::Multipart, _) => None,
            (Container::Single, range) => closeness(range, offer.media),
        }
    }

    /// The one transfer syntax that it takes.
    fn named_syntax(&self) -> Option<&str> {
        self.media.parameter("transfer-syntax").filter(|syntax| *syntax != "*")
    }

    fn is_syntax_of(&self, offer: &Offer<'_>) -> bool {
        let is_of = |named: &str| offer.syntax.is_some_and(|syntax| syntax.as_str() == named);
        self.named_syntax().is_none_or(is_of)
    }
}

/// How closely a range of media types names one of them; `None` where it does not take it.
fn closeness(range: &str, media: &str) -> Option<u8> {
    let kind = media.split('/').next().unwrap_or_default();
    let is_of_kind = || range.strip_suffix("/*").is_some_and(|own| own.eq_ignore_ascii_case(kind));
    match range {
        "*/*" => Some(0),
        _ if range.eq_ignore_ascii_case(media) => Some(2),
        _ => is_of_kind().then_some(1),
    }
}

/// Whether a media range takes a media type.
fn takes(range: &str, media: &str) -> bool {
    closeness(range, media).is_some()
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
        let liked = |accept: &Accept| -> Vec<String> {
            accept.liked().map(|liked| liked.range.media.essence().to_owned()).collect()
        };
        assert_eq!(liked(&accept), ["c/d", "i/j", "g/h", "a/b"]);
        assert_eq!(liked(&Accept::parse(" ").unwrap()), ["*/*"]);
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
