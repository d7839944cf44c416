//! Reading a multipart body as it arrives (RFC 2046 section 5.1.1).
//!
//! Ours and not `multer`'s: that one buffers whatever the connection has ready, headers of parts without end, and takes a line
//! that merely begins with the boundary for an error. Here no more is held than what one push gave and one head of a part.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem::{self, Finder};

/// Longest head of a part, and longest line of a boundary: both are a few names and values.
const HEAD_BYTES_MAX: usize = 8 << 10;
/// Longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;
/// Bytes of a part that are copied: so few would keep alive the far larger piece they came in.
const COPIED_BYTES_MAX: usize = 4 << 10;

/// What comes next of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A part begins.
    Part(PartHead),
    /// Bytes of the part.
    Data(Bytes),
    /// The part has come whole.
    PartEnd,
    /// The body has come whole; what follows is of no account.
    End,
}

/// The header of a part.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartHead(Vec<(String, String)>);

/// Why a body cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MultipartError {
    /// The boundary breaks its rules.
    #[error("a boundary has 1 to {BOUNDARY_BYTES_MAX} printable characters")]
    Boundary,
    /// A head without end.
    #[error("the header of a part is longer than {HEAD_BYTES_MAX} bytes")]
    LongHead,
    /// No line of it is a boundary.
    #[error("the boundary that the header names does not stand in the body")]
    NoBoundary,
    /// It ends before the closing boundary.
    #[error("the body ends before its closing boundary")]
    Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before the first boundary, where nothing counts.
    Preamble,
    Head,
    Data,
    Ended,
}

/// A body that is arriving.
#[derive(Debug)]
pub struct MultipartReader {
    delimiter: Finder<'static>,
    /// What came and was not given on, in the piece it came in where nothing was held before.
    held: Bytes,
    state: State,
}

/// What stands where the bytes of a delimiter do.
enum Line {
    /// A part begins behind so many bytes.
    Opens(usize),
    /// The body ends here.
    Closes,
    /// Only the beginning is the same.
    Other,
    /// It cannot be told before more has come.
    Unknown,
}

impl PartHead {
    /// The value of a header field, by its name in any case.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let fields = text.lines().filter_map(|line| line.split_once(':'));
        Self(fields.map(|(name, value)| (name.trim().to_owned(), value.trim().to_owned())).collect())
    }
}

impl MultipartReader {
    /// A body of this boundary.
    pub fn new(boundary: &str) -> Result<Self, MultipartError> {
        let is_good = |text: &str| text.bytes().all(|byte| byte == b' ' || byte.is_ascii_graphic());
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX || !is_good(boundary) {
            return Err(MultipartError::Boundary);
        }
        let delimiter = format!("\r\n--{boundary}");
        Ok(Self {
            delimiter: Finder::new(delimiter.as_bytes()).into_owned(),
            // As if a line had ended before the body, so that its first boundary is found like any other.
            held: Bytes::from_static(b"\r\n"),
            state: State::Preamble,
        })
    }

    /// Takes the next bytes; what was pushed before is to be asked for first.
    pub fn push(&mut self, bytes: Bytes) {
        if self.state == State::Ended {
            return;
        }
        if self.held.is_empty() {
            self.held = bytes;
            return;
        }
        let mut joined = BytesMut::with_capacity(self.held.len() + bytes.len());
        joined.extend_from_slice(&self.held);
        joined.extend_from_slice(&bytes);
        self.held = joined.freeze();
    }

    /// What comes next of what was pushed; nothing where more is needed.
    pub fn next_event(&mut self) -> Result<Option<Event>, MultipartError> {
        match self.state {
            State::Ended => Ok(None),
            State::Head => self.head(),
            State::Preamble | State::Data => self.data(),
        }
    }

    /// Nothing more comes.
    pub fn finish(&self) -> Result<(), MultipartError> {
        match self.state {
            State::Ended => Ok(()),
            State::Preamble => Err(MultipartError::NoBoundary),
            State::Head | State::Data => Err(MultipartError::Cut),
        }
    }

