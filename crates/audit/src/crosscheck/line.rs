//! One member that is asked: over one connection, by one route after another, and not at all while it is away.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use outrigger_member::breaker::{Breaker, Failure, Permit, Turn};
use outrigger_member::{Answered, AskSession, Found, Member, MemberError, Returned, encodings};
use outrigger_model::{Query, SeriesUid, SopClassUid, SopInstanceUid, StudyUid, TransferSyntaxUid};
use outrigger_runtime::{BlockSource as _, Body};
use tokio::time::{sleep, timeout};

use super::pace::Pace;
use crate::inventory::Source;

/// Longest wait for one answer: an archive that reads from a slow disk gives its most within that, and nobody waits for it.
const ANSWER_TIME: Duration = Duration::from_secs(120);

/// Longest that a connection is kept open without a question: the next turn may be hours away, and archives count associations that
/// are idle.
const KEPT_OPEN: Duration = Duration::from_secs(3);

/// Answers read to one query: series of one study, some megabytes.
const ANSWERS_MAX: usize = 5_000;

/// Where there is no randomness: only one task asks, so that nothing has to be spread.
const NO_JITTER: u8 = 255;

/// Why nothing is known of what was asked: never that a member does not have it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unknown {
    #[error("it is left alone, having failed before")]
    LeftAlone,
    #[error("it did not answer within {} s", ANSWER_TIME.as_secs())]
    Silent,
    #[error("it has no route for questions")]
    NoRoute,
    #[error("it does not answer")]
    Member(#[source] MemberError),
}

/// An instance, by what names it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Named<'n> {
    pub(crate) study: &'n StudyUid,
    pub(crate) series: &'n SeriesUid,
    pub(crate) instance: &'n SopInstanceUid,
    pub(crate) class: &'n SopClassUid,
}

/// A member, and how it stands.
pub(crate) struct Line {
    pub(crate) source: Source,
    breaker: Breaker,
    session: Kept,
    returned: Vec<Returned>,
}

/// A connection between two questions; it is ended where none comes soon.
#[derive(Default)]
struct Kept(Arc<Mutex<Slot>>);

#[derive(Default)]
struct Slot {
    session: Option<Box<dyn AskSession>>,
    /// Times that one was put here.
    puts: u64,
}

impl Kept {
    fn take(&self) -> Option<Box<dyn AskSession>> {
        lock(&self.0).session.take()
    }

    fn put(&self, session: Box<dyn AskSession>) {
        let put = {
            let mut slot = lock(&self.0);
            slot.session = Some(session);
            slot.puts += 1;
            slot.puts
        };
        // With whoever asks gone, so is the connection.
        let slot = Arc::downgrade(&self.0);
        drop(tokio::spawn(async move {
            sleep(KEPT_OPEN).await;
            let Some(slot) = slot.upgrade() else { return };
            let idle = lock(&slot).idle_since(put);
            if let Some(session) = idle {
                session.release().await;
            }
        }));
    }
}

impl Slot {
    /// The connection, if it is still there as it was put.
    fn idle_since(&mut self, put: u64) -> Option<Box<dyn AskSession>> {
        if self.puts == put { self.session.take() } else { None }
    }
}

/// A leaf lock: nothing is awaited under it.
fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

