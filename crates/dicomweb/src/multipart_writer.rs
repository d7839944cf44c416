//! Writing multipart/related (RFC 2387, RFC 2046 section 5.1).

use bytes::Bytes;

use crate::media::MULTIPART_RELATED;

/// What parts are told apart by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Boundary(String);

impl Boundary {
    /// A boundary out of 128 random bits, so that no data can have been made to hold it.
    pub fn new(random: u128) -> Self {
        Self(format!("outrigger-{random:032x}"))
    }

    /// The value of Content-Type of a body whose parts are of a media type.
    pub fn content_type(&self, part: &str) -> String {
        format!("{MULTIPART_RELATED}; type=\"{part}\"; boundary={}", self.0)
    }

    /// What stands before a part: the delimiter with the line end before it, and header fields.
    pub fn part(&self, fields: &[(&str, &str)]) -> Bytes {
        let mut head = format!("\r\n--{}\r\n", self.0);
        for (name, value) in fields {
            head.push_str(name);
            head.push_str(": ");
            // Nothing that came from outside may begin another line.
            head.extend(value.chars().filter(|character| !character.is_control()));
            head.push_str("\r\n");
        }
        head.push_str("\r\n");
        head.into()
    }

    /// What stands behind the last part; a body without it was cut.
    pub fn end(&self) -> Bytes {
        format!("\r\n--{}--\r\n", self.0).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_between_delimiters() {
        let boundary = Boundary::new(0xAB);
        let name = "outrigger-000000000000000000000000000000ab";
        assert!(name.len() <= 70);
        let body = [
            boundary.part(&[("Content-Type", "application/dicom"), ("Content-Location", "/a\r\nX: y")]),
            Bytes::from_static(b"data"),
            boundary.end(),
        ]
        .concat();
        let expected = format!(
            "\r\n--{name}\r\nContent-Type: application/dicom\r\nContent-Location: /aX: y\r\n\r\ndata\r\n--{name}--\r\n"
        );
        assert_eq!(String::from_utf8(body).unwrap(), expected);
        let content_type = boundary.content_type("application/dicom");
        assert_eq!(content_type, format!("multipart/related; type=\"application/dicom\"; boundary={name}"));
    }
}
