//! Every key of the configuration, declared once: the parser reads by these, and the reference is made from them.

mod archive;

pub(crate) use archive::*;

use super::section::Key;

const fn key(
    name: &'static str,
    expects: &'static str,
    default: Option<&'static str>,
    doc: &'static str,
) -> Key {
    Key { name, expects, default, doc }
}

/// One table of the configuration, for the reference.
#[derive(Debug)]
pub(crate) struct Table {
    /// How it is written.
    pub(crate) header: &'static str,
    /// What it is for.
    pub(crate) doc: &'static str,
    /// Its keys.
    pub(crate) keys: &'static [Key],
}

const TABLE: &str = "a table";
const TABLES: &str = "a list of tables";
const AE: &str = "an AE title: 1 to 16 printable ASCII characters, no backslash";
const DURATION: &str = "a duration such as `500ms`, `60s`, `15m`, `72h` or `30d`";
const TIMER: &str = "a duration above zero such as `500ms`, `60s` or `15m`";
const SIZE: &str = "a size above zero such as `512KiB`, `64MiB` or `50GiB`";
const REMOTE: &str = "`host:port`, the port from 1 to 65535";
const CERTIFICATES: &str = "the path of a readable PEM file with certificates";
const PRIVATE_KEY: &str = "the path of a readable PEM file with the private key of the certificate";
const ADDRESS: &str = "an address and port such as `127.0.0.1:11112`; port 0 takes a free one";
const PATH: &str = "a path";

// The file.
pub(crate) const NODE: Key = key("node", TABLE, None, "the node itself");
pub(crate) const LOG: Key = key("log", TABLE, None, "the log");
pub(crate) const ADMIN: Key = key("admin", TABLE, None, "the admin API");
pub(crate) const JOURNAL: Key = key("journal", TABLE, None, "the journal");
pub(crate) const LEDGER: Key = key("ledger", TABLE, None, "the ledger");
pub(crate) const FRONT: Key = key("front", TABLE, None, "the front door");
pub(crate) const MEMBERS: Key = key("members", TABLE, None, "where members answer us");
pub(crate) const MEMBER: Key = key("member", TABLES, None, "the archives behind the front door");
pub(crate) const PEER: Key = key("peer", TABLES, None, "who may call");
pub(crate) const QUERY: Key = key("query", TABLE, None, "answering queries and giving instances");
pub(crate) const INVENTORY: Key =
    key("inventory", TABLE, None, "learning what members held before anything came through this node");
pub(crate) const CROSSCHECK: Key =
    key("crosscheck", TABLE, None, "comparing what members say and give with one another, in idle time");
pub(crate) const VIEWER: Key = key("viewer", TABLE, None, "the viewer that the web door serves at /viewer");
pub(crate) const COMMIT: Key = key("commit", TABLE, None, "storage commitment to modalities");
pub(crate) const AUDIT: Key = key("audit", TABLE, None, "the audit trail");
pub(crate) const ARCHIVE: Key = key("archive", TABLE, None, "the embedded archive");

// [node]
pub(crate) const NODE_NAME: Key = key(
    "name",
    "a name of 1 to 32 letters, digits, `-` or `_`",
    None,
    "name of this node, in status and audit",
);
pub(crate) const NODE_DATA: Key =
    key("data", PATH, None, "directory of this node's own files; locked while the node runs");

// [log]
pub(crate) const LOG_LEVEL: Key = key(
    "level",
    "`error`, `warn`, `info`, `debug` or `trace`",
    Some("info"),
    "how much is logged; no patient data above debug",
);
pub(crate) const LOG_FORMAT: Key =
    key("format", "`text` or `json`", Some("text"), "how a log line is written");

// [admin]
pub(crate) const ADMIN_LISTEN: Key = key(
    "listen",
    "a loopback address and port such as `127.0.0.1:8081`",
    Some("127.0.0.1:8081"),
    "admin API, health and metrics",
);

// [journal]
pub(crate) const RETENTION: Key = key(
    "retention",
    DURATION,
    Some("72h"),
    "how long object bytes stay in the journal after an entry is balanced",
);
pub(crate) const MAX_SIZE: Key = key(
    "max_size",
    SIZE,
    Some("50GiB"),
    "room the journal may use; above 75 % of it bytes verified at a member go early",
);
pub(crate) const RESERVE: Key = key(
    "reserve",
    SIZE,
    Some("1GiB"),
    "room taken at the start, in a file of that size that counts to `max_size`: objects are refused before it is used, and what is owed is finished in it",
);
pub(crate) const SEGMENT_SIZE: Key =
    key("segment_size", SIZE, Some("256MiB"), "size at which a new segment file begins");
