//! Opening the bytes of one instance: from the journal, else from one member after another.

use std::fmt;
use std::sync::Arc;

use outrigger_ledger::ObjectError;
use outrigger_ledger::entry::Marks;
use outrigger_model::{MemberName, MemberSet, TransferSyntaxUid};
use outrigger_runtime::{BlockSource, Body};
use tokio::time::Instant;

use crate::judge::{Copy, Decision, Doubtful, Judged, Unfit, decide, judge};
use crate::lines::{FetchError, Lines, Turn};
use crate::plan::{Keeping, Planned};
use crate::reader::Reader;
use crate::retrieval::Retrieval;

/// The bytes of an instance, in the encoding in which they could be had.
#[derive(Debug, Clone)]
pub struct Opened {
    /// That encoding.
    pub transfer_syntax: TransferSyntaxUid,
    /// The data set.
    pub bytes: Arc<dyn BlockSource>,
    /// The member on whose word alone they are taken for what was accepted; `None` where that is proven.
    pub unproven: Option<MemberName>,
}

impl Opened {
    fn proven(copy: Copy) -> Self {
        Self { transfer_syntax: copy.transfer_syntax, bytes: copy.bytes, unproven: None }
    }
}

/// Why nobody gives an instance.
#[derive(Debug, thiserror::Error)]
#[error("nobody has it: the journal says {journal}; {}", .members.join("; "))]
pub struct OpenError {
    /// What the journal says of what was accepted.
    journal: Absence,
    /// What each member asked says.
    members: Vec<String>,
}

/// Why the journal does not give an instance.
#[derive(Debug)]
enum Absence {
    /// It never had it.
    NeverStored,
    /// It says why.
    Said(ObjectError),
    /// What it gave turned out not to be readable.
    Unreadable,
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NeverStored => f.write_str("that it was never stored here"),
            Self::Said(error) => error.fmt(f),
            Self::Unreadable => f.write_str("what cannot be read"),
        }
    }
}

impl Reader {
    /// Opens an instance from the best of those who have it; the version that was planned, or else the only one that can be had.
    pub async fn open(&self, instance: &Planned) -> Result<Opened, OpenError> {
        self.open_among(instance, None).await
    }

    /// Opens an instance of a retrieval.
    pub(crate) async fn open_among(
        &self,
        instance: &Planned,
        retrieval: Option<&Retrieval>,
    ) -> Result<Opened, OpenError> {
        self.shared.note_served();
        let journal = match instance.keeping {
            Keeping::Accepted { entry, .. } => match self.shared.ledger.object_at_hand(entry).await {
                Ok(object) => {
                    let copy = Copy { transfer_syntax: object.transfer_syntax, bytes: object.bytes };
                    if let Some(retrieval) = retrieval {
                        retrieval.has(instance);
                    }
                    return Ok(Opened::proven(copy));
                }
                Err(error) => Absence::Said(error),
            },
            Keeping::Inherited { .. } => Absence::NeverStored,
        };
        if let Absence::Said(error) = &journal
            && !matches!(error, ObjectError::Released(_))
        {
            tracing::warn!(instance = %instance.keeping, %error, "the journal does not give an instance");
        }
        if let Some(retrieval) = retrieval
            && let Some(copy) = retrieval.take(instance).await
        {
            return Ok(Opened::proven(copy));
        }
        self.open_at_members(instance, retrieval).await.map_err(|members| OpenError { journal, members })
    }

    /// Opens an instance at the members: what the journal gave turned out on its way not to be readable.
    pub async fn open_elsewhere(&self, instance: &Planned) -> Result<Opened, OpenError> {
        self.open_elsewhere_among(instance, None).await
    }

    /// Opens an instance of a retrieval at the members.
    pub(crate) async fn open_elsewhere_among(
        &self,
        instance: &Planned,
        retrieval: Option<&Retrieval>,
    ) -> Result<Opened, OpenError> {
        let journal = match instance.keeping {
            Keeping::Accepted { .. } => Absence::Unreadable,
            Keeping::Inherited { .. } => Absence::NeverStored,
        };
        self.open_at_members(instance, retrieval).await.map_err(|members| OpenError { journal, members })
    }

