//! Letting bodies go.

use std::sync::Arc;

use crate::copies::{each, each_chore};
use crate::error::{AppendError, ReleaseError};
use crate::ids::Seq;
use crate::journal::Journal;
use crate::log::{Prepared, PreparedBody};
use crate::ranges::Ranges;
use crate::record::{RecordKind, Release};

/// Stretches named by one record, so that its header stays far below its limit.
const STRETCHES_MAX: usize = 8192;
/// Stretches are joined over at most this many entries without a body: looking at them costs more than it saves.
const JOINED_OVER_MAX: u64 = 64;

impl Journal {
    /// Lets the bodies of these entries go, for good; those already released, or without a body, are passed over.
    ///
    /// The fact is durable first; then files of their own are removed. Room inside segments comes back when
    /// [`Journal::carry_forward`] next finds it worth while.
    pub fn release(&mut self, seqs: &[Seq]) -> Result<(), ReleaseError> {
        let tail = self.book.tail();
        if let Some(unknown) = seqs.iter().find(|seq| **seq > tail || **seq == Seq(0)) {
            return Err(ReleaseError::Unknown(*unknown));
        }
        let released = self.kept_of(seqs)?;
        for part in released.chunks(STRETCHES_MAX) {
            let header = serde_json::to_vec(&Release { released: part.clone() });
            let header = header.map_err(|error| {
                tracing::error!(%error, "a release record of the journal cannot be written");
                AppendError::Failed
            })?;
            let record =
                Prepared { kind: RecordKind::Release, header: header.into(), body: PreparedBody::None };
            self.commit(vec![record]).pop().unwrap_or(Err(AppendError::Closed))?;
            let outcomes = each_chore(&mut self.copies, move |engine| engine.let_go(&part));
            for outcome in self.weed(outcomes).map_err(AppendError::from)? {
                outcome.map_err(AppendError::from)?;
            }
        }
        Ok(())
    }

    /// The entries of `seqs` whose bodies some copy keeps.
    fn kept_of(&mut self, seqs: &[Seq]) -> Result<Ranges, AppendError> {
        let seqs: Arc<[Seq]> = seqs.into();
        let outcomes = each(&mut self.copies, move |engine| {
            let mut released = Ranges::default();
            engine.with_kept(&mut |is_kept| released = stretches(is_kept, &seqs));
            Ok(released)
        });
        let mut kept = Ranges::default();
        for released in self.weed(outcomes)?.into_iter().flatten() {
            kept.add(&released);
        }
        Ok(kept)
    }
}

/// The entries of `seqs` whose bodies are kept, as stretches over entries without one.
fn stretches(is_kept: &dyn Fn(Seq) -> bool, seqs: &[Seq]) -> Ranges {
    let mut kept: Vec<Seq> = seqs.iter().copied().filter(|seq| is_kept(*seq)).collect();
    kept.sort_unstable();
    kept.dedup();
    let mut stretches: Vec<(Seq, Seq)> = Vec::new();
    for seq in kept {
        match stretches.last_mut() {
            Some((_, last))
                if seq.0 - last.0 <= JOINED_OVER_MAX
                    && (last.0 + 1..seq.0).all(|between| !is_kept(Seq(between))) =>
            {
                *last = seq;
            }
            _ => stretches.push((seq, seq)),
        }
    }
    Ranges::new(stretches)
}
