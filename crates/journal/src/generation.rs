//! Which copies count: one that fails is taken out, one that was made anew comes in, and the others note it before the next receipt.

use std::io;

use crate::book::Now;
use crate::commit::Setback;
use crate::copies::{COPY_TIME_MAX, InUse, Outcomes, each};
use crate::head::Generation;
use crate::journal::Journal;

impl Journal {
    /// Takes out the copies that failed, as long as another stands, and gives what came of the others; all of them have noted it when
    /// this returns. Without any that stands the first failure comes back, and the journal is out of service.
    pub(crate) fn weed<T>(&mut self, outcomes: Outcomes<T>) -> Result<Outcomes<T>, Setback> {
        if !outcomes.iter().any(is_failed) {
            return Ok(outcomes);
        }
        if outcomes.iter().all(is_failed) {
            return Err(self.all_failed(outcomes));
        }
        let left = self.take_out(outcomes);
        self.enter_next()?;
        Ok(left)
    }

    /// Has all copies in use note that they are the newest generation, whichever of them can.
    pub(crate) fn enter_next(&mut self) -> Result<(), Setback> {
        loop {
            self.generation = self.generation.saturating_add(1);
            let copies = self.copies.iter().map(|copy| copy.copy.clone()).collect();
            let generation = Generation::new(self.generation, copies);
            let entered = each(&mut self.copies, move |engine| engine.enter(&generation));
            if !entered.iter().any(is_failed) {
                return Ok(());
            }
            if entered.iter().all(is_failed) {
                return Err(self.all_failed(entered));
            }
            self.take_out(entered);
        }
    }

    fn take_out<T>(&mut self, outcomes: Outcomes<T>) -> Outcomes<T> {
        let mut left = Vec::with_capacity(outcomes.len());
        for (copy, outcome) in std::mem::take(&mut self.copies).into_iter().zip(outcomes) {
            match outcome {
                Err(Setback::Failed { doing, error }) => {
                    copy.home.fail(doing, &error);
                    self.out(&copy, &format!("{doing} failed: {error}"));
                }
                stands => {
                    left.push(stands);
                    self.copies.push(copy);
                }
            }
        }
        left
    }

    /// Notes that a copy counts no more; what it holds stays until another has come into its place.
    fn out(&mut self, copy: &InUse, why: &str) {
        self.stale.push((copy.at, copy.home.paths.directory.clone()));
        self.book.set(copy.at, Now::Out(why.to_owned()));
    }

    /// The journal is out of service until it is started again.
    fn all_failed<T>(&self, outcomes: Outcomes<T>) -> Setback {
        let mut first = None;
        for (copy, outcome) in self.copies.iter().zip(outcomes) {
            if let Err(Setback::Failed { doing, error }) = outcome {
                copy.home.fail(doing, &error);
                first.get_or_insert(Setback::Failed { doing, error });
            }
        }
        first.unwrap_or(Setback::NoRoom)
    }

    /// Takes out what failed elsewhere than in a commit, as when a large object was stored.
    pub(crate) fn weed_failed(&mut self) -> Result<(), Setback> {
        if self.copies.iter().all(|copy| copy.home.health() != crate::Health::Failed) {
            return Ok(());
        }
        let outcomes = self.copies.iter().map(|copy| match copy.home.health() {
            crate::Health::Failed => {
                let error = io::Error::other("it failed before");
                Err(Setback::Failed { doing: "storing a large object", error })
            }
            crate::Health::Healthy | crate::Health::Full => Ok(()),
        });
        let outcomes = outcomes.collect();
        self.weed(outcomes).map(drop)
    }

    /// Puts a complete copy in use, in the place of another if one is in its place.
    pub(crate) fn put_in(&mut self, mut fresh: InUse) -> Result<(), Setback> {
        let at = fresh.at;
        let mut copies: Vec<_> =
            self.copies.iter().filter(|copy| copy.at != at).map(|copy| copy.copy.clone()).collect();
        copies.push(fresh.copy.clone());
        // It first: a start that finds only its head needs the others all the same, and they are as complete as it is.
        let generation = Generation::new(self.generation.saturating_add(1), copies);
        fresh.done(Some(COPY_TIME_MAX), move |engine| engine.enter(&generation))?;
        for copy in std::mem::take(&mut self.copies) {
            if copy.at == at {
                self.out(&copy, "another was made in its place");
            } else {
                self.copies.push(copy);
            }
        }
        let before = self.copies.iter().filter(|copy| copy.at < at).count();
        self.book.set(at, Now::InUse(fresh.reader.clone()));
        self.copies.insert(before, fresh);
        self.enter_next()
    }
}

fn is_failed<T>(outcome: &Result<T, Setback>) -> bool {
    matches!(outcome, Err(Setback::Failed { .. }))
}
