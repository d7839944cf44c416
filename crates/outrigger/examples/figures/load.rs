//! The load: our own sender, Nagle's algorithm off, one association after another or several at once.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_dimse::Settings;
use outrigger_member::{DimseMember, DimseRoute, Member, Need, Outgoing, ReadBack};
use outrigger_model::{AeTitle, Status};
use outrigger_runtime::net::Tcp;
use outrigger_runtime::{Random, RealDisk, Spool, Threads};

use crate::Outcome;

/// Objects ready to be sent.
pub(crate) fn objects(shape: Shape, count: usize, seed: u64) -> Vec<Outgoing> {
    let made = (0..count).map(|number| {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let place = Place { patient: number / 100, instance: number % 100, ..Place::default() };
        let phantom = Phantom::new(seed, place, shape);
        Outgoing {
            sop_class: phantom.header.sop_class,
            sop_instance: phantom.header.sop_instance,
            transfer_syntax: phantom.transfer_syntax,
            bytes: Arc::new(phantom.data_set),
        }
    });
    made.collect()
}

/// Studies of one small object each, with their UIDs.
pub(crate) fn studies(count: usize, seed: u64) -> Vec<(String, Outgoing)> {
    let made = (0..count).map(|number| {
        let place = Place { patient: u32::try_from(number).unwrap_or(u32::MAX), ..Place::default() };
        let phantom = Phantom::new(seed, place, Shape::Sr);
        let uid = phantom.header.study.as_ref().map(ToString::to_string).unwrap_or_default();
        let object = Outgoing {
            sop_class: phantom.header.sop_class,
            sop_instance: phantom.header.sop_instance,
            transfer_syntax: phantom.transfer_syntax,
            bytes: Arc::new(phantom.data_set),
        };
        (uid, object)
    });
    made.collect()
}

/// What one load took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Taken {
    pub(crate) wall: Duration,
    pub(crate) acks: Vec<Duration>,
}

impl Taken {
    /// Objects a second.
    pub(crate) fn rate(&self) -> f64 {
        self.acks.len() as f64 / self.wall.as_secs_f64()
    }

    /// A percentile of the acknowledgement times, in milliseconds.
    pub(crate) fn ack_ms(&self, percent: usize) -> f64 {
        let mut acks = self.acks.clone();
        acks.sort();
        let place = (acks.len() * percent / 100).min(acks.len().saturating_sub(1));
        acks.get(place).map_or(0.0, |ack| ack.as_secs_f64() * 1e3)
    }
}

/// Sends everything over so many associations at once.
pub(crate) async fn send(address: &str, objects: &[Outgoing], associations: usize) -> Outcome<Taken> {
    let share = objects.len().div_ceil(associations).max(1);
    let begun = Instant::now();
    let mut senders = Vec::new();
    for part in objects.chunks(share) {
        senders.push(tokio::spawn(one(address.to_owned(), part.to_vec())));
    }
    let mut taken = Taken::default();
    for sender in senders {
        taken.acks.extend(sender.await??);
    }
    taken.wall = begun.elapsed();
    Ok(taken)
}

async fn one(address: String, objects: Vec<Outgoing>) -> Outcome<Vec<Duration>> {
    let Some(first) = objects.first() else { return Ok(Vec::new()) };
    let need = Need {
        sop_class: first.sop_class.clone(),
        transfer_syntax: first.transfer_syntax.clone(),
        alternatives: Vec::new(),
    };
    let mut session = sender(&address, "BENCH")?.open(&[need], &AeTitle::new("SENDER")?).await?;
    let mut acks = Vec::with_capacity(objects.len());
    for object in &objects {
        let begun = Instant::now();
        let reply = session.store(object).await?;
        if reply.status != Status::SUCCESS {
            return Err(format!("answered {}", reply.status).into());
        }
        acks.push(begun.elapsed());
    }
    session.release().await?;
    Ok(acks)
}

/// A sender to an address.
pub(crate) fn sender(address: &str, called: &str) -> Outcome<DimseMember> {
    let spool = Spool {
        disk: Arc::new(RealDisk),
        directory: std::env::temp_dir().into(),
        threads: Threads::System,
        random: Random::System,
        memory_bytes_max: 1 << 30,
        object_bytes_max: 1 << 34,
    };
    let route = DimseRoute {
        address: address.to_owned(),
        ae_title: AeTitle::new(called)?,
        calling: AeTitle::new("SENDER")?,
        tls: None,
        connect_timeout: Duration::from_secs(5),
        settings: Settings::STANDARD,
        read_back: ReadBack::Get,
    };
    Ok(DimseMember::new(route, Arc::new(Tcp), spool))
}

/// CPU seconds that a process and its ended children have used.
pub(crate) fn cpu_s(process: u32) -> Outcome<f64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat"))?;
    let behind_name = stat.rsplit_once(')').ok_or("no stat")?.1;
    // utime, stime, cutime, cstime (proc(5)).
    Ok(seconds(behind_name, &[11, 12, 13, 14]))
}

/// CPU seconds of each kind of thread of a running process, by the threads' names.
pub(crate) fn threads_s(process: u32) -> Outcome<BTreeMap<String, f64>> {
    let mut threads = BTreeMap::new();
    for task in std::fs::read_dir(format!("/proc/{process}/task"))? {
        let stat = std::fs::read_to_string(task?.path().join("stat"))?;
        let (name, rest) = stat.rsplit_once(')').ok_or("no stat")?;
        let name = name.split_once('(').ok_or("no stat")?.1.to_owned();
        *threads.entry(name).or_default() += seconds(rest, &[11, 12]);
    }
    Ok(threads)
}

/// The sum of fields behind the name in stat(5), at 100 ticks a second.
fn seconds(behind_name: &str, fields: &[usize]) -> f64 {
    let values: Vec<&str> = behind_name.split_whitespace().collect();
    let ticks = |field: &usize| values.get(*field).and_then(|text| text.parse::<f64>().ok()).unwrap_or(0.0);
    fields.iter().map(ticks).sum::<f64>() / 100.0
}
