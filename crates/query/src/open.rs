//! Opening the bytes of one instance: from the journal, else from one member after another.

use std::sync::Arc;

use outrigger_ledger::ObjectError;
use outrigger_model::{Sha256Digest, TransferSyntaxUid};
use outrigger_runtime::BlockSource;

use crate::lines::Lines;
use crate::plan::Planned;
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
#[error("nobody has it: the journal says {journal}; {}", .members.join("; "))]
pub struct OpenError {
    /// What the journal says.
    journal: ObjectError,
    /// What each member asked says.
    members: Vec<String>,
}

impl Reader {
    /// Opens an instance from the best of those who have it.
    pub async fn open(&self, instance: &Planned) -> Result<Opened, OpenError> {
        let journal = match self.shared.ledger.object(instance.entry).await {
            Ok(object) => {
                return Ok(Opened { transfer_syntax: object.transfer_syntax, bytes: object.bytes });
            }
            Err(error) => error,
        };
        if !matches!(journal, ObjectError::Released(_)) {
            tracing::warn!(entry = %instance.entry, error = %journal, "the journal does not give an instance");
        }
        let mut members = Vec::new();
        for lines in self.holders(instance).await {
            match lines.fetch(instance).await {
                Ok((transfer_syntax, body)) => {
                    let as_accepted = Sha256Digest(body.sha256) == instance.sha256;
                    tracing::debug!(member = %lines.source.name, as_accepted, entry = %instance.entry, "an instance comes from a member");
                    return Ok(Opened { transfer_syntax, bytes: Arc::new(body) });
                }
                Err(error) => {
                    tracing::info!(member = %lines.source.name, error = &error as &dyn std::error::Error, entry = %instance.entry, "a member does not give an instance");
                    members.push(format!("{}: {error}", lines.source.name));
                }
            }
        }
        Err(OpenError { journal, members })
    }

    /// The members, those that gave the instance back once before the others; each by its preference.
    async fn holders(&self, instance: &Planned) -> Vec<&Lines> {
        let verified = match self.shared.ledger.marks(instance.entry).await {
            Ok(Some(marks)) => marks.verified,
            Ok(None) => outrigger_ledger::MemberSet::EMPTY,
            Err(error) => {
                tracing::debug!(entry = %instance.entry, %error, "who has an instance is not known now");
                outrigger_ledger::MemberSet::EMPTY
            }
        };
        let (mut first, rest): (Vec<&Lines>, Vec<&Lines>) =
            self.shared.lines.iter().partition(|lines| verified.contains(lines.source.number));
        first.extend(rest);
        first
    }
}
