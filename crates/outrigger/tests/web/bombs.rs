//! Objects that are a thousand times as large as what is sent, by both doors, at a member and back.

use std::fs;
use std::time::Duration;

use flate2::{Compress, Compression, FlushCompress};
use outrigger_dataset::form::Form;
use outrigger_dataset::read::read_form;
use outrigger_dataset::write::write;
use outrigger_model::transfer_syntax::DEFLATED;
use outrigger_model::{Tag, TransferSyntaxUid};
use tokio::sync::oneshot;
use tokio::time::{Instant, sleep};

use super::{PATIENCE, READ, WRITE, before_an_archive, body, curl, get, post, web};
use crate::door::line;
use crate::modality::{Object, objects, send};
use crate::program::memory_kib;
use crate::servers::WebServer;

over_both!(
    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    peer_curl_and_a_modality_send_bombs_that_do_not_go_off,
);

/// Pixels of a bomb that may be read as a whole, and of one that may not, in MiB.
const MEBIBYTES: [u32; 2] = [500, 800];
/// Memory that a process may take for it, in KiB: a quarter of what the smaller one inflates to.
const MEMORY_KIB_MAX: u64 = 125 << 10;
/// Longest wait of somebody else meanwhile.
const ANSWERED_WITHIN: Duration = Duration::from_secs(2);

/// A block of a deflated stream that refers to nothing before it.
fn block(plain: &[u8]) -> Vec<u8> {
    let mut packed = Vec::with_capacity(plain.len() + 1_024);
    Compress::new(Compression::best(), false).compress_vec(plain, &mut packed, FlushCompress::Full).unwrap();
    packed
}

/// An image of so many MiB of zeros.
fn bomb(seed: u64, mebibytes: u32) -> Object {
    let mut object = objects(seed, 1).remove(0);
    let mut data_set = read_form(Form::ExplicitLittle, object.bytes).unwrap();
    data_set.remove(Tag(0x7FE0, 0x0010));
    let mut plain = write(&data_set, Form::ExplicitLittle);
    plain.extend_from_slice(b"\xE0\x7F\x10\x00OW\0\0");
    plain.extend_from_slice(&(mebibytes << 20).to_le_bytes());
    let mut packed = block(&plain);
    packed.extend(block(&vec![0; 1 << 20]).repeat(mebibytes as usize));
    // The last block is empty.
    packed.extend_from_slice(&[3, 0]);
    if !packed.len().is_multiple_of(2) {
        packed.push(0);
    }
    object.bytes = packed.into();
    object.transfer_syntax = TransferSyntaxUid::known(DEFLATED);
    object
}

/// Asks again and again until it is told to stop; gives the longest time an answer took.
async fn asks(url: String, mut over: oneshot::Receiver<()>) -> Duration {
    let mut longest = Duration::ZERO;
    while over.try_recv().is_err() {
        let begun = Instant::now();
        assert_eq!(get(&url, "/studies?limit=1&PatientID=none").await.0, 200);
        longest = longest.max(begun.elapsed());
        sleep(Duration::from_millis(20)).await;
    }
    longest
}

/// Goal: they are taken, delivered and given as they came, and never held as what they inflate to.
async fn peer_curl_and_a_modality_send_bombs_that_do_not_go_off(server: WebServer) {
    let (_away, archive, door) = before_an_archive(server).await;
    let (url, directory) = (web(&door.node), door.directory.path());
    let bombs = MEBIBYTES.map(|mebibytes| bomb(u64::from(mebibytes), mebibytes));
    assert!(bombs.iter().all(|bomb| bomb.bytes.len() < 1 << 20), "{}", bombs[0].bytes.len());
    let peaks = || [&door.node, &archive].map(|node| memory_kib(node.id(), "VmHWM:"));
    let before = peaks();
    let (over, is_over) = oneshot::channel();
    let asking = tokio::spawn(asks(url.clone(), is_over));

    let (status, answer) = post(&url, WRITE, &body(directory, &bombs[..1])).await;
    assert_eq!(status, 200, "{answer:#}\n{}", door.log());
    send(&door.station(), &bombs[1..]).await;
    let balance = door.balance_exits(0, PATIENCE).await;
    assert_eq!(line(&balance, "archive")["confirmed"], bombs.len(), "{balance:#}\n{}", door.log());
    let file = directory.join("got").display().to_string();
    let token = format!("Authorization: Bearer {READ}");
    for bomb in &bombs {
        let path = super::odd::path(bomb);
        for root in [&url, &web(&archive)] {
            let as_it_came = "Accept: application/dicom; transfer-syntax=*";
            let wanted = ["--header", &token, "--header", as_it_came, "--output", &file];
            let (status, _) = curl(&[&wanted[..], &[&format!("{root}{path}")]].concat()).await;
            assert_eq!(status, 200, "{root}{path}\n{}", door.log());
            assert!(fs::read(&file).unwrap().ends_with(&bomb.bytes), "{root}{path}");
            let (status, refusal) = get(root, &format!("{path}/metadata")).await;
            assert_eq!(status, 413, "{root}{path}: {refusal}");
        }
    }
    over.send(()).unwrap();
    let longest = asking.await.unwrap();
    let after = peaks();
    println!("{before:?} KiB became {after:?} at most; others waited {longest:?} at most");
    assert!(longest < ANSWERED_WITHIN, "{longest:?}");
    for (before, after) in before.iter().zip(after) {
        assert!(after < before + MEMORY_KIB_MAX, "{before} KiB became {after}");
    }
}
