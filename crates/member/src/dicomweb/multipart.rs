//! Reading a multipart body as it comes (RFC 2046 section 5.1.1): nothing of it is taken for whole before its end was seen.

use bytes::{Buf, Bytes, BytesMut};
use memchr::memmem;

/// Longest header of a part, and most bytes before the first boundary: both are some lines.
const HEADER_BYTES_MAX: usize = 16 << 10;
/// Longest boundary (RFC 2046 section 5.1.1).
const BOUNDARY_BYTES_MAX: usize = 70;

/// What comes next of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Event {
    /// A part begins, with the type its header gives.
    Part(String),
    /// Bytes of the part.
    Data(Bytes),
    /// The part has come whole.
    PartEnd,
    /// The body has come whole.
    End,
}

/// Why a body is no multipart body, or not a whole one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MultipartError {
    #[error("`{0}` stands where `multipart/related` with a boundary is expected")]
    Type(String),
    #[error("the boundary that the header names does not stand in the body")]
    NoBoundary,
    #[error("the header of a part is longer than {HEADER_BYTES_MAX} bytes")]
    LongHeader,
    #[error("the body ends before its last boundary")]
    Cut,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Preamble,
    Delimiter,
    Header,
    Data,
    Ended,
}

/// A body that is arriving.
#[derive(Debug)]
pub(crate) struct Multipart {
    /// CRLF, two hyphens and the boundary.
    delimiter: Vec<u8>,
    held: BytesMut,
    state: State,
}

impl Multipart {
    /// A body of this Content-Type.
    pub(crate) fn of(content_type: &str) -> Result<Self, MultipartError> {
        let unusable = || MultipartError::Type(content_type.chars().take(200).collect());
        let boundary = boundary(content_type).ok_or_else(unusable)?;
        // As if a line had ended before the body, so that its first boundary is found like any other.
        Ok(Self {
            delimiter: format!("\r\n--{boundary}").into_bytes(),
            held: BytesMut::from(&b"\r\n"[..]),
            state: State::Preamble,
        })
    }

    /// Takes the next bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if self.state != State::Ended {
            self.held.extend_from_slice(bytes);
        }
    }

    /// The next event that the bytes so far hold; `None` if more are needed.
    pub(crate) fn next(&mut self) -> Result<Option<Event>, MultipartError> {
        loop {
            match self.state {
                State::Preamble => match memmem::find(&self.held, &self.delimiter) {
                    Some(at) => {
                        self.held.advance(at + self.delimiter.len());
                        self.state = State::Delimiter;
                    }
                    None if self.held.len() > HEADER_BYTES_MAX => return Err(MultipartError::NoBoundary),
                    None => return Ok(None),
                },
                State::Delimiter => {
                    if self.held.starts_with(b"--") {
                        self.state = State::Ended;
                        return Ok(Some(Event::End));
                    }
                    let Some(at) = memmem::find(&self.held, b"\r\n") else { return self.more() };
                    // The line's end stays: a header without lines ends with it at once.
                    self.held.advance(at);
                    self.state = State::Header;
                }
                State::Header => {
                    let Some(at) = memmem::find(&self.held, b"\r\n\r\n") else { return self.more() };
                    let header = self.held.split_to(at);
                    self.held.advance(4);
                    self.state = State::Data;
                    return Ok(Some(Event::Part(content_type(&header))));
                }
                State::Data => return Ok(self.data()),
                State::Ended => return Ok(None),
            }
        }
    }

    /// Nothing more comes.
    pub(crate) fn finish(&self) -> Result<(), MultipartError> {
        match self.state {
            State::Ended => Ok(()),
            State::Preamble => Err(MultipartError::NoBoundary),
            State::Delimiter | State::Header | State::Data => Err(MultipartError::Cut),
        }
    }

    fn more(&self) -> Result<Option<Event>, MultipartError> {
        if self.held.len() > HEADER_BYTES_MAX { Err(MultipartError::LongHeader) } else { Ok(None) }
    }

    fn data(&mut self) -> Option<Event> {
        match memmem::find(&self.held, &self.delimiter) {
            Some(0) => {
                self.held.advance(self.delimiter.len());
                self.state = State::Delimiter;
                Some(Event::PartEnd)
            }
            Some(at) => Some(Event::Data(self.held.split_to(at).freeze())),
            None => {
                // The beginning of a delimiter may stand at the end.
                let sure = self.held.len().saturating_sub(self.delimiter.len() - 1);
                (sure > 0).then(|| Event::Data(self.held.split_to(sure).freeze()))
            }
        }
    }
}

