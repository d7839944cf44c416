//! The one that reads the catalogue, on a thread of its own, beside the writer.

use outrigger_catalogue::{Catalogue, CatalogueError};
use tokio::sync::{mpsc, oneshot};

/// Questions waiting: one for each association that asks, each of some milliseconds.
const QUEUE_MAX: usize = 64;

/// A question to the catalogue.
type Question = Box<dyn FnOnce(&mut dyn Catalogue) + Send>;

enum Message {
    Ask(Question),
    Stop,
}

/// Asks the reader; clones ask the same one.
#[derive(Debug, Clone)]
pub(crate) struct Reader {
    messages: mpsc::Sender<Message>,
}

/// Why the catalogue did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadError {
    #[error("the catalogue could not be read")]
    Catalogue(#[source] CatalogueError),
    #[error("the archive is closing")]
    Closing,
}

impl Reader {
    /// A handle, and what runs on the thread.
    pub(crate) fn new(
        mut catalogue: Box<dyn Catalogue>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (messages, mut questions) = mpsc::channel(QUEUE_MAX);
        let work = async move {
            while let Some(Message::Ask(question)) = questions.recv().await {
                question(&mut *catalogue);
            }
        };
        (Self { messages }, work)
    }

    /// Asks and waits for the answer.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        question: impl FnOnce(&mut dyn Catalogue) -> Result<T, CatalogueError> + Send + 'static,
    ) -> Result<T, ReadError> {
        let (answer, answered) = oneshot::channel();
        let question = move |catalogue: &mut dyn Catalogue| {
            if answer.send(question(catalogue)).is_err() {
                tracing::debug!("nobody waits for the catalogue's answer any more");
            }
        };
        let asked = self.messages.send(Message::Ask(Box::new(question))).await;
        asked.map_err(|_| ReadError::Closing)?;
        answered.await.map_err(|_| ReadError::Closing)?.map_err(ReadError::Catalogue)
    }

    /// Tells the reader to end after what it was asked before.
    pub(crate) async fn stop(&self) {
        if self.messages.send(Message::Stop).await.is_err() {
            tracing::debug!("the reader of the catalogue has ended already");
        }
    }
}
