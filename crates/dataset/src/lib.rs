//! Bounded scan of data sets, digests, lossless transcoding.
