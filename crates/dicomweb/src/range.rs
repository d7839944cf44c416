//! The range of bytes that a request asks for (RFC 9110 section 14.1.2).

/// One range; several, and other units, count as none, which is allowed of a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Range {
    /// The whole.
    None,
    /// From a byte on, to one or to the end.
    From(u64, Option<u64>),
    /// So many at the end.
    Last(u64),
}

/// Bytes from one up to, and without, another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Part {
    /// The first.
    pub from: u64,
    /// The one behind the last.
    pub to: u64,
}

/// A range that lies outside; 416.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the range lies outside the {length} bytes there are")]
pub struct RangeError {
    /// How many there are.
    pub length: u64,
}

impl Range {
    /// Reads the value of a Range header field.
    pub fn parse(text: &str) -> Self {
        Self::read(text).unwrap_or(Self::None)
    }

    fn read(text: &str) -> Option<Self> {
        let (first, last) = text.trim().strip_prefix("bytes=")?.trim().split_once('-')?;
        let number = |text: &str| -> Option<u64> {
            text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
        };
        match (first, last) {
            ("", last) => Some(Self::Last(number(last)?)),
            (first, "") => Some(Self::From(number(first)?, None)),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From(first, Some(last)))
            }
        }
    }

    /// The part of so many bytes; `None` for the whole.
    pub fn within(self, length: u64) -> Result<Option<Part>, RangeError> {
        let part = match self {
            Self::None => return Ok(None),
            Self::From(from, last) => {
                Part { from, to: last.map_or(length, |last| last.saturating_add(1).min(length)) }
            }
            Self::Last(count) => Part { from: length.saturating_sub(count), to: length },
        };
        if part.from < part.to { Ok(Some(part)) } else { Err(RangeError { length }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_lie_within_or_are_refused() {
        for (text, part) in [
            ("bytes=0-9", Ok(Some((0, 10)))),
            ("bytes=90-", Ok(Some((90, 100)))),
            ("bytes=90-1000", Ok(Some((90, 100)))),
            ("bytes=-10", Ok(Some((90, 100)))),
            ("bytes=-1000", Ok(Some((0, 100)))),
            ("bytes=100-", Err(RangeError { length: 100 })),
            ("bytes=-0", Err(RangeError { length: 100 })),
            ("bytes=0-1,5-6", Ok(None)),
            ("bytes=5-1", Ok(None)),
            ("bytes=-", Ok(None)),
            ("bytes=a-b", Ok(None)),
            ("bytes=+1-2", Ok(None)),
            ("lines=0-9", Ok(None)),
            ("", Ok(None)),
        ] {
            let part = part.map(|part| part.map(|(from, to)| Part { from, to }));
            assert_eq!(Range::parse(text).within(100), part, "{text}");
        }
    }
}