pub(crate) const SCRUB: Key = key(
    "scrub",
    DURATION,
    Some("24h"),
    "time between two scrubs, which read journal and ledger again to find damage; `0s`: only when asked for",
);
pub(crate) const SCRUB_RATE: Key = key(
    "scrub_rate",
    SIZE,
    Some("16MiB"),
    "bytes of the journal a scrub reads in a second, a tenth of what a hard disk can: the rest is for stores",
);
pub(crate) const COPY: Key =
    key("copy", TABLES, None, "copies of the journal; an answer waits for every healthy one");
pub(crate) const COPY_ENGINE: Key = key(
    "engine",
    "`log` or `sqlite`",
    Some("log"),
    "how the copy is kept: in segments of frames, or in SQLite with the bytes of objects beside it",
);
pub(crate) const COPY_PATH: Key = key("path", PATH, None, "directory of the copy");

// [ledger]
pub(crate) const LEDGER_URL: Key = key(
    "url",
    "`sqlite:PATH`",
    None,
    "database of ledger and catalogue; default: `ledger.db` in the node's directory",
);

// [[front.dimse]]
pub(crate) const FRONT_DIMSE: Key = key("dimse", TABLES, None, "DICOM listeners");
pub(crate) const FRONT_WEB: Key = key("web", TABLES, None, "DICOMweb listeners");
pub(crate) const FRONT_HL7: Key = key("hl7", TABLES, None, "HL7 listeners");
pub(crate) const LISTEN: Key = key("listen", ADDRESS, None, "where to listen");
pub(crate) const AE_TITLES: Key = key(
    "ae_titles",
    "a list of AE titles, at least one, each of 1 to 16 characters",
    None,
    "called AE titles answered here; the first is ours",
);
pub(crate) const IMPLEMENTATION: Key =
    key("implementation", "`native`", Some("native"), "the DICOM implementation that speaks here");
pub(crate) const ISSUER: Key =
    key("issuer", "a text", None, "default issuer of patient ID for what arrives here");
pub(crate) const MAX_ASSOCIATIONS: Key =
    key("max_associations", "a number from 1 to 20000", Some("200"), "associations open at once, in all");
pub(crate) const MAX_ASSOCIATIONS_PER_PEER: Key = key(
    "max_associations_per_peer",
    "a number from 1 to 20000",
    Some("100"),
    "associations open at once from one address",
);
pub(crate) const MAX_PDU: Key = key(
    "max_pdu",
    "a number from 4096 to 1048576",
    Some("131072"),
    "largest P-DATA-TF PDU we receive, in bytes",
);
pub(crate) const MAX_OBJECT: Key = key("max_object", SIZE, Some("16GiB"), "largest object taken");
pub(crate) const ACCEPT_UNDELIVERABLE: Key = key(
    "accept_undeliverable",
    "`true` or `false`",
    Some("true"),
    "take encodings that no member takes; such objects wait in suspense",
);
pub(crate) const ARTIM: Key = key("artim", TIMER, Some("30s"), "ARTIM timer (PS3.8 section 9.1.5)");
pub(crate) const INACTIVITY: Key =
    key("inactivity", TIMER, Some("60s"), "longest silence in the middle of a message");
pub(crate) const IDLE: Key = key("idle", TIMER, Some("10m"), "longest silence between messages");
pub(crate) const TLS: Key = key("tls", TABLE, None, "TLS on this listener (PS3.15 section B.12)");

// [front.dimse.tls]
pub(crate) const CERTIFICATE_FILE: Key =
    key("certificate_file", CERTIFICATES, None, "certificate chain, PEM");
pub(crate) const KEY_FILE: Key = key("key_file", PRIVATE_KEY, None, "private key, PEM");
pub(crate) const CLIENT_CA_FILE: Key = key(
    "client_ca_file",
    CERTIFICATES,
    None,
    "authorities whose client certificates are demanded, PEM; without it none is",
);

