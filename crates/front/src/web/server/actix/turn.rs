//! Whose turn it is on a connection: that of the other end, which must not keep silent for too long, or ours.
//!
//! actix bounds the first head of a connection alone, and reads requests ahead of the one it answers, whose answer then
//! follows what the later ones say of themselves. So the time is kept here, and it gets one request at a time.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::task::Waker;
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, timeout_at};

/// The turn on one connection.
pub(super) struct Turn {
    /// When that of the other end began; none while a request is answered.
    since: Cell<Option<Instant>>,
    changed: Notify,
    comes: Cell<Comes>,
    /// Who waits for bytes that may not come yet.
    reader: RefCell<Option<Waker>>,
}

/// What the next bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Comes {
    /// A head, read so far.
    Head(Line),
    /// The end of one was passed on, and whether a request came of it is seen with the next read.
    HeadEnd,
    /// So many of a body, then what is behind the request.
    Body(u64),
    /// A body that says itself where it ends.
    Chunks,
}

/// The line of a head at which reading is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    /// The request line has not begun.
    Before,
    /// It has no character yet.
    Empty,
    /// It has some.
    Filled,
}

/// The length of the body of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Bytes(u64),
    Chunks,
}

/// Held while a request is answered; dropped, it is the turn of the other end.
pub(super) struct Answering(Rc<Turn>);

impl Turn {
    /// A connection begins with that of the other end.
    pub(super) fn begin() -> Rc<Self> {
        Rc::new(Self {
            since: Cell::new(Some(Instant::now())),
            changed: Notify::new(),
            comes: Cell::new(Comes::Head(Line::Before)),
            reader: RefCell::default(),
        })
    }

    /// A request has come, with a body.
    pub(super) fn answer(self: &Rc<Self>, body: Length) -> Answering {
        self.since.set(None);
        self.comes.set(match body {
            Length::Bytes(bytes) => Comes::Body(bytes),
            Length::Chunks => Comes::Chunks,
        });
        Answering(Rc::clone(self))
    }

    /// The other end took something: it has not had the whole of the last answer before.
    pub(super) fn restart(&self) {
        if self.since.get().is_some() {
            self.since.set(Some(Instant::now()));
        }
    }

    /// Waits until the other end has not said for so long what it wants.
    pub(super) async fn lasts(&self, longest: Duration) {
        loop {
            let Some(since) = self.since.get() else {
                self.changed.notified().await;
                continue;
            };
            let is_over = timeout_at(since + longest, self.changed.notified()).await.is_err();
            if is_over && self.since.get() == Some(since) {
                return;
            }
        }
    }

    /// How many of the bytes that have come may be passed on, at most `room`; where none may, the reader is woken when some do.
    pub(super) fn pass(&self, bytes: &[u8], room: usize, reader: &Waker) -> usize {
        let bytes = bytes.get(..room).unwrap_or(bytes);
        match self.comes.get() {
            Comes::Head(line) => {
                let (passed, comes) = head(line, bytes);
                self.comes.set(comes);
                passed
            }
            // What was passed on is looked at before more is.
            Comes::HeadEnd => {
                self.comes.set(Comes::Head(Line::Before));
                reader.wake_by_ref();
                0
            }
            Comes::Body(0) if self.since.get().is_none() => {
                self.reader.replace(Some(reader.clone()));
                0
            }
            Comes::Body(0) => {
                self.comes.set(Comes::Head(Line::Before));
                self.pass(bytes, room, reader)
            }
            Comes::Body(left) => {
                let passed = usize::try_from(left).map_or(bytes.len(), |left| left.min(bytes.len()));
                self.comes.set(Comes::Body(left - passed as u64));
                passed
            }
            Comes::Chunks => bytes.len(),
        }
    }
}

/// Reads a head on: how many bytes belong to it, and what comes behind them.
fn head(mut line: Line, bytes: &[u8]) -> (usize, Comes) {
    for (at, byte) in bytes.iter().enumerate() {
        line = match (byte, line) {
            (b'\n', Line::Empty) => return (at + 1, Comes::HeadEnd),
            (b'\n', Line::Filled) => Line::Empty,
            (b'\r' | b'\n', line) => line,
            _ => Line::Filled,
        };
    }
    (bytes.len(), Comes::Head(line))
}

impl Drop for Answering {
    fn drop(&mut self) {
        let turn = &self.0;
        turn.since.set(Some(Instant::now()));
        turn.changed.notify_one();
        if let Some(reader) = turn.reader.take() {
            reader.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(10);

    #[tokio::test(start_paused = true)]
    async fn a_silence_lasts_from_the_last_answer_on() {
        let began = Instant::now();
        let turn = Turn::begin();
        let talk = async {
            tokio::time::sleep(Duration::from_secs(9)).await;
            let answering = turn.answer(Length::Bytes(0));
            tokio::time::sleep(Duration::from_secs(60)).await;
            drop(answering);
            tokio::time::sleep(Duration::from_secs(9)).await;
            turn.restart();
        };
        tokio::join!(turn.lasts(LONGEST), talk);
        assert_eq!(began.elapsed().as_secs(), 9 + 60 + 9 + 10);
    }

    /// Passes on what may be, up to `room` at a time, until it must wait.
    fn passed(turn: &Turn, bytes: &mut &[u8], room: usize) -> String {
        let mut passed = String::new();
        loop {
            let count = turn.pass(bytes, room, Waker::noop());
            let (these, rest) = bytes.split_at(count);
            passed.push_str(std::str::from_utf8(these).unwrap());
            *bytes = rest;
            if count == 0 || bytes.is_empty() {
                return passed;
            }
        }
    }

    #[tokio::test]
    async fn one_request_is_passed_on_at_a_time() {
        for room in [1, 2, 3, 1000] {
            let turn = Turn::begin();
            let mut bytes = &b"\r\n\r\nPOST /a HTTP/1.1\r\nA: b\r\n\r\n12345GET /b HTTP/1.1\n\nHEAD"[..];
            assert_eq!(passed(&turn, &mut bytes, room), "\r\n\r\nPOST /a HTTP/1.1\r\nA: b\r\n\r\n");
            let answering = turn.answer(Length::Bytes(5));
            assert_eq!(passed(&turn, &mut bytes, room), "12345");
            assert_eq!(passed(&turn, &mut bytes, room), "");
            drop(answering);
            assert_eq!(passed(&turn, &mut bytes, room), "GET /b HTTP/1.1\n\n");
            // No request came of it, and more is needed to see why.
            assert_eq!(passed(&turn, &mut bytes, room), "HEAD");
        }
        let turn = Turn::begin();
        let _answering = turn.answer(Length::Chunks);
        assert_eq!(
            passed(&turn, &mut &b"1\r\n2\r\n\r\n0\r\n\r\nGET"[..], 1000),
            "1\r\n2\r\n\r\n0\r\n\r\nGET"
        );
    }
}
