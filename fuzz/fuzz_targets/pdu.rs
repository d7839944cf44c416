//! PDUs: whatever bytes a peer sends, in either role and in every state, an association ends in an orderly way.
#![no_main]

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use outrigger_dimse::associate::{APPLICATION_CONTEXT, AssociateAccept, Protocol, UserInformation};
use outrigger_dimse::command::write;
use outrigger_dimse::negotiate::{
    IdentityVerdict, RequestorStores, StoragePolicy, TransferSyntaxPreference, Undeliverable, UnknownClasses,
};
use outrigger_dimse::pdu::{Carries, RELEASE_REQUEST, data_head};
use outrigger_dimse::{
    AcceptorPolicy, AssociateRequest, Association, Command, DataSet, Incoming, Part, Priority, Proposal,
    ProposedContext, Settings, Verdict, accept, request,
};
use outrigger_model::{AeTitle, SopClassUid, TransferSyntaxUid};
use outrigger_runtime::net::Stream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Which part of the protocol the bytes meet.
enum Stage {
    /// The variable field of an A-ASSOCIATE-RQ.
    RequestBody,
    /// The variable field of an A-ASSOCIATE-AC.
    AcceptBody,
    /// All that a calling peer sends.
    Accepting,
    /// All that a peer sends behind a good A-ASSOCIATE-RQ.
    Accepted,
    /// All that a called peer sends.
    Requesting,
    /// All that a peer sends behind a good A-ASSOCIATE-AC.
    Requested,
    /// Good PDUs and parts of messages in any order, behind a good A-ASSOCIATE-RQ or -AC.
    Messages,
}

fuzz_target!(|bytes: &[u8]| {
    let Some((selector, bytes)) = bytes.split_first() else { return };
    let stage = match selector % 7 {
        0 => Stage::RequestBody,
        1 => Stage::AcceptBody,
        2 => Stage::Accepting,
        3 => Stage::Accepted,
        4 => Stage::Requesting,
        5 => Stage::Requested,
        _ => Stage::Messages,
    };
    match stage {
        Stage::RequestBody => request_body(bytes),
        Stage::AcceptBody => accept_body(bytes),
        Stage::Accepting => run(as_acceptor(bytes.to_vec())),
        Stage::Accepted => run(as_acceptor(behind(&good_request().write().expect("is short"), bytes))),
        Stage::Requesting => run(as_requestor(bytes.to_vec())),
        Stage::Requested => run(as_requestor(behind(&good_accept().write().expect("is short"), bytes))),
        Stage::Messages => {
            let messages = messages(bytes);
            run(as_acceptor(behind(&good_request().write().expect("is short"), &messages)));
            run(as_requestor(behind(&good_accept().write().expect("is short"), &messages)));
        }
    }
});

fn behind(first: &[u8], bytes: &[u8]) -> Vec<u8> {
    [first, bytes].concat()
}

/// What the bytes spell: each step is a kind, a context and a length, then so many bytes.
fn messages(mut bytes: &[u8]) -> Vec<u8> {
    let mut sent = Vec::new();
    while let [kind, context, length, rest @ ..] = bytes {
        let (data, rest) = rest.split_at(rest.len().min(usize::from(*length)));
        bytes = rest;
        let message_id = u16::from(*length);
        let find = Command::CFindRq {
            message_id,
            sop_class: SopClassUid::known("1.2.840.10008.5.1.4.1.2.2.1"),
            priority: Priority::Medium,
        };
        let (carries, part, data) = match kind % 8 {
            0 => (Carries::Command, Part::Last, write(&Command::CEchoRq { message_id }, DataSet::Absent)),
            1 => (Carries::Command, Part::Last, write(&find, DataSet::Follows)),
            2 => (Carries::DataSet, Part::More, Bytes::copy_from_slice(data)),
            3 => (Carries::DataSet, Part::Last, Bytes::copy_from_slice(data)),
            4 => (Carries::Command, Part::More, Bytes::copy_from_slice(data)),
            5 => (Carries::Command, Part::Last, Bytes::copy_from_slice(data)),
            6 => {
                sent.extend_from_slice(&RELEASE_REQUEST);
                continue;
            }
            _ => {
                sent.extend_from_slice(data);
                continue;
            }
        };
        let length = u32::try_from(data.len()).expect("is short");
        sent.extend_from_slice(&data_head(*context, carries, part, length));
        sent.extend_from_slice(&data);
    }
    sent
}

