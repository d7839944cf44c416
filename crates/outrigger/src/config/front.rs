//! `[[front.dimse]]`: where modalities and workstations connect.

use std::net::SocketAddr;
use std::time::Duration;

use outrigger_model::AeTitle;

use super::keys;
use super::section::Section;
use super::tls::{ListenerTls, read_listener_tls};
use super::web::{WebFront, read_webs};

/// What becomes of encodings that no member takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undeliverable {
    /// They are taken and wait in suspense.
    Accept,
    /// They are refused.
    Refuse,
}

/// One DICOM listener.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DimseFront {
    /// Where.
    pub(crate) listen: SocketAddr,
    /// Called AE titles; the first is ours.
    pub(crate) ae_titles: Vec<AeTitle>,
    /// Default issuer of patient ID.
    pub(crate) issuer: Option<String>,
    /// Associations at once.
    pub(crate) max_associations: usize,
    /// Associations at once from one address.
    pub(crate) max_associations_per_peer: usize,
    /// Largest PDU received, in bytes.
    pub(crate) max_pdu: u32,
    /// Largest object, in bytes.
    pub(crate) max_object: u64,
    /// What becomes of encodings that no member takes.
    pub(crate) undeliverable: Undeliverable,
    /// ARTIM timer.
    pub(crate) artim: Duration,
    /// Longest silence in a message.
    pub(crate) inactivity: Duration,
    /// Longest silence between messages.
    pub(crate) idle: Duration,
    /// TLS, if any.
    pub(crate) tls: Option<ListenerTls>,
}

/// Every listener of `[front]`.
pub(crate) struct Fronts {
    /// `[[front.dimse]]`.
    pub(crate) dimse: Vec<DimseFront>,
    /// `[[front.web]]`.
    pub(crate) web: Vec<WebFront>,
}

/// Reads `[front]`.
pub(crate) fn read_front(section: Section<'_>) -> Option<Fronts> {
    if section.has(&keys::FRONT_HL7) {
        section.not_in_this_version(&keys::FRONT_HL7, "HL7");
    }
    let dimse = section.each(&keys::FRONT_DIMSE, read_listener);
    if dimse.as_ref().is_some_and(Vec::is_empty) {
        section.wrong(&keys::FRONT_DIMSE, "there is no DICOM listener");
    }
    let web = read_webs(&section);
    section.end();
    Some(Fronts { dimse: dimse?, web: web? })
}

fn read_listener(section: Section<'_>) -> Option<DimseFront> {
    let listen = section.listener(&keys::LISTEN);
    let ae_titles = section.list(&keys::AE_TITLES, |text| AeTitle::new(text).ok());
    if ae_titles.is_empty() && section.is_empty_list(&keys::AE_TITLES) {
        section.wrong(&keys::AE_TITLES, "there is no AE title");
    }
    let issuer = section.optional(&keys::ISSUER);
    let implementation = read_implementation(&section);
    let max_associations = section.number(&keys::MAX_ASSOCIATIONS, 1..20_001);
    let per_peer = section.number(&keys::MAX_ASSOCIATIONS_PER_PEER, 1..20_001);
    let max_pdu = section.number(&keys::MAX_PDU, 4096..1_048_577);
    let max_object = section.room(&keys::MAX_OBJECT);
    let accept = section.truth(&keys::ACCEPT_UNDELIVERABLE);
    let artim = section.timer(&keys::ARTIM);
    let inactivity = section.timer(&keys::INACTIVITY);
    let idle = section.timer(&keys::IDLE);
    let tls = section.table(&keys::TLS);
    let tls = if tls.is_given() { read_listener_tls(tls).map(Some) } else { Some(None) };
    section.end();
    implementation?;
    Some(DimseFront {
        listen: listen?,
        ae_titles,
        issuer,
        max_associations: usize::try_from(max_associations?).ok()?,
        max_associations_per_peer: usize::try_from(per_peer?).ok()?,
        max_pdu: u32::try_from(max_pdu?).ok()?,
        max_object: max_object?,
        undeliverable: if accept? { Undeliverable::Accept } else { Undeliverable::Refuse },
        artim: artim?,
        inactivity: inactivity?,
        idle: idle?,
        tls: tls?,
    })
}

/// Reads `implementation`, of a listener or a route.
pub(crate) fn read_implementation(section: &Section<'_>) -> Option<()> {
    match section.text(&keys::IMPLEMENTATION)?.as_str() {
        "native" => Some(()),
        "dcmtk" => {
            section.not_in_this_version(&keys::IMPLEMENTATION, "the implementation `dcmtk`");
            None
        }
        other => {
            section.wrong(&keys::IMPLEMENTATION, format!("`{other}` stands here"));
            None
        }
    }
}