// [[front.web]]
pub(crate) const WEB_SERVER: Key = key(
    "server",
    "`axum` or `actix`",
    Some("axum"),
    "the web server that reads requests: `axum` (hyper) or `actix` (actix-web, on threads of its own), unlike in their code and alike to callers",
);
pub(crate) const TOKENS_FILE: Key = key(
    "tokens_file",
    "the path of a readable file with a line `RIGHT TOKEN` for each token, RIGHT being `read`, `write` or `admin`",
    None,
    "who may call: whoever shows a token of this file; without it, and without client certificates, only loopback may",
);
pub(crate) const WEB_HOSTS: Key = key(
    "hosts",
    "a list of networks such as `10.0.0.0/24`, or of addresses",
    None,
    "where calls may come from; default anywhere. It only narrows: a token or a certificate is needed all the same",
);
pub(crate) const CORS_ORIGINS: Key = key(
    "cors_origins",
    "a list of origins such as `https://viewer.example`, or `*`",
    None,
    "web pages that may read answers (CORS); default none beside our own",
);
pub(crate) const WEB_URL: Key = key(
    "url",
    "a URL such as `https://pacs.example/dicomweb`",
    None,
    "the URL of the service where a proxy stands before it, for the URLs in answers; default as the caller says",
);
pub(crate) const MAX_CONNECTIONS: Key = key(
    "max_connections",
    "a number from 1 to 20000",
    Some("400"),
    "connections at once; one beyond is answered 503",
);
pub(crate) const MAX_CONNECTIONS_PER_PEER: Key = key(
    "max_connections_per_peer",
    "a number from 1 to 20000",
    Some("200"),
    "connections at once from one address",
);
pub(crate) const MAX_REQUEST: Key =
    key("max_request", SIZE, Some("64GiB"), "largest store request taken, in all its objects");
pub(crate) const WEB_IDLE: Key = key(
    "idle",
    TIMER,
    Some("60s"),
    "longest wait for a request, from the one before it to the end of its head",
);
pub(crate) const WEB_TLS: Key = key("tls", TABLE, None, "TLS on this listener (PS3.15 section B.12)");

// [members]
pub(crate) const MEMBERS_AE: Key = key("ae_title", AE, Some("OUTRIGGER_M"), "our AE title toward members");
pub(crate) const MEMBERS_LISTEN: Key = key(
    "listen",
    ADDRESS,
    Some("0.0.0.0:11113"),
    "where members answer: N-EVENT-REPORT, C-MOVE sub-operations",
);

// [query]
pub(crate) const QUERY_SOURCE: Key = key(
    "source",
    "`members`, `all` or `catalogue`",
    Some("members"),
    "who answers queries beside the catalogue: the preferred member that is up and owes nothing, with those that are not \
     inventoried yet; all members; or none",
);
pub(crate) const QUERY_TIMEOUT: Key = key(
    "timeout",
    TIMER,
    Some("2s"),
    "longest wait for a member that is to answer a query or give an instance, before it is done without",
);

// [inventory]
pub(crate) const INVENTORY_ENABLED: Key = key(
    "enabled",
    "`true` or `false`",
    Some("true"),
    "whether members are asked what they hold, so that priors are found and given; they are only read",
);
pub(crate) const INVENTORY_RATE: Key =
    key("rate", "a number from 1 to 1000", Some("10"), "queries a second to each member, at most");
pub(crate) const INVENTORY_EVERY: Key = key(
    "every",
    TIMER,
    Some("24h"),
    "time from the beginning of one inventory of a member to that of the next",
);

// [crosscheck]
pub(crate) const CROSSCHECK_ENABLED: Key = key(
    "enabled",
    "`true` or `false`",
    Some("true"),
    "whether members are asked the same and copies of theirs compared; they are only read",
);
pub(crate) const CROSSCHECK_RATE: Key =
    key("rate", "a number from 1 to 1000", Some("5"), "questions a second to all members together, at most");
pub(crate) const CROSSCHECK_BANDWIDTH: Key = key(
    "bandwidth",
    SIZE,
    Some("4MiB"),
    "bytes of instances read from all members together in a second, on average",
);
pub(crate) const CROSSCHECK_SAMPLE: Key = key(
    "sample",
    "a number from 1 to 100",
    Some("2"),
    "of a hundred instances so many are read from every member that has them in one round, of each study at least one; all come round",
);
pub(crate) const CROSSCHECK_EVERY: Key = key(
    "every",
    TIMER,
    Some("24h"),
    "time from the beginning of one round through all studies to that of the next, at least",
);
pub(crate) const CROSSCHECK_AGAIN: Key =
    key("again", TIMER, Some("1h"), "how soon a study of which differences stand open is looked at again");
