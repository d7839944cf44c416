//! Which of the copies found a start stands on, decided from their heads alone.
//!
//! A copy is known by its random name, never by its place. Those that the newest generation names are needed, all of them: what was
//! acknowledged since may be in any of them only as long as all were written to. One that it does not name was taken out, or is a
//! copy of before a restore; it is never read again.

use std::path::PathBuf;

use crate::engine::EngineKind;
use crate::error::OpenError;
use crate::head::{Generation, UNFINISHED};
use crate::ids::{JournalId, Seq};
use crate::options::Place;
use crate::start::{Found, FoundCopy};

/// What a start does.
#[derive(Debug)]
pub(crate) enum Decision {
    /// Nothing is there, and nothing is missed.
    New,
    /// Goes on with these copies.
    On(Standing),
}

/// The copies that a start stands on.
#[derive(Debug)]
pub(crate) struct Standing {
    pub(crate) journal: JournalId,
    pub(crate) generation: Generation,
    /// In the order of their places.
    pub(crate) copies: Vec<FoundCopy>,
    /// Directories, by place, of copies that count no more: taken out earlier, or never finished.
    pub(crate) stale: Vec<(usize, PathBuf)>,
    /// What a named person has accepted, if anything was missing.
    pub(crate) loss: Option<Loss>,
}

impl Standing {
    /// Does without copies that were found and cannot be opened, on a person's word.
    pub(crate) fn give_up(&mut self, copies: Vec<FoundCopy>, accepted_by: Option<&str>) {
        let Some(by) = accepted_by.filter(|_| !copies.is_empty()) else { return };
        let none = || Loss { accepted_by: by.to_owned(), copies: Vec::new() };
        let loss = self.loss.get_or_insert_with(none);
        for copy in copies {
            loss.copies.push(format!("{} {}", copy.head.engine(), copy.head.copy));
            self.stale.push((copy.at, copy.directory));
        }
    }
}

/// Copies of the newest generation that a named person gave up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loss {
    /// The person.
    pub accepted_by: String,
    /// Each copy, by engine and name.
    pub copies: Vec<String>,
}

/// Decides; `applied` is the position that the ledger has applied, 0 if unknown.
pub(crate) fn decide(
    places: &[Place],
    found: Found,
    applied: Seq,
    accepted_by: Option<&str>,
) -> Result<Decision, OpenError> {
    let Found { copies, mut headless } = found;
    let Some(newest) =
        copies.iter().map(|copy| copy.head.generation).max().filter(|newest| *newest > UNFINISHED)
    else {
        return match headless.pop() {
            Some(error) => Err(error),
            None if applied > Seq(0) => Err(missing(places, applied)),
            None => Ok(Decision::New),
        };
    };
    let (copies, unfinished): (Vec<_>, Vec<_>) =
        copies.into_iter().partition(|copy| copy.head.generation > UNFINISHED);
    let journal = one_journal(&copies)?;
    let is_newest = |copy: &&FoundCopy| copy.head.generation == newest;
    let generation = one_set(copies.iter().filter(is_newest))?;
    let mut standing = Vec::new();
    let mut stale: Vec<_> = unfinished.into_iter().map(|copy| (copy.at, copy.directory)).collect();
    for copy in copies {
        if generation.copies.iter().any(|named| named.name == copy.head.copy) {
            standing.push(copy);
        } else {
            stale.push((copy.at, copy.directory));
        }
    }
    standing.sort_by_key(|copy| copy.at);
    each_once(&standing)?;
    each_by_its_engine(places, &standing)?;
    let is_lacking = |name: &str| !standing.iter().any(|copy| copy.head.copy == name);
    let lacking = generation.copies.iter().filter(|named| is_lacking(&named.name));
    let lacking: Vec<String> = lacking.map(|named| format!("{} {}", named.engine, named.name)).collect();
    let loss = match accepted_by {
        _ if lacking.is_empty() => None,
        Some(by) => Some(Loss { accepted_by: by.to_owned(), copies: lacking }),
        None => return Err(OpenError::CopyMissing { copies: lacking.join(", "), generation: newest }),
    };
    Ok(Decision::On(Standing { journal, generation, copies: standing, stale, loss }))
}

fn missing(places: &[Place], applied: Seq) -> OpenError {
    let directory = places.first().map(|place| place.directory.clone()).unwrap_or_default();
    OpenError::Missing { directory, applied }
}

/// The journal that all heads name.
fn one_journal(copies: &[FoundCopy]) -> Result<JournalId, OpenError> {
    let mut one: Option<JournalId> = None;
    for copy in copies {
        let file = copy.directory.join("head");
        let found = copy.head.journal().ok_or_else(|| OpenError::Head { file: file.clone() })?;
        match one {
            Some(ours) if ours != found => return Err(OpenError::Foreign { file, found, ours }),
            Some(_) | None => one = Some(found),
        }
    }
    one.ok_or(OpenError::Missing { directory: PathBuf::new(), applied: Seq(0) })
}

/// The set of copies that all heads of one generation name.
fn one_set<'a>(newest: impl Iterator<Item = &'a FoundCopy>) -> Result<Generation, OpenError> {
    let mut one: Option<(&FoundCopy, Generation)> = None;
    for copy in newest {
        // Heads of the first versions name nobody.
        let mut generation = copy.head.generation();
        if generation.copies.is_empty() {
            generation.copies = vec![copy.head.own()];
        }
        match &one {
            Some((before, set)) if *set != generation => {
                return Err(OpenError::Diverged {
                    one: before.directory.clone(),
                    other: copy.directory.clone(),
                    generation: generation.number,
                });
            }
            Some(_) => {}
            None => one = Some((copy, generation)),
        }
    }
    one.map(|(_, set)| set).ok_or(OpenError::Missing { directory: PathBuf::new(), applied: Seq(0) })
}

/// A copy that stands in two places was cloned: which of the two was written to last nobody can know.
fn each_once(standing: &[FoundCopy]) -> Result<(), OpenError> {
    for (at, copy) in standing.iter().enumerate() {
        if let Some(other) = standing.iter().skip(at + 1).find(|other| other.head.copy == copy.head.copy) {
            return Err(OpenError::Cloned { one: copy.directory.clone(), other: other.directory.clone() });
        }
    }
    Ok(())
}

fn each_by_its_engine(places: &[Place], standing: &[FoundCopy]) -> Result<(), OpenError> {
    for copy in standing {
        let configured = places.get(copy.at).map_or(EngineKind::Log, |place| place.engine).name();
        let found = copy.head.engine().to_owned();
        if found != configured {
            let directory = copy.directory.clone();
            return Err(OpenError::OtherEngine { directory, found, configured });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
