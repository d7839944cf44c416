//! Room for the matches that searches hold: a page in order is known only when the last match has come.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use futures_util::stream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::super::Refusal;

/// Matches that the searches of a listener hold together, some 200 MB: two of the largest there may be, and hundreds of those
/// a viewer makes.
const MATCHES_HELD_MAX: usize = 200_000;
/// Room is taken for so many at once: less than most pages have, and few enough that small searches take little.
const STEP: u32 = 100;
/// How long a search waits for room that others give back, before whoever asked is told to come again.
const WAIT: Duration = Duration::from_secs(2);
/// Bytes of an answer handed over at once: as the socket takes them, so that an answer keeps its room until it has gone.
const CHUNK: usize = 64 << 10;

/// The room of one listener.
pub(in crate::web) struct Room(Arc<Semaphore>);

impl Default for Room {
    fn default() -> Self {
        Self::of(MATCHES_HELD_MAX)
    }
}

impl Room {
    fn of(matches: usize) -> Self {
        Self(Arc::new(Semaphore::new(matches)))
    }

    /// A place for a search, with room for nothing yet.
    pub(super) fn place(&self) -> Place {
        Place { room: Arc::clone(&self.0), held: None }
    }
}

/// What one search has of the room; given back when it is dropped.
pub(super) struct Place {
    room: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Place {
    fn len(&self) -> usize {
        self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits)
    }

    /// Makes sure that there is room for so many; refused where others have it for too long.
    pub(super) async fn grow_to(&mut self, matches: usize) -> Result<(), Refusal> {
        while self.len() < matches {
            let more = timeout(WAIT, Arc::clone(&self.room).acquire_many_owned(STEP)).await;
            let Ok(Ok(more)) = more else {
                metrics::counter!("outrigger_searches_refused_total").increment(1);
                let text =
                    "other searches hold all the matches there is room for; try again, or ask more narrowly";
                return Err(Refusal::new(StatusCode::SERVICE_UNAVAILABLE, text));
            };
            match &mut self.held {
                Some(held) => held.merge(more),
                None => self.held = Some(more),
            }
        }
        Ok(())
    }

    /// An answer that keeps the room until it has gone.
    pub(super) fn body(self, answer: Vec<u8>) -> Body {
        let left = (Bytes::from(answer), self);
        Body::from_stream(stream::unfold(left, |(mut bytes, place)| async move {
            let chunk = bytes.split_to(bytes.len().min(CHUNK));
            (!chunk.is_empty()).then_some((Ok::<_, std::convert::Infallible>(chunk), (bytes, place)))
        }))
    }
}

#[cfg(test)]
mod tests {
    use futures_util::StreamExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_one_search_holds_another_waits_for_and_is_refused() {
        let room = Room::of(250);
        let mut first = room.place();
        first.grow_to(150).await.unwrap();
        first.grow_to(120).await.unwrap();
        assert_eq!(first.len(), 200);
        let mut second = room.place();
        let refused = second.grow_to(1).await.unwrap_err();
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(room.0.available_permits(), 50);
        // Its answer keeps the room while there are bytes to be taken.
        let mut body = first.body(vec![b'x'; CHUNK + 1]).into_data_stream();
        for length in [CHUNK, 1] {
            assert_eq!(body.next().await.unwrap().unwrap().len(), length);
            assert_eq!(room.0.available_permits(), 50);
        }
        assert!(body.next().await.is_none());
        second.grow_to(1).await.unwrap();
        drop((second, body));
        assert_eq!(room.0.available_permits(), 250);
    }
}
