//! The contract over database servers, and what only they have: real ones, each of one test, with databases unlike each other.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};

use outrigger_catalogue::{Catalogue, CatalogueError, Counts, OpenError, ServerTrouble, open};
use outrigger_model::{Level, Tag};
use outrigger_sim::peers::DatabaseServer;
use tokio::runtime::Runtime;

use crate::made::{instance, with};
use crate::{contract, edits, inherited, states};

/// What the tests of this process run over, where it is a server.
static SERVER: OnceLock<(Runtime, DatabaseServer)> = OnceLock::new();
static DATABASES: AtomicUsize = AtomicUsize::new(0);

/// How databases of PostgreSQL are made: with collations and encodings that compare and hold text in their own ways.
const POSTGRES_KINDS: [&str; 4] = [
    "ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
    "ENCODING 'UTF8' LOCALE_PROVIDER icu ICU_LOCALE 'en-US' LC_COLLATE 'C' LC_CTYPE 'C'",
    "ENCODING 'LATIN1' LC_COLLATE 'C' LC_CTYPE 'C'",
    "ENCODING 'SQL_ASCII' LC_COLLATE 'C' LC_CTYPE 'C'",
];
/// The same of MariaDB.
const MARIADB_KINDS: [&str; 4] = [
    "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
    "CHARACTER SET latin1 COLLATE latin1_swedish_ci",
    "CHARACTER SET utf8mb4 COLLATE utf8mb4_german2_ci",
    "CHARACTER SET ucs2 COLLATE ucs2_general_ci",
];

/// A new, empty database of the server that was given, if one was.
pub(crate) fn new_database() -> Option<String> {
    let (runtime, server) = SERVER.get()?;
    let number = DATABASES.fetch_add(1, Ordering::Relaxed);
    let name = format!("archive{number}");
    let words = match server {
        DatabaseServer::Postgres(_) => POSTGRES_KINDS[number % POSTGRES_KINDS.len()],
        DatabaseServer::MariaDb(_) => MARIADB_KINDS[number % MARIADB_KINDS.len()],
    };
    runtime.block_on(server.make(&name, words)).unwrap();
    Some(server.url(&name))
}

fn given(start: impl AsyncFnOnce() -> DatabaseServer) -> &'static (Runtime, DatabaseServer) {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(start());
    assert!(SERVER.set((runtime, server)).is_ok(), "one server a process");
    SERVER.get().unwrap()
}

fn given_postgres() -> &'static (Runtime, DatabaseServer) {
    given(async || DatabaseServer::postgres(&[]).await.unwrap())
}

fn given_mariadb() -> &'static (Runtime, DatabaseServer) {
    given(async || DatabaseServer::mariadb(&[]).await.unwrap())
}

/// Every test of the contract, each in a database of its own, and those about text in every kind of them.
fn keeps_the_contract() {
    for (all, others, source) in [
        (contract::ALL, contract::OTHERS, include_str!("contract.rs")),
        (inherited::ALL, 0, include_str!("inherited.rs")),
        (states::ALL, states::OTHERS, include_str!("states.rs")),
        (edits::ALL, edits::OTHERS, include_str!("edits.rs")),
    ] {
        assert_eq!(source.matches("#[test]").count(), all.len() + others, "a test is missing in the list");
        for test in all {
            test();
        }
    }
    for _ in MARIADB_KINDS {
        contract::queries_at_four_levels();
        contract::words_of_other_languages_are_only_values();
        DATABASES.fetch_add(1, Ordering::Relaxed);
    }
}

/// What a server is asked to keep goes in and out as bytes, and comes back after opening again with the same numbers.
fn keeps_what_was_put(server: &DatabaseServer) {
    let url = new_database().unwrap();
    let odd =
        [(Tag::PATIENT_NAME, "\u{1F600}^\u{0}\u{7f}=\u{5C71}"), (Tag::PATIENT_ID, &"\u{E9}".repeat(400))];
    let instances = [with(instance(1, 1, 1), &odd), instance(2, 1, 1)];
    let rows: Vec<_> = open(&url).unwrap().put(&instances).unwrap().iter().map(|put| put.rows).collect();
    let mut catalogue = open(&url).unwrap();
    let again: Vec<_> = catalogue.put(&instances).unwrap().iter().map(|put| put.rows).collect();
    assert_eq!(rows, again);
    let counts = Counts { patients: 2, studies: 2, series: 2, instances: 2, other_versions: 0 };
    assert_eq!(catalogue.counts().unwrap(), counts);
    for (tag, value) in odd {
        let found = contract::found(
            &mut *catalogue,
            Level::Study,
            &[(Tag::STUDY_INSTANCE_UID, "1.2.1"), (tag, "")],
            tag,
        );
        assert_eq!(found, [value]);
    }
    let by_id = contract::found(&mut *catalogue, Level::Study, &[odd[1]], Tag::STUDY_INSTANCE_UID);
    assert_eq!(by_id, ["1.2.1"]);
    assert_eq!(catalogue.check().unwrap(), Vec::<String>::new());
    is_found_damaged(server, &url, catalogue);
}

