//! Carrying forward: what is still needed of sealed segments is written anew, and the rest gives its room back.

use outrigger_runtime::reserve::Given;

use crate::commit::{Setback, for_good};
use crate::engine::{Forwarded, Obstacle};
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

impl Journal {
    /// Carries forward what is most worth while, if anything is.
    pub fn carry_forward(&mut self) -> Result<Carried, AppendError> {
        let Some(plan) = self.engine.plan() else { return Ok(Carried::Nothing) };
        self.install(plan.write())
    }

    /// Puts what was written anew in the place of what it was made from.
    pub(crate) fn install(&mut self, forwarded: Result<Forwarded, Obstacle>) -> Result<Carried, AppendError> {
        match forwarded {
            Ok(forwarded) => {
                let placed = self.engine.put_in_place(forwarded);
                placed.map_err(|setback| self.engine.set_back(setback))?;
                Ok(Carried::Some)
            }
            Err(Obstacle::Stuck(keys)) => {
                self.engine.leave(keys);
                Ok(Carried::Some)
            }
            Err(Obstacle::Setback(Setback::NoRoom)) => {
                let given = self.engine.give().map_err(for_good("giving room back"));
                match given.map_err(|setback| self.engine.set_back(setback))? {
                    Given::Some => Ok(Carried::Some),
                    Given::Nothing => Err(AppendError::Full),
                }
            }
            Err(Obstacle::Setback(setback)) => Err(self.engine.set_back(setback)),
        }
    }
}
