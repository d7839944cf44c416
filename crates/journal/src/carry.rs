//! Carrying forward: what is still needed of sealed segments is written anew, and the rest gives its room back.

use outrigger_runtime::reserve::Given;

use crate::commit::{Setback, for_good};
use crate::copies::{CHORE_TIME_MAX, InUse, Outcomes, one};
use crate::engine::{Engine, Forwarded, Obstacle, Plan};
use crate::error::AppendError;
use crate::journal::Journal;

/// Whether there was something to carry forward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// One file took the place of others; there may be more to do.
    Some,
    /// Nothing is worth while.
    Nothing,
}

/// What to write anew in one copy.
pub(crate) struct Chosen {
    /// The place of the copy.
    pub(crate) at: usize,
    pub(crate) plan: Box<dyn Plan>,
}

impl Journal {
    /// Carries forward what is most worth while in some copy, if anything is.
    pub fn carry_forward(&mut self) -> Result<Carried, AppendError> {
        match self.choose()? {
            Some(Chosen { at, plan }) => self.install(at, plan.write()),
            None => Ok(Carried::Nothing),
        }
    }

    /// Chooses what to carry forward, in the first copy in which anything is worth while.
    pub(crate) fn choose(&mut self) -> Result<Option<Chosen>, Setback> {
        for at in self.copies.iter().map(|copy| copy.at).collect::<Vec<_>>() {
            let planned = self.of_one(at, |engine| Ok(engine.plan()))?;
            if let Some(plan) = planned.flatten() {
                return Ok(Some(Chosen { at, plan }));
            }
        }
        Ok(None)
    }

    /// Puts what was written anew in the place of what it was made from.
    pub(crate) fn install(
        &mut self,
        at: usize,
        forwarded: Result<Forwarded, Obstacle>,
    ) -> Result<Carried, AppendError> {
        let setback = match forwarded {
            Ok(forwarded) => {
                // Of a copy that was taken out in between it is no more than what that leaves behind.
                self.of_one(at, move |engine| engine.put_in_place(forwarded))?;
                return Ok(Carried::Some);
            }
            Err(Obstacle::Stuck(keys)) => {
                self.of_one(at, move |engine| {
                    engine.leave(keys);
                    Ok(())
                })?;
                return Ok(Carried::Some);
            }
            Err(Obstacle::Setback(setback)) => setback,
        };
        match setback {
            Setback::NoRoom => {
                match self.of_one(at, |engine| engine.give().map_err(for_good("giving room back"))) {
                    Ok(Some(Given::Some)) => Ok(Carried::Some),
                    Ok(Some(Given::Nothing) | None) => Err(AppendError::Full),
                    Err(setback) => Err(setback.into()),
                }
            }
            failed @ Setback::Failed { .. } => {
                self.weed_one(at, Err::<(), _>(failed))?;
                Ok(Carried::Some)
            }
        }
    }

    /// Does something to the copy in one place; nothing where it is no more in use.
    fn of_one<T: Send + 'static>(
        &mut self,
        at: usize,
        work: impl FnOnce(&mut dyn Engine) -> Result<T, Setback> + Send + 'static,
    ) -> Result<Option<T>, Setback> {
        let outcome = one(&mut self.copies, at, CHORE_TIME_MAX, work);
        outcome.map_or(Ok(None), |outcome| self.weed_one(at, outcome))
    }

    /// Takes a copy out that failed, as long as another stands; gives what came of it.
    fn weed_one<T>(&mut self, at: usize, outcome: Result<T, Setback>) -> Result<Option<T>, Setback> {
        let mut outcome = Some(outcome.map(Some));
        let of = |copy: &InUse| outcome.take_if(|_| copy.at == at).unwrap_or(Ok(None));
        let outcomes: Outcomes<Option<T>> = self.copies.iter().map(of).collect();
        let left = self.weed(outcomes)?;
        left.into_iter().try_fold(None, |found, outcome| Ok(outcome?.or(found)))
    }
}
