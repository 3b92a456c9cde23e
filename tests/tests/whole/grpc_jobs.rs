//! Jobs over gRPC, through the generated client.

use futures::StreamExt as _;
use protocol::wire::{self, JobRequest, JobState, event::Body};
use protocol::{Event, EventBody, Job, StateName};
use tests::{Act, Served, picture, puppet, upload};
use tonic::Streaming;

fn order() -> wire::StylizeOrder {
    wire::StylizeOrder { style: "great-wave".to_owned(), ..Default::default() }
}

fn named(job: &wire::Job) -> JobRequest {
    JobRequest { id: job.id.clone() }
}

async fn submit(served: &Served, order: wire::StylizeOrder) -> wire::Job {
    let answer = served.client().await.stylize(upload(order, &picture(4, 3))).await.unwrap().into_inner();
    answer.job.unwrap()
}

/// Reads a job's events to their end and returns the states that they name.
async fn states_to_the_end(mut events: Streaming<wire::Event>) -> Vec<StateName> {
    let mut states = Vec::new();
    let mut sequence = 0;
    while let Some(event) = events.message().await.unwrap() {
        assert!(event.sequence >= sequence, "numbers only grow");
        sequence = event.sequence;
        match Event::try_from(event).unwrap().body {
            EventBody::Snapshot(snapshot) => states.extend(snapshot.jobs.iter().map(|job| job.state.name())),
            EventBody::State(job) => states.push(job.state.name()),
            _ => {}
        }
    }
    states.dedup();
    states
}

