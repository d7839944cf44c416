//! Why a codestream cannot be decoded.

/// Why a codestream cannot be decoded. What it says is about one frame.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CodestreamError {
    /// It ends before what it declares.
    #[error("the codestream ends early, at byte {at}")]
    Truncated {
        /// Its length in bytes.
        at: usize,
    },
    /// Something its standard does not allow.
    #[error("the codestream is damaged: {what}")]
    Damaged {
        /// What was found.
        what: &'static str,
    },
    /// Something its standard allows and we do not decode.
    #[error("{what} in a codestream is not decoded here")]
    Unsupported {
        /// The feature.
        what: &'static str,
    },
    /// It says something else than the attributes.
    #[error("the codestream has {what} {stream}, the attributes say {attributes}")]
    Contradiction {
        /// What it is about.
        what: &'static str,
        /// What the codestream says.
        stream: u32,
        /// What the attributes say.
        attributes: u32,
    },
    /// It loses data, although its transfer syntax is for lossless compression.
    #[error("the codestream is not lossless: {what}")]
    Lossy {
        /// What loses data.
        what: &'static str,
    },
    /// Decoding it would take more memory than is spent on one frame.
    #[error("decoding the codestream would take {needed} bytes of working memory, more than {limit}")]
    TooLarge {
        /// Bytes it would take.
        needed: u64,
        /// The most that is spent.
        limit: u64,
    },
    /// The JPEG 2000 library refused it.
    #[error("the JPEG 2000 codestream cannot be decoded")]
    Jpeg2000(#[source] hayro_jpeg2000::DecodeError),
    /// The JPEG 2000 library panicked on it.
    #[error("the JPEG 2000 decoder failed on this codestream; keep it, it is a case for its maintainers")]
    DecoderFailed,
}

/// Shorthand for what the standard does not allow.
pub(super) fn damaged(what: &'static str) -> CodestreamError {
    CodestreamError::Damaged { what }
}

/// Shorthand for what we do not decode.
pub(super) fn unsupported(what: &'static str) -> CodestreamError {
    CodestreamError::Unsupported { what }
}

/// Holds what a codestream says against the attributes.
pub(super) fn agree(what: &'static str, stream: u32, attributes: u32) -> Result<(), CodestreamError> {
    if stream == attributes {
        Ok(())
    } else {
        Err(CodestreamError::Contradiction { what, stream, attributes })
    }
}
