//! Waiting for a call on a thread that may block, wherever it runs.

use std::sync::mpsc;

use tokio::runtime::Handle;

/// Runs a call on the runtime and waits for its outcome; `None` if the runtime is going away.
pub(super) fn waited<T: Send + 'static>(
    runtime: &Handle,
    call: impl Future<Output = T> + Send + 'static,
) -> Option<T> {
    let (answer, answered) = mpsc::sync_channel(1);
    drop(runtime.spawn(async move {
        if answer.send(call.await).is_err() {
            tracing::trace!("nobody waits for a call to the object store any more");
        }
    }));
    answered.recv().ok()
}
