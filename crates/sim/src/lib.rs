//! Peers real and scripted, forgetful disk, seeded network: what the tests stand on.
