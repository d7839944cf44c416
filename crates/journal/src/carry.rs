//! Carrying forward: what is still needed of sealed segments is written anew, and the rest gives its room back.

use outrigger_runtime::reserve::Given;

use crate::commit::Setback;
use crate::copies::{InUse, Outcomes, each_chore};
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
                self.put_in_place(at, forwarded)?;
                return Ok(Carried::Some);
            }
            Err(Obstacle::Stuck(keys)) => {
                let left = self.of_one(at, move |engine| {
                    engine.leave(keys.clone());
                    Ok(())
                });
                left?;
                return Ok(Carried::Some);
            }
            Err(Obstacle::Setback(setback)) => setback,
        };
        match setback {
            Setback::NoRoom => {
                match self
                    .of_one(at, |engine| engine.give().map_err(crate::commit::for_good("giving room back")))
                {
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

    fn put_in_place(&mut self, at: usize, forwarded: Forwarded) -> Result<(), Setback> {
        // Done once; what is done to a copy is otherwise a thing that may be done to each.
        let forwarded = std::sync::Arc::new(std::sync::Mutex::new(Some(forwarded)));
        let placed = self.of_one(at, move |engine| {
            match forwarded.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take() {
                Some(forwarded) => engine.put_in_place(forwarded),
                None => Ok(()),
            }
        });
        placed.map(drop)
    }

    /// Does something to the copy in one place; nothing where it is no more in use.
    pub(crate) fn of_one<T: Send + 'static>(
        &mut self,
        at: usize,
        work: impl Fn(&mut dyn Engine) -> Result<T, Setback> + Clone + Send + 'static,
    ) -> Result<Option<T>, Setback> {
        let Some(copy) = self.copies.iter_mut().find(|copy| copy.at == at) else { return Ok(None) };
        let outcome: Outcomes<T> = each_chore(std::slice::from_mut(copy), work);
        outcome.into_iter().next().map_or(Ok(None), |outcome| self.weed_one(at, outcome))
    }

    /// Takes a copy out that failed, as long as another stands; gives what came of it.
    fn weed_one<T>(&mut self, at: usize, outcome: Result<T, Setback>) -> Result<Option<T>, Setback> {
        let mut outcome = Some(outcome);
        let of =
            |copy: &InUse| if copy.at == at { outcome.take().map(|outcome| outcome.map(Some)) } else { None };
        let outcomes: Vec<_> =
            self.copies.iter().map(of).map(|outcome| outcome.unwrap_or(Ok(None))).collect();
        let left = self.weed(outcomes)?;
        left.into_iter().try_fold(None, |found, outcome| Ok(outcome?.or(found)))
    }
}
