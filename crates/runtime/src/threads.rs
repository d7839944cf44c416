//! Where blocking work runs: on threads of its own, or, in the simulator, inside the one seeded thread.

use std::future::Future;
use std::io;

use tokio::sync::oneshot;
use tokio::task::LocalSet;

/// How synchronous work is kept off the asynchronous threads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// Threads of the operating system.
    System,
    /// Everything on the caller's thread, in an order that the seed decides.
    Simulated,
}

/// The work panicked or its thread could not run.
#[derive(Debug, thiserror::Error)]
#[error("work on another thread ended without an answer: {what}")]
pub struct WorkLost {
    what: &'static str,
}

impl Threads {
    /// Runs `future` for as long as it takes on a thread named `name`; the receiver fires when it has ended, and errs if it panicked.
    ///
    /// The future may block its thread; it must be called from within a tokio runtime, whose timers it may use.
    pub fn dedicated<F>(self, name: &str, future: F) -> io::Result<oneshot::Receiver<()>>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (ended, end) = oneshot::channel();
        let work = async move {
            future.await;
            // Dropped instead if the work panics, which the receiver sees as an error.
            if ended.send(()).is_err() {
                tracing::trace!("nobody waited for the end of a worker");
            }
        };
        match self {
            Self::System => {
                let runtime = tokio::runtime::Handle::current();
                std::thread::Builder::new().name(name.to_owned()).spawn(move || runtime.block_on(work))?;
            }
            Self::Simulated => drop(tokio::spawn(work)),
        }
        Ok(end)
    }

    /// Runs what `make` makes, and what that starts beside itself, on a thread named `name` and never on another.
    ///
    /// The thread has timers of its own and no sockets. Errs in the simulator, whose one thread cannot be told from others.
    pub fn apart<M, F>(self, name: &str, make: M) -> io::Result<()>
    where
        M: FnOnce() -> F + Send + 'static,
        F: Future<Output = ()> + 'static,
    {
        if self == Self::Simulated {
            return Err(io::ErrorKind::Unsupported.into());
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build()?;
        let work = move || LocalSet::new().block_on(&runtime, async move { make().await });
        std::thread::Builder::new().name(name.to_owned()).spawn(work)?;
        Ok(())
    }

    /// Runs a piece of blocking work and gives its answer.
    pub async fn blocking<T, F>(self, what: &'static str, work: F) -> Result<T, WorkLost>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        match self {
            Self::System => tokio::task::spawn_blocking(work).await.map_err(|_| WorkLost { what }),
            Self::Simulated => Ok(work()),
        }
    }
}
