//! The bytes of an instance, ready to be sent or looked into.

use std::sync::Arc;

use bytes::Bytes;
use outrigger_dataset::form::Form;
use outrigger_dataset::pixel::Shape;
use outrigger_dataset::survey::{SurveyError, inflated_length};
use outrigger_dataset::transcode;
use outrigger_model::TransferSyntaxUid;
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, Encoding, Pixels, Traits, traits};
use outrigger_runtime::{BlockError, BlockSource};
use tokio::sync::OwnedSemaphorePermit;

use super::failure::{failed, too_large};
use super::read::{Spare, reader};
use super::{HELD_MIB, Wado};
use crate::service::{Opened, Provenance, Retrievable};
use crate::web::Refusal;
use crate::whole::whole;

/// The largest object held as a whole, to be transcoded; it is held more than once while that is done.
const WHOLE_BYTES_MAX: u64 = 256 << 20;
/// How often an object is held while it is transcoded: as it was, as a tree of decoded pixels, as written anew.
const COPIES: u64 = 3;

/// An instance whose bytes are at hand.
#[derive(Debug, Clone)]
pub(super) struct Source {
    pub(super) transfer_syntax: TransferSyntaxUid,
    pub(super) bytes: Arc<dyn BlockSource>,
    /// What says that they are the version that was listed.
    pub(super) provenance: Provenance,
    /// Memory it takes.
    pub(super) memory: Option<Memory>,
    /// Where the same bytes may be had if these cannot be read.
    pub(super) spare: Option<Arc<Spare>>,
    /// All of them, where they are few and were read already.
    pub(super) whole: Option<Bytes>,
}

/// Memory taken, given back when the last who holds this is done.
pub(super) type Memory = Arc<OwnedSemaphorePermit>;

/// Why an object was not transcoded.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unchanged {
    #[error("it has {length} bytes, or holds more than is transcoded at once when it is inflated or decoded")]
    TooLarge { length: u64 },
    #[error("its bytes cannot be read")]
    Read(#[source] BlockError),
    #[error("it cannot be transcoded")]
    Transcode(#[source] transcode::TranscodeError),
}

impl Wado {
    /// Opens an instance.
    pub(super) async fn open(&self, instance: &Retrievable) -> Result<Source, Refusal> {
        let opened = self.service.open(instance).await?;
        let Opened { transfer_syntax, bytes, provenance } = opened;
        let spare = Some(Spare::of(instance));
        Ok(Source { transfer_syntax, bytes, provenance, memory: None, spare, whole: None })
    }

    /// Takes memory for so many bytes, when there is some.
    async fn memory(&self, bytes: u64) -> Result<Memory, Refusal> {
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, HELD_MIB);
        let permits = Arc::clone(&self.memory.objects).acquire_many_owned(mib).await;
        let permits = permits.map_err(|error| failed("there is no memory for the request", &error))?;
        Ok(Arc::new(permits))
    }

    /// Takes a mebibyte of memory for descriptions, if there is one.
    pub(super) fn descriptions_memory(&self) -> Option<Memory> {
        Arc::clone(&self.memory.descriptions).try_acquire_owned().ok().map(Arc::new)
    }

    /// Takes memory for so many bytes beside a source; none more where the source has taken some as a whole, since who
    /// holds memory must never wait for more.
    pub(super) async fn memory_beside(&self, source: &Source, bytes: u64) -> Result<Memory, Refusal> {
        match &source.memory {
            Some(taken) => Ok(Arc::clone(taken)),
            None => self.memory(bytes).await,
        }
    }

    /// Turns an object into another transfer syntax, without loss.
    pub(super) async fn transcoded(
        &self,
        source: &Source,
        to: &TransferSyntaxUid,
    ) -> Result<Result<Source, Unchanged>, Refusal> {
        let length = source.bytes.length();
        let taken = if length > WHOLE_BYTES_MAX { Ok(None) } else { self.taken(source).await? };
        let taken = match taken {
            Err(unread) => return Ok(Err(Unchanged::Read(unread))),
            Ok(taken) => taken.filter(|taken| *taken <= u64::from(HELD_MIB) << 20),
        };
        let Some(taken) = taken else { return Ok(Err(Unchanged::TooLarge { length })) };
        let memory = self.memory(taken).await?;
        let (Source { transfer_syntax: from, bytes, .. }, target) = (source.clone(), to.clone());
        let work = move || {
            let whole = whole(&*bytes).map_err(Unchanged::Read)?;
            transcode::transcode(whole, &from, &target).map_err(Unchanged::Transcode)
        };
        let written = self.threads.blocking("transcode", work).await?;
        Ok(written.map(|written| Source {
            transfer_syntax: to.clone(),
            bytes: Arc::new(Bytes::from(written)),
            provenance: source.provenance.clone(),
            memory: Some(memory),
            spare: None,
            whole: None,
        }))
    }

    /// Memory that transcoding an object takes, held against what it claims before anything is inflated or decoded: a
    /// few kilobytes may stand for gigabytes. `None` for more than is taken.
    async fn taken(&self, source: &Source) -> Result<Result<Option<u64>, BlockError>, Refusal> {
        let length = source.bytes.length();
        match (traits(&source.transfer_syntax), Form::of(&source.transfer_syntax)) {
            (Traits { encoding: Encoding::Deflated, .. }, _) => {
                let bytes = Arc::clone(&source.bytes);
                let work = move || inflated_length(WHOLE_BYTES_MAX, reader(&*bytes));
                let inflated = self.threads.blocking("measure", work).await?;
                Ok(inflated.map(|inflated| inflated.map(|inflated| inflated * COPIES)))
            }
            (Traits { pixels: Pixels::Lossless, .. }, Some(form)) => match self.surveyed(source, form).await?
            {
                // What describes no pixels decodes none.
                Ok((survey, _room)) => {
                    let decoded = Shape::read(&survey.described()).map_or(0, |shape| shape.decoded_bytes());
                    Ok(Ok(Some(length + decoded * COPIES)))
                }
                Err(SurveyError::Source(error)) => Ok(Err(error)),
                Err(SurveyError::Read(_)) => Ok(Ok(Some(length))),
                Err(SurveyError::TooLarge) => Ok(Ok(None)),
            },
            _ => Ok(Ok(Some(length * COPIES))),
        }
    }

    /// The object in a form that is read by position: little endian, not deflated.
    pub(super) async fn legible(
        &self,
        source: Source,
    ) -> Result<Result<(Form, Source), BlockError>, Refusal> {
        match traits(&source.transfer_syntax).encoding {
            Encoding::ImplicitLittle => return Ok(Ok((Form::ImplicitLittle, source))),
            Encoding::ExplicitLittle => return Ok(Ok((Form::ExplicitLittle, source))),
            Encoding::Unknown => {
                let text = format!(
                    "the instance is written in {}, which is not read here; it can be had as it is, by transfer-syntax=*",
                    source.transfer_syntax
                );
                return Err(Refusal::not_acceptable(&text));
            }
            Encoding::ExplicitBig | Encoding::Deflated => {}
        }
        match self.transcoded(&source, &TransferSyntaxUid::known(EXPLICIT_VR_LE)).await? {
            Ok(source) => Ok(Ok((Form::ExplicitLittle, source))),
            Err(Unchanged::Read(unread)) => Ok(Err(unread)),
            Err(error @ Unchanged::TooLarge { .. }) => Err(too_large(&error)),
            Err(error) => Err(failed("the instance cannot be read", &error)),
        }
    }
}
