//! What a seed makes happen: who sends what, and what goes wrong when.

use bytes::{Bytes, BytesMut};
use outrigger_front::RefusalKind;
use outrigger_model::{ConfirmLevel, InstanceHeader, Sha256Digest, TransferSyntaxUid};
use outrigger_runtime::disk::simulated::{Fault, Lasting, Loss};
use outrigger_sim::phantom::{Phantom, Place, Shape};
use sha2::{Digest, Sha256};

use super::archive::Conduct;
use super::checker::LookedUp;
use super::dice::Dice;
use super::net::{Reach, Weather};

/// Members of the pair.
pub(crate) const MEMBERS: usize = 2;
/// Bytes cut off the end of an object that is sent malformed.
const CUT_OFF: usize = 100;

/// For how long the disk is busiest after a start, in milliseconds.
const BUSY_MS: u64 = 1_000;

/// All of a simulation.
#[derive(Debug)]
pub(crate) struct Plan {
    /// What each association sends, in order.
    pub(crate) senders: Vec<Vec<Object>>,
    /// How surely each member must have an object.
    pub(crate) confirm: [ConfirmLevel; MEMBERS],
    /// Whether each member knows storage commitment.
    pub(crate) commits: [Commits; MEMBERS],
    /// How each member is read back.
    pub(crate) read_back: [ReadBy; MEMBERS],
    /// From one start of the node to the next, the last one without faults.
    pub(crate) lives: Vec<Life>,
    /// Up to so many bytes an object arrives in memory, else it becomes a file.
    pub(crate) memory_bytes_max: usize,
    /// The length at which a segment is sealed.
    pub(crate) segment_bytes_max: u64,
    /// How long bytes stay, in milliseconds.
    pub(crate) retention_ms: u64,
}

/// Whether a member knows storage commitment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Commits {
    Yes,
    /// There committed comes to present, which is asked again after a while.
    No,
}

/// How an object is read back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadBy {
    Get,
    /// It is moved to the node, which it knows.
    Move,
}

/// Something that is sent.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) header: InstanceHeader,
    pub(crate) transfer_syntax: TransferSyntaxUid,
    pub(crate) bytes: Bytes,
    pub(crate) sha256: Sha256Digest,
    pub(crate) form: Form,
}

/// Whether an object must be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Whole,
    /// Its end is missing, so nobody may take it.
    Truncated,
}

/// From a start of the node to its end.
#[derive(Debug)]
pub(crate) struct Life {
    pub(crate) weather: Weather,
    /// What happens, and when, in milliseconds from the start.
    pub(crate) events: Vec<(u64, Event)>,
    /// When it ends, in milliseconds.
    pub(crate) ends: u64,
    /// What the end takes of what was not synced.
    pub(crate) loss: Loss,
    /// What is left of the books.
    pub(crate) books: Books,
}

/// What is left of the books after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Books {
    /// All.
    Kept,
    /// Nothing: they are made anew from the journal.
    Gone,
}

/// Something that happens.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event {
    Conduct(usize, Conduct),
    Reach(usize, Reach),
    CutMember(usize),
    /// Its connections end, and what it has not said it has is gone, unless its word alone counts.
    MemberCrash(usize, Memory),
    CutSenders,
    /// The disk takes no more bytes.
    DiskFull,
    /// It does again.
    DiskRoom,
    /// So many calls from now.
    DiskFault(u64, Fault, Lasting),
    BooksAway,
    BooksBack,
}

/// What is left at a member after a crash.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Memory {
    All,
    /// What it has said it has.
    Affirmed,
}

impl Plan {
    /// The plan of a seed.
    pub(crate) fn of(seed: u64) -> Self {
        let dice = Dice::new(seed, 1);
        let confirm = [confirm(&dice), confirm(&dice)];
        let read_back = [(); MEMBERS].map(|()| if dice.percent(30) { ReadBy::Move } else { ReadBy::Get });
        let commits = [(); MEMBERS].map(|()| if dice.percent(75) { Commits::Yes } else { Commits::No });
        let senders = senders(seed, &dice);
        let mut lives: Vec<Life> = (0..dice.between(1, 4)).map(|_| life(&dice, confirm)).collect();
        lives.push(Life {
            weather: Weather { cut_percent: 0, delay_ms: 1 },
            events: Vec::new(),
            ends: u64::MAX,
            loss: Loss::Nothing,
            books: Books::Kept,
        });
        Self {
            senders,
            confirm,
            commits,
            read_back,
            lives,
            memory_bytes_max: dice.pick(&[0, 8 << 10, 1 << 20]),
            segment_bytes_max: dice.pick(&[64 << 10, 256 << 10, 16 << 20]),
            retention_ms: dice.pick(&[0, 10_000, 3_600_000]),
        }
    }
}

impl Plan {
    /// Whether the books are never away.
    pub(crate) fn looked_up(&self) -> LookedUp {
        let mut events = self.lives.iter().flat_map(|life| &life.events);
        if events.any(|(_, event)| matches!(event, Event::BooksAway)) {
            LookedUp::NotAlways
        } else {
            LookedUp::Always
        }
    }
}

