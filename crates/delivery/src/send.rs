//! Storing a batch of objects at a member, route after route.

use std::sync::Arc;
use std::time::Duration;

use outrigger_ledger::finding::{Finding, FindingKind};
use outrigger_ledger::{Attempt, Due, Ledger, Report, ReportOutcome};
use outrigger_member::breaker::{Failure, Turn};
use outrigger_member::status::{Outcome, classify};
use outrigger_member::{MemberError, Need, Reply, StoreSession};
use outrigger_model::{AeTitle, Status, WallTime};
use outrigger_runtime::{Clock, Random, Threads};

use crate::lines::Lines;
use crate::parcel::{self, EncodeError, Parcel};
use crate::plan::{self, Ending, Next, Others};
use crate::setup::{Calling, MemberSetup, Route};
use crate::standing::Standing;

/// Longest text of an attempt that is kept: a peer's comment has 64 characters, causes of ours a few hundred.
const TEXT_MAX: usize = 500;

/// A member that stored something within this span takes objects: longer than most waits between two attempts, shorter
/// than the attempts it takes to set an object aside.
const OTHERS_SPAN: Duration = Duration::from_secs(120);

/// What is added to the words for a loss in the middle of an object.
const ANSWERS: &str = "; the member answered after that when it was asked whether it is there";

/// What a connection works with.
#[derive(Clone)]
pub struct Sender {
    /// The member.
    pub setup: MemberSetup,
    /// How it stands.
    pub standing: Arc<Standing>,
    /// Time.
    pub clock: Clock,
    /// Jitter.
    pub random: Random,
    /// Where transcoding runs.
    pub threads: Threads,
    /// The connections it may have.
    pub lines: Lines,
    /// All members: others may have what the journal cannot give.
    pub members: Arc<[MemberSetup]>,
}

/// An open connection, and what it was opened for.
pub struct Line {
    route: usize,
    calling: AeTitle,
    session: Box<dyn StoreSession>,
}

/// What became of a batch.
#[derive(Debug, Default)]
pub struct Sent {
    /// What is to be noted.
    pub reports: Vec<Report>,
    /// Objects whose bytes could not be read on the way.
    pub unread: Vec<Unread>,
    /// Routes that failed where another worked.
    pub findings: Vec<Finding>,
}

/// An object on its way, and the first route that did not take it, with why.
struct Underway {
    parcel: Parcel,
    failed: Option<(usize, String)>,
}

/// A route, and whether any other is left to be tried.
#[derive(Clone, Copy)]
struct Way<'a> {
    number: usize,
    route: &'a Route,
    is_last: bool,
}

/// An object whose bytes could not be read while it was sent.
#[derive(Debug)]
pub struct Unread {
    /// Its posting.
    pub due: Due,
    /// What is to be noted if nobody else has its bytes.
    pub report: Report,
}

/// How one object fared.
struct Tried {
    ending: Ending,
    status: Option<Status>,
    text: String,
    /// How others fare at the member, where it was asked after the loss of this one.
    others: Option<Others>,
}

impl Sender {
    /// Jitter for waits; without randomness the longest wait is taken.
    pub(crate) fn jitter(&self) -> u8 {
        self.random.u64().map_or(u8::MAX, |bits| bits.to_le_bytes()[0])
    }

    /// Wall-clock time.
    pub(crate) fn wall(&self) -> WallTime {
        WallTime(self.clock.wall_us())
    }

    /// Notes that the member was reached; what it had confirmed shortly before it was out of reach is confirmed again:
    /// archives forget.
    pub(crate) async fn reached(&self, ledger: &Ledger) {
        let Some(failing_since) = self.standing.reached(self.clock.now()) else { return };
        let (member, since) = (&self.setup, crate::confirm::doubt_since(failing_since));
        match ledger.reopen(member.number, since).await {
            Ok(0) => {}
            Ok(count) => {
                tracing::info!(member = %member.name, count, "what was confirmed before the connection was lost is confirmed again");
            }
            Err(error) => {
                tracing::warn!(member = %member.name, error = %chain(&error), "what was confirmed cannot be put in doubt");
            }
        }
    }

