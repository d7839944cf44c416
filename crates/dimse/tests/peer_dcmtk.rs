//! DCMTK's tools as peers.
