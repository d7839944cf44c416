//! The book of original entry: frames, segments, recovery; synchronous; knows no DICOM.