    /// Notes how a question to the member ended: whatever it answers, it is there.
    pub(crate) async fn asked<T>(&self, ledger: &Ledger, answer: &Result<T, MemberError>) {
        match answer {
            Err(error @ (MemberError::Connect(_) | MemberError::Lost { .. })) => self.note_lost(error),
            // Ours, and says nothing of the member.
            Err(MemberError::Source(_) | MemberError::OutsideStudies) => {}
            Ok(_)
            | Err(
                MemberError::NoContext { .. }
                | MemberError::NotFound
                | MemberError::OtherClass { .. }
                | MemberError::Refused { .. }
                | MemberError::Http(_)
                | MemberError::Unable { .. },
            ) => self.reached(ledger).await,
        }
    }

    /// Notes that an object was lost over an association that the member had accepted, which says something of the object
    /// first: the member is at fault if it does not say that it is there either, or if it loses one object after the other.
    async fn lost(&self, way: Way<'_>, parcel: &Parcel, answer: &Result<Reply, MemberError>) -> Tried {
        let mut tried = self.judged(parcel, answer);
        let health = way.route.member.health().await;
        if let Err(error @ (MemberError::Connect(_) | MemberError::Lost { .. })) = health {
            self.note_lost_by(way, &error);
            return tried;
        }
        let others = self.standing.lost_object(parcel.due.posting, self.wall(), tried.text.clone());
        tried.others = Some(others);
        let end = tried.text.floor_char_boundary(TEXT_MAX - ANSWERS.len());
        tried.text.truncate(end);
        tried.text.push_str(ANSWERS);
        tried
    }

    /// Notes that a call to the member failed on the way.
    pub(crate) fn note_lost(&self, error: &MemberError) {
        let text = chain(error);
        let failure = if error.is_silence() { Failure::Silent } else { Failure::Refused };
        let turn = self.standing.lost(failure, self.clock.now(), self.wall(), self.jitter(), text.clone());
        if turn == Turn::Opened {
            tracing::warn!(member = %self.setup.name, error = %text, "the member is left alone and probed");
        }
    }

    /// Stores what is in `parcels` over `line` or a new connection; gives a report for each, or says that its bytes could not be read.
    ///
    /// What was tried before goes last: it may cost the connection again.
    pub async fn send(&self, line: &mut Option<Line>, parcels: Vec<Parcel>) -> Sent {
        let mut sent = Sent::default();
        let mut rest = parcels;
        for parcel in &mut rest {
            // What a person had tried again begins anew.
            parcel.prefer_after(self.standing.faults(parcel.due.posting).min(parcel.due.attempts));
        }
        rest.sort_by_key(|parcel| parcel.due.attempts);
        while let Some(calling) = rest.first().map(|parcel| self.calling(parcel)) {
            let (same, other) = rest.into_iter().partition(|parcel| self.calling(parcel) == calling);
            rest = other;
            self.send_as(line, &calling, same, &mut sent).await;
        }
        sent
    }

    fn calling(&self, parcel: &Parcel) -> AeTitle {
        match &self.setup.calling {
            Calling::Fixed(title) => title.clone(),
            Calling::Preserve => parcel.sender.clone(),
        }
    }

    /// Tries route after route; what one refuses for good, or has no context for, the next may take.
    async fn send_as(
        &self,
        line: &mut Option<Line>,
        calling: &AeTitle,
        parcels: Vec<Parcel>,
        sent: &mut Sent,
    ) {
        let (routes, now) = (self.standing.routes(), self.clock.now());
        let order = routes.order(self.setup.routes.len(), now);
        let resting = routes.resting(0, now).map(|words| (0, words));
        let underway = |parcel| Underway { parcel, failed: resting.clone() };
        let mut open: Vec<Underway> = parcels.into_iter().map(underway).collect();
        let last = order.last().copied();
        for number in order {
            let Some(route) = self.setup.routes.get(number) else { continue };
            let way = Way { number, route, is_last: last == Some(number) };
            open = self.send_by(line, way, calling, open, sent).await;
            if open.is_empty() {
                return;
            }
            hang_up(line).await;
        }
    }

