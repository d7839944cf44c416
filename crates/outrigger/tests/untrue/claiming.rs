//! An archive over the wire that takes whatever it is sent and gives nothing back, and answers queries as it is told to.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use outrigger_catalogue::{CatalogueInstance, Cursor, MemoryCatalogue, Version};
use outrigger_dataset::form::Form;
use outrigger_dataset::identifier::{read_query, write_answer};
use outrigger_dimse::negotiate::{RequestorStores, Service};
use outrigger_dimse::{
    Association, AssociationError, Command, Incoming, Outcome, Roles, Settings, Verdict, accept,
};
use outrigger_model::{
    Answer, InstanceHeader, Query, QueryRoot, SeriesUid, Sha256Digest, SopClassUid, SopInstanceUid, Status,
    StudyUid, Tag, TransferSyntaxUid, WallTime, sop_class,
};
use outrigger_runtime::net::{BoxStream, Net as _, Tcp};
use outrigger_sim::peers::Station;
use outrigger_sim::taker::takes_uncompressed;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::door::ae;

/// Longest identifier or object taken.
const DATA_SET_BYTES_MAX: usize = 1 << 24;
/// Answers read of its catalogue at once.
const PAGE: usize = 100;

/// How it answers queries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Conduct {
    /// With all it has.
    Truly,
    /// With no more than so many answers, as if these were all.
    AtMost(usize),
    /// With so many answers, and then it is gone.
    BreaksOff(usize),
    /// After so long.
    After(Duration),
    /// With this number of instances.
    Counts(u64),
    /// Each answer twice.
    Twice,
}

/// The archive; it ends with this value.
pub(crate) struct Claiming {
    pub(crate) station: Station,
    shelf: Arc<Shelf>,
    task: JoinHandle<()>,
}

struct Shelf {
    /// The locks are leaves, held for a look.
    catalogue: Mutex<MemoryCatalogue>,
    conduct: Mutex<Conduct>,
    questions: AtomicUsize,
    others: AtomicUsize,
}

impl Claiming {
    /// Starts one that has nothing.
    pub(crate) async fn start(title: &str) -> Self {
        let listener = Tcp.listen(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))).await.unwrap();
        let station = Station { ae_title: ae(title), port: listener.local_addr().unwrap().port() };
        let (questions, others) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (catalogue, conduct) = (Mutex::default(), Mutex::new(Conduct::Truly));
        let shelf = Arc::new(Shelf { catalogue, conduct, questions, others });
        let serving = Arc::clone(&shelf);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                drop(tokio::spawn(answer(stream, Arc::clone(&serving))));
            }
        });
        Self { station, shelf, task }
    }

    /// One that gives only so many answers and does not say so, with studies of one instance each, every tenth without a date.
    pub(crate) async fn capped(studies: u32, cap: usize) -> Self {
        let archive = Self::start("CAPPED").await;
        archive.has((0..studies).map(header));
        archive.answers(Conduct::AtMost(cap));
        archive
    }

    /// Claims to have these from now on.
    pub(crate) fn has(&self, headers: impl Iterator<Item = InstanceHeader>) {
        let instances: Vec<_> = headers.map(instance).collect();
        self.shelf.catalogue.lock().unwrap().put_instances(&instances).unwrap();
    }

    /// Answers so from now on.
    pub(crate) fn answers(&self, conduct: Conduct) {
        *self.shelf.conduct.lock().unwrap() = conduct;
    }

    /// Questions answered, and requests of another kind.
    pub(crate) fn asked(&self) -> (usize, usize) {
        (self.shelf.questions.load(Ordering::Relaxed), self.shelf.others.load(Ordering::Relaxed))
    }
}

impl Drop for Claiming {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn header(study: u32) -> InstanceHeader {
    let mut attributes = vec![
        (Tag::PATIENT_ID, format!("P{study}")),
        (Tag::PATIENT_NAME, format!("DOE^{study}")),
        (Tag::MODALITY, "CT".to_owned()),
        (Tag::INSTANCE_NUMBER, "1".to_owned()),
    ];
    if !study.is_multiple_of(10) {
        attributes.push((Tag::STUDY_DATE, format!("2019{:02}{:02}", study % 12 + 1, study % 28 + 1)));
    }
    InstanceHeader {
        sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.1.2"),
        sop_instance: SopInstanceUid::new(&format!("1.2.3.{study}.1.1")).unwrap(),
        study: Some(StudyUid::new(&format!("1.2.3.{study}")).unwrap()),
        series: Some(SeriesUid::new(&format!("1.2.3.{study}.1")).unwrap()),
        attributes,
    }
}

fn instance(header: InstanceHeader) -> CatalogueInstance {
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
                match find(&mut association, shelf, context, message_id).await? {
                    Some(response) => response,
                    None => return association.abort().await,
                }
            }
            Command::CStoreRq { message_id, sop_class, sop_instance, .. } => {
                shelf.others.fetch_add(1, Ordering::Relaxed);
                association.data_set(DATA_SET_BYTES_MAX).await?;
                let (sop_class, sop_instance) = (Some(sop_class), Some(sop_instance));
                let outcome = Outcome::of(Status::SUCCESS);
                Command::CStoreRsp { message_id, sop_class, sop_instance, outcome }
            }
            other => match other.refusal(Outcome::of(Status::UNRECOGNIZED_OPERATION)) {
                Some(refusal) => {
                    shelf.others.fetch_add(1, Ordering::Relaxed);
                    refusal
                }
                None => continue,
            },
        };
        association.send(context, &response).await?;
    }
    association.answer_release().await
}

/// Answers a query; gives the last response, or `None` where the connection is to break.
async fn find(
    association: &mut Association,
    shelf: &Shelf,
    context: u8,
    message_id: u16,
) -> Result<Option<Command>, AssociationError> {
    let identifier = association.data_set(DATA_SET_BYTES_MAX).await?;
    let syntax = association.context(context).map(|context| context.transfer_syntax.clone());
    let form = syntax.as_ref().and_then(Form::of).unwrap_or(Form::ImplicitLittle);
    let query = read_query(QueryRoot::Study, form, &identifier).unwrap();
    let response = |status| Command::CFindRsp { message_id, sop_class: None, outcome: Outcome::of(status) };
    let conduct = *shelf.conduct.lock().unwrap();
    if let Conduct::After(time) = conduct {
        sleep(time).await;
    }
    for answer in shelf.answers(&query, conduct) {
        let bytes = write_answer(form, &query, &answer);
        association.send_with(context, &response(Status::PENDING), bytes.into()).await?;
    }
    Ok((!matches!(conduct, Conduct::BreaksOff(_))).then(|| response(Status::SUCCESS)))
}

impl Shelf {
    /// What it answers in this conduct.
    fn answers(&self, query: &Query, conduct: Conduct) -> Vec<Answer> {
        let (mut all, mut next) = (Vec::new(), Some(Cursor::default()));
        while let Some(after) = next {
            let page = self.catalogue.lock().unwrap().find(query, after, PAGE).unwrap();
            all.extend(page.items);
            next = page.next;
        }
        match conduct {
            Conduct::Truly | Conduct::After(_) => {}
            Conduct::AtMost(count) | Conduct::BreaksOff(count) => all.truncate(count),
            Conduct::Twice => all = all.into_iter().flat_map(|answer| [answer.clone(), answer]).collect(),
            Conduct::Counts(count) => {
                for (tag, value) in all.iter_mut().flat_map(|answer| &mut answer.attributes) {
                    if *tag == Tag::STUDY_RELATED_INSTANCES {
                        *value = count.to_string();
                    }
                }
            }
        }
        all
    }
}
