//! How a process ends: first softly (stop taking work, finish what is held), then hard.

use std::{future::Future, time::Duration};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

/// The tokens and tasks of one running role.
#[derive(Debug, Clone, Default)]
pub struct Lifecycle {
    /// Cancelled when the role should stop taking work.
    pub soft: CancellationToken,
    /// Cancelled when what still runs should give up.
    pub hard: CancellationToken,
    tasks: TaskTracker,
}

impl Lifecycle {
    /// Runs a task that [`Lifecycle::stop`] waits for.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tasks.spawn(task);
    }

    /// Asks everything to finish, for at most `grace`, then to give up, and waits for the last task.
    pub async fn stop(&self, grace: Duration) {
        self.soft.cancel();
        self.tasks.close();
        if tokio::time::timeout(grace, self.tasks.wait()).await.is_err() {
            self.hard.cancel();
            // What does not answer the hard token within this time is left to the process's end.
            let _ = tokio::time::timeout(Duration::from_secs(3), self.tasks.wait()).await;
        }
    }
}
