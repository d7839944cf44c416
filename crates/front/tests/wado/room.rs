//! Memory of many requests at once for objects that are made to take it, and waits for a keeper who answers nothing.

use std::time::Instant;

use bytes::Bytes;
use futures_util::future::join_all;
use outrigger_dataset::phantom::Shape;
use outrigger_front::WebServer;
use outrigger_model::TransferSyntaxUid;

use super::rack::{Counter, Lying, SILENCE, State};
use super::{RLE, phantom};

over_both!(
    #[tokio::test(flavor = "multi_thread")]
    fault_surveys_of_many_requests_wait_for_room,
    fault_a_keeper_who_answers_nothing_is_waited_for_once,
);

const NATIVE: &str = "application/dicom; transfer-syntax=1.2.840.10008.1.2.1";
/// Requests at once.
const AT_ONCE: usize = 6;
/// Surveys that there is room for where each takes all that one may take: half a gibibyte in all, an eighth of one each.
const WITH_ALL: usize = 4;

/// An object of four blocks of nothing but empty items.
fn of_items() -> Lying {
    let item = b"\xFE\xFF\0\xE0\0\0\0\0";
    let count = 4 << 17;
    let length = u32::try_from(item.len() * count).unwrap().to_le_bytes();
    let header = b"\x40\0\x30\xA7SQ\0\0";
    of_bytes([header.as_slice(), &length, &item.repeat(count)].concat().into())
}

/// A compressed object of more elements than are held of one.
fn of_elements() -> Lying {
    let lying = of_bytes(b"\x08\0\x60\0CS\x01\0A".repeat(10 << 17).into());
    Lying { transfer_syntax: TransferSyntaxUid::new(RLE).unwrap(), ..lying }
}

fn of_bytes(bytes: Bytes) -> Lying {
    Lying { bytes, ..Lying::of(phantom(Shape::SmallCt, 0, 0)).but(State::Slow) }
}

/// Goal: however many ask at once for an object of which a survey takes much, no more are made at once than there is room for;
/// all are answered, whether it is looked over to be described, to be shown or to be transcoded.
async fn fault_surveys_of_many_requests_wait_for_room(server: WebServer) {
    for (lying, end, status) in
        [(of_items(), "/metadata", 200), (of_items(), "/rendered", 406), (of_elements(), "", 406)]
    {
        let counter = Counter::with(server, std::slice::from_ref(&lying)).await;
        let path = format!("{}{end}", lying.path());
        let accept = if end.is_empty() { NATIVE } else { "*/*" };
        let answers = join_all((0..AT_ONCE).map(|_| counter.get_as(&path, accept))).await;
        let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        assert_eq!(statuses, [status; AT_ONCE], "{end}: {}", answers[0].text());
        let most = counter.readers.most();
        assert!((2..=WITH_ALL).contains(&most), "`{end}`: {most} were made at once");
    }
}

/// Goal: a keeper who answers nothing is waited for once in a request, however many of its instances are asked for.
async fn fault_a_keeper_who_answers_nothing_is_waited_for_once(server: WebServer) {
    let objects: Vec<Lying> =
        (0..12).map(|number| Lying::of(phantom(Shape::SmallCt, 0, number)).but(State::Silent)).collect();
    let counter = Counter::with(server, &objects).await;
    for end in ["/metadata", "/thumbnail", "/rendered", ""] {
        let began = Instant::now();
        let answer = counter.get(&format!("{}{end}", objects[0].study())).await;
        assert_eq!(answer.status, 503, "{end}: {}", answer.text());
        assert!(answer.fields.contains_key("retry-after"), "{end}");
        let took = began.elapsed();
        assert!((SILENCE..SILENCE * 2).contains(&took), "{end}: {took:?}");
    }
}
