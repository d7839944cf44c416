//! Opening the bytes of one instance: from the journal, else from one member after another.

use std::sync::Arc;

use outrigger_ledger::ObjectError;
use outrigger_model::{MemberSet, Sha256Digest, TransferSyntaxUid};
use outrigger_runtime::BlockSource;

use crate::lines::Lines;
use crate::plan::{Keeping, Planned};
use crate::reader::Reader;

/// The bytes of an instance, in the encoding in which they could be had.
#[derive(Debug, Clone)]
pub struct Opened {
    /// That encoding.
    pub transfer_syntax: TransferSyntaxUid,
    /// The data set.
    pub bytes: Arc<dyn BlockSource>,
}

/// Why nobody gives an instance.
#[derive(Debug, thiserror::Error)]
#[error(
    "nobody has it: the journal says {}; {}",
    .journal.as_ref().map_or_else(|| "that it was never stored here".to_owned(), ToString::to_string),
    .members.join("; ")
)]
pub struct OpenError {
    /// What the journal says of what was accepted.
    journal: Option<ObjectError>,
    /// What each member asked says.
    members: Vec<String>,
}

impl Reader {
    /// Opens an instance from the best of those who have it.
    pub async fn open(&self, instance: &Planned) -> Result<Opened, OpenError> {
        let journal = match instance.keeping {
            Keeping::Accepted { entry, .. } => match self.shared.ledger.object(entry).await {
                Ok(object) => {
                    return Ok(Opened { transfer_syntax: object.transfer_syntax, bytes: object.bytes });
                }
                Err(error) => Some(error),
            },
            Keeping::Inherited { .. } => None,
        };
        if let Some(error) = journal.as_ref().filter(|error| !matches!(error, ObjectError::Released(_))) {
            tracing::warn!(instance = %instance.keeping, %error, "the journal does not give an instance");
        }
        let mut members = Vec::new();
        for lines in self.holders(instance).await {
            match lines.fetch(instance).await {
                Ok((transfer_syntax, body)) => {
                    let as_accepted = matches!(instance.keeping, Keeping::Accepted { sha256, .. } if Sha256Digest(body.sha256) == sha256);
                    tracing::debug!(member = %lines.source.name, as_accepted, instance = %instance.keeping, "an instance comes from a member");
                    return Ok(Opened { transfer_syntax, bytes: Arc::new(body) });
                }
                Err(error) => {
                    tracing::info!(member = %lines.source.name, error = &error as &dyn std::error::Error, instance = %instance.keeping, "a member does not give an instance");
                    members.push(format!("{}: {error}", lines.source.name));
                }
            }
        }
        Err(OpenError { journal, members })
    }

    /// The members: those that gave the instance back once, or were seen to have it, before the others; each by its preference.
    async fn holders(&self, instance: &Planned) -> Vec<&Lines> {
        let known = match instance.keeping {
            Keeping::Inherited { members } => members,
            Keeping::Accepted { entry, .. } => match self.shared.ledger.marks(entry).await {
                Ok(marks) => marks.map_or(MemberSet::EMPTY, |marks| marks.verified),
                Err(error) => {
                    tracing::debug!(%entry, %error, "who has an instance is not known now");
                    MemberSet::EMPTY
                }
            },
        };
        let (mut first, rest): (Vec<&Lines>, Vec<&Lines>) =
            self.shared.lines.iter().partition(|lines| known.contains(lines.source.number));
        first.extend(rest);
        first
    }
}