pub(crate) const CROSSCHECK_IDLE: Key = key(
    "idle",
    DURATION,
    Some("2s"),
    "how long the node must have stored, delivered, answered and given nothing before a question is asked; `0s`: it never waits",
);

// [[member]]
pub(crate) const MEMBER_NAME: Key = key(
    "name",
    "a name of 1 to 32 letters, digits, `-` or `_`",
    None,
    "the member's name; it owns the member's permanent number",
);
pub(crate) const REQUIRED: Key = key(
    "required",
    "`true` or `false`",
    Some("true"),
    "whether the books wait for it and bytes are kept until it has them",
);
pub(crate) const PREFERENCE: Key = key(
    "preference",
    "a number from 1 to 99",
    Some("50"),
    "the lowest is preferred for verification and queries",
);
pub(crate) const CONFIRM: Key = key(
    "confirm",
    "`accepted`, `present`, `committed` or `verified`",
    Some("present"),
    "how surely it must have an object before the posting closes; `verified` where it is left out and `commit.policy` asks for two members or more",
);
pub(crate) const MEMBER_ISSUER: Key = key(
    "issuer",
    "a text",
    None,
    "issuer of patient ID that holds for what the member held before, where it names none",
);
pub(crate) const CONNECTIONS: Key =
    key("connections", "a number from 1 to 32", Some("4"), "associations to it at once");
pub(crate) const SETTLE: Key = key(
    "settle",
    DURATION,
    Some("60s"),
    "how long after an accepted store the first confirmation is asked for",
);
pub(crate) const CALLING_AE: Key =
    key("calling_ae", "`own`, `preserve` or an AE title", Some("own"), "the AE title it is called with");
pub(crate) const HOLDS: Key = key("holds", TABLE, None, "what it wants; all else is not wanted there");
pub(crate) const HOLDS_MODALITIES: Key =
    key("modalities", "a list of modalities, or `*`", None, "modalities it wants; default all");
pub(crate) const HOLDS_NEWER_THAN: Key = key(
    "newer_than",
    "a duration above zero such as `3650d`, or empty",
    Some(""),
    "only studies younger than this; default all",
);
pub(crate) const STACK: Key = key("stack", TABLE, None, "its declared layers");
pub(crate) const STACK_OS: Key = key("os", "a text", None, "its operating system");
pub(crate) const STACK_DATABASE: Key = key("database", "a text", None, "its database");
pub(crate) const STACK_DICOM: Key = key("dicom", "a text", None, "its DICOM implementation");
pub(crate) const STACK_HARDWARE: Key = key("hardware", "a text", None, "its hardware");
pub(crate) const STACK_WEB: Key = key("web", "a text", None, "its web or application server");
pub(crate) const STATUS_RULES: Key = key(
    "status_rules",
    "the path of a readable TOML file of statuses and their classes",
    None,
    "statuses this member uses in its own way: a TOML file of lines such as `A7xx = \"retry-later\"`",
);
pub(crate) const ROUTE: Key = key("route", TABLES, None, "ways to reach it, in order of preference");

// [[member.route]]
pub(crate) const PROTOCOL: Key = key(
    "protocol",
    "`dimse`, `dicomweb` or `orthanc`",
    None,
    "what is spoken: DIMSE, DICOMweb, or Orthanc's REST interface",
);
pub(crate) const ROUTE_ADDRESS: Key = key("address", REMOTE, None, "where it listens");
pub(crate) const ROUTE_URL: Key = key(
    "url",
    "a URL such as `https://pacs:8443/dicom-web`",
    None,
    "of `dicomweb` and `orthanc`, in the place of `address` and `ae_title`: the root of its services; `${env:NAME}` and `${file:PATH}` are replaced",
);
pub(crate) const TOKEN_FILE: Key = key(
    "token_file",
    "the path of a readable file with a token",
    None,
    "of `dicomweb` and `orthanc`: the bearer token that is shown",
);
pub(crate) const ROUTE_AE: Key = key("ae_title", AE, None, "its AE title");
pub(crate) const ROUTE_TLS: Key =
    key("tls", "`true` or `false`", Some("false"), "whether it is spoken to over TLS");
