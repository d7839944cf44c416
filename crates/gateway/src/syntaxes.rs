//! Which encodings the front door prefers.

use outrigger_front::OtherSyntaxes;
use outrigger_model::{TransferSyntaxUid, transfer_syntax};

/// What becomes of encodings that no member is known to take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Undeliverable {
    /// They are accepted as they are; what cannot be delivered waits in suspense.
    Accept,
    /// They are refused.
    Refuse,
}

impl From<Undeliverable> for OtherSyntaxes {
    fn from(undeliverable: Undeliverable) -> Self {
        match undeliverable {
            Undeliverable::Accept => Self::Keep,
            Undeliverable::Refuse => Self::Refuse,
        }
    }
}

/// What every archive takes, then what can be decoded without loss for those that do not take it.
pub(crate) fn preferred() -> Vec<TransferSyntaxUid> {
    let lossless = [
        transfer_syntax::EXPLICIT_VR_LE,
        transfer_syntax::IMPLICIT_VR_LE,
        "1.2.840.10008.1.2.4.70",
        "1.2.840.10008.1.2.4.80",
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.4.57",
        transfer_syntax::DEFLATED,
        transfer_syntax::EXPLICIT_VR_BE,
    ];
    lossless.map(TransferSyntaxUid::known).to_vec()
}