/// The boundary of a multipart type.
fn boundary(content_type: &str) -> Option<String> {
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
            let value = value.trim();
            let good = !value.is_empty() && value.len() <= BOUNDARY_BYTES_MAX;
            return good.then(|| value.to_owned());
        }
        rest = later.trim_start().trim_start_matches(';');
    }
    None
}

/// The Content-Type among the lines of a header; empty where there is none.
fn content_type(header: &[u8]) -> String {
    let text = String::from_utf8_lossy(header);
    let named = |line: &str| {
        let (name, value) = line.split_once(':')?;
        name.trim().eq_ignore_ascii_case("content-type").then(|| value.trim().to_owned())
    };
    text.lines().find_map(named).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TYPE: &str = "multipart/related; type=\"application/dicom\"; boundary=\"a b;c\"";

    /// The parts of a body that comes in pieces of so many bytes.
    fn parts(body: &[u8], piece: usize) -> Result<Vec<(String, Vec<u8>)>, MultipartError> {
        let mut multipart = Multipart::of(TYPE)?;
        let mut parts: Vec<(String, Vec<u8>)> = Vec::new();
        let mut ended = 0;
        for bytes in body.chunks(piece) {
            multipart.push(bytes);
            while let Some(event) = multipart.next()? {
                match event {
                    Event::Part(kind) => parts.push((kind, Vec::new())),
                    Event::Data(data) => parts.last_mut().unwrap().1.extend_from_slice(&data),
                    Event::PartEnd => ended += 1,
                    Event::End => {}
                }
            }
        }
        multipart.finish()?;
        assert_eq!(ended, parts.len());
        Ok(parts)
    }

    #[test]
    fn parts_do_not_depend_on_the_pieces() {
        let body = b"before\r\n--a b;c\r\nContent-Type: x/y\r\nA: b\r\n\r\n1\r\n--a b\r\n\r\n--a b;c  \r\n\r\n2\r\n--a b;c--after";
        for piece in [1, 2, 3, 7, 1000] {
            let expected =
                vec![("x/y".to_owned(), b"1\r\n--a b\r\n".to_vec()), (String::new(), b"2".to_vec())];
            assert_eq!(parts(body, piece), Ok(expected), "{piece}");
        }
        assert_eq!(parts(b"--a b;c--", 4), Ok(Vec::new()));
    }

    #[test]
    fn a_body_that_is_cut_or_of_another_boundary_is_an_error() {
        let body = b"--a b;c\r\n\r\n1\r\n--a b;c--";
        for length in 9..body.len() {
            assert_eq!(parts(&body[..length], 5), Err(MultipartError::Cut), "{length}");
        }
        assert_eq!(parts(b"--other\r\n\r\n1\r\n--other--", 5), Err(MultipartError::NoBoundary));
        let long = [b"--a b;c\r\nA: ".to_vec(), vec![b'x'; HEADER_BYTES_MAX]].concat();
        assert_eq!(parts(&long, 1000), Err(MultipartError::LongHeader));
        assert_eq!(parts(&vec![b'x'; HEADER_BYTES_MAX + 1], 1000), Err(MultipartError::NoBoundary));
    }

    #[test]
    fn a_boundary_stands_plain_or_quoted() {
        for (content_type, found) in [
            ("multipart/related; boundary=x", Some("x")),
            ("Multipart/Related;type=a/b;BOUNDARY=\"x y\";z=1", Some("x y")),
            ("multipart/related", None),
            ("multipart/related; boundary=", None),
            ("application/dicom; boundary=x", None),
        ] {
            assert_eq!(boundary(content_type).as_deref(), found, "{content_type}");
        }
    }
}