pub(crate) const CA_FILE: Key = key(
    "ca_file",
    CERTIFICATES,
    None,
    "authorities its certificate is checked against, PEM; needed with TLS, but for an `https` URL, where those of the system count without it",
);
pub(crate) const SERVER_NAME: Key = key(
    "server_name",
    "a host name or address",
    None,
    "the name its certificate must carry; default: its host",
);
pub(crate) const RESPONSE_TIMEOUT: Key = key(
    "response_timeout",
    TIMER,
    Some("60s"),
    "longest wait for its answer to a store or an echo, and, up to 30s, to the request for an association",
);
pub(crate) const READ_BACK: Key = key(
    "read_back",
    "`get` or `move`",
    Some("get"),
    "how objects are read back: C-GET, or C-MOVE to our members' listener",
);

// [commit]
pub(crate) const COMMIT_POLICY: Key = key(
    "policy",
    "`all`, `journal+N` or `N`, N being a number of members",
    Some("journal+1"),
    "who must have an object before it is committed: all required members; the journal, and N members that gave it back unaltered; N members that committed to it or gave it back",
);
pub(crate) const COMMIT_WAIT: Key = key(
    "wait",
    TIMER,
    Some("24h"),
    "how long a request waits for objects not yet here and for members, before they count as failed",
);

// [[peer]]
pub(crate) const PEER_AE: Key = key("ae_title", AE, None, "the AE title it calls with");
pub(crate) const PEER_HOSTS: Key = key(
    "hosts",
    "a list of addresses or networks such as `10.0.0.0/24`",
    None,
    "where it calls from; default anywhere",
);
pub(crate) const PEER_ADDRESS: Key = key("address", REMOTE, None, "where we call it: C-MOVE destination");
pub(crate) const PEER_COMMIT_ADDRESS: Key =
    key("commit_address", REMOTE, None, "where storage commitment results go, if elsewhere");
pub(crate) const PEER_ALLOW: Key = key(
    "allow",
    "a list of `store`, `find`, `move`, `get`, `commit`, `worklist`, `mpps`",
    None,
    "what it may do; default store, find, move, get and commit; `worklist` and `mpps` are taken, and nothing here serves \
     them yet",
);
pub(crate) const PEER_ISSUER: Key =
    key("issuer", "a text", None, "default issuer of patient ID for what it sends");
pub(crate) const PEER_INCOMPLETE: Key = key(
    "incomplete",
    "`warn` or `fail`",
    Some("warn"),
    "how an answer to its query ends that may lack something, because a member whose content is not known did not answer: \
     success with an error comment, or a failure (A700) after the matches; many viewers throw all matches away then",
);

// [audit]
pub(crate) const AUDIT_FILE: Key = key(
    "file",
    PATH,
    None,
    "local audit file, one DICOM audit message a line; default `audit.log` in the node's directory",
);
pub(crate) const AUDIT_SYSLOG: Key = key(
    "syslog",
    "`tls://host:port`, `tcp://host:port`, `udp://host:port` or `host:port` (TCP), the port from 1 to 65535",
    None,
    "syslog collector (RFC 5424) over TLS (RFC 5425), TCP (RFC 6587) or UDP (RFC 5426)",
);

// [viewer]
pub(crate) const VIEWER_FILES: Key = key(
    "files",
    PATH,
    Some("/usr/share/outrigger/viewer"),
    "directory of the viewer's built files, as `scripts/viewer` installs them; without them no viewer is served",
);

