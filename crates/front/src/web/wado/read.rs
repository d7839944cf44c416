//! The bytes of an opened instance, piece by piece; where a piece cannot be read, it is taken from somebody else.

use std::error::Error;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use outrigger_dataset::survey::Place;
use outrigger_runtime::body::BLOCK_BYTES;
use outrigger_runtime::threads::WorkLost;
use outrigger_runtime::{BlockError, BlockSource};
use tokio::sync::OnceCell;

use super::Wado;
use super::body::{Broken, Pieces};
use super::failure::failed;
use super::opened::Source;
use crate::service::{Opened, Retrievable};
use crate::sound::{check, same_elsewhere};
use crate::web::Refusal;

/// Whom the same bytes may be had from, looked for once and only when they are needed.
#[derive(Debug)]
pub(super) struct Spare {
    instance: Retrievable,
    found: OnceCell<Option<Arc<dyn BlockSource>>>,
}

impl Spare {
    pub(super) fn of(instance: &Retrievable) -> Arc<Self> {
        Arc::new(Self { instance: instance.clone(), found: OnceCell::new() })
    }
}

/// Why bytes could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unread {
    #[error("the bytes of the instance cannot be read")]
    Block(#[source] BlockError),
    #[error("the bytes of the instance were not read")]
    Lost(#[from] WorkLost),
}

impl From<Unread> for Refusal {
    fn from(error: Unread) -> Self {
        failed("the instance cannot be read", &error)
    }
}

impl From<Unread> for Broken {
    fn from(error: Unread) -> Self {
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        Self::Failed(format!("{error}: {cause}"))
    }
}

impl Wado {
    /// Opens an instance of which the first blocks are known to be readable: from somebody else where those of the first
    /// who has it are not.
    pub(super) async fn open_sound(&self, instance: &Retrievable) -> Result<Source, Refusal> {
        match self.checked(self.open(instance).await?).await {
            Ok(source) => Ok(source),
            Err(unread) => self.open_elsewhere(instance, &unread).await,
        }
    }

    /// Opens an instance from somebody else than gave what could not be read.
    pub(super) async fn open_elsewhere(
        &self,
        instance: &Retrievable,
        unread: &(dyn Error + Send + Sync + 'static),
    ) -> Result<Source, Refusal> {
        tracing::warn!(instance = %instance.sop_instance, error = unread as &dyn Error, "the bytes of an instance cannot be read here; others are asked");
        let Opened { transfer_syntax, bytes, provenance } = self.service.open_elsewhere(instance).await?;
        let source = Source { transfer_syntax, bytes, provenance, memory: None, spare: None, whole: None };
        Ok(self.checked(source).await?)
    }

    /// Reads the first blocks of an object; one that is a single block is kept as it was read. What is found behind them is mended
    /// on the way where somebody has the very same bytes.
    async fn checked(&self, source: Source) -> Result<Source, Unread> {
        match check(self.threads, &source.bytes).await?.map_err(Unread::Block)? {
            None => Ok(source),
            whole => Ok(Source { whole, ..source }),
        }
    }

    /// Sends all of an object.
    pub(super) async fn send(&self, pieces: &Pieces, source: &Source) -> Result<(), Broken> {
        let place = Place { offset: 0, length: source.bytes.length() };
        self.send_place(pieces, source, place).await
    }

    /// Sends a part of an object.
    pub(super) async fn send_place(
        &self,
        pieces: &Pieces,
        source: &Source,
        place: Place,
    ) -> Result<(), Broken> {
        let end = place.offset + place.length;
        let mut position = place.offset;
        while position < end {
            let mut piece = self.piece(source, position).await?;
            piece.truncate(usize::try_from(end - position).unwrap_or(usize::MAX));
            if piece.is_empty() {
                return Err(Broken::Failed("the object is shorter than it was".to_owned()));
            }
            position += piece.len() as u64;
            pieces.send(piece).await?;
        }
        Ok(())
    }

    /// Reads parts of an object into memory.
    pub(super) async fn gather(&self, source: &Source, places: Vec<Place>) -> Result<Bytes, Refusal> {
        let bytes = Arc::clone(&source.bytes);
        let wanted = places.clone();
        let error = match self.threads.blocking("read", move || gathered(&*bytes, &wanted)).await? {
            Ok(bytes) => return Ok(bytes),
            Err(error) => error,
        };
        let Some(spare) = self.spare(source, &error).await else { return Err(Unread::Block(error).into()) };
        let read = self.threads.blocking("read", move || gathered(&*spare, &places)).await?;
        Ok(read.map_err(Unread::Block)?)
    }

    /// Bytes from a position on, up to the end of their block.
    async fn piece(&self, source: &Source, position: u64) -> Result<Bytes, Unread> {
        if let Some(piece) = source.bytes.at_hand(position) {
            return Ok(piece);
        }
        if let Some(whole) = &source.whole {
            let skip = usize::try_from(position).unwrap_or(usize::MAX).min(whole.len());
            return Ok(whole.slice(skip..));
        }
        let bytes = Arc::clone(&source.bytes);
        let error = match self.threads.blocking("read", move || reader(&*bytes)(position)).await? {
            Ok(piece) => return Ok(piece),
            Err(error) => error,
        };
        let Some(spare) = self.spare(source, &error).await else { return Err(Unread::Block(error)) };
        self.threads.blocking("read", move || reader(&*spare)(position)).await?.map_err(Unread::Block)
    }

    /// The same bytes from somebody else, if they are the same as far as ours can be read.
    async fn spare(&self, source: &Source, error: &BlockError) -> Option<Arc<dyn BlockSource>> {
        let spare = source.spare.as_ref()?;
        let Source { transfer_syntax, bytes, provenance, .. } = source.clone();
        let ours = Opened { transfer_syntax, bytes, provenance };
        let find = same_elsewhere(&self.service, self.threads, &spare.instance, &ours, error);
        spare.found.get_or_init(|| find).await.clone()
    }
}

/// Bytes of an object from a position on; synchronous, may block.
pub(super) fn reader(object: &dyn BlockSource) -> impl FnMut(u64) -> Result<Bytes, BlockError> + '_ {
    move |position| {
        let block = object.read_block(position / BLOCK_BYTES as u64)?;
        let skip = usize::try_from(position % BLOCK_BYTES as u64).unwrap_or(usize::MAX).min(block.len());
        Ok(block.slice(skip..))
    }
}

/// Parts of an object, one behind the other; synchronous, may block.
pub(super) fn gathered(object: &dyn BlockSource, places: &[Place]) -> Result<Bytes, BlockError> {
    let mut read = reader(object);
    let mut out = BytesMut::new();
    for place in places {
        let end = place.offset + place.length;
        let mut position = place.offset;
        while position < end {
            let piece = read(position)?;
            let wanted = usize::try_from(end - position).unwrap_or(usize::MAX).min(piece.len());
            if wanted == 0 {
                break;
            }
            out.extend_from_slice(piece.get(..wanted).unwrap_or(&[]));
            position += wanted as u64;
        }
    }
    Ok(out.freeze())
}
