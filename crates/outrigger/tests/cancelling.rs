//! C-CANCEL among many answers, and answers that nobody takes: the query ends soon, and holds little meanwhile.

use std::time::{Duration, Instant};

use outrigger_dataset::element::{DataSet, Element, Vr};
use outrigger_dataset::form::Form;
use outrigger_dataset::phantom::{Shape, corpus};
use outrigger_dataset::write::write;
use outrigger_dimse::associate::ExtendedNegotiation;
use outrigger_dimse::{
    Association, Command, Incoming, Priority, Proposal, ProposedContext, Settings, Timers, request_extended,
};
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_model::{SopClassUid, Status, Tag, TransferSyntaxUid, sop_class};
use outrigger_runtime::net::{Net, Tcp};
use tokio::task::JoinSet;

use crate::door::{Door, ae};
use crate::modality::{Object, send};
use crate::program::memory_kib;

const ANSWERS: u32 = 10_000;
/// Longest wait for one response: the machine may be busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);
/// How soon a cancelled query ends, also then.
const SOON: Duration = Duration::from_secs(5);
/// What a query may hold at most, with what the allocator keeps: a tenth of what all answers would take is some megabytes.
const HELD_KIB_MAX: u64 = 32 << 10;

/// A front door that has so many reports in its catalogue.
async fn stocked() -> Door {
    let door = Door::open(&[]).await;
    let station = door.station();
    let mut sending = JoinSet::new();
    let all: Vec<Object> = corpus(77, Shape::Sr, ANSWERS).map(Object::from).collect();
    for some in all.chunks(all.len() / 4) {
        let (station, some) = (station.clone(), some.to_vec());
        sending.spawn(async move { send(&station, &some).await });
    }
    sending.join_all().await;
    door
}

async fn associated(door: &Door) -> Association {
    let class = SopClassUid::known(sop_class::STUDY_ROOT_FIND);
    let proposal = Proposal {
        calling: ae("WS1"),
        called: ae("OUTRIGGER"),
        contexts: vec![ProposedContext {
            id: 1,
            abstract_syntax: class.clone(),
            transfer_syntaxes: vec![TransferSyntaxUid::known(EXPLICIT_VR_LE)],
        }],
        roles: Vec::new(),
    };
    let relational = ExtendedNegotiation { sop_class: class, information: vec![1].into() };
    let timers = Timers { response: PATIENCE, inactivity: PATIENCE, ..Timers::STANDARD };
    let stream = Tcp.connect(&door.station().address().to_string()).await.unwrap();
    request_extended(stream, &Settings { timers, ..Settings::STANDARD }, proposal, vec![relational])
        .await
        .unwrap()
}

/// Asks for every instance there is, with all that is known of it.
async fn ask(association: &mut Association) -> u16 {
    let keys = outrigger_dataset::identifier::compared().map(|(tag, _)| {
        match outrigger_dataset::dictionary::vr(tag) {
            Vr::SQ => Element::sequence(tag, Vec::new()),
            vr => Element::text(tag, vr, ""),
        }
    });
    let mut identifier: DataSet = keys.fold(DataSet::default(), |mut set, key| {
        set.put(key);
        set
    });
    identifier.put(Element::text(Tag::QUERY_RETRIEVE_LEVEL, Vr::CS, "IMAGE"));
    let message_id = association.next_message_id();
    let sop_class = SopClassUid::known(sop_class::STUDY_ROOT_FIND);
    let command = Command::CFindRq { message_id, sop_class, priority: Priority::Medium };
    association.send_with(1, &command, write(&identifier, Form::ExplicitLittle).into()).await.unwrap();
    message_id
}

/// The status of the next response.
async fn next(association: &mut Association) -> Status {
    let Incoming::Message { command: Command::CFindRsp { outcome, .. }, .. } =
        association.receive().await.unwrap()
    else {
        panic!("a C-FIND-RSP expected");
    };
    if matches!(outcome.status, Status::PENDING | Status::PENDING_OPTIONAL_KEYS) {
        association.data_set(1 << 16).await.unwrap();
    }
    outcome.status
}

/// Takes responses until one is the last; their number, and its status.
async fn rest(association: &mut Association) -> (u32, Status) {
    let mut count = 0;
    loop {
        match next(association).await {
            Status::PENDING => count += 1,
            last => return (count, last),
        }
    }
}

fn resident_kib(door: &Door) -> u64 {
    memory_kib(door.node.id(), "VmRSS:")
}

#[tokio::test]
async fn a_query_with_ten_thousand_answers_ends_soon_when_it_is_cancelled() {
    let door = stocked().await;
    let mut taking = associated(&door).await;
    // All of them once, so that what is measured behind it is not what is done for the first time.
    ask(&mut taking).await;
    assert_eq!(rest(&mut taking).await, (ANSWERS, Status::SUCCESS));
    let before = resident_kib(&door);

    let message_id = ask(&mut taking).await;
    for _ in 0..5 {
        assert_eq!(next(&mut taking).await, Status::PENDING);
    }
    let cancelled = Instant::now();
    taking.send(1, &Command::CCancelRq { message_id }).await.unwrap();
    let (behind, last) = rest(&mut taking).await;
    assert_eq!(last, Status::CANCEL);
    assert!(behind < ANSWERS / 2, "{behind} answers behind C-CANCEL");
    assert!(cancelled.elapsed() < SOON, "{:?}", cancelled.elapsed());

    // Nobody takes the answers of this one while all of another are taken: it waits with what the sockets hold.
    let mut slow = associated(&door).await;
    let message_id = ask(&mut slow).await;
    assert_eq!(next(&mut slow).await, Status::PENDING);
    ask(&mut taking).await;
    assert_eq!(rest(&mut taking).await, (ANSWERS, Status::SUCCESS));
    let held = resident_kib(&door).saturating_sub(before);
    assert!(held < HELD_KIB_MAX, "{held} KiB more");
    slow.send(1, &Command::CCancelRq { message_id }).await.unwrap();
    let cancelled = Instant::now();
    let (behind, last) = rest(&mut slow).await;
    assert_eq!(last, Status::CANCEL);
    assert!(behind < ANSWERS * 9 / 10, "{behind} answers behind C-CANCEL");
    assert!(cancelled.elapsed() < SOON, "{:?}", cancelled.elapsed());
    println!("cancelled with {behind} answers taken behind it; {held} KiB held");

    // The associations are as good as before.
    for association in [&mut taking, &mut slow] {
        ask(association).await;
        assert_eq!(rest(association).await, (ANSWERS, Status::SUCCESS));
    }
}