/// Every table, in the order of the reference.
#[rustfmt::skip]
pub(crate) const TABLES_ALL: &[Table] = &[
    Table { header: "[node]", doc: NODE.doc, keys: &[NODE_NAME, NODE_DATA] },
    Table { header: "[log]", doc: LOG.doc, keys: &[LOG_LEVEL, LOG_FORMAT] },
    Table { header: "[admin]", doc: ADMIN.doc, keys: &[ADMIN_LISTEN] },
    Table { header: "[journal]", doc: JOURNAL.doc, keys: &[
        RETENTION, MAX_SIZE, RESERVE, SEGMENT_SIZE, SCRUB, SCRUB_RATE,
    ] },
    Table { header: "[[journal.copy]]", doc: COPY.doc, keys: &[COPY_ENGINE, COPY_PATH] },
    Table { header: "[ledger]", doc: LEDGER.doc, keys: &[LEDGER_URL] },
    Table { header: "[[front.dimse]]", doc: FRONT_DIMSE.doc, keys: &[
        LISTEN, AE_TITLES, IMPLEMENTATION, ISSUER, MAX_ASSOCIATIONS, MAX_ASSOCIATIONS_PER_PEER, MAX_PDU, MAX_OBJECT,
        ACCEPT_UNDELIVERABLE, ARTIM, INACTIVITY, IDLE,
    ] },
    Table { header: "[front.dimse.tls]", doc: TLS.doc, keys: &[CERTIFICATE_FILE, KEY_FILE, CLIENT_CA_FILE] },
    Table { header: "[[front.web]]", doc: FRONT_WEB.doc, keys: &[
        LISTEN, WEB_SERVER, TOKENS_FILE, WEB_HOSTS, CORS_ORIGINS, WEB_URL, ISSUER, MAX_CONNECTIONS,
        MAX_CONNECTIONS_PER_PEER, MAX_OBJECT, MAX_REQUEST, WEB_IDLE, INACTIVITY,
    ] },
    Table { header: "[front.web.tls]", doc: WEB_TLS.doc, keys: &[CERTIFICATE_FILE, KEY_FILE, CLIENT_CA_FILE] },
    Table { header: "[viewer]", doc: VIEWER.doc, keys: &[VIEWER_FILES] },
    Table { header: "[members]", doc: MEMBERS.doc, keys: &[MEMBERS_LISTEN, MEMBERS_AE] },
    Table { header: "[query]", doc: QUERY.doc, keys: &[QUERY_SOURCE, QUERY_TIMEOUT] },
    Table { header: "[commit]", doc: COMMIT.doc, keys: &[COMMIT_POLICY, COMMIT_WAIT] },
    Table { header: "[inventory]", doc: INVENTORY.doc, keys: &[INVENTORY_ENABLED, INVENTORY_RATE, INVENTORY_EVERY] },
    Table { header: "[crosscheck]", doc: CROSSCHECK.doc, keys: &[
        CROSSCHECK_ENABLED, CROSSCHECK_RATE, CROSSCHECK_BANDWIDTH, CROSSCHECK_SAMPLE, CROSSCHECK_EVERY, CROSSCHECK_AGAIN,
        CROSSCHECK_IDLE,
    ] },
    Table { header: "[[member]]", doc: MEMBER.doc, keys: &[
        MEMBER_NAME, REQUIRED, PREFERENCE, CONFIRM, CONNECTIONS, SETTLE, CALLING_AE, MEMBER_ISSUER, STATUS_RULES,
    ] },
    Table { header: "[member.holds]", doc: HOLDS.doc, keys: &[HOLDS_MODALITIES, HOLDS_NEWER_THAN] },
    Table { header: "[member.stack]", doc: STACK.doc, keys: &[
        STACK_OS, STACK_DATABASE, STACK_DICOM, STACK_HARDWARE, STACK_WEB,
    ] },
    Table { header: "[[member.route]]", doc: ROUTE.doc, keys: &[
        PROTOCOL, ROUTE_ADDRESS, ROUTE_AE, ROUTE_URL, TOKEN_FILE, IMPLEMENTATION, ROUTE_TLS, CA_FILE, SERVER_NAME, CERTIFICATE_FILE,
        KEY_FILE, RESPONSE_TIMEOUT, READ_BACK,
    ] },
    Table { header: "[[peer]]", doc: PEER.doc, keys: &[
        PEER_AE, PEER_HOSTS, PEER_ADDRESS, PEER_COMMIT_ADDRESS, PEER_ALLOW, PEER_ISSUER,
        PEER_INCOMPLETE,
    ] },
    Table { header: "[audit]", doc: AUDIT.doc, keys: &[
        AUDIT_FILE, AUDIT_SYSLOG, CA_FILE, SERVER_NAME, CERTIFICATE_FILE, KEY_FILE,
    ] },
    Table { header: "[archive]", doc: ARCHIVE.doc, keys: &[
        ARCHIVE_BLOBS, ARCHIVE_CATALOGUE, ARCHIVE_SCRUB, ARCHIVE_SCRUB_RATE,
    ] },
    Table { header: "[archive.s3]", doc: ARCHIVE_S3.doc, keys: &[
        S3_URL, S3_REGION, S3_PATH_STYLE, S3_PLAIN_HTTP, S3_ACCESS_KEY_FILE, S3_ACCESS_KEY_ENV, S3_SECRET_KEY_FILE,
        S3_SECRET_KEY_ENV, S3_TIMEOUT, S3_RETRY_FOR, CA_FILE, SERVER_NAME, CERTIFICATE_FILE, KEY_FILE,
    ] },
];
