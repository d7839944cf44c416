//! The other end of an association: a scripted peer, or a pair of streams to put our own roles on.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use outrigger_dimse::associate::{APPLICATION_CONTEXT, AssociateAccept, Protocol, UserInformation};
use outrigger_dimse::negotiate::{
    IdentityVerdict, RequestorStores, Service, StoragePolicy, TransferSyntaxPreference, Undeliverable,
    UnknownClasses,
};
use outrigger_dimse::{
    AcceptorPolicy, AssociateRequest, Association, Proposal, ProposedContext, Roles, Settings, Timers,
    Verdict,
};
use outrigger_model::{AeTitle, SopClassUid, TransferSyntaxUid, sop_class, transfer_syntax};
use outrigger_runtime::net::{BoxStream, Stream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, DuplexStream, ReadBuf, duplex};

pub(crate) const CT: &str = "1.2.840.10008.5.1.4.1.1.2";
/// Bytes in flight between the two ends.
const PIPE_BYTES: usize = 64 * 1024;

/// An in-memory stream that counts the writes made on it.
pub(crate) struct Pipe {
    stream: DuplexStream,
    writes: Arc<AtomicUsize>,
}

impl AsyncRead for Pipe {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl AsyncWrite for Pipe {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        if written.is_ready() {
            self.writes.fetch_add(1, Ordering::Relaxed);
        }
        written
    }
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

impl Stream for Pipe {
    fn quick_ack(&self) {}
}

/// Our end of a connection, and the peer's raw end.
pub(crate) fn pipe() -> (BoxStream, Peer) {
    let (ours, theirs, _) = counted_pipe();
    (ours, theirs)
}

pub(crate) fn counted_pipe() -> (BoxStream, Peer, Arc<AtomicUsize>) {
    let (ours, theirs) = duplex(PIPE_BYTES);
    let writes = Arc::new(AtomicUsize::new(0));
    (Box::new(Pipe { stream: ours, writes: writes.clone() }), Peer { stream: theirs }, writes)
}

/// Two ends for two of our own associations.
pub(crate) fn both_ends() -> (BoxStream, BoxStream) {
    let (one, other) = duplex(PIPE_BYTES);
    let end = |stream| -> BoxStream { Box::new(Pipe { stream, writes: Arc::default() }) };
    (end(one), end(other))
}

/// A peer that sends and sees bytes.
pub(crate) struct Peer {
    pub(crate) stream: DuplexStream,
}

impl Peer {
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next PDU, header included.
    pub(crate) async fn pdu(&mut self) -> Vec<u8> {
        let mut pdu = vec![0; 6];
        self.stream.read_exact(&mut pdu).await.unwrap();
        let length = u32::from_be_bytes([pdu[2], pdu[3], pdu[4], pdu[5]]) as usize;
        pdu.resize(6 + length, 0);
        self.stream.read_exact(&mut pdu[6..]).await.unwrap();
        pdu
    }

    /// Asserts that an A-ABORT with this source and reason comes, and closes as the standard wants it.
    pub(crate) async fn expect_abort(mut self, source: u8, reason: u8) {
        assert_eq!(self.pdu().await, abort(source, reason));
        self.close();
    }

    pub(crate) fn close(self) {
        drop(self.stream);
    }

