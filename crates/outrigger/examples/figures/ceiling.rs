//! The ceiling of the journal's layout: the same bytes, written and synced in groups, and nothing else.

use std::io::IoSlice;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::Instant;

use outrigger_member::Outgoing;
use outrigger_runtime::RealDisk;
use outrigger_runtime::disk::{Disk, DiskFile};

use crate::Outcome;
use crate::load::Taken;

/// As the journal gathers (journal/src/writer.rs).
const GROUP_ENTRIES_MAX: usize = 256;
const GROUP_BYTES_MAX: usize = 8 << 20;
/// Room is made in these steps, and each group begins at a multiple of a page (docs/journal-layout.md).
const STEP_BYTES: u64 = 16 << 20;
const PAGE_BYTES: u64 = 4096;
/// Head, record and trailer of a frame, about.
const FRAME_BYTES: usize = 700;

/// Bytes to write, and who waits until they are synced.
struct Waiting {
    bytes: bytes::Bytes,
    answer: SyncSender<()>,
}

/// Writes all objects from so many writers at once, each with its next behind the answer for the last.
pub(crate) fn measure(objects: &[Outgoing], writers: usize) -> Outcome<Taken> {
    let directory = tempfile::tempdir()?;
    let file = RealDisk.create(&directory.path().join("ceiling"))?;
    let (queue, queued) = sync_channel(GROUP_ENTRIES_MAX);
    let begun = Instant::now();
    let writer = thread::spawn(move || commit(&*file, &queued));
    let share = objects.len().div_ceil(writers);
    let senders: Vec<_> = objects
        .chunks(share)
        .map(|part| {
            let (part, queue) = (part.to_vec(), queue.clone());
            thread::spawn(move || send(&part, &queue))
        })
        .collect();
    drop(queue);
    let mut taken = Taken::default();
    for sender in senders {
        taken.acks.extend(sender.join().map_err(|_| "a sender panicked")??);
    }
    taken.wall = begun.elapsed();
    writer.join().map_err(|_| "the writer panicked")??;
    Ok(taken)
}

fn send(objects: &[Outgoing], queue: &SyncSender<Waiting>) -> Outcome<Vec<std::time::Duration>> {
    let mut acks = Vec::with_capacity(objects.len());
    for object in objects {
        let begun = Instant::now();
        let (answer, answered) = sync_channel(1);
        queue.send(Waiting { bytes: whole(object)?, answer })?;
        answered.recv()?;
        acks.push(begun.elapsed());
    }
    Ok(acks)
}

/// The object as one piece: it is in memory as one block.
fn whole(object: &Outgoing) -> Outcome<bytes::Bytes> {
    Ok(object.bytes.read_block(0)?)
}

fn commit(file: &dyn DiskFile, queued: &Receiver<Waiting>) -> Outcome<()> {
    let overhead = [0; FRAME_BYTES];
    let (mut end, mut room) = (0_u64, 0_u64);
    while let Ok(first) = queued.recv() {
        let mut bytes = first.bytes.len();
        let mut group = vec![first];
        while group.len() < GROUP_ENTRIES_MAX && bytes < GROUP_BYTES_MAX {
            let Ok(next) = queued.try_recv() else { break };
            bytes += next.bytes.len();
            group.push(next);
        }
        let parts: Vec<IoSlice<'_>> = group
            .iter()
            .flat_map(|waiting| [IoSlice::new(&overhead), IoSlice::new(&waiting.bytes)])
            .collect();
        let behind = end + (bytes + group.len() * FRAME_BYTES) as u64;
        if behind > room {
            room = behind.next_multiple_of(STEP_BYTES);
            file.allocate(room)?;
        }
        file.write_at(&parts, end)?;
        file.sync_data()?;
        end = behind.next_multiple_of(PAGE_BYTES);
        for waiting in group {
            waiting.answer.send(())?;
        }
    }
    Ok(())
}
