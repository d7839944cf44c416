//! The few calls of Orthanc's REST interface that tests look through.

use outrigger_dataset::part10;
use outrigger_model::{Sha256Digest, SopInstanceUid};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::PeerError;

/// Largest answer read, in bytes: the largest sample object has 6 MB, phantoms up to 500 MB.
const ANSWER_BYTES_MAX: u64 = 600 * 1024 * 1024;

/// An instance as Orthanc holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OrthancInstance {
    /// Orthanc's own id.
    pub id: String,
    /// SOP Instance UID.
    pub sop_instance: SopInstanceUid,
}

/// Orthanc's REST interface.
#[derive(Debug, Clone)]
pub struct OrthancRest {
    http_port: u16,
}

impl OrthancRest {
    pub(crate) fn new(http_port: u16) -> Self {
        Self { http_port }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.http_port)
    }

    /// How many instances its index holds.
    pub async fn count(&self) -> Result<u64, PeerError> {
        let answer = self.json("/statistics").await?;
        answer.get("CountInstances").and_then(Value::as_u64).ok_or_else(|| PeerError::Answer {
            url: self.url("/statistics"),
            expected: "a number CountInstances",
        })
    }

    /// The instances that its index holds.
    pub async fn instances(&self) -> Result<Vec<OrthancInstance>, PeerError> {
        let path = "/instances?expand";
        let answer = self.json(path).await?;
        let unexpected =
            || PeerError::Answer { url: self.url(path), expected: "instances with their identity" };
        let instance = |entry: &Value| {
            let id = entry.get("ID")?.as_str()?.to_owned();
            let uid = entry.get("MainDicomTags")?.get("SOPInstanceUID")?.as_str()?;
            Some(OrthancInstance { id, sop_instance: SopInstanceUid::new(uid).ok()? })
        };
        let entries = answer.as_array().ok_or_else(unexpected)?;
        entries.iter().map(instance).collect::<Option<_>>().ok_or_else(unexpected)
    }

    /// The file of an instance.
    pub async fn file(&self, instance: &OrthancInstance) -> Result<Vec<u8>, PeerError> {
        self.get(&format!("/instances/{}/file", instance.id)).await
    }

    /// Every instance with the digest of its data set as Orthanc keeps it, in order of SOP Instance UID.
    pub async fn digests(&self) -> Result<Vec<(SopInstanceUid, Sha256Digest)>, PeerError> {
        let mut digests = Vec::new();
        for instance in self.instances().await? {
            let file = self.file(&instance).await?;
            let parts = part10::parts(&file).ok_or_else(|| PeerError::Answer {
                url: self.url(&format!("/instances/{}/file", instance.id)),
                expected: "a DICOM file",
            })?;
            digests.push((instance.sop_instance, Sha256Digest(Sha256::digest(parts.data_set).into())));
        }
        digests.sort();
        Ok(digests)
    }

    /// Removes an instance, as somebody at the archive would.
    pub async fn delete(&self, instance: &OrthancInstance) -> Result<(), PeerError> {
        let url = self.url(&format!("/instances/{}", instance.id));
        blocking(url, |url| ureq::delete(url).call()).await.map(|_| ())
    }

    /// The body of an answer.
    pub async fn get(&self, path: &str) -> Result<Vec<u8>, PeerError> {
        blocking(self.url(path), |url| ureq::get(url).call()).await
    }

    /// The body of an answer, as JSON.
    pub async fn json(&self, path: &str) -> Result<Value, PeerError> {
        let body = self.get(path).await?;
        serde_json::from_slice(&body).map_err(|_| PeerError::Answer { url: self.url(path), expected: "JSON" })
    }
}

type Response = ureq::http::Response<ureq::Body>;

/// The client blocks: it gets a thread that may.
async fn blocking(
    url: String,
    call: impl FnOnce(&str) -> Result<Response, ureq::Error> + Send + 'static,
) -> Result<Vec<u8>, PeerError> {
    let answered = tokio::task::spawn_blocking(move || {
        let body = call(&url)
            .and_then(|mut response| response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_to_vec());
        body.map_err(|source| PeerError::Http { url, source: Box::new(source) })
    });
    answered.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
