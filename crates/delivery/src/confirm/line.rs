//! The connection over which a member is asked: kept as long as there is something to ask, given up as soon as somebody
//! waits for it to store.

use std::collections::BTreeMap;
use std::time::Duration;

use outrigger_ledger::Due;
use outrigger_member::{AskSession, Found, MemberError, Returned};
use outrigger_model::{SeriesUid, SopClassUid, StudyUid, TransferSyntaxUid};
use outrigger_runtime::Body;
use tokio::time::Instant;

use crate::confirm::ability::gravest;
use crate::lines::LinePermit;
use crate::parcel;
use crate::send::{Sender, chain};

/// A connection without a question is ended after this: archives count idle associations.
const IDLE: Duration = Duration::from_secs(2);

/// Encodings proposed over one connection, of all classes together: with the services this stays below the 128
/// presentation contexts of an association (PS3.8 section 9.3.2.2).
const ENCODINGS_MAX: usize = 120;

/// What is asked.
#[derive(Clone, Copy)]
pub(crate) enum Question<'a> {
    /// Which instances of a series the member shows.
    Shown(&'a StudyUid, &'a SeriesUid),
    /// An object.
    Object(&'a Due),
}

/// What came of it.
pub(crate) enum Answer {
    Shown(Found),
    Object(TransferSyntaxUid, Body),
}

/// The connection, if there is one, and the right to it.
#[derive(Default)]
pub(crate) struct AskLine {
    permit: Option<LinePermit>,
    open: Option<Open>,
    idle_since: Option<Instant>,
}

struct Open {
    route: usize,
    session: Box<dyn AskSession>,
    /// Classes it was opened for.
    classes: Vec<SopClassUid>,
}

/// Whether a question was put over the connection before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    Fresh,
    Used,
}

impl AskLine {
    /// Waits for the right to a connection; whether there is one.
    pub(crate) async fn is_granted(&mut self, sender: &Sender) -> bool {
        if self.permit.is_none() {
            self.permit = sender.lines.to_ask().await;
        }
        self.permit.is_some()
    }

    /// Whether it keeps others from a connection.
    pub(crate) fn is_held(&self) -> bool {
        self.permit.is_some()
    }

    /// Ends the connection and gives the right to it back.
    pub(crate) async fn hang_up(&mut self) {
        self.end().await;
        self.permit = None;
        self.idle_since = None;
    }

    /// There is nothing to ask now: the connection is given up if it stays so, or if somebody waits for it.
    pub(crate) async fn rest(&mut self, sender: &Sender) {
        let now = sender.clock.now();
        let since = *self.idle_since.get_or_insert(now);
        if self.open.is_none() || sender.lines.is_wanted() || now.saturating_duration_since(since) >= IDLE {
            self.hang_up().await;
        }
    }

    /// Puts a question by the route last used, and by the others where that does not do; `batch` is what else is to be
    /// read back over the connection.
    pub(crate) async fn ask(
        &mut self,
        sender: &Sender,
        batch: &[Returned],
        question: Question<'_>,
    ) -> Result<Answer, MemberError> {
        self.idle_since = None;
        let (routes, now) = (sender.standing.routes(), sender.clock.now());
        let mut order = routes.order(sender.setup.routes.len(), now);
        let open = self.open.as_ref().map(|open| open.route);
        order.sort_by_key(|number| open != Some(*number));
        let last = order.last().copied();
        let mut failed: Option<MemberError> = None;
        for number in order {
            match self.ask_by(sender, number, batch, question).await {
                Ok(answer) => return Ok(answer),
                Err(MemberError::NotFound) => return Err(MemberError::NotFound),
                Err(error) => {
                    if matches!(error, MemberError::Connect(_)) && last != Some(number) {
                        routes.failed(number, chain(&error), now);
                    }
                    failed = Some(match failed {
                        Some(before) => gravest(before, error),
                        None => error,
                    });
                }
            }
        }
        Err(failed.unwrap_or_else(no_line))
    }

