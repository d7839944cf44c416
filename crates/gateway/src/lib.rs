//! The pair as one service: accepts into the ledger.
