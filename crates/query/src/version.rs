//! One version of a series in one retrieval, of what was never stored here and so has no digest: another member goes on with a
//! series only where its copy of an instance that was given before says the same.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use outrigger_model::{MemberNumber, MemberSet, SeriesUid};
use outrigger_runtime::Threads;

use crate::attest::{compared, look};
use crate::judge::{Copy, Unfit};
use crate::lines::{FetchError, Lines, Turn};
use crate::plan::{Keeping, Planned};

/// Series of which it is known what was given: plans go by series, and a few are opened ahead. Each keeps one copy for each member
/// that has instances which others have not.
const SERIES_MAX: usize = 8;

/// What was given of the series of one retrieval.
#[derive(Debug, Default)]
pub(crate) struct Versions(Mutex<VecDeque<(SeriesUid, Version)>>);

#[derive(Debug, Default)]
struct Version {
    /// Members of this version.
    same: MemberSet,
    /// Members of another.
    others: MemberSet,
    given: Vec<Sample>,
}

/// An instance that was given.
#[derive(Debug, Clone)]
struct Sample {
    instance: Planned,
    members: MemberSet,
    copy: Copy,
}

/// What a member is to what was given of a series.
#[derive(Debug)]
enum Standing {
    Same,
    Other,
    /// It is to be seen by an instance that it has as well.
    Unknown(Box<Sample>),
}

impl Versions {
    /// Whether it is known that the member has another version of the series of this instance.
    pub(crate) fn is_other(&self, instance: &Planned, member: MemberNumber) -> bool {
        self.of(instance, |version, _| version.others.contains(member)).unwrap_or(false)
    }

    /// Lets what a member gave pass if it is of the version that was given before.
    pub(crate) async fn admit(
        &self,
        threads: Threads,
        lines: &Lines,
        instance: &Planned,
        copy: &Copy,
    ) -> Result<(), Unfit> {
        let member = lines.source.number;
        let standing = self.of(instance, |version, members| {
            version.stand(Sample { instance: instance.clone(), members, copy: copy.clone() }, member)
        });
        let sample = match standing {
            None | Some(Standing::Same) => return Ok(()),
            Some(Standing::Other) => return Err(Unfit::OtherSeries),
            Some(Standing::Unknown(sample)) => *sample,
        };
        let is_same = is_same(threads, lines, sample).await?;
        self.of(instance, |version, _| version.found(member, is_same));
        tracing::info!(member = %lines.source.name, series = ?instance.series, is_same, "a series goes on from another member");
        if is_same { Ok(()) } else { Err(Unfit::OtherSeries) }
    }

    /// The version of the series of an instance and who has that; `None` where its digest says what is to be given.
    fn of<T>(&self, instance: &Planned, look: impl FnOnce(&mut Version, MemberSet) -> T) -> Option<T> {
        let (Keeping::Inherited { members }, Some(series)) = (instance.keeping, &instance.series) else {
            return None;
        };
        let mut versions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !versions.iter().any(|(uid, _)| uid == series) {
            if versions.len() >= SERIES_MAX {
                versions.pop_front();
            }
            versions.push_back((series.clone(), Version::default()));
        }
        let (_, version) = versions.iter_mut().find(|(uid, _)| uid == series)?;
        Some(look(version, members))
    }
}

impl Version {
    fn stand(&mut self, sample: Sample, member: MemberNumber) -> Standing {
        if self.others.contains(member) {
            return Standing::Other;
        }
        if !self.same.contains(member)
            && let Some(common) = self.given.iter().find(|given| given.members.contains(member))
        {
            return Standing::Unknown(Box::new(common.clone()));
        }
        // The first, or one who has nothing of what the others gave: what they have apart makes no two versions.
        self.same.insert(member);
        let known = self.given.iter().fold(MemberSet::EMPTY, |known, given| known.and(given.members));
        if self.given.is_empty() || !sample.members.without(known).is_empty() {
            self.given.push(sample);
        }
        Standing::Same
    }

    fn found(&mut self, member: MemberNumber, is_same: bool) {
        if is_same {
            self.same.insert(member);
        } else {
            self.others.insert(member);
        }
    }
}

/// Whether a member has the same under an instance that was given.
async fn is_same(threads: Threads, lines: &Lines, sample: Sample) -> Result<bool, Unfit> {
    let fetched = match lines.fetch(&sample.instance, Turn::Usual).await {
        Err(FetchError::Slow | FetchError::LeftAlone(_)) => lines.fetch_patiently(&sample.instance).await,
        fetched => fetched,
    };
    let (transfer_syntax, body) = fetched.map_err(|error| Unfit::Uncompared(Box::new(error)))?;
    let member = lines.source.number;
    let work = move || {
        let Sample { instance, copy, .. } = sample;
        let before = look(member, &instance, copy.transfer_syntax, copy.bytes)?;
        let other = look(member, &instance, transfer_syntax, std::sync::Arc::new(body))?;
        Ok(compared(&before, &other).is_some_and(outrigger_dataset::normal::Verdict::is_in_step))
    };
    threads.blocking("versions compared", work).await.map_err(Unfit::Thread)?
}
