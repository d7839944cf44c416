//! Blobs in an S3-compatible object store: each under the SHA-256 of its data set, put for good before its row is entered.
//!
//! The digest alone is the address, so a put may be repeated, nothing is ever removed, and bytes that come again heal what is
//! damaged. An object that was put and has no row yet is marked by a file of the spool: a start looks at those by name, and never
//! goes by a listing, which may be stale. Only where the catalogue is empty the whole store is listed, to make it anew.

mod connection;
mod error;
mod object;
mod options;
mod probe;
mod standing;
mod upload;
mod waiting;

use std::path::PathBuf;
use std::sync::Arc;

use futures_util::StreamExt;
use object_store::aws::{AmazonS3, AmazonS3Builder, Checksum};
use object_store::path::Path as Key;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};
use outrigger_model::Sha256Digest;
use outrigger_runtime::disk::{ArcDisk, Kind, remove_if_there};
use outrigger_runtime::{Body, Clock};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use self::connection::Connector;
pub use self::error::{Call, S3Error};
use self::object::Object;
pub use self::options::{S3Credentials, S3Options, Secret};
pub use self::probe::{ProbeError, probe};
use self::standing::Standing;
use self::waiting::waited;
use crate::blob::{Blob, BlobError, Facts};
use crate::blobs::{Ahead, Blobs, Fate, Kept, Pending, Placing, Span, Take, Trouble};
use crate::places::{Places, marked};
use crate::recovery::RecoverError;
use crate::store::StoreError;

/// The digest is the address: every blob has the same place.
const PLACE: u64 = 0;
/// Blobs named at once where all are listed: a page of S3's listing.
const LISTED: usize = 1000;
/// A request is tried so often again, so long as its time lasts.
const RETRIES_MAX: usize = 8;
/// Waits between tries: short first, as most failures are of one connection, then long enough for a server to come back.
const FIRST_WAIT: std::time::Duration = std::time::Duration::from_millis(100);
const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(5);
/// Longest wait of somebody who looks how the store is.
const LOOKED_WITHIN: std::time::Duration = std::time::Duration::from_secs(3);
/// Large objects put at once, each with one part in memory: 128 MiB in all.
const UPLOADS_MAX: usize = 16;

/// Blobs in a bucket of S3, below a prefix.
#[derive(Debug)]
pub(crate) struct S3 {
    bucket: Bucket,
    disk: ArcDisk,
    places: Places,
    uploads: Arc<Semaphore>,
}

/// A bucket, and how calls to it go; clones share both.
#[derive(Debug, Clone)]
pub(crate) struct Bucket {
    store: Arc<AmazonS3>,
    /// Tries nothing again, for somebody who waits before a screen.
    once: Arc<AmazonS3>,
    name: Arc<str>,
    prefix: Arc<str>,
    runtime: Handle,
    standing: Standing,
}

impl Bucket {
    /// Called by the options from within a runtime; nothing is asked of the server yet.
    pub(crate) fn new(options: &S3Options, clock: Clock) -> Result<Self, S3Error> {
        let retry = RetryConfig {
            backoff: BackoffConfig { init_backoff: FIRST_WAIT, max_backoff: LONGEST_WAIT, base: 2.0 },
            max_retries: RETRIES_MAX,
            retry_timeout: options.retry_for,
        };
        let never = RetryConfig { max_retries: 0, ..retry.clone() };
        let client = |retry, within| {
            let S3Credentials { access_key, secret_key } = &options.credentials;
            AmazonS3Builder::new()
                .with_bucket_name(&options.bucket)
                .with_region(&options.region)
                .with_endpoint(endpoint(options))
                .with_virtual_hosted_style_request(!options.path_style)
                .with_allow_http(options.tls.is_none())
                .with_access_key_id(access_key.shown())
                .with_secret_access_key(secret_key.shown())
                .with_checksum_algorithm(Checksum::SHA256)
                // One by one: some servers that speak S3 do not know the other way.
                .with_disable_bulk_delete(true)
                .with_retry(retry)
                .with_http_connector(Connector { tls: options.tls.clone(), within })
                .build()
                .map(Arc::new)
                .map_err(|source| S3Error::new(Call::SetUp, &options.bucket, source))
        };
        let once = client(never, options.timeout.min(LOOKED_WITHIN))?;
        let store = client(retry, options.timeout)?;
        Ok(Self {
            store,
            once,
            name: options.bucket.as_str().into(),
            prefix: options.prefix.as_str().into(),
            runtime: Handle::current(),
            standing: Standing::new(clock),
        })
    }

    /// How a key is shown to people.
    fn shown(&self, key: &Key) -> String {
        format!("s3://{}/{key}", self.name)
    }

    /// A key below the prefix.
    fn key(&self, below: &str) -> Key {
        let parts = self.prefix.split('/').chain(below.split('/')).filter(|part| !part.is_empty());
        parts.map(object_store::path::PathPart::from).collect()
    }

    fn blob(&self, sha256: &Sha256Digest) -> Key {
        self.key(&format!("blobs/{sha256}"))
    }

    /// Notes how a call went.
    fn noted<T>(&self, call: Call, key: &Key, outcome: object_store::Result<T>) -> Result<T, S3Error> {
        let outcome = outcome.map_err(|source| S3Error::new(call, &self.shown(key), source));
        self.standing.note(call, outcome.as_ref().err());
        outcome
    }

    /// Asks for something and waits for the answer, on a thread that may block.
    fn ask<T: Send + 'static>(
        &self,
        call: Call,
        key: &Key,
        asking: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T, S3Error> {
        match waited(&self.runtime, asking) {
            Some(outcome) => self.noted(call, key, outcome),
            None => Err(S3Error::Closing { at: self.shown(key) }),
        }
    }
}

