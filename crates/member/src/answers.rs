//! The listener on which members answer us: commitment reports, and objects we had them send.

mod expect;
mod serve;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use outrigger_dimse::Settings;
use outrigger_model::AeTitle;
use outrigger_runtime::listen;
use outrigger_runtime::net::Net;
use outrigger_runtime::permits::{Limits, Permits};
use outrigger_runtime::{Shutdown, Spool};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::contract::CommitReport;

pub use expect::{Expectation, Expectations, MoveOriginator};

/// Associations at once from one member: one for reports and one for each object read back at the time, with room to spare.
const ASSOCIATIONS_PER_ADDRESS: usize = 64;
/// Associations at once in all.
const ASSOCIATIONS: usize = 256;
/// Reports not taken yet: each is answered only when it is handed on.
const REPORTS_MAX: usize = 64;

/// How the listener is set up.
#[derive(Debug, Clone)]
pub struct AnswersOptions {
    /// Where; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Our AE title toward members.
    pub ae_title: AeTitle,
    /// AE titles that may call: those of the members.
    pub members: Vec<AeTitle>,
    /// PDU length and timers.
    pub settings: Settings,
}

/// The listener at work.
#[derive(Debug)]
pub struct Answers {
    /// The address with the port really bound.
    pub address: SocketAddr,
    /// Ends after [`Shutdown`], when every association has ended.
    pub ended: JoinHandle<()>,
    /// Reports, each answered with success once it is in here.
    pub reports: mpsc::Receiver<CommitReport>,
}

impl Answers {
    /// Opens the listener and serves it until stopping is asked for; large objects stream to `spool`.
    pub async fn listen(
        net: &dyn Net,
        options: AnswersOptions,
        expectations: Expectations,
        spool: Spool,
        shutdown: Shutdown,
    ) -> io::Result<Self> {
        let listener = net.listen(options.listen).await?;
        let address = listener.local_addr()?;
        let (reported, reports) = mpsc::channel(REPORTS_MAX);
        let limits =
            Limits { associations: ASSOCIATIONS, associations_per_address: ASSOCIATIONS_PER_ADDRESS };
        let door =
            Arc::new(serve::Door { options, permits: Permits::new(limits), expectations, spool, reported });
        let stop = shutdown.clone();
        let handle = move |incoming| serve::serve(Arc::clone(&door), incoming, shutdown.clone());
        let ended = tokio::spawn(listen::serve(listener, stop, handle));
        Ok(Self { address, ended, reports })
    }
}
