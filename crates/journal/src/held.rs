//! What readers hold open of segments, the one used last at the end.

use std::sync::{Mutex, PoisonError};

use crate::paths::SegmentKey;

/// So many files or databases at most, each of one version of one segment.
#[derive(Debug)]
pub(crate) struct Held<T> {
    most: usize,
    open: Mutex<Vec<(SegmentKey, T)>>,
}

impl<T: Clone> Held<T> {
    pub(crate) fn new(most: usize) -> Self {
        Self { most, open: Mutex::new(Vec::new()) }
    }

    /// What is held of a segment, or what is opened now; nobody lets go of it in between.
    pub(crate) fn get_or_open<E>(
        &self,
        key: SegmentKey,
        open: impl FnOnce() -> Result<Option<T>, E>,
    ) -> Result<Option<T>, E> {
        let mut held = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let found = match held.iter().position(|(held, _)| *held == key) {
            Some(at) => held.remove(at).1,
            None => match open()? {
                Some(opened) => opened,
                None => return Ok(None),
            },
        };
        if held.len() >= self.most {
            held.remove(0);
        }
        held.push((key, found.clone()));
        Ok(Some(found))
    }

    /// Lets go of what is held of segments that are no more.
    pub(crate) fn forget(&self, gone: &[SegmentKey]) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).retain(|(key, _)| !gone.contains(key));
    }
}