    /// Tries one route; gives what the next is to be tried with.
    async fn send_by(
        &self,
        line: &mut Option<Line>,
        way: Way<'_>,
        calling: &AeTitle,
        open: Vec<Underway>,
        sent: &mut Sent,
    ) -> Vec<Underway> {
        let mut passed_on = Vec::new();
        let mut queue = open.into_iter();
        while let Some(Underway { parcel, failed }) = queue.next() {
            let needs = needs(&parcel, queue.as_slice());
            let tried = match self.ready(line, way, calling, &needs).await {
                Ok(()) => self.store(line, way, &parcel).await,
                Err(error) => Tried::lost_before(&error),
            };
            let try_next = matches!(tried.ending, Ending::ForGood | Ending::NoContext | Ending::Untried);
            let in_vain = tried.ending == Ending::Unknown && self.standing.takes_nothing();
            let connection_failed = tried.ending == Ending::Untried || in_vain;
            if try_next && !way.is_last {
                tracing::info!(member = %self.setup.name, route = %way.route.label, text = %tried.text, "the next route is tried");
                let failed = failed.or(Some((way.number, tried.text)));
                passed_on.push(Underway { parcel, failed });
            } else {
                if tried.ending == Ending::Stored {
                    sent.findings.extend(self.difference(&parcel, failed, way));
                }
                let is_unread = tried.ending == Ending::Damaged;
                let report = self.report(&parcel, &way.route.label, tried);
                if is_unread {
                    sent.unread.push(Unread { due: parcel.due, report });
                } else {
                    sent.reports.push(report);
                }
            }
            if connection_failed && way.is_last {
                sent.reports.extend(queue.by_ref().map(|underway| given_back(&underway.parcel)));
            } else if connection_failed {
                passed_on.extend(queue.by_ref());
            }
        }
        passed_on
    }

    /// That a route failed where this one took the object, unless it was told lately.
    fn difference(&self, parcel: &Parcel, failed: Option<(usize, String)>, way: Way<'_>) -> Option<Finding> {
        let routes = self.standing.routes();
        routes.worked(way.number);
        let (number, words) = failed.filter(|(number, _)| *number != way.number)?;
        let route = self.setup.routes.get(number)?;
        routes.tell(number, self.clock.now()).then(|| Finding {
            kind: FindingKind::RouteFailed,
            entry: Some(parcel.due.posting.entry),
            member: Some(self.setup.number),
            text: format!(
                "the route {} failed where {} took the object: {words}",
                route.label, way.route.label
            ),
            at: self.wall(),
        })
    }

    /// Notes that a route could not be called: the member is at fault only if there is no other.
    fn note_lost_by(&self, way: Way<'_>, error: &MemberError) {
        if way.is_last {
            self.note_lost(error);
        } else {
            self.standing.routes().failed(way.number, chain(error), self.clock.now());
        }
    }

    /// Makes sure that `line` is a connection that takes the first of `needs`, if the member takes it at all.
    async fn ready(
        &self,
        line: &mut Option<Line>,
        way: Way<'_>,
        calling: &AeTitle,
        needs: &[Need],
    ) -> Result<(), MemberError> {
        let fits = line.as_ref().is_some_and(|open| {
            let takes = needs.first().is_none_or(|need| open.session.takes(need).is_some());
            open.route == way.number && open.calling == *calling && takes
        });
        if fits {
            return Ok(());
        }
        hang_up(line).await;
        match way.route.member.open(needs, calling).await {
            Ok(session) => {
                *line = Some(Line { route: way.number, calling: calling.clone(), session });
                Ok(())
            }
            Err(error) => {
                // A member without a context for this object is there for others.
                if !matches!(error, MemberError::NoContext { .. }) {
                    self.note_lost_by(way, &error);
                }
                Err(error)
            }
        }
    }

    async fn store(&self, line: &mut Option<Line>, way: Way<'_>, parcel: &Parcel) -> Tried {
        let Some(open) = line else { return Tried::words(Ending::Untried, "there is no connection") };
        let Some(encoding) = open.session.takes(&parcel.need) else {
            let text = format!(
                "no presentation context accepted for {} in {} or what it can become",
                parcel.need.sop_class, parcel.encoding
            );
            return Tried::words(Ending::NoContext, &text);
        };
        let object = match parcel::outgoing(parcel, encoding, self.threads).await {
            Ok(object) => object,
            Err(error) => return Tried::encoding(&error),
        };
        let answer = open.session.store(&object).await;
        if let Err(error @ MemberError::Source(_)) = &answer {
            // The association ended in the middle of the object, and the member has no part in it.
            *line = None;
            return Tried::words(Ending::Damaged, &chain(error));
        }
        if matches!(&answer, Err(error) if !matches!(error, MemberError::NoContext { .. })) {
            *line = None;
            return self.lost(way, parcel, &answer).await;
        }
        self.judged(parcel, &answer)
    }

