//! What one side of an association brings along: its limits, its timers and its name.

use std::time::Duration;

/// Implementation Class UID (PS3.7 section D.3.3.2), derived from a UUID (PS3.5 section B.2).
pub const IMPLEMENTATION_CLASS_UID: &str = "2.25.198118496846620106674499749174747220960";
/// Implementation Version Name (PS3.7 section D.3.3.2), at most 16 characters.
pub const IMPLEMENTATION_VERSION_NAME: &str = "OUTRIGGER_0_1";

/// The P-DATA-TF length we offer where nothing else is configured, in bytes: large enough that headers do not
/// count, small enough that a hundred associations stay small.
pub const PDU_LENGTH_OFFERED: u32 = 131_072;
/// Longest A-ASSOCIATE-RQ or -AC PDU read, in bytes: 128 contexts with forty transfer syntaxes each need half of it.
pub const ASSOCIATE_PDU_MAX: u32 = 1024 * 1024;
/// Most presentation contexts of an association: their ids are the odd numbers of one byte (PS3.8 section 9.3.2.2).
pub const CONTEXTS_MAX: usize = 128;
/// Longest command set taken, in bytes: a full one is below 1 KiB, an Offending Element list may be longer.
pub const COMMAND_SET_MAX: usize = 16 * 1024;
/// Smallest P-DATA-TF length we send with, whatever the peer announced: one PDV header and two bytes.
pub const PDU_LENGTH_SMALLEST: u32 = 8;

/// Limits and timers of one side of an association.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The longest P-DATA-TF PDU we take, as offered in sub-item 51H; never 0, in bytes.
    pub max_pdu: u32,
    /// How long each kind of waiting may take.
    pub timers: Timers,
}

/// How long each kind of waiting may take; an elapsed one ends the association.
#[derive(Debug, Clone)]
pub struct Timers {
    /// For the request after the connection, and for the peer's close after the last PDU (PS3.8 section 9.1.5).
    pub artim: Duration,
    /// For the answer to our A-ASSOCIATE-RQ or A-RELEASE-RQ.
    pub acse: Duration,
    /// For the next byte inside a message, and for the peer to take what we send.
    pub inactivity: Duration,
    /// For a response to a request of ours.
    pub response: Duration,
    /// For the next message while no request of ours is outstanding.
    pub idle: Duration,
}

impl Timers {
    /// The values in force where nothing else is configured.
    pub const STANDARD: Self = Self {
        artim: Duration::from_secs(30),
        acse: Duration::from_secs(30),
        inactivity: Duration::from_secs(60),
        response: Duration::from_secs(60),
        idle: Duration::from_mins(5),
    };
}

impl Settings {
    /// The values in force where nothing else is configured.
    pub const STANDARD: Self = Self { max_pdu: PDU_LENGTH_OFFERED, timers: Timers::STANDARD };
}
