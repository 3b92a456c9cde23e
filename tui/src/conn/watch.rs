//! Events, without a gap: a lost connection is taken up again where it broke.

use std::time::Duration;

use protocol::{Event, JobRef, wire};
use tokio::time::Instant;
use tonic::Status;
use tonic::codec::Streaming;

use super::{CallError, Connection};

/// The first pause before connecting again; it doubles up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// How long the daemon may be away: long enough for a restart, short enough to say that it is gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// The events of one job, or of all.
pub(crate) struct Watch {
    connection: Connection,
    job: Option<JobRef>,
    last: Option<u64>,
    stream: Option<Streaming<wire::Event>>,
}

impl Connection {
    /// Begins to watch one job, or everything; a snapshot comes first.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn watch(&self, job: Option<JobRef>) -> Result<Watch, CallError> {
        let mut watch = Watch { connection: self.clone(), job, last: None, stream: None };
        watch.stream = Some(watch.open().await?);
        Ok(watch)
    }

    /// Opens the stream of all events after a number; without one a snapshot comes first.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn events(&self, after: Option<u64>) -> Result<Events, CallError> {
        let stream = self.stream(None, after).await?;
        Ok(Events { connection: self.clone(), stream })
    }

    async fn stream(&self, job: Option<JobRef>, after: Option<u64>) -> Result<Streaming<wire::Event>, CallError> {
        let request = wire::WatchEventsRequest { job: job.map(|job| job.to_string()), after };
        let answer = self.client.clone().watch_events(request).await;
        Ok(answer.map_err(|status| self.failed(&status))?.into_inner())
    }
}

/// All events, until the connection breaks: for those who show that it did.
pub(crate) struct Events {
    connection: Connection,
    stream: Streaming<wire::Event>,
}

impl Events {
    /// Waits for the next event.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] when the connection breaks or the daemon ends.
    pub(crate) async fn next(&mut self) -> Result<Event, CallError> {
        let message = self.stream.message().await.map_err(|status| self.connection.failed(&status))?;
        let ended = || self.connection.failed(&Status::unavailable("the daemon has ended"));
        Event::try_from(message.ok_or_else(ended)?).map_err(|error| self.connection.garbled(&error))
    }
}

impl Watch {
    /// Waits for the next event; none after a watched job's end.
    ///
    /// # Errors
    /// [`CallError::Unreachable`] when the daemon stays away for a minute.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, CallError> {
        loop {
            let message = match &mut self.stream {
                Some(stream) => stream.message().await,
                None => Err(Status::unavailable("not connected")),
            };
            match message {
                Ok(Some(message)) => {
                    let event = Event::try_from(message).map_err(|error| self.connection.garbled(&error))?;
                    self.last = Some(event.sequence);
                    return Ok(Some(event));
                }
                // All events only end with the daemon; one job's end with the job, or with the daemon before.
                Ok(None) if self.is_over().await? => return Ok(None),
                Ok(None) => self.reconnect().await?,
                Err(status) => match self.connection.failed(&status) {
                    error if error.is_passing() => self.reconnect().await?,
                    error => return Err(error),
                },
            }
        }
    }

    async fn is_over(&mut self) -> Result<bool, CallError> {
        let Some(job) = self.job else { return Ok(false) };
        match self.connection.job(job).await {
            Ok(job) => Ok(job.state.is_finished()),
            Err(error) if error.is_passing() => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn open(&self) -> Result<Streaming<wire::Event>, CallError> {
        self.connection.stream(self.job, self.last).await
    }

    async fn reconnect(&mut self) -> Result<(), CallError> {
        self.stream = None;
        let given_up = Instant::now() + PATIENCE;
        let mut pause = FIRST_PAUSE;
        loop {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
            match self.open().await {
                Ok(stream) => {
                    self.stream = Some(stream);
                    return Ok(());
                }
                Err(error) if error.is_passing() && Instant::now() < given_up => {}
                Err(error) => return Err(error),
            }
        }
    }
}
