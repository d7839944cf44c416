//! DICOM upper layer and DIMSE, both roles; enforces every limit.
