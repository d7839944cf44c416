//! Confirming postings step by step: what a member cannot do by its kind falls to the next step, and in the end to its word.

use std::collections::BTreeSet;

use outrigger_ledger::finding::{Finding, FindingKind};
use outrigger_ledger::{Attempt, Due, Ledger, LedgerError, Noted, Report, ReportOutcome};
use outrigger_member::breaker::Permit;
use outrigger_member::{CommitReport, Denial, MemberError, Returned};
use outrigger_model::{ConfirmLevel, WallTime};

use crate::confirm::ability::{self, LEARN_AGAIN, Lacks};
use crate::confirm::background::Background;
use crate::confirm::commit::{self, Requested};
use crate::confirm::line::{Answer, AskLine, Question, returned};
use crate::confirm::present::{self, lost, unasked};
use crate::confirm::silence::{REPORT_WAIT, Silence};
use crate::confirm::{Step, steps, verify};
use crate::plan::{self, Next, Others};
use crate::send::{Sender, chain};
use crate::standing::StandingState;

/// What one member's postings are confirmed with.
pub(crate) struct Asker {
    pub(crate) ledger: Ledger,
    pub(crate) sender: Sender,
    pub(crate) line: AskLine,
    /// When it last gave an object back, since the start.
    pub(crate) gave_at: Option<WallTime>,
    pub(crate) lacks: Lacks,
    /// How long it has not reported on storage commitment.
    pub(crate) silence: Silence,
    /// What is asked when there is nothing else to do.
    pub(crate) background: Background,
    /// Levels at which the ledger holds that the member cannot be confirmed.
    pub(crate) noted: BTreeSet<ConfirmLevel>,
}

/// A posting that a step cannot confirm.
pub(super) struct Fallen {
    pub(super) due: Due,
    /// Why, where that lies in the object and not in the member.
    object: Option<String>,
}

/// What came of a step.
#[derive(Default)]
pub(super) struct Stepped {
    pub(super) reports: Vec<Report>,
    pub(super) fallen: Vec<Fallen>,
    /// What the member said that it cannot do this at all.
    pub(super) lack: Option<MemberError>,
}

/// What is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Postings {
    /// Open ones, which are to close.
    Open,
    /// Closed ones, so that the bytes may be released.
    Closed,
}

/// Whether there is sense in asking for the rest of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rest {
    Ask,
    Leave,
}

impl Asker {
    /// Asks about open postings until each is confirmed as far as the member can; `first` have their instance alone, `later`
    /// are versions, of which only reading back tells which one the member has.
    pub(crate) async fn confirmed(
        &mut self,
        first: Vec<Due>,
        later: Vec<Due>,
    ) -> Result<Vec<Report>, LedgerError> {
        let mut reports = self.by_steps(first, steps(self.sender.setup.confirm)).await?;
        reports.extend(self.by_steps(later, &[Step::ReadBack]).await?);
        Ok(reports)
    }

    async fn by_steps(&mut self, postings: Vec<Due>, steps: &[Step]) -> Result<Vec<Report>, LedgerError> {
        let mut reports = Vec::with_capacity(postings.len());
        let mut open: Vec<Fallen> = postings.into_iter().map(|due| Fallen { due, object: None }).collect();
        for step in steps {
            if open.is_empty() || !self.lacks.allows(*step, self.sender.clock.now()) {
                continue;
            }
            let (asked, passed) = self.worth_asking(*step, open);
            let (asked, why): (Vec<Due>, Vec<Option<String>>) =
                asked.into_iter().map(|fallen| (fallen.due, fallen.object)).unzip();
            let known = asked.iter().map(|due| due.posting).zip(why).collect::<Vec<_>>();
            let mut stepped = self.step(*step, asked).await?;
            // Objects that came to this step by what they lack themselves would not have needed it.
            if stepped.lack.is_none() || known.iter().any(|(_, why)| why.is_none()) {
                self.learn(*step, &stepped).await?;
            }
            for fallen in &mut stepped.fallen {
                let before = known.iter().find(|(posting, _)| *posting == fallen.due.posting);
                fallen.object = before.and_then(|(_, why)| why.clone()).or(fallen.object.take());
            }
            reports.extend(stepped.reports.into_iter().map(|report| self.lowered(*step, report)));
            open = passed;
            open.extend(stepped.fallen);
        }
        for fallen in open {
            reports.push(self.by_its_word(fallen).await?);
        }
        Ok(reports)
    }

    /// Splits off what a step is of no use for, as was learnt before.
    fn worth_asking(&self, step: Step, open: Vec<Fallen>) -> (Vec<Fallen>, Vec<Fallen>) {
        let now = self.sender.clock.now();
        let is_worth = |fallen: &Fallen| match step {
            Step::Commit => self.lacks.commits(&fallen.due.header.sop_class, now),
            Step::Query | Step::ReadBack => true,
        };
        open.into_iter().partition(is_worth)
    }

