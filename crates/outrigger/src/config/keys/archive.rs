//! The keys of an embedded archive.

use super::{DURATION, Key, SIZE, TABLE, TIMER, key};

// [archive]
pub(crate) const ARCHIVE_BLOBS: Key =
    key("blobs", "`file:DIRECTORY` or `s3://BUCKET/PREFIX`", None, "where object bytes are kept");
pub(crate) const ARCHIVE_CATALOGUE: Key = key(
    "catalogue",
    "`sqlite:PATH`, `redb:PATH`, or `postgres://` or `mysql://` with `USER:PASSWORD@HOST:PORT/DATABASE`",
    None,
    "the database of the archive's catalogue: SQLite, redb, PostgreSQL or MariaDB; into a server's URL `${env:NAME}` and `${file:PATH}` are put",
);

pub(crate) const ARCHIVE_SCRUB: Key = key(
    "scrub",
    DURATION,
    Some("30d"),
    "time between two scrubs, which read every object again to find damage; `0s`: only when asked for",
);
pub(crate) const ARCHIVE_SCRUB_RATE: Key = key(
    "scrub_rate",
    SIZE,
    Some("16MiB"),
    "bytes of objects a scrub reads in a second: some 40 TB a month, and a tenth of what a hard disk can",
);
pub(crate) const ARCHIVE_S3: Key = key("s3", TABLE, None, "the object store, where `blobs` names one");

// [archive.s3]
pub(crate) const S3_URL: Key = key(
    "url",
    "a URL such as `https://s3.example:9000`",
    None,
    "the S3-compatible server; default AWS in the region. `http` only on loopback, or with `plain_http`",
);
pub(crate) const S3_REGION: Key =
    key("region", "a text", Some("us-east-1"), "the region that requests are signed for");
pub(crate) const S3_PATH_STYLE: Key = key(
    "path_style",
    "`true` or `false`",
    Some("true"),
    "whether the bucket stands in the path of a request, or else before the host name",
);
pub(crate) const S3_PLAIN_HTTP: Key = key(
    "plain_http",
    "`true` or `false`",
    Some("false"),
    "allow `http` beyond loopback: patients' data is then sent without TLS",
);
pub(crate) const S3_ACCESS_KEY_FILE: Key = key(
    "access_key_file",
    "the path of a readable file with the access key ID",
    None,
    "who calls: access key ID",
);
pub(crate) const S3_ACCESS_KEY_ENV: Key = key(
    "access_key_env",
    "the name of an environment variable with the access key ID",
    None,
    "the same from the environment",
);
pub(crate) const S3_SECRET_KEY_FILE: Key = key(
    "secret_key_file",
    "the path of a readable file with the secret access key",
    None,
    "who calls: secret access key",
);
pub(crate) const S3_SECRET_KEY_ENV: Key = key(
    "secret_key_env",
    "the name of an environment variable with the secret access key",
    None,
    "the same from the environment",
);
pub(crate) const S3_TIMEOUT: Key =
    key("timeout", TIMER, Some("30s"), "longest wait for one request of at most 8 MiB and its answer");
pub(crate) const S3_RETRY_FOR: Key = key(
    "retry_for",
    DURATION,
    Some("45s"),
    "how long a request that fails is tried again, at most 8 times, before the object is refused for now",
);