    /// The bytes before the next delimiter, or what the delimiter means.
    fn data(&mut self) -> Result<Option<Event>, MultipartError> {
        let delimiter = self.delimiter.needle().len();
        loop {
            let (sure, line) = match self.delimiter.find(&self.held) {
                None => (self.held.len() - self.tail(), Line::Unknown),
                Some(0) => (0, line(self.held.get(delimiter..).unwrap_or_default())?),
                Some(at) => (at, Line::Unknown),
            };
            match line {
                Line::Opens(behind) => {
                    self.held.advance(delimiter + behind);
                    let was = std::mem::replace(&mut self.state, State::Head);
                    return if was == State::Data { Ok(Some(Event::PartEnd)) } else { self.head() };
                }
                Line::Closes if self.state == State::Data => {
                    // The delimiter stays: what follows the part is the end.
                    self.state = State::Preamble;
                    return Ok(Some(Event::PartEnd));
                }
                Line::Closes => {
                    self.state = State::Ended;
                    self.held = Bytes::new();
                    return Ok(Some(Event::End));
                }
                Line::Unknown if sure == 0 => return Ok(None),
                Line::Unknown | Line::Other => {
                    let length = if matches!(line, Line::Other) { delimiter } else { sure };
                    let bytes = self.held.split_to(length);
                    if self.state == State::Data {
                        return Ok(Some(Event::Data(detached(bytes))));
                    }
                }
            }
        }
    }

    /// How many of the last bytes may be the beginning of a delimiter.
    fn tail(&self) -> usize {
        let needle = self.delimiter.needle();
        let longest = needle.len().saturating_sub(1).min(self.held.len());
        let is_begun = |length: &usize| {
            let end = self.held.get(self.held.len() - length..);
            end.is_some_and(|end| needle.starts_with(end))
        };
        (1..=longest).rev().find(is_begun).unwrap_or(0)
    }

    /// The head of a part, whose lines begin behind the line end of the delimiter.
    fn head(&mut self) -> Result<Option<Event>, MultipartError> {
        let Some(at) = memmem::find(&self.held, b"\r\n\r\n") else {
            return if self.held.len() > HEAD_BYTES_MAX { Err(MultipartError::LongHead) } else { Ok(None) };
        };
        if at > HEAD_BYTES_MAX {
            return Err(MultipartError::LongHead);
        }
        let head = PartHead::parse(&self.held.split_to(at));
        self.held.advance(4);
        self.state = State::Data;
        // A part without any bytes is closed by the line end that closes its head.
        Ok(Some(Event::Part(head)))
    }
}

/// The boundary that a Content-Type names, where it is a multipart one: whatever its subtype, and also where the value is not
/// quoted as RFC 2045 section 5.1 asks, since a body whose boundary stands in it is read for sure.
pub fn boundary(content_type: &str) -> Option<String> {
    let (kind, parameters) = content_type.split_once(';')?;
    if !kind.trim().to_ascii_lowercase().starts_with("multipart/") {
        return None;
    }
    let mut rest = parameters;
    while !rest.trim().is_empty() {
        let (name, after) = rest.split_once('=')?;
        let after = after.trim_start();
        let (value, later) = match after.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"')?,
            None => after.split_at(after.find(';').unwrap_or(after.len())),
        };
        if name.trim().eq_ignore_ascii_case("boundary") {
            return Some(value.trim().to_owned());
        }
        rest = later.trim_start().trim_start_matches(';');
    }
    None
}

/// Few bytes by themselves, so that they do not keep the whole block alive.
fn detached(bytes: Bytes) -> Bytes {
    if bytes.len() <= COPIED_BYTES_MAX { Bytes::copy_from_slice(&bytes) } else { bytes }
}