    async fn step(&mut self, step: Step, postings: Vec<Due>) -> Result<Stepped, LedgerError> {
        match step {
            Step::Query => Ok(self.query(postings).await),
            Step::Commit => self.commit(postings).await,
            Step::ReadBack => Ok(self.read_back(postings, Postings::Open).await),
        }
    }

    /// A level below the one wanted closes the posting, as the member can be asked for no more.
    fn lowered(&self, step: Step, report: Report) -> Report {
        match report.outcome {
            ReportOutcome::Reached(level) if step.level() < self.sender.setup.confirm => {
                Report { outcome: ReportOutcome::Settled(level), ..report }
            }
            _ => report,
        }
    }

    /// There is nothing to ask the member by: its acceptance has to do.
    async fn by_its_word(&mut self, fallen: Fallen) -> Result<Report, LedgerError> {
        let posting = fallen.due.posting;
        let outcome = ReportOutcome::Settled(ConfirmLevel::Accepted);
        let Some(why) = fallen.object else { return Ok(Report { posting, attempt: None, outcome }) };
        let text = format!(
            "member {} accepted it and cannot be asked whether it has it: {why}",
            self.sender.setup.name
        );
        let finding = Finding {
            kind: FindingKind::CannotConfirm,
            entry: Some(posting.entry),
            member: Some(posting.member),
            text,
            at: self.sender.wall(),
        };
        self.ledger.finding(finding).await?;
        Ok(Report { posting, attempt: None, outcome })
    }

    /// Takes note of what a step showed of the member itself.
    pub(super) async fn learn(&mut self, step: Step, stepped: &Stepped) -> Result<(), LedgerError> {
        if let Some(error) = &stepped.lack {
            self.cannot(step, error).await?;
        } else if stepped.reports.iter().any(|report| is_an_answer(&report.outcome)) {
            self.can(step).await?;
        }
        Ok(())
    }

    /// The member cannot do a step.
    async fn cannot(&mut self, step: Step, error: &MemberError) -> Result<(), LedgerError> {
        let Some(denial) = ability::lack(error) else { return Ok(()) };
        self.line.end().await;
        self.lacks.note(step, denial.clone(), self.sender.clock.now());
        let (setup, level) = (&self.sender.setup, step.level());
        let text = ability::in_words(step, setup.confirm, &chain(error));
        if self.ledger.cannot_confirm(setup.number, level, text.clone()).await? == Noted::New {
            tracing::warn!(member = %setup.name, "{text}");
        }
        self.noted.insert(level);
        Ok(())
    }

    /// Waits no longer for reports that have not come in their time; a member that goes on so cannot commit.
    pub(crate) async fn unreported(&mut self) -> Result<(), LedgerError> {
        if self.ledger.commits_overdue(self.sender.setup.number, REPORT_WAIT).await? == 0 {
            return Ok(());
        }
        let Some(requests) = self.silence.waited(self.sender.clock.now()) else { return Ok(()) };
        self.silence.is_unable();
        let denial = Denial::Unreported(requests);
        self.cannot(Step::Commit, &MemberError::Unable { operation: "storage commitment", denial }).await
    }

    /// The member can do a step.
    pub(crate) async fn can(&mut self, step: Step) -> Result<(), LedgerError> {
        self.lacks.forget(step);
        if self.noted.contains(&step.level()) {
            self.ledger.can_confirm(self.sender.setup.number, step.level()).await?;
            self.noted.remove(&step.level());
            tracing::info!(member = %self.sender.setup.name, level = ?step.level(), "the member can be confirmed so again");
        }
        Ok(())
    }

    fn route(&self) -> String {
        self.sender.setup.routes.first().map_or_else(String::new, |route| route.label.clone())
    }

    /// Whether the member is still to be asked, after a question ended so.
    fn rest<T>(&self, answer: &Result<T, MemberError>) -> Rest {
        let is_away = self.sender.standing.state().0 == StandingState::Away;
        if is_away || matches!(answer, Err(MemberError::Connect(_))) { Rest::Leave } else { Rest::Ask }
    }

