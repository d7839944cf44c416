//! A modality of our own: sends objects as they are, in every encoding.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use outrigger_dataset::normal::{self, Fingerprint};
use outrigger_dataset::transcode;
use outrigger_dimse::{Settings, Timers};
use outrigger_member::dimse::CONNECT_TIMEOUT;
use outrigger_member::{DimseMember, DimseRoute, Member, Need, Outgoing, ReadBack, StoreSession};
use outrigger_model::{InstanceHeader, Status, TransferSyntaxUid};
use outrigger_runtime::net::Tcp;
use outrigger_runtime::{BlockSource, Random, RealDisk, Spool, Threads, TlsClient};
use outrigger_sim::peers::Station;
use outrigger_sim::phantom::{Phantom, Shape, corpus};

use crate::door::ae;

/// An object to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    pub(crate) header: InstanceHeader,
    pub(crate) transfer_syntax: TransferSyntaxUid,
    pub(crate) bytes: Bytes,
}

impl From<Phantom> for Object {
    fn from(phantom: Phantom) -> Self {
        let Phantom { header, transfer_syntax, data_set, .. } = phantom;
        Self { header, transfer_syntax, bytes: data_set }
    }
}

impl Object {
    /// What it needs of an association: its own encoding and no other.
    pub(crate) fn need(&self) -> Need {
        Need {
            sop_class: self.header.sop_class.clone(),
            transfer_syntax: self.transfer_syntax.clone(),
            alternatives: Vec::new(),
        }
    }

    /// How it goes out.
    pub(crate) fn outgoing(&self) -> Outgoing {
        Outgoing {
            sop_class: self.header.sop_class.clone(),
            sop_instance: self.header.sop_instance.clone(),
            transfer_syntax: self.transfer_syntax.clone(),
            bytes: Arc::new(self.bytes.clone()),
        }
    }
}

/// Small CT images, as many as asked for, others for each seed.
pub(crate) fn objects(seed: u64, count: u32) -> Vec<Object> {
    corpus(seed, Shape::SmallCt, count).map(Object::from).collect()
}

/// An archive or front door as a modality reaches it.
pub(crate) fn reached(station: &Station, tls: Option<TlsClient>) -> DimseMember {
    let timers = Timers { response: Duration::from_secs(20), ..Timers::STANDARD };
    let route = DimseRoute {
        address: station.address().to_string(),
        ae_title: station.ae_title.clone(),
        calling: ae("CT1"),
        tls,
        connect_timeout: CONNECT_TIMEOUT,
        settings: Settings { timers, ..Settings::STANDARD },
        read_back: ReadBack::Get,
    };
    let spool = Spool {
        disk: Arc::new(RealDisk),
        directory: std::env::temp_dir().into(),
        threads: Threads::System,
        random: Random::System,
        memory_bytes_max: 1 << 30,
        object_bytes_max: 1 << 30,
    };
    DimseMember::new(route, Arc::new(Tcp), spool)
}

/// An association that needs no more than the objects given.
pub(crate) async fn associated(station: &Station, objects: &[Object]) -> Box<dyn StoreSession> {
    let mut needs = Vec::new();
    for need in objects.iter().map(Object::need) {
        if !needs.contains(&need) {
            needs.push(need);
        }
    }
    reached(station, None).open(&needs, &ae("CT1")).await.unwrap()
}

/// Sends one object; gives the status it is answered with.
pub(crate) async fn store(session: &mut dyn StoreSession, object: &Object) -> Status {
    session.store(&object.outgoing()).await.unwrap().status
}

/// Sends objects over one association; each must be taken with success.
pub(crate) async fn send(station: &Station, objects: &[Object]) {
    let mut session = associated(station, objects).await;
    for object in objects {
        assert_eq!(store(&mut *session, object).await, Status::SUCCESS, "{:?}", object.header);
    }
    session.release().await.unwrap();
}

/// Reads each object back from an archive; it must be in step with what was sent.
pub(crate) async fn same_at(station: &Station, objects: &[Object]) {
    let archive = reached(station, None);
    for object in objects {
        if let Err(difference) = compared(&archive, object).await {
            panic!("{} at {}: {difference}", object.header.sop_instance, station.ae_title);
        }
    }
}

/// Reads an object back; the error says how it differs.
pub(crate) async fn compared(archive: &DimseMember, object: &Object) -> Result<(), String> {
    let header = &object.header;
    let (Some(study), Some(series)) = (&header.study, &header.series) else {
        return Err("it stands outside studies".to_owned());
    };
    let mut encodings = vec![object.transfer_syntax.clone()];
    encodings.extend(transcode::targets(&object.transfer_syntax));
    let fetched = archive.fetch(study, series, &header.sop_instance, &header.sop_class, &encodings).await;
    let (syntax, body) = fetched.map_err(|error| format!("{error:?}"))?;
    let mut bytes = Vec::new();
    for index in 0.. {
        let block = body.read_block(index).unwrap();
        if block.is_empty() {
            break;
        }
        bytes.extend_from_slice(&block);
    }
    let sent = Fingerprint::of(&object.transfer_syntax, object.bytes.clone());
    let verdict = normal::compare(&sent, &Fingerprint::of(&syntax, bytes.into()));
    if verdict.is_in_step() { Ok(()) } else { Err(format!("{verdict:?} in {syntax}")) }
}