    /// Asserts that the other side closes without a further byte.
    pub(crate) async fn expect_close(mut self) {
        let mut rest = Vec::new();
        self.stream.read_to_end(&mut rest).await.unwrap();
        assert!(rest.is_empty(), "{rest:?}");
    }
}

pub(crate) fn abort(source: u8, reason: u8) -> [u8; 10] {
    [7, 0, 0, 0, 0, 4, 0, 0, source, reason]
}

/// A P-DATA-TF PDU with one PDV.
pub(crate) fn p_data(context: u8, control: u8, data: &[u8]) -> Vec<u8> {
    let length = u32::try_from(data.len()).unwrap();
    let mut pdu = vec![4, 0];
    pdu.extend((length + 6).to_be_bytes());
    pdu.extend((length + 2).to_be_bytes());
    pdu.extend([context, control]);
    pdu.extend(data);
    pdu
}

pub(crate) const COMMAND_LAST: u8 = 3;
pub(crate) const COMMAND_MORE: u8 = 1;
pub(crate) const DATA_LAST: u8 = 2;
pub(crate) const DATA_MORE: u8 = 0;

pub(crate) fn ae(title: &str) -> AeTitle {
    AeTitle::new(title).unwrap()
}

pub(crate) fn class(uid: &str) -> SopClassUid {
    SopClassUid::new(uid).unwrap()
}

pub(crate) fn syntax(uid: &str) -> TransferSyntaxUid {
    TransferSyntaxUid::new(uid).unwrap()
}

pub(crate) fn proposed(id: u8, abstract_syntax: &str, syntaxes: &[&str]) -> ProposedContext {
    ProposedContext {
        id,
        abstract_syntax: class(abstract_syntax),
        transfer_syntaxes: syntaxes.iter().map(|uid| syntax(uid)).collect(),
    }
}

/// Verification in context 1, CT in context 3.
pub(crate) fn proposal() -> Proposal {
    Proposal {
        calling: ae("CALLING"),
        called: ae("CALLED"),
        contexts: vec![
            proposed(1, sop_class::VERIFICATION, &[transfer_syntax::IMPLICIT_VR_LE]),
            proposed(3, CT, &[transfer_syntax::EXPLICIT_VR_LE, transfer_syntax::IMPLICIT_VR_LE]),
        ],
        roles: Vec::new(),
    }
}

pub(crate) fn associate_request(settings: &Settings) -> AssociateRequest {
    let Proposal { calling, called, contexts, roles } = proposal();
    AssociateRequest {
        calling,
        called,
        protocol: Protocol { version: 1, application_context: APPLICATION_CONTEXT.to_owned() },
        contexts,
        user: UserInformation { roles, ..UserInformation::ours(settings) },
    }
}

pub(crate) fn policy() -> AcceptorPolicy {
    let uncompressed = vec![syntax(transfer_syntax::EXPLICIT_VR_LE), syntax(transfer_syntax::IMPLICIT_VR_LE)];
    AcceptorPolicy {
        storage: Some(StoragePolicy {
            syntaxes: TransferSyntaxPreference {
                native: uncompressed.clone(),
                transcodable: vec![syntax("1.2.840.10008.1.2.4.70")],
                undeliverable: Undeliverable::Keep,
            },
            unknown: UnknownClasses::Store,
            refused: Vec::new(),
            requestor_stores: RequestorStores::Allowed,
        }),
        services: vec![
            Service {
                abstract_syntax: class(sop_class::STUDY_ROOT_FIND),
                requestor: Roles::DEFAULT,
                extended: vec![1, 1, 0].into(),
            },
            Service {
                abstract_syntax: class(sop_class::STORAGE_COMMITMENT_PUSH),
                requestor: Roles { scu: true, scp: true },
                extended: Vec::new().into(),
            },
        ],
        service_syntaxes: uncompressed,
        identity: IdentityVerdict::Ignored,
    }
}

pub(crate) fn accept_all(_: &AssociateRequest) -> Verdict {
    Verdict::Accept(Box::new(policy()))
}

/// Settings that tests can tell apart from each other.
pub(crate) fn settings() -> Settings {
    Settings { max_pdu: 16_384, timers: Timers::STANDARD }
}

/// Our acceptor with an established association to a raw peer.
pub(crate) async fn accepted() -> (Association, Peer) {
    let (ours, mut peer) = pipe();
    peer.send(&associate_request(&settings()).write().unwrap()).await;
    let association = outrigger_dimse::accept(ours, &settings(), accept_all).await.unwrap();
    assert_eq!(peer.pdu().await[0], 2);
    (association, peer)
}

/// Our requestor with an established association to a raw peer that takes PDUs of `max_pdu` bytes.
pub(crate) async fn requested(max_pdu: u32) -> (Association, Peer) {
    let (ours, mut peer) = pipe();
    let settings = settings();
    let answering = async {
        let request = peer.pdu().await;
        let request = AssociateRequest::read(Bytes::from(request).slice(6..)).unwrap();
        let mut answer = outrigger_dimse::negotiate::negotiate(&request, &policy(), &self::settings()).answer;
        answer.user.max_pdu = max_pdu;
        peer.send(&answer.write().unwrap()).await;
    };
    let (association, ()) = tokio::join!(outrigger_dimse::request(ours, &settings, proposal()), answering);
    (association.unwrap(), peer)
}

/// Two of our own associations with each other: requestor, acceptor.
pub(crate) async fn pair(settings: &Settings) -> (Association, Association) {
    let (one, other) = both_ends();
    let (requestor, acceptor) = tokio::join!(
        outrigger_dimse::request(one, settings, proposal()),
        outrigger_dimse::accept(other, settings, accept_all)
    );
    (requestor.unwrap(), acceptor.unwrap())
}

pub(crate) fn read_accept(pdu: Vec<u8>) -> AssociateAccept {
    assert_eq!(pdu[0], 2, "A-ASSOCIATE-AC expected");
    AssociateAccept::read(Bytes::from(pdu).slice(6..)).unwrap()
}
