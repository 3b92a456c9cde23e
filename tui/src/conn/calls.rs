//! Questions and orders that fit one message.

use std::future::Future;
use std::time::Duration;

use protocol::convert::{WireError, Word as _, to_wire};
use protocol::wire;
use protocol::{
    CheckpointList, Device, Job, JobKind, JobPage, JobRef, LossCurve, Mail, Priority, StateName, Style, StyleName,
};
use tonic::{Request, Response, Status};

use super::{CallError, Client, Connection};

/// How long an answer that needs no upload may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(60);

/// Which jobs to list.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Only in this state.
    pub(crate) state: Option<StateName>,
    /// Only of this kind.
    pub(crate) kind: Option<JobKind>,
    /// Only with this style.
    pub(crate) style: Option<StyleName>,
    /// At most so many.
    pub(crate) limit: Option<u32>,
    /// The cursor of the page before.
    pub(crate) after: Option<String>,
}

/// Calls that name a job and answer with it.
macro_rules! job_calls {
    ($($(#[$doc:meta])* $name:ident as $rpc:ident),+ $(,)?) => { $(
        $(#[$doc])*
        ///
        /// # Errors
        /// Whatever the daemon refuses, and an unreachable daemon.
        pub(crate) async fn $name(&self, job: JobRef) -> Result<Job, CallError> {
            let message = wire::JobRequest { id: job.to_string() };
            self.ask(message, async |mut client, request| client.$rpc(request).await).await
        }
    )+ };
}

impl Connection {
    job_calls! {
        /// Finds a job.
        job as get_job,
        /// Holds a job back.
        pause as pause_job,
        /// Puts a paused job back into the queue.
        resume as resume_job,
        /// Puts a failed or cancelled job back into the queue.
        retry as retry_job,
        /// Forgets a finished job: photo, result and row.
        forget as forget_job,
    }

    /// Stops a job; a finished one stays as it is.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn cancel(&self, job: JobRef) -> Result<Job, CallError> {
        let message = wire::CancelJobRequest { id: job.to_string(), keep: false };
        self.ask(message, async |mut client, request| client.cancel_job(request).await).await
    }

    /// Ends a training or painting with what there is as its result.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn keep(&self, job: JobRef) -> Result<Job, CallError> {
        let message = wire::CancelJobRequest { id: job.to_string(), keep: true };
        self.ask(message, async |mut client, request| client.cancel_job(request).await).await
    }

    /// Asks for a job's losses, at most `max` points of them.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn losses(&self, job: JobRef, max: Option<u32>) -> Result<LossCurve, CallError> {
        let message = wire::LossesRequest { id: job.to_string(), max };
        self.ask(message, async |mut client, request| client.get_losses(request).await).await
    }

    /// Lists a job's checkpoints, newest first.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn checkpoints(&self, job: JobRef) -> Result<CheckpointList, CallError> {
        let message = wire::JobRequest { id: job.to_string() };
        self.ask(message, async |mut client, request| client.list_checkpoints(request).await).await
    }

    /// Lists jobs, newest first.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn jobs(&self, filter: Filter) -> Result<JobPage, CallError> {
        let message = wire::ListJobsRequest {
            state: to_wire(filter.state),
            kind: to_wire(filter.kind),
            style: filter.style.map(|style| style.to_string()),
            limit: filter.limit,
            after: filter.after,
        };
        self.ask(message, async |mut client, request| client.list_jobs(request).await).await
    }

    /// Lists the styles.
    ///
    /// # Errors
    /// An unreachable daemon.
    pub(crate) async fn styles(&self) -> Result<Vec<Style>, CallError> {
        self.ask(wire::ListStylesRequest {}, async |mut client, request| client.list_styles(request).await).await
    }

    /// Lists the devices.
    ///
    /// # Errors
    /// An unreachable daemon.
    pub(crate) async fn devices(&self) -> Result<Vec<Device>, CallError> {
        self.ask(wire::ListDevicesRequest {}, async |mut client, request| client.list_devices(request).await).await
    }

    /// Lists the outbox, newest first.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn mail(&self) -> Result<Vec<Mail>, CallError> {
        self.ask(wire::ListMailRequest {}, async |mut client, request| client.list_mail(request).await).await
    }

    /// Moves a job into another class.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn set_priority(&self, job: JobRef, priority: Priority) -> Result<Job, CallError> {
        let message = wire::SetPriorityRequest { id: job.to_string(), priority: priority.number() };
        self.ask(message, async |mut client, request| client.set_priority(request).await).await
    }

    /// Deletes a style.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn delete_style(&self, name: &StyleName) -> Result<(), CallError> {
        let answer = self.client.clone().delete_style(wire::StyleRequest { name: name.to_string() }).await;
        answer.map(drop).map_err(|status| self.failed(&status))
    }

    /// Asks the daemon about itself and about the caller.
    ///
    /// # Errors
    /// Whatever the daemon refuses, and an unreachable daemon.
    pub(crate) async fn server(&self) -> Result<wire::Server, CallError> {
        let mut request = Request::new(wire::GetServerRequest {});
        request.set_timeout(ANSWER_TIMEOUT);
        let answer = self.client.clone().get_server(request).await;
        answer.map(Response::into_inner).map_err(|status| self.failed(&status))
    }

    /// Sends one message and reads one answer.
    async fn ask<M, W, T, F>(&self, message: M, call: impl FnOnce(Client, Request<M>) -> F) -> Result<T, CallError>
    where
        F: Future<Output = Result<Response<W>, Status>>,
        T: TryFrom<W, Error = WireError>,
    {
        let mut request = Request::new(message);
        request.set_timeout(ANSWER_TIMEOUT);
        let answer = call(self.client.clone(), request).await.map_err(|status| self.failed(&status))?;
        answer.into_inner().try_into().map_err(|error| self.garbled(&error))
    }
}