fn request_body(bytes: &[u8]) {
    let Ok(request) = AssociateRequest::read(Bytes::copy_from_slice(bytes)) else { return };
    assert!(request.contexts.len() <= 128);
    let pdu = request.write().expect("what was read can be written");
    let again = AssociateRequest::read(pdu.slice(6..)).expect("what was written can be read");
    assert_eq!(again, request);
    let negotiated = outrigger_dimse::negotiate::negotiate(&request, &policy(), &Settings::STANDARD);
    assert_eq!(negotiated.answer.contexts.len(), request.contexts.len());
}

fn accept_body(bytes: &[u8]) {
    let Ok(accept) = AssociateAccept::read(Bytes::copy_from_slice(bytes)) else { return };
    assert!(accept.contexts.len() <= 256);
}

fn run(future: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    runtime.expect("a runtime without I/O needs nothing").block_on(future);
}

async fn as_acceptor(script: Vec<u8>) {
    let verdict = |_: &AssociateRequest| Verdict::Accept(Box::new(policy()));
    if let Ok(association) = accept(Box::new(Script::new(script)), &Settings::STANDARD, verdict).await {
        receive_all(association).await;
    }
}

async fn as_requestor(script: Vec<u8>) {
    let AssociateRequest { calling, called, contexts, .. } = good_request();
    let proposal = Proposal { calling, called, contexts, roles: Vec::new() };
    if let Ok(association) = request(Box::new(Script::new(script)), &Settings::STANDARD, proposal).await {
        receive_all(association).await;
    }
}

async fn receive_all(mut association: Association) {
    loop {
        match association.receive().await {
            Ok(Incoming::Message { context, .. }) => {
                assert!(association.context(context).is_some());
                while let Ok(Some(fragment)) = association.fragment().await {
                    assert!(fragment.len() <= Settings::STANDARD.max_pdu as usize);
                }
            }
            Ok(Incoming::Release) => {
                association.answer_release().await.expect("nothing is in the way");
                return;
            }
            Err(_) => return,
        }
    }
}

fn good_request() -> AssociateRequest {
    let context = |id, uid| ProposedContext {
        id,
        abstract_syntax: SopClassUid::known(uid),
        transfer_syntaxes: vec![TransferSyntaxUid::known("1.2.840.10008.1.2")],
    };
    AssociateRequest {
        calling: AeTitle::new("FUZZ").expect("is short"),
        called: AeTitle::new("OUTRIGGER").expect("is short"),
        protocol: Protocol { version: 1, application_context: APPLICATION_CONTEXT.to_owned() },
        contexts: vec![context(1, "1.2.840.10008.1.1"), context(3, "1.2.840.10008.5.1.4.1.1.2")],
        user: UserInformation::ours(&Settings::STANDARD),
    }
}

fn good_accept() -> AssociateAccept {
    outrigger_dimse::negotiate::negotiate(&good_request(), &policy(), &Settings::STANDARD).answer
}

fn policy() -> AcceptorPolicy {
    let plain = vec![TransferSyntaxUid::known("1.2.840.10008.1.2")];
    AcceptorPolicy {
        storage: Some(StoragePolicy {
            syntaxes: TransferSyntaxPreference {
                native: plain.clone(),
                transcodable: Vec::new(),
                undeliverable: Undeliverable::Keep,
            },
            unknown: UnknownClasses::Store,
            refused: Vec::new(),
            requestor_stores: RequestorStores::Allowed,
        }),
        services: Vec::new(),
        service_syntaxes: plain,
        identity: IdentityVerdict::Ignored,
    }
}

/// A peer that sends what it was given, in pieces whose length changes, and then closes.
struct Script {
    bytes: Bytes,
    piece: usize,
}

impl Script {
    fn new(bytes: Vec<u8>) -> Self {
        Self { bytes: bytes.into(), piece: 1 }
    }
}

impl AsyncRead for Script {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let length = self.piece.min(self.bytes.len()).min(buf.remaining());
        let piece = self.bytes.split_to(length);
        buf.put_slice(&piece);
        self.piece = self.piece * 3 % 1021 + 1;
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Stream for Script {
    fn quick_ack(&self) {}
}