    /// Asks the members for an instance.
    async fn open_at_members(
        &self,
        instance: &Planned,
        retrieval: Option<&Retrieval>,
    ) -> Result<Opened, Vec<String>> {
        let began = retrieval.map_or_else(|| self.shared.clock.now(), Retrieval::began);
        let marks = self.marks(instance).await;
        let (said, doubtful) = (Vec::new(), Vec::new());
        let mut round = Round { reader: self, retrieval, instance, marks: &marks, said, doubtful };
        let mut again = Vec::new();
        let whole = retrieval.map(|retrieval| retrieval.have_all(instance)).unwrap_or_default();
        for lines in self.holders(instance, &marks, whole) {
            if retrieval.is_some_and(|of| of.versions().is_other(instance, lines.source.number)) {
                round.said.push(format!("{}: {}", lines.source.name, Unfit::OtherSeries));
                continue;
            }
            match round.ask(lines, Turn::Usual).await {
                Answer::Proven(copy) => return Ok(Opened::proven(copy)),
                Answer::LeftAlone | Answer::Slow | Answer::Silent => again.push(lines),
                Answer::No => {}
            }
        }
        // Better asked once more than given up; not where somebody gave something already.
        again.sort_by_key(|lines| lines.failed_at());
        let mut slow = Vec::new();
        for lines in again {
            if !round.doubtful.is_empty() {
                break;
            }
            match round.ask(lines, Turn::LastResort(self.last_change(began))).await {
                Answer::Proven(copy) => return Ok(Opened::proven(copy)),
                Answer::LeftAlone => {
                    round.said.push(format!("{}: it was left alone, having failed", lines.source.name));
                    slow.push(lines);
                }
                Answer::Slow | Answer::Silent => slow.push(lines),
                Answer::No => {}
            }
        }
        // Who is there and gave nothing in time may have to fetch it from tape first.
        for lines in slow {
            if !round.doubtful.is_empty() {
                break;
            }
            if let Answer::Proven(copy) = round.wait_for(lines).await {
                return Ok(Opened::proven(copy));
            }
        }
        round.decide()
    }

    /// Since when nothing has changed for a retrieval: since it began, or since another member fell, behind which a member that was
    /// not needed may have come back unseen.
    fn last_change(&self, began: Instant) -> Instant {
        self.shared.lines.iter().filter_map(Lines::fell_at).fold(began, Instant::max)
    }

    pub(crate) async fn marks(&self, instance: &Planned) -> Marks {
        let Keeping::Accepted { entry, .. } = instance.keeping else { return Marks::default() };
        match self.shared.ledger.marks(entry).await {
            Ok(marks) => marks.unwrap_or_default(),
            Err(error) => {
                tracing::debug!(%entry, %error, "who has an instance is not known now");
                Marks::default()
            }
        }
    }

    /// The members: those that gave the instance back once, or were seen to have it, before the others, and of these the ones that
    /// have all of what is retrieved of the series; each by its preference.
    pub(crate) fn holders(&self, instance: &Planned, marks: &Marks, whole: MemberSet) -> Vec<&Lines> {
        let known = match instance.keeping {
            Keeping::Inherited { members } => members,
            Keeping::Accepted { .. } => marks.verified,
        };
        let (mut first, rest): (Vec<&Lines>, Vec<&Lines>) =
            self.shared.lines.iter().partition(|lines| known.contains(lines.source.number));
        first.sort_by_key(|lines| !whole.contains(lines.source.number));
        first.extend(rest);
        first
    }
}

/// The members being asked for one instance.
struct Round<'a> {
    reader: &'a Reader,
    retrieval: Option<&'a Retrieval>,
    instance: &'a Planned,
    marks: &'a Marks,
    said: Vec<String>,
    doubtful: Vec<Doubtful>,
}

enum Answer {
    Proven(Copy),
    /// It failed a moment ago and was not asked.
    LeftAlone,
    /// It was not asked, as it is slow to begin.
    Slow,
    /// Nothing came of it in time, which is noted.
    Silent,
    /// What it said, or what it gave, is noted.
    No,
}

