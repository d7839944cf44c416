//! What is asked of every real archive, and the listener it answers on.

use std::net::SocketAddr;

use outrigger_dataset::phantom::{Phantom, Place, Shape};
use outrigger_member::{
    Answered, Answers, AnswersOptions, DimseMember, Expectations, Member, MemberError, Outcome, ReadBack,
    StatusRules, Wholeness, classify,
};
use outrigger_model::transfer_syntax::{EXPLICIT_VR_LE, IMPLICIT_VR_LE};
use outrigger_model::{Level, Query, QueryKey, QueryRoot, SopInstanceUid, Tag};
use outrigger_runtime::net::Tcp;
use outrigger_runtime::{Body, Content, Shutdown, ShutdownGuard};
use outrigger_sim::peers::Station;

use crate::scripted::{ae, need, outgoing, spool, syntax};

/// Our listener for members.
pub(crate) struct Ours {
    pub(crate) answers: Answers,
    pub(crate) by_move: ReadBack,
    pub(crate) directory: tempfile::TempDir,
    _guard: ShutdownGuard,
}

impl Ours {
    pub(crate) async fn listen(member: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (guard, shutdown) = Shutdown::pair();
        let options = AnswersOptions {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            ae_title: ae("OUTRIGGER_M"),
            members: vec![ae(member)],
            settings: outrigger_dimse::Settings::STANDARD,
        };
        let expectations = Expectations::default();
        let answers = Answers::listen(&Tcp, options, expectations.clone(), spool(&directory), shutdown);
        let answers = answers.await.unwrap();
        let by_move = ReadBack::Move { destination: ae("OUTRIGGER_M"), expectations };
        Self { answers, by_move, directory, _guard: guard }
    }

    /// How the archive knows us.
    pub(crate) fn station(&self) -> Station {
        Station { ae_title: ae("OUTRIGGER_M"), port: self.answers.address.port() }
    }
}

pub(crate) fn address(station: &Station) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], station.port))
}

/// One object of each of four classes, each in a series of its own.
pub(crate) fn phantoms() -> Vec<Phantom> {
    [Shape::SmallCt, Shape::Ct, Shape::Mr, Shape::Sr]
        .into_iter()
        .zip(0..)
        .map(|(shape, series)| Phantom::new(1, Place { series, ..Place::default() }, shape))
        .collect()
}

/// Stores the phantoms as they are.
pub(crate) async fn store(member: &DimseMember) {
    let phantoms = phantoms();
    let needs: Vec<_> = phantoms.iter().map(need).collect();
    let mut session = member.open(&needs, &ae("CT1")).await.unwrap();
    for (phantom, need) in phantoms.iter().zip(&needs) {
        assert_eq!(session.takes(need).as_ref(), Some(&phantom.transfer_syntax));
        let answer = session.store(&outgoing(phantom)).await;
        assert_eq!(classify(&answer, &StatusRules::default()), Outcome::Stored, "{answer:?}");
    }
    session.release().await.unwrap();
}

/// Whether what is read back must be what was stored bit by bit: archives that rewrite keep the pixels only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Keeps {
    Bytes,
    Content,
}

/// The archive shows what it has, gives it back, and says so when it has not.
pub(crate) async fn shows_and_gives_back(member: &dyn Member, keeps: Keeps) {
    answers_queries(member).await;
    for phantom in phantoms() {
        let header = &phantom.header;
        let (study, series) = (header.study.as_ref().unwrap(), header.series.as_ref().unwrap());
        let found = member.present(study, series).await.unwrap();
        assert_eq!(found.instances, std::slice::from_ref(&header.sop_instance));
        let encodings = [EXPLICIT_VR_LE, IMPLICIT_VR_LE].map(syntax);
        let fetch =
            async |instance| member.fetch(study, series, instance, &header.sop_class, &encodings).await;
        let (taken_in, body) = fetch(&header.sop_instance).await.unwrap();
        let bytes = bytes(body);
        match keeps {
            Keeps::Bytes => assert!(taken_in == phantom.transfer_syntax && bytes == phantom.data_set),
            Keeps::Content => {
                let read = outrigger_dataset::normal::Fingerprint::of(&taken_in, bytes.into());
                let sent = outrigger_dataset::normal::Fingerprint::of(
                    &phantom.transfer_syntax,
                    phantom.data_set.clone(),
                );
                assert!(outrigger_dataset::normal::compare(&sent, &read).is_in_step(), "{header:?}");
            }
        }
        let missing = fetch(&SopInstanceUid::known("1.2.3")).await.unwrap_err();
        assert!(matches!(missing, MemberError::NotFound), "{missing:?}");
    }
}

/// A study-level query finds each study by its UID, and one that is cut short leaves
/// a connection that can be asked again, or one that says that it cannot.
async fn answers_queries(member: &dyn Member) {
    let mut session = member.ask(&[]).await.unwrap();
    for phantom in phantoms() {
        let study = phantom.header.study.as_ref().unwrap();
        let key = |tag, value: &str| QueryKey { tag, value: value.to_owned() };
        let keys = vec![key(Tag::STUDY_INSTANCE_UID, study.as_str()), key(Tag::PATIENT_ID, "")];
        let query = Query::new(QueryRoot::Study, Level::Study, keys);
        let cut = session.find(&query, 0).await.unwrap();
        assert_eq!((cut.answers.len(), cut.whole), (0, Wholeness::Cut));
        if !session.is_open() {
            session = member.ask(&[]).await.unwrap();
        }
        let all = session.find(&query, 10).await.unwrap();
        assert_eq!(all.whole, Wholeness::All, "{all:?}");
        let patient = phantom.header.attribute(Tag::PATIENT_ID).unwrap();
        // pynetdicom's archive gives the study once for each of its instances.
        let [first, others @ ..] = &*all.answers else { panic!("{all:?}") };
        assert!(others.iter().all(|other| other == first), "{all:?}");
        let shown = &first.attributes;
        assert!(shown.iter().any(|(tag, value)| *tag == Tag::PATIENT_ID && value == patient), "{shown:?}");
        let none = Query { keys: vec![key(Tag::STUDY_INSTANCE_UID, "1.2.3.4")], ..query };
        assert_eq!(session.find(&none, 10).await.unwrap(), Answered::default());
    }
    session.release().await;
}

fn bytes(body: Body) -> Vec<u8> {
    match body.content {
        Content::Memory(pieces) => pieces.concat(),
        Content::File(file) => {
            let mut whole = vec![0; usize::try_from(body.length).unwrap()];
            file.file().read_at(&mut whole, 0).unwrap();
            whole
        }
    }
}
