//! C-FIND (PS3.4 section C.4.1): answers stream as the service finds them.

use outrigger_dataset::identifier::{Asked, read_find};
use outrigger_dimse::{Association, Command, Outcome};
use outrigger_model::{AeTitle, Answer, SopClassUid, Status, Tag};

use super::association::{Interruption, Request, Session};
use super::class::{Class, class_of};
use super::identifier::{self, Identifier};
use crate::admit::WhenIncomplete;
use crate::audit::AuditEvent;

/// Answers that are there together go out in one write of about this many bytes: what a connection takes at once.
const TOGETHER_BYTES_MAX: usize = 64 << 10;

/// Answers one query.
pub(super) async fn find(
    session: &mut Session,
    association: &mut Association,
    request: Request,
) -> Result<(), Interruption> {
    let begun = session.door.front.clock.now();
    let (sop_class, outcome) = match identifier::read(association, request).await? {
        Err(outcome) => (None, outcome),
        Ok(asked) => {
            let sop_class = asked.sop_class.clone();
            (Some(sop_class), answer(session, association, request, asked).await?)
        }
    };
    let status = outcome.status;
    let response = Command::CFindRsp { message_id: request.message_id, sop_class, outcome };
    association.send(request.context, &response).await?;
    metrics::counter!("outrigger_finds_total", "status" => status.to_string()).increment(1);
    metrics::histogram!("outrigger_find_seconds").record(begun.elapsed());
    Ok(())
}

async fn answer(
    session: &mut Session,
    association: &mut Association,
    request: Request,
    asked: Identifier,
) -> Result<Outcome, Interruption> {
    let Class::Find(root) = class_of(&asked.sop_class) else {
        return Ok(Outcome::of(Status::SOP_CLASS_NOT_SUPPORTED));
    };
    let query = match read_find(root, asked.form, &asked.bytes, asked.rules) {
        Ok(query) => query,
        Err(error) => return Ok(identifier::not_understood(&error)),
    };
    let event = AuditEvent::Queried {
        party: session.party.clone(),
        sop_class: asked.sop_class.clone(),
        identifier: asked.bytes.clone(),
    };
    session.door.front.audit.put(event).await;
    stream(session, association, request, asked.sop_class, &query).await
}

async fn stream(
    session: &Session,
    association: &mut Association,
    request: Request,
    sop_class: SopClassUid,
    asked: &Asked,
) -> Result<Outcome, Interruption> {
    let mut answers = match session.door.front.service.find(asked.query.clone()).await {
        Ok(answers) => answers,
        Err(refusal) => return Ok(identifier::refused(&refusal)),
    };
    let status = if asked.is_supported() { Status::PENDING } else { Status::PENDING_OPTIONAL_KEYS };
    let pending = Command::CFindRsp {
        message_id: request.message_id,
        sop_class: Some(sop_class),
        outcome: Outcome::of(status),
    };
    let mut count = 0_u64;
    loop {
        let next = tokio::select! {
            biased;
            cancelled = identifier::cancelled(association, request.message_id) => {
                cancelled?;
                tracing::info!(count, "query cancelled by the peer");
                return Ok(Outcome::of(Status::CANCEL));
            }
            next = answers.recv() => next,
        };
        match next {
            None => break,
            Some(Err(refusal)) if refusal.is_incomplete() => {
                tracing::info!(level = ?asked.query.level, count, "query answered, and something may be missing");
                let told = if refusal.is_unsure() { WhenIncomplete::Warn } else { session.caller.incomplete };
                return Ok(incomplete(told, refusal.text));
            }
            Some(Err(refusal)) => return Ok(identifier::refused(&refusal)),
            Some(Ok(answer)) => {
                count += 1;
                let answer = retrievable_here(answer, &session.door.options.ae_title);
                let bytes = asked.answer(&answer);
                let waiting = association.queue_with(request.context, &pending, &bytes)?;
                // The last ones go out with the end.
                let is_last_for_now = answers.is_empty() && !answers.is_closed();
                if is_last_for_now || waiting >= TOGETHER_BYTES_MAX {
                    association.send_queued().await?;
                }
            }
        }
    }
    tracing::info!(level = ?asked.query.level, count, "query answered");
    Ok(Outcome::of(Status::SUCCESS))
}

/// How an answer ends that may lack something.
fn incomplete(told: WhenIncomplete, what: String) -> Outcome {
    let status = match told {
        WhenIncomplete::Warn => Status::SUCCESS,
        WhenIncomplete::Fail => Status::OUT_OF_RESOURCES,
    };
    Outcome::with_comment(status, what)
}

/// The answer with our AE title as the one to retrieve from, whoever answered.
fn retrievable_here(mut answer: Answer, ours: &AeTitle) -> Answer {
    answer.attributes.retain(|(tag, _)| *tag != Tag::RETRIEVE_AE_TITLE);
    answer.attributes.push((Tag::RETRIEVE_AE_TITLE, ours.as_str().to_owned()));
    answer
}