fn confirm(dice: &Dice) -> ConfirmLevel {
    dice.pick(&[
        ConfirmLevel::Accepted,
        ConfirmLevel::Present,
        ConfirmLevel::Committed,
        ConfirmLevel::Committed,
        ConfirmLevel::Verified,
        ConfirmLevel::Verified,
    ])
}

fn senders(seed: u64, dice: &Dice) -> Vec<Vec<Object>> {
    let count = dice.between(3, 9);
    let mut objects: Vec<Object> = (0..count).map(|number| object(seed, number, dice)).collect();
    for _ in 0..dice.below(4) {
        let again = objects[usize::try_from(dice.below(count)).unwrap()].clone();
        objects.push(match dice.below(3) {
            0 => again,
            1 => again.with_other_bytes(dice),
            _ => again.truncated(),
        });
    }
    let mut senders = vec![Vec::new(); usize::try_from(dice.between(1, 5)).unwrap()];
    for object in objects {
        let sender = dice.below(senders.len() as u64);
        senders[usize::try_from(sender).unwrap()].push(object);
    }
    senders
}

fn object(seed: u64, number: u64, dice: &Dice) -> Object {
    let number = u32::try_from(number).unwrap();
    let place = Place { patient: number / 4, series: number % 2, instance: number, ..Place::default() };
    let shape = if dice.percent(25) { Shape::SmallCt } else { Shape::Sr };
    let Phantom { header, transfer_syntax, data_set } = Phantom::new(seed, place, shape);
    Object::new(header, transfer_syntax, data_set, Form::Whole)
}

impl Object {
    fn new(header: InstanceHeader, transfer_syntax: TransferSyntaxUid, bytes: Bytes, form: Form) -> Self {
        let sha256 = Sha256Digest(Sha256::digest(&bytes).into());
        Self { header, transfer_syntax, bytes, sha256, form }
    }

    /// Another version under the same UID: the last value differs.
    fn with_other_bytes(self, dice: &Dice) -> Self {
        let mut bytes = BytesMut::from(&*self.bytes);
        let last = bytes.len() - 2;
        bytes[last] = b'0' + u8::try_from(dice.below(10)).unwrap();
        Self::new(self.header, self.transfer_syntax, bytes.freeze(), self.form)
    }

    fn truncated(self) -> Self {
        let bytes = self.bytes.slice(..self.bytes.len() - CUT_OFF);
        Self::new(self.header, self.transfer_syntax, bytes, Form::Truncated)
    }
}

fn life(dice: &Dice, confirm: [ConfirmLevel; MEMBERS]) -> Life {
    let ends = 1 << dice.between(6, 16);
    let mut events: Vec<(u64, Event)> =
        (0..dice.below(8)).map(|_| (dice.below(ends), event(dice, confirm))).collect();
    if dice.percent(50) {
        // While objects come, which they do at first: later the disk is seldom called.
        events.push((dice.below(BUSY_MS.min(ends)), disk_fault(dice)));
    }
    events.sort_by_key(|(at, _)| *at);
    Life {
        weather: Weather { cut_percent: dice.pick(&[0, 10, 40]), delay_ms: dice.pick(&[0, 3, 30]) },
        events,
        ends,
        loss: dice.pick(&[Loss::Nothing, Loss::Everything, Loss::Some, Loss::Some]),
        books: if dice.percent(25) { Books::Gone } else { Books::Kept },
    }
}

fn event(dice: &Dice, confirm: [ConfirmLevel; MEMBERS]) -> Event {
    let member = usize::try_from(dice.below(MEMBERS as u64)).unwrap();
    match dice.below(11) {
        0..3 => Event::Conduct(member, conduct(dice, confirm[member])),
        3 => Event::Reach(member, dice.pick(&[Reach::Refused, Reach::Silent])),
        4 => Event::Reach(member, Reach::Open),
        5 => Event::CutMember(member),
        6 => Event::CutSenders,
        7 => dice.pick(&[Event::DiskFull, Event::DiskRoom]),
        8 => disk_fault(dice),
        9 if confirm[member] == ConfirmLevel::Accepted => Event::MemberCrash(member, Memory::All),
        9 => Event::MemberCrash(member, Memory::Affirmed),
        _ => dice.pick(&[Event::BooksAway, Event::BooksBack, Event::BooksBack]),
    }
}

fn disk_fault(dice: &Dice) -> Event {
    let fault = dice.pick(&[Fault::Crash, Fault::Crash, Fault::Io, Fault::NoSpace, Fault::ShortWrite]);
    Event::DiskFault(1 + dice.below(40), fault, dice.pick(&[Lasting::Once, Lasting::FromThenOn]))
}

fn conduct(dice: &Dice, confirm: ConfirmLevel) -> Conduct {
    let conduct = dice.pick(&[
        Conduct::Keeps,
        Conduct::Keeps,
        Conduct::Slow(200),
        Conduct::Slow(70_000),
        Conduct::Full,
        Conduct::Fails,
        Conduct::Refuses(RefusalKind::Rejected),
        Conduct::Refuses(RefusalKind::ClassNotSupported),
        Conduct::Forgets,
        Conduct::Forgets,
    ]);
    match (conduct, confirm) {
        // What it forgets after it showed it once is not asked for again: it is configured so by a person who trusts it.
        (Conduct::Forgets, ConfirmLevel::Accepted) => Conduct::Keeps,
        _ => conduct,
    }
}
