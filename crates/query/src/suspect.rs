//! Instances that a member which has them by the books did not give as they were accepted, until they are cross-checked.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use outrigger_model::{SopInstanceUid, StudyUid};

use crate::plan::Planned;
use crate::reader::Reader;

/// Instances that wait: some retrievals' worth. Where a member has more of them wrong, these say so, and the rounds of the cross-check
/// come to the others.
const WAITING_MAX: usize = 256;

/// An instance and its study.
type Suspect = (StudyUid, SopInstanceUid);

/// The instances that wait, oldest first; a leaf lock.
#[derive(Debug, Default)]
pub(crate) struct Suspects(Mutex<VecDeque<Suspect>>);

impl Suspects {
    /// A member did not give this as it was accepted.
    pub(crate) fn note(&self, instance: &Planned) {
        let Some(study) = &instance.study else { return };
        let suspect = (study.clone(), instance.sop_instance.clone());
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING_MAX && !waiting.contains(&suspect) {
            waiting.push_back(suspect);
        }
    }

    fn take(&self) -> VecDeque<Suspect> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Reader {
    /// Takes the instances that a member which has them by the books did not give as they were accepted, each with its study; whoever
    /// is given them compares the members' copies.
    pub fn take_suspects(&self) -> Vec<(StudyUid, SopInstanceUid)> {
        self.shared.suspects.take().into()
    }
}
