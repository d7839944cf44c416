use async_trait::async_trait;
use outrigger_model::{
    Answer, Query, Selection, SopClassUid, SopInstanceUid, TransferSyntaxUid, transfer_syntax,
};
use outrigger_runtime::Spool;
use tokio::sync::mpsc;

use super::*;
use crate::service::{Accepts, Arrival, FindRefusal, StoreRefusal, Stored};

/// Somebody else, who gives this.
struct Other(Opened);

#[async_trait]
impl Service for Other {
    fn accepts(&self) -> Accepts {
        panic!("nothing is negotiated here");
    }

    fn spool(&self) -> Spool {
        panic!("nothing is stored here");
    }

    async fn accept(&self, _: Arrival) -> Result<Stored, StoreRefusal> {
        panic!("nothing is stored here");
    }

    async fn find(&self, _: Query) -> Result<mpsc::Receiver<Result<Answer, FindRefusal>>, FindRefusal> {
        panic!("nothing is asked here");
    }

    async fn plan(&self, _: Selection) -> Result<Vec<Retrievable>, FindRefusal> {
        panic!("nothing is planned here");
    }

    async fn open(&self, _: &Retrievable) -> Result<Opened, FindRefusal> {
        panic!("it is open already");
    }

    async fn open_elsewhere(&self, _: &Retrievable) -> Result<Opened, FindRefusal> {
        Ok(self.0.clone())
    }
}

/// Bytes of which one block cannot be read.
#[derive(Debug)]
struct Scratched {
    bytes: Bytes,
    block: u64,
}

impl BlockSource for Scratched {
    fn length(&self) -> u64 {
        self.bytes.length()
    }

    fn read_block(&self, index: u64) -> Result<Bytes, BlockError> {
        if index == self.block { Err(damaged(index)) } else { self.bytes.read_block(index) }
    }
}

fn damaged(index: u64) -> BlockError {
    BlockError::Damaged { what: "the object".to_owned(), index, found: 1, written: 2 }
}

fn opened(bytes: Arc<dyn BlockSource>) -> Opened {
    let transfer_syntax = TransferSyntaxUid::known(transfer_syntax::EXPLICIT_VR_LE);
    Opened { transfer_syntax, bytes, provenance: Provenance::Proven }
}

/// Three blocks, of which the first byte of this one is another, if any is.
fn blocks(altered: Option<usize>) -> Bytes {
    let mut bytes = vec![7; 3 * BLOCK_BYTES];
    if let Some(block) = altered {
        bytes[block * BLOCK_BYTES] = 8;
    }
    bytes.into()
}

/// Goal: what is put behind bytes that are out already is the very same object, as far as anybody can tell. The control is the
/// first case.
#[tokio::test]
async fn bytes_of_somebody_else_are_taken_where_they_are_the_same() {
    let instance = Retrievable {
        sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: SopInstanceUid::known("1.2.3"),
        study: None,
        series: None,
        transfer_syntax: TransferSyntaxUid::known(transfer_syntax::EXPLICIT_VR_LE),
        length: 0,
        place: String::new(),
    };
    let whole = || opened(Arc::new(blocks(None)));
    let longer = [blocks(None).as_ref(), &[7]].concat();
    let implicit = TransferSyntaxUid::known(transfer_syntax::IMPLICIT_VR_LE);
    let of_one = Provenance::Unproven { keeper: "b".to_owned() };
    for (what, other, is_taken) in [
        ("the same", whole(), true),
        ("another block where ours cannot be read", opened(Arc::new(blocks(Some(1)))), true),
        ("another block before", opened(Arc::new(blocks(Some(0)))), false),
        ("another block behind", opened(Arc::new(blocks(Some(2)))), false),
        ("a byte more", opened(Arc::new(Bytes::from(longer))), false),
        ("two blocks", opened(Arc::new(blocks(None).slice(..2 * BLOCK_BYTES))), false),
        ("another encoding", Opened { transfer_syntax: implicit, ..whole() }, false),
        ("the word of one alone", Opened { provenance: of_one, ..whole() }, false),
        ("damaged too", opened(Arc::new(Scratched { bytes: blocks(None), block: 2 })), false),
    ] {
        let ours = opened(Arc::new(Scratched { bytes: blocks(None), block: 1 }));
        let service: Arc<dyn Service> = Arc::new(Other(other));
        let same = same_elsewhere(&service, Threads::System, &instance, &ours, &damaged(1)).await;
        assert_eq!(same.is_some(), is_taken, "{what}");
    }
}
