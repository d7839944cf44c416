//! Taking up complete large objects that no record names.

use std::path::PathBuf;

use outrigger_runtime::reserve::is_no_room;

use crate::error::{AppendError, OpenError};
use crate::ids::Seq;
use crate::journal::Journal;
use crate::log::Orphan;

impl Journal {
    /// Appends a record for each complete file that none named.
    pub(crate) fn adopt(&mut self, orphans: Vec<(PathBuf, Orphan)>) -> Result<Vec<Seq>, OpenError> {
        let mut adopted = Vec::new();
        for (path, orphan) in orphans {
            let prepared = match self.engine.home().adoptable(&path, &orphan) {
                Ok(Some(prepared)) => prepared,
                Ok(None) => continue,
                Err(error) if is_no_room(&error) => {
                    tracing::warn!(file = %path.display(), "no room to adopt a complete large object; the next start tries again");
                    continue;
                }
                Err(source) => return Err(OpenError::Io { doing: "writing anew", path, source }),
            };
            match self.commit(vec![prepared]).pop() {
                Some(Ok(durable)) => {
                    tracing::info!(file = %path.display(), entry = %durable.seq(), "a complete large object was adopted");
                    adopted.push(durable.seq());
                }
                Some(Err(AppendError::Full)) => {
                    tracing::warn!(file = %path.display(), "no room to adopt a complete large object; the next start tries again");
                }
                Some(Err(source)) => return Err(OpenError::Adopt { path, source }),
                None => {}
            }
        }
        Ok(adopted)
    }
}
