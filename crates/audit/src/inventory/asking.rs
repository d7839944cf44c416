//! Asking one member: by one route after another, at a bounded rate, one question at a time.

use std::sync::Arc;
use std::time::Duration;

use outrigger_member::{Answered, AskSession, Member, MemberError, Wholeness};
use outrigger_model::{Answer, MemberName, MemberNumber, Query, SopClassUid};
use outrigger_runtime::Clock;
use tokio::time::{Instant, sleep_until, timeout};

use super::class::{self, Named};
use super::sweep::Ended;

/// Answers read to one query, some megabytes: what has more is cut.
const ANSWERS_MAX: usize = 5_000;

/// Longest wait for the answers to one query: an archive that reads them from a slow disk gives its most within that.
const ANSWER_TIME: Duration = Duration::from_secs(120);

/// HTTP statuses that say nothing of the question: no rights, too many requests, and a server that is not there.
const OF_ANY_QUESTION: [u16; 6] = [401, 403, 429, 502, 503, 504];

/// A member whose inventory is taken.
#[derive(Clone)]
pub struct Source {
    /// Its permanent number.
    pub number: MemberNumber,
    /// Its name.
    pub name: MemberName,
    /// Issuer of patient ID where it names none.
    pub issuer: Option<String>,
    /// Ways to reach it, in order of preference.
    pub routes: Vec<Arc<dyn Member>>,
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("it did not answer within {} s", ANSWER_TIME.as_secs())]
    Silent,
    #[error("it has no route")]
    NoRoute,
    #[error("it does not answer")]
    Member(#[source] MemberError),
}

impl AskError {
    /// Whether it is the question that it does not answer, and not any.
    pub(crate) fn is_of_question(&self) -> bool {
        match self {
            Self::Member(MemberError::Refused { .. }) => true,
            // Who may not ask, and whom it cannot serve now, is told so whatever is asked.
            Self::Member(MemberError::Http(refusal)) => !OF_ANY_QUESTION.contains(&refusal.code),
            Self::Member(_) | Self::Silent | Self::NoRoute => false,
        }
    }
}

/// A member that is asked one question after another.
pub(crate) struct Asking<'s> {
    source: &'s Source,
    session: Option<Box<dyn AskSession>>,
    clock: Clock,
    between: Duration,
    not_before: Instant,
    /// The question that failed last, and how often in a row, whatever was answered between.
    trouble: Option<(Query, u32)>,
}

impl<'s> Asking<'s> {
    /// Asks at most so often.
    pub(crate) fn new(source: &'s Source, between: Duration, clock: Clock) -> Self {
        let not_before = clock.now();
        Self { source, session: None, clock, between, not_before, trouble: None }
    }

    /// Asks a question when its turn has come.
    pub(crate) async fn ask(&mut self, query: &Query) -> Result<(Vec<Answer>, Ended), AskError> {
        sleep_until(self.not_before).await;
        self.not_before = self.clock.now() + self.between;
        let answered = timeout(ANSWER_TIME, self.answered(query)).await;
        let answered = answered.unwrap_or(Err(AskError::Silent));
        self.note(query, &answered);
        let Answered { answers, whole } = answered?;
        let ended = match whole {
            Wholeness::All => Ended::AsAll,
            Wholeness::Cut | Wholeness::Ended(_) => Ended::Short,
        };
        Ok((answers, ended))
    }

    fn note(&mut self, query: &Query, answered: &Result<Answered, AskError>) {
        let before =
            self.trouble.as_ref().filter(|(failed, _)| failed == query).map_or(0, |(_, times)| *times);
        match answered {
            Err(error) if !error.is_of_question() => self.trouble = Some((query.clone(), before + 1)),
            Ok(_) | Err(_) if before > 0 => self.trouble = None,
            Ok(_) | Err(_) => {}
        }
    }

    /// How often in a row the question that failed last has failed.
    pub(crate) fn failures(&self) -> u32 {
        self.trouble.as_ref().map_or(0, |(_, times)| *times)
    }

    async fn answered(&mut self, query: &Query) -> Result<Answered, AskError> {
        if let Some(mut session) = self.session.take().filter(|session| session.is_open()) {
            match session.find(query, ANSWERS_MAX).await {
                Ok(answered) => {
                    self.session = Some(session);
                    return Ok(answered);
                }
                // A kept connection may have been ended meanwhile; what the member answered itself stands.
                Err(MemberError::Lost { .. }) => {}
                Err(error) => {
                    self.session = Some(session);
                    return Err(AskError::Member(error));
                }
            }
        }
        let mut last = AskError::NoRoute;
        for route in &self.source.routes {
            match Self::by(route.as_ref(), query).await {
                Ok((session, answered)) => {
                    self.session = Some(session);
                    return Ok(answered);
                }
                Err(error) => last = AskError::Member(error),
            }
        }
        Err(last)
    }

    async fn by(route: &dyn Member, query: &Query) -> Result<(Box<dyn AskSession>, Answered), MemberError> {
        let mut session = route.ask(&[]).await?;
        let answered = session.find(query, ANSWERS_MAX).await?;
        Ok((session, answered))
    }

    /// The class of an instance, by reading it; `None` where it is not given, or nothing in it says so.
    pub(crate) async fn class_of(&mut self, named: Named<'_>) -> Result<Option<SopClassUid>, AskError> {
        sleep_until(self.not_before).await;
        self.not_before = self.clock.now() + self.between;
        let mut last = Ok(None);
        for route in &self.source.routes {
            let read = timeout(ANSWER_TIME, class::read(route.as_ref(), named)).await;
            match read.map_err(|_| AskError::Silent)? {
                Ok(Some(class)) => return Ok(Some(class)),
                Ok(None) => {}
                Err(error @ MemberError::Connect(_)) => last = Err(AskError::Member(error)),
                Err(error) => {
                    let instance = named.instance;
                    tracing::debug!(%instance, error = &error as &dyn std::error::Error, "an instance is not read for its class");
                }
            }
        }
        last
    }

    /// Whether it answers by any route.
    pub(crate) async fn is_there(&mut self) -> bool {
        for route in &self.source.routes {
            if matches!(timeout(ANSWER_TIME, route.health()).await, Ok(Ok(()))) {
                return true;
            }
        }
        false
    }

    /// Ends the connection, if there is one.
    pub(crate) async fn hang_up(&mut self) {
        if let Some(session) = self.session.take() {
            session.release().await;
        }
    }
}