/// A flipped bit in a row is found by its seal.
fn is_found_damaged(server: &DatabaseServer, url: &str, mut catalogue: Box<dyn Catalogue>) {
    let database = url.rsplit('/').next().unwrap();
    let flip = match server {
        DatabaseServer::Postgres(_) => {
            "UPDATE catalogue_study SET content = set_bit(content, 9, 1 - get_bit(content, 9)) WHERE id = 2"
        }
        DatabaseServer::MariaDb(_) => {
            "UPDATE catalogue_study SET content = INSERT(content, 2, 1, 'X') WHERE id = 2"
        }
    };
    let (runtime, _) = SERVER.get().unwrap();
    runtime.block_on(server.run(database, flip)).unwrap();
    assert_eq!(catalogue.check().unwrap(), ["row 2 of table `study` is not as it was written"]);
    let damaged = catalogue.put(&[instance(2, 1, 2)]);
    assert!(matches!(damaged, Err(CatalogueError::BadRow { table: "study", row: 2, .. })), "{damaged:?}");
    assert!(catalogue.put(&[instance(3, 1, 1)]).is_ok(), "what is damaged holds up nothing else");
}

/// Two archives on one database would overwrite what the other has; the second is told at its start.
fn lets_one_write() {
    let url = new_database().unwrap();
    let first = open(&url).unwrap();
    let mut beside = first.another().unwrap();
    let second = open(&url);
    let trouble = |error: &OpenError| matches!(error, OpenError::Server(error) if *error.trouble() == ServerTrouble::Taken);
    assert!(second.as_ref().is_err_and(trouble), "{:?}", second.err());
    drop(first);
    let mut third = open(&url).unwrap();
    third.put(&[instance(1, 1, 1)]).unwrap();
    assert_eq!(beside.counts().unwrap().instances, 1);
}

fn refuses_tables_of_a_later_version(server: &DatabaseServer) {
    let url = new_database().unwrap();
    drop(open(&url).unwrap());
    let database = url.rsplit('/').next().unwrap();
    let (runtime, _) = SERVER.get().unwrap();
    runtime.block_on(server.run(database, "UPDATE catalogue_format SET version = 2")).unwrap();
    let refused = open(&url).err().unwrap();
    let words = said(&refused);
    assert!(words.contains("has tables of format 2, this version knows 1"), "{words}");
}

/// An error with its causes, as it is printed.
fn said(error: &dyn std::error::Error) -> String {
    std::iter::successors(Some(error), |error| error.source()).map(|error| format!("{error}; ")).collect()
}

/// Nothing that is said about a server has the password in it.
fn says_no_password(url: &str) {
    let port = url.rsplit_once('@').unwrap().1;
    let wrong = [
        url.replace("secret", "secrex"),
        url.replace(port, "127.0.0.1:1/archive"),
        url.replace("/archive", "/archivenowhere").replace("//archivenowhere", "//archive"),
        url.replace("127.0.0.1:", "127.0.0.1:x"),
        url.replace("://", "s://"),
        format!("{url}?sslmode=require"),
        format!("{url}?unknown=secret"),
    ];
    for url in wrong {
        let Err(error) = open(&url) else { panic!("a wrong URL was taken: {url}") };
        let words = format!("{} {error:?}", said(&error));
        assert!(!words.contains("secre") && !words.contains("p@ss"), "{words}");
    }
}

#[test]
fn peer_postgres_keeps_the_contract() {
    given_postgres();
    keeps_the_contract();
}

#[test]
fn peer_postgres_keeps_what_was_put_lets_one_write_and_says_no_password() {
    let (_, server) = given_postgres();
    keeps_what_was_put(server);
    lets_one_write();
    refuses_tables_of_a_later_version(server);
    says_no_password(&new_database().unwrap());
}

#[test]
fn peer_mariadb_keeps_the_contract() {
    given_mariadb();
    keeps_the_contract();
}

#[test]
fn peer_mariadb_keeps_what_was_put_lets_one_write_and_says_no_password() {
    let (_, server) = given_mariadb();
    keeps_what_was_put(server);
    lets_one_write();
    refuses_tables_of_a_later_version(server);
    says_no_password(&new_database().unwrap());
}

/// A server that acknowledges before it has written is refused, in words.
#[test]
fn peer_postgres_that_does_not_sync_is_refused() {
    given(async || DatabaseServer::postgres(&["fsync=off", "synchronous_commit=off"]).await.unwrap());
    let words = said(&open(&new_database().unwrap()).err().unwrap());
    assert!(words.contains("would lose what it acknowledged: fsync is off; turn it on"), "{words}");
}

#[test]
fn peer_mariadb_that_does_not_sync_is_refused() {
    given(async || DatabaseServer::mariadb(&["innodb_flush_log_at_trx_commit=2"]).await.unwrap());
    let words = said(&open(&new_database().unwrap()).err().unwrap());
    assert!(words.contains("innodb_flush_log_at_trx_commit is not 1"), "{words}");
}