enum Question<'q> {
    Find(&'q Query),
    Present(&'q StudyUid, &'q SeriesUid),
    Fetch(Named<'q>),
}

enum Said {
    Answers(Answered),
    Found(Found),
    Copy(TransferSyntaxUid, Body),
}

impl Line {
    pub(crate) fn new(source: Source) -> Self {
        Self { source, breaker: Breaker::default(), session: Kept::default(), returned: Vec::new() }
    }

    /// Prepares for instances of these classes to be read; each with the encoding it was accepted in.
    pub(crate) fn expect(&mut self, classes: impl Iterator<Item = (SopClassUid, Option<TransferSyntaxUid>)>) {
        self.returned = classes
            .map(|(sop_class, own)| Returned { sop_class, encodings: encodings(own.as_ref()) })
            .collect();
    }

    /// Puts a query.
    pub(crate) async fn find(&mut self, pace: &mut Pace, query: &Query) -> Result<Answered, Unknown> {
        match self.ask(pace, &Question::Find(query)).await? {
            Said::Answers(answered) => Ok(answered),
            Said::Found(_) | Said::Copy(..) => Err(Unknown::NoRoute),
        }
    }

    /// Asks which instances of a series it shows.
    pub(crate) async fn present(
        &mut self,
        pace: &mut Pace,
        study: &StudyUid,
        series: &SeriesUid,
    ) -> Result<Found, Unknown> {
        match self.ask(pace, &Question::Present(study, series)).await? {
            Said::Found(found) => Ok(found),
            Said::Answers(_) | Said::Copy(..) => Err(Unknown::NoRoute),
        }
    }

    /// Reads an instance.
    pub(crate) async fn fetch(
        &mut self,
        pace: &mut Pace,
        named: Named<'_>,
    ) -> Result<(TransferSyntaxUid, Body), Unknown> {
        match self.ask(pace, &Question::Fetch(named)).await? {
            Said::Copy(transfer_syntax, body) => {
                pace.read(body.length());
                Ok((transfer_syntax, body))
            }
            Said::Answers(_) | Said::Found(_) => Err(Unknown::NoRoute),
        }
    }

    /// Ends the connection, if there is one.
    pub(crate) async fn hang_up(&mut self) {
        if let Some(session) = self.session.take() {
            session.release().await;
        }
    }

    async fn ask(&mut self, pace: &mut Pace, question: &Question<'_>) -> Result<Said, Unknown> {
        if self.breaker.permit(pace.clock.now()) != Permit::Call {
            return Err(Unknown::LeftAlone);
        }
        pace.turn().await;
        let said = timeout(ANSWER_TIME, self.by_any_route(question)).await.unwrap_or(Err(Unknown::Silent));
        let now = pace.clock.now();
        let turn = match &said {
            Err(Unknown::Silent) => self.breaker.failed(Failure::Silent, now, NO_JITTER),
            Err(Unknown::Member(MemberError::Connect(_) | MemberError::Lost { .. }) | Unknown::NoRoute) => {
                self.breaker.failed(Failure::Refused, now, NO_JITTER)
            }
            Ok(_) | Err(_) => self.breaker.succeeded(),
        };
        if turn == Turn::Opened {
            tracing::info!(member = %self.source.name, "a member that does not answer is passed over in the cross-check");
        }
        said
    }

    async fn by_any_route(&mut self, question: &Question<'_>) -> Result<Said, Unknown> {
        let fits = |session: &dyn AskSession| match question {
            Question::Fetch(named) => session.gives(named.class),
            Question::Find(_) | Question::Present(..) => true,
        };
        // Taken out, so that a time-out drops it.
        if let Some(mut session) = self.session.take().filter(|session| session.is_open() && fits(&**session))
        {
            match put(&mut *session, question).await {
                // A kept connection may have been ended meanwhile.
                Err(MemberError::Lost { .. } | MemberError::Connect(_)) => {}
                said => {
                    self.session.put(session);
                    return said.map_err(Unknown::Member);
                }
            }
        }
        let mut last = Unknown::NoRoute;
        for route in &self.source.routes {
            match by(&**route, &self.returned, question).await {
                Ok((session, said)) => {
                    self.session.put(session);
                    return Ok(said);
                }
                Err(error) => last = Unknown::Member(error),
            }
        }
        Err(last)
    }
}

async fn by(
    route: &dyn Member,
    returned: &[Returned],
    question: &Question<'_>,
) -> Result<(Box<dyn AskSession>, Said), MemberError> {
    let mut session = route.ask(returned).await?;
    match put(&mut *session, question).await {
        Ok(said) => Ok((session, said)),
        Err(error) => {
            session.release().await;
            Err(error)
        }
    }
}

async fn put(session: &mut dyn AskSession, question: &Question<'_>) -> Result<Said, MemberError> {
    Ok(match question {
        Question::Find(query) => Said::Answers(session.find(query, ANSWERS_MAX).await?),
        Question::Present(study, series) => Said::Found(session.present(study, series).await?),
        Question::Fetch(Named { study, series, instance, class }) => {
            let (transfer_syntax, body) = session.fetch(study, series, instance, class).await?;
            Said::Copy(transfer_syntax, body)
        }
    })
}
