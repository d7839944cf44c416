//! The answer to a call, its body read as it comes.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use hyper::body::{Body, Incoming};
use hyper::header::{
    CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, HeaderName, RETRY_AFTER, TRANSFER_ENCODING,
};
use hyper::{HeaderMap, StatusCode};
use tokio::time::timeout;

use super::driver::Driver;
use super::error::{HttpError, HttpRefusal};
use super::sending::Feeder;
use crate::arrived::Arrived;

/// Most of an error page that is read, in bytes: what a person reads of it stands at its beginning.
const PAGE_BYTES_MAX: usize = 16 << 10;
/// Most characters of an error page that are told on.
const WORDS_MAX: usize = 200;

/// An answer whose body has not been read yet.
pub(crate) struct Answer {
    /// Of what, without credentials.
    pub(crate) url: String,
    /// Its status.
    pub(crate) status: StatusCode,
    pub(super) headers: HeaderMap,
    pub(super) body: Incoming,
    /// What brings the body.
    pub(super) driver: Arc<Driver>,
    pub(super) patience: Duration,
    pub(super) came: u64,
    pub(super) arrived: Arrived,
    /// Stops reading what is no longer sent.
    pub(super) _feeder: Feeder,
}

impl Answer {
    /// A header, where it has one that is text.
    pub(crate) fn header(&self, name: &HeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// Content-Type; empty where there is none.
    pub(crate) fn content_type(&self) -> &str {
        self.header(&CONTENT_TYPE).unwrap_or_default()
    }

    /// Whether the end of the body shows: a body that ends with the connection may have been cut.
    pub(crate) fn is_framed(&self) -> bool {
        self.headers.contains_key(CONTENT_LENGTH) || self.headers.contains_key(TRANSFER_ENCODING)
    }

    /// Whether the body is written in a way that was not asked for.
    pub(crate) fn content_encoding(&self) -> Option<&str> {
        self.header(&CONTENT_ENCODING).filter(|encoding| !encoding.eq_ignore_ascii_case("identity"))
    }

    /// The next piece of the body; `None` at its end.
    pub(crate) async fn next(&mut self) -> Result<Option<Bytes>, HttpError> {
        loop {
            let frame = std::future::poll_fn(|context| Pin::new(&mut self.body).poll_frame(context));
            match timeout(self.patience, self.driver.along(frame)).await {
                Err(_) => return Err(HttpError::Silent { url: self.url.clone(), after: self.patience }),
                Ok(None) => return Ok(None),
                Ok(Some(Err(source))) => {
                    return Err(HttpError::Cut { url: self.url.clone(), after: self.came, source });
                }
                Ok(Some(Ok(frame))) => {
                    // Trailers say nothing that is asked for.
                    if let Ok(data) = frame.into_data() {
                        self.came += data.len() as u64;
                        self.arrived.add(data.len());
                        return Ok(Some(data));
                    }
                }
            }
        }
    }

    /// The whole body, of at most so many bytes.
    pub(crate) async fn whole(&mut self, limit: usize) -> Result<Bytes, HttpError> {
        let mut whole = BytesMut::new();
        while let Some(piece) = self.next().await? {
            if whole.len() + piece.len() > limit {
                return Err(HttpError::TooLong { url: self.url.clone(), limit });
            }
            whole.extend_from_slice(&piece);
        }
        Ok(whole.freeze())
    }

    /// The answer as a refusal, with the beginning of what its page says.
    pub(crate) async fn refusal(mut self, operation: &'static str) -> HttpRefusal {
        let retry_after = self.header(&RETRY_AFTER).map(str::to_owned);
        let page = match self.whole(PAGE_BYTES_MAX).await {
            Ok(page) => page,
            Err(error) => {
                tracing::debug!(%error, "an error page cannot be read");
                Bytes::new()
            }
        };
        let phrase = self.status.canonical_reason().unwrap_or_default();
        let mut words = format!(" {phrase}").trim_end().to_owned();
        if let Some(said) = said(&page) {
            words = format!("{words}: {said}");
        }
        HttpRefusal { operation, url: self.url, code: self.status.as_u16(), words, retry_after }
    }
}

/// What an error page says, where it says it in JSON or plain text: one line, cut.
fn said(page: &[u8]) -> Option<String> {
    let text = if let Ok(json) = serde_json::from_slice::<serde_json::Value>(page) {
        let said = |key: &&str| json.get(key)?.as_str().map(str::to_owned).filter(|text| !text.is_empty());
        ["Details", "Message", "message", "error", "errorMessage"].iter().find_map(said)?
    } else {
        std::str::from_utf8(page).ok().filter(|text| !text.trim_start().starts_with('<'))?.to_owned()
    };
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().filter(|letter| !letter.is_control()).take(WORDS_MAX).collect();
    Some(cut).filter(|cut| !cut.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_an_error_page_the_words_are_told() {
        for (page, words) in [
            (&b"{\"Message\":\"Bad file format\",\"Details\":\"\"}"[..], Some("Bad file format")),
            (b"{\"Message\":\"m\",\"Details\":\"no\\nroom\"}", Some("no room")),
            (b"disk full\r\n", Some("disk full")),
            (b"<html>x</html>", None),
            (b"", None),
            (b"\xff\xfe", None),
        ] {
            assert_eq!(said(page).as_deref(), words);
        }
        assert_eq!(said("x".repeat(1000).as_bytes()).map(|words| words.len()), Some(WORDS_MAX));
    }
}
