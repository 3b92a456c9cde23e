//! `atelier.v1.Atelier`: each rpc is one use case of [`Intake`].

use futures::StreamExt as _;
use futures::stream::{self, BoxStream};
use protocol::convert::required;
use protocol::wire::{
    self, import_style_request, measure_style_request, paint_request, stylize_request, train_request,
};
use protocol::{ErrorCode, PaintOrder, Priority, TrainOrder};
use tonic::{Request, Response, Status, Streaming};

use super::download::{self, Chunks};
use super::{orders, upload};
use crate::access::{Caller, Role};
use crate::intake::{Amendment, Intake, JobFilter, StylizeOrder};
use crate::refusal::Refusal;

/// The service over the use cases.
pub(super) struct Service {
    pub(super) intake: Intake,
}

/// Returns who asks, as the layer before found out.
fn caller<T>(request: &Request<T>) -> Result<Caller, Refusal> {
    let unknown = || Refusal::new(ErrorCode::Unauthenticated, "this needs a token: send \"authorization: Bearer …\"");
    request.extensions().get::<Caller>().cloned().ok_or_else(unknown)
}

/// As many points a curve's message has at most, which is well within the 4 MiB that clients take.
const MOST_POINTS: u32 = 10_000;

/// Lets through whoever may look.
fn viewer<T>(request: &Request<T>) -> Result<(), Refusal> {
    caller(request)?.require(Role::View)
}

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl wire::atelier_server::Atelier for Service {
    type WatchEventsStream = BoxStream<'static, Result<wire::Event, Status>>;
    type GetResultStream = Chunks;
    type GetPreviewStream = Chunks;
    type GetStylePreviewStream = Chunks;

    async fn stylize(&self, request: Request<Streaming<wire::StylizeRequest>>) -> Answer<wire::StylizeResponse> {
        let caller = caller(&request)?;
        let mut parts = request.into_inner();
        let first = upload::next(&mut parts).await?.and_then(|message| message.part);
        let Some(stylize_request::Part::Order(mut order)) = first else { return Err(upload::out_of_order().into()) };
        let key = order.idempotency_key.take();
        let order = StylizeOrder::try_from(order)?;
        let ticket = self.intake.open(&caller, "stylize", key).await?;
        let photo = upload::receive(&mut parts, ticket.receive()?, |message| match message.part {
            Some(stylize_request::Part::Chunk(bytes)) => Some(bytes),
            _ => None,
        })
        .await?;
        let submission = self.intake.stylize(ticket, order, photo).await?;
        Ok(Response::new(wire::StylizeResponse { job: Some(submission.job.into()), replayed: submission.replayed }))
    }

    async fn train(&self, request: Request<Streaming<wire::TrainRequest>>) -> Answer<wire::TrainResponse> {
        let caller = caller(&request)?;
        let mut parts = request.into_inner();
        let first = upload::next(&mut parts).await?.and_then(|message| message.part);
        let Some(train_request::Part::Order(mut order)) = first else { return Err(upload::out_of_order().into()) };
        let (wishes, key) = orders::wishes(order.wishes.take())?;
        let order = TrainOrder::try_from(order).map_err(Refusal::from)?;
        let ticket = self.intake.open(&caller, "train", key).await?;
        let artwork = upload::receive(&mut parts, ticket.receive()?, |message| match message.part {
            Some(train_request::Part::Chunk(bytes)) => Some(bytes),
            _ => None,
        })
        .await?;
        let submission = self.intake.train(ticket, order, wishes, artwork).await?;
        Ok(Response::new(wire::TrainResponse { job: Some(submission.job.into()), replayed: submission.replayed }))
    }

    async fn paint(&self, request: Request<Streaming<wire::PaintRequest>>) -> Answer<wire::PaintResponse> {
        let caller = caller(&request)?;
        let mut parts = request.into_inner();
        let first = upload::next(&mut parts).await?.and_then(|message| message.part);
        let Some(paint_request::Part::Order(mut order)) = first else { return Err(upload::out_of_order().into()) };
        let (wishes, key) = orders::wishes(order.wishes.take())?;
        let order = PaintOrder::try_from(order).map_err(Refusal::from)?;
        let ticket = self.intake.open(&caller, "paint", key).await?;
        let files = upload::painting(&mut parts, &ticket).await?;
        let submission = self.intake.paint(ticket, order, wishes, files).await?;
        Ok(Response::new(wire::PaintResponse { job: Some(submission.job.into()), replayed: submission.replayed }))
    }

    async fn get_job(&self, request: Request<wire::JobRequest>) -> Answer<wire::Job> {
        viewer(&request)?;
        let job = self.intake.job(orders::job(&request.get_ref().id)?).await?;
        Ok(Response::new(job.into()))
    }

    async fn list_jobs(&self, request: Request<wire::ListJobsRequest>) -> Answer<wire::ListJobsResponse> {
        viewer(&request)?;
        let page = self.intake.jobs(JobFilter::try_from(request.into_inner())?).await?;
        Ok(Response::new(page.into()))
    }

    async fn watch_events(&self, request: Request<wire::WatchEventsRequest>) -> Answer<Self::WatchEventsStream> {
        viewer(&request)?;
        let wire::WatchEventsRequest { job, after } = request.into_inner();
        let job = job.map(|id| orders::job(&id)).transpose()?;
        let watcher = self.intake.watch(job, after)?;
        let events = stream::unfold(watcher, |mut watcher| async move {
            let event = watcher.next().await?;
            Some((Ok(event.event().clone().into()), watcher))
        });
        Ok(Response::new(events.boxed()))
    }

    async fn cancel_job(&self, request: Request<wire::CancelJobRequest>) -> Answer<wire::Job> {
        let caller = caller(&request)?;
        let wire::CancelJobRequest { id, keep } = request.into_inner();
        let job = orders::job(&id)?;
        let job = if keep { self.intake.keep(&caller, job).await? } else { self.intake.cancel(&caller, job).await? };
        Ok(Response::new(job.into()))
    }

    async fn pause_job(&self, request: Request<wire::JobRequest>) -> Answer<wire::Job> {
        let caller = caller(&request)?;
        let job = self.intake.pause(&caller, orders::job(&request.get_ref().id)?).await?;
        Ok(Response::new(job.into()))
    }

    async fn resume_job(&self, request: Request<wire::JobRequest>) -> Answer<wire::Job> {
        let caller = caller(&request)?;
        let job = self.intake.resume(&caller, orders::job(&request.get_ref().id)?).await?;
        Ok(Response::new(job.into()))
    }

    async fn retry_job(&self, request: Request<wire::JobRequest>) -> Answer<wire::Job> {
        let caller = caller(&request)?;
        let job = self.intake.retry(&caller, orders::job(&request.get_ref().id)?).await?;
        Ok(Response::new(job.into()))
    }

    async fn forget_job(&self, request: Request<wire::JobRequest>) -> Answer<wire::Job> {
        let caller = caller(&request)?;
        let job = self.intake.forget(&caller, orders::job(&request.get_ref().id)?).await?;
        Ok(Response::new(job.into()))
    }

    async fn set_priority(&self, request: Request<wire::SetPriorityRequest>) -> Answer<wire::Job> {
        let caller = caller(&request)?;
        let wire::SetPriorityRequest { id, priority } = request.into_inner();
        let priority: Priority = required("priority", priority).map_err(Refusal::from)?;
        let job =
            self.intake.amend(&caller, orders::job(&id)?, Amendment { priority: Some(priority), note: None }).await?;
        Ok(Response::new(job.into()))
    }

    async fn set_note(&self, request: Request<wire::SetNoteRequest>) -> Answer<wire::Job> {
        let caller = caller(&request)?;
        let wire::SetNoteRequest { id, note } = request.into_inner();
        let job = self.intake.amend(&caller, orders::job(&id)?, Amendment { priority: None, note: Some(note) }).await?;
        Ok(Response::new(job.into()))
    }

    async fn get_result(&self, request: Request<wire::JobRequest>) -> Answer<Chunks> {
        viewer(&request)?;
        let result = self.intake.result(orders::job(&request.get_ref().id)?).await?;
        Ok(Response::new(download::file(result).await?))
    }

    async fn get_preview(&self, request: Request<wire::JobRequest>) -> Answer<Chunks> {
        viewer(&request)?;
        let preview = self.intake.job_preview(orders::job(&request.get_ref().id)?).await?;
        Ok(Response::new(download::bytes("image/jpeg", preview)))
    }

    async fn get_losses(&self, request: Request<wire::LossesRequest>) -> Answer<wire::LossCurve> {
        viewer(&request)?;
        let wire::LossesRequest { id, max } = request.into_inner();
        let max = Some(max.unwrap_or(MOST_POINTS).min(MOST_POINTS));
        Ok(Response::new(self.intake.losses(orders::job(&id)?, max).await?.whole().await?.into()))
    }

    async fn list_checkpoints(&self, request: Request<wire::JobRequest>) -> Answer<wire::CheckpointList> {
        viewer(&request)?;
        Ok(Response::new(self.intake.checkpoints(orders::job(&request.get_ref().id)?).await?.into()))
    }

    async fn get_style_preview(&self, request: Request<wire::StyleRequest>) -> Answer<Chunks> {
        viewer(&request)?;
        let preview = self.intake.style_preview(&orders::style(&request.get_ref().name)?)?;
        Ok(Response::new(download::bytes("image/jpeg", preview)))
    }

    async fn list_styles(&self, request: Request<wire::ListStylesRequest>) -> Answer<wire::ListStylesResponse> {
        viewer(&request)?;
        Ok(Response::new(self.intake.styles().into()))
    }

    async fn import_style(&self, request: Request<Streaming<wire::ImportStyleRequest>>) -> Answer<wire::Style> {
        let caller = caller(&request)?;
        let mut parts = request.into_inner();
        let first = upload::next(&mut parts).await?.and_then(|message| message.part);
        let Some(import_style_request::Part::Name(name)) = first else { return Err(upload::out_of_order().into()) };
        let package = self.intake.receive_package(&caller)?;
        let name = orders::new_style(&name)?;
        let package = upload::receive(&mut parts, package, |message| match message.part {
            Some(import_style_request::Part::Chunk(bytes)) => Some(bytes),
            _ => None,
        })
        .await?;
        let style = self.intake.import_style(&caller, name, package).await?;
        Ok(Response::new(style.into()))
    }

    async fn delete_style(&self, request: Request<wire::StyleRequest>) -> Answer<wire::DeleteStyleResponse> {
        let caller = caller(&request)?;
        self.intake.delete_style(&caller, &orders::style(&request.get_ref().name)?).await?;
        Ok(Response::new(wire::DeleteStyleResponse {}))
    }

    async fn measure_style(&self, request: Request<Streaming<wire::MeasureStyleRequest>>) -> Answer<wire::Measurement> {
        let caller = caller(&request)?;
        let mut parts = request.into_inner();
        let first = upload::next(&mut parts).await?.and_then(|message| message.part);
        let Some(measure_style_request::Part::Style(style)) = first else { return Err(upload::out_of_order().into()) };
        let measured = upload::measured(&mut parts, &self.intake, &caller, orders::style(&style)?).await?;
        Ok(Response::new(measured.into()))
    }

    async fn list_devices(&self, request: Request<wire::ListDevicesRequest>) -> Answer<wire::ListDevicesResponse> {
        viewer(&request)?;
        Ok(Response::new(self.intake.devices().into()))
    }

    async fn list_mail(&self, request: Request<wire::ListMailRequest>) -> Answer<wire::ListMailResponse> {
        viewer(&request)?;
        Ok(Response::new(self.intake.mail().await?.into()))
    }

    async fn get_server(&self, request: Request<wire::GetServerRequest>) -> Answer<wire::Server> {
        let caller = caller(&request)?;
        let status = self.intake.status();
        Ok(Response::new(wire::Server {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            role: caller.role.to_string(),
            uptime_seconds: status.uptime.as_secs(),
            queued: status.queued,
            running: status.running,
            not_ready: status.ready.err(),
        }))
    }
}
