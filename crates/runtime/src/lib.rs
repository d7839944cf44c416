//! The outside world: clock, disk, network, threads, randomness and bodies of objects; no DICOM.
//!
//! Everything here has a real implementation and, through a trait or an enum, one that the simulator turns.

pub mod aside;
pub mod backoff;
pub mod body;
pub mod clock;
pub mod datagrams;
pub mod descriptors;
pub mod disk;
pub mod listen;
pub mod net;
pub mod permits;
pub mod random;
pub mod reserve;
pub mod shutdown;
pub mod spool;
pub mod stall;
pub mod threads;
pub mod tls;

pub use aside::{Aside, AsideError};
pub use body::{BlockError, BlockSource, Body, Content};
pub use clock::Clock;
pub use disk::{Disk, DiskFile, RealDisk};
pub use random::Random;
pub use shutdown::{Shutdown, ShutdownGuard};
pub use spool::{BodyWriter, Spool, SpoolPlace};
pub use threads::Threads;
pub use tls::{IdentityFiles, TlsClient, TlsError, TlsServer};
