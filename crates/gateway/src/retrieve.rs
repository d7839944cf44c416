//! Queries and retrievals, as a front door asks for them.

use outrigger_front::{FindRefusal, Opened, Retrievable};
use outrigger_model::{Answer, Query, Selection, Seq, Sha256Digest, Status};
use outrigger_query::{FindError, PlanError, Planned, Reader};
use tokio::sync::mpsc;

/// Answers between the reader and the front door: the reader reads ahead itself.
const ANSWERS_BETWEEN: usize = 1;

pub(crate) fn find(reader: &Reader, query: Query) -> mpsc::Receiver<Result<Answer, FindRefusal>> {
    let mut found = reader.find(query);
    let (answers, taken) = mpsc::channel(ANSWERS_BETWEEN);
    tokio::spawn(async move {
        while let Some(answer) = found.recv().await {
            if answers.send(answer.map_err(unanswered)).await.is_err() {
                return;
            }
        }
    });
    taken
}

pub(crate) async fn plan(reader: &Reader, selection: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
    let planned = reader.plan(selection).await.map_err(unplanned)?;
    Ok(planned.into_iter().map(retrievable).collect())
}

pub(crate) async fn open(reader: &Reader, instance: &Retrievable) -> Result<Opened, FindRefusal> {
    let refused =
        |text: String, source| FindRefusal { status: Status::CANNOT_PERFORM_SUBOPERATIONS, text, source };
    let planned = planned(instance)
        .ok_or_else(|| refused(format!("`{}` is no place of this node", instance.place), None))?;
    match reader.open(&planned).await {
        Ok(opened) => Ok(Opened { transfer_syntax: opened.transfer_syntax, bytes: opened.bytes }),
        Err(error) => Err(refused(error.to_string(), Some(Box::new(error)))),
    }
}

fn retrievable(planned: Planned) -> Retrievable {
    Retrievable {
        place: format!("{}/{}", planned.entry.0, planned.sha256),
        sop_class: planned.sop_class,
        sop_instance: planned.sop_instance,
        study: planned.study,
        series: planned.series,
        transfer_syntax: planned.transfer_syntax,
        length: planned.length,
    }
}

fn planned(instance: &Retrievable) -> Option<Planned> {
    let (entry, sha256) = instance.place.split_once('/')?;
    Some(Planned {
        sop_class: instance.sop_class.clone(),
        sop_instance: instance.sop_instance.clone(),
        study: instance.study.clone(),
        series: instance.series.clone(),
        transfer_syntax: instance.transfer_syntax.clone(),
        sha256: Sha256Digest::from_hex(sha256).ok()?,
        length: instance.length,
        entry: Seq(entry.parse().ok()?),
    })
}

fn unanswered(error: FindError) -> FindRefusal {
    let FindError::Catalogue(_) = &error;
    FindRefusal { status: Status::CANNOT_UNDERSTAND, text: error.to_string(), source: Some(Box::new(error)) }
}

fn unplanned(error: PlanError) -> FindRefusal {
    let status = match &error {
        PlanError::Catalogue(_) => Status::CANNOT_UNDERSTAND,
        PlanError::TooMany => Status::CANNOT_COUNT_MATCHES,
    };
    FindRefusal { status, text: error.to_string(), source: Some(Box::new(error)) }
}
