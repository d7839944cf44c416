//! The archives behind Outrigger, and how each is spoken to.
