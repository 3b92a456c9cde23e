//! What is refused over gRPC, by its stable code.

use protocol::convert::Refused;
use protocol::wire::{self, stylize_request::Part};
use protocol::{ErrorCode, JobId};
use tests::{Served, picture, puppet, upload};
use tonic::{Code, Status};

fn order() -> wire::StylizeOrder {
    wire::StylizeOrder { style: "great-wave".to_owned(), ..Default::default() }
}

fn check(status: &Status, grpc: Code, code: ErrorCode) {
    let refused = Refused::try_from(status).unwrap_or_else(|_| panic!("no details in {status:?}"));
    assert_eq!((status.code(), refused.code), (grpc, code), "{status:?}");
    assert_eq!(status.message(), refused.detail);
    assert_eq!(status.metadata().get("atelier-code").unwrap(), code.as_str());
}

async fn stylize(served: &Served, order: wire::StylizeOrder, photo: &[u8]) -> Status {
    served.client().await.stylize(upload(order, photo)).await.unwrap_err()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_order_is_refused_by_its_code() {
    let served = Served::open(vec![puppet("a").0]).await;
    let photo = picture(4, 3);
    let bad = |change: fn(&mut wire::StylizeOrder)| {
        let mut order = order();
        change(&mut order);
        order
    };
    for (order, code) in [
        (bad(|order| order.style.clear()), ErrorCode::MissingField),
        (bad(|order| order.style = "nowhere".to_owned()), ErrorCode::UnknownStyle),
        (bad(|order| order.style = "../../etc".to_owned()), ErrorCode::UnknownStyle),
        (bad(|order| order.strength = Some(7.0)), ErrorCode::InvalidField),
        (bad(|order| order.strength = Some(f32::NAN)), ErrorCode::InvalidField),
        (bad(|order| order.size = Some(0)), ErrorCode::InvalidField),
        (bad(|order| order.format = 77), ErrorCode::InvalidField),
        (bad(|order| order.email = Some("a@b.c\r\nBcc: x@y.z".to_owned())), ErrorCode::InvalidField),
        (bad(|order| order.size = Some(u32::MAX)), ErrorCode::TooManyPixels),
    ] {
        check(&stylize(&served, order, &photo).await, Code::InvalidArgument, code);
    }
    for (photo, code) in [
        (&photo[..photo.len() / 2], ErrorCode::InvalidPicture),
        (b"<svg xmlns=\"http://www.w3.org/2000/svg\"/>", ErrorCode::UnsupportedMediaType),
    ] {
        check(&stylize(&served, order(), photo).await, Code::InvalidArgument, code);
    }
    assert!(served.client().await.list_jobs(wire::ListJobsRequest::default()).await.unwrap().get_ref().jobs.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_in_the_wrong_order_is_refused() {
    let served = Served::open(vec![puppet("a").0]).await;
    let streams = [
        vec![],
        vec![Some(Part::Chunk(b"bytes first".to_vec().into()))],
        vec![None],
        vec![Some(Part::Order(order())), Some(Part::Order(order()))],
        vec![Some(Part::Order(order())), None],
    ];
    for parts in streams {
        let messages = futures::stream::iter(parts.into_iter().map(|part| wire::StylizeRequest { part }));
        let status = served.client().await.stylize(messages).await.unwrap_err();
        check(&status, Code::InvalidArgument, ErrorCode::MalformedRequest);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_over_the_limit_is_refused_before_it_is_whole() {
    let served = Served::open_with(vec![puppet("a").0], |config| config.limits.upload_bytes = 100_000).await;
    // It would never end by itself.
    let endless = futures::stream::unfold(0_u32, |sent| async move {
        let part = if sent == 0 { Part::Order(order()) } else { Part::Chunk(vec![7; 1000].into()) };
        Some((wire::StylizeRequest { part: Some(part) }, sent + 1))
    });
    let status = served.client().await.stylize(endless).await.unwrap_err();
    check(&status, Code::OutOfRange, ErrorCode::UploadTooLarge);
    let order = Part::Order(order());
    let chunk = Part::Chunk(vec![7; 5 << 20].into());
    let messages = [order, chunk].map(|part| wire::StylizeRequest { part: Some(part) });
    let status = served.client().await.stylize(futures::stream::iter(messages)).await.unwrap_err();
    check(&status, Code::OutOfRange, ErrorCode::UploadTooLarge);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_breaks_off_leaves_no_job() {
    let (engine, strings) = puppet("a");
    let served = Served::open(vec![engine]).await;
    let photo = picture(40, 30);
    let (sender, receiver) = tokio::sync::mpsc::channel::<wire::StylizeRequest>(1);
    let messages = futures::stream::unfold(receiver, |mut receiver| async { Some((receiver.recv().await?, receiver)) });
    let mut client = served.client().await;
    let call = tokio::spawn(async move { client.stylize(Box::pin(messages)).await });
    let keyed = wire::StylizeOrder { idempotency_key: Some("cut".to_owned()), ..order() };
    for part in [Part::Order(keyed.clone()), Part::Chunk(photo[..100].to_vec().into())] {
        sender.send(wire::StylizeRequest { part: Some(part) }).await.unwrap();
    }
    call.abort();
    assert!(call.await.unwrap_err().is_cancelled());
    drop(sender);
    // The key is free again as soon as the daemon has noticed, and this is then the first job there is.
    let job = loop {
        match served.client().await.stylize(upload(keyed.clone(), &photo)).await {
            Ok(answer) => break answer.into_inner().job.unwrap(),
            Err(status) => check(&status, Code::Aborted, ErrorCode::IdempotencyInProgress),
        }
    };
    strings.begun();
    let jobs = served.client().await.list_jobs(wire::ListJobsRequest::default()).await.unwrap().into_inner().jobs;
    assert_eq!(jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&job.id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_when_to_come_back() {
    let (engine, puppet) = puppet("a");
    let served = Served::open_with(vec![engine], |config| config.max_waiting = 1).await;
    let photo = picture(4, 3);
    served.client().await.stylize(upload(order(), &photo)).await.unwrap();
    puppet.begun();
    served.client().await.stylize(upload(order(), &photo)).await.unwrap();
    let status = stylize(&served, order(), &photo).await;
    check(&status, Code::Unavailable, ErrorCode::QueueFull);
    assert!(Refused::try_from(&status).unwrap().retry_after.is_some_and(|wait| wait.as_secs() > 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_there_and_what_can_not_be_is_refused() {
    let (engine, puppet) = puppet("a");
    let served = Served::open(vec![engine]).await;
    let mut client = served.client().await;
    let unknown = || wire::JobRequest { id: JobId::new().to_string() };
    check(&client.get_job(unknown()).await.unwrap_err(), Code::NotFound, ErrorCode::JobNotFound);
    check(&client.get_result(unknown()).await.unwrap_err(), Code::NotFound, ErrorCode::JobNotFound);
    let watched = wire::WatchEventsRequest { job: Some(unknown().id), after: None };
    check(&client.watch_events(watched).await.unwrap_err(), Code::NotFound, ErrorCode::JobNotFound);
    let odd = wire::JobRequest { id: "../../etc/passwd".to_owned() };
    check(&client.get_job(odd).await.unwrap_err(), Code::NotFound, ErrorCode::JobNotFound);
    let nameless = wire::JobRequest { id: String::new() };
    check(&client.get_job(nameless).await.unwrap_err(), Code::InvalidArgument, ErrorCode::MissingField);
    let cursor = wire::ListJobsRequest { after: Some("x".to_owned()), ..Default::default() };
    check(&client.list_jobs(cursor).await.unwrap_err(), Code::InvalidArgument, ErrorCode::InvalidField);
    let nowhere = wire::StyleRequest { name: "nowhere".to_owned() };
    check(&client.get_style_preview(nowhere).await.unwrap_err(), Code::NotFound, ErrorCode::StyleNotFound);

    let job = client.stylize(upload(order(), &picture(4, 3))).await.unwrap().into_inner().job.unwrap();
    puppet.begun();
    let named = || wire::JobRequest { id: job.id.clone() };
    let precondition = Code::FailedPrecondition;
    check(&client.get_result(named()).await.unwrap_err(), precondition, ErrorCode::ResultNotReady);
    check(&client.resume_job(named()).await.unwrap_err(), precondition, ErrorCode::WrongState);
    check(&client.retry_job(named()).await.unwrap_err(), precondition, ErrorCode::WrongState);
    check(&client.forget_job(named()).await.unwrap_err(), precondition, ErrorCode::WrongState);
    let nothing = wire::SetPriorityRequest { id: job.id.clone(), priority: 0 };
    check(&client.set_priority(nothing).await.unwrap_err(), Code::InvalidArgument, ErrorCode::MissingField);
}
