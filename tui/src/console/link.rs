//! The connection in the background: it comes back by itself and goes on where it broke.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::SignedDuration;
use tokio::sync::{Notify, mpsc};
use tokio::task::JoinHandle;

use super::Ended;
use crate::app::Input;
use crate::app::link::{Host, LinkNews, Role};
use crate::conn::{CallError, Connection, Server, Token};

/// The first pause before connecting again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// The connection, as the loop holds it.
pub(super) struct Link {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    connection: Mutex<Option<Connection>>,
    /// Why there is no connection, while there has never been one.
    failed: Mutex<Option<CallError>>,
    hurry: Notify,
}

impl Link {
    /// Begins to connect; what comes of it goes to `inputs`.
    pub(super) fn new(server: Server, token: Option<Token>, inputs: mpsc::Sender<Input>) -> Self {
        let shared = Arc::new(Shared::default());
        let task = tokio::spawn(Arc::clone(&shared).keep(server, token, inputs));
        Self { shared, task }
    }

    /// Returns the connection, once there has been one.
    pub(super) fn connection(&self) -> Option<Connection> {
        lock(&self.shared.connection).clone()
    }

    /// Tries again now.
    pub(super) fn hurry(&self) {
        self.shared.hurry.notify_one();
    }

    /// Returns why the daemon refuses us, where it did from the beginning: trying again would not help.
    pub(super) fn refusal(&mut self) -> Option<CallError> {
        let mut failed = lock(&self.shared.failed);
        if failed.as_ref().is_some_and(|error| !error.is_passing()) { failed.take() } else { None }
    }

    /// Leaves.
    pub(super) fn leave(&mut self) -> Ended {
        lock(&self.shared.failed).take().map_or(Ended::Left, Ended::NeverConnected)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    async fn keep(self: Arc<Self>, server: Server, token: Option<Token>, inputs: mpsc::Sender<Input>) {
        let mut last = None;
        let mut pause = FIRST_PAUSE;
        loop {
            let error = match self.connected(&server, token.as_ref()).await {
                Ok(connection) => match self.hear(&connection, &mut last, &mut pause, &inputs).await {
                    Ok(()) => return,
                    Err(error) => error,
                },
                Err(error) => error,
            };
            let jittered = jittered(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
            let reason = match &error {
                CallError::Unreachable { reason, .. } => reason.clone(),
                other => other.to_string(),
            };
            if lock(&self.connection).is_none() || last.is_none() {
                *lock(&self.failed) = Some(error);
            }
            let retry_in = SignedDuration::try_from(jittered).unwrap_or(SignedDuration::from_secs(1));
            if inputs.send(Input::Link(LinkNews::Lost { reason, retry_in })).await.is_err() {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(jittered) => {}
                () = self.hurry.notified() => {}
            }
        }
    }

    /// Returns the connection, made anew where there is none. A lost one mends itself with its next call.
    async fn connected(&self, server: &Server, token: Option<&Token>) -> Result<Connection, CallError> {
        if let Some(connection) = lock(&self.connection).clone() {
            return Ok(connection);
        }
        let connection = Connection::open(server.clone(), token.cloned()).await?;
        *lock(&self.connection) = Some(connection.clone());
        Ok(connection)
    }

    /// Passes events on until the connection breaks; returns once nobody listens.
    async fn hear(
        &self,
        connection: &Connection,
        last: &mut Option<u64>,
        pause: &mut Duration,
        inputs: &mpsc::Sender<Input>,
    ) -> Result<(), CallError> {
        let server = connection.server().await?;
        let mut events = connection.events(*last).await?;
        let host = Host { version: server.version, role: Role::new(&server.role), not_ready: server.not_ready };
        let mut next = Input::Link(LinkNews::Connected(host));
        loop {
            if inputs.send(next).await.is_err() {
                return Ok(());
            }
            let event = events.next().await?;
            // Only what was heard is proof of a connection that is worth a quick retry.
            (*last, *pause) = (Some(event.sequence), FIRST_PAUSE);
            lock(&self.failed).take();
            next = Input::Event(Box::new(event));
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Spreads a pause, so that many consoles don't come back all at once: between half of it and all of it.
fn jittered(pause: Duration) -> Duration {
    pause.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_from_a_quarter_second_to_ten_seconds_and_are_spread() {
        let mut pause = FIRST_PAUSE;
        for _ in 0..20 {
            let spread = jittered(pause);
            assert!(spread >= pause / 2 && spread <= pause, "{spread:?} of {pause:?}");
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
        assert_eq!(pause, Duration::from_secs(10));
        let spread: std::collections::HashSet<_> = (0..50).map(|_| jittered(pause)).collect();
        assert!(spread.len() > 10);
    }
}
