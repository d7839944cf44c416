//! An archive over a real S3 server, with a relay between them that fails as the tests say.

mod proxy;
mod reading;
mod starting;
mod storing;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use outrigger_archive::{Archive, Keeper, S3Credentials, S3Options, Secret};
use outrigger_runtime::RealDisk;
use outrigger_sim::peers::Moto;
use tempfile::TempDir;

use self::proxy::Proxy;
use crate::setup::{Object, sqlite, try_open_keeping};

/// A server, the relay before it and a directory for the archive.
struct Rig {
    moto: Moto,
    proxy: Proxy,
    directory: TempDir,
}

impl Rig {
    async fn start() -> Self {
        let moto = Moto::start().await.unwrap();
        let proxy = Proxy::start(moto.port()).await;
        Self { moto, proxy, directory: tempfile::tempdir().unwrap() }
    }

    fn options(&self) -> S3Options {
        options(self.proxy.port())
    }

    async fn open(&self) -> Archive {
        self.open_with(&sqlite(self.directory.path())).await
    }

    async fn open_with(&self, catalogue: &str) -> Archive {
        open(self.directory.path(), catalogue, self.options()).await
    }

    fn keeping_below(&self, prefix: &str) -> Keeper {
        Keeper::S3(Box::new(S3Options { prefix: prefix.to_owned(), ..self.options() }))
    }

    /// What the server keeps for an object, by a client that checks nothing, through a port.
    fn kept_through(port: u16, object: Object) -> Option<Vec<u8>> {
        let url = format!("http://127.0.0.1:{port}/{}/site/blobs/{}", Moto::BUCKET, object.sha256());
        // A signature is not checked, but one must be there.
        let mut answer = ureq::get(url).header("Authorization", "AWS a:b").call().ok()?;
        answer.body_mut().with_config().limit(1 << 30).read_to_vec().ok()
    }
}

async fn open(directory: &Path, catalogue: &str, options: S3Options) -> Archive {
    let keeper = Keeper::S3(Box::new(options));
    try_open_keeping(directory, catalogue, Arc::new(RealDisk), keeper).await.unwrap()
}

/// A client that is patient for seconds, so that tests are short.
fn options(port: u16) -> S3Options {
    S3Options {
        bucket: Moto::BUCKET.to_owned(),
        prefix: "site".to_owned(),
        endpoint: format!("http://127.0.0.1:{port}"),
        region: "eu-central-1".to_owned(),
        path_style: true,
        credentials: S3Credentials {
            access_key: Secret::new("AKIAEXAMPLE"),
            secret_key: Secret::new("not-to-be-seen"),
        },
        tls: None,
        timeout: Duration::from_secs(2),
        retry_for: Duration::from_secs(1),
    }
}
