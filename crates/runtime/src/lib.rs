//! The outside world: clock, disk, network, randomness, workers; no DICOM.
