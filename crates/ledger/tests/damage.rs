//! Bits flipped in the database are found, and a rebuild repairs.

use std::path::Path;

use outrigger_ledger::store::LedgerReader;
use outrigger_ledger::{Ledger, LedgerStore, ReportOutcome, SqliteStore};
use outrigger_model::{ConfirmLevel, Seq, SuspenseReason};
use outrigger_runtime::RealDisk;

use crate::kit::{A, B, Kind, Rig, dump};

/// Everything the database holds and a reader may see.
fn content(store: &dyn LedgerStore) -> String {
    use outrigger_ledger::note::{NoteKind, NotesOf};
    let notes = outrigger_ledger::store::read(store, |books| {
        Ok(format!(
            "{:?} {:?} {:?}",
            books.notes(NoteKind::Attempt, NotesOf::Anything, 99)?,
            books.peers()?,
            books.commitments()?
        ))
    });
    format!("{}\n{}", dump(store), notes.unwrap())
}

/// What is wrong with a database file; that it cannot be read is a fault like others.
fn faults(path: &Path) -> Vec<String> {
    let store = match SqliteStore::open(path) {
        Ok(store) => store,
        Err(error) => return vec![error.to_string()],
    };
    let failed = |error: outrigger_ledger::store::StoreError| vec![error.to_string()];
    let faults = store.integrity().unwrap_or_else(failed);
    if faults.is_empty() { outrigger_ledger::check(&store).unwrap_or_else(failed) } else { faults }
}

#[tokio::test(start_paused = true)]
async fn a_flipped_bit_is_found_or_harmless_and_a_rebuild_repairs() {
    let rig = Rig::new(Kind::Sqlite).await;
    for instance in 0..300 {
        rig.enter(instance, instance / 40, 1).await;
    }
    rig.report_attempt(Seq(5), A, ReportOutcome::Suspend(SuspenseReason::Refused), "no").await;
    rig.report_attempt(Seq(6), A, ReportOutcome::RetryAt { at: rig.now() }, "busy").await;
    rig.report(Seq(7), B, ReportOutcome::Reached(ConfirmLevel::Verified)).await;
    let original = rig.dump().await;
    rig.ledger.close().await;
    let file = rig.place.file();
    let sound = std::fs::read(&file).unwrap();
    let whole = content(&SqliteStore::open(&file).unwrap());
    assert_eq!(faults(&file), [""; 0], "the control: a sound database has no faults");

    let scratch = tempfile::tempdir().unwrap();
    let path = scratch.path().join("flipped.db");
    let bits = sound.len() * 8;
    let (mut found, mut harmless) = (0, 0);
    // A stride that is prime visits bytes of all pages and all bits of a byte.
    for bit in (0..bits).step_by((bits / 400) | 1) {
        let mut flipped = sound.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        std::fs::write(&path, &flipped).unwrap();
        if faults(&path).is_empty() {
            assert_eq!(content(&SqliteStore::open(&path).unwrap()), whole, "bit {bit} changed what is read");
            harmless += 1;
        } else {
            found += 1;
        }
        for suffix in ["", "-wal", "-shm"] {
            match std::fs::remove_file(format!("{}{suffix}", path.display())) {
                Ok(()) => {}
                Err(error) => assert_eq!(error.kind(), std::io::ErrorKind::NotFound),
            }
        }
    }
    assert!(found > 50, "{found} found, {harmless} harmless");

    std::fs::write(&file, vec![0x55; sound.len()]).unwrap();
    assert!(SqliteStore::open(&file).is_err(), "rubbish is no database");
    let mut anew = SqliteStore::anew(&file, &RealDisk).unwrap();
    Ledger::rebuild(&rig.journal.reader(), &mut anew).unwrap();
    assert_eq!(dump(&anew), original);
}

