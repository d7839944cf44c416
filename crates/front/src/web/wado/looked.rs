//! Instances looked over, and the memory that this takes.

use std::sync::Arc;

use outrigger_dataset::form::Form;
use outrigger_dataset::survey::{HELD_BYTES_MAX, Survey, SurveyError, held_at_most, survey_within};
use outrigger_model::transfer_syntax::{Encoding, traits};
use outrigger_runtime::BlockError;
use tokio::sync::OwnedSemaphorePermit;

use super::Wado;
use super::failure::{failed, too_large};
use super::opened::Source;
use super::read::{Unread, reader};
use crate::service::Retrievable;
use crate::web::Refusal;

/// Memory that a survey is begun with: enough for all but long structured objects, which are looked over once more with all that
/// a survey may take.
const USUAL_BYTES: u64 = 4 << 20;

/// An instance that was opened and looked over.
pub(super) struct Looked {
    pub(super) survey: Arc<Survey>,
    pub(super) source: Source,
    /// Memory that the survey takes, held as long as it is there.
    pub(super) room: OwnedSemaphorePermit,
}

type Surveyed = Result<(Survey, OwnedSemaphorePermit), SurveyError<BlockError>>;

impl Wado {
    /// Opens an instance and looks it over; from somebody else where what the first who has it gives cannot be read.
    pub(super) async fn look(&self, instance: &Retrievable) -> Result<Looked, Refusal> {
        match self.look_over(self.open(instance).await?).await? {
            Ok(looked) => Ok(looked),
            Err(unread) => {
                let other = self.open_elsewhere(instance, &unread).await?;
                Ok(self.look_over(other).await?.map_err(Unread::Block)?)
            }
        }
    }

    async fn look_over(&self, source: Source) -> Result<Result<Looked, BlockError>, Refusal> {
        let (surveyed, source) = match traits(&source.transfer_syntax).encoding {
            Encoding::ImplicitLittle => (self.surveyed(&source, Form::ImplicitLittle).await?, source),
            Encoding::ExplicitLittle => (self.surveyed(&source, Form::ExplicitLittle).await?, source),
            // How long it becomes is not known before; and who has memory for an object does not wait for more.
            Encoding::ExplicitBig | Encoding::Deflated | Encoding::Unknown => {
                let room = self.survey_room(HELD_BYTES_MAX).await?;
                match self.legible(source).await? {
                    Ok((form, source)) => {
                        (self.surveyed_in(room, HELD_BYTES_MAX, &source, form).await?, source)
                    }
                    Err(unread) => return Ok(Err(unread)),
                }
            }
        };
        match surveyed {
            Ok((survey, room)) => Ok(Ok(Looked { survey: Arc::new(survey), source, room })),
            Err(SurveyError::Source(unread)) => Ok(Err(unread)),
            Err(error @ SurveyError::TooLarge) => Err(too_large(&error)),
            Err(error) => Err(failed("the instance cannot be read", &error)),
        }
    }

    /// The survey of an object that is read as it is, with the memory it takes. Nobody asks for it who has taken memory.
    pub(super) async fn surveyed(&self, source: &Source, form: Form) -> Result<Surveyed, Refusal> {
        let most = held_at_most(source.bytes.length());
        let usual = most.min(USUAL_BYTES);
        let room = self.survey_room(usual).await?;
        match self.surveyed_in(room, usual, source, form).await? {
            Err(SurveyError::TooLarge) if most > usual => {
                let room = self.survey_room(most).await?;
                self.surveyed_in(room, most, source, form).await
            }
            surveyed => Ok(surveyed),
        }
    }

    /// Makes a survey of so many bytes at most, and keeps of their room what it takes.
    async fn surveyed_in(
        &self,
        mut room: OwnedSemaphorePermit,
        most: u64,
        source: &Source,
        form: Form,
    ) -> Result<Surveyed, Refusal> {
        let bytes = Arc::clone(&source.bytes);
        // The room goes with the work: that goes on when nobody waits for it any more.
        let work = move || -> Surveyed {
            let (survey, held) = survey_within(most, form, bytes.length(), reader(&*bytes))?;
            let kept = usize::try_from(held.div_ceil(1 << 20).max(1)).ok().and_then(|mib| room.split(mib));
            Ok((survey, kept.unwrap_or(room)))
        };
        Ok(self.threads.blocking("survey", work).await?)
    }

    async fn survey_room(&self, bytes: u64) -> Result<OwnedSemaphorePermit, Refusal> {
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, super::SURVEYED_MIB);
        let room = Arc::clone(&self.memory.surveys).acquire_many_owned(mib).await;
        room.map_err(|error| failed("there is no memory for the request", &error))
    }
}
