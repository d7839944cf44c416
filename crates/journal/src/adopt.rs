//! Taking up complete large objects that no record names.

use outrigger_runtime::reserve::is_no_room;

use crate::damage::Damage;
use crate::error::{AppendError, OpenError};
use crate::ids::Seq;
use crate::journal::Journal;
use crate::log::PreparedBody;
use crate::reader::JournalReader;
use crate::record::{Entry, Record};
use crate::transfer::Orphans;

/// Records read at once.
const RECORDS: usize = 1024;

/// Leaves alone the files whose record this copy has lost and another has: they are no new entries.
pub(crate) fn leave_known(orphans: &mut Orphans, damaged: &[Damage], reader: &JournalReader) {
    for (first, last) in damaged.iter().filter_map(|damage| damage.entries) {
        let mut after = first.before();
        while after < last && !orphans.is_empty() {
            let entries = reader.records(after, RECORDS).unwrap_or_default();
            let Some(come) = entries.last().map(Entry::last) else { break };
            for entry in entries {
                let Entry::Record(Record { header, body: Some(facts), .. }) = entry else { continue };
                orphans.retain(|(_, orphan)| !(orphan.is_of(facts) && orphan.frame.header == header));
            }
            after = come;
        }
    }
}

impl Journal {
    /// Appends a record for each complete file that none named; `orphans` are those of each copy, in their order.
    pub(crate) fn adopt(&mut self, mut orphans: Vec<Orphans>) -> Result<Vec<Seq>, OpenError> {
        let mut adopted = Vec::new();
        while let Some((at, (path, orphan))) =
            orphans.iter_mut().enumerate().find_map(|(at, orphans)| Some((at, orphans.pop()?)))
        {
            let Some(home) = self.copies.get(at).map(|copy| copy.home.clone()) else { continue };
            let prepared = match home.adoptable(&path, &orphan) {
                Ok(Some(prepared)) => prepared,
                Ok(None) => continue,
                Err(error) if is_no_room(&error) => {
                    tracing::warn!(file = %path.display(), "no room to adopt a complete large object; the next start tries again");
                    continue;
                }
                Err(source) => return Err(OpenError::Io { doing: "writing anew", path, source }),
            };
            // The same object, as it was stored in the others.
            let name = orphan.frame.trailer.name;
            for (other, orphans) in orphans.iter_mut().enumerate() {
                let Some(same) = orphans.iter().position(|(_, orphan)| orphan.frame.trailer.name == name)
                else {
                    continue;
                };
                let (path, _) = orphans.swap_remove(same);
                let (Some(copy), PreparedBody::File(file)) = (self.copies.get(other), &prepared.body) else {
                    continue;
                };
                let renewed = copy.home.renew_object(&path);
                renewed.map_err(|source| OpenError::Io { doing: "writing anew", path, source })?;
                file.is_in(copy.home.clone());
            }
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
