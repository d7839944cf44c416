//! A file of PS3.10 as it arrives: its data set goes to the spool, what it is is read on the way.

use bytes::{Bytes, BytesMut};
use outrigger_dataset::form::Form;
use outrigger_dataset::part10;
use outrigger_dataset::read::read_form;
use outrigger_dataset::scan::Scanner;
use outrigger_model::{SeriesUid, SopClassUid, SopInstanceUid, StudyUid, Tag, TransferSyntaxUid};
use outrigger_runtime::spool::SpoolError;
use outrigger_runtime::{Body, BodyWriter, Spool};

use crate::contract::{CameBack, MemberError};

/// Longest preamble and file meta information, in bytes: a dozen short elements, and what vendors put beside them.
const META_BYTES_MAX: usize = 64 << 10;
/// Bytes of the data set looked at for what it is: the identifying attributes stand in its first few kilobytes.
const PREFIX_BYTES: usize = 256 << 10;

const MEDIA_CLASS: Tag = Tag(0x0002, 0x0002);
const MEDIA_INSTANCE: Tag = Tag(0x0002, 0x0003);
const TRANSFER_SYNTAX: Tag = Tag(0x0002, 0x0010);

/// An instance as it is asked for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Wanted<'a> {
    pub(crate) study: &'a StudyUid,
    pub(crate) series: &'a SeriesUid,
    pub(crate) instance: &'a SopInstanceUid,
    pub(crate) class: &'a SopClassUid,
}

/// What came in a file.
#[derive(Debug)]
pub(crate) struct Came {
    pub(crate) class: SopClassUid,
    pub(crate) instance: SopInstanceUid,
    pub(crate) study: Option<StudyUid>,
    pub(crate) series: Option<SeriesUid>,
    pub(crate) transfer_syntax: TransferSyntaxUid,
    pub(crate) body: Body,
}

