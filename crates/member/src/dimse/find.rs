//! Queries as they are put: C-FIND in both models (PS3.4 section C.4.1).

use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::{IdentifierError, read_declared_answer, write_query};
use outrigger_dimse::{Association, Command, Incoming, Outcome, Priority};
use outrigger_model::{Answer, Query, QueryRoot, SopClassUid, Status, StatusClass, Tag, sop_class};

use super::call::{context_of, lost, refused, unasked};
use crate::contract::{Answered, MemberError, Wholeness};

pub(super) const OPERATION: &str = "C-FIND";

/// Longest answer read, in bytes: one match, whatever the member adds to it.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// Matches that may still come after C-CANCEL: a member has them on their way, and one that never stops is put down.
const AFTER_CANCEL_MAX: usize = 10_000;

/// The character set that holds every character (PS3.3 section C.12.1.1.2).
const EVERY_CHARACTER: &str = "ISO_IR 192";

/// The member went on and on.
#[derive(Debug, thiserror::Error)]
#[error("it was told to stop, and sent {AFTER_CANCEL_MAX} more matches")]
struct NeverStops;

/// A query that was put and is being answered.
pub(super) struct Putting {
    message_id: u16,
    context: u8,
    form: Form,
}

/// What comes next of an answer.
pub(super) enum Next {
    Match(Answer),
    End(Status),
}

/// Whether an association may be used after a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum After {
    Usable,
    /// It is over, or will be: PixelMed aborts an association on which C-CANCEL crosses its last response.
    Over,
}

/// Puts a query and reads at most so many of its matches.
pub(super) async fn find(
    association: &mut Association,
    query: &Query,
    most: usize,
) -> Result<(Answered, After), MemberError> {
    let mut putting = Putting::put(association, query).await?;
    let mut answers = Vec::new();
    loop {
        match putting.next(association).await? {
            Next::Match(answer) if answers.len() < most => answers.push(answer),
            Next::Match(_) => {
                let after = putting.cut(association).await;
                return Ok((Answered { answers, whole: Wholeness::Cut }, after));
            }
            Next::End(status) => return Ok((ended(answers, status)?, After::Usable)),
        }
    }
}

/// What a final status makes of the matches before it.
fn ended(answers: Vec<Answer>, status: Status) -> Result<Answered, MemberError> {
    let whole = match status.class() {
        StatusClass::Success => Wholeness::All,
        StatusClass::Failure if answers.is_empty() => return Err(refused(OPERATION, status)),
        _ => Wholeness::Ended(status),
    };
    Ok(Answered { answers, whole })
}

impl Putting {
    /// Sends the request.
    pub(super) async fn put(association: &mut Association, query: &Query) -> Result<Self, MemberError> {
        let class = match query.root {
            QueryRoot::Patient => sop_class::PATIENT_ROOT_FIND,
            QueryRoot::Study => sop_class::STUDY_ROOT_FIND,
        };
        let context = context_of(association, class, OPERATION)?;
        let form = form(association, context);
        let message_id = association.next_message_id();
        let command =
            Command::CFindRq { message_id, sop_class: SopClassUid::known(class), priority: Priority::Medium };
        let identifier = write_query(form, query);
        association.send_with(context, &command, identifier.into()).await.map_err(lost(OPERATION))?;
        Ok(Self { message_id, context, form })
    }

    /// Waits for the next match, or for the end.
    pub(super) async fn next(&mut self, association: &mut Association) -> Result<Next, MemberError> {
        let outcome = self.outcome(association).await?;
        if outcome.status.class() != StatusClass::Pending {
            return Ok(Next::End(outcome.status));
        }
        let bytes = association.data_set(ANSWER_BYTES_MAX).await.map_err(lost(OPERATION))?;
        let (mut answer, declared) = read_declared_answer(self.form, &bytes).map_err(unreadable)?;
        if declared != EVERY_CHARACTER {
            // What this set does not hold, the answer cannot show.
            answer.attributes.push((Tag::SPECIFIC_CHARACTER_SET, declared));
        }
        Ok(Next::Match(answer))
    }

    /// Tells the member to stop; what was read before stands, whatever becomes of the association.
    async fn cut(self, association: &mut Association) -> After {
        match self.cancel(association).await {
            Ok(Status::CANCEL) => After::Usable,
            Ok(_) => After::Over,
            Err(error) => {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "a member does not end a query in good order"
                );
                After::Over
            }
        }
    }

    /// Tells the member to stop, and reads until it has, for what is left behind would be taken for answers to the next
    /// query; gives the last status.
    async fn cancel(mut self, association: &mut Association) -> Result<Status, MemberError> {
        let command = Command::CCancelRq { message_id: self.message_id };
        association.send(self.context, &command).await.map_err(lost(OPERATION))?;
        for _ in 0..AFTER_CANCEL_MAX {
            if let Next::End(status) = self.next(association).await? {
                return Ok(status);
            }
        }
        Err(MemberError::Lost { operation: OPERATION, source: Box::new(NeverStops) })
    }

    async fn outcome(&self, association: &mut Association) -> Result<Outcome, MemberError> {
        match association.receive().await.map_err(lost(OPERATION))? {
            Incoming::Message { command: Command::CFindRsp { message_id, outcome, .. }, .. }
            | Incoming::Message { command: Command::Refusal { message_id, outcome, .. }, .. }
                if message_id == self.message_id =>
            {
                Ok(outcome)
            }
            Incoming::Message { .. } | Incoming::Release => Err(unasked(OPERATION)),
        }
    }
}

/// How data sets are written in an accepted context for identifiers, of which only plain encodings were proposed.
pub(super) fn form(association: &Association, context: u8) -> Form {
    let context = association.context(context);
    context.and_then(|context| Form::of(&context.transfer_syntax)).unwrap_or(Form::ImplicitLittle)
}

fn unreadable(error: IdentifierError) -> MemberError {
    MemberError::Lost { operation: OPERATION, source: Box::new(error) }
}