    fn judged(&self, parcel: &Parcel, answer: &Result<Reply, MemberError>) -> Tried {
        let (posting, outcome) = (parcel.due.posting, classify(answer, &self.setup.rules));
        let status = answer.as_ref().ok().map(|reply| reply.status);
        // The status stands beside it.
        let text = match answer {
            Ok(reply) => match &reply.comment {
                Some(comment) => format!("{}: {comment}", reply.status.text()),
                None => reply.status.text().to_owned(),
            },
            Err(error) => chain(error),
        };
        let ending = match outcome {
            Outcome::Stored | Outcome::StoredWithNote | Outcome::AlreadyThere => {
                self.standing.stored(posting, self.clock.now());
                Ending::Stored
            }
            Outcome::RetryLater | Outcome::Config => Ending::Later,
            Outcome::RefusedForGood => Ending::ForGood,
            Outcome::NoContext => Ending::NoContext,
            Outcome::Unknown => Ending::Unknown,
        };
        if let (Some(status), Ending::Later | Ending::Unknown) = (status, ending) {
            self.standing.refused(posting, self.clock.now(), self.wall(), in_words(status, answer));
        }
        Tried { ending, status, text, others: None }
    }

    fn others(&self) -> Others {
        if self.standing.stored_within(OTHERS_SPAN, self.clock.now()) {
            Others::Succeed
        } else {
            Others::FailToo
        }
    }

    fn report(&self, parcel: &Parcel, route: &str, tried: Tried) -> Report {
        let at = self.wall();
        let attempts = parcel.due.attempts.saturating_add(1);
        let others = tried.others.unwrap_or_else(|| self.others());
        let outcome = match plan::next(tried.ending, attempts, others, at, self.jitter()) {
            Next::Reached(level) => ReportOutcome::Reached(level),
            Next::RetryAt(at) => ReportOutcome::RetryAt { at },
            Next::Suspend(reason) => ReportOutcome::Suspend(reason),
            Next::GiveBack => ReportOutcome::Released,
        };
        let attempt = Attempt { at, route: route.to_owned(), status: tried.status, text: tried.text };
        Report { posting: parcel.due.posting, attempt: Some(attempt), outcome }
    }
}

impl Tried {
    fn words(ending: Ending, text: &str) -> Self {
        Self { ending, status: None, text: text.to_owned(), others: None }
    }

    fn lost_before(error: &MemberError) -> Self {
        match error {
            MemberError::NoContext { .. } => Self::words(Ending::NoContext, &chain(error)),
            _ => Self::words(Ending::Untried, &chain(error)),
        }
    }

    fn encoding(error: &EncodeError) -> Self {
        let ending = match error {
            EncodeError::TooLarge { .. } | EncodeError::Transcode(_) => Ending::Undeliverable,
            EncodeError::Read(_) => Ending::Damaged,
            EncodeError::Thread(_) => Ending::Later,
        };
        Self::words(ending, &chain(error))
    }
}

fn given_back(parcel: &Parcel) -> Report {
    Report { posting: parcel.due.posting, attempt: None, outcome: ReportOutcome::Released }
}

/// Ends a connection in good order; one that cannot be ended so is dropped.
pub async fn hang_up(line: &mut Option<Line>) {
    if let Some(open) = line.take()
        && let Err(error) = open.session.release().await
    {
        tracing::debug!(%error, "a connection to a member did not end in good order");
    }
}

/// What `first` and those behind it need, each once, the first one's first.
fn needs(first: &Parcel, behind: &[Underway]) -> Vec<Need> {
    let mut needs = vec![first.need.clone()];
    for Underway { parcel, .. } in behind {
        if !needs.contains(&parcel.need) {
            needs.push(parcel.need.clone());
        }
    }
    needs
}

/// A status with its meaning and what the member says of it.
fn in_words(status: Status, answer: &Result<Reply, MemberError>) -> String {
    let comment = answer.as_ref().ok().and_then(|reply| reply.comment.as_ref());
    let comment = comment.map(|comment| format!(": {comment}")).unwrap_or_default();
    format!("{status} ({}){comment}", status.text())
}

/// An error with its causes, cut to what is kept.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = outrigger_model::with_causes(error);
    let end = text.floor_char_boundary(TEXT_MAX);
    text.truncate(end);
    text
}
