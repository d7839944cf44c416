//! Answering queries, page by page, as fast as they are taken.

use outrigger_catalogue::Cursor;
use outrigger_front::FindRefusal;
use outrigger_model::{Answer, Query, Status, Tag};
use tokio::sync::mpsc;

use crate::reader::{ReadError, Reader};

/// Answers read ahead of the one who takes them, a page: some 250 KB, and each page searches the index anew.
const ANSWERS_AHEAD_MAX: usize = 500;

/// Begins to answer a query; it ends when all is answered or nobody takes the answers any more.
pub(crate) fn find(reader: Reader, query: Query) -> mpsc::Receiver<Result<Answer, FindRefusal>> {
    let (answers, taken) = mpsc::channel(ANSWERS_AHEAD_MAX);
    tokio::spawn(async move {
        if let Err(refusal) = answer_all(&reader, &query, &answers).await
            && answers.send(Err(refusal)).await.is_err()
        {
            tracing::debug!("nobody takes the answers of a query that failed");
        }
    });
    taken
}

async fn answer_all(
    reader: &Reader,
    query: &Query,
    answers: &mpsc::Sender<Result<Answer, FindRefusal>>,
) -> Result<(), FindRefusal> {
    let mut after = Cursor::default();
    loop {
        let asked = query.clone();
        let page = reader.ask(move |catalogue| catalogue.find(&asked, after, ANSWERS_AHEAD_MAX)).await;
        let page = page.map_err(unreadable)?;
        for answer in page.items {
            if answers.send(Ok(with_availability(answer, query))).await.is_err() {
                return Ok(());
            }
        }
        match page.next {
            Some(next) if !answers.is_closed() => after = next,
            _ => return Ok(()),
        }
    }
}

/// All that is kept is on disk (PS3.3 section C.4.23.1.1).
fn with_availability(mut answer: Answer, query: &Query) -> Answer {
    if query.keys.iter().any(|key| key.tag == Tag::INSTANCE_AVAILABILITY) {
        answer.attributes.push((Tag::INSTANCE_AVAILABILITY, "ONLINE".to_owned()));
    }
    answer
}

/// The answer when the catalogue gives none.
pub(crate) fn unreadable(error: ReadError) -> FindRefusal {
    let status = match &error {
        ReadError::Catalogue(error) if error.of_server().is_some() => Status::OUT_OF_RESOURCES,
        ReadError::Catalogue(_) => Status::CANNOT_UNDERSTAND,
        ReadError::Closing => Status::OUT_OF_RESOURCES,
    };
    FindRefusal { status, text: error.to_string(), source: Some(Box::new(error)) }
}