    pub(super) async fn query(&mut self, postings: Vec<Due>) -> Stepped {
        let mut stepped = Stepped::default();
        let (series, outside) = present::by_series(postings);
        stepped.fallen.extend(outside.into_iter().map(outside_studies));
        let (route, mut rest) = (self.route(), Rest::Ask);
        for ((study, number), postings) in series {
            if stepped.lack.is_some() {
                stepped.fall(postings);
                continue;
            }
            if rest == Rest::Leave {
                stepped.reports.extend(postings.iter().map(given_back));
                continue;
            }
            let at = self.sender.wall();
            let question = Question::Shown(&study, &number);
            let answer = self.line.ask(&self.sender, &[], question).await;
            self.sender.asked(&self.ledger, &answer).await;
            rest = self.rest(&answer);
            match answer {
                Ok(Answer::Shown(found)) => {
                    let judged = present::judge(&postings, &found, at, &route, self.sender.jitter());
                    stepped.reports.extend(judged);
                }
                Err(error) if ability::lack(&error).is_some() => {
                    stepped.lack = Some(error);
                    stepped.fall(postings);
                }
                Err(error) => {
                    let unasked = |due| unasked(due, at, self.sender.again(due), &route, &error);
                    stepped.reports.extend(postings.iter().map(unasked));
                }
                Ok(Answer::Object(..)) => stepped.reports.extend(postings.iter().map(given_back)),
            }
        }
        stepped
    }

    async fn commit(&mut self, postings: Vec<Due>) -> Result<Stepped, LedgerError> {
        let mut stepped = Stepped::default();
        if postings.is_empty() {
            return Ok(stepped);
        }
        // A request has an association of its own, and some members take one at a time.
        self.line.end().await;
        match self.sender.ask_to_commit(&self.ledger, &postings).await? {
            Requested::Later => {}
            Requested::NotNow => stepped.reports.extend(postings.iter().map(given_back)),
            Requested::Now(report, route) => {
                self.silence.ended();
                stepped.reports = self.judged(&postings, &report, &route);
            }
            Requested::Failed(error) if ability::lack(&error).is_some() => {
                stepped.lack = Some(error);
                stepped.fall(postings);
            }
            Requested::Failed(error) => {
                let (at, route) = (self.sender.wall(), self.route());
                let unasked = |due| unasked(due, at, self.sender.again(due), &route, &error);
                stepped.reports.extend(postings.iter().map(unasked));
            }
        }
        Ok(stepped)
    }

    /// What a commitment report says, by whatever way it came.
    fn judged(&mut self, postings: &[Due], report: &CommitReport, route: &str) -> Vec<Report> {
        for class in commit::not_supported(postings, report) {
            self.lacks.note_class(class, self.sender.clock.now());
        }
        commit::judge(postings, report, self.sender.wall(), route, self.sender.jitter())
    }

    /// Takes in a commitment report that came to our listener.
    pub(crate) async fn reported(&mut self, report: CommitReport) -> Result<(), LedgerError> {
        let postings = self.ledger.commit_ended(&report.transaction).await?;
        self.silence.ended();
        self.can(Step::Commit).await?;
        let reports = self.judged(&postings, &report, "n-event-report");
        let reports = reports.into_iter().map(|report| self.lowered(Step::Commit, report)).collect();
        self.ledger.report(reports).await
    }

    async fn read_back(&mut self, postings: Vec<Due>, kind: Postings) -> Stepped {
        let mut stepped = Stepped::default();
        let batch: Vec<Returned> = returned(&postings);
        let (route, mut rest) = (self.route(), Rest::Ask);
        for due in postings {
            if due.header.study.is_none() || due.header.series.is_none() {
                stepped.fallen.push(outside_studies(due));
                continue;
            }
            if stepped.lack.is_some() {
                stepped.fall(vec![due]);
                continue;
            }
            if rest == Rest::Leave {
                stepped.reports.push(given_back(&due));
                continue;
            }
            let at = self.sender.wall();
            let answer = self.line.ask(&self.sender, &batch, Question::Object(&due)).await;
            self.sender.asked(&self.ledger, &answer).await;
            rest = self.rest(&answer);
            match answer {
                Ok(Answer::Object(syntax, body)) => {
                    self.gave_at = Some(self.sender.wall());
                    stepped.reports.push(self.sender.verified(&self.ledger, &due, syntax, body).await);
                }
                Err(MemberError::NotFound) => {
                    stepped.reports.push(self.not_given(&due, at, &route).await);
                }
                Err(error) if ability::lack(&error).is_some() => {
                    stepped.lack = Some(error);
                    stepped.fall(vec![due]);
                }
                Err(error @ MemberError::NoContext { .. }) => {
                    stepped.fallen.push(Fallen { due, object: Some(chain(&error)) });
                }
                Err(error @ MemberError::OtherClass { .. }) => {
                    stepped.reports.push(verify::other(&due, at, &route, &error));
                }
                Err(error @ (MemberError::Refused { .. } | MemberError::Http(_)))
                    if kind == Postings::Open =>
                {
                    stepped.reports.push(self.withheld(&due, at, &route, &error));
                }
                Err(error) => {
                    stepped.reports.push(unasked(&due, at, self.sender.again(&due), &route, &error));
                }
                Ok(Answer::Shown(_)) => stepped.reports.push(given_back(&due)),
            }
        }
        stepped
    }

