//! A-ASSOCIATE-RJ (PS3.8 section 9.3.4).

use std::fmt;

/// An A-ASSOCIATE-RJ, sent or received.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rejection {
    /// Whether calling again makes sense.
    pub result: RejectResult,
    /// Who rejected, and why.
    pub reason: RejectReason,
}

/// Whether calling again makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectResult {
    /// 1: it does not.
    Permanent,
    /// 2: it does, later; also any code outside the standard.
    Transient,
}

/// Who rejected, and why (PS3.8 table 9-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RejectReason {
    /// Service user: no reason given.
    NoReason,
    /// Service user: application context name not supported.
    ApplicationContext,
    /// Service user: calling AE title not recognised.
    CallingAe,
    /// Service user: called AE title not recognised.
    CalledAe,
    /// Service provider (ACSE): no reason given.
    ProviderNoReason,
    /// Service provider (ACSE): protocol version not supported.
    ProtocolVersion,
    /// Service provider (presentation): temporary congestion.
    TemporaryCongestion,
    /// Service provider (presentation): local limit exceeded.
    LocalLimit,
    /// A source and reason outside the standard.
    Other {
        /// The source byte.
        source: u8,
        /// The reason byte.
        reason: u8,
    },
}

impl Rejection {
    /// The calling AE title is not known here.
    pub const CALLING_AE: Self = Self::permanent(RejectReason::CallingAe);
    /// The called AE title is not ours.
    pub const CALLED_AE: Self = Self::permanent(RejectReason::CalledAe);
    /// Too much at once; a permanent reject would make modalities give up.
    pub const LOCAL_LIMIT: Self = Self::transient(RejectReason::LocalLimit);
    /// Nothing can be taken just now.
    pub const CONGESTION: Self = Self::transient(RejectReason::TemporaryCongestion);
    /// The application context is not DICOM's.
    pub const APPLICATION_CONTEXT: Self = Self::permanent(RejectReason::ApplicationContext);
    /// Bit 0 of the protocol version is not set.
    pub const PROTOCOL_VERSION: Self = Self::permanent(RejectReason::ProtocolVersion);
    /// The request proposes no presentation context.
    pub const NO_CONTEXT: Self = Self::permanent(RejectReason::ProviderNoReason);

    const fn permanent(reason: RejectReason) -> Self {
        Self { result: RejectResult::Permanent, reason }
    }

    const fn transient(reason: RejectReason) -> Self {
        Self { result: RejectResult::Transient, reason }
    }

    /// The whole A-ASSOCIATE-RJ PDU.
    pub fn write(self) -> [u8; 10] {
        let result = match self.result {
            RejectResult::Permanent => 1,
            RejectResult::Transient => 2,
        };
        let (source, reason) = self.reason.codes();
        [3, 0, 0, 0, 0, 4, 0, result, source, reason]
    }

    /// Reads the variable field of an A-ASSOCIATE-RJ.
    pub fn read([_, result, source, reason]: [u8; 4]) -> Self {
        let result = if result == 1 { RejectResult::Permanent } else { RejectResult::Transient };
        let known = RejectReason::KNOWN.iter().find(|known| known.codes() == (source, reason));
        Self { result, reason: known.copied().unwrap_or(RejectReason::Other { source, reason }) }
    }
}

impl RejectReason {
    const KNOWN: [Self; 8] = [
        Self::NoReason,
        Self::ApplicationContext,
        Self::CallingAe,
        Self::CalledAe,
        Self::ProviderNoReason,
        Self::ProtocolVersion,
        Self::TemporaryCongestion,
        Self::LocalLimit,
    ];

    /// Source and reason as they stand in the PDU.
    pub fn codes(self) -> (u8, u8) {
        match self {
            Self::NoReason => (1, 1),
            Self::ApplicationContext => (1, 2),
            Self::CallingAe => (1, 3),
            Self::CalledAe => (1, 7),
            Self::ProviderNoReason => (2, 1),
            Self::ProtocolVersion => (2, 2),
            Self::TemporaryCongestion => (3, 1),
            Self::LocalLimit => (3, 2),
            Self::Other { source, reason } => (source, reason),
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let result = match self.result {
            RejectResult::Permanent => "permanently",
            RejectResult::Transient => "for now",
        };
        let reason = match self.reason {
            RejectReason::NoReason | RejectReason::ProviderNoReason => "no reason given",
            RejectReason::ApplicationContext => "application context name not supported",
            RejectReason::CallingAe => "calling AE title not recognized",
            RejectReason::CalledAe => "called AE title not recognized",
            RejectReason::ProtocolVersion => "protocol version not supported",
            RejectReason::TemporaryCongestion => "temporary congestion",
            RejectReason::LocalLimit => "local limit exceeded",
            RejectReason::Other { .. } => "a reason outside the standard",
        };
        let (source, code) = self.reason.codes();
        write!(f, "rejected {result}: {reason} (source {source}, reason {code})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_go_there_and_back() {
        for reason in RejectReason::KNOWN {
            for result in [RejectResult::Permanent, RejectResult::Transient] {
                let rejection = Rejection { result, reason };
                let [_, _, _, _, _, _, body @ ..] = rejection.write();
                assert_eq!(Rejection::read(body), rejection);
            }
        }
        assert_eq!(Rejection::read([0, 1, 1, 9]).reason, RejectReason::Other { source: 1, reason: 9 });
    }
}