#[tokio::test(start_paused = true)]
async fn a_database_that_is_taken_away_is_missed_and_none_is_made_in_its_place() {
    let rig = Rig::new(Kind::Sqlite).await;
    rig.enter(1, 1, 1).await;
    assert_eq!(rig.ledger.scrub().await.unwrap(), [""; 0], "the control");
    let (file, aside) = (rig.place.file(), rig.place.file().with_extension("aside"));
    std::fs::rename(&file, &aside).unwrap();
    let faults = rig.ledger.scrub().await.unwrap();
    assert!(faults[0].contains("is gone") && faults[0].contains("`outrigger rebuild`"), "{faults:?}");
    assert_eq!(rig.ledger.status().await.unwrap().damage.len(), 1);
    std::fs::rename(&aside, &file).unwrap();
    assert_eq!(rig.ledger.scrub().await.unwrap(), [""; 0]);
    assert_eq!(rig.ledger.findings().await.unwrap(), []);
}

#[tokio::test(start_paused = true)]
async fn a_changed_definition_of_a_table_is_found_though_every_row_is_sound() {
    let rig = Rig::new(Kind::Sqlite).await;
    rig.enter(1, 1, 1).await;
    rig.ledger.close().await;
    let file = rig.place.file();
    assert_eq!(faults(&file), [""; 0], "the control");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection
        .execute_batch(
            "ANALYZE; PRAGMA writable_schema = ON;
             UPDATE sqlite_schema SET sql = replace(sql, 'attempts ', 'attempto ') WHERE name = 'posting'",
        )
        .unwrap();
    drop(connection);
    assert_eq!(faults(&file), ["the definition of `posting` is not as it was written"]);
}

#[tokio::test(start_paused = true)]
async fn a_check_of_the_database_is_ended_from_another_thread() {
    let rig = Rig::new(Kind::Sqlite).await;
    for instance in 0..100 {
        rig.enter(instance, 1, 1).await;
    }
    let reader = rig.place.open().reader().unwrap();
    let interrupt = reader.interrupt();
    let checking = std::thread::spawn(move || {
        loop {
            if let Err(error) = reader.integrity() {
                return error;
            }
        }
    });
    while !checking.is_finished() {
        interrupt();
        std::thread::yield_now();
    }
    let error = checking.join().unwrap();
    assert!(!error.is_damage() && format!("{error:?}").contains("OperationInterrupted"), "{error:?}");
}

/// Alters what the database says of a posting in suspense, whatever its seal.
fn say(rig: &Rig, text: &str) {
    let connection = rusqlite::Connection::open(rig.place.file()).unwrap();
    connection.execute("UPDATE posting SET text = ?1 WHERE text <> ''", [text]).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_damaged_row_is_not_served_and_scrub_names_it() {
    let mut rig = Rig::new(Kind::Sqlite).await;
    let entry = rig.enter(1, 1, 1).await;
    rig.report_attempt(entry, A, ReportOutcome::Suspend(SuspenseReason::Refused), "no such class").await;
    assert_eq!(rig.ledger.scrub().await.unwrap(), [""; 0]);
    rig.ledger.close().await;

    // Behind the seal's back, as a flipped bit would.
    say(&rig, "no such glass");
    rig.restart().await;
    assert!(
        rig.ledger
            .suspense(outrigger_ledger::SuspenseFilter::Of { member: None, reason: None })
            .await
            .is_err()
    );
    let faults = rig.ledger.scrub().await.unwrap();
    assert!(faults[0].contains("`posting`"), "{faults:?}");
    let findings = rig.ledger.findings().await.unwrap();
    let status = rig.ledger.status().await.unwrap();
    assert_eq!((findings.len(), status.damage.len()), (faults.len(), faults.len()), "{findings:?}");
    let mended = status.damage.iter().all(|(_, text)| text.contains("`outrigger rebuild`"));
    assert!(mended, "{:?}", status.damage);

    assert_eq!(rig.ledger.scrub().await.unwrap(), faults);
    assert_eq!(rig.ledger.findings().await.unwrap(), findings, "found again, it is the same");
    say(&rig, "no such class");
    assert_eq!(rig.ledger.scrub().await.unwrap(), [""; 0]);
    assert_eq!(rig.ledger.findings().await.unwrap(), [], "it is no more");
}