/// Why what came is not taken for the object asked for.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("what came is no DICOM file (PS3.10)")]
    NoFile,
    #[error("the file ends in its file meta information, after {0} bytes")]
    CutInMeta(usize),
    #[error("the file meta information cannot be read")]
    Meta(#[source] outrigger_dataset::read::ReadError),
    #[error("the file meta information has no usable {0}")]
    Lacks(&'static str),
    #[error("the file says that it is instance {meta}, and its data set that it is {inside}")]
    TwoMinds { meta: SopInstanceUid, inside: SopInstanceUid },
    #[error("instance {came} came, and {wanted} was asked for")]
    OtherInstance { came: SopInstanceUid, wanted: SopInstanceUid },
    #[error("the object could not be taken in")]
    Spool(#[source] SpoolError),
}

/// A file that is arriving.
pub(crate) struct Arriving {
    head: BytesMut,
    rest: Option<Rest>,
    spool: Spool,
}

struct Rest {
    class: SopClassUid,
    instance: SopInstanceUid,
    transfer_syntax: TransferSyntaxUid,
    scanner: Scanner,
    scanned: usize,
    writer: BodyWriter,
}

impl Arriving {
    /// Begins a file; its data set goes to `spool`.
    pub(crate) fn begin(spool: &Spool) -> Self {
        Self { head: BytesMut::new(), rest: None, spool: spool.clone() }
    }

    /// Takes the next bytes.
    pub(crate) async fn push(&mut self, bytes: Bytes) -> Result<(), FileError> {
        if let Some(rest) = &mut self.rest {
            return rest.push(bytes).await;
        }
        // What comes in one piece, as most do, is not copied.
        let head = if self.head.is_empty() {
            bytes
        } else {
            self.head.extend_from_slice(&bytes);
            self.head.split().freeze()
        };
        let Some(parts) = part10::parts(&head) else {
            if head.len() > META_BYTES_MAX {
                return Err(FileError::NoFile);
            }
            self.head = head.into();
            return Ok(());
        };
        let begun = head.len() - parts.data_set.len();
        let mut rest = Rest::of(Bytes::copy_from_slice(parts.meta), &self.spool)?;
        rest.push(head.slice(begun..)).await?;
        self.rest = Some(rest);
        Ok(())
    }

    /// The file has come whole.
    pub(crate) async fn finish(self) -> Result<Came, FileError> {
        let Some(rest) = self.rest else {
            return Err(if self.head.len() > 132 && self.head.get(128..132) == Some(b"DICM") {
                FileError::CutInMeta(self.head.len())
            } else {
                FileError::NoFile
            });
        };
        let Rest { class, instance, transfer_syntax, scanner, writer, .. } = rest;
        let header = scanner.so_far();
        if let Some(header) = header.as_ref().filter(|header| header.sop_instance != instance) {
            return Err(FileError::TwoMinds { meta: instance, inside: header.sop_instance.clone() });
        }
        let body = writer.finish().await.map_err(FileError::Spool)?;
        let (study, series) = header.map_or((None, None), |header| (header.study, header.series));
        Ok(Came { class, instance, study, series, transfer_syntax, body })
    }
}

impl Rest {
    fn of(meta: Bytes, spool: &Spool) -> Result<Self, FileError> {
        let meta = read_form(Form::ExplicitLittle, meta).map_err(FileError::Meta)?;
        let uid = |tag| meta.bytes(tag).map(|bytes| &bytes[..]).unwrap_or_default();
        let syntax = TransferSyntaxUid::from_bytes(uid(TRANSFER_SYNTAX));
        let transfer_syntax = syntax.map_err(|_| FileError::Lacks("Transfer Syntax UID"))?;
        let class = SopClassUid::from_bytes(uid(MEDIA_CLASS));
        let instance = SopInstanceUid::from_bytes(uid(MEDIA_INSTANCE));
        Ok(Self {
            class: class.map_err(|_| FileError::Lacks("Media Storage SOP Class UID"))?,
            instance: instance.map_err(|_| FileError::Lacks("Media Storage SOP Instance UID"))?,
            scanner: Scanner::new(&transfer_syntax),
            transfer_syntax,
            scanned: 0,
            writer: spool.begin_passing_on(),
        })
    }

    async fn push(&mut self, bytes: Bytes) -> Result<(), FileError> {
        let room = PREFIX_BYTES.saturating_sub(self.scanned).min(bytes.len());
        if let Some(prefix) = bytes.get(..room).filter(|prefix| !prefix.is_empty()) {
            self.scanner.push(prefix);
            self.scanned += room;
        }
        self.writer.push(bytes).await.map_err(FileError::Spool)
    }
}

impl Came {
    /// The object, if it is the one that was asked for.
    pub(crate) fn taken_for(
        self,
        wanted: Wanted<'_>,
        operation: &'static str,
    ) -> Result<(TransferSyntaxUid, Body), MemberError> {
        if self.instance != *wanted.instance {
            let error = FileError::OtherInstance { came: self.instance, wanted: wanted.instance.clone() };
            return Err(error.during(operation));
        }
        if self.class != *wanted.class {
            return Err(MemberError::OtherClass { shown: self.class, sent: wanted.class.clone() });
        }
        Ok((self.transfer_syntax, self.body))
    }

    /// The object, whichever it is.
    pub(crate) fn back(self) -> CameBack {
        let Self { class, instance, transfer_syntax, body, .. } = self;
        CameBack { sop_class: class, sop_instance: instance, transfer_syntax, body }
    }

    /// Whether it lies under another study or series than was asked for.
    pub(crate) fn is_elsewhere(&self, wanted: Wanted<'_>) -> bool {
        self.study.as_ref().is_some_and(|study| study != wanted.study)
            || self.series.as_ref().is_some_and(|series| series != wanted.series)
    }
}

impl FileError {
    /// As the error of an operation.
    pub(crate) fn during(self, operation: &'static str) -> MemberError {
        MemberError::Lost { operation, source: Box::new(self) }
    }
}