#[tokio::test(flavor = "multi_thread")]
async fn a_streamed_photo_becomes_a_streamed_painting() {
    let (engine, puppet) = puppet("a");
    let served = Served::open(vec![engine]).await;
    let mut client = served.client().await;
    let photo = picture(400, 300);
    let full = wire::StylizeOrder {
        strength: Some(0.25),
        preserve_color: true,
        format: wire::OutputFormat::Webp as i32,
        priority: wire::Priority::Batch as i32,
        note: Some("for the wall".to_owned()),
        ..order()
    };
    let answer = client.stylize(upload(full, &photo)).await.unwrap().into_inner();
    assert!(!answer.replayed);
    let accepted = answer.job.unwrap();
    assert_eq!(accepted.note.as_deref(), Some("for the wall"));
    assert_eq!(accepted.priority, wire::Priority::Batch as i32);
    let Some(wire::job::Parameters::Stylize(parameters)) = accepted.parameters.clone() else { panic!("{accepted:?}") };
    assert_eq!((parameters.strength, parameters.preserve_color), (0.25, true));

    let watched = wire::WatchEventsRequest { job: Some(accepted.id.clone()), after: None };
    let events = client.watch_events(watched).await.unwrap().into_inner();
    puppet.act(Act::Finish);
    let states = states_to_the_end(events).await;
    assert_eq!(states.last(), Some(&StateName::Succeeded), "{states:?}");

    let job = client.get_job(named(&accepted)).await.unwrap().into_inner();
    let result = job.result.clone().unwrap();
    assert_eq!((result.width, result.height, result.media_type.as_str()), (Some(400), Some(300), "image/webp"));
    let mut chunks = client.get_result(named(&accepted)).await.unwrap().into_inner();
    let head = chunks.message().await.unwrap().unwrap();
    assert_eq!(head.media_type.as_deref(), Some("image/webp"));
    assert_eq!((head.total_bytes, head.sha256), (Some(result.bytes), Some(result.sha256)));
    let mut painting = Vec::new();
    while let Some(chunk) = chunks.message().await.unwrap() {
        assert!(chunk.data.len() <= 256 * 1024);
        painting.extend_from_slice(&chunk.data);
    }
    assert_eq!(painting.len() as u64, result.bytes);
    assert_eq!(&painting[8..12], b"WEBP");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_submit_answers_with_the_first_job() {
    let (engine, _puppet) = puppet("a");
    let served = Served::open(vec![engine]).await;
    let keyed = || wire::StylizeOrder { idempotency_key: Some("once".to_owned()), ..order() };
    let first = submit(&served, keyed()).await;
    let again = served.client().await.stylize(upload(keyed(), &picture(4, 3))).await.unwrap().into_inner();
    assert!(again.replayed);
    assert_eq!(again.job.unwrap().id, first.id);
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_are_listed_newest_first_and_page_by_page() {
    let (engine, puppet) = puppet("a");
    let served = Served::open(vec![engine]).await;
    let mut client = served.client().await;
    let running = submit(&served, order()).await;
    puppet.begun();
    let waiting = submit(&served, order()).await;
    let all = client.list_jobs(wire::ListJobsRequest::default()).await.unwrap().into_inner();
    assert_eq!(all.jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&waiting.id, &running.id]);
    let request = wire::ListJobsRequest { state: JobState::Running as i32, ..Default::default() };
    let filtered = client.list_jobs(request).await.unwrap().into_inner();
    assert_eq!(filtered.jobs.iter().map(|job| &job.id).collect::<Vec<_>>(), [&running.id]);
    let request = wire::ListJobsRequest { limit: Some(1), ..Default::default() };
    let page = client.list_jobs(request).await.unwrap().into_inner();
    let request = wire::ListJobsRequest { limit: Some(1), after: page.next, ..Default::default() };
    let next = client.list_jobs(request).await.unwrap().into_inner();
    assert_eq!((page.jobs[0].id.as_str(), next.jobs[0].id.as_str()), (waiting.id.as_str(), running.id.as_str()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_can_be_steered_by_its_short_id() {
    let (engine, puppet) = puppet("a");
    let served = Served::open(vec![engine]).await;
    let mut client = served.client().await;
    let _running = submit(&served, order()).await;
    puppet.begun();
    let job = submit(&served, order()).await;
    let short = || JobRequest { id: job.id[28..].to_owned() };
    let is = |job: &wire::Job, state: JobState| assert_eq!(job.state, state as i32, "{job:?}");
    is(&client.pause_job(short()).await.unwrap().into_inner(), JobState::Paused);
    is(&client.resume_job(short()).await.unwrap().into_inner(), JobState::Queued);
    let batch = wire::SetPriorityRequest { id: short().id, priority: wire::Priority::Batch as i32 };
    assert_eq!(client.set_priority(batch).await.unwrap().into_inner().priority, wire::Priority::Batch as i32);
    let noted = |note: Option<&str>| wire::SetNoteRequest { id: short().id, note: note.map(str::to_owned) };
    let job_with_note = client.set_note(noted(Some("mine"))).await.unwrap().into_inner();
    assert_eq!(job_with_note.note.as_deref(), Some("mine"));
    assert_eq!(client.set_note(noted(None)).await.unwrap().into_inner().note, None);
    is(
        &client.cancel_job(wire::CancelJobRequest { id: short().id, keep: false }).await.unwrap().into_inner(),
        JobState::Cancelled,
    );
    is(
        &client.cancel_job(wire::CancelJobRequest { id: short().id, keep: false }).await.unwrap().into_inner(),
        JobState::Cancelled,
    );
    is(&client.retry_job(short()).await.unwrap().into_inner(), JobState::Queued);
    is(
        &client.cancel_job(wire::CancelJobRequest { id: short().id, keep: false }).await.unwrap().into_inner(),
        JobState::Cancelled,
    );
    assert_eq!(client.forget_job(short()).await.unwrap().into_inner().id, job.id);
    assert_eq!(client.get_job(short()).await.unwrap_err().code(), tonic::Code::NotFound);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_watcher_goes_on_after_a_number_across_a_restart() {
    let (engine, strings) = puppet("a");
    let mut served = Served::open(vec![engine]).await;
    let mut events =
        served.client().await.watch_events(wire::WatchEventsRequest::default()).await.unwrap().into_inner();
    let first = events.message().await.unwrap().unwrap();
    assert!(matches!(first.body, Some(Body::Snapshot(_))), "a snapshot comes first");
    let job = submit(&served, order()).await;
    strings.begun();
    drop(events);
    let (engine, strings) = puppet("a");
    served.restart(vec![engine]).await;
    strings.act(Act::Finish);
    let missed = wire::WatchEventsRequest { job: None, after: Some(first.sequence) };
    let events = served.client().await.watch_events(missed).await.unwrap().into_inner();
    let states: Vec<_> = events
        .filter_map(|event| async {
            let event = event.unwrap();
            assert!(event.sequence > first.sequence);
            match event.body.unwrap() {
                Body::State(job) => Some(Job::try_from(job).unwrap()),
                Body::Snapshot(_) => panic!("nothing is too old yet"),
                _ => None,
            }
        })
        .inspect(|seen| assert_eq!(seen.id.to_string(), job.id))
        .map(|job| job.state.name())
        .take_while(|state| futures::future::ready(*state != StateName::Succeeded))
        .collect()
        .await;
    assert_eq!(states.first(), Some(&StateName::Queued), "{states:?}");
    assert!(states.contains(&StateName::Running), "{states:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_stream_does_not_hold_up_the_daemons_end() {
    let (engine, _puppet) = puppet("a");
    let mut served = Served::open(vec![engine]).await;
    let mut events =
        served.client().await.watch_events(wire::WatchEventsRequest::default()).await.unwrap().into_inner();
    events.message().await.unwrap();
    let ended = tokio::time::timeout(std::time::Duration::from_secs(5), served.close()).await;
    assert!(ended.is_ok(), "the daemon waits for a watcher");
    while let Ok(Some(_)) = events.message().await {}
}