    /// The report on an object that the member has, as far as it shows, and refused to give back.
    fn withheld(&self, due: &Due, at: WallTime, route: &str, error: &MemberError) -> Report {
        let report = unasked(due, at, self.sender.again(due), route, error);
        let gives = self.gave_at.is_some_and(|gave_at| gave_at > due.accepted_at);
        let others = if gives { Others::Succeed } else { Others::FailToo };
        match plan::after_withholding(due.attempts.saturating_add(1), others, at) {
            Next::Suspend(reason) => Report { outcome: ReportOutcome::Suspend(reason), ..report },
            _ => report,
        }
    }

    /// What a member does not give is lost, unless it is a second version and the member shows it: storing it again would change nothing.
    async fn not_given(&mut self, due: &Due, at: WallTime, route: &str) -> Report {
        let header = &due.header;
        if let (Some(earlier), Some(study), Some(series)) = (due.earlier, &header.study, &header.series) {
            let answer = self.line.ask(&self.sender, &[], Question::Shown(study, series)).await;
            self.sender.asked(&self.ledger, &answer).await;
            match answer {
                Ok(Answer::Shown(found)) if found.instances.contains(&header.sop_instance) => {
                    return verify::beside(due, earlier, at, route);
                }
                // Where it cannot be asked, what it does not give is all there is to know.
                Err(error) if ability::lack(&error).is_none() && !matches!(error, MemberError::NotFound) => {
                    return unasked(due, at, self.sender.again(due), route, &error);
                }
                Ok(_) | Err(_) => {}
            }
        }
        lost(due, at, route, self.sender.jitter())
    }

    /// Reads closed postings back, so that each entry is verified at one member. What this one cannot give is another's to
    /// give; it is never set aside for that, as that would open the posting again.
    pub(crate) async fn read_back_closed(&mut self, postings: Vec<Due>) -> Result<Vec<Report>, LedgerError> {
        let before: Vec<Due> = postings.clone();
        let stepped = self.read_back(postings, Postings::Closed).await;
        self.learn(Step::ReadBack, &stepped).await?;
        let later = WallTime(self.sender.wall().after(LEARN_AGAIN).0);
        let fallen = stepped.fallen.into_iter().map(|Fallen { due, object }| match object {
            Some(why) => {
                tracing::info!(member = %self.sender.setup.name, entry = %due.posting.entry, %why, "a copy cannot be read back here");
                Report {
                    posting: due.posting,
                    attempt: None,
                    outcome: ReportOutcome::RetryAt { at: later },
                }
            }
            None => given_back(&due),
        });
        let mut reports: Vec<Report> =
            stepped.reports.into_iter().map(|report| once(&before, report)).collect();
        reports.extend(fallen);
        Ok(reports)
    }

    /// Whether the member may be asked now, by the breaker.
    pub(crate) fn may_ask(&self) -> bool {
        self.sender.standing.permit(self.sender.clock.now()) == Permit::Call
    }
}

impl Stepped {
    /// The member cannot do it, whatever the object.
    fn fall(&mut self, postings: Vec<Due>) {
        self.fallen.extend(postings.into_iter().map(|due| Fallen { due, object: None }));
    }
}

fn outside_studies(due: Due) -> Fallen {
    Fallen { due, object: Some(chain(&MemberError::OutsideStudies)) }
}

fn given_back(due: &Due) -> Report {
    Report { posting: due.posting, attempt: None, outcome: ReportOutcome::Released }
}

/// Whether an outcome came of an answer of the member's, so that it can do what it was asked.
fn is_an_answer(outcome: &ReportOutcome) -> bool {
    match outcome {
        ReportOutcome::Reached(_)
        | ReportOutcome::Settled(_)
        | ReportOutcome::SendAgain { .. }
        | ReportOutcome::Suspend(_) => true,
        ReportOutcome::RetryAt { .. } | ReportOutcome::Released => false,
    }
}

/// Of the failures to read a closed posting back only the first is shown: they go on for as long as the member fails, and
/// what it took to deliver the object is to be seen beside them.
fn once(before: &[Due], report: Report) -> Report {
    let failed = |due: &&Due| due.posting == report.posting && due.attempts > 0;
    let is_repeated = matches!(report.outcome, ReportOutcome::RetryAt { .. });
    if is_repeated && before.iter().any(|due| failed(&due)) {
        let text = report.attempt.as_ref().map_or("", |attempt: &Attempt| attempt.text.as_str());
        tracing::debug!(posting = %report.posting, text, "still not read back");
        return Report { attempt: None, ..report };
    }
    report
}
