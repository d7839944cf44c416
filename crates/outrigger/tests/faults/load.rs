//! What modalities send, and what they were told: acknowledgements are noted here, outside all that is killed.

use outrigger_member::Member;
use outrigger_model::Status;
use outrigger_sim::peers::Station;
use outrigger_sim::phantom::{Phantom, Place, Shape};
use tokio::task::JoinSet;

use crate::door::ae;
use crate::modality::{Object, reached};

/// Objects of a study.
const PER_STUDY: u32 = 40;
/// One object of this many is an image; the others are reports of a kilobyte.
const IMAGE_EVERY: u32 = 8;

/// What an association came to.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// Objects answered with success.
    pub(crate) acked: Vec<Object>,
    /// The others: refused, unanswered, or not sent.
    pub(crate) left: Vec<Object>,
    /// It was cut off while there was more to send.
    pub(crate) broken: bool,
}

/// Objects without end, others for each seed.
#[derive(Debug)]
pub(crate) struct Supply {
    seed: u64,
    next: u32,
}

impl Supply {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, next: 0 }
    }

    pub(crate) fn take(&mut self, count: u32) -> Vec<Object> {
        let numbers = self.next..self.next + count;
        self.next = numbers.end;
        numbers.map(|number| self.object(number)).collect()
    }

    fn object(&self, number: u32) -> Object {
        let place = Place { patient: number / PER_STUDY, instance: number % PER_STUDY, ..Place::default() };
        let shape = if number.is_multiple_of(IMAGE_EVERY) { Shape::SmallCt } else { Shape::Sr };
        Phantom::new(self.seed, place, shape).into()
    }
}

/// Stores objects over one association until all are answered or it breaks.
pub(crate) async fn association(station: Station, objects: Vec<Object>) -> Outcome {
    let mut outcome = Outcome::default();
    let mut objects = objects.into_iter();
    let mut needs: Vec<_> = objects.as_slice().iter().map(Object::need).collect();
    needs.sort();
    needs.dedup();
    let Ok(mut session) = reached(&station, None).open(&needs, &ae("CT1")).await else {
        return Outcome { left: objects.collect(), broken: true, ..outcome };
    };
    for object in objects.by_ref() {
        match session.store(&object.outgoing()).await {
            Ok(reply) if reply.status == Status::SUCCESS => outcome.acked.push(object),
            Ok(_) => outcome.left.push(object),
            Err(_) => {
                outcome.broken = true;
                outcome.left.push(object);
                break;
            }
        }
    }
    outcome.left.extend(objects);
    if !outcome.broken {
        // Whether the release is answered changes nothing in what was acknowledged.
        drop(session.release().await);
    }
    outcome
}

/// Stores objects over several associations at once.
pub(crate) fn associations(station: &Station, objects: &[Object], count: usize) -> JoinSet<Outcome> {
    let mut tasks = JoinSet::new();
    for part in objects.chunks(objects.len().div_ceil(count).max(1)) {
        tasks.spawn(association(station.clone(), part.to_vec()));
    }
    tasks
}

/// All of them together.
pub(crate) async fn ended(mut associations: JoinSet<Outcome>) -> Outcome {
    let mut all = Outcome::default();
    while let Some(outcome) = associations.join_next().await {
        let Outcome { acked, left, broken } = outcome.unwrap();
        all.acked.extend(acked);
        all.left.extend(left);
        all.broken |= broken;
    }
    all
}