impl Round<'_> {
    async fn ask(&mut self, lines: &Lines, turn: Turn) -> Answer {
        let fetched = lines.fetch(self.instance, turn).await;
        self.look_at(lines, fetched).await
    }

    async fn wait_for(&mut self, lines: &Lines) -> Answer {
        let fetched = lines.fetch_patiently(self.instance).await;
        self.look_at(lines, fetched).await
    }

    async fn look_at(
        &mut self,
        lines: &Lines,
        fetched: Result<(TransferSyntaxUid, Body), FetchError>,
    ) -> Answer {
        let name = &lines.source.name;
        let (transfer_syntax, body) = match fetched {
            Ok(fetched) => fetched,
            Err(FetchError::LeftAlone(_)) => return Answer::LeftAlone,
            Err(FetchError::Slow) => return Answer::Slow,
            Err(error @ FetchError::Silent(_)) => {
                self.note(name, &error, &error);
                return Answer::Silent;
            }
            Err(error) => {
                if error.is_refusal() && self.held().contains(lines.source.number) {
                    lines.note_refused();
                    self.reader.shared.suspects.note(self.instance);
                }
                return self.note(name, &error, &error.without_address());
            }
        };
        let threads = self.reader.shared.threads;
        let judged = judge(threads, self.instance, name, transfer_syntax, body).await;
        match &judged {
            Ok(_) => lines.note_given(),
            Err(Unfit::Scan(_) | Unfit::Another { .. }) if self.held().contains(lines.source.number) => {
                lines.note_refused();
                self.reader.shared.suspects.note(self.instance);
            }
            Err(_) => {}
        }
        match judged {
            Ok(Judged::Proven(copy)) => {
                if let Some(retrieval) = self.retrieval
                    && let Err(unfit) = retrieval.versions().admit(threads, lines, self.instance, &copy).await
                {
                    return self.note(name, &unfit, &unfit);
                }
                tracing::debug!(member = %name, instance = %self.instance.keeping, "an instance comes from a member");
                Answer::Proven(copy)
            }
            Ok(Judged::Doubtful(_)) if self.elsewhere().contains(lines.source.number) => {
                self.note(name, &Unfit::OtherVersion, &Unfit::OtherVersion)
            }
            Ok(Judged::Doubtful(doubtful)) => {
                tracing::info!(member = %name, instance = %self.instance.keeping, "a member gives other bytes than were accepted");
                if self.held().contains(lines.source.number) {
                    self.reader.shared.suspects.note(self.instance);
                }
                self.doubtful.push(doubtful);
                Answer::No
            }
            Err(unfit) => self.note(name, &unfit, &unfit),
        }
    }

    /// Members of which the books say that they hold another version, or that a person must look.
    fn elsewhere(&self) -> MemberSet {
        self.marks.suspense.and(self.marks.superseded)
    }

    /// Members that have it by the books: of them it is a refusal not to give it.
    fn held(&self) -> MemberSet {
        let held = match self.instance.keeping {
            Keeping::Inherited { members } => members,
            Keeping::Accepted { .. } => {
                let Marks { confirmed, present, committed, verified, .. } = *self.marks;
                confirmed.and(present).and(committed).and(verified)
            }
        };
        held.without(self.elsewhere()).without(self.marks.written_off)
    }

    /// Logs what a member said, and keeps the words of it for the client.
    fn note(
        &mut self,
        name: &MemberName,
        error: &(dyn std::error::Error + 'static),
        words: &dyn fmt::Display,
    ) -> Answer {
        tracing::info!(member = %name, error, instance = %self.instance.keeping, "a member does not give an instance");
        self.said.push(format!("{name}: {words}"));
        Answer::No
    }

    fn decide(mut self) -> Result<Opened, Vec<String>> {
        match decide(self.doubtful) {
            Decision::Agreed(copy) => Ok(Opened::proven(copy)),
            Decision::Alone(Doubtful { member, copy: Copy { transfer_syntax, bytes }, .. }) => {
                tracing::warn!(%member, instance = %self.instance.keeping, "what a member gives differs from what was accepted, and nobody else can be asked");
                Ok(Opened { transfer_syntax, bytes, unproven: Some(member) })
            }
            Decision::Undecided(unfit) => {
                self.said.push(unfit.to_string());
                Err(self.said)
            }
            Decision::Nothing => Err(self.said),
        }
    }
}