/// The URL of the server, with the bucket before its host name where it stands there.
fn endpoint(options: &S3Options) -> String {
    let url = options.endpoint.trim_end_matches('/');
    match url.split_once("://") {
        Some((scheme, host)) if !options.path_style => format!("{scheme}://{}.{host}", options.bucket),
        _ => url.to_owned(),
    }
}

impl S3 {
    /// Takes a bucket; marks are files of the spool.
    pub(crate) fn new(bucket: Bucket, disk: ArcDisk, places: Places) -> Self {
        Self { bucket, disk, places, uploads: Arc::new(Semaphore::new(UPLOADS_MAX)) }
    }

    /// The mark of an object that is about to be put; not synced, as losing it costs nobody anything acknowledged.
    fn mark(&self, sha256: &Sha256Digest) -> Result<Pending, StoreError> {
        let path = self.places.mark(sha256);
        match self.disk.create(&path) {
            // It is put twice at once, or was before.
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(StoreError::Write { path, source: error })
            }
            Ok(_) | Err(_) => Ok(Pending::new(self.disk.clone(), path, Fate::Left)),
        }
    }

    /// Looks at each object that the last run put or tried to put; those that cannot be asked for keep their marks.
    fn late(&self, take: Take<'_>) -> Result<(), RecoverError> {
        for (path, sha256) in self.marks()? {
            let key = self.bucket.blob(&sha256);
            let store = self.bucket.store.clone();
            let asked = key.clone();
            let head = self.bucket.ask(Call::Give, &key, async move {
                object_store::ObjectStoreExt::head(&*store, &asked).await
            });
            let taken = match head {
                Ok(_) => take(vec![Kept { at: self.bucket.shown(&key), place: PLACE, sha256: Some(sha256) }]),
                Err(error) if error.is_missing() => Ok(()),
                Err(error) => Err(RecoverError::Store(error)),
            };
            match taken {
                Ok(()) => remove_if_there(&*self.disk, &path)
                    .map_err(|source| RecoverError::Disk { path, source })?,
                Err(error @ (RecoverError::Store(_) | RecoverError::Blob(_))) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "what the last run may have put is looked at with the next start");
                    return Ok(());
                }
                Err(other) => return Err(other),
            }
        }
        Ok(())
    }

    fn marks(&self) -> Result<Vec<(PathBuf, Sha256Digest)>, RecoverError> {
        let path = self.places.spool();
        let listed = self.disk.list(&path).map_err(|source| RecoverError::Disk { path, source })?;
        let files = listed.into_iter().filter(|listed| listed.kind == Kind::File);
        Ok(files.filter_map(|listed| Some((listed.path.clone(), marked(&listed.path)?))).collect())
    }

    /// Names every blob of the store, a page at a time.
    fn all(&self, take: Take<'_>) -> Result<(), RecoverError> {
        let under = self.bucket.key("blobs");
        let mut listing = Some(self.bucket.store.list(Some(&under)).chunks(LISTED));
        while let Some(mut pages) = listing.take() {
            let call = async move {
                let page = pages.next().await;
                Ok((page, pages))
            };
            let (page, pages) = self.bucket.ask(Call::List, &under, call).map_err(RecoverError::Store)?;
            let Some(page) = page else { break };
            let mut kept = Vec::with_capacity(page.len());
            for meta in page {
                let meta = self.bucket.noted(Call::List, &under, meta).map_err(RecoverError::Store)?;
                let sha256 = meta.location.filename().and_then(|name| Sha256Digest::from_hex(name).ok());
                kept.push(Kept { at: self.bucket.shown(&meta.location), place: PLACE, sha256 });
            }
            take(kept)?;
            listing = Some(pages);
        }
        Ok(())
    }
}

impl Blobs for S3 {
    fn write(&self, facts: &Facts, body: Body) -> Result<Pending, StoreError> {
        let pending = self.mark(&facts.sha256)?;
        upload::put(self, facts, &body)?;
        Ok(pending)
    }

    fn place(&self, batch: &mut [Placing<'_>]) -> Result<Vec<u64>, StoreError> {
        Ok(batch.iter().map(|_| PLACE).collect())
    }

    fn open(&self, _place: u64, sha256: &Sha256Digest, ahead: Ahead) -> Result<Blob, BlobError> {
        let key = self.bucket.blob(sha256);
        let at = self.bucket.shown(&key);
        let object = Object::open(self.bucket.clone(), key, ahead);
        let object = object.map_err(|source| BlobError::Read { at, source })?;
        let blob = Blob::open(Box::new(object), sha256)?;
        Ok(match ahead {
            Ahead::End => blob,
            Ahead::Block => blob.read_ahead(),
        })
    }

    fn unsettled(&self, span: Span, take: Take<'_>) -> Result<(), RecoverError> {
        match span {
            Span::Late => self.late(take),
            Span::All => self.all(take),
        }
    }

    /// Each digest has one blob.
    fn remove_second(&self, _kept: &Kept) -> Result<(), RecoverError> {
        Ok(())
    }

    fn trouble(&self) -> Option<Trouble> {
        self.bucket.standing.trouble()
    }

    fn look(&self) {
        let key = self.bucket.key("looked-at");
        for call in self.bucket.standing.failing() {
            let (store, at) = (self.bucket.once.clone(), key.clone());
            let looked = match call {
                Call::Take => self.bucket.ask(call, &key, async move {
                    object_store::ObjectStoreExt::put(&*store, &at, "outrigger".into()).await.map(drop)
                }),
                _ => self.bucket.ask(call, &key, async move {
                    object_store::ObjectStoreExt::head(&*store, &at).await.map(drop)
                }),
            };
            if let Err(error) = looked {
                tracing::debug!(error = &error as &dyn std::error::Error, "the object store was looked at");
            }
        }
    }
}