    async fn ask_by(
        &mut self,
        sender: &Sender,
        number: usize,
        batch: &[Returned],
        question: Question<'_>,
    ) -> Result<Answer, MemberError> {
        let condition = self.ready(sender, number, batch, question).await?;
        let answer = self.put(question).await;
        if condition == Condition::Used && matches!(answer, Err(MemberError::Lost { .. })) {
            // The member may have ended it meanwhile, which says nothing of the question.
            self.end().await;
            self.ready(sender, number, batch, question).await?;
            return self.put(question).await;
        }
        answer
    }

    /// Makes sure that there is a connection by a route over which the question can be put.
    async fn ready(
        &mut self,
        sender: &Sender,
        number: usize,
        batch: &[Returned],
        question: Question<'_>,
    ) -> Result<Condition, MemberError> {
        let fits = self.open.as_ref().is_some_and(|open| {
            let takes = match question {
                Question::Shown(..) => true,
                Question::Object(due) => {
                    let class = &due.header.sop_class;
                    open.classes.contains(class) || open.session.gives(class)
                }
            };
            open.route == number && open.session.is_open() && takes
        });
        if fits {
            return Ok(Condition::Used);
        }
        self.end().await;
        let route = sender.setup.routes.get(number).ok_or_else(no_line)?;
        let returned = proposed(batch, question);
        let classes = returned.iter().map(|returned| returned.sop_class.clone()).collect();
        let session = route.member.ask(&returned).await?;
        self.open = Some(Open { route: number, session, classes });
        Ok(Condition::Fresh)
    }

    async fn put(&mut self, question: Question<'_>) -> Result<Answer, MemberError> {
        let open = self.open.as_mut().ok_or_else(no_line)?;
        match question {
            Question::Shown(study, series) => open.session.present(study, series).await.map(Answer::Shown),
            Question::Object(due) => {
                let header = &due.header;
                let (Some(study), Some(series)) = (&header.study, &header.series) else {
                    return Err(MemberError::OutsideStudies);
                };
                let (instance, class) = (&header.sop_instance, &header.sop_class);
                let fetched = open.session.fetch(study, series, instance, class).await;
                fetched.map(|(syntax, body)| Answer::Object(syntax, body))
            }
        }
    }

    /// Ends the connection, and keeps the right to one.
    pub(crate) async fn end(&mut self) {
        if let Some(open) = self.open.take() {
            open.session.release().await;
        }
    }
}

/// There is no connection to put a question over.
fn no_line() -> MemberError {
    let source = std::io::Error::from(std::io::ErrorKind::NotConnected);
    MemberError::Lost { operation: "a question", source: Box::new(source) }
}

/// The classes of postings that are to be read back, each once with every encoding it may come in.
pub(crate) fn returned<'a>(due: impl IntoIterator<Item = &'a Due>) -> Vec<Returned> {
    let mut classes: BTreeMap<&SopClassUid, Vec<TransferSyntaxUid>> = BTreeMap::new();
    for due in due {
        let known = classes.entry(&due.header.sop_class).or_default();
        for encoding in parcel::encodings(due) {
            if !known.contains(&encoding) {
                known.push(encoding);
            }
        }
    }
    let returned =
        |(class, encodings): (&SopClassUid, Vec<_>)| Returned { sop_class: class.clone(), encodings };
    classes.into_iter().map(returned).collect()
}

/// What a connection is opened for: the class of the question first, then as many of the others as have room.
fn proposed(batch: &[Returned], question: Question<'_>) -> Vec<Returned> {
    let mut proposed = match question {
        Question::Shown(..) => Vec::new(),
        Question::Object(due) => returned([due]),
    };
    let mut room = ENCODINGS_MAX;
    for first in &mut proposed {
        if let Some(same) = batch.iter().find(|other| other.sop_class == first.sop_class) {
            first.encodings.clone_from(&same.encodings);
        }
        first.encodings.truncate(room);
        room -= first.encodings.len();
    }
    for other in batch {
        let is_new = proposed.iter().all(|known| known.sop_class != other.sop_class);
        if is_new && other.encodings.len() <= room {
            room -= other.encodings.len();
            proposed.push(other.clone());
        }
    }
    proposed
}
