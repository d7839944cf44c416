use std::sync::Arc;

use bytes::Bytes;
use outrigger_model::transfer_syntax::EXPLICIT_VR_LE;
use outrigger_runtime::{Disk, Random, RealDisk, Spool};

use super::*;

fn quarantine(directory: &std::path::Path, bytes_max: u64, files_max: usize) -> Quarantine {
    Quarantine {
        disk: Arc::new(RealDisk),
        directory: directory.to_owned(),
        threads: Threads::System,
        bytes_max,
        files_max,
    }
}

fn label(at: i64) -> Label {
    Label {
        at: WallTime(at),
        sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: Some(SopInstanceUid::known("1.2.3")),
        transfer_syntax: TransferSyntaxUid::known(EXPLICIT_VR_LE),
    }
}

async fn body(spool: &std::path::Path, bytes: Bytes) -> Body {
    let spool = Spool {
        disk: Arc::new(RealDisk),
        directory: spool.into(),
        threads: Threads::System,
        random: Random::seeded(1),
        memory_bytes_max: 4096,
        object_bytes_max: 1 << 30,
    };
    let mut writer = spool.begin();
    writer.push(bytes).await.unwrap();
    writer.finish().await.unwrap()
}

#[tokio::test]
async fn a_file_is_headed_and_holds_the_bytes_from_memory_and_from_the_spool() {
    let (spool, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let quarantine = quarantine(kept.path(), 1 << 24, 10);
    for length in [100, 3 << 20] {
        let bytes: Bytes = (0..length).map(|i| u8::try_from(i % 251).unwrap()).collect();
        let path = quarantine.keep(label(length), body(spool.path(), bytes.clone()).await).await.unwrap();
        let file = outrigger_runtime::disk::read_small(&RealDisk, &path, 1 << 24).unwrap();
        let (head, data) = file.split_at(file.len() - bytes.len());
        assert_eq!(data, bytes);
        assert_eq!(&head[128..132], b"DICM");
        assert_eq!(head.len() % 2, 0);
        let group_length = u32::from_le_bytes(head[140..144].try_into().unwrap()) as usize;
        assert_eq!(head.len(), 144 + group_length);
    }
    assert!(RealDisk.list(spool.path()).unwrap().is_empty(), "the spool is clean again");
}

#[tokio::test]
async fn the_oldest_make_room_by_count_and_by_bytes() {
    let (spool, kept) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let by_count = quarantine(kept.path(), 1 << 20, 3);
    let mut paths = Vec::new();
    for at in 0..5 {
        paths.push(
            by_count
                .keep(label(at), body(spool.path(), vec![u8::try_from(at).unwrap(); 1000].into()).await)
                .await
                .unwrap(),
        );
    }
    let listed = |path: &std::path::Path| -> Vec<_> {
        RealDisk.list(path).unwrap().into_iter().map(|file| file.path).collect()
    };
    assert_eq!(listed(kept.path()), paths[2..]);

    let by_bytes = quarantine(kept.path(), 3000, 100);
    let last = by_bytes.keep(label(9), body(spool.path(), vec![9; 1000].into()).await).await.unwrap();
    assert_eq!(listed(kept.path()), [paths[4].clone(), last]);
    let too_large = by_bytes.keep(label(10), body(spool.path(), vec![0; 3000].into()).await).await;
    assert!(matches!(too_large, Err(KeepError::TooLarge { .. })));
    assert_eq!(listed(kept.path()).len(), 2);
}
