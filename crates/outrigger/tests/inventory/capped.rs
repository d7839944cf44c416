//! An archive over the wire that gives only so many answers to a query, and does not say so.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use outrigger_catalogue::{CatalogueInstance, Cursor, MemoryCatalogue, Version};
use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::{read_query, write_answer};
use outrigger_dimse::negotiate::{RequestorStores, Service};
use outrigger_dimse::{
    Association, AssociationError, Command, Incoming, Outcome, Roles, Settings, Verdict, accept,
};
use outrigger_model::{
    InstanceHeader, QueryRoot, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid, Status, StudyUid, Tag,
    TransferSyntaxUid, WallTime, sop_class,
};
use outrigger_runtime::net::{BoxStream, Net as _, Tcp};
use outrigger_sim::peers::Station;
use outrigger_sim::taker::takes_uncompressed;
use tokio::task::JoinHandle;

use crate::door::ae;

/// Longest identifier taken.
const IDENTIFIER_BYTES_MAX: usize = 1 << 20;

/// The archive; it ends with this value.
pub(super) struct Capped {
    pub(super) station: Station,
    shelf: Arc<Shelf>,
    task: JoinHandle<()>,
}

struct Shelf {
    catalogue: MemoryCatalogue,
    cap: usize,
    questions: AtomicUsize,
    refused: AtomicUsize,
}

impl Capped {
    /// Starts one with studies of one instance each, every tenth without a date.
    pub(super) async fn start(studies: u32, cap: usize) -> Self {
        let listener = Tcp.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let station = Station { ae_title: ae("CAPPED"), port: listener.local_addr().unwrap().port() };
        let mut catalogue = MemoryCatalogue::default();
        catalogue.put_instances(&(0..studies).map(instance).collect::<Vec<_>>()).unwrap();
        let (questions, refused) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let shelf = Arc::new(Shelf { catalogue, cap, questions, refused });
        let serving = Arc::clone(&shelf);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(tokio::spawn(answer(stream, Arc::clone(&serving))));
            }
        });
        Self { station, shelf, task }
    }

    /// Questions answered, and requests of another kind, which were refused.
    pub(super) fn asked(&self) -> (usize, usize) {
        (self.shelf.questions.load(Ordering::Relaxed), self.shelf.refused.load(Ordering::Relaxed))
    }
}

impl Drop for Capped {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn instance(study: u32) -> CatalogueInstance {
    let mut attributes = vec![
        (Tag::PATIENT_ID, format!("P{study}")),
        (Tag::PATIENT_NAME, format!("DOE^{study}")),
        (Tag::MODALITY, "CT".to_owned()),
        (Tag::INSTANCE_NUMBER, "1".to_owned()),
    ];
    if !study.is_multiple_of(10) {
        attributes.push((Tag::STUDY_DATE, format!("2019{:02}{:02}", study % 12 + 1, study % 28 + 1)));
    }
    let header = InstanceHeader {
        sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: SopInstanceUid::new(&format!("1.2.3.{study}.1.1")).unwrap(),
        study: Some(StudyUid::new(&format!("1.2.3.{study}")).unwrap()),
        series: Some(SeriesUid::new(&format!("1.2.3.{study}.1")).unwrap()),
        attributes,
    };
    let version = Version {
        transfer_syntax: TransferSyntaxUid::known("1.2.840.10008.1.2.1"),
        sha256: Sha256Digest([0; 32]),
        length: 0,
        stored_at: WallTime(0),
        place: 0,
    };
    CatalogueInstance { header, issuer: None, version }
}

async fn answer(stream: BoxStream, shelf: Arc<Shelf>) {
    let services = [sop_class::VERIFICATION, sop_class::STUDY_ROOT_FIND].map(|class| Service {
        abstract_syntax: SopClassUid::known(class),
        requestor: Roles::DEFAULT,
        extended: bytes::Bytes::new(),
    });
    let policy = takes_uncompressed(services.to_vec(), RequestorStores::Refused);
    let accepted = accept(stream, &Settings::STANDARD, |_| Verdict::Accept(Box::new(policy))).await;
    if let Ok(association) = accepted
        && let Err(error) = serve(association, &shelf).await
    {
        println!("an association ended: {error}");
    }
}

async fn serve(mut association: Association, shelf: &Shelf) -> Result<(), AssociationError> {
    while let Incoming::Message { context, command, .. } = association.receive().await? {
        let response = match command {
            Command::CEchoRq { message_id } => {
                Command::CEchoRsp { message_id, outcome: Outcome::of(Status::SUCCESS) }
            }
            Command::CFindRq { message_id, .. } => {
                shelf.questions.fetch_add(1, Ordering::Relaxed);
                find(&mut association, shelf, context, message_id).await?
            }
            other => match other.refusal(Outcome::of(Status::UNRECOGNIZED_OPERATION)) {
                Some(refusal) => {
                    shelf.refused.fetch_add(1, Ordering::Relaxed);
                    refusal
                }
                None => continue,
            },
        };
        association.send(context, &response).await?;
    }
    association.answer_release().await
}

async fn find(
    association: &mut Association,
    shelf: &Shelf,
    context: u8,
    message_id: u16,
) -> Result<Command, AssociationError> {
    let identifier = association.data_set(IDENTIFIER_BYTES_MAX).await?;
    let syntax = association.context(context).map(|context| context.transfer_syntax.clone());
    let form = syntax.as_ref().and_then(Form::of).unwrap_or(Form::ImplicitLittle);
    let query = read_query(QueryRoot::Study, form, &identifier).unwrap();
    let response = |status| Command::CFindRsp { message_id, sop_class: None, outcome: Outcome::of(status) };
    let (mut given, mut next) = (0, Some(Cursor::default()));
    while let Some(after) = next.filter(|_| given < shelf.cap) {
        let page = shelf.catalogue.find(&query, after, shelf.cap - given).unwrap();
        for answer in &page.items {
            let bytes = write_answer(form, &query, answer);
            association.send_with(context, &response(Status::PENDING), bytes.into()).await?;
            given += 1;
        }
        next = page.next;
    }
    Ok(response(Status::SUCCESS))
}
