//! Letting bodies go.

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
        let tail = *self.tail.borrow();
        if let Some(unknown) = seqs.iter().find(|seq| **seq > tail || **seq == Seq(0)) {
            return Err(ReleaseError::Unknown(*unknown));
        }
        let mut released = Ranges::default();
        self.engine.with_kept(&mut |is_kept| released = stretches(is_kept, seqs));
        for part in released.chunks(STRETCHES_MAX) {
            let header = serde_json::to_vec(&Release { released: part.clone() });
            let header = header.map_err(|error| {
                self.engine.home().fail("writing a release record", &std::io::Error::other(error));
                AppendError::Failed
            })?;
            let record =
                Prepared { kind: RecordKind::Release, header: header.into(), body: PreparedBody::None };
            self.commit(vec![record]).pop().unwrap_or(Err(AppendError::Closed))?;
            self.engine.let_go(&part).map_err(|setback| self.engine.set_back(setback))?;
        }
        Ok(())
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
