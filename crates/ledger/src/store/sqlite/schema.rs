//! The tables.

use rusqlite::Connection;

/// The version of the tables; a database with a higher one is refused.
pub(super) const FORMAT: u32 = 1;

/// The tables whose rows are sealed, each with its number of columns.
pub(super) const SEALED: [(&str, usize); 20] = [
    ("books", 5),
    ("member", 11),
    ("entry", 27),
    ("posting", 12),
    ("lane", 7),
    ("closing", 4),
    ("healing", 6),
    ("peer", 4),
    ("attempt", 6),
    ("finding", 6),
    ("refusal", 6),
    ("write_off", 6),
    ("copy", 6),
    ("commitment", 5),
    ("inventory", 9),
    ("sighting", 7),
    ("shortfall", 4),
    ("promise", 7),
    ("promised", 4),
    ("pin", 3),
];

/// Each row ends in `seal`, the CRC-32C of the other columns; sets of members are masks of 64 bits.
///
/// Postings lie in the order in which they are worked on: by member, study and stage. `open` of an entry are the members whose
/// posting is open.
const TABLES: &str = "
CREATE TABLE IF NOT EXISTS books (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    journal BLOB NOT NULL,
    applied INTEGER NOT NULL,
    entries INTEGER NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS member (
    number INTEGER PRIMARY KEY,
    name TEXT NOT NULL UNIQUE,
    state INTEGER NOT NULL,
    accepted INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    pending INTEGER NOT NULL,
    suspense INTEGER NOT NULL,
    superseded INTEGER NOT NULL,
    not_wanted INTEGER NOT NULL,
    written_off INTEGER NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS entry (
    seq INTEGER PRIMARY KEY,
    at INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    sop_class TEXT NOT NULL,
    sop_instance TEXT NOT NULL,
    study TEXT,
    series TEXT,
    transfer_syntax TEXT NOT NULL,
    sha256 BLOB NOT NULL,
    length INTEGER NOT NULL,
    calling_ae TEXT NOT NULL,
    balanced_at INTEGER,
    relation INTEGER NOT NULL,
    earlier INTEGER NOT NULL,
    released INTEGER NOT NULL,
    wanted INTEGER NOT NULL,
    origin INTEGER NOT NULL,
    confirmed INTEGER NOT NULL,
    present INTEGER NOT NULL,
    committed INTEGER NOT NULL,
    verified INTEGER NOT NULL,
    suspense INTEGER NOT NULL,
    superseded INTEGER NOT NULL,
    written_off INTEGER NOT NULL,
    healed INTEGER NOT NULL,
    open INTEGER NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entry_verified ON entry (seq) WHERE released = 0 AND verified <> 0;
CREATE INDEX IF NOT EXISTS entry_balanced ON entry (balanced_at) WHERE released = 0 AND open = 0 AND verified <> 0;
CREATE TABLE IF NOT EXISTS posting (
    member INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    stage INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    attempts INTEGER NOT NULL,
    healed INTEGER NOT NULL,
    reason TEXT,
    status INTEGER,
    text TEXT,
    since INTEGER,
    seal INTEGER NOT NULL,
    PRIMARY KEY (member, lane, stage, entry)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS posting_waiting ON posting (member, stage, not_before, entry) WHERE stage > 0;
CREATE TABLE IF NOT EXISTS lane (
    member INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    untried INTEGER NOT NULL,
    newest INTEGER NOT NULL,
    newest_at INTEGER NOT NULL,
    expedited INTEGER NOT NULL,
    seal INTEGER NOT NULL,
    PRIMARY KEY (member, lane)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS lane_order ON lane (member, expedited, newest_at, newest);
CREATE TABLE IF NOT EXISTS closing (
    at INTEGER NOT NULL,
    member INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    seal INTEGER NOT NULL,
    PRIMARY KEY (at, member, entry)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS peer (
    ae_title TEXT PRIMARY KEY,
    last_seen INTEGER NOT NULL,
    objects INTEGER NOT NULL,
    seal INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS attempt (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER,
    member INTEGER,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS attempt_by_entry ON attempt (entry) WHERE entry IS NOT NULL;
CREATE TABLE IF NOT EXISTS finding (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER,
    member INTEGER,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS finding_by_entry ON finding (entry) WHERE entry IS NOT NULL;
CREATE TABLE IF NOT EXISTS refusal (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER,
    member INTEGER,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS refusal_by_entry ON refusal (entry) WHERE entry IS NOT NULL;
CREATE TABLE IF NOT EXISTS commitment (
    txn TEXT PRIMARY KEY,
    member INTEGER NOT NULL,
    at INTEGER NOT NULL,
    entries TEXT NOT NULL,
    seal INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
";

/// Tables and indexes that came later: they are made in a database that lacks them, as what they hold begins with the first row.
const TABLES_SINCE: &str = "
CREATE TABLE IF NOT EXISTS healing (
    member INTEGER NOT NULL,
    lane INTEGER NOT NULL,
    entry INTEGER NOT NULL,
    times INTEGER NOT NULL,
    at INTEGER NOT NULL,
    seal INTEGER NOT NULL,
    PRIMARY KEY (member, lane, entry)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS write_off (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER,
    member INTEGER,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS copy (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    entry INTEGER,
    member INTEGER,
    at INTEGER NOT NULL,
    body TEXT NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS inventory (
    member INTEGER PRIMARY KEY,
    began_at INTEGER,
    studies INTEGER NOT NULL,
    instances INTEGER NOT NULL,
    unlisted INTEGER NOT NULL,
    complete_began_at INTEGER,
    complete_ended_at INTEGER,
    progress TEXT NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS sighting (
    study TEXT NOT NULL,
    member INTEGER NOT NULL,
    first_seen INTEGER NOT NULL,
    last_seen INTEGER NOT NULL,
    instances INTEGER NOT NULL,
    identities BLOB NOT NULL,
    seal INTEGER NOT NULL,
    PRIMARY KEY (study, member)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shortfall (
    study TEXT NOT NULL,
    member INTEGER NOT NULL,
    says INTEGER NOT NULL,
    seal INTEGER NOT NULL,
    PRIMARY KEY (study, member)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS promise (
    txn TEXT PRIMARY KEY,
    requestor TEXT NOT NULL,
    at INTEGER NOT NULL,
    decided_at INTEGER,
    attempts INTEGER NOT NULL,
    not_before INTEGER NOT NULL,
    seal INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS promised (
    txn TEXT PRIMARY KEY,
    called TEXT NOT NULL,
    body TEXT NOT NULL,
    seal INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS pin (
    sop_instance TEXT NOT NULL,
    txn TEXT NOT NULL,
    seal INTEGER NOT NULL,
    PRIMARY KEY (sop_instance, txn)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS copy_by_entry ON copy (entry) WHERE entry IS NOT NULL;
CREATE INDEX IF NOT EXISTS write_off_by_entry ON write_off (entry) WHERE entry IS NOT NULL;
CREATE INDEX IF NOT EXISTS entry_repeats ON entry (seq) WHERE released = 0 AND relation = 1;
DROP INDEX IF EXISTS entry_unverified;
CREATE INDEX IF NOT EXISTS entry_unread ON entry (seq) WHERE released = 0 AND verified = 0 AND confirmed <> 0;
CREATE INDEX IF NOT EXISTS entry_unshown ON entry (balanced_at, seq) WHERE released = 0 AND open = 0 AND confirmed & ~(present | origin) <> 0;
";

/// Makes the tables where they are missing and gives the version found.
pub(super) fn prepare(connection: &Connection) -> rusqlite::Result<u32> {
    let found: u32 = connection.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if found == 0 {
        connection.execute_batch(TABLES)?;
        connection.pragma_update(None, "user_version", FORMAT)?;
    }
    if found <= FORMAT {
        connection.execute_batch(TABLES_SINCE)?;
    }
    Ok(found.max(FORMAT))
}
