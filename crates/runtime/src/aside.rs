//! Asynchronous work for synchronous callers, who may themselves stand within a runtime and must not enter another.

use std::future::Future;
use std::io;
use std::sync::mpsc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

/// A runtime of one thread beside the caller's.
#[derive(Debug)]
pub struct Aside {
    /// Taken only when this is dropped.
    runtime: Option<Runtime>,
}

/// Why work aside gave no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AsideError {
    /// It took too long and was given up.
    #[error("no answer came within {} s", .0.as_secs_f32())]
    TimedOut(Duration),
    /// It panicked, or the runtime is gone.
    #[error("the work ended without an answer")]
    Lost,
}

impl Aside {
    /// Starts a thread named `name`.
    pub fn start(name: &str) -> io::Result<Self> {
        let runtime = Builder::new_multi_thread().worker_threads(1).thread_name(name).enable_all().build()?;
        Ok(Self { runtime: Some(runtime) })
    }

    /// Runs a future there, blocking the caller until it has ended or was given up after `within`.
    pub fn run<T, F>(&self, within: Duration, future: F) -> Result<T, AsideError>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let (answer, answered) = mpsc::sync_channel(1);
        let runtime = self.runtime.as_ref().ok_or(AsideError::Lost)?;
        runtime.spawn(async move {
            let done = tokio::time::timeout(within, future).await;
            if answer.send(done.map_err(|_| AsideError::TimedOut(within))).is_err() {
                tracing::debug!("nobody waits for work done aside");
            }
        });
        answered.recv().map_err(|_| AsideError::Lost)?
    }

    /// Begins work that nobody waits for; it ends with the runtime.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        if let Some(runtime) = &self.runtime {
            runtime.spawn(future);
        }
    }
}

impl Drop for Aside {
    /// Without waiting: the caller may stand within a runtime, where waiting for another panics.
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn works_within_another_runtime_and_gives_up_in_time() {
        let aside = Aside::start("aside").unwrap();
        assert_eq!(aside.run(Duration::from_secs(5), async { 7 }), Ok(7));
        let within = Duration::from_millis(20);
        let hung = aside.run(within, std::future::pending::<()>());
        assert_eq!(hung, Err(AsideError::TimedOut(within)));
    }
}
