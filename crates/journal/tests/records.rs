//! Appending, reading and starting again.

use outrigger_journal::{EngineKind, Entry, Presence, ReadError, Record, RecordKind, Seq};

use crate::kit::{all_of, append, bytes, closing, object, open_of};

fn records(reader: &outrigger_journal::JournalReader) -> Vec<Record> {
    let mut records = Vec::new();
    loop {
        let after = records.last().map_or(Seq(0), |record: &Record| record.seq);
        let next = reader.records(after, 7).unwrap();
        if next.is_empty() {
            return records;
        }
        for entry in next {
            match entry {
                Entry::Record(record) => records.push(record),
                Entry::Damaged(damage) => panic!("{damage}"),
            }
        }
    }
}

#[test]
fn what_was_appended_is_read_back_at_once_and_after_a_start() {
    for engine in EngineKind::ALL {
        let directory = tempfile::tempdir().unwrap();
        let lengths = [0, 1, 3000, 40_000, 1 << 20, (1 << 20) + 1, 3_000_000];
        let mut journal = open_of(engine, directory.path(), Seq(0)).journal;
        for (seed, length) in (1..).zip(lengths) {
            let receipt = journal.append(vec![object(seed, length)]).remove(0).unwrap();
            assert_eq!((receipt.seq(), receipt.journal()), (Seq(seed), journal.journal()));
        }
        let expect = |reader: &outrigger_journal::JournalReader| {
            let records = records(reader);
            assert_eq!(records.len(), lengths.len());
            for (record, (seed, length)) in records.iter().zip((1..).zip(lengths)) {
                assert_eq!(record.header, format!(r#"{{"object":{seed}}}"#));
                assert_eq!(record.body.unwrap().presence, Presence::Kept);
                assert_eq!(all_of(&*reader.body(record.seq).unwrap()), bytes(seed, length));
            }
        };
        expect(&journal.reader());
        drop(journal);
        let opened = open_of(engine, directory.path(), Seq(3));
        assert_eq!((opened.report.entries, opened.report.cut), (7, None));
        assert_eq!((opened.report.damaged, opened.report.adopted), (vec![], vec![]));
        expect(&opened.journal.reader());
        opened.journal.close().unwrap();
        let mut again = open_of(engine, directory.path(), Seq(0)).journal;
        expect(&again.reader());
        let receipt = again.append(vec![closing(1)]).remove(0).unwrap();
        assert_eq!((receipt.seq(), receipt.epoch().0, receipt.sha256()), (Seq(8), 3, None));
    }
}

#[test]
fn many_segments_are_read_as_one_sequence() {
    for engine in EngineKind::ALL {
        let directory = tempfile::tempdir().unwrap();
        let mut journal = open_of(engine, directory.path(), Seq(0)).journal;
        for round in 0..20 {
            let batch =
                (0..10).map(|at| if at % 3 == 0 { object(round * 10 + at, 5000) } else { closing(at) });
            append(&mut journal, batch.collect());
        }
        let before = records(&journal.reader());
        assert_eq!(before.len(), 200);
        assert!(std::fs::read_dir(directory.path().join("segments")).unwrap().count() > 3);
        drop(journal);
        assert_eq!(records(&open_of(engine, directory.path(), Seq(0)).journal.reader()), before);
    }
}

#[test]
fn a_released_body_is_gone_and_its_record_stays() {
    EngineKind::ALL.into_iter().for_each(released);
}

fn released(engine: EngineKind) {
    let directory = tempfile::tempdir().unwrap();
    let mut journal = open_of(engine, directory.path(), Seq(0)).journal;
    let batch = (1..=30).map(|seed| object(seed, if seed % 10 == 0 { 1_500_000 } else { 9000 }));
    append(&mut journal, batch.collect());
    let bytes_before = journal.state().bytes;
    let released: Vec<Seq> = (1..=30).filter(|seq| seq % 4 != 0).map(Seq).collect();
    journal.release(&released).unwrap();
    journal.release(&released).unwrap();
    while journal.carry_forward().unwrap() == outrigger_journal::Carried::Some {}
    let expect = |reader: &outrigger_journal::JournalReader| {
        let objects = records(reader).into_iter().filter(|record| record.kind == RecordKind::Object);
        for record in objects {
            let is_released = released.contains(&record.seq);
            let facts = record.body.unwrap();
            assert_eq!(facts.presence == Presence::Released, is_released);
            match reader.body(record.seq) {
                Ok(body) => {
                    assert_eq!(all_of(&*body), bytes(record.seq.0, usize::try_from(facts.length).unwrap()));
                }
                Err(ReadError::Released(seq)) => assert!(released.contains(&seq)),
                Err(error) => panic!("{error}"),
            }
        }
    };
    expect(&journal.reader());
    assert!(journal.state().bytes < bytes_before / 2, "{} of {bytes_before}", journal.state().bytes);
    assert_eq!(journal.state().bodies, 7);
    drop(journal);
    let opened = open_of(engine, directory.path(), Seq(31));
    assert_eq!(opened.report.damaged, vec![]);
    expect(&opened.journal.reader());
    assert_eq!(std::fs::read_dir(directory.path().join("objects")).unwrap().count(), 1);
}
