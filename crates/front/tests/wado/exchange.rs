//! A user agent that sees how a response really ends.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::rack::Counter;

/// A response.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Response {
    pub(crate) status: u16,
    /// By lower-case name.
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: Bytes,
    /// Whether the body ended as it said it would.
    pub(crate) is_whole: bool,
}

/// A part of a multipart body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub(crate) fields: BTreeMap<String, String>,
    pub(crate) body: Bytes,
}

impl Counter {
    /// Asks for a path below the base of the service, with everything accepted.
    pub(crate) async fn get(&self, path: &str) -> Response {
        self.get_as(path, "*/*").await
    }

    /// Asks for a path below the base of the service.
    pub(crate) async fn get_as(&self, path: &str, accept: &str) -> Response {
        self.get_at("localhost", path, accept).await
    }

    /// Asks for a path below the base of the service, with a further header field.
    pub(crate) async fn get_with(&self, path: &str, field: &str) -> Response {
        self.get_at("localhost", path, &format!("*/*\r\n{field}")).await
    }

    /// Asks for a path below the base of the service, which is called by the name of a host.
    pub(crate) async fn get_at(&self, host: &str, path: &str, accept: &str) -> Response {
        let mut stream = TcpStream::connect(self.listening.address).await.unwrap();
        let request = format!(
            "GET /dicomweb{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nAccept: {accept}\r\n\r\n"
        );
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut all = Vec::new();
        // A broken connection may end in a reset.
        let ended = stream.read_to_end(&mut all).await;
        read(&all, ended.is_ok())
    }
}

fn read(all: &[u8], ended: bool) -> Response {
    let place = find(all, b"\r\n\r\n").unwrap();
    let head = std::str::from_utf8(&all[..place]).unwrap();
    let (first, rest) = head.split_once("\r\n").unwrap();
    let fields = fields(rest);
    let rest = &all[place + 4..];
    let (body, is_whole) = match fields.get("content-length") {
        Some(length) => (rest.to_vec(), rest.len() == length.parse::<usize>().unwrap()),
        None => unchunked(rest),
    };
    let status = first.split(' ').nth(1).unwrap().parse().unwrap();
    Response { status, fields, body: body.into(), is_whole: is_whole && ended }
}

fn fields(text: &str) -> BTreeMap<String, String> {
    let lines = text.split("\r\n").filter_map(|line| line.split_once(": "));
    lines.map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned())).collect()
}

/// A chunked body (RFC 9112 section 7.1), and whether it came to its last chunk.
fn unchunked(mut rest: &[u8]) -> (Vec<u8>, bool) {
    let mut body = Vec::new();
    while let Some(line) = find(rest, b"\r\n") {
        let length = usize::from_str_radix(std::str::from_utf8(&rest[..line]).unwrap(), 16).unwrap();
        let from = line + 2;
        if length == 0 {
            return (body, true);
        }
        let Some(chunk) = rest.get(from..from + length) else { break };
        body.extend_from_slice(chunk);
        rest = rest.get(from + length + 2..).unwrap_or(&[]);
    }
    (body, false)
}

fn find(bytes: &[u8], pattern: &[u8]) -> Option<usize> {
    bytes.windows(pattern.len()).position(|window| window == pattern)
}

impl Response {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        assert_eq!((self.status, self.is_whole), (200, true), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The parts of a multipart body, and whether it has an end.
    pub(crate) fn parts(&self) -> (Vec<Part>, bool) {
        let content_type = &self.fields["content-type"];
        let (_, boundary) = content_type.split_once("boundary=").unwrap();
        let delimiter = format!("\r\n--{boundary}");
        let mut parts = Vec::new();
        let mut rest = &self.body[..];
        let mut begin = find(rest, delimiter.as_bytes());
        while let Some(place) = begin {
            rest = &rest[place + delimiter.len()..];
            if rest.starts_with(b"--") {
                return (parts, true);
            }
            begin = find(rest, delimiter.as_bytes());
            let whole = &rest[..begin.unwrap_or(rest.len())];
            let head = find(whole, b"\r\n\r\n").unwrap();
            parts.push(Part {
                fields: fields(std::str::from_utf8(&whole[2..head]).unwrap()),
                body: Bytes::copy_from_slice(&whole[head + 4..]),
            });
        }
        (parts, false)
    }

    /// The parts of a multipart body that is whole, whether they tell their length or not.
    pub(crate) fn whole_parts_of_any_length(&self) -> Vec<Part> {
        assert_eq!((self.status, self.is_whole), (200, true), "{:?}", self.fields);
        let (parts, is_ended) = self.parts();
        assert!(is_ended);
        parts
    }

    /// The parts of a multipart body that is whole.
    pub(crate) fn whole_parts(&self) -> Vec<Part> {
        let parts = self.whole_parts_of_any_length();
        for part in &parts {
            assert_eq!(part.fields["content-length"], part.body.len().to_string());
        }
        parts
    }
}
