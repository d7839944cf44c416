use std::sync::Arc;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{MemberSet, Seq, TransferSyntaxUid};
use outrigger_runtime::{Random, RealDisk, Spool};

use super::*;

const RLE: &str = "1.2.840.10008.1.2.5";

fn phantom(instance: u32) -> Phantom {
    Phantom::new(1, Place { instance, ..Place::default() }, Shape::SmallCt)
}

fn planned(phantom: &Phantom, keeping: Option<Keeping>) -> Planned {
    let sha256 = Sha256Digest(Sha256::digest(&phantom.data_set).into());
    let header = phantom.header.clone();
    Planned {
        sop_class: header.sop_class,
        sop_instance: header.sop_instance,
        study: header.study,
        series: header.series,
        transfer_syntax: phantom.transfer_syntax.clone(),
        length: phantom.data_set.len() as u64,
        keeping: keeping.unwrap_or(Keeping::Accepted { entry: Seq(1), sha256 }),
    }
}

async fn body(bytes: Bytes) -> Body {
    let spool = Spool {
        disk: Arc::new(RealDisk),
        directory: std::env::temp_dir().into(),
        threads: Threads::System,
        random: Random::System,
        memory_bytes_max: 1 << 30,
        object_bytes_max: 1 << 30,
    };
    let mut writer = spool.begin();
    writer.push(bytes).await.unwrap();
    writer.finish().await.unwrap()
}

async fn judged(instance: &Planned, syntax: &str, bytes: Bytes) -> Result<Judged, Unfit> {
    let member = MemberName::new("a").unwrap();
    let syntax = TransferSyntaxUid::new(syntax).unwrap();
    judge(Threads::System, instance, &member, syntax, body(bytes).await).await
}

fn encoded(phantom: &Phantom, to: &str) -> Bytes {
    let to = TransferSyntaxUid::new(to).unwrap();
    transcode::transcode(phantom.data_set.clone(), &phantom.transfer_syntax, &to).unwrap().into()
}

/// With a group length more, as some archives write: the same content, whose bytes nobody makes again.
fn longer(bytes: &Bytes) -> Bytes {
    [&[0x08, 0, 0, 0, b'U', b'L', 4, 0, 0, 0, 0, 0], &bytes[..]].concat().into()
}

fn altered(bytes: &Bytes) -> Bytes {
    let mut altered = bytes.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    altered.into()
}

#[tokio::test]
async fn what_was_accepted_is_proven_in_whatever_encoding_it_comes_back() {
    let phantom = phantom(1);
    let instance = planned(&phantom, None);
    for syntax in [EXPLICIT_VR_LE, IMPLICIT_VR_LE, RLE] {
        let judged = judged(&instance, syntax, encoded(&phantom, syntax)).await.unwrap();
        let Judged::Proven(copy) = judged else { panic!("{syntax}: {judged:?}") };
        assert_eq!(copy.transfer_syntax, phantom.transfer_syntax, "{syntax}");
        assert_eq!(copy.bytes.read_block(0).unwrap(), phantom.data_set, "{syntax}");
    }
}

#[tokio::test]
async fn other_objects_and_torn_ones_are_no_copies() {
    let (phantom, other) = (phantom(1), phantom(2));
    let inherited = Keeping::Inherited { members: MemberSet(1) };
    for instance in [planned(&phantom, None), planned(&phantom, Some(inherited))] {
        let another = judged(&instance, EXPLICIT_VR_LE, other.data_set.clone()).await;
        assert!(matches!(another, Err(Unfit::Another { .. })), "{another:?}");
        let torn = phantom.data_set.slice(..phantom.data_set.len() - 100);
        let torn = judged(&instance, EXPLICIT_VR_LE, torn).await;
        assert!(matches!(torn, Err(Unfit::Scan(_))), "{torn:?}");
    }
    let instance = planned(&phantom, Some(inherited));
    let taken = judged(&instance, EXPLICIT_VR_LE, altered(&phantom.data_set)).await;
    assert!(matches!(taken, Ok(Judged::Proven(_))), "nothing else is known of it: {taken:?}");
}

async fn doubtful(instance: &Planned, bytes: Bytes) -> Doubtful {
    match judged(instance, EXPLICIT_VR_LE, bytes).await.unwrap() {
        Judged::Doubtful(doubtful) => doubtful,
        judged @ Judged::Proven(_) => panic!("{judged:?}"),
    }
}

#[tokio::test]
async fn copies_with_other_bytes_are_decided_by_what_they_say_of_one_another() {
    let phantom = phantom(1);
    let instance = planned(&phantom, None);
    let same = longer(&phantom.data_set);
    let other = altered(&phantom.data_set);
    let decided = |copies: Vec<Doubtful>| decide(copies);
    let (one, two) = (doubtful(&instance, same.clone()).await, doubtful(&instance, same.clone()).await);
    let three = doubtful(&instance, other.clone()).await;
    assert!(
        matches!(decided(vec![three, one, two]), Decision::Agreed(copy) if copy.bytes.length() == same.len() as u64)
    );
    let (one, two) = (doubtful(&instance, same.clone()).await, doubtful(&instance, other.clone()).await);
    assert!(matches!(decided(vec![one, two]), Decision::Undecided(_)));
    assert!(matches!(decided(vec![doubtful(&instance, other).await]), Decision::Alone(_)));
    assert!(matches!(decided(Vec::new()), Decision::Nothing));
}
