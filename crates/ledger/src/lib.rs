//! Acceptance, applier, postings and balance.