/// What a line is that begins with a delimiter, by what follows it.
fn line(rest: &[u8]) -> Result<Line, MultipartError> {
    match rest {
        [] | [b'-' | b'\r'] => return Ok(Line::Unknown),
        [b'-', b'-', ..] => return Ok(Line::Closes),
        _ => {}
    }
    let padding = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    if padding > HEAD_BYTES_MAX {
        return Err(MultipartError::LongHead);
    }
    match rest.get(padding..).unwrap_or_default() {
        [] | [b'\r'] => Ok(Line::Unknown),
        // The line end stays: a head without lines ends with it at once.
        [b'\r', b'\n', ..] => Ok(Line::Opens(padding)),
        _ => Ok(Line::Other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts as type and bytes, however the body is cut.
    fn parts(body: &[u8], piece: usize) -> Result<Vec<(String, Vec<u8>)>, MultipartError> {
        let mut reader = MultipartReader::new("b-1").unwrap();
        let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
        let mut open = false;
        for piece in body.chunks(piece) {
            reader.push(Bytes::copy_from_slice(piece));
            while let Some(event) = reader.next_event()? {
                match event {
                    Event::Part(head) => {
                        assert!(!std::mem::replace(&mut open, true));
                        parts.push((head.field("content-type").unwrap_or_default().to_owned(), Vec::new()));
                    }
                    Event::Data(bytes) => parts.last_mut().unwrap().1.extend_from_slice(&bytes),
                    Event::PartEnd => assert!(std::mem::replace(&mut open, false)),
                    Event::End => assert!(!open),
                }
            }
        }
        reader.finish()?;
        Ok(parts)
    }

    #[test]
    fn parts_are_the_same_wherever_the_body_is_cut() {
        let body = b"preamble\r\n--b-1\r\nContent-Type: application/dicom\r\nX: y\r\n\r\none\r\n--b-12\r\n--b-1x\r\n--b-\r\n\
            \r\n--b-1 \t\r\n\r\n\r\r\n\r\n--b-1\r\ncontent-type:a\r\n\r\n\r\n--b-1--epilogue\r\n--b-1\r\n\r\nno part";
        let expected: Vec<(String, Vec<u8>)> = vec![
            ("application/dicom".into(), b"one\r\n--b-12\r\n--b-1x\r\n--b-\r\n".to_vec()),
            (String::new(), b"\r\r\n".to_vec()),
            ("a".into(), Vec::new()),
        ];
        for piece in 1..=body.len() {
            assert_eq!(parts(body, piece).unwrap(), expected, "in pieces of {piece}");
        }
    }

    #[test]
    fn a_boundary_stands_plain_or_quoted() {
        for (content_type, found) in [
            ("multipart/related; boundary=x", Some("x")),
            ("Multipart/Related;type=a/b;BOUNDARY=\"x y\";z=1", Some("x y")),
            ("multipart/mixed; boundary=----=_Part:1/2; a=b", Some("----=_Part:1/2")),
            ("multipart/related", None),
            ("multipart/related; boundary=", Some("")),
            ("application/dicom; boundary=x", None),
        ] {
            assert_eq!(boundary(content_type).as_deref(), found, "{content_type}");
        }
    }

    #[test]
    fn nothing_is_held_of_what_is_sure() {
        let mut reader = MultipartReader::new("b").unwrap();
        reader.push(Bytes::from_static(b"--b\r\n\r\n"));
        assert_eq!(reader.next_event(), Ok(Some(Event::Part(PartHead::default()))));
        let megabyte = Bytes::from(vec![7; 1 << 20]);
        for _ in 0..3 {
            reader.push(megabyte.clone());
            let Some(Event::Data(data)) = reader.next_event().unwrap() else { panic!("no data") };
            assert_eq!(data, megabyte);
            assert_eq!(data.as_ptr(), megabyte.as_ptr(), "it is not copied");
            assert_eq!(reader.next_event(), Ok(None));
            assert!(reader.held.is_empty());
        }
    }

    #[test]
    fn what_has_no_end_is_refused() {
        assert_eq!(parts(b"--b-1\r\n\r\nhalf", 3), Err(MultipartError::Cut));
        assert_eq!(parts(b"--b-1\r\nA: ", 3), Err(MultipartError::Cut));
        assert_eq!(parts(b"", 3), Err(MultipartError::NoBoundary));
        assert_eq!(parts(b"--other\r\n\r\nx\r\n--other--", 3), Err(MultipartError::NoBoundary));
        let head = [b"--b-1\r\n".to_vec(), vec![b'a'; 100_000]].concat();
        assert_eq!(parts(&head, 1000), Err(MultipartError::LongHead));
        let padding = [b"--b-1".to_vec(), vec![b' '; 100_000]].concat();
        assert_eq!(parts(&padding, 1000), Err(MultipartError::LongHead));
        for boundary in ["", "a\r\nb", &"x".repeat(71)] {
            assert_eq!(MultipartReader::new(boundary).unwrap_err(), MultipartError::Boundary);
        }
    }
}
